"""Public checkpoints become weights of an encoder, exactly, or are refused without running what is in them."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from monai.networks.nets import DenseNet121, resnet10
from torch import nn

from clinfuse.encoders.choice import EncoderChoice, build_encoder
from clinfuse.encoders.image import ImageEncoder

SCRIPT = Path(__file__).parents[2] / "pipelines" / "convert_weights.py"
SHAPE = (1, 40, 40)


def trained(network: nn.Module) -> nn.Module:
    """A network whose batch norm has seen something, in evaluation mode."""
    draw = torch.Generator().manual_seed(0)
    for _ in range(3):
        network(torch.randn(4, 3, 40, 40, generator=draw))
    return network.eval()


def convert(checkpoint: Path, target: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(SCRIPT), str(checkpoint), str(target), *arguments, "--shape", *map(str, SHAPE)]
    return subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)


def resnet() -> nn.Module:
    return resnet10(spatial_dims=2, n_input_channels=3, num_classes=4, conv1_t_stride=2, shortcut_type="B")


def densenet() -> nn.Module:
    return DenseNet121(2, 3, 4)


def features_of(network: nn.Module, x: torch.Tensor) -> torch.Tensor:
    if hasattr(network, "features"):
        return torch.relu(network.features(x))
    x = network.maxpool(network.act(network.bn1(network.conv1(x))))
    return network.layer4(network.layer3(network.layer2(network.layer1(x))))


@pytest.mark.slow
@pytest.mark.parametrize(("name", "make", "stride"), [("resnet10", resnet, 2), ("densenet121", densenet, 0)])
def test_a_converted_network_gives_the_maps_of_the_original(
    name: str, make: Callable[[], nn.Module], stride: int, tmp_path: Path
) -> None:
    torch.manual_seed(0)
    original = trained(make())
    # As published: under a prefix, inside a training checkpoint, dense layers without a container.
    state = {f"module.{key.replace('.layers.', '.')}": value for key, value in original.state_dict().items()}
    torch.save({"epoch": 3, "state_dict": state}, tmp_path / "public.pth")
    done = convert(tmp_path / "public.pth", tmp_path / "own" / "public.safetensors", "--encoder", name)
    assert done.returncode == 0, done.stderr
    assert f'name = "{name}"' in done.stdout
    options = {"norm": "fixed", **({"stem_stride": stride} if stride else {})}
    choice = EncoderChoice(name, weights=str(tmp_path / "own" / "public.safetensors"), options=options, frozen=True)
    encoder = build_encoder(choice, SHAPE, seed=0)
    assert isinstance(encoder, ImageEncoder)
    grey = torch.randn(2, *SHAPE, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        maps, expected = encoder.train().maps(grey), features_of(original, grey.expand(-1, 3, -1, -1))
    torch.testing.assert_close(maps, expected, rtol=1e-4, atol=1e-4)


@pytest.mark.slow
def test_a_file_that_runs_code_is_refused_and_runs_nothing(tmp_path: Path) -> None:
    ran = tmp_path / "ran"

    class Evil:
        def __reduce__(self) -> tuple[object, ...]:
            return Path.touch, (ran,)

    torch.save({"state_dict": {"conv1.weight": torch.zeros(1)}, "more": Evil()}, tmp_path / "evil.pth")
    done = convert(tmp_path / "evil.pth", tmp_path / "evil.safetensors", "--encoder", "resnet10")
    assert done.returncode != 0
    assert "nothing in it was run" in done.stderr
    assert not ran.exists()
    assert not (tmp_path / "evil.safetensors").exists()


@pytest.mark.slow
def test_another_network_is_refused_with_the_first_name_that_does_not_fit(tmp_path: Path) -> None:
    torch.save(resnet().state_dict(), tmp_path / "ten.pth")
    done = convert(tmp_path / "ten.pth", tmp_path / "ten.safetensors", "--encoder", "resnet18")
    assert done.returncode != 0
    assert "WEIGHTS_NAMES" in done.stderr
    assert "backbone.layer1.1" in done.stderr
    assert list(tmp_path.iterdir()) == [tmp_path / "ten.pth"]
