"""Recordings that are sound by themselves and a question together."""

from __future__ import annotations

from pathlib import Path

from clinfuse.cohort.cohort import Cohort
from tests.faults.eeg_files import edf
from tests.faults.fault import NUMBER, Fault


def _several(folder: Path, variant: int) -> Path:
    for k in range(2 + variant % 3):
        edf(k, main={"date": f"0{k + 1}.03.21"}).write(folder / f"{NUMBER}_{k}.edf")
    rows = f"PID,AT,Y\n{NUMBER},2021-03-04 09:00,yes\n8,2021-03-04 10:00,no\n"
    (folder / "visits.csv").write_text(rows, encoding="utf-8")
    (folder / "cohort.toml").write_text(_CONTRACT, encoding="utf-8")
    return folder


_CONTRACT = """
[ids]

[records]
table = "visits.csv"
patient_id = "PID"
index_time = "AT"

[label]
column = "Y"
positive = ["yes"]

[modalities.eeg]
kind = "eeg"
files = "{patient_id}_*.edf"
channels = ["F3", "F4", "C3", "C4", "P3", "P4", "O1", "O2"]
segments = { seconds = 2, count = 2 }
"""


def _read_cohort(folder: Path, line: str) -> tuple[str, ...]:
    (folder / "cohort.toml").write_text(f"{_CONTRACT}{line}\n", encoding="utf-8")
    cohort = Cohort.from_folder(folder, strict=True)
    assert cohort.present.tolist() == [[True], [False]]
    return tuple(entry.code for entry in cohort.ledger.entries)


_LISTED = _CONTRACT.replace('files = "{patient_id}_*.edf"', 'table = "made.csv"\ncolumn = "FILE"\ntime = "ON"').replace(
    'kind = "eeg"', 'kind = "eeg"\nwindow = ["-24 h", "0 h"]'
)


def _day_only(folder: Path, variant: int) -> Path:
    """Recordings of which the table knows the day alone, and the window leaves out a part of that day."""
    edf(variant).write(folder / "one.edf")
    (folder / "made.csv").write_text(f"PID,FILE,ON\n{NUMBER},one.edf,2021-03-03\n", encoding="utf-8")
    rows = f"PID,AT,Y\n{NUMBER},2021-03-04 0{variant + 6}:00,yes\n8,2021-03-04 10:00,no\n"
    (folder / "visits.csv").write_text(rows, encoding="utf-8")
    return folder


def _read_listed(folder: Path, line: str) -> tuple[str, ...]:
    (folder / "cohort.toml").write_text(f"{_LISTED}{line}\n", encoding="utf-8")
    cohort = Cohort.from_folder(folder, strict=True)
    assert cohort.present.tolist() == [[True], [False]]
    return tuple(entry.code for entry in cohort.ledger.entries)


FAULTS = (
    Fault("E26", "a day that a window in hours cuts", "ASK", "TIME_UNKNOWN", _day_only, _read_listed, 4),
    Fault("E29", "several recordings of one record", "ASK", "SEVERAL", _several, _read_cohort, 3),
)
