"""A value that a reader gives cannot be half right: it refuses to exist."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from clinfuse.errors import DataError
from clinfuse.io.policies import POLICIES
from clinfuse.io.readers import read_files
from clinfuse.io.values import Signal, Volume

VOLUME = Volume(np.zeros((2, 3, 4), np.float32), np.eye(4), "HU")
SIGNAL = Signal(np.zeros((2, 8), np.float32), 4.0, ("C3", "C4"))


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("VOLUME_SHAPE", {"array": np.zeros((2, 3), np.float32)}),
        ("VOLUME_SHAPE", {"array": np.zeros((2, 0, 4), np.float32)}),
        ("VOLUME_FINITE", {"array": np.full((2, 3, 4), np.inf, np.float32)}),
        ("VOLUME_AFFINE", {"affine": np.eye(3)}),
        ("VOLUME_AFFINE", {"affine": np.diag([1.0, np.nan, 1.0, 1.0])}),
        ("VOLUME_AFFINE", {"affine": np.diag([1.0, 0.0, 1.0, 1.0])}),
        ("VOLUME_UNIT", {"unit": "mm"}),
        ("VOLUME_SHAPE", {"images": (1, 2)}),
    ],
)
def test_a_volume(code: str, said: dict[str, object]) -> None:
    with pytest.raises(DataError, match=rf"^\[{code}\]"):
        replace(VOLUME, **said)


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("SIGNAL_SHAPE", {"array": np.zeros(8, np.float32)}),
        ("SIGNAL_SHAPE", {"array": np.zeros((2, 0), np.float32)}),
        ("SIGNAL_FINITE", {"array": np.full((2, 8), np.nan, np.float32)}),
        ("SIGNAL_RATE", {"rate_hz": 0.0}),
        ("SIGNAL_RATE", {"rate_hz": -4.0}),
        ("SIGNAL_RATE", {"rate_hz": np.inf}),
        ("SIGNAL_CHANNELS", {"channels": ("C3",)}),
        ("SIGNAL_CHANNELS", {"channels": ("C3", "C3")}),
        ("SIGNAL_CHANNELS", {"limits": ((-1.0, 1.0),)}),
        ("SIGNAL_BREAKS", {"breaks": (0,)}),
        ("SIGNAL_BREAKS", {"breaks": (8,)}),
        ("SIGNAL_BREAKS", {"breaks": (5, 3)}),
    ],
)
def test_a_signal(code: str, said: dict[str, object]) -> None:
    with pytest.raises(DataError, match=rf"^\[{code}\]"):
        replace(SIGNAL, **said)


@pytest.mark.parametrize("kind", ["xray", "mask"])
@pytest.mark.parametrize("number", [0, 2])
def test_a_kind_of_one_file_takes_one(kind: str, number: int) -> None:
    with pytest.raises(DataError, match=rf"^\[FILE_COUNT\].*found {number}\."):
        read_files(kind, [Path("a"), Path("b")][:number], POLICIES[kind]())
