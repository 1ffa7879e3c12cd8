"""Health-record tables, wide or long, dated or not, as one row of numbers per record."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import final

import numpy as np
import pandas as pd

from clinfuse.cohort.accepted import with_lines
from clinfuse.cohort.contract import Contract, RecordsSection
from clinfuse.cohort.declarations import ColumnDeclaration, EhrSource
from clinfuse.cohort.joins import plain
from clinfuse.cohort.measurements import Measurements, settle, take, taken_column, unordered
from clinfuse.cohort.modality import Column
from clinfuse.cohort.notes import CUT_DAY, SAME_DAY, SAME_DAY_USED, UNDATED, Notes
from clinfuse.cohort.owners import id_column, is_own_row, owners
from clinfuse.cohort.suspicions import suspect
from clinfuse.cohort.tables import TableBook, lines_of, require
from clinfuse.cohort.units import check_some, factors
from clinfuse.cohort.visits import Visits, rows_of_records
from clinfuse.cohort.windows import place
from clinfuse.errors import ClinfuseError, ConfigError, DataError
from clinfuse.io.dialect import Dialect
from clinfuse.io.ehr import ColumnRule, column_levels, read_column
from clinfuse.io.times import has_clock

_UNBOUNDED = (float("-inf"), float("inf"))
_SHOWN_ROWS = 6
_CUT = f'values {CUT_DAY}, are not used; `date_only = "accept"` in this modality uses them.'
_ONE_DAY = (
    "stand on one day of a record, some without a clock time: nothing tells their order, so they are of one time."
)
# By whether the table has no times: then a copy and a second equal measurement look the same.
_REPEATED = (
    "rows repeat an earlier one word for word and are used once.",
    "rows repeat an earlier one word for word and are used once; without a time they look like copies.",
)
_BY_ORDER = {"first", "last", "slope", "time since last"}


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
    moments: np.ndarray
    clock: np.ndarray


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
    _note_match(name, source, contract, table, items, own=own, visits=visits, notes=notes)
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
    suspect(name, read.columns, read.values[visits.kept], notes)
    return read


def _note_match(
    name: str,
    source: EhrSource,
    contract: Contract,
    table: pd.DataFrame,
    items: list[tuple[int, ...]],
    *,
    own: bool,
    visits: Visits,
    notes: Notes,
) -> None:
    """Count which rows met a record, which have no id, and say what may be wrong where none met."""
    match, hint = visits.joins.match(name, items), ""
    if not own:
        column, system = id_column(table, source, contract.records, f"modalities.{name}")
        notes.tell("ID_MISSING", name, int((table[column] == "").sum()), "rows without an id belong to nobody.")
        if match.matched == 0:
            hint = visits.joins.hint(system, table[column])
        elif match.unmatched:
            width, lost = visits.joins.zeros_lost(system, table[column].map(plain))
            text = f"rows would belong to a record with `width = {{ {system} = {width} }}` in [ids]: zeros were lost."
            notes.tell("IDS_SHORT", name, lost, text)
    notes.match(match, hint)


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
    fresh = ~reading.table.duplicated().to_numpy()[found]
    reading.notes.tell("ROWS_REPEATED", reading.name, int((~fresh).sum()), _REPEATED[times is None])
    found, records = found[fresh], records[fresh]
    if times is None:
        none = np.zeros(len(found), dtype=np.int64)
        return _Pairs(found, records, none.astype(np.float64), none, none == 0)
    undated = int(np.isnat(times[np.unique(found)]).sum())
    reading.notes.tell("TIME_UNKNOWN", reading.name, undated, "rows without a time are not used.")
    when = times[found].astype("datetime64[s]")
    clock = has_clock(reading.table[str(source.time)], reading.dialect)[found]
    if not visits.dated:
        use = ~np.isnat(when)
        return _Pairs(found[use], records[use], when[use].astype(np.float64), when[use].astype(np.int64), clock[use])
    days, accept = visits.days[records], source.date_only == "accept"
    placed = place(when, clock, visits.times[records], index_days=days, window=source.span, accept=accept)
    counts = (
        ("AFTER_INDEX", placed.late, "values later than the index time are not used."),
        ("TIME_UNKNOWN", placed.undecided, _CUT),
        ("SAME_DAY", placed.same_day, SAME_DAY.format("values")),
        ("SAME_DAY_USED", placed.by_day, SAME_DAY_USED.format("values")),
    )
    for code, which, text in counts:
        reading.notes.tell(code, reading.name, int(which.sum()), text)
    use = placed.inside
    return _Pairs(found[use], records[use], placed.seconds[use], when[use].astype(np.int64), clock[use])


def _declared(name: str, said: ColumnDeclaration, cells: pd.Series) -> tuple[Column, ColumnRule]:
    """What is declared of a column; without declared levels those that occur anywhere in the table, sorted."""
    rule = ColumnRule(
        said.kind,
        levels=said.levels,
        yes=said.yes,
        no=said.no,
        missing=said.missing or (),
        censored=said.censored,
        text=said.text,
        unlisted=said.unlisted,
    )
    levels = column_levels(cells, rule) if said.kind == "category" else ()
    column = Column(name, kind=said.kind, unit=said.unit, levels=levels, normal=said.normal or _UNBOUNDED)
    return column, rule if said.levels else replace(rule, levels=levels)


def _converted(
    reading: _Reading, name: str, cells: pd.Series, rule: ColumnRule, factor: np.ndarray | None = None
) -> np.ndarray:
    """Cells as numbers in the declared unit; what had to become missing is counted."""
    read = read_column(name, cells, rule, reading.dialect)
    for told in read.told:
        reading.notes.tell(told.code, reading.name, told.number, f"{told.text.removesuffix('.')} (column {name}).")
    values = read.values if factor is None else read.values * factor
    low, high = reading.source.columns[name].range or _UNBOUNDED
    outside = (values < low) | (values > high)
    if rule.kind == "number" and outside.any():
        text = f"values of column {name} outside the declared range are treated as missing."
        reading.notes.tell("EHR_RANGE", reading.name, int(outside.sum()), text)
        values = np.where(outside, np.nan, values)
    return values


def _wide(reading: _Reading, pairs: _Pairs) -> EhrRows:
    used, columns, cells = np.unique(pairs.items), [], []
    for name in reading.source.used:
        said = reading.source.columns[name]
        with _accepting(reading, name):
            column, rule = _declared(name, said, reading.table[name])
            cells.append(_converted(reading, name, reading.table[name].iloc[used], rule))
        columns.append(column)
    rows = np.stack(cells, axis=1)[np.searchsorted(used, pairs.items)]
    values = np.full((len(reading.visits), len(columns)), np.nan)
    for record, group in _groups(pairs.records):
        first = rows[group[0]]
        if ((rows[group] == first) | (np.isnan(rows[group]) & np.isnan(first))).all():
            values[record] = first
        else:
            _refuse_conflict(reading, int(record), pairs.items[group])
    return EhrRows(values, tuple(columns))


def _measured(reading: _Reading, pairs: _Pairs) -> EhrRows:
    columns: list[Column] = []
    values: list[np.ndarray] = []
    seen = np.zeros(len(reading.visits), dtype=bool)
    for name in reading.source.used:
        said = reading.source.columns[name]
        with _accepting(reading, name):
            column, measured = _measurements(reading, name, said, pairs)
        seen[measured.records] = True
        if said.take is None and reading.source.time is None:
            columns.append(column)
            values.append(_single(reading, measured))
            continue
        takes = said.take or ("last",)
        settled = measured
        if reading.source.time is not None and not {"first", "last"}.isdisjoint(takes):
            settled = _settled(reading, name, measured)
        for how in takes:
            columns.append(taken_column(column, how))
            values.append(take(settled, how, len(reading.visits)))
    table = np.stack(values, axis=1)
    table[~seen] = np.nan
    return EhrRows(table, tuple(columns))


def _measurements(reading: _Reading, name: str, said: ColumnDeclaration, pairs: _Pairs) -> tuple[Column, Measurements]:
    long, table = reading.source.long, reading.table
    cells = table[name if long is None else long.value]
    counted = np.ones(len(table), dtype=bool)
    factor = np.ones(len(table))
    if long is not None:
        counted = table[long.code].isin(list(said.codes or (name,))).to_numpy()
        factor = _factors(reading, name, said, counted, np.unique(pairs.items))
        counted = counted & np.isfinite(factor)
    column, rule = _declared(name, said, cells[counted])
    use = counted[pairs.items]
    items, positions = np.unique(pairs.items[use], return_inverse=True)
    read = _converted(reading, name, cells.iloc[items], rule, factor[items])[positions]
    known = np.isfinite(read)
    places, records = pairs.items[use][known], pairs.records[use][known]
    seconds, moments = pairs.seconds[use][known], pairs.moments[use][known]
    if not _BY_ORDER.isdisjoint(said.take or ("last",)):
        day = unordered(records, moments, pairs.clock[use][known])
        mixed = day >= 0
        reading.notes.tell("DAY_UNORDERED", reading.name, int(mixed.sum()), f"values of column {name} {_ONE_DAY}")
        seconds, moments = (np.where(mixed, one[day], one) for one in (seconds, moments))
    return column, Measurements(records, seconds, moments, read[known], places)


def _factors(reading: _Reading, name: str, said: ColumnDeclaration, coded: np.ndarray, used: np.ndarray) -> np.ndarray:
    """What each row has to be multiplied with; NaN where it is in a unit of which nothing is declared."""
    long = reading.source.long
    if long is None or long.unit is None:
        return np.ones(len(coded))
    written = reading.table[long.unit]
    if not said.unit:
        named = set(written.iloc[used[coded[used]]]) - {""}
        if said.kind == "number" and len(named) > 1:
            raise DataError(
                "EHR_UNIT",
                place=f"{reading.name}, column {name}",
                rule="a declared unit where the rows name several",
                found=f"{len(named)} units and none declared",
                remedy=f'Write the unit that counts, as in columns.{name} = {{ unit = "mg/L" }}.',
            )
        return np.ones(len(coded))
    found = factors(written, said.unit, said.units)
    here = used[coded[used]]
    check_some(name, written.iloc[here], said.unit, found[here])
    text = f"values of column {name} in another unit than {said.unit}, or in none, are not used."
    reading.notes.tell("EHR_UNIT", reading.name, int(np.isnan(found[here]).sum()), text)
    return found


def _settled(reading: _Reading, name: str, measured: Measurements) -> Measurements:
    """Where values at one time differ, and so nothing is first or last, what was declared of them."""
    how = reading.source.same_time
    if reading.source.columns[name].kind == "category" and how in ("mean", "min", "max"):
        how = "missing"
    settled, open_ = settle(measured, how)
    for record, places in open_:
        text = f"{lines_of(reading.table, places)}: different values of column {name} at one time."
        remedy = f'Write `same_time = "mean"` under [modalities.{reading.name}], or "min", "max" or "missing".'
        reading.notes.refuse("SAME_TIME", reading.name, text, key=reading.visits.keys[record], remedy=remedy)
    return settled


def _single(reading: _Reading, measured: Measurements) -> np.ndarray:
    values = np.full(len(reading.visits), np.nan)
    for record, group in _groups(measured.records):
        distinct = np.unique(measured.values[group])
        if len(distinct) > 1:
            _refuse_conflict(reading, int(record), measured.places[group])
        else:
            values[record] = distinct[0]
    return values


def _refuse_conflict(reading: _Reading, record: int, rows: np.ndarray) -> None:
    more = " and others" if len(rows) > _SHOWN_ROWS else ""
    places = lines_of(reading.table, sorted(rows)[:_SHOWN_ROWS]) + more
    text = f"{places} hold different values, and nothing says which one counts: declare time, or take."
    reading.notes.refuse("ROWS_CONFLICT", reading.name, text, key=reading.visits.keys[record])


@contextmanager
def _accepting(reading: _Reading, name: str) -> Iterator[None]:
    """Refusals of a column, with the whole line that would accept it in place of its settings."""
    try:
        yield
    except ClinfuseError as error:
        section = f"modalities.{reading.name}"
        raise with_lines(error, name, reading.source.columns[name], section) from None


def _groups(records: np.ndarray) -> list[tuple[np.int64, np.ndarray]]:
    order = np.argsort(records, kind="stable")
    owners_, starts = np.unique(records[order], return_index=True)
    return list(zip(owners_, np.split(order, starts[1:]), strict=False)) if len(owners_) else []
