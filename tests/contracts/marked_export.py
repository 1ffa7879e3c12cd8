"""A small export in which everything that may not be repeated is marked, sound files beside bad ones."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path

from tests.contracts.marked_files import Marks, write_ct, write_film, write_recording, write_scan
from tests.faults import nifti, xray
from tests.faults.fault import Fault

SOUND = 12
COHORT = """
[records]
table = "visits.csv"
patient_id = "patient"
record_id = "record"

[label]
column = "finding"
positive = ["yes"]
negative = ["no"]

[modalities.ct]
kind = "ct"
folder = "ct"
id = { header = "PatientID" }
size = [8, 8, 4]
spacing_mm = 1.0

[modalities.film]
kind = "xray"
table = "visits.csv"
record_id = "record"
column = "film"
size = [16, 16]

[modalities.mr]
kind = "mr"
table = "visits.csv"
record_id = "record"
column = "scan"
size = [8, 8, 8]
spacing_mm = 1.0

[modalities.eeg]
kind = "eeg"
files = "eeg/{record_id}_*.edf"
channels = ["Cz", "C3"]
reference = "average"
rate_hz = 16
segments = { seconds = 1, count = 2 }

[modalities.labs]
kind = "ehr"
table = "labs.csv"
record_id = "record"
columns.crp = { unit = "mg/L", text = "missing" }

[modalities.course]
kind = "ehr"
table = "course.csv"
record_id = "record"
long = { code = "code", value = "value", unit = "unit" }
columns.pulse = { unit = "1/min" }
"""
STUDY = """
cohort = "export"
results = "results"
modalities = ["film", "eeg", "labs"]

[question]
primary = ["late", "labs"]

[validation]
folds = 2

[networks]
film = "small-conv"
eeg = "log-power"

[models]
late = { fusion = "late", combine = "mean" }

[training]
epochs = 1

[missing]
max_refused = 1.0

[report]
title = "Marked"
patients = 2
tables = ["csv", "docx", "tex"]
"""


def write_export(folder: Path, mark: Marks) -> int:
    """The export, its ``cohort.toml`` and ``study.toml`` beside it; gives the number of bad files in it."""
    films, scans = ([one for one in module.FAULTS if one.code != "BOMB"] for module in (xray, nifti))
    visits: list[Sequence[str]] = [("record", "patient", "finding", "film", "scan", mark("column of the visits"))]
    labs: list[Sequence[str]] = [("record", "crp", mark("column of the labs"), "note")]
    course: list[Sequence[str]] = [("record", "code", "value", "unit", "comment")]
    for k in range(SOUND + max(len(films), len(scans))):
        record, patient = f"{mark('record id')}{k:02d}", f"{mark('patient id')}{k:02d}"
        film = Path(mark("film folder")) / f"{mark('film name')}{k:02d}.dcm"
        scan = Path("mr") / f"{mark('scan name')}{k:02d}.nii.gz"
        if k < SOUND:
            write_ct(folder / "ct" / f"{mark('ct folder')}{k}", patient, k, mark)
            write_film(folder / film, patient, k, mark)
            write_scan(folder / scan, k, mark)
            write_recording(folder / "eeg" / f"{record}_{mark('recording name')}.edf", k, mark)
        else:
            film, scan = (_bad(faults, k - SOUND, folder) for faults in (films, scans))
        visits.append(
            (record, patient, ("no", "yes")[k % 2], film.as_posix(), scan.as_posix(), f"{mark('visit cell')}{k}")
        )
        crp = mark("cell that is no number") if k == 3 else f"{5 + 3 * (k % 2) + k / 7:.2f}"
        # A person's words are that person's alone, but stand in every row about them.
        labs.append((record, crp, f"{mark('undeclared cell')}{k}", f"{mark('free text')} {k}"))
        said = f"{mark('comment of a measurement')}{k}"
        other = [f"{mark(f'undeclared {name}')}{k}" for name in ("code", "value", "unit")]
        course += [(record, "pulse", f"{70 + k % 9}", "1/min", said), (record, *other, said)]
    for name, rows in (("visits", visits), ("labs", labs), ("course", course)):
        with (folder / f"{name}.csv").open("w", newline="", encoding="utf-8") as stream:
            csv.writer(stream).writerows(rows)
    (folder / "cohort.toml").write_text(COHORT, encoding="utf-8")
    (folder.parent / "study.toml").write_text(STUDY, encoding="utf-8")
    return len(films) + len(scans)


def _bad(faults: Sequence[Fault], k: int, folder: Path) -> Path:
    """A bad file in a folder of its own, or no file where there are no more kinds."""
    if k >= len(faults):
        return Path("nothing")
    place = folder / "bad" / f"{k:02d}"
    place.mkdir(parents=True, exist_ok=True)
    # Under the name that an export gives to every file of the kind: names are marked on sound files.
    file = faults[k].build(place, 0)
    return file.rename(place / f"image{''.join(file.suffixes)}").relative_to(folder)
