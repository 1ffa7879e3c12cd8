"""A recording is shown as it is read in a clinic: pairs of neighbours, ten seconds, what mattered most first."""

from __future__ import annotations

import numpy as np
import pytest

from clinfuse.cohort.modality import Modality
from clinfuse.report.recordings import pages, recording, sensitivity, summary, traces

TEN_TWENTY = (
    *("Fp1", "Fp2", "F7", "F3", "Fz", "F4", "F8", "T3", "C3", "Cz", "C4", "T4"),
    *("T5", "P3", "Pz", "P4", "T6", "O1", "O2"),
)
RATE = 20.0


def eeg(windows: int, seconds: float, channels: tuple[str, ...] = TEN_TWENTY) -> Modality:
    shape = (windows, len(channels), round(seconds * RATE))
    return Modality("eeg", "eeg", shape, channels=channels, rate_hz=RATE, seconds=seconds)


def drawn(modality: Modality) -> np.ndarray:
    return np.random.default_rng(0).normal(0, 20, modality.shape)


def test_the_longitudinal_bipolar_montage_has_its_eighteen_pairs() -> None:
    modality = eeg(2, 5)
    data = drawn(modality)
    found = traces(modality, data, data)
    assert found.bipolar
    assert found.names[:4] == ("Fp1-F7", "F7-T3", "T3-T5", "T5-O1")
    assert found.names[-2:] == ("Fz-Cz", "Cz-Pz")
    assert len(found.names) == 18
    assert found.data[:, 0] == pytest.approx(data[:, 0] - data[:, 2])


def test_what_all_channels_share_falls_out_of_the_pairs() -> None:
    modality = eeg(1, 5)
    data = drawn(modality)
    moved = data + 500 * np.sin(np.arange(modality.shape[2]))
    assert traces(modality, moved, data).data == pytest.approx(traces(modality, data, data).data)


def test_other_channels_are_shown_as_they_are() -> None:
    modality = eeg(1, 5, ("EEG 1", "EEG 2", "ECG"))
    found = traces(modality, drawn(modality), drawn(modality))
    assert not found.bipolar
    assert found.names == ("EEG 1", "EEG 2", "ECG")


@pytest.mark.parametrize(("windows", "seconds"), [(30, 2.0), (6, 10.0), (2, 30.0), (15, 4.0)])
def test_pages_of_ten_seconds_strongest_first(windows: int, seconds: float) -> None:
    modality = eeg(windows, seconds)
    map_ = np.zeros(modality.shape)
    flat = map_.transpose(1, 0, 2).reshape(len(TEN_TWENTY), -1).copy()
    for at, strength in ((45, 1.0), (15, 3.0), (31, 2.0)):
        flat[3, int(at * RATE)] = strength
    map_ = flat.reshape(len(TEN_TWENTY), windows, -1).transpose(1, 0, 2)
    found = pages(modality, drawn(modality), map_)
    assert len(found) == 3
    for (start, end), at in zip(found, (15, 31, 45), strict=True):
        assert start <= at * RATE < end
        assert end - start <= 10 * RATE
        assert start % (min(seconds, 10) * RATE) == 0


def test_only_what_was_recorded_makes_a_page() -> None:
    modality = eeg(6, 5)
    data = drawn(modality)
    data[3:] = 0
    assert pages(modality, data, np.zeros(modality.shape)) == [(0, 200)]
    assert max(end for _, end in pages(modality, data, np.ones(modality.shape))) <= 300


@pytest.mark.parametrize(("microvolts", "setting"), [(0.0, 1), (20.0, 5), (45.0, 10), (400.0, 100)])
def test_the_setting_is_one_of_the_usual(microvolts: float, setting: int) -> None:
    assert sensitivity(np.full((2, 50), microvolts)) == setting


def test_a_page_says_its_seconds_and_is_the_same_twice() -> None:
    modality = eeg(2, 10)
    map_ = np.zeros(modality.shape)
    map_[1, 2] = -0.3
    first, *_ = recording(modality, drawn(modality), map_)
    assert "18 bipolar traces from 10 to 20 seconds" in first.alt
    assert first.uri == recording(modality, drawn(modality), map_)[0].uri
    (plain,) = recording(modality, drawn(modality), None)
    assert "from 0 to 10 seconds" in plain.alt


def test_the_summary_says_its_bands() -> None:
    modality = eeg(1, 5)
    found = summary(modality, drawn(modality), {"alpha": 0.31, "beta": -0.2})
    assert "on the head, by band: alpha +0.31; beta −0.20" in found.alt
    assert "on the head" not in summary(eeg(1, 5, ("A", "B")), np.ones((1, 2, 100)), {}).alt
