"""The part of each band is known where the model is: for weights of one frequency it is all of that band."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clinfuse.cohort.features import BANDS_HZ
from clinfuse.explain.bands import band_parts

RATE = 128.0
TIME = np.arange(640) / RATE


@given(st.integers(0, 10**6))
def test_the_bands_sum_to_the_map(seed: int) -> None:
    draw = np.random.default_rng(seed)
    signal, gradient = draw.normal(size=(2, 2, 3, 640))
    parts = band_parts(signal, signal * gradient, RATE)
    assert sum(parts.values()) == pytest.approx((signal * gradient).sum())
    assert set(parts) == {*BANDS_HZ, "other"}


@pytest.mark.parametrize(
    ("band", "hertz"), [("delta", 2.0), ("theta", 6.0), ("alpha", 10.0), ("beta", 20.0), ("gamma", 40.0)]
)
def test_a_model_that_listens_to_one_frequency_is_found_out(band: str, hertz: float) -> None:
    signal = np.random.default_rng(0).normal(size=(2, 3, 640))
    map_ = signal * np.sin(2 * np.pi * hertz * TIME)
    parts = band_parts(signal, map_, RATE)
    assert parts.pop(band) == pytest.approx(map_.sum())
    assert max(map(abs, parts.values())) < 1e-9 * np.abs(map_).sum()


def test_silence_adds_nothing() -> None:
    assert not any(band_parts(np.zeros((1, 2, 640)), np.zeros((1, 2, 640)), RATE).values())
