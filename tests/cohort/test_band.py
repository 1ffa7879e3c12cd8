"""The band-pass in blocks against MNE's chain, and the notch."""

from __future__ import annotations

import mne
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clinfuse.cohort.band import Band, filtered_at_rate
from clinfuse.cohort.modality import Modality
from clinfuse.cohort.prepare import prepare_eeg
from clinfuse.errors import DataError
from clinfuse.io.values import Signal


def by_mne(samples: np.ndarray, rate_hz: float, low: float, high: float, wanted_hz: float) -> np.ndarray:
    info = mne.create_info(len(samples), rate_hz, "eeg")
    raw = mne.io.RawArray(samples.astype(np.float64), info, verbose="error")
    raw.filter(low, high, verbose="error")
    raw.resample(wanted_hz, verbose="error")
    return raw.get_data()


@pytest.mark.parametrize(
    ("rate_hz", "low", "high", "wanted_hz", "seconds"),
    [
        (256.0, 0.5, 40.0, 128.0, 400),
        (256.0, 0.5, 40.0, 128.0, 31),
        (512.0, 0.5, 40.0, 128.0, 150),
        (250.0, 1.0, 30.0, 125.0, 60),
        (200.0, 0.1, 45.0, 200.0, 90),
        (128.0, 0.5, 40.0, 256.0, 60),
    ],
)
def test_equal_to_the_default_chain_of_mne(
    rate_hz: float, low: float, high: float, wanted_hz: float, seconds: int
) -> None:
    rng = np.random.default_rng(0)
    drift = np.cumsum(rng.normal(size=(3, round(seconds * rate_hz))), axis=1)
    samples = (300 + drift + 20 * rng.normal(size=drift.shape)).astype(np.float32)
    ours = filtered_at_rate(samples, rate_hz, Band(low, high), wanted_hz)
    theirs = by_mne(samples, rate_hz, low, high, wanted_hz)
    assert ours.shape == theirs.shape
    edge = int(1.65 / low * wanted_hz) + 1
    inside = slice(edge, -edge)
    error = np.sqrt(np.mean((ours - theirs)[:, inside] ** 2))
    assert error < 1e-3 * np.sqrt(np.mean(theirs[:, inside] ** 2))


@pytest.mark.parametrize(("rate_hz", "wanted_hz"), [(500.0, 128.0), (250.0, 100.0), (256.0, 100.0)])
def test_a_rate_that_is_no_simple_fraction_keeps_the_time_of_every_sample(rate_hz: float, wanted_hz: float) -> None:
    # MNE rounds the length it pads to and so moves the whole signal by up to half a sample.
    found = filtered_at_rate(tones(rate_hz, 60, 3, 11, 29)[None], rate_hz, Band(0.5, 40.0), wanted_hz)
    wanted = tones(wanted_hz, 60, 3, 11, 29)
    edge = int(3.3 * wanted_hz)
    np.testing.assert_allclose(found[0, edge:-edge], wanted[edge : found.shape[1] - edge], atol=0.1)


@settings(max_examples=30)
@given(st.integers(1, 4000), st.sampled_from([100.0, 250.0, 256.0, 499.9]), st.sampled_from([64.0, 128.0]))
def test_any_length_gives_finite_samples_of_the_right_number(length: int, rate_hz: float, wanted_hz: float) -> None:
    samples = 20 * np.random.default_rng(length).normal(size=(2, length))
    found = filtered_at_rate(samples, rate_hz, Band(0.5, 30.0), wanted_hz)
    assert found.dtype == np.float32
    assert abs(found.shape[1] - length * wanted_hz / rate_hz) <= 1
    assert np.isfinite(found).all()


def test_a_long_signal_is_the_same_in_blocks_as_in_pieces_of_one() -> None:
    samples = np.random.default_rng(1).normal(size=(1, 120_000)).astype(np.float32)
    whole = filtered_at_rate(samples, 256.0, Band(0.5, 40.0), 128.0)
    part = filtered_at_rate(samples[:, 50_000:70_000], 256.0, Band(0.5, 40.0), 128.0)
    np.testing.assert_allclose(whole[:, 26_000:34_000], part[:, 1_000:9_000], atol=1e-4)


def tones(rate_hz: float, seconds: int, *frequencies: float) -> np.ndarray:
    time = np.arange(round(seconds * rate_hz)) / rate_hz
    return np.sum([20 * np.sin(2 * np.pi * f * time) for f in frequencies], axis=0)


def test_a_notch_takes_out_the_mains_and_its_multiples_and_leaves_the_rest() -> None:
    samples = tones(500.0, 40, 20, 50, 70, 100)[None]
    found = filtered_at_rate(samples, 500.0, Band(0.5, 120.0, 50.0), 250.0)
    expected = tones(250.0, 40, 20, 70)
    np.testing.assert_allclose(found[0, 1000:-1000], expected[1000:-1000], atol=0.5)
    with_mains = filtered_at_rate(samples, 500.0, Band(0.5, 120.0), 250.0)
    np.testing.assert_allclose(with_mains[0, 1000:-1000], tones(250.0, 40, 20, 50, 70, 100)[1000:-1000], atol=0.5)


def modality(**options: object) -> Modality:
    shape = (2, 2, 640)
    return Modality("eeg", "eeg", shape, channels=("C3", "C4"), rate_hz=128, seconds=5.0, unit="µV", **options)


def test_the_keys_of_a_modality_reach_the_filter() -> None:
    wave = tones(256.0, 10, 10, 35)
    signal = Signal(np.stack([wave, -wave]).astype(np.float32), 256.0, ("C3", "C4"))
    made = prepare_eeg(signal, modality(band_hz=(5.0, 20.0))).array
    middle = made.transpose(1, 0, 2).reshape(2, -1)[0, 256:-256]
    np.testing.assert_allclose(middle, tones(128.0, 10, 10)[256:-256], atol=0.5)
    changed = prepare_eeg(signal, modality(notch_hz=35.0)).array.transpose(1, 0, 2).reshape(2, -1)[0, 256:-256]
    np.testing.assert_allclose(changed, tones(128.0, 10, 10)[256:-256], atol=1.5)


def test_a_band_the_recording_cannot_hold_is_refused() -> None:
    wave = tones(60.0, 10, 10)
    signal = Signal(np.stack([wave, -wave]).astype(np.float32), 60.0, ("C3", "C4"))
    with pytest.raises(DataError, match=r"\[EEG_RATE\].*0.5 to 40 Hz"):
        prepare_eeg(signal, modality(band_hz=(0.5, 40.0)))
    assert prepare_eeg(signal, modality(band_hz=(0.5, 20.0), notch_hz=50.0)).array.any()
