"""The records of an export: one row, one prediction, one patient at one time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import final

import numpy as np
import pandas as pd

from clinfuse.cohort.contract import Contract, RecordsSection
from clinfuse.cohort.joins import PATIENT, RECORD, Joins, plain_ids, read_systems
from clinfuse.cohort.keys import KeyRing
from clinfuse.cohort.notes import Notes
from clinfuse.cohort.split_section import TEST, TRAIN
from clinfuse.cohort.tables import TableBook, lines_of, require
from clinfuse.errors import DataError
from clinfuse.io.cells import decimal_number
from clinfuse.io.times import written_with_clock


@final
@dataclass(frozen=True, eq=False)
class Visits:
    """Every row of the records table that can be told apart, in the order of the table.

    Parameters
    ----------
    table : DataFrame of str, (rows, columns)
    record_ids, patient_ids : ndarray of str (object), (rows,)
    keys, patient_keys : tuple of str
    times : ndarray of datetime64[s], (rows,)
        Index time, NaT where none is declared.
    days : ndarray of bool, (rows,)
        Whether the index time is a day without a time of day.
    kept : ndarray of bool, (rows,)
        False for rows that are left out.
    records_in : int
        Rows of the records table, those without an id among them.
    joins : Joins
        From ids to positions in this table.
    """

    table: pd.DataFrame
    record_ids: np.ndarray
    patient_ids: np.ndarray
    keys: tuple[str, ...]
    patient_keys: tuple[str, ...]
    times: np.ndarray
    days: np.ndarray
    kept: np.ndarray
    records_in: int
    joins: Joins

    def __len__(self) -> int:
        return len(self.record_ids)

    @property
    def dated(self) -> bool:
        """Whether records have index times."""
        return bool((~np.isnat(self.times)).any())

    def without(self, left_out: np.ndarray) -> Visits:
        """The same rows with further ones left out."""
        return replace(self, kept=self.kept & ~left_out)


def read_visits(contract: Contract, book: TableBook, ring: KeyRing, notes: Notes) -> Visits:
    """The rows of the records table, with index times, and who is left out before the label is looked at.

    Raises
    ------
    DataError
        ``COLUMN_ABSENT``, ``ID_COLLISION``, ``RECORD_CONFLICT``, ``KEY_COLLISION``; ``ID_MISSING`` and
        ``INDEX_TIME`` if reading is strict; what the readers of tables and dates say.
    """
    section = contract.records
    table = book.open(section.table, section, "[records] table")
    _require(table, section)
    width = contract.width
    written = plain_ids(table[section.patient_id], width.get(PATIENT), "[records] patient_id")
    own = table[section.record_id] if section.record_id is not None else written
    records = plain_ids(own, width.get(RECORD) if section.record_id is not None else None, "[records] record_id")
    whole = _identified(table, records, written, notes)
    table, records, patients = table[whole], records[whole], written[whole]
    times, days = _times(table, section, book)
    joins = Joins(list(records), list(patients), read_systems(contract, book, notes), width)
    visits = Visits(
        table=table,
        record_ids=records,
        patient_ids=patients,
        keys=tuple(ring.records(records)),
        patient_keys=tuple(ring.patients(patients)),
        times=times,
        days=days,
        kept=np.ones(len(records), dtype=bool),
        records_in=len(whole),
        joins=joins,
    )
    if section.index_time is not None:
        visits = visits.without(_undated(visits, notes))
    return visits.without(_not_chosen(visits, section, notes))


def attributes_of(visits: Visits, section: RecordsSection, decimal: str) -> pd.DataFrame:
    """Declared subgroup columns, one row per record: float64 where every value is a number, else text."""
    columns = {}
    for name, column in section.attributes.items():
        text = visits.table[column]
        numbers = {cell: decimal_number(cell, decimal) for cell in set(text) - {""}}
        if numbers and None not in numbers.values():
            columns[name] = np.array([numbers.get(cell, np.nan) for cell in text], dtype=np.float64)
        else:
            columns[name] = text.to_numpy(dtype=object)
    return pd.DataFrame(columns, index=range(len(visits)))


def sides_of(visits: Visits, section: RecordsSection) -> np.ndarray:
    """Give ``"train"``, ``"test"``, or empty text where nothing is declared, for every record that is kept.

    Raises
    ------
    DataError
        ``SPLIT_VALUE``: a word of neither side.
    """
    found = np.full(len(visits), "", dtype=object)
    if section.split is None:
        return found
    written = visits.table[section.split.column].to_numpy(dtype=object)
    for side, words in ((TRAIN, section.split.train), (TEST, section.split.test)):
        found[np.isin(written, words) & visits.kept] = side
    strange = np.flatnonzero((found == "") & (written != "") & visits.kept)
    if len(strange):
        raise DataError(
            "SPLIT_VALUE",
            place="[records] split",
            rule="a word that is listed for train or for test, or an empty cell, in every record",
            found=f"another word in {lines_of(visits.table, strange[:6].tolist()).lower()}",
            remedy='List every word, as in split = { column = "SET", train = ["a", "b"], test = ["c"] }.',
        )
    return found


def _require(table: pd.DataFrame, section: RecordsSection) -> None:
    named = [(f"[records] {key}", getattr(section, key)) for key in ("patient_id", "record_id", "index_time")]
    named.append(("[records] site", section.site))
    named += [(f"[records] attributes.{name}", column) for name, column in section.attributes.items()]
    if section.split is not None:
        named.append(("[records] split", section.split.column))
    require(table, named)


def _identified(table: pd.DataFrame, records: np.ndarray, patients: np.ndarray, notes: Notes) -> np.ndarray:
    """Which rows have both ids and do not repeat another row."""
    named = (records != "") & (patients != "")
    for row in np.flatnonzero(~named):
        text = f"{lines_of(table, [int(row)])} of the records table has no record id or no patient id."
        notes.exclude("ID_MISSING", "records", text, damaged=True)
    content = table.assign(**{"\0record": records, "\0patient": patients})
    repeated = content.duplicated().to_numpy() & named
    for row in np.flatnonzero(repeated):
        text = f"{lines_of(table, [int(row)])} of the records table repeats an earlier one."
        notes.exclude("RECORD_REPEATED", "records", text)
    whole = named & ~repeated
    again = pd.Series(records).where(pd.Series(whole)).duplicated(keep=False).to_numpy() & whole
    if again.any():
        rows = lines_of(table, np.flatnonzero(again)[:6].tolist()).lower()
        found = f"the same id with different contents in {rows}{' and others' if again.sum() > 6 else ''}"
        _refuse("RECORD_CONFLICT", "record_id", "one row for each record", found)
    return whole


def _times(table: pd.DataFrame, section: RecordsSection, book: TableBook) -> tuple[np.ndarray, np.ndarray]:
    if section.index_time is None:
        return np.full(len(table), np.datetime64("NaT"), dtype="datetime64[s]"), np.zeros(len(table), dtype=bool)
    times = book.times(table, section.index_time, section, "[records] index_time")
    clock = written_with_clock(table[section.index_time], book.dialect(section))
    return times.astype("datetime64[s]"), ~clock


def _undated(visits: Visits, notes: Notes) -> np.ndarray:
    left_out = np.isnat(visits.times)
    for row in np.flatnonzero(left_out):
        notes.exclude("INDEX_TIME", "records", "The record has no index time.", key=visits.keys[row], damaged=True)
    return left_out


def _not_chosen(visits: Visits, section: RecordsSection, notes: Notes) -> np.ndarray:
    """Records other than the first or last of their patient, where only that one counts."""
    left_out = np.zeros(len(visits), dtype=bool)
    if section.per_patient == "all":
        return left_out
    order = pd.DataFrame({"patient": visits.patient_ids, "time": visits.times, "record": visits.record_ids})
    order = order[visits.kept].sort_values(["time", "record"], kind="stable")
    left_out[order.index[order["patient"].duplicated(keep=section.per_patient)]] = True
    for row in np.flatnonzero(left_out):
        text = f"Not the {section.per_patient} record of the patient."
        notes.exclude("PER_PATIENT", "records", text, key=visits.keys[row])
    return left_out


def _refuse(code: str, key: str, rule: str, found: str) -> None:
    remedy = "Correct the records table."
    raise DataError(code, place=f"[records] {key}", rule=rule, found=found, remedy=remedy)


def rows_of_records(items: Sequence[tuple[int, ...]], records: int) -> list[list[int]]:
    """For each record the positions of the items that belong to it.

    Examples
    --------
    >>> rows_of_records([(0,), (), (0, 1)], 3)
    [[0, 2], [2], []]
    """
    rows: list[list[int]] = [[] for _ in range(records)]
    for item, owners in enumerate(items):
        for record in owners:
            rows[record].append(item)
    return rows
