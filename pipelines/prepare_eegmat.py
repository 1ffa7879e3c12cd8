"""Turn "EEG During Mental Arithmetic Tasks" (PhysioNet, Zyma et al. 2019) into a cohort folder.

Source: a folder with ``edf/Subject00_1.edf`` (rest), ``edf/Subject00_2.edf`` (arithmetic) ... and
``subject-info.csv``. One record per recording, two per person; the finding is mental arithmetic. Rest lasts about
182 s and arithmetic 62 s, so the length alone would tell them apart: cohort.toml keeps the first 60 s of each.

    python pipelines/prepare_eegmat.py SOURCE TARGET
    clinfuse run configs/eegmat.toml

References
----------
Zyma I, Tukaev S, Seleznov I, et al. Electroencephalograms during mental arithmetic task performance. Data 2019;4:14.
doi:10.3390/data4010014
"""

from __future__ import annotations

import argparse
import csv
import os
import shutil
from pathlib import Path

TASKS = {"1": "rest", "2": "arithmetic"}

COHORT = """\
# EEG during mental arithmetic: 6 windows of 10 s, the first 60 s of every recording.

[records]
table      = "records.csv"
patient_id = "Subject"
record_id  = "Recording"

[label]
table     = "records.csv"
record_id = "Recording"
column    = "Task"
positive  = ["arithmetic"]

[modalities.eeg]
kind      = "eeg"
files     = "eeg/{record_id}.edf"
channels  = "10-20"
reference = "average"
rate_hz   = 64.0
segments  = { seconds = 10, count = 6 }

[modalities.person]
kind       = "ehr"
table      = "records.csv"
record_id  = "Recording"
inputs     = ["Age", "Gender"]
columns."Age"                    = { kind = "number", unit = "a", known = "before" }
columns."Gender"                 = { kind = "category", levels = ["F", "M"], known = "before" }
columns."Recording year"         = { kind = "number", known = "after" }
columns."Number of subtractions" = { kind = "number", known = "after" }
columns."Count quality"          = { kind = "number", known = "after" }
"""


def prepare(source: Path, target: Path, *, patients: int = 0) -> Path:
    """Write the cohort folder and give the path of its cohort.toml; ``patients`` keeps only the first so many."""
    with (source / "subject-info.csv").open(newline="", encoding="utf-8-sig") as file:
        people = {row["Subject"]: row for row in csv.DictReader(file)}
    recordings = sorted(path for path in (source / "edf").glob("*.edf") if path.stem.split("_")[0] in people)
    recordings = recordings[: 2 * patients] if patients else recordings
    (target / "eeg").mkdir(parents=True, exist_ok=True)
    (target / "cohort.toml").write_text(COHORT, encoding="utf-8")
    with (target / "records.csv").open("w", newline="", encoding="utf-8") as file:
        table = csv.DictWriter(file, ["Recording", "Task", *next(iter(people.values()))])
        table.writeheader()
        for recording in recordings:
            subject, task = recording.stem.split("_")
            table.writerow({"Recording": recording.stem, "Task": TASKS[task], **people[subject]})
            _place(recording, target / "eeg" / recording.name)
    return target / "cohort.toml"


def _place(source: Path, target: Path) -> None:
    """Put a file into the cohort folder without a second copy where the file system allows it."""
    if target.exists():
        return
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("source", type=Path, nargs="?", default=Path("../shared/data/eegmat"))
    parser.add_argument("target", type=Path, nargs="?", default=Path("cohorts/eegmat"))
    parser.add_argument("--patients", type=int, default=0, help="only the first so many")
    arguments = parser.parse_args()
    print(prepare(arguments.source, arguments.target, patients=arguments.patients))
