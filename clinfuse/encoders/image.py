"""Encoders of images, 2-D and 3-D: MONAI's networks with group norm, and a small convolutional network."""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Sequence
from typing import Any, cast, final

import torch
from monai.networks.nets.densenet import DenseNet
from monai.networks.nets.efficientnet import EfficientNet, MBConvBlock
from monai.networks.nets.resnet import ResNet
from torch import Tensor, nn

from clinfuse.encoders.backbone import BackboneEncoder, group_norm, normed
from clinfuse.encoders.base import MOST_TOKENS
from clinfuse.errors import ConfigError

_CONV: dict[int, Any] = {2: nn.Conv2d, 3: nn.Conv3d}
_MAX_POOL: dict[int, Any] = {2: nn.MaxPool2d, 3: nn.MaxPool3d}
_MEANS: dict[int, Any] = {2: nn.functional.avg_pool2d, 3: nn.functional.avg_pool3d}
_LARGEST: dict[int, Any] = {2: nn.functional.max_pool2d, 3: nn.functional.max_pool3d}
_NARROW = {2: (16, 32, 48, 64), 3: (8, 16, 32, 64)}
_SMALL = {2: (16, 32, 32, 64), 3: (8, 16, 32, 32)}
_B0 = (
    "r1_k3_s11_e1_i32_o16_se0.25",
    "r2_k3_s22_e6_i16_o24_se0.25",
    "r2_k5_s22_e6_i24_o40_se0.25",
    "r3_k3_s22_e6_i40_o80_se0.25",
    "r3_k5_s11_e6_i80_o112_se0.25",
    "r4_k5_s22_e6_i112_o192_se0.25",
    "r1_k3_s11_e6_i192_o320_se0.25",
)


def cell(size: Sequence[int]) -> tuple[int, ...]:
    """Give how many neighbours along each axis make a token, so that a map of this size has ``MOST_TOKENS`` at most.

    Examples
    --------
    >>> cell((4, 3, 3)), cell((4, 4))
    ((2, 2, 1), (1, 1))
    """
    each = [1] * len(size)
    while math.prod(counts := [-(-axis // step) for axis, step in zip(size, each, strict=True)]) > MOST_TOKENS:
        each[counts.index(max(counts))] += 1
    return tuple(each)


class ImageEncoder(BackboneEncoder):
    """An encoder whose backbone gives a feature map; the embedding is the head of its mean.

    The head is linear, so the embedding is also the mean of the tokens, where these are equal parts of the image.

    Parameters
    ----------
    input_shape : tuple of int
        ``(channel, x, y, z)`` or ``(channel, y, x)``.
    features : int
        Width of the embedding.

    Raises
    ------
    ConfigError
        ``ENCODER_SHAPE`` where the shape is not that of an image.
    """

    def __init__(self, input_shape: tuple[int, ...], *, features: int = 32) -> None:
        super().__init__(input_shape, features=features)
        if len(input_shape) not in (3, 4):
            raise ConfigError(
                "ENCODER_SHAPE",
                place="image encoder",
                rule="an image has shape (channel, x, y, z) or (channel, y, x)",
                found=f"{len(input_shape)} axes",
                remedy="Choose an encoder of another kind for this modality.",
            )
        self.dimensions = len(input_shape) - 1

    def maps(self, x: Tensor) -> Tensor:
        """Give the feature map before pooling, float32 (batch, channel, and the axes of space)."""
        # Channels-last float32 convolutions are not safe on every CPU build of torch.
        return cast("Tensor", self.backbone(x.contiguous()))

    def pooled(self, x: Tensor) -> Tensor:
        """Give the mean of the feature map, float32 (batch, channel)."""
        return self.maps(x).flatten(2).mean(2)

    def tokens(self, x: Tensor) -> Tensor:
        """Give the embedding of every cell of the feature map, float32 (batch, cells, features).

        A cell is as many neighbours along each axis as leave at most ``MOST_TOKENS`` cells.
        """
        self._check(x)
        return cast("Tensor", self.head(self.cells(self.maps(x)).flatten(2).transpose(1, 2)))

    def cells(self, maps: Tensor) -> Tensor:
        """Give the mean of every cell of a feature map, float32 (batch, channel, and the axes of space)."""
        return cast("Tensor", _MEANS[self.dimensions](maps, cell(maps.shape[2:]), ceil_mode=True))


@final
class SmallConv(ImageEncoder):
    """Few convolutions with group norm, then the largest and the mean response anywhere in the image.

    The largest response finds a lesion of a few voxels that the mean of a feature map would dilute; this network
    learned one from 200 records where wider ones needed more.

    Parameters
    ----------
    input_shape : tuple of int
        ``(channel, x, y, z)`` or ``(channel, y, x)``; any size.
    features : int
        Width of the embedding.
    widths : sequence of int
        Channels of each convolution; by default 8, 16, 32, 32 in 3-D and 16, 32, 32, 64 in 2-D. Every convolution
        but the last is followed by a halving of each axis that is at least 6 long.

    Examples
    --------
    >>> SmallConv((1, 16, 16, 8), features=4)(torch.zeros(2, 1, 16, 16, 8)).shape
    torch.Size([2, 4])
    """

    def __init__(self, input_shape: tuple[int, ...], *, features: int = 32, widths: Sequence[int] = ()) -> None:
        super().__init__(input_shape, features=features)
        channels = tuple(widths) or _SMALL[self.dimensions]
        size = list(input_shape[1:])
        # A large image is read at half its resolution: the first convolution would cost more than all the others.
        stride = [2 if axis > 96 else 1 for axis in size]
        size = [-(-axis // step) for axis, step in zip(size, stride, strict=True)]
        layers: list[nn.Module] = []
        before = input_shape[0]
        for position, width in enumerate(channels):
            step = stride if position == 0 else 1
            layers += [
                _CONV[self.dimensions](before, width, 3, stride=tuple(stride) if position == 0 else step, padding=1)
            ]
            layers += [group_norm(width), nn.ReLU()]
            if position < len(channels) - 1:
                halved = tuple(2 if axis >= 6 else 1 for axis in size)
                layers.append(_MAX_POOL[self.dimensions](halved))
                size = [axis // half for axis, half in zip(size, halved, strict=True)]
            before = width
        self.backbone = nn.Sequential(*layers)
        self.head = nn.Linear(2 * before, features)

    def pooled(self, x: Tensor) -> Tensor:
        """Give the largest and the mean response of each channel, float32 (batch, 2 channels)."""
        flat = self.maps(x).flatten(2)
        return torch.cat([flat.amax(2), flat.mean(2)], 1)

    def cells(self, maps: Tensor) -> Tensor:
        """Give the largest and the mean response of every cell, float32 (batch, 2 channels, and the axes of space)."""
        largest = _LARGEST[self.dimensions](maps, cell(maps.shape[2:]), ceil_mode=True)
        return torch.cat([largest, super().cells(maps)], 1)


@final
class ResNetEncoder(ImageEncoder):
    """MONAI's residual network with group norm and a linear head.

    Parameters
    ----------
    input_shape : tuple of int
        ``(channel, x, y, z)`` or ``(channel, y, x)``.
    features : int
        Width of the embedding.
    blocks : sequence of int
        Residual blocks in each of the four stages: (1, 1, 1, 1) is ResNet-10, (2, 2, 2, 2) ResNet-18.
    widths : sequence of int
        Channels of each stage; empty for the narrow ones that a few hundred records can train.
    stem_stride : int
        Of the first convolution; 0 for 2 where an axis is longer than 96, else 1.
    norm : {"group", "fixed"}
        Group norm; or, for weights of a network that had batch norm, their statistics as they came.

    References
    ----------
    He K, Zhang X, Ren S, Sun J. Deep residual learning for image recognition. CVPR 2016,
    doi 10.1109/CVPR.2016.90.
    """

    def __init__(
        self,
        input_shape: tuple[int, ...],
        *,
        features: int = 32,
        blocks: Sequence[int] = (1, 1, 1, 1),
        widths: Sequence[int] = (),
        stem_stride: int = 0,
        norm: str = "group",
    ) -> None:
        super().__init__(input_shape, features=features)
        channels = list(widths) or list(_NARROW[self.dimensions])
        net = ResNet(
            "basic",
            list(blocks),
            channels,
            spatial_dims=self.dimensions,
            n_input_channels=input_shape[0],
            conv1_t_stride=stem_stride or (2 if max(input_shape[1:]) > 96 else 1),
            feed_forward=False,
        )
        stages: list[tuple[str, nn.Module]] = [("conv1", net.conv1), ("bn1", net.bn1), ("act", net.act)]
        # Four halvings of an axis shorter than 16 leave nothing to look at.
        if min(input_shape[1:]) >= 16:
            stages.append(("maxpool", net.maxpool))
        stages += [(f"layer{i}", getattr(net, f"layer{i}")) for i in (1, 2, 3, 4)]
        self.backbone = normed(nn.Sequential(OrderedDict(stages)), norm)
        self.head = nn.Linear(channels[-1], features)


@final
class DenseNetEncoder(ImageEncoder):
    """MONAI's densely connected network with group norm and a linear head.

    Parameters
    ----------
    input_shape : tuple of int
        ``(channel, x, y, z)`` or ``(channel, y, x)``.
    features : int
        Width of the embedding.
    blocks : sequence of int
        Layers in each dense block: (6, 12, 24, 16) is DenseNet-121.
    growth_rate, init_features : int
        Channels added by each layer and those of the first convolution.
    norm : {"group", "fixed"}
        Group norm; or, for weights of a network that had batch norm, their statistics as they came.

    References
    ----------
    Huang G, Liu Z, van der Maaten L, Weinberger KQ. Densely connected convolutional networks. CVPR 2017,
    doi 10.1109/CVPR.2017.243.
    """

    def __init__(
        self,
        input_shape: tuple[int, ...],
        *,
        features: int = 32,
        blocks: Sequence[int] = (6, 12, 24, 16),
        growth_rate: int = 32,
        init_features: int = 64,
        norm: str = "group",
    ) -> None:
        super().__init__(input_shape, features=features)
        net = DenseNet(
            self.dimensions,
            input_shape[0],
            features,
            block_config=tuple(blocks),
            growth_rate=growth_rate,
            init_features=init_features,
        )
        if min(input_shape[1:]) < 32:
            _keep_short_axes(net, self.dimensions)
        self.head = net.class_layers.out
        self.backbone = normed(nn.Sequential(OrderedDict(features=net.features, relu=nn.ReLU())), norm)


def _keep_short_axes(net: nn.Module, dimensions: int) -> None:
    """Read a short image at its full resolution, and do not halve an axis of which one voxel is left."""
    first = cast("nn.Conv3d", net.get_submodule("features.conv0"))
    first.stride = (1,) * dimensions
    pooled = [name for name, module in net.named_modules() if isinstance(module, nn.AvgPool2d | nn.AvgPool3d)]
    for name in pooled:
        net.set_submodule(name, _Halving())


@final
class _Halving(nn.Module):
    """Mean of every two voxels along each axis that has two."""

    def forward(self, x: Tensor) -> Tensor:
        pool = nn.functional.avg_pool2d if x.ndim == 4 else nn.functional.avg_pool3d
        return pool(x, tuple(min(2, size) for size in x.shape[2:]))


@final
class EfficientNetEncoder(ImageEncoder):
    """MONAI's EfficientNet-B0 with group norm and a linear head.

    Parameters
    ----------
    input_shape : tuple of int
        ``(channel, x, y, z)`` or ``(channel, y, x)``; any size: padding follows the input, not a fixed 224.
    features : int
        Width of the embedding.
    drop_connect : float
        Largest share of residual branches left out in training.
    norm : {"group", "fixed"}
        Group norm; or, for weights of a network that had batch norm, their statistics as they came.

    References
    ----------
    Tan M, Le QV. EfficientNet: rethinking model scaling for convolutional neural networks. ICML 2019,
    arXiv 1905.11946.
    """

    def __init__(
        self, input_shape: tuple[int, ...], *, features: int = 32, drop_connect: float = 0.2, norm: str = "group"
    ) -> None:
        super().__init__(input_shape, features=features)
        net = _EfficientMaps(
            list(_B0),
            spatial_dims=self.dimensions,
            in_channels=input_shape[0],
            drop_connect_rate=drop_connect,
        )
        # The network's own last layer is drawn so wide that embeddings would begin with a spread of 10.
        self.head = nn.Linear(net._fc.in_features, features)
        net._fc = nn.Identity()
        net.pad_by_input()
        self.backbone = normed(net, norm)


class _EfficientMaps(EfficientNet):
    """The network up to its feature map."""

    def pad_by_input(self) -> None:
        blocks = [module for module in self.modules() if isinstance(module, MBConvBlock)]
        for owner, name in [(self, "_conv_stem"), (self, "_conv_head"), *((b, "_depthwise_conv") for b in blocks)]:
            convolution = getattr(owner, name)
            setattr(owner, f"{name}_padding", _SamePad(convolution.kernel_size, convolution.stride))
        # The memory-saving activation works in place, which gradients of inner layers cannot be taken through.
        self.set_swish(memory_efficient=False)

    def forward(self, inputs: Tensor) -> Tensor:
        x = self._swish(self._bn0(self._conv_stem(self._conv_stem_padding(inputs))))
        x = self._blocks(x)
        return cast("Tensor", self._swish(self._bn1(self._conv_head(self._conv_head_padding(x)))))


@final
class _SamePad(nn.Module):
    """Zeros around an image so that a convolution gives one value for each ``stride`` values, rounded up."""

    def __init__(self, kernel: Sequence[int], stride: Sequence[int]) -> None:
        super().__init__()
        self.kernel = tuple(kernel)
        self.stride = tuple(stride)

    def forward(self, x: Tensor) -> Tensor:
        pads: list[int] = []
        for size, kernel, stride in zip(x.shape[2:], self.kernel, self.stride, strict=True):
            total = max((-(-size // stride) - 1) * stride + kernel - size, 0)
            pads = [total // 2, total - total // 2, *pads]
        return nn.functional.pad(x, pads)
