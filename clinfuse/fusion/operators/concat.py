"""Concatenation: everything side by side, then a map."""

from __future__ import annotations

from typing import ClassVar, cast, final

from torch import Tensor, nn

from clinfuse.fusion.operators.base import Operator, joined


@final
class ConcatFusion(Operator):
    """Concatenate the embeddings, zeros for absent ones, with the presence itself, and map linearly.

    Parameters
    ----------
    widths : tuple of int
        Width of each modality's embedding, in the cohort's order.
    features : int
        Width of the fused vector.

    Examples
    --------
    >>> import torch
    >>> fuse = ConcatFusion((4, 3), features=2)
    >>> fuse([torch.ones(1, 4), torch.ones(1, 3)], torch.tensor([[True, False]])).shape
    torch.Size([1, 2])
    """

    name: ClassVar[str] = "concat"

    def __init__(self, widths: tuple[int, ...], *, features: int) -> None:
        super().__init__(widths, features=features)
        self.mix = nn.Linear(sum(self.widths) + len(self.widths), features)

    def forward(self, z: list[Tensor], present: Tensor) -> Tensor:
        """Fuse; see ``Operator.forward``."""
        return cast("Tensor", self.mix(joined(self.kept(z, present), present)))


@final
class ConcatMLPFusion(Operator):
    """Concatenation followed by a hidden layer, which can model interactions between modalities.

    A purely linear concatenation under a linear head adds one contribution per modality and cannot.

    Parameters
    ----------
    widths : tuple of int
        Width of each modality's embedding, in the cohort's order.
    features : int
        Width of the hidden layer and of the fused vector.

    Examples
    --------
    >>> import torch
    >>> fuse = ConcatMLPFusion((4, 3), features=2)
    >>> fuse([torch.ones(1, 4), torch.ones(1, 3)], torch.tensor([[True, False]])).shape
    torch.Size([1, 2])
    """

    name: ClassVar[str] = "concat-mlp"

    def __init__(self, widths: tuple[int, ...], *, features: int) -> None:
        super().__init__(widths, features=features)
        total = sum(self.widths) + len(self.widths)
        self.mix = nn.Sequential(nn.Linear(total, features), nn.GELU(), nn.Linear(features, features))

    def forward(self, z: list[Tensor], present: Tensor) -> Tensor:
        """Fuse; see ``Operator.forward``."""
        return cast("Tensor", self.mix(joined(self.kept(z, present), present)))
