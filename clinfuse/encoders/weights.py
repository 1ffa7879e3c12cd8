"""Pretrained weights from a local file, by name and shape, never by position."""

from __future__ import annotations

from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from clinfuse.encoders.base import Encoder
from clinfuse.errors import StorageError

_BACKBONE = "backbone."


def save_weights(encoder: Encoder, file: Path | str) -> Path:
    """Write every tensor of an encoder and give the path of the file.

    Parameters
    ----------
    encoder : Encoder
    file : path
        ``*.safetensors``; overwritten where it exists.

    Raises
    ------
    StorageError
        ``WEIGHTS_WRITE``.
    """
    path = Path(file)
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in encoder.state_dict().items()}
    try:
        save_file(tensors, path)
    except (OSError, SafetensorError):
        raise StorageError(
            "WEIGHTS_WRITE",
            place="weights file",
            rule="the folder exists and can be written",
            found="a file that could not be written",
            remedy="Choose another place.",
        ) from None
    return path


def load_weights(encoder: Encoder, file: Path | str) -> None:
    """Replace the weights of an encoder by those of a safetensors file.

    The file holds either every tensor of the encoder, or exactly those of its backbone, with or without
    ``"backbone."`` in front, as the network is named where it was trained; the head is then kept.

    Parameters
    ----------
    encoder : Encoder
        Changed in place.
    file : path
        ``*.safetensors``, on this machine.

    Raises
    ------
    StorageError
        ``WEIGHTS_READ`` where the file is missing or not a safetensors file; ``WEIGHTS_NAMES`` where a name is
        missing, not expected or of another shape; ``WEIGHTS_FINITE`` where a value is not finite.
    """
    try:
        found = load_file(Path(file))
    except (OSError, SafetensorError, ValueError):
        raise StorageError(
            "WEIGHTS_READ",
            place="weights file",
            rule="a safetensors file on this machine",
            found="a missing or unreadable file",
            remedy="Give the path of a file written by clinfuse.encoders.weights.save_weights or by safetensors.",
        ) from None
    own = encoder.state_dict()
    tensors = _named(found, own)
    if not all(bool(torch.isfinite(tensor).all()) for tensor in tensors.values() if tensor.is_floating_point()):
        raise StorageError(
            "WEIGHTS_FINITE",
            place="weights file",
            rule="every weight is a finite number",
            found="NaN or infinite weights",
            remedy="Use weights of a training that did not diverge.",
        )
    nn.Module.load_state_dict(encoder, own | tensors, strict=True)


def _named(found: dict[str, Tensor], own: dict[str, Tensor]) -> dict[str, Tensor]:
    inner = {name for name in own if name.startswith(_BACKBONE)}
    if inner and set(found) != set(own) and not any(name.startswith(_BACKBONE) for name in found):
        found = {_BACKBONE + name: tensor for name, tensor in found.items()}
    # A file made elsewhere has no head of ours; a file of this encoder has all of it.
    expected = inner if inner and not set(found) & (set(own) - inner) else set(own)
    missing, extra = expected - set(found), set(found) - expected
    shapes = [name for name in expected & set(found) if found[name].shape != own[name].shape]
    if missing or extra or shapes:
        raise StorageError(
            "WEIGHTS_NAMES",
            place="weights file",
            rule=f"the {len(expected)} tensors of this encoder, each by its name and shape",
            found=f"{len(missing)} missing, {len(extra)} not expected, {len(shapes)} of another shape",
            remedy=f"Use weights of the same network with group norm{_example(missing, extra, shapes)}.",
        )
    return found


def _example(missing: set[str], extra: set[str], shapes: list[str]) -> str:
    named = {"missing": sorted(missing), "not expected": sorted(extra), "of another shape": sorted(shapes)}
    firsts = [f"first {what}: {names[0]}" for what, names in named.items() if names]
    return f" ({'; '.join(firsts)})"
