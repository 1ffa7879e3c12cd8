"""What is predicted: the label of every record, from its own table, in its own window."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import final

import numpy as np
import pandas as pd

from clinfuse.cohort.contract import Contract, LabelSection
from clinfuse.cohort.ledger import Match
from clinfuse.cohort.notes import Notes
from clinfuse.cohort.owners import id_column, is_own_row, owners
from clinfuse.cohort.records import Task
from clinfuse.cohort.tables import TableBook, require
from clinfuse.cohort.visits import Visits, rows_of_records
from clinfuse.cohort.windows import seconds_after
from clinfuse.errors import DataError
from clinfuse.io.times import has_clock

UNKNOWN = -1
# What the levels of a label look like: few, short, and each of them more than once.
_SHOWN_CLASSES, _LONGEST_CLASS = 6, 24
_TEXT = {
    "LABEL_MISSING": "The label is empty or none of the declared values.",
    "LABEL_NO_ROW": "The label table has no row in the window for this record.",
    "LABEL_TIME": "The finding stands without a date, so it cannot be placed inside or outside the window.",
    "LABEL_CONFLICT": "Rows in the window name different classes.",
    "FOLLOW_UP_SHORT": "Negative, and seen for less than the window.",
    "FOLLOW_UP_UNKNOWN": "Negative, and nothing says how long the patient was seen.",
}
_TAKEN_BACK = {
    "FOLLOW_UP_SHORT": "negative labels of records with other labels are unknown: seen for less than the window.",
    "FOLLOW_UP_UNKNOWN": "negative labels of records with other labels are unknown: no word on how long seen.",
}


@final
@dataclass(frozen=True, eq=False)
class Outcome:
    """Labels of all rows of the records table.

    Parameters
    ----------
    labels : ndarray of int64, (rows,) or (rows, labels)
        -1 where unknown.
    classes : tuple of str
    task : {"binary", "multiclass", "multilabel"}
    left_out : ndarray of bool, (rows,)
        Records that are left out because of their label.
    """

    labels: np.ndarray
    classes: tuple[str, ...]
    task: Task
    left_out: np.ndarray


@final
@dataclass(frozen=True, eq=False)
class _Rows:
    """Where the label rows of one record stand in their table, which of them count, and which have no date."""

    positions: np.ndarray
    counted: np.ndarray
    undated: np.ndarray


def read_outcome(contract: Contract, visits: Visits, book: TableBook, notes: Notes) -> Outcome:
    """The label of every record that is kept.

    Raises
    ------
    DataError
        ``COLUMN_ABSENT``, ``TABLE_JOIN``, ``LABEL_POSITIVE`` (nothing says which value is the finding),
        ``LABEL_NO_ROW`` (nothing says what no row means), ``LABEL_NONE_MEET`` (no row of the label table belongs to a
        record), ``LABEL_CONSTANT`` (every record has the same label), and what the readers of tables and dates say.
    """
    label = contract.label
    none_out = np.zeros(len(visits), dtype=bool)
    if label is None:
        unknown = np.full(len(visits), UNKNOWN, dtype=np.int64)
        return Outcome(unknown, ("negative", "positive"), "binary", none_out)
    table = _table(contract, label, visits, book)
    columns = label.columns or (str(label.column),)
    named = [("[label] column", column) for column in columns]
    require(table, [*named, ("[label] time", label.time)])
    _check_said(label, table, columns)
    classes, task = _classes(label)
    values = np.stack([_coded(table[column], label) for column in columns], axis=1)
    rows = _rows(contract, label, table, visits, book, notes)
    _check_no_row(label, rows, visits)
    labels = np.full((len(visits), len(columns)), UNKNOWN, dtype=np.int64)
    reasons = [""] * len(visits)
    for record in np.flatnonzero(visits.kept):
        labels[record], reasons[record] = _decide(values, rows[record], label)
    _tell_outside(values, rows, labels, notes)
    _tell_other(
        label, [table[column] for column in columns], values, [rows[k] for k in np.flatnonzero(visits.kept)], notes
    )
    _follow_up(contract, label, table, visits, book, _Labelled(labels, reasons, rows), notes)
    left_out = _excluded(visits, reasons, label, notes)
    result = labels if label.columns else labels[:, 0]
    _check_constant(result[visits.kept & ~left_out], table, columns)
    return Outcome(result, classes, task, left_out)


@final
@dataclass(frozen=True, eq=False)
class _Labelled:
    labels: np.ndarray
    reasons: list[str]
    rows: list[_Rows]


def _check_said(label: LabelSection, table: pd.DataFrame, columns: Sequence[str]) -> None:
    """Ask which value is the finding, with those that are found where they are levels and no text about a person."""
    if label.positive is not None or label.classes is not None:
        return
    levels, found = _levels(table, columns)
    remedy = 'Write the finding in [label], e.g. `positive = ["G40.*"]`; it is never guessed.'
    if levels:
        lines = " or ".join(f"`positive = [{json.dumps(cell, ensure_ascii=False)}]`" for cell in levels)
        remedy = f"Write the finding in [label]: {lines}."
    rule = "positive (the finding) or classes"
    raise DataError("LABEL_POSITIVE", place="[label]", rule=rule, found=found, remedy=remedy)


def _levels(table: pd.DataFrame, columns: Sequence[str]) -> tuple[list[str], str]:
    """The values of a label and how often each occurs; none, and their number, where they may be about one person."""
    counts = pd.concat([table[column] for column in columns]).value_counts()
    levels = sorted(str(cell) for cell in counts.index if cell)
    if len(levels) > _SHOWN_CLASSES or any(counts[cell] < 2 or len(cell) > _LONGEST_CLASS for cell in levels):
        return [], f"{len(levels)} different values in the column"
    return levels, "the values " + ", ".join(f"{cell!r} ({counts[cell]} rows)" for cell in levels)


def _check_met(match: Match, table: pd.DataFrame, label: LabelSection, contract: Contract, visits: Visits) -> None:
    """With no row that belongs to anybody, everybody would be negative."""
    if match.matched or not match.unmatched:
        return
    column, system = id_column(table, label, contract.records, "[label]")
    raise DataError(
        "LABEL_NONE_MEET",
        place="[label]",
        rule="rows that belong to the records",
        found=f"{match.unmatched} rows, and none that does",
        remedy=visits.joins.hint(system, table[column])
        or "Compare the column of ids with the one that [records] names.",
    )


def _classes(label: LabelSection) -> tuple[tuple[str, ...], Task]:
    if label.columns is not None:
        return label.columns, "multilabel"
    if label.classes is not None:
        return tuple(label.classes), "multiclass" if len(label.classes) > 2 else "binary"
    name = label.name or ", ".join(label.positive or ())
    return (f"not {name}", name), "binary"


def _coded(column: pd.Series, label: LabelSection) -> np.ndarray:
    """Class of each cell, -1 where it is empty or none of the declared."""
    patterns: list[tuple[int, tuple[str, ...]]]
    if isinstance(label.classes, dict):
        patterns = list(enumerate(label.classes.values()))
    elif label.classes is not None:
        patterns = [(index, (name,)) for index, name in enumerate(label.classes)]
    else:
        patterns = [(1, label.positive or ()), (0, label.negative or ("*",))]
    codes = {"": UNKNOWN}
    for text in column.unique():
        if text:
            codes[text] = next((code for code, globs in patterns if _meets(text, globs)), UNKNOWN)
    return np.array([codes[text] for text in column], dtype=np.int64)


def _meets(text: str, globs: Sequence[str]) -> bool:
    return any(fnmatchcase(text, glob) for glob in globs)


def _table(contract: Contract, label: LabelSection, visits: Visits, book: TableBook) -> pd.DataFrame:
    if is_own_row(label, label.table, contract.records):
        return visits.table
    return book.open(label.table or contract.records.table, label, "[label] table")


def _rows(
    contract: Contract, label: LabelSection, table: pd.DataFrame, visits: Visits, book: TableBook, notes: Notes
) -> list[_Rows]:
    """For every record the positions of its label rows, and which of them lie in the window."""
    if is_own_row(label, label.table, contract.records):
        items: list[tuple[int, ...]] = [(row,) for row in range(len(visits))]
    else:
        items = owners(table, label, contract.records, visits.joins, "[label]")
        match = visits.joins.match("label", items)
        _check_met(match, table, label, contract, visits)
        notes.match(match)
    positions = [np.array(rows, dtype=np.int64) for rows in rows_of_records(items, len(visits))]
    span = label.span
    if label.time is None or span is None:
        return [_Rows(rows, np.ones(len(rows), bool), np.zeros(len(rows), bool)) for rows in positions]
    times = book.times(table, label.time, label, "[label] time")
    by_day = ~has_clock(table[label.time], book.dialect(label))
    result = []
    for record, rows in enumerate(positions):
        seconds = seconds_after(times[rows], visits.times[record], days=by_day[rows] | visits.days[record])
        result.append(_Rows(rows, span.holds(seconds), np.isnat(times[rows])))
    return result


def _decide(values: np.ndarray, rows: _Rows, label: LabelSection) -> tuple[np.ndarray, str]:
    """Class of one record in every label column, and why it has none."""
    counted, undated = values[rows.positions[rows.counted]], values[rows.positions[rows.undated]]
    width = len(label.columns or (label.column,))
    unknown = np.full(width, UNKNOWN, dtype=np.int64)
    if label.classes is not None:
        met = sorted(set(counted[counted >= 0].tolist()))
        if len(met) > 1:
            return unknown, "LABEL_CONFLICT"
        if met:
            return np.array(met, dtype=np.int64), ""
        return unknown, "LABEL_MISSING" if len(counted) else "LABEL_NO_ROW"
    result = counted.max(axis=0) if len(counted) else unknown
    if len(undated) and bool(((undated == 1).any(axis=0) & (result < 1)).any()):
        return unknown, "LABEL_TIME"
    if not len(counted):
        return (np.zeros(width, dtype=np.int64), "") if label.no_row == "negative" else (unknown, "LABEL_NO_ROW")
    return result, "" if (result >= 0).any() else "LABEL_MISSING"


def _tell_outside(values: np.ndarray, rows: list[_Rows], labels: np.ndarray, notes: Notes) -> None:
    """Negatives who had the finding at another time are easily forgotten; their number is worth a line."""
    outside = sum(
        bool((labels[record] == 0).any() and (values[found.positions[~found.counted]] == 1).any())
        for record, found in enumerate(rows)
    )
    text = "records count as negative although the finding stands outside the window."
    notes.tell("LABEL_OUTSIDE", "label", outside, text)


def _tell_other(
    label: LabelSection, columns: list[pd.Series], values: np.ndarray, rows: list[_Rows], notes: Notes
) -> None:
    """A column of results may write more than one thing that is not positive: no, unknown, pending."""
    if label.classes is not None or label.negative is not None or any(len(found.positions) > 1 for found in rows):
        return
    counted = [found.positions[found.counted] for found in rows]
    positions = np.concatenate(counted) if counted else np.zeros(0, dtype=np.int64)
    others = [column.iloc[positions[values[positions, k] == 0]] for k, column in enumerate(columns)]
    several = [cells for cells in others if cells.nunique() > 1]
    if several:
        records = len(set().union(*(cells.index for cells in several)))
        distinct = pd.concat(several).nunique()
        text = (
            f"records count as negative by one of {distinct} different values; declare negative if one means unknown."
        )
        notes.tell("LABEL_OTHER", "label", records, text)


def _check_no_row(label: LabelSection, rows: list[_Rows], visits: Visits) -> None:
    empty = sum(not rows[record].counted.any() for record in np.flatnonzero(visits.kept))
    if label.no_row is None and empty:
        raise DataError(
            "LABEL_NO_ROW",
            place="[label] table",
            rule="a row for every record, or a word on what no row means",
            found=f"{empty} records without a row" + (" in the window" if label.window else ""),
            remedy='Write no_row = "negative" or no_row = "exclude" in [label].',
        )


def _follow_up(
    contract: Contract,
    label: LabelSection,
    table: pd.DataFrame,
    visits: Visits,
    book: TableBook,
    made: _Labelled,
    notes: Notes,
) -> None:
    """Take back the negative labels of records that were not seen for the whole window; in place.

    A record that keeps another label stays, with the others unknown.
    """
    span = label.span
    if label.follow_up is None or span is None:
        return
    own = label.follow_up in visits.table.columns
    source = visits.table if own else table
    require(source, [("[label] follow_up", label.follow_up)])
    section = contract.records if own else label
    times = book.times(source, label.follow_up, section, "[label] follow_up")
    by_day = ~has_clock(source[label.follow_up], book.dialect(section))
    for record in np.flatnonzero(visits.kept):
        negative = made.labels[record] == 0
        if made.reasons[record] or not negative.any():
            continue
        rows = np.array([record]) if own else made.rows[record].positions
        seconds = seconds_after(times[rows], visits.times[record], days=by_day[rows] | visits.days[record])
        known = seconds[np.isfinite(seconds)]
        text = "records were last seen before their index time, by the table."
        notes.tell("FOLLOW_UP_BEFORE", "label", int(len(known) > 0 and known.max() < 0), text)
        if len(known) and known.max() >= span.high:
            continue
        reason = "FOLLOW_UP_SHORT" if len(known) else "FOLLOW_UP_UNKNOWN"
        made.labels[record, negative] = UNKNOWN
        if (made.labels[record] == UNKNOWN).all():
            made.reasons[record] = reason
        else:
            notes.tell(reason, "label", int(negative.sum()), _TAKEN_BACK[reason])


def _excluded(visits: Visits, reasons: list[str], label: LabelSection, notes: Notes) -> np.ndarray:
    left_out = np.zeros(len(visits), dtype=bool)
    for record in np.flatnonzero(visits.kept):
        reason = reasons[record]
        if not reason or (reason == "LABEL_MISSING" and label.unlabelled == "keep"):
            continue
        left_out[record] = True
        notes.exclude(reason, "label", _TEXT[reason], key=visits.keys[record])
    return left_out


def _check_constant(labels: np.ndarray, table: pd.DataFrame, columns: Sequence[str]) -> None:
    known = labels[labels >= 0]
    if len(labels) > 1 and len(known) == labels.size and len(np.unique(labels, axis=0)) == 1:
        raise DataError(
            "LABEL_CONSTANT",
            place="[label]",
            rule="records of more than one class",
            found=f"the same label for all {len(labels)} records, and {_levels(table, columns)[1]}",
            remedy="Check the spelling of positive or classes, the window and the column.",
        )
