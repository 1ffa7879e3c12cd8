"""Every real recording of the shared files: opened as its list states, or refused with the reason that stands here."""

from __future__ import annotations

import csv
import re
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import mne
import numpy as np
import pytest

from clinfuse.errors import DataError
from clinfuse.io.eeg import eeg_header, read_eeg
from clinfuse.io.policies import EegPolicy

# What a file needs said of it, and why.
ASKED = {
    "duplicate_channel_labels.edf": ("EEG_CHANNEL_TWICE", EegPolicy(duplicates="first")),
    "test_uneven_samp.edf": ("EEG_UNIT", EegPolicy(unit="uV")),  # a generator's 5 V, no EEG
    "test_old_layout_latin1_software_filter.vhdr": ("EDF_GAPS", EegPolicy(gaps="segment")),  # a second segment
}
# Channels of the list that are no EEG: triggers, other units, and the second of two with one name.
LEFT_OUT = {
    "duplicate_channel_labels.edf": 1,
    "test.bdf": 1,
    "test.edf": 1,
    "test_bdf_stim_channel.bdf": 1,
    "test.vhdr": 6,
    "test_units.vhdr": 6,
    "test_bin_raw.fif": 1,
}
PARTS = (".eeg", ".vmrk", ".fdt")


def listed(shared_data: Path) -> list[dict[str, str]]:
    with (shared_data / "formats" / "MANIFEST.csv").open(encoding="utf-8") as stream:
        return [row for row in csv.DictReader(stream) if row["path"].startswith("eeg/")]


def numbers(stated: str) -> tuple[int, float | None, float | None]:
    found = re.fullmatch(r"(\d+)ch(?: ([\d.]+)Hz)?(?: ([\d.]+)s)?", stated)
    assert found is not None
    channels, rate, seconds = found.groups()
    return int(channels), float(rate) if rate else None, float(seconds) if seconds else None


def test_every_listed_recording_is_read_as_stated_or_refused_with_a_reason(shared_data: Path) -> None:
    seen = 0
    for row in listed(shared_data):
        file = shared_data / "formats" / row["path"]
        if file.suffix == ".csv":
            continue
        if not row["opened_as"]:
            assert file.suffix in PARTS
            with pytest.raises(DataError, match=r"\[EEG_FORMAT\].*`\.vhdr` or `\.set`"):
                read_eeg(file)
            continue
        code, policy = ASKED.get(file.name, ("", EegPolicy()))
        if code:
            with pytest.raises(DataError, match=rf"\[{code}\]"):
                read_eeg(file)
        channels, rate, seconds = numbers(row["opened_as"])
        signal, header = read_eeg(file, policy=policy), eeg_header(file, policy=policy)
        assert len(signal.channels) == channels - LEFT_OUT.get(file.name, 0), file.name
        assert rate is None or signal.rate_hz == pytest.approx(rate, abs=0.5), file.name
        assert seconds is None or signal.seconds == pytest.approx(seconds, abs=0.6), file.name
        assert (header.channels, header.rate_hz) == (signal.channels, signal.rate_hz)
        assert header.seconds == pytest.approx(signal.seconds)
        seen += 1
    assert seen == 18


@pytest.mark.parametrize(
    ("name", "opened", "stimulus"),
    [
        ("brainvision/test.vhdr", mne.io.read_raw_brainvision, False),
        ("brainvision/test_units.vhdr", mne.io.read_raw_brainvision, False),
        ("eeglab/eeglab_data.set", mne.io.read_raw_eeglab, False),
        ("fif/test_bin_raw.fif", mne.io.read_raw_fif, False),
        ("edf_bdf/test_edf_stim_channel.edf", mne.io.read_raw_edf, True),
        ("edf_bdf/test_subsecond.edf", mne.io.read_raw_edf, True),
    ],
)
def test_samples_are_those_of_mne(shared_data: Path, name: str, opened: Callable[..., Any], stimulus: bool) -> None:
    file = shared_data / "formats" / "eeg" / name
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        raw = opened(file, verbose="CRITICAL", **({"stim_channel": None} if stimulus else {}))
    signal = read_eeg(file)
    expected = raw.get_data(picks=None if stimulus else "eeg") * 1e6
    np.testing.assert_allclose(signal.array, expected, rtol=1e-5, atol=1e-3)
    assert signal.rate_hz == raw.info["sfreq"]


def test_every_recording_of_the_arithmetic_task_is_read(shared_data: Path) -> None:
    files = sorted((shared_data / "eegmat" / "edf").glob("*.edf"))
    if not files:
        pytest.skip("the recordings of the arithmetic task are not here")
    policy = EegPolicy(window_seconds=10.0, windows=6)
    for file in files:
        signal = read_eeg(file, policy=policy)
        assert (signal.array.shape, signal.rate_hz, signal.remarks) == ((21, 30_000), 500.0, ())
        assert signal.whole_seconds >= 62


def test_a_part_of_a_recording_is_the_same_samples_as_in_the_whole(shared_data: Path) -> None:
    for name in ("eeglab/eeglab_data.set", "fif/test_bin_raw.fif", "brainvision/test.vhdr", "edf_bdf/test.edf"):
        file = shared_data / "formats" / "eeg" / name
        whole, part = read_eeg(file), read_eeg(file, policy=EegPolicy(window_seconds=1.5, windows=2))
        np.testing.assert_array_equal(part.array, whole.array[:, : round(3 * whole.rate_hz)])
