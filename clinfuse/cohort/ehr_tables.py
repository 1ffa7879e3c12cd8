"""Health-record tables, wide or long, dated or not, as one row of numbers per record."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import numpy as np
import pandas as pd

from clinfuse.cohort.contract import Contract, RecordsSection
from clinfuse.cohort.declarations import ColumnDeclaration, EhrSource
from clinfuse.cohort.joins import plain
from clinfuse.cohort.measurements import Measurements, take, taken_column
from clinfuse.cohort.modality import Column
from clinfuse.cohort.notes import SAME_DAY, SAME_DAY_USED, UNDATED, Notes
from clinfuse.cohort.owners import is_own_row, owners
from clinfuse.cohort.tables import TableBook, require
from clinfuse.cohort.visits import Visits, rows_of_records
from clinfuse.cohort.windows import BEFORE_INDEX, on_the_day, seconds_after
from clinfuse.errors import ClinfuseError, ConfigError
from clinfuse.io.dialect import Dialect
from clinfuse.io.ehr import ColumnRule, column_levels, has_clock, read_ehr

_UNBOUNDED = (float("-inf"), float("inf"))


@final
@dataclass(frozen=True, eq=False)
class EhrRows:
    """Columns of one modality, one row per record.

    Parameters
    ----------
    values : ndarray of float64, (records, columns)
        NaN where a cell is empty; a row of NaN only is an absent modality.
    columns : tuple of Column
    """

    values: np.ndarray
    columns: tuple[Column, ...]


@final
@dataclass(frozen=True, eq=False)
class _Pairs:
    """Rows of a table that count for a record: once for each record they belong to."""

    items: np.ndarray
    records: np.ndarray
    seconds: np.ndarray


@final
@dataclass(frozen=True, eq=False)
class _Reading:
    """All that is needed to read one modality."""

    name: str
    source: EhrSource
    table: pd.DataFrame
    dialect: Dialect
    visits: Visits
    notes: Notes


def read_rows(name: str, contract: Contract, visits: Visits, book: TableBook, notes: Notes) -> EhrRows:
    """The declared inputs of one table for every row of the records table.

    Nothing later than the index time is used. Undated values that differ between two rows of one record are refused
    for that record, as nothing says which one counts.

    Raises
    ------
    DataError
        ``COLUMN_ABSENT``, ``TABLE_JOIN``, what the readers of tables, dates and cells say; any refusal if strict.
    """
    source = contract.modalities[name]
    if not isinstance(source, EhrSource):
        raise TypeError(name)
    place = f"modalities.{name}"
    own = is_own_row(source, source.table, contract.records) and not (source.time or source.long)
    table = visits.table if own else book.open(source.table, source, place)
    require(table, _named(place, source))
    if own:
        items: list[tuple[int, ...]] = [(row,) for row in range(len(visits))]
    else:
        items = owners(table, source, contract.records, visits.joins, place)
    notes.match(visits.joins.match(name, items))
    dialect = book.dialect(source if not own else contract.records)
    reading = _Reading(name, source, table, dialect, visits, notes)
    times = None if source.time is None else book.times(table, source.time, source, place)
    _check_label(reading, contract, book)
    pairs = _pairs(reading, items, times)
    if times is None and visits.dated and not _of_record(source, contract.records, book):
        notes.tell("UNDATED", name, len(pairs.items), UNDATED.format("rows"))
    try:
        read = _wide(reading, pairs) if source.time is None and source.long is None else _measured(reading, pairs)
    except ClinfuseError as error:
        raise error.at(place) from None
    return read


def _named(place: str, source: EhrSource) -> list[tuple[str, str | None]]:
    named: list[tuple[str, str | None]] = [(f"{place}.time", source.time)]
    if source.long is None:
        return [*named, *((f"{place}.columns.{column}", column) for column in source.columns)]
    long = source.long
    return [
        *named,
        (f"{place}.long.code", long.code),
        (f"{place}.long.value", long.value),
        (f"{place}.long", long.unit),
    ]


def _of_record(source: EhrSource, records: RecordsSection, book: TableBook) -> bool:
    """Whether a table is the one of the records, so that each row belongs to its own record."""
    return source.patient_id is None and book.same(source.table, records.table)


def _check_label(reading: _Reading, contract: Contract, book: TableBook) -> None:
    """Refuse a column that holds the label, by whatever name its table is called."""
    label, source = contract.label, reading.source
    if label is None or source.long is not None or not book.same(source.table, label.table or contract.records.table):
        return
    outcome = {label.column, label.time, label.follow_up, *(label.columns or ())}
    for column in source.used:
        if column in outcome:
            raise ConfigError(
                "LEAK_LABEL",
                place=f"modalities.{reading.name}.columns.{column}",
                rule="inputs that are not the label",
                found="the label",
                remedy='Remove the column, or declare it known = "after".',
            )


def _pairs(reading: _Reading, items: list[tuple[int, ...]], times: np.ndarray | None) -> _Pairs:
    """Rows of the kept records, inside the window where rows are dated."""
    visits, source = reading.visits, reading.source
    rows = rows_of_records(items, len(visits))
    kept = [record for record in np.flatnonzero(visits.kept) if rows[record]]
    found = np.array([item for record in kept for item in rows[record]], dtype=np.int64)
    records = np.array([record for record in kept for _ in rows[record]], dtype=np.int64)
    if times is None:
        return _Pairs(found, records, np.zeros(len(found)))
    undated = int(np.isnat(times[np.unique(found)]).sum())
    reading.notes.tell("TIME_UNKNOWN", reading.name, undated, "rows without a time are not used.")
    if not visits.dated:
        seconds = times[found].astype("datetime64[s]").astype(np.float64)
        use = ~np.isnat(times[found])
        return _Pairs(found[use], records[use], seconds[use])
    when, index = times[found], visits.times[records]
    seconds = seconds_after(when, index, days=visits.days[records])
    same_day = on_the_day(when, index)
    unsure = same_day & ~visits.days[records] & ~has_clock(reading.table[str(source.time)], reading.dialect)[found]
    inside = (source.span or BEFORE_INDEX).holds(seconds)
    use = inside & ~unsure
    late = int((seconds > 0).sum())
    reading.notes.tell("AFTER_INDEX", reading.name, late, "values later than the index time are not used.")
    reading.notes.tell("SAME_DAY", reading.name, int((inside & unsure).sum()), SAME_DAY.format("values"))
    by_day = int((use & same_day & visits.days[records]).sum())
    reading.notes.tell("SAME_DAY_USED", reading.name, by_day, SAME_DAY_USED.format("values"))
    return _Pairs(found[use], records[use], seconds[use])


def _declared(name: str, said: ColumnDeclaration, cells: pd.Series) -> tuple[Column, ColumnRule]:
    """What is declared of a column; without declared levels those that occur anywhere in the table, sorted."""
    missing = said.missing or ()
    levels: tuple[str, ...] = ()
    if said.kind == "category":
        levels = column_levels(cells, ColumnRule("category", levels=said.levels, missing=missing))
    column = Column(name, kind=said.kind, unit=said.unit, levels=levels, normal=said.normal or _UNBOUNDED)
    rule = ColumnRule(said.kind, levels=levels, yes=said.yes, no=said.no, missing=missing, bounds=said.bounds)
    return column, rule


def _converted(reading: _Reading, name: str, cells: pd.Series, rule: ColumnRule) -> np.ndarray:
    """Cells as numbers; those outside the declared range become missing and are counted."""
    values = read_ehr(cells.to_frame(name), {name: rule}, reading.dialect)[name].to_numpy(dtype=np.float64).copy()
    low, high = reading.source.columns[name].range or _UNBOUNDED
    outside = (values < low) | (values > high)
    if rule.kind == "number" and outside.any():
        text = f"values of column {name} outside the declared range are treated as missing."
        reading.notes.tell("EHR_RANGE", reading.name, int(outside.sum()), text)
        values[outside] = np.nan
    return values


def _wide(reading: _Reading, pairs: _Pairs) -> EhrRows:
    used, columns, cells = np.unique(pairs.items), [], []
    for name in reading.source.used:
        column, rule = _declared(name, reading.source.columns[name], reading.table[name])
        columns.append(column)
        cells.append(_converted(reading, name, reading.table[name].iloc[used], rule))
    rows = np.stack(cells, axis=1)[np.searchsorted(used, pairs.items)]
    values = np.full((len(reading.visits), len(columns)), np.nan)
    for record, group in _groups(pairs.records):
        first = rows[group[0]]
        if ((rows[group] == first) | (np.isnan(rows[group]) & np.isnan(first))).all():
            values[record] = first
        else:
            _refuse_conflict(reading, int(record))
    return EhrRows(values, tuple(columns))


def _measured(reading: _Reading, pairs: _Pairs) -> EhrRows:
    columns: list[Column] = []
    values: list[np.ndarray] = []
    seen = np.zeros(len(reading.visits), dtype=bool)
    for name in reading.source.used:
        said = reading.source.columns[name]
        column, measured = _measurements(reading, name, said, pairs)
        seen[measured.records] = True
        if said.take is None and reading.source.time is None:
            columns.append(column)
            values.append(_single(reading, measured))
            continue
        for how in said.take or ("last",):
            columns.append(taken_column(column, how))
            values.append(take(measured, how, len(reading.visits)))
    table = np.stack(values, axis=1)
    table[~seen] = np.nan
    return EhrRows(table, tuple(columns))


def _measurements(reading: _Reading, name: str, said: ColumnDeclaration, pairs: _Pairs) -> tuple[Column, Measurements]:
    long, table = reading.source.long, reading.table
    cells = table[name if long is None else long.value]
    counted = np.ones(len(table), dtype=bool)
    if long is not None:
        counted = table[long.code].isin(list(said.codes or (name,))).to_numpy()
        counted = counted & _same_unit(reading, name, said, counted, np.unique(pairs.items))
    column, rule = _declared(name, said, cells[counted])
    use = counted[pairs.items]
    items, positions = np.unique(pairs.items[use], return_inverse=True)
    read = _converted(reading, name, cells.iloc[items], rule)[positions]
    known = np.isfinite(read)
    return column, Measurements(pairs.records[use][known], pairs.seconds[use][known], read[known])


def _same_unit(
    reading: _Reading, name: str, said: ColumnDeclaration, coded: np.ndarray, used: np.ndarray
) -> np.ndarray:
    """Which rows are in the declared unit; a value in another one is never converted by guessing."""
    long = reading.source.long
    if long is None or long.unit is None or not said.unit:
        return np.ones(len(coded), dtype=bool)
    same = (reading.table[long.unit].map(plain) == plain(said.unit)).to_numpy()
    others = int((coded & ~same)[used].sum())
    text = f"values of column {name} in another unit than {said.unit}, or in none, are not used."
    reading.notes.tell("EHR_UNIT", reading.name, others, text)
    return same


def _single(reading: _Reading, measured: Measurements) -> np.ndarray:
    values = np.full(len(reading.visits), np.nan)
    for record, group in _groups(measured.records):
        distinct = np.unique(measured.values[group])
        if len(distinct) > 1:
            _refuse_conflict(reading, int(record))
        else:
            values[record] = distinct[0]
    return values


def _refuse_conflict(reading: _Reading, record: int) -> None:
    text = "Several rows with different values, and nothing says which one counts: declare time, or take."
    reading.notes.refuse("ROWS_CONFLICT", reading.name, text, key=reading.visits.keys[record])


def _groups(records: np.ndarray) -> list[tuple[np.int64, np.ndarray]]:
    order = np.argsort(records, kind="stable")
    owners_, starts = np.unique(records[order], return_index=True)
    return list(zip(owners_, np.split(order, starts[1:]), strict=False)) if len(owners_) else []
