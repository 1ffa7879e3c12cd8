"""Image encoders: published sizes, small inputs, and what the embedding is made of."""

from __future__ import annotations

import math

import pytest
import torch
from monai.networks.nets import DenseNet121, EfficientNetBN, resnet18
from torch import nn

from clinfuse.encoders.backbone import group_norm, normed
from clinfuse.encoders.base import MOST_TOKENS
from clinfuse.encoders.choice import EncoderChoice, build_encoder
from clinfuse.encoders.image import EfficientNetEncoder, ImageEncoder, ResNetEncoder, SmallConv, cell
from clinfuse.errors import ConfigError, DataError


def count(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def test_published_numbers_of_parameters_in_3d() -> None:
    # MONAI 1.6.1 with one channel and one output; a group norm has as many parameters as the batch norm it replaces.
    assert count(build_encoder("densenet121", (1, 32, 32, 32), seed=0, features=1)) == 11_243_649
    assert count(build_encoder("resnet18", (1, 32, 32, 32), seed=0, features=1)) == 33_161_409


def test_numbers_of_parameters_in_2d_are_those_of_the_networks_they_are_made_of() -> None:
    made = {
        "densenet121": DenseNet121(2, 3, 5),
        "resnet18": resnet18(spatial_dims=2, n_input_channels=3, num_classes=5),
        "efficientnet-b0": EfficientNetBN("efficientnet-b0", pretrained=False, in_channels=3, num_classes=5),
    }
    for name, network in made.items():
        assert count(build_encoder(name, (3, 64, 64), seed=0, features=5)) == count(network)


def test_efficientnet_pads_as_the_original_where_the_original_fits() -> None:
    encoder = EfficientNetEncoder((1, 64, 64), features=5).eval()
    original = EfficientNetBN("efficientnet-b0", pretrained=False, in_channels=1, num_classes=5)
    original = normed(original, "group").eval()
    tensors = {name.removeprefix("backbone."): tensor for name, tensor in encoder.state_dict().items()}
    renamed = {name.replace("head.", "_fc.") if name.startswith("head.") else name: t for name, t in tensors.items()}
    original.load_state_dict(renamed, strict=True)
    x = torch.randn(1, 1, 64, 64, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(encoder(x), original(x), rtol=0, atol=1e-5)


@pytest.mark.parametrize("shape", [(1, 1, 1, 1), (3, 5, 40, 3), (1, 1, 1), (2, 3, 33)])
@pytest.mark.parametrize("name", ["small-conv", "resnet10-narrow", "densenet121", "efficientnet-b0"])
def test_any_size_and_any_number_of_channels(name: str, shape: tuple[int, ...]) -> None:
    encoder = build_encoder(name, shape, seed=0, features=3).eval()
    with torch.no_grad():
        z = encoder(torch.ones(1, *shape))
    assert z.shape == (1, 3)
    assert torch.isfinite(z).all()


@pytest.mark.parametrize("name", ["resnet10-narrow", "densenet121", "efficientnet-b0"])
def test_the_embedding_is_the_mean_of_the_tokens(name: str) -> None:
    encoder = build_encoder(name, (1, 64, 64), seed=0, features=3).eval()
    x = torch.randn(2, 1, 64, 64, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        tokens = encoder.tokens(x)
        assert tokens.shape[1] > 1
        torch.testing.assert_close(tokens.mean(1), encoder(x), rtol=0, atol=1e-5)


def test_small_conv_reads_the_largest_and_the_mean_response() -> None:
    encoder = SmallConv((1, 16, 16), features=3).eval()
    x = torch.randn(2, 1, 16, 16, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        maps, pooled = encoder.maps(x).flatten(2), encoder.pooled(x)
    torch.testing.assert_close(pooled, torch.cat([maps.max(2).values, maps.mean(2)], 1))


@pytest.mark.parametrize("shape", [(1, 16, 16, 8), (1, 32, 32, 24), (1, 7, 12, 3), (1, 32, 32)])
def test_no_kernel_of_small_conv_is_longer_than_its_feature_map(shape: tuple[int, ...]) -> None:
    # Weight gradients of such convolutions are not sound in reduced precision on every CPU build of torch.
    encoder, seen = SmallConv(shape, features=2), []
    for module in encoder.modules():
        if isinstance(module, nn.Conv2d | nn.Conv3d):
            module.register_forward_hook(lambda m, args, out: seen.append((m.kernel_size, tuple(args[0].shape[2:]))))
    encoder(torch.zeros(1, *shape))
    assert len(seen) == 4
    assert all(k <= size for kernel, sizes in seen for k, size in zip(kernel, sizes, strict=True))


def test_narrow_networks_are_at_least_16_wide_in_2d() -> None:
    # The pinned torch crashed the process in a strided 1x1 convolution of 8 channels.
    for name in ("resnet10-narrow", "small-conv"):
        convolutions = [m for m in build_encoder(name, (1, 64, 64), seed=0).modules() if isinstance(m, nn.Conv2d)]
        assert min(module.out_channels for module in convolutions) >= 16


def test_a_memory_layout_from_outside_does_not_reach_the_convolutions() -> None:
    encoder = build_encoder("resnet10-narrow", (3, 32, 32), seed=0).eval()
    x = torch.randn(2, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        assert torch.equal(encoder(x.to(memory_format=torch.channels_last)), encoder(x))


@pytest.mark.parametrize("name", ["small-conv", "resnet10-narrow"])
def test_a_large_image_is_read_at_half_resolution_first(name: str) -> None:
    # By the feature map: a small one costs an eighth in 3-D.
    small, large = (build_encoder(name, (1, size, size), seed=0, features=2) for size in (64, 128))
    with torch.no_grad():
        assert small.tokens(torch.zeros(1, 1, 64, 64)).shape == large.tokens(torch.zeros(1, 1, 128, 128)).shape


def test_resnet_stem_stride_can_be_chosen() -> None:
    coarse = build_encoder(EncoderChoice("resnet10-narrow", options={"stem_stride": 2}), (1, 64, 64), seed=0)
    fine = build_encoder("resnet10-narrow", (1, 64, 64), seed=0)
    x = torch.zeros(1, 1, 64, 64)
    assert [2 * axis for axis in coarse.maps(x).shape[2:]] == list(fine.maps(x).shape[2:])


@pytest.mark.parametrize(
    ("size", "each"), [((4, 3, 3), (2, 2, 1)), ((12, 12, 6), (6, 6, 2)), ((4, 4), (1, 1)), ((40, 1), (3, 1))]
)
def test_no_map_has_more_than_sixteen_cells(size: tuple[int, ...], each: tuple[int, ...]) -> None:
    assert cell(size) == each
    assert math.prod(-(-axis // step) for axis, step in zip(size, each, strict=True)) <= MOST_TOKENS


def test_a_cell_of_small_conv_is_read_as_an_image_is() -> None:
    encoder = SmallConv((1, 40, 40, 40), features=3).eval()
    x = torch.randn(2, 1, 40, 40, 40, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        maps, tokens = encoder.maps(x), encoder.tokens(x)
        assert maps.shape[2:] == (5, 5, 5)
        corner = maps[:, :, :3, :3, :2].flatten(2)
        last = maps[:, :, 3:, 3:, 4:].flatten(2)
        expected = [encoder.head(torch.cat([part.amax(2), part.mean(2)], 1)) for part in (corner, last)]
    torch.testing.assert_close(tokens[:, 0], expected[0])
    torch.testing.assert_close(tokens[:, -1], expected[1])


def test_group_norms_keep_groups_of_at_least_four() -> None:
    assert [group_norm(c).num_groups for c in (1, 3, 8, 16, 24, 32, 48, 256)] == [1, 1, 2, 4, 6, 8, 8, 8]


def test_an_image_of_another_shape_is_refused() -> None:
    encoder: ImageEncoder = ResNetEncoder((1, 32, 32), features=2)
    with pytest.raises(DataError, match=r"ENCODER_INPUT.*\(batch, 1, 32, 32\); found shape \(2, 1, 32, 31\)"):
        encoder(torch.zeros(2, 1, 32, 31))
    with pytest.raises(DataError, match="ENCODER_INPUT"):
        encoder.tokens(torch.zeros(1, 32, 32))
    with pytest.raises(ConfigError, match="ENCODER_SHAPE"):
        ResNetEncoder((32, 32), features=2)
