"""Health records from text to numbers, by what is declared of each column; nothing is guessed."""

from __future__ import annotations

import math
import re
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, NoReturn, final

import numpy as np
import pandas as pd

from clinfuse.errors import ConfigError, DataError, DataWarning
from clinfuse.io.dialect import Dialect

_YES, _NO = ("yes", "y", "true", "1"), ("no", "n", "false", "0")
_BOUND = re.compile(r"([<>]=?|≤|≥)\s*(.*)")
_ISO = re.compile(r"\d{4}-\d{2}-\d{2}(?:[ T]\d{2}:\d{2}(?::\d{2}(?:\.\d{1,6})?)?)?", re.ASCII)
_SHOWN_ROWS = 3
_CLOCK_PARTS = ("%H", "%I", "%X", "%c")
_DAY_LENGTH = len("2024-05-01")


@final
@dataclass(frozen=True)
class ColumnRule:
    """What is declared of one column.

    Parameters
    ----------
    kind : {"number", "category", "yes/no"}
    levels : tuple of str
        Categories in the order of their index; empty: those that occur, sorted.
    yes, no : tuple of str
        How yes and no are written; empty: yes, y, true, 1 and no, n, false, 0 in small or capital letters.
    range : tuple of float
        Numbers outside cannot be: they become missing, with a `DataWarning`.
    missing : tuple of str
        Further cells that mean "no value" in this column.
    bounds : {"refuse", "limit", "missing"}
        What to do with ``<5`` or ``>=90``: refuse, take the limit itself, or treat as missing.

    Raises
    ------
    ConfigError
        ``COLUMN_KIND``, ``COLUMN_LEVELS``, ``COLUMN_ANSWERS``, ``COLUMN_RANGE``, ``COLUMN_BOUNDS``.
    """

    kind: Literal["number", "category", "yes/no"] = "number"
    levels: tuple[str, ...] = ()
    yes: tuple[str, ...] = ()
    no: tuple[str, ...] = ()
    range: tuple[float, float] = (-math.inf, math.inf)
    missing: tuple[str, ...] = ()
    bounds: Literal["refuse", "limit", "missing"] = "refuse"

    def __post_init__(self) -> None:
        if self.kind not in ("number", "category", "yes/no"):
            self._refuse("COLUMN_KIND", 'kind "number", "category" or "yes/no"')
        if len(set(self.levels)) != len(self.levels):
            self._refuse("COLUMN_LEVELS", "each level once")
        if bool(self.yes) != bool(self.no) or set(self.yes) & set(self.no):
            self._refuse("COLUMN_ANSWERS", "yes and no declared together, and no answer in both")
        if not self.range[0] < self.range[1]:
            self._refuse("COLUMN_RANGE", "a range [low, high] with low below high")
        if self.bounds not in ("refuse", "limit", "missing"):
            self._refuse("COLUMN_BOUNDS", 'bounds "refuse", "limit" or "missing"')

    @staticmethod
    def _refuse(code: str, rule: str) -> NoReturn:
        raise ConfigError(code, place="column", rule=rule, found="another value", remedy="Correct cohort.toml.")


def read_ehr(table: pd.DataFrame, columns: Mapping[str, ColumnRule], dialect: Dialect | None = None) -> pd.DataFrame:
    """The declared columns as numbers.

    Parameters
    ----------
    table : DataFrame of str
        As `read_table` gives it: every cell text, missing cells empty.
    columns : mapping of str to ColumnRule
        By name of the column in ``table``; other columns are left out.
    dialect : Dialect, optional
        For the decimal sign; default a point.

    Returns
    -------
    DataFrame of float64, (rows, columns)
        In the order of ``columns``, with the index of ``table``. Numbers in their own unit, yes/no as 1 and 0, a
        category as the index of its level; NaN where missing.

    Raises
    ------
    DataError
        ``EHR_COLUMN`` absent; ``EHR_NUMBER`` a cell that is no decimal number; ``EHR_LEVEL`` an undeclared category;
        ``EHR_ANSWER`` neither yes nor no. Messages name the column and the row, never the cell.

    Examples
    --------
    >>> import pandas
    >>> table = pandas.DataFrame({"CRP": ["1,5", ""], "SEX": ["m", "f"]}, dtype=object)
    >>> rules = {"CRP": ColumnRule(), "SEX": ColumnRule("category", levels=("f", "m"))}
    >>> read_ehr(table, rules, Dialect(decimal=",")).to_numpy().tolist()
    [[1.5, 1.0], [nan, 0.0]]
    """
    dialect = dialect or Dialect()
    absent = [name for name in columns if name not in table.columns]
    if absent:
        _refuse("EHR_COLUMN", f"column {absent[0]!r}", "every declared column in the table", "none", _NAMES)
    converted = {name: _column(name, table[name], rule, dialect) for name, rule in columns.items()}
    return pd.DataFrame(converted, index=table.index, columns=list(columns), dtype=np.float64)


def column_levels(cells: pd.Series, rule: ColumnRule) -> tuple[str, ...]:
    """The levels of a category column: those declared, else those that occur, sorted; missing cells apart.

    Examples
    --------
    >>> import pandas
    >>> column_levels(pandas.Series(["m", "", "f", "?"]), ColumnRule("category", missing=("?",)))
    ('f', 'm')
    """
    return rule.levels or tuple(sorted(set(cells) - {"", *rule.missing}))


def parse_times(cells: pd.Series, dialect: Dialect | None = None) -> np.ndarray:
    """Dates and times of a column of text, local time as written; a date alone is its midnight.

    Parameters
    ----------
    cells : Series of str
    dialect : Dialect, optional
        Its ``dates`` is the ``strptime`` format; empty or absent: ISO 8601 (``2024-05-01 09:30``), nothing else.

    Returns
    -------
    ndarray of datetime64[s], (rows,)
        NaT where the cell is empty.

    Raises
    ------
    DataError
        ``EHR_TIME`` where a cell is written in another way, or names a date that does not exist.

    Examples
    --------
    >>> import pandas
    >>> parse_times(pandas.Series(["01.05.2024", ""]), Dialect(dates="%d.%m.%Y")).astype(str).tolist()
    ['2024-05-01T00:00:00', 'NaT']
    """
    style = (dialect or Dialect()).dates

    def convert(cell: str) -> np.datetime64 | None:
        try:
            if style:
                moment = datetime.strptime(cell, style)
            else:
                moment = datetime.fromisoformat(cell if _ISO.fullmatch(cell) else "")
            return None if moment.tzinfo else np.datetime64(moment.isoformat(), "s")
        except ValueError:
            return None

    known = {cell: convert(cell) for cell in set(cells) - {""}}
    refused = {cell for cell, moment in known.items() if moment is None}
    if refused:
        rule = f"dates written as {style or 'YYYY-MM-DD HH:MM:SS'}"
        remedy = 'Declare how this table writes dates, e.g. dates = "%d.%m.%Y %H:%M".'
        _refuse_cells("EHR_TIME", str(cells.name), cells, refused, rule=rule, remedy=remedy)
    times = [known[cell] if cell else np.datetime64("NaT", "s") for cell in cells]
    return np.array(times, dtype="datetime64[s]")


def has_clock(cells: pd.Series, dialect: Dialect | None = None) -> np.ndarray:
    """Whether each cell of a column of dates says a time of day.

    Spreadsheets and databases write a day as its midnight, so a column in which every cell is a midnight says none.

    Parameters
    ----------
    cells : Series of str
        Such that `parse_times` reads them.
    dialect : Dialect, optional
        As for `parse_times`.

    Returns
    -------
    ndarray of bool, (rows,)
        False where the cell is empty.

    Raises
    ------
    DataError
        As `parse_times`.

    Examples
    --------
    >>> import pandas
    >>> has_clock(pandas.Series(["2024-05-01", "2024-05-01 09:30", ""])).tolist()
    [False, True, False]
    >>> has_clock(pandas.Series(["2024-05-01 00:00", "2024-05-02 00:00"])).tolist()
    [False, False]
    """
    times = parse_times(cells, dialect)
    known = ~np.isnat(times)
    if (times[known] == times[known].astype("datetime64[D]")).all():
        return np.zeros(len(times), dtype=bool)
    return known & written_with_clock(cells, dialect)


def written_with_clock(cells: pd.Series, dialect: Dialect | None = None) -> np.ndarray:
    """Whether each cell is written in a way that holds a time of day, even if that is midnight.

    Examples
    --------
    >>> import pandas
    >>> written_with_clock(pandas.Series(["01.05.2024"]), Dialect(dates="%d.%m.%Y")).tolist()
    [False]
    """
    style = (dialect or Dialect()).dates
    if style:
        return np.full(len(cells), any(part in _CLOCK_PARTS for part in re.findall("%.", style)), dtype=bool)
    return np.array([len(cell) > _DAY_LENGTH for cell in cells], dtype=bool)


_NAMES = "Compare the names in cohort.toml with the first row of the table."


def _column(name: str, cells: pd.Series, rule: ColumnRule, dialect: Dialect) -> np.ndarray:
    """(rows,) float64."""
    codes, distinct = pd.factorize(cells)
    values = np.full(len(distinct), np.nan)
    refused: set[str] = set()
    convert = _converter(cells, rule, dialect)
    for i, cell in enumerate(distinct):
        if cell == "" or cell in rule.missing:
            continue
        value = convert(cell)
        if value is None:
            refused.add(cell)
        else:
            values[i] = value
    if refused:
        _explain(name, cells, refused, rule, dialect)
    return _within_range(name, values[codes], rule)


def _converter(cells: pd.Series, rule: ColumnRule, dialect: Dialect) -> Callable[[str], float | None]:
    if rule.kind == "category":
        index = {level: float(i) for i, level in enumerate(column_levels(cells, rule))}
        return index.get
    if rule.kind == "yes/no" and rule.yes:
        answers = {**dict.fromkeys(rule.yes, 1.0), **dict.fromkeys(rule.no, 0.0)}
        return answers.get
    if rule.kind == "yes/no":
        answers = {**dict.fromkeys(_YES, 1.0), **dict.fromkeys(_NO, 0.0)}
        return lambda cell: answers.get(cell.casefold())
    return lambda cell: _bounded(cell, rule.bounds, dialect.decimal)


def _bounded(cell: str, bounds: str, decimal: str) -> float | None:
    limit = _BOUND.fullmatch(cell)
    if limit is None:
        return decimal_number(cell, decimal)
    value = decimal_number(limit[2], decimal)
    if value is None or bounds == "refuse":
        return None
    return value if bounds == "limit" else math.nan


def decimal_number(cell: str, decimal: str) -> float | None:
    """The number written in a cell; None where it is none: thousands separators, units, signs of comparison.

    Examples
    --------
    >>> [decimal_number(cell, ",") for cell in ("-1,5", "3", "1.5", "1.234,5", "5 mg", "inf")]
    [-1.5, 3.0, None, None, None, None]
    """
    sign = re.escape(decimal)
    if not re.fullmatch(rf"[+-]?(?:[0-9]+(?:{sign}[0-9]*)?|{sign}[0-9]+)(?:[eE][+-]?[0-9]+)?", cell):
        return None
    value = float(cell.replace(decimal, "."))
    return value if math.isfinite(value) else None


def _explain(name: str, cells: pd.Series, refused: set[str], rule: ColumnRule, dialect: Dialect) -> NoReturn:
    """Refuse, saying what kind of cells stand in the way, never which."""
    if rule.kind == "category":
        _refuse_cells("EHR_LEVEL", name, cells, refused, rule="a declared level", remedy="Add it to `levels`.")
    if rule.kind == "yes/no":
        remedy = 'Declare how they are written, e.g. yes = ["ja"], no = ["nein"].'
        _refuse_cells("EHR_ANSWER", name, cells, refused, rule="an answer declared as yes or no", remedy=remedy)
    other = "," if dialect.decimal == "." else "."
    found, remedy = "text", 'List what means "no value" under `missing`, or declare kind = "category".'
    if any(_BOUND.fullmatch(cell) for cell in refused):
        found, remedy = "a sign of comparison", 'Write bounds = "limit" to take the limit, or bounds = "missing".'
    elif any(decimal_number(cell, other) is not None for cell in refused):
        found, remedy = (
            f"{other!r} as decimal sign",
            f'Write decimal = "{other}" for this table, if all its numbers do.',
        )
    rule_text = f"decimal numbers with {dialect.decimal!r}"
    _refuse_cells("EHR_NUMBER", name, cells, refused, rule=rule_text, found=found, remedy=remedy)


def _refuse_cells(
    code: str, name: str, cells: pd.Series, refused: set[str], *, rule: str, remedy: str, found: str = "something else"
) -> NoReturn:
    """Name the first rows that hold one of these cells; rows count from 1 below the header."""
    rows = np.flatnonzero(cells.isin(list(refused)).to_numpy()) + 1
    shown = ", ".join(str(row) for row in rows[:_SHOWN_ROWS])
    more = f" and {len(rows) - _SHOWN_ROWS} more" if len(rows) > _SHOWN_ROWS else ""
    _refuse(code, f"column {name!r}, row {shown}{more}", rule, found, remedy)


def _within_range(name: str, values: np.ndarray, rule: ColumnRule) -> np.ndarray:
    outside = (values < rule.range[0]) | (values > rule.range[1])
    if rule.kind != "number" or not outside.any():
        return values
    count = int(outside.sum())
    message = f"column {name!r}: {count} of {len(values)} cells outside the declared range are treated as missing"
    warnings.warn(message, DataWarning, stacklevel=4)
    return np.where(outside, np.nan, values)


def _refuse(code: str, place: str, rule: str, found: str, remedy: str) -> NoReturn:
    raise DataError(code, place=place, rule=rule, found=found, remedy=remedy) from None
