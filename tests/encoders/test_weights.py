"""Weights from files: the right ones, all of them, or a refusal."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from clinfuse.encoders.base import Encoder
from clinfuse.encoders.choice import EncoderChoice, build_encoder
from clinfuse.encoders.weights import load_weights, save_weights
from clinfuse.errors import StorageError

SHAPE = (1, 32, 32)


def encoder(seed: int, features: int = 4) -> Encoder:
    return build_encoder("resnet10-narrow", SHAPE, seed=seed, features=features)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return save_weights(encoder(5), tmp_path / "weights.safetensors")


def test_a_round_trip_is_exact(file: Path) -> None:
    choice = EncoderChoice("resnet10-narrow", features=4, weights=str(file))
    again, original = build_encoder(choice, SHAPE, seed=0).state_dict(), encoder(5).state_dict()
    assert all(torch.equal(again[name], original[name]) for name in original)


def test_a_backbone_from_elsewhere_keeps_the_head_of_the_seed(file: Path) -> None:
    plain = {name.removeprefix("backbone."): t for name, t in load_file(file).items() if name.startswith("backbone.")}
    save_file(plain, file)
    target = encoder(0, features=9)
    load_weights(target, file)
    state, original, own = target.state_dict(), encoder(5).state_dict(), encoder(0, features=9).state_dict()
    assert torch.equal(state["backbone.conv1.weight"], original["backbone.conv1.weight"])
    assert torch.equal(state["head.weight"], own["head.weight"])


@pytest.mark.parametrize(
    ("change", "found"),
    [
        ("drop", "1 missing, 0 not expected, 0 of another shape.*first missing: backbone.conv1.weight"),
        ("add", "0 missing, 1 not expected, 0 of another shape.*first not expected: backbone.more"),
        ("shape", "0 missing, 0 not expected, 1 of another shape.*first of another shape: backbone.conv1.weight"),
        ("head", "1 missing, 0 not expected"),
    ],
)
def test_every_name_and_shape_has_to_fit(file: Path, change: str, found: str) -> None:
    tensors = load_file(file)
    if change == "drop":
        del tensors["backbone.conv1.weight"]
    elif change == "add":
        tensors["backbone.more"] = torch.zeros(1)
    elif change == "shape":
        tensors["backbone.conv1.weight"] = torch.zeros(16, 3, 7, 7)
    else:
        del tensors["head.bias"]
    save_file(tensors, file)
    target, before = encoder(0), encoder(0).state_dict()
    with pytest.raises(StorageError, match=f"WEIGHTS_NAMES.*{found}"):
        load_weights(target, file)
    assert all(torch.equal(target.state_dict()[name], before[name]) for name in before)


def test_weights_of_a_training_that_diverged_are_refused(file: Path) -> None:
    tensors = load_file(file)
    tensors["head.bias"][0] = float("nan")
    save_file(tensors, file)
    with pytest.raises(StorageError, match="WEIGHTS_FINITE"):
        load_weights(encoder(0), file)


@pytest.mark.parametrize("content", [b"", b"not safetensors at all", b"\x80\x02}q\x00."])
def test_a_file_that_is_no_safetensors_file_is_refused(tmp_path: Path, content: bytes) -> None:
    bad = tmp_path / "bad.safetensors"
    bad.write_bytes(content)
    with pytest.raises(StorageError, match="WEIGHTS_READ"):
        load_weights(encoder(0), bad)


def test_a_missing_file_or_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="WEIGHTS_READ") as caught:
        load_weights(encoder(0), tmp_path / "nobody.safetensors")
    assert "nobody" not in str(caught.value)
    with pytest.raises(StorageError, match="WEIGHTS_WRITE"):
        save_weights(encoder(0), tmp_path / "nowhere" / "w.safetensors")
