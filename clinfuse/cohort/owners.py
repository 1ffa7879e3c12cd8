"""Whose the rows of a table are."""

from __future__ import annotations

from typing import Protocol

import pandas as pd

from clinfuse.cohort.contract import RecordsSection
from clinfuse.cohort.declarations import Written
from clinfuse.cohort.joins import PATIENT, RECORD, Joins, plain_ids
from clinfuse.cohort.tables import require
from clinfuse.errors import DataError


class Joined(Protocol):
    """A section that says by which column its table is joined."""

    @property
    def record_id(self) -> str | None:
        """Column of record ids."""

    @property
    def patient_id(self) -> str | None:
        """Column of patient ids."""

    @property
    def system(self) -> str | None:
        """System whose numbers that column holds."""


def is_own_row(section: Written, table: str | None, records: RecordsSection) -> bool:
    """Whether a section reads the very rows of the records table: same file, no join, written in the same way.

    Examples
    --------
    >>> is_own_row(Written(), None, RecordsSection(table="visits.csv", patient_id="PID"))
    True
    """
    joined = getattr(section, "record_id", None) or getattr(section, "patient_id", None)
    other = any(getattr(section, key) is not None for key in Written.model_fields)
    return table in (None, records.table) and not joined and not other


def id_column(table: pd.DataFrame, section: Joined, records: RecordsSection, place: str) -> tuple[str, str]:
    """The column by which a table is joined, and the system whose numbers it holds.

    Without ``record_id`` and ``patient_id`` that is the column that ``[records]`` names, the record's before the
    patient's.

    Raises
    ------
    DataError
        ``COLUMN_ABSENT``, ``TABLE_JOIN``.
    """
    require(table, [(f"{place} record_id", section.record_id), (f"{place} patient_id", section.patient_id)])
    column, system = section.record_id or section.patient_id, RECORD if section.record_id else PATIENT
    if column is None:
        choices = [(records.record_id, RECORD), (records.patient_id, PATIENT)]
        column, system = next(((name, kind) for name, kind in choices if name in table.columns), (None, PATIENT))
    if column is None:
        raise DataError(
            "TABLE_JOIN",
            place=place,
            rule="a column that says whose a row is",
            found="none with the name that [records] uses",
            remedy='Add record_id = "COLUMN" or patient_id = "COLUMN" to this section.',
        )
    return column, section.system or system


def owners(
    table: pd.DataFrame, section: Joined, records: RecordsSection, joins: Joins, place: str
) -> list[tuple[int, ...]]:
    """For each row of a table the positions of the records it belongs to, joined by its :func:`id_column`.

    Raises
    ------
    DataError
        ``COLUMN_ABSENT``, ``TABLE_JOIN``, ``ID_COLLISION``, ``ID_DAMAGED``.
    """
    column, system = id_column(table, section, records, place)
    numbers = plain_ids(table[column], joins.width.get(system), f"{place} {column}")
    known = {number: joins.records(system, number) for number in set(numbers)}
    return [known[number] for number in numbers]
