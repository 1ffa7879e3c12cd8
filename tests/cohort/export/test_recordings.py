"""Recordings of several files in an export: found by their header, and made again when any of them changes."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from clinfuse.cohort.cohort import Cohort
from tests.faults.eeg_files import BrainVisionFile, edf, waves

CONTRACT = """
[records]
table = "visits.csv"
patient_id = "PID"

[label]
column = "Y"
positive = ["yes"]

[modalities.eeg]
kind = "eeg"
files = "EEG/{patient_id}/*SUFFIX"
channels = ["F3", "F4", "C3", "C4", "P3", "P4", "O1", "O2"]
segments = { seconds = 2, count = 2 }
aliases = { "Ch 9" = "Cz" }
band_hz = [1, 30]
notch_hz = 50
"""


def export(folder: Path, suffix: str) -> Path:
    for patient in ("1", "2"):
        (folder / "EEG" / patient).mkdir(parents=True, exist_ok=True)
    (folder / "visits.csv").write_text("PID,Y\n1,yes\n2,no\n", encoding="utf-8")
    (folder / "cohort.toml").write_text(CONTRACT.replace("SUFFIX", suffix), encoding="utf-8")
    return folder


def test_a_brainvision_recording_is_its_three_files(tmp_path: Path) -> None:
    folder = export(tmp_path, ".vhdr")
    for patient in ("1", "2"):
        BrainVisionFile(waves(int(patient))).write(folder / "EEG" / patient)
    first = Cohort.from_folder(folder)
    assert first.present.all()
    assert first.properties("eeg")["files"].tolist() == [3, 3]
    assert first.properties("eeg")["duration_s"].tolist() == [6.0, 6.0]
    # The samples change and their header does not.
    (folder / "EEG" / "1" / "rest.eeg").write_bytes(waves(9, seconds=7).T.tobytes())
    again = Cohort.from_folder(folder)
    assert not np.array_equal(first.arrays("eeg")[0], again.arrays("eeg")[0])
    np.testing.assert_array_equal(first.arrays("eeg")[1], again.arrays("eeg")[1])


def test_a_brainvision_recording_and_its_edf_become_the_same_input(tmp_path: Path) -> None:
    one, other = export(tmp_path / "a", ".vhdr"), export(tmp_path / "b", ".edf")
    for patient in ("1", "2"):
        BrainVisionFile(waves(int(patient))).write(one / "EEG" / patient)
        edf(int(patient)).write(other / "EEG" / patient / "rest.edf")
    by_mne, by_us = Cohort.from_folder(one), Cohort.from_folder(other)
    np.testing.assert_allclose(by_mne.arrays("eeg"), by_us.arrays("eeg"), atol=1e-3)
    assert by_us.arrays("eeg").any()
