"""Health records from text to numbers, by what is declared of each column; nothing is guessed."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal, NoReturn, final

import numpy as np
import pandas as pd

from clinfuse.errors import ConfigError, DataError, DataWarning
from clinfuse.io.cells import (
    DECIMAL,
    LIMIT,
    MISSING_WORDS,
    TEXT,
    counted_kinds,
    decimal_number,
    is_infinite,
    kind_of,
    limit_of,
    nearest_name,
    places_of,
)
from clinfuse.io.dialect import Dialect

_YES, _NO = ("yes", "y", "true", "1"), ("no", "n", "false", "0")
OTHER_LEVEL = "other"
# Names and remarks differ from row to row; the levels of a category repeat.
_FEW_LEVELS, _MOST_LEVELS = 10, 200


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
    censored : {"refuse", "limit", "missing"}
        What to do with ``<5`` or ``>=90``: refuse, take the limit itself, or treat as missing.
    text : {"refuse", "missing"}
        What to do with cells of a number column that hold no number, such as ``neg``, ``1+`` or ``12 (H)``.
    unlisted : {"refuse", "other", "missing"}
        What to do with a level that is not among the declared ones; ``"other"`` adds a level of that name.

    Raises
    ------
    ConfigError
        ``COLUMN_KIND``, ``COLUMN_LEVELS``, ``COLUMN_ANSWERS``, ``COLUMN_RANGE``, ``COLUMN_CENSORED``.
    """

    kind: Literal["number", "category", "yes/no"] = "number"
    levels: tuple[str, ...] = ()
    yes: tuple[str, ...] = ()
    no: tuple[str, ...] = ()
    range: tuple[float, float] = (-math.inf, math.inf)
    missing: tuple[str, ...] = ()
    censored: Literal["refuse", "limit", "missing"] = "refuse"
    text: Literal["refuse", "missing"] = "refuse"
    unlisted: Literal["refuse", "other", "missing"] = "refuse"

    def __post_init__(self) -> None:
        if self.kind not in ("number", "category", "yes/no"):
            self._refuse("COLUMN_KIND", 'kind "number", "category" or "yes/no"')
        if len(set(self.levels)) != len(self.levels):
            self._refuse("COLUMN_LEVELS", "each level once")
        if bool(self.yes) != bool(self.no) or set(self.yes) & set(self.no):
            self._refuse("COLUMN_ANSWERS", "yes and no declared together, and no answer in both")
        if not self.range[0] < self.range[1]:
            self._refuse("COLUMN_RANGE", "a range [low, high] with low below high")
        if self.censored not in ("refuse", "limit", "missing"):
            self._refuse("COLUMN_CENSORED", 'censored "refuse", "limit" or "missing"')

    @staticmethod
    def _refuse(code: str, rule: str) -> NoReturn:
        raise ConfigError(code, place="column", rule=rule, found="another value", remedy="Correct cohort.toml.")


@final
@dataclass(frozen=True)
class Told:
    """Cells that were read otherwise than as a plain value: how many, and what of them.

    Parameters
    ----------
    code : str
    number : int
    text : str
        Follows the number in a sentence.
    """

    code: str
    number: int
    text: str


@final
@dataclass(frozen=True, eq=False)
class ReadColumn:
    """One column as numbers.

    Parameters
    ----------
    values : ndarray of float64, (rows,)
        NaN where missing.
    told : tuple of Told
    """

    values: np.ndarray
    told: tuple[Told, ...]


def read_ehr(table: pd.DataFrame, columns: Mapping[str, ColumnRule], dialect: Dialect | None = None) -> pd.DataFrame:
    """The declared columns as numbers; what had to become missing is said in a `DataWarning`.

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
        ``EHR_FREE_TEXT`` a category with as many levels as cells; ``EHR_ANSWER`` neither yes nor no. Messages name
        the column and the line, never the cell.

    Examples
    --------
    >>> import pandas
    >>> table = pandas.DataFrame({"CRP": ["1,5", ""], "SEX": ["m", "f"]}, dtype=object)
    >>> rules = {"CRP": ColumnRule(), "SEX": ColumnRule("category", levels=("f", "m"))}
    >>> read_ehr(table, rules, Dialect(decimal=",")).to_numpy().tolist()
    [[1.5, 1.0], [nan, 0.0]]
    """
    converted = {}
    for name, rule in columns.items():
        if name not in table.columns:
            near = nearest_name(name, table.columns)
            remedy = f"Did you mean {near!r}?" if near else "Compare the names with the first row of the table."
            _refuse("EHR_COLUMN", f"column {name!r}", "every declared column in the table", "none of this name", remedy)
        read = read_column(name, table[name], rule, dialect or Dialect())
        for told in read.told:
            warnings.warn(f"column {name!r}: {told.number} {told.text}", DataWarning, stacklevel=2)
        converted[name] = read.values
    return pd.DataFrame(converted, index=table.index, columns=list(columns), dtype=np.float64)


def column_levels(cells: pd.Series, rule: ColumnRule) -> tuple[str, ...]:
    """The levels of a category column: those declared, else those that occur, sorted; missing cells apart.

    Raises
    ------
    DataError
        ``EHR_FREE_TEXT`` where levels are not declared and hardly one occurs twice: such a column holds remarks,
        names or numbers, and its cells must not become names of levels, which are printed.

    Examples
    --------
    >>> import pandas
    >>> column_levels(pandas.Series(["m", "", "f", "?"]), ColumnRule("category", missing=("?",)))
    ('f', 'm')
    """
    if rule.levels:
        return (*rule.levels, OTHER_LEVEL) if rule.unlisted == "other" else rule.levels
    known = cells[~cells.isin(["", *rule.missing])]
    distinct = known.nunique()
    if distinct > _MOST_LEVELS or (distinct > _FEW_LEVELS and 2 * distinct > len(known)):
        found = f"{distinct} different values in {len(known)} cells"
        remedy = "Leave the column out, or declare its `levels`."
        _refuse("EHR_FREE_TEXT", f"column {cells.name!r}", "a category whose levels repeat", found, remedy)
    return tuple(sorted(set(known)))


def read_column(name: str, cells: pd.Series, rule: ColumnRule, dialect: Dialect) -> ReadColumn:
    """One column as numbers, with what had to become missing.

    Parameters
    ----------
    name : str
        For messages.
    cells : Series of str
        With the index that `read_table` gave it, so that messages can name lines.
    rule : ColumnRule
    dialect : Dialect

    Raises
    ------
    DataError
        ``EHR_NUMBER``, ``EHR_LEVEL``, ``EHR_FREE_TEXT``, ``EHR_ANSWER``.

    Examples
    --------
    >>> import pandas
    >>> read = read_column("CRP", pandas.Series(["<5", "inf", "7"]), ColumnRule(censored="limit"), Dialect())
    >>> read.values.tolist(), [(told.code, told.number) for told in read.told]
    ([5.0, nan, 7.0], [('EHR_CENSORED', 1), ('EHR_INFINITE', 1)])
    """
    codes, distinct = pd.factorize(cells)
    values, odd = np.full(len(distinct), np.nan), np.full(len(distinct), "", dtype=object)
    refused: set[str] = set()
    convert = _converter(cells, rule, dialect)
    for i, cell in enumerate(distinct):
        if cell == "" or cell in rule.missing:
            continue
        value = convert(cell)
        if value is not None:
            values[i] = value
        else:
            odd[i], values[i] = _allowed(cell, rule, dialect)
            if not odd[i]:
                refused.add(cell)
    if refused:
        _explain(name, cells, refused, rule, dialect)
    read, how = values[codes], odd[codes]
    outside = (read < rule.range[0]) | (read > rule.range[1])
    if rule.kind == "number" and outside.any():
        read, how[outside] = np.where(outside, np.nan, read), "EHR_RANGE"
    told = tuple(Told(code, int((how == code).sum()), text) for code, text in _TEXTS.items() if (how == code).any())
    return ReadColumn(read, told)


_TEXTS = {
    "EHR_CENSORED": "limits of measurement are taken as declared.",
    "EHR_INFINITE": "cells that say infinity are treated as missing.",
    "EHR_TEXT": "cells without a number are treated as missing.",
    "EHR_UNLISTED": "cells with a level that is not declared are taken as declared.",
    "EHR_RANGE": "cells outside the declared range are treated as missing.",
}


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
    return lambda cell: decimal_number(cell, dialect.decimal)


def _allowed(cell: str, rule: ColumnRule, dialect: Dialect) -> tuple[str, float]:
    """Code and value of a cell that is no plain value but was foreseen; no code where it was not."""
    if rule.kind == "category" and rule.unlisted != "refuse":
        return "EHR_UNLISTED", float(len(rule.levels)) if rule.unlisted == "other" else math.nan
    if rule.kind != "number":
        return "", math.nan
    if is_infinite(cell, dialect.decimal):
        return "EHR_INFINITE", math.nan
    limit = limit_of(cell, dialect.decimal)
    if limit is not None and rule.censored != "refuse":
        return "EHR_CENSORED", limit if rule.censored == "limit" else math.nan
    if limit is None and rule.text == "missing" and kind_of(cell, dialect.decimal) != DECIMAL:
        return "EHR_TEXT", math.nan
    return "", math.nan


def _explain(name: str, cells: pd.Series, refused: set[str], rule: ColumnRule, dialect: Dialect) -> NoReturn:
    """Refuse, saying how many cells of which kind stand in the way, never which cells."""
    place = f"column {name!r}, {places_of(cells, refused)}"
    odd = cells[cells.isin(list(refused))]
    if rule.kind == "category":
        remedy = 'Write `unlisted = "other"` to give such cells a level of their own, or add theirs to levels.'
        _refuse("EHR_LEVEL", place, "a declared level", f"{len(odd)} cells with another one", remedy)
    if rule.kind == "yes/no":
        remedy = 'Declare how they are written, e.g. `yes = ["ja"], no = ["nein"]`.'
        _refuse("EHR_ANSWER", place, "an answer declared as yes or no", f"{len(odd)} other cells", remedy)
    kinds = counted_kinds(odd, dialect.decimal)
    found = ", ".join(f"{number} cells {kind}" for kind, number in kinds.items())
    mixed = any(dialect.decimal in cell and decimal_number(cell, dialect.decimal) is not None for cell in set(cells))
    rule_text = f"decimal numbers with {dialect.decimal!r}"
    _refuse("EHR_NUMBER", place, rule_text, found, _number_remedy(odd, kinds, dialect, mixed=mixed))


def _number_remedy(odd: pd.Series, kinds: Mapping[str, int], dialect: Dialect, *, mixed: bool) -> str:
    words = [word for word in MISSING_WORDS if (odd == word).any()]
    other = "," if dialect.decimal == "." else "."
    if set(kinds) == {TEXT} and odd.isin(words).all():
        listed = ", ".join(f'"{word}"' for word in words)
        return f"Write `missing = [{listed}]` if that means that there is no value."
    if DECIMAL in kinds and not mixed:
        return f'Write `decimal = "{other}"` in the section of this table, if all its numbers are written so.'
    if DECIMAL in kinds:
        return "Export the column with one decimal sign: two cannot be told from thousands separators."
    if set(kinds) == {LIMIT}:
        return 'Write `censored = "limit"` to take the limit, or `censored = "missing"`.'
    if LIMIT in kinds:
        return 'Write `censored = "limit", text = "missing"` to take limits and leave the other cells out.'
    return 'Write `text = "missing"` to leave these cells out; a column of such words is of kind "category".'


def _refuse(code: str, place: str, rule: str, found: str, remedy: str) -> NoReturn:
    raise DataError(code, place=place, rule=rule, found=found, remedy=remedy) from None
