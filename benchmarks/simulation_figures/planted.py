"""The seven leaks that lie in data, each planted in the files of a synthetic hospital of its own."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

import edfio
import numpy as np
import pandas as pd
import pydicom

from clinfuse.cohort.cohort import Cohort
from clinfuse.evaluation.audit.checks import audit
from clinfuse.synthetic.folder import write_cohort
from clinfuse.synthetic.settings import preset

RECORDS, SEED = 60, 3


def table(folder: Path, name: str) -> pd.DataFrame:
    """Read a table of the hospital as text."""
    return pd.read_csv(folder / name, dtype=str, keep_default_na=False)


def sick(folder: Path) -> pd.Series:
    """Give who has the finding, by record."""
    records = table(folder, "records.csv")
    return pd.Series(records["finding"].to_numpy() == "finding", index=records["record_id"])


def two(folder: Path, modality: str, suffix: str) -> tuple[Path, Path]:
    """Give the files of two records of different patients."""
    owner = table(folder, "records.csv").set_index("record_id")["patient_id"]
    files = sorted((folder / modality).glob(f"*{suffix}"))
    other = next(file for file in files if owner[file.stem] != owner[files[0].stem])
    return files[0], other


def one_person_twice(folder: Path) -> None:
    """Somebody is registered under two ids: the same row of values, two of which were measured again."""
    labs = table(folder, "labs.csv")
    filled = labs.index[(labs != "").all(axis=1)]
    owner = table(folder, "records.csv").set_index("record_id")["patient_id"]
    other = next(row for row in filled if owner[labs.record_id[row]] != owner[labs.record_id[filled[0]]])
    labs.iloc[other, 1:] = labs.iloc[filled[0], 1:]
    labs.loc[other, ["crp", "glucose"]] = ["3.125", "5.25"]
    labs.to_csv(folder / "labs.csv", index=False)


def one_film_twice(folder: Path) -> None:
    """A film lies under two patients, and its header names each."""
    given, taken = two(folder, "xray", ".dcm")
    film, header = pydicom.dcmread(given), pydicom.dcmread(taken)
    film.PatientID = header.PatientID
    film.save_as(taken)


def one_night_cut(folder: Path) -> None:
    """A recording is cut in two; the second part lies under another patient."""
    first, second = two(folder, "eeg", ".edf")
    whole = edfio.read_edf(first)
    start = datetime.combine(whole.startdate, whole.starttime)
    for file, part in ((first, 0), (second, 1)):
        half = edfio.read_edf(first) if part == 0 else whole
        middle = whole.duration // 2
        half.slice_between_seconds(*((0, middle) if part == 0 else (middle, 2 * middle)))
        moment = start + timedelta(seconds=part * middle)
        half.startdate, half.starttime = moment.date(), moment.time()
        half.write(file.with_suffix(".new"))
    for file in (first, second):
        file.with_suffix(".new").replace(file)


def label_as_column(folder: Path) -> None:
    """A laboratory value is the label under another name."""
    labs = table(folder, "labs.csv")
    labs["crp"] = np.where(sick(folder)[labs["record_id"]], "1", "0")
    labs.to_csv(folder / "labs.csv", index=False)


def label_as_gap(folder: Path) -> None:
    """A laboratory value is measured in those who have the finding."""
    labs = table(folder, "labs.csv")
    labs.loc[~sick(folder)[labs["record_id"]].to_numpy(), "lactate"] = ""
    labs.to_csv(folder / "labs.csv", index=False)


def label_as_folder(folder: Path) -> None:
    """Recordings lie in folders by diagnosis."""
    has = sick(folder)
    for file in sorted((folder / "eeg").glob("*.edf")):
        place = folder / "eeg" / ("b" if has[file.stem] else "a")
        place.mkdir(exist_ok=True)
        file.rename(place / file.name)
    toml = folder / "cohort.toml"
    text = toml.read_text(encoding="utf-8").replace("eeg/{record_id}.edf", "eeg/*/{record_id}.edf")
    toml.write_text(text, encoding="utf-8")


def label_as_date(folder: Path) -> None:
    """Those with the finding were collected first, the others later."""
    records = table(folder, "records.csv")
    order = np.argsort(~sick(folder).to_numpy(), kind="stable")
    records.loc[order, "index_time"] = sorted(records["index_time"])
    records.to_csv(folder / "records.csv", index=False)


PLANTED: dict[str, tuple[Callable[[Path], None], str]] = {
    "same subject in two folds": (one_person_twice, "CONTENT_TWICE"),
    "same image under two ids": (one_film_twice, "LEAK_SUBJECT"),
    "same recording cut in two": (one_night_cut, "CONTENT_CONTINUES"),
    "copy of the label as a column": (label_as_column, "COLUMN_IS_LABEL"),
    "label through what is missing": (label_as_gap, "MISSING_PREDICTS"),
    "label through folder names": (label_as_folder, "FILES_PREDICT"),
    "label through the order of dates": (label_as_date, "ORDER_PREDICTS"),
}


def codes(folder: Path) -> set[str]:
    """Give the codes of what `clinfuse check` asks and finds."""
    return {one.code for one in audit(Cohort.from_folder(folder)).findings}


def found(name: str) -> bool:
    """Say whether a planted leak is found, and only where it is planted."""
    plant, code = PLANTED[name]
    with tempfile.TemporaryDirectory() as place:
        folder = write_cohort(Path(place) / "hospital", preset("small", records=RECORDS, seed=SEED))
        before = codes(folder)
        plant(folder)
        return code in codes(folder) - before
