"""What shows no brain, measured within a second: no drift hides it, and no drift makes it."""

from __future__ import annotations

import numpy as np
import pytest

from clinfuse.cohort.bad_channels import bad_channel
from clinfuse.cohort.modality import Modality
from clinfuse.cohort.montage import montage
from clinfuse.io.values import Signal

RATE, SECONDS = 256, 20
TIME = np.arange(RATE * SECONDS) / RATE
NOISE = np.random.default_rng(1).normal(size=len(TIME))
EEG = 20 * NOISE


def judged(samples: np.ndarray, limits: tuple[float, float] | None = None) -> str:
    stated = (limits,) if limits else ()
    return bad_channel(Signal(samples[None].astype(np.float32), float(RATE), ("Cz",), limits=stated), 0)


def clipped(share: float) -> np.ndarray:
    return np.minimum(EEG, np.quantile(EEG, 1 - share))


def held(share: float, value: float) -> np.ndarray:
    """An amplifier that stays at its end for a while."""
    return np.where(np.arange(len(EEG)) < share * len(EEG), value, EEG)


@pytest.mark.parametrize(
    ("name", "samples", "word"),
    [
        ("an electrode that drifts and holds nothing", 5 * TIME, "flat"),
        ("a drift with the noise of an amplifier", 5 * TIME + 0.02 * NOISE, "flat"),
        ("an EEG that drifts by millivolts", EEG + 400 * TIME, ""),
        ("an EEG on a large offset", EEG + 175_000, ""),
        ("the smallest EEG", 0.3 * NOISE, ""),
        ("a large EEG", 450 * NOISE, ""),
        ("larger than any EEG", 550 * NOISE, "too large"),
        ("a few large seconds", np.where(TIME < 5, 2000 * NOISE, EEG), ""),
        ("a tenth at an end inside the range", held(0.1, 300.0), "railed"),
        ("as much at the other end", held(0.1, -300.0), "railed"),
        ("less at an end", held(0.03, 300.0), ""),
        ("peaks cut off, hardly ever three in a row", clipped(0.06), ""),
        ("a sine of few samples, two of them at its top", 30 * np.sin(2 * np.pi * 25.6 * TIME), ""),
        ("whole microvolts", np.rint(EEG / 10), ""),
    ],
)
def test_a_channel_is_judged_by_what_it_does_within_a_second(name: str, samples: np.ndarray, word: str) -> None:
    assert judged(samples) == word, name


def test_a_range_that_the_samples_leave_is_no_end_of_the_recorder() -> None:
    whole = np.rint(EEG)
    assert judged(np.clip(whole, 0, 40), (0.5, 39.5)) == "railed"
    # A header that states 0 to 40 of samples from -80 to 80: real files do, and nothing was cut off in them.
    assert judged(whole, (0.5, 39.5)) == ""


def test_an_electrode_in_the_air_is_not_in_every_channel_by_the_average() -> None:
    names = tuple(f"E{k}" for k in range(8))
    rows = np.random.default_rng(2).normal(scale=20, size=(8, len(TIME)))
    rows[3] = 9000 * NOISE
    modality = Modality("eeg", "eeg", (1, 8, 640), channels=names, rate_hz=64.0, seconds=10.0, unit="µV")
    made = montage(Signal(rows.astype(np.float32), float(RATE), names), modality)
    assert [(remark.code, "E3 is too large" in remark.text) for remark in made.remarks] == [("EEG_LARGE", True)]
    assert made.masked.tolist() == [k == 3 for k in range(8)]
    good = np.delete(rows.astype(np.float32), 3, axis=0).astype(float)
    np.testing.assert_allclose(np.delete(made.samples, 3, axis=0), good - good.mean(axis=0), atol=1e-9)


@pytest.mark.parametrize("length", [1, 2, 5, 300])
def test_the_shortest_recordings_get_a_word_too(length: int) -> None:
    assert judged(EEG[:length]) in ("", "flat")
