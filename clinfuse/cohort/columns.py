"""The columns of the records of a cohort: who is here."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd

from clinfuse.cohort.ledger import Ledger
from clinfuse.cohort.records import Task
from clinfuse.cohort.store import Store
from clinfuse.errors import DataError


def frozen(array: np.ndarray) -> np.ndarray:
    """A view of the array that cannot be written to."""
    view = array.view()
    view.flags.writeable = False
    return view


class RecordColumns:
    """The chosen rows of a store's record table; `Cohort` adds what they have.

    Parameters
    ----------
    store : Store
    rows : ndarray of int, (records,)
        Positions in the store.
    """

    def __init__(self, store: Store, rows: np.ndarray) -> None:
        self._store = store
        self._rows = frozen(np.array(rows, dtype=np.int64))

    def __len__(self) -> int:
        return len(self._rows)

    @property
    def rows(self) -> np.ndarray:
        """Positions in the store this cohort was chosen from, int64, (records,)."""
        return self._rows

    @property
    def store(self) -> Store:
        """Where the inputs of all records lie, these among them."""
        return self._store

    def _column(self, name: str) -> np.ndarray:
        return frozen(getattr(self._store.records, name)[self._rows])

    @cached_property
    def record_ids(self) -> np.ndarray:
        """Ids as the hospital writes them, (records,): identifying."""
        return self._column("record_ids")

    @cached_property
    def patient_ids(self) -> np.ndarray:
        """Ids as the hospital writes them, (records,): identifying."""
        return self._column("patient_ids")

    @property
    def groups(self) -> np.ndarray:
        """Patient ids, (records,): what must never straddle a split."""
        return self.patient_ids

    @cached_property
    def keys(self) -> np.ndarray:
        """Names of the records outside the cohort folder, (records,)."""
        return self._column("keys")

    @cached_property
    def patient_keys(self) -> np.ndarray:
        """Names of the patients outside the cohort folder, (records,)."""
        return self._column("patient_keys")

    @cached_property
    def labels(self) -> np.ndarray:
        """int64, (records,) in the order of `classes`, or (records, labels) 0/1 if multilabel; -1 unknown."""
        return self._column("labels")

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the classes, the positive one last; of the labels if multilabel."""
        return self._store.records.classes

    @property
    def task(self) -> Task:
        """``binary``, ``multiclass`` or ``multilabel``."""
        return self._store.records.task

    @cached_property
    def sites(self) -> np.ndarray:
        """(records,); empty text where unknown."""
        return self._column("sites")

    @cached_property
    def times(self) -> np.ndarray:
        """Index times, datetime64[s], (records,); NaT where there is none."""
        return self._column("times")

    @cached_property
    def splits(self) -> np.ndarray:
        """Declared splits, (records,); empty text where none is declared."""
        return self._column("splits")

    @property
    def attributes(self) -> pd.DataFrame:
        """The declared subgroup columns, one row per record."""
        return self._store.records.attributes.iloc[self._rows].reset_index(drop=True)

    @property
    def ledger(self) -> Ledger:
        """What was read, joined and left out when the cohort was made."""
        return self._store.ledger

    @property
    def has_folder(self) -> bool:
        """Whether the cohort was read from a folder."""
        try:
            return bool(self._store.folder)
        except DataError:
            return False

    @property
    def folder(self) -> Path:
        """The cohort folder; DataError ``COHORT_FOLDER`` where the cohort was made from arrays."""
        return self._store.folder
