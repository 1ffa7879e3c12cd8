"""The same cohort with other values in some of its rows: to see who looks at rows that were held out."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Literal, final

import numpy as np
import pandas as pd

from clinfuse.cohort.arrays import record_rows
from clinfuse.cohort.cohort import Cohort
from clinfuse.cohort.kinds import Value, kind_of
from clinfuse.cohort.modality import Modality
from clinfuse.cohort.store import Store, locked, table_row

Part = Literal["inputs", "labels", "order"]
_SPREADS = 3.0
_TINY = 1e-12


@final
class ChangedStore(Store):
    """A store some of whose rows have changed places, hold other values, or have other labels.

    Parameters
    ----------
    store : Store
        Left as it is; nothing is copied before it is asked for.
    rows : ndarray of int, (changed,)
    labels : ndarray of int, (records,) or (records, labels)
        Of every row.
    inputs : bool
        Whether the rows hold other values, and every third of them lacks what it had of a modality.
    source : ndarray of int, (records,)
        Which row of the store each row is; ``rows`` change places with each other only.
    """

    def __init__(self, store: Store, rows: np.ndarray, labels: np.ndarray, *, inputs: bool, source: np.ndarray) -> None:
        super().__init__(replace(record_rows(store.records, source), labels=labels), store.modalities)
        self._under, self._rows, self._inputs, self._source = store, rows, inputs, source
        self.ledger = store.ledger
        present = np.array(store.present[source])
        if inputs:
            for column in range(present.shape[1]):
                present[rows[column % 3 :: 3], column] = False
        self.present = locked(present)
        self._kept: dict[tuple[str, str], np.ndarray] = {}

    @property
    def folder(self) -> Path:
        """That of the store."""
        return self._under.folder

    def _changed(self, what: str, name: str, stored: np.ndarray, modality: Modality | None) -> np.ndarray:
        if (what, name) not in self._kept:
            values = np.array(stored[self._source])
            if self._inputs:
                values[self._rows] = _otherwise(values, self._rows, modality)
            here = self.present[:, [one.name for one in self.modalities].index(name)]
            values[~here] = np.nan if values.dtype == np.float64 else 0
            self._kept[what, name] = locked(values)
        return self._kept[what, name]

    def array(self, name: str) -> np.ndarray:
        """All prepared inputs."""
        return self._changed("array", name, self._under.array(name), self.named[name])

    def windows(self, name: str) -> np.ndarray:
        """Windows that are covered."""
        here = self.present[:, [one.name for one in self.modalities].index(name)]
        covered: np.ndarray = np.asarray(self._under.windows(name)[self._source]) & here[:, None]
        return covered

    def features(self, name: str) -> np.ndarray:
        """Summary features; of a health-record table its columns."""
        table = self.named[name].kind == "ehr"
        return self.array(name) if table else self._changed("features", name, self._under.features(name), None)

    def properties(self, name: str) -> pd.DataFrame:
        """What the files say of themselves."""
        return self._under.properties(name).iloc[self._source].reset_index(drop=True)

    def digests(self, name: str) -> tuple[str, ...]:
        """One hash per record, another one where the record was changed."""
        found = np.array(self._under.digests(name), dtype=object)[self._source]
        found[self._rows] = [f"{one} changed" if self._inputs else one for one in found[self._rows]]
        here = self.present[:, [one.name for one in self.modalities].index(name)]
        return tuple(str(one) if has else "" for one, has in zip(found, here, strict=True))

    def load(self, name: str, row: int) -> Value:
        """The value of a record; of a changed one the prepared input as a value."""
        if not (self._inputs and row in self._rows):
            return self._under.load(name, int(self._source[row]))
        modality = self.named[name]
        if modality.kind == "ehr":
            return table_row(modality, self.array(name)[row])
        return kind_of(modality).wrap(self.array(name)[row], self.windows(name)[row], modality)

    def taken(self, rows: np.ndarray) -> tuple[Store, np.ndarray]:
        """The whole store."""
        return self, rows


def _otherwise(values: np.ndarray, rows: np.ndarray, modality: Modality | None) -> np.ndarray:
    """These rows as other values of the same range (an image), or shifted by three spreads (all else)."""
    chosen = values[rows]
    if modality is not None and modality.kind not in ("ehr", "eeg"):
        low, high = float(values.min()), float(values.max())
        # Mirrored and bent, so that the mean of what is symmetric moves too.
        bent = low + (high - chosen.astype(np.float64)) ** 2 / max(high - low, _TINY)
        result: np.ndarray = (np.rint(bent) if values.dtype.kind in "biu" else bent).astype(values.dtype)
        return result
    if modality is not None and modality.kind == "ehr":
        categories = [column.kind == "category" for column in modality.columns]
        levels = np.array([max(len(column.levels), 1) for column in modality.columns])
        known = np.isfinite(values)
        count = np.maximum(known.sum(0), 1)
        centre = np.where(known, values, 0.0).sum(0) / count
        spread = np.sqrt(np.where(known, (values - centre) ** 2, 0.0).sum(0) / count)
        turned = np.mod(chosen + 1, levels)
        return np.where(categories, turned, 2 * chosen + _SPREADS * spread + 1)
    spread = float(np.nanstd(values)) if np.isfinite(values).any() else 0.0
    shifted: np.ndarray = (2 * chosen + _SPREADS * spread + 1).astype(values.dtype)
    return shifted


def changed(cohort: Cohort, rows: np.ndarray, *what: Part) -> Cohort:
    """The same cohort in which some records are others.

    Parameters
    ----------
    cohort : Cohort
    rows : ndarray of int
        Of the cohort.
    *what : {"inputs", "labels", "order"}
        They hold other values and lack some of what they had; are of another class; change places with each other,
        the first with the last, with all that they have.

    Returns
    -------
    Cohort
        On a store of its own.

    Examples
    --------
    >>> labs = np.arange(4.0)[:, None]
    >>> cohort = Cohort.from_arrays({"labs": labs}, labels=[0, 1, 0, 1], kinds={"labs": "ehr"})
    >>> other = changed(cohort, np.array([2, 3]), "order", "labels")
    >>> other.arrays("labs").ravel().tolist(), other.labels.tolist()
    ([0.0, 1.0, 3.0, 2.0], [0, 1, 0, 1])
    """
    store, places = cohort.store, cohort.rows[rows]
    source = np.arange(len(store.records))
    if "order" in what:
        source[places] = places[::-1]
    kept = np.array(store.records.labels[source])
    if "labels" in what:
        number = 2 if cohort.task == "multilabel" else len(cohort.classes)
        kept[places] = np.where(kept[places] >= 0, (kept[places] + 1) % number, kept[places])
    return on_store(cohort, ChangedStore(store, places, kept, inputs="inputs" in what, source=source))


def relabelled(cohort: Cohort, labels: np.ndarray) -> Cohort:
    """The same cohort with other labels, int64 (records,) or (records, labels)."""
    store = cohort.store
    kept = np.array(store.records.labels)
    kept[cohort.rows] = labels
    nowhere = np.arange(0)
    return on_store(cohort, ChangedStore(store, nowhere, kept, inputs=False, source=np.arange(len(kept))))


def one_record_each(cohort: Cohort) -> Cohort:
    """The same cohort in which no two records are of one patient, on a store of its own."""
    store = cohort.store
    found = ChangedStore(store, np.arange(0), store.records.labels, inputs=False, source=np.arange(len(store.records)))
    records = found.records
    keys = np.char.replace(np.asarray(records.keys, dtype=str), "R-", "P-")
    found.records = replace(records, patient_ids=records.record_ids, patient_keys=keys)
    return on_store(cohort, found)


def on_store(cohort: Cohort, store: Store) -> Cohort:
    """The same rows and modalities of another store; what is withheld stays withheld."""
    columns = [[one.name for one in cohort.store.modalities].index(name) for name in cohort.names]
    withheld = cohort.store.present[cohort.rows][:, columns] & ~cohort.present
    return Cohort(store, cohort.rows, cohort.names).withhold(~withheld)
