"""Cohorts in which nothing is wrong, as unlike each other as honest exports are; and what tells of files in them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from clinfuse.cohort.cohort import Cohort
from clinfuse.cohort.modality import Column, Modality
from clinfuse.cohort.store import Store

SIZES, PREVALENCES, MISSING = (100, 150, 250, 400), (0.15, 0.3, 0.5), (0.0, 0.1, 0.2, 0.3)
STRENGTHS = (0.0, 0.5, 1.0, 1.5)
FIRST = np.datetime64("2022-01-03T08:00:00")
DAYS = 730


class WithFiles(Store):
    """The store of a cohort of arrays, with index times and with what files would have said of themselves."""

    def __init__(self, store: Store, times: np.ndarray, frames: dict[str, pd.DataFrame]) -> None:
        """Take over everything but the times and the properties."""
        records = store.records
        object.__setattr__(records, "times", times)
        super().__init__(records, store.modalities)
        self._store, self._frames = store, frames
        self.present, self.ledger = store.present, store.ledger

    @property
    def folder(self) -> Path:
        """Raise, as a cohort of arrays does."""
        return self._store.folder

    def array(self, name: str) -> np.ndarray:
        """Give what is stored."""
        return self._store.array(name)

    def windows(self, name: str) -> np.ndarray:
        """Give what is stored."""
        return self._store.windows(name)

    def features(self, name: str) -> np.ndarray:
        """Give what is stored."""
        return self._store.features(name)

    def properties(self, name: str) -> pd.DataFrame:
        """Give what files say of themselves."""
        return self._frames.get(name, self._store.properties(name))

    def digests(self, name: str) -> tuple[str, ...]:
        """Give what is stored."""
        return self._store.digests(name)

    def load(self, name: str, row: int) -> Any:
        """Give what is stored."""
        return self._store.load(name, row)

    def taken(self, rows: np.ndarray) -> tuple[Store, np.ndarray]:
        """Give the whole store."""
        return self, rows


def people(draw: np.random.Generator, records: int) -> np.ndarray:
    """Give the patient of every record: one record each, sometimes several, up to five."""
    counts = draw.choice([[1, 0, 0], [0.6, 0.3, 0.1], [0.2, 0.3, 0.5]], axis=0)
    sizes = draw.choice([1, 2, 5], size=records, p=counts / counts.sum())
    return np.repeat(np.arange(records), sizes)[:records]


def labels_of(draw: np.random.Generator, patients: np.ndarray, prevalence: float, classes: int) -> np.ndarray:
    """Give a label to every record: a patient's own, or one that changes from visit to visit in one of five."""
    chances = np.array([1 - prevalence, *([prevalence / (classes - 1)] * (classes - 1))])
    own = draw.choice(classes, size=patients.max() + 1, p=chances)
    own[: 4 * classes] = np.arange(4 * classes) % classes
    own = draw.permutation(own)
    changing = draw.random(len(patients)) < 0.2
    fresh = draw.choice(classes, size=len(patients), p=chances)
    labels: np.ndarray = np.where(changing & (draw.random() < 0.5), fresh, own[patients])
    return labels


def table(draw: np.random.Generator, labels: np.ndarray, patients: np.ndarray, columns: int) -> np.ndarray:
    """Give correlated columns, some rounded, some counted in whole numbers, some yes or no, some with a signal."""
    n = len(labels)
    shared = draw.normal(size=(n, 2)) + draw.normal(size=(patients.max() + 1, 2))[patients]
    values = draw.normal(size=(n, columns)) + shared @ draw.normal(scale=0.6, size=(2, columns))
    values /= values.std(0)
    values += draw.choice(STRENGTHS, size=columns) * (labels > 0)[:, None]
    grain = draw.choice(4, size=columns)
    values = np.where(grain == 1, values.round(1), values)
    values = np.where(grain == 2, values.round(), values)
    return np.where(grain == 3, (values > 0.5).astype(float), values)


def films(draw: np.random.Generator, labels: np.ndarray, patients: np.ndarray) -> np.ndarray:
    """Give radiographs that share most of their anatomy, with a patient's own part and a faint finding."""
    rows, columns = np.mgrid[:16, :16] / 16
    anatomy = np.sin(6 * rows) * np.cos(5 * columns)
    own = 0.2 * draw.normal(size=(patients.max() + 1, 16, 16))[patients]
    made = anatomy + own + 0.2 * draw.normal(size=(len(labels), 16, 16))
    made[:, 5:8, 5:8] += draw.choice(STRENGTHS) * 0.1 * (labels > 0)[:, None, None]
    return made[:, None].astype(np.float32)


def recordings(draw: np.random.Generator, labels: np.ndarray) -> np.ndarray:
    """Give signals of three windows; one in ten lacks the last."""
    made = (
        20
        * draw.normal(size=(len(labels), 3, 2, 16))
        * (1 + 0.2 * draw.choice(STRENGTHS) * (labels > 0))[:, None, None, None]
    )
    made[draw.random(len(labels)) < 0.1, 2] = np.nan
    return made.astype(np.float32)


def files(draw: np.random.Generator, made: np.ndarray, name: str) -> pd.DataFrame:
    """Give what files say of themselves, none of it of the label."""
    n = len(made)
    frame = pd.DataFrame({"bytes": draw.lognormal(12, 0.2, n).round(), "files": 1.0, "time made": made})
    frame["order of names"] = draw.permutation(n).astype(float)
    frame["length of names"] = draw.choice([11.0, 12.0], size=n)
    folder = draw.integers(3, size=n)
    frame["folder 1"], frame["folder 2"] = (folder == 0).astype(float), (folder == 1).astype(float)
    if name == "eeg":
        frame["duration_s"] = draw.normal(1200, 120, n).round()
        frame["rate_hz"] = draw.choice([250.0, 500.0], size=n, p=[0.2, 0.8])
    return frame


def clean_cohort(seed: int, *, records: int = 0) -> Cohort:
    """Make a cohort in which nothing is wrong; of a size of its own unless one is asked for."""
    draw = np.random.default_rng([seed, 515])
    n = records or int(draw.choice(SIZES))
    patients = people(draw, n)
    classes = 3 if draw.random() < 0.1 else 2
    labels = labels_of(draw, patients, float(draw.choice(PREVALENCES)), classes)
    arrays: dict[str, np.ndarray] = {
        "labs": table(draw, labels, patients, int(draw.choice([6, 12, 30]))),
        "vitals": table(draw, labels, patients, 4).round(),
        "film": films(draw, labels, patients),
        "eeg": recordings(draw, labels),
    }
    for name in ("labs", "vitals"):
        arrays[name][draw.random(arrays[name].shape) < draw.choice(MISSING)] = np.nan
    present = draw.random((n, 4)) >= draw.choice(MISSING, size=4)
    kinds = {
        name: Modality(name, "ehr", (width,), columns=tuple(Column(f"{name} {k + 1}") for k in range(width)))
        for name, width in (("labs", arrays["labs"].shape[1]), ("vitals", 4))
    }
    times = FIRST + (draw.random(n) * DAYS * 86400).astype("timedelta64[s]")
    seconds = times.astype("datetime64[s]").astype(np.int64).astype(float)
    frames = {name: files(draw, seconds - draw.integers(600, 86400, n), name) for name in ("film", "eeg")}
    cohort = Cohort.from_arrays(
        arrays,
        labels=labels,
        present=present,
        kinds={**kinds, "film": "xray", "eeg": "eeg"},
        classes=("none", "one", "two")[:classes],
        task="binary" if classes == 2 else "multiclass",
        patient_ids=[f"P{k:04d}" for k in patients],
        sites=[f"site {k}" for k in draw.integers(draw.integers(1, 5), size=n)],
    )
    return Cohort(WithFiles(cohort._store, times, frames), np.arange(n), cohort.names)
