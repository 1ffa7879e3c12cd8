"""Who is here and where their files lie: the result of reading an export, before any pixel is read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, final

import numpy as np
import pandas as pd

from clinfuse.cohort.ledger import Ledger
from clinfuse.cohort.modality import Modality
from clinfuse.errors import DataError
from clinfuse.io.policies import ReaderPolicy

Task = Literal["binary", "multiclass", "multilabel"]


@final
@dataclass(frozen=True, eq=False)
class RecordTable:
    """Every record that is used, one entry each, in the order of the records table.

    Parameters
    ----------
    record_ids, patient_ids : ndarray of str, (records,)
        As the hospital writes them, text only. Record ids are unique. They identify: they leave the cohort folder
        only as keys.
    keys, patient_keys : ndarray of str, (records,)
        ``R-`` or ``P-`` and 10 base-32 characters.
    labels : ndarray of int64, (records,) or (records, labels)
        Index into ``classes`` (the positive class last); 0/1 per label if multilabel; -1 where unknown.
    classes : tuple of str
        Names of the classes, or of the labels if multilabel.
    task : {"binary", "multiclass", "multilabel"}
    sites : ndarray of str, (records,)
        Empty text where unknown.
    times : ndarray of datetime64[s], (records,)
        Index time, NaT where the records table has none.
    splits : ndarray of str, (records,)
        Side of a split that was declared beforehand: ``"train"``, ``"test"``, or empty text.
    attributes : DataFrame, (records, columns)
        Declared subgroup columns, one row per record in the same order.

    Raises
    ------
    DataError
        ``RECORD_LENGTHS``, ``RECORD_TWICE``, ``RECORDS_NONE``, ``LABEL_RANGE``.
    """

    record_ids: np.ndarray
    patient_ids: np.ndarray
    keys: np.ndarray
    patient_keys: np.ndarray
    labels: np.ndarray
    classes: tuple[str, ...]
    task: Task
    sites: np.ndarray
    times: np.ndarray
    splits: np.ndarray
    attributes: pd.DataFrame

    def __post_init__(self) -> None:
        n = len(self.record_ids)
        if n == 0:
            self._refuse("RECORDS_NONE", "at least one record", "none")
        columns = (self.patient_ids, self.keys, self.patient_keys, self.labels, self.sites, self.times, self.splits)
        if any(len(column) != n for column in (*columns, self.attributes)):
            self._refuse("RECORD_LENGTHS", "one entry per record in every column", "different lengths")
        if len(set(self.record_ids)) != n:
            self._refuse("RECORD_TWICE", "each record id once", f"{n - len(set(self.record_ids))} repeated")
        highest = 1 if self.task == "multilabel" else len(self.classes) - 1
        if self.labels.min() < -1 or self.labels.max() > highest:
            self._refuse("LABEL_RANGE", f"labels within -1 and {highest}", "a label outside")

    @staticmethod
    def _refuse(code: str, rule: str, found: str) -> None:
        raise DataError(code, place="records", rule=rule, found=found, remedy="Correct the records table.")

    def __len__(self) -> int:
        return len(self.record_ids)

    def dated(self, times: Any) -> RecordTable:
        """The same records with index times, datetime64 or ISO texts; unchanged for None."""
        if times is None:
            return self
        try:
            found = np.array(times, dtype="datetime64[s]")
        except (TypeError, ValueError):
            raise DataError(
                "INDEX_TIME",
                place="times",
                rule="times as datetime64, or as 2021-03-01",
                found="another form",
                remedy="Correct times.",
            ) from None
        return replace(self, times=found)

    def divided(self, splits: Sequence[str] | None) -> RecordTable:
        """The same records with the sides of a split; unchanged for None."""
        return self if splits is None else replace(self, splits=np.array([str(side) for side in splits], dtype=object))


@final
@dataclass(frozen=True, eq=False)
class FileSources:
    """For every record the files of one modality; an empty tuple is an absent modality.

    Parameters
    ----------
    files : tuple of tuple of Path
        Relative to the cohort folder; a CT series names each of its slices, a recording its header first and the files
        that belong to it, every other kind one file
        (or several, where ``several = "all"``).
    policy : ReaderPolicy
        What was decided about files that a reader would otherwise refuse.
    """

    files: tuple[tuple[Path, ...], ...]
    policy: ReaderPolicy = ReaderPolicy()


@final
@dataclass(frozen=True, eq=False)
class TableSources:
    """For every record its row of a health-record table, already converted and aggregated.

    Parameters
    ----------
    values : ndarray of float64, (records, columns)
        NaN is a cell without a value; a row of NaN only is an absent modality.
    """

    values: np.ndarray


@final
@dataclass(frozen=True, eq=False)
class Export:
    """A hospital export, joined by id: the records, what each modality is and where it lies.

    Parameters
    ----------
    folder : Path
        The folder that holds ``cohort.toml``.
    records : RecordTable
    modalities : tuple of Modality
        In the order of ``cohort.toml``.
    sources : mapping of str to FileSources or TableSources
        By modality name, one entry per record each.
    ledger : Ledger
        What was read, joined, left out, and why.
    """

    folder: Path
    records: RecordTable
    modalities: tuple[Modality, ...]
    sources: Mapping[str, FileSources | TableSources]
    ledger: Ledger
