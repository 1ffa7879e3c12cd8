"""A small hospital folder written with the formats' own libraries, and the export that describes it."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
from edfio import Edf, EdfSignal

from clinfuse.cohort.cohort import Cohort
from clinfuse.cohort.ledger import Ledger
from clinfuse.cohort.modality import Column, Modality
from clinfuse.cohort.records import Export, FileSources, RecordTable, TableSources
from clinfuse.cohort.store import FolderStore, keep_open

RECORDS = 8
NO_MASK, NO_EEG, SHORT_EEG, NO_LABS = 1, 2, 3, 4
MODALITIES = (
    Modality("kidney", "mask", (2, 6, 6, 6), channels=("kidney", "tumour"), spacing_mm=(2.0, 2.0, 2.0), unit="label"),
    Modality(
        "eeg", "eeg", (3, 2, 64), channels=("C3", "C4"), rate_hz=64.0, seconds=1.0, unit="µV", centre=0.0, spread=20.0
    ),
    Modality("labs", "ehr", (2,), columns=(Column("CRP", unit="mg/L"), Column("sodium", unit="mmol/L"))),
)


def _write_mask(file: Path, draw: np.random.Generator) -> None:
    labels = np.zeros((10, 10, 8), dtype=np.uint8)
    x, y, z = draw.integers(1, 5, size=3)
    labels[x : x + 4, y : y + 4, z : z + 3] = 1
    labels[x + 1, y + 1, z + 1] = 2
    nib.save(nib.Nifti1Image(labels, np.diag([1.0, 1.0, 2.0, 1.0])), file)


def _write_eeg(file: Path, draw: np.random.Generator, seconds: int) -> None:
    samples = draw.normal(0, 20, size=(2, seconds * 64))
    signals = [
        EdfSignal(row, 64, label=name, physical_dimension="uV", physical_range=(-200, 200))
        for name, row in zip(("EEG C3", "EEG C4"), samples.clip(-199, 199), strict=True)
    ]
    Edf(signals).write(file)


@pytest.fixture(scope="session")
def _written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("written")
    for row in range(RECORDS):
        draw = np.random.default_rng(row)
        if row != NO_MASK:
            _write_mask(folder / f"mask_{row}.nii", draw)
        if row != NO_EEG:
            _write_eeg(folder / f"eeg_{row}.edf", draw, 2 if row == SHORT_EEG else 4)
    return folder


@pytest.fixture
def folder(_written: Path, tmp_path: Path) -> Path:
    """A copy of the folder that a test may damage."""
    return Path(shutil.copytree(_written, tmp_path / "hospital"))


def export_of(folder: Path, order: list[int]) -> Export:
    """The records in this order, with their files."""
    text = [f"4{row:02d}" for row in order]
    labs = np.column_stack([np.arange(RECORDS) * 1.5, 140.0 - np.arange(RECORDS)])
    labs[0, 1] = np.nan
    labs[NO_LABS] = np.nan
    records = RecordTable(
        record_ids=np.array(text, dtype=object),
        patient_ids=np.array([f"p{row // 2}" for row in order], dtype=object),
        keys=np.array([f"R-KEY{name}" for name in text], dtype=object),
        patient_keys=np.array([f"P-KEY{row // 2}" for row in order], dtype=object),
        labels=np.array([row % 2 for row in order]),
        classes=("no", "yes"),
        task="binary",
        sites=np.array(["north" if row < 4 else "south" for row in order], dtype=object),
        times=np.array([np.datetime64("2020-01-01", "s") + row for row in order]),
        splits=np.array([""] * len(order), dtype=object),
        attributes=pd.DataFrame({"sex": ["f" if row % 2 else "m" for row in order]}),
    )
    sources = {
        "kidney": FileSources(tuple(() if row == NO_MASK else (Path(f"mask_{row}.nii"),) for row in order)),
        "eeg": FileSources(tuple(() if row == NO_EEG else (Path(f"eeg_{row}.edf"),) for row in order)),
        "labs": TableSources(labs[order]),
    }
    return Export(folder, records, MODALITIES, sources, Ledger(len(order) + 1, len(order)))


@pytest.fixture
def opened(folder: Path) -> Callable[..., Cohort]:
    """Opens the folder as a cohort, its records in any order."""

    def open_it(order: list[int] | None = None, *, strict: bool = False) -> Cohort:
        export = export_of(folder, list(range(RECORDS)) if order is None else order)
        store = keep_open(FolderStore(export, path=folder, strict=strict))
        return Cohort(store, np.arange(len(export.records)), tuple(m.name for m in MODALITIES))

    return open_it


@pytest.fixture
def cohort(opened: Callable[..., Cohort]) -> Cohort:
    """The folder as a cohort."""
    return opened()


_CONTRACT = """
[records]
table = "records.csv"
patient_id = "patient"
record_id = "record"
site = "site"

[label]
column = "finding"
positive = ["yes"]

[modalities.kidney]
kind = "mask"
table = "records.csv"
record_id = "record"
column = "mask"
labels = { 1 = "kidney", 2 = "tumour" }
size = [6, 6, 6]
spacing_mm = 2.0

[modalities.eeg]
kind = "eeg"
table = "records.csv"
record_id = "record"
column = "eeg"
channels = ["C3", "C4"]
segments = { seconds = 1, count = 3 }
rate_hz = 64

[modalities.labs]
kind = "ehr"
table = "records.csv"
record_id = "record"
columns.CRP = { unit = "mg/L" }
columns.sodium = { unit = "mmol/L" }
"""


@pytest.fixture
def hospital(folder: Path) -> Path:
    """The folder with the tables and the ``cohort.toml`` that describe it."""
    export = export_of(folder, list(range(RECORDS)))
    labs = export.sources["labs"]
    assert isinstance(labs, TableSources)
    table = pd.DataFrame(
        {
            "record": export.records.record_ids,
            "patient": export.records.patient_ids,
            "site": export.records.sites,
            "finding": [export.records.classes[label] for label in export.records.labels],
            "mask": ["" if row == NO_MASK else f"mask_{row}.nii" for row in range(RECORDS)],
            "eeg": ["" if row == NO_EEG else f"eeg_{row}.edf" for row in range(RECORDS)],
            "CRP": labs.values[:, 0],
            "sodium": labs.values[:, 1],
        }
    )
    table.to_csv(folder / "records.csv", index=False)
    (folder / "cohort.toml").write_text(_CONTRACT)
    return folder
