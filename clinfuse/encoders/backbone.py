"""Encoders made of a backbone, whose weights may come from a file and be kept fixed, and a linear head."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Mapping
from typing import cast, final

import torch
from torch import Tensor, nn

from clinfuse.encoders.base import Encoder
from clinfuse.errors import ConfigError, DataError


class BackboneEncoder(Encoder):
    """An encoder whose embedding is a linear map of what its backbone gives.

    No rectifier stands between the two or after them: narrow embeddings behind one were seen to die.

    Parameters
    ----------
    input_shape : tuple of int
        Of one input without the batch axis.
    features : int
        Width of the embedding.

    Attributes
    ----------
    backbone : nn.Module
        Its tensors are the ones a file of pretrained weights holds.
    head : nn.Linear
        Always trainable, drawn from the seed where the file does not hold it.
    frozen : bool
        Whether the backbone is kept as it is, in evaluation mode.
    """

    backbone: nn.Module
    head: nn.Linear

    def __init__(self, input_shape: tuple[int, ...], *, features: int) -> None:
        super().__init__(input_shape, features=features)
        if features < 1:
            raise ConfigError(
                "ENCODER_FEATURES",
                place="encoder",
                rule="an embedding is at least 1 wide",
                found=f"features={features}",
                remedy="Choose a positive number of features.",
            )
        self.frozen = False

    def freeze(self) -> None:
        """Keep the backbone as it is: no gradient, no dropout, whatever mode the encoder is put into."""
        self.frozen = True
        self.backbone.requires_grad_(False)
        self.backbone.eval()

    def train(self, mode: bool = True) -> BackboneEncoder:
        """Set the mode of everything that is not frozen, and give the encoder itself."""
        super().train(mode)
        if self.frozen:
            self.backbone.eval()
        return self

    @abstractmethod
    def pooled(self, x: Tensor) -> Tensor:
        """Give what the head reads, float32 (batch, width of the backbone)."""

    def forward(self, x: Tensor) -> Tensor:
        """Give the embedding of the whole input, float32 (batch, features)."""
        self._check(x)
        return cast("Tensor", self.head(self.pooled(x)))

    def _check(self, x: Tensor) -> None:
        if tuple(x.shape[1:]) != self.input_shape:
            raise DataError(
                "ENCODER_INPUT",
                place="encoder",
                rule=f"inputs have shape (batch, {', '.join(map(str, self.input_shape))})",
                found=f"shape {tuple(x.shape)}",
                remedy="Prepare the input as the encoder was built for, with the batch axis first.",
            )


def group_norm(channels: int, *, eps: float = 1e-5) -> nn.GroupNorm:
    """Give a group norm with at most 8 groups of at least 4 channels each.

    A group of one channel on a feature map of one voxel would always give zero.

    Parameters
    ----------
    channels : int
        Channels of the feature map.
    eps : float
        Added to the variance.

    Examples
    --------
    >>> group_norm(16).num_groups, group_norm(64).num_groups, group_norm(3).num_groups
    (4, 8, 1)
    """
    most = max(1, min(8, channels // 4))
    groups = max(g for g in range(1, most + 1) if channels % g == 0)
    return nn.GroupNorm(groups, channels, eps=eps)


@final
class FixedNorm(nn.Module):
    """Batch norm as it is after training: statistics that came with the weights and never change.

    Parameters
    ----------
    channels : int
        Channels of the feature map.
    eps : float
        Added to the variance.

    Examples
    --------
    >>> FixedNorm(2, eps=0.0)(torch.ones(1, 2, 3)).mean().item()
    1.0
    """

    running_mean: Tensor
    running_var: Tensor

    def __init__(self, channels: int, *, eps: float = 1e-5) -> None:
        super().__init__()
        self.eps = eps
        self.weight = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels))
        self.register_buffer("running_mean", torch.zeros(channels))
        self.register_buffer("running_var", torch.ones(channels))

    def forward(self, x: Tensor) -> Tensor:
        """Give the normalised feature map, float32 (batch, channel, ...)."""
        mean, variance = self.running_mean, self.running_var
        return nn.functional.batch_norm(x, mean, variance, self.weight, self.bias, training=False, eps=self.eps)


def normed(module: nn.Module, norm: str) -> nn.Module:
    """Give the module with every batch norm replaced by a norm that looks at one record only.

    A prediction must not depend on the other records of its batch, and small batches make poor statistics.

    Parameters
    ----------
    module : nn.Module
        Changed in place.
    norm : {"group", "fixed"}
        Group norm, with as many parameters; or the batch norm of a network trained elsewhere, with the statistics of
        its weights file.

    Raises
    ------
    ConfigError
        ``ENCODER_NORM``: another name.
    """
    if norm not in NORMS:
        raise ConfigError(
            "ENCODER_NORM",
            place="encoder",
            rule=f"norm must be one of {', '.join(NORMS)}",
            found="another value",
            remedy='Use norm = "group", or "fixed" for weights of a network that had batch norm.',
        )
    for name, child in module.named_children():
        if isinstance(child, nn.modules.batchnorm._BatchNorm):
            channels = child.num_features
            setattr(module, name, _NORM[norm](channels, eps=child.eps))
        else:
            normed(child, norm)
    return module


_NORM: Mapping[str, Callable[..., nn.Module]] = {"group": group_norm, "fixed": FixedNorm}
NORMS = tuple(_NORM)


def stretches(x: Tensor, count: int) -> Tensor:
    """Mean of ``x`` (batch, channel, time) over at most ``count`` stretches of time, (batch, stretch, channel)."""
    steps = min(count, x.shape[-1])
    return torch.nn.functional.adaptive_avg_pool1d(x, steps).transpose(1, 2)
