"""What the tables of an export look like before anybody has said how they are written: facts and open questions."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import final

import pandas as pd

from clinfuse.cohort.joins import plain
from clinfuse.errors import DataError
from clinfuse.io.dialect import Dialect
from clinfuse.io.ehr import decimal_number
from clinfuse.io.exported_tables import exported_dialect, exported_table

TABLE_SUFFIXES = (".csv", ".txt", ".tsv", ".parquet", ".xlsx")
DATE_FORMATS = (
    *("%Y-%m-%d", "%Y-%m-%d %H:%M", "%Y-%m-%d %H:%M:%S", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%dT%H:%M"),
    *("%d.%m.%Y", "%d.%m.%Y %H:%M", "%d.%m.%Y %H:%M:%S", "%d.%m.%y", "%d/%m/%Y", "%m/%d/%Y"),
    *("%d/%m/%Y %H:%M", "%m/%d/%Y %H:%M", "%d-%m-%Y", "%d-%m-%Y %H:%M", "%d-%b-%Y", "%Y%m%d", "%Y%m%d%H%M%S"),
)
_TOKENS = {
    *("-", "--", ".", "?", "na", "n/a", "n.a.", "n.b.", "k.a.", "nan", "null", "none", "nil", "nd", "n.d."),
    *("missing", "unknown", "unbekannt", "#n/a", "#null!", "#value!", "-9", "-99", "-999", "-9999"),
}
_ANSWERS = (("yes", "no"), ("y", "n"), ("ja", "nein"), ("j", "n"), ("oui", "non"), ("si", "no"), ("true", "false"))
_NUMBERED = (("1", "0"),)
_BOUND = re.compile(r"(?:[<>]=?|≤|≥)\s*([0-9.,]+)")
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/-]{0,39}")
_CALLED_ID = re.compile(
    r"^(?:pat|patient|fall|case|subj|subject|record|encounter|mrn|pid|pnr)[ _-]?(?:id|nr|no|num|number|nummer|key)?$"
    r"|(?:^|[^a-z])(?:id|nr|no|num|number|nummer|key|pid|mrn)$|(?-i:[a-z](?:Id|ID|Nr|No)$)",
    re.IGNORECASE,
)
_CODED = re.compile(r"([A-Z][0-9]{2})\.[0-9A-Z]{1,4}")
_LOOKED_AT = 2000
_MOST_LEVELS = 40
_MOST_SHEETS = 20
_MOST_CODES = 400
_SEVERAL = 5
_MOSTLY = 0.9


@final
@dataclass(frozen=True)
class ColumnFacts:
    """What the cells of one column look like.

    Parameters
    ----------
    name : str
        As the first row writes it, or its number.
    kind : {"id", "date", "number", "yes/no", "category", "text", "empty"}
    distinct, empty : int
        Different values, and cells without one (missing tokens among them).
    unique : bool
        Whether no value occurs twice.
    decimals : tuple of str
        Decimal signs with which every number of a number column can be read.
    dates : tuple of str
        `strptime` formats that read every date of a date column.
    missing : tuple of str
        Cells that stand where a number or a date is expected and mean none.
    bounds : int
        Cells such as ``<5``.
    numbers : int
        Cells that are numbers in a column that holds other things as well.
    levels : tuple of str
        Of a column of few values, those that occur at least five times, the most frequent first; no other value of
        a table is ever kept. Both answers of a yes/no column.
    stems : tuple of str
        ``G40.*`` where codes of a classification begin alike and occur at least five times together.
    """

    name: str
    kind: str
    distinct: int
    empty: int
    unique: bool = False
    decimals: tuple[str, ...] = ()
    dates: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    bounds: int = 0
    numbers: int = 0
    levels: tuple[str, ...] = ()
    stems: tuple[str, ...] = ()


@final
@dataclass(frozen=True)
class CodeFacts:
    """One thing measured in a table with a measurement per row.

    Parameters
    ----------
    code : str
    units : tuple of str
    values : ColumnFacts
        Of the cells beside this code.
    """

    code: str
    units: tuple[str, ...]
    values: ColumnFacts


@final
@dataclass(frozen=True)
class LongFacts:
    """That a table looks like one measurement per row, and what its measurements are.

    Parameters
    ----------
    code, value, unit : str
        Columns; ``unit`` is empty where there is none.
    codes : tuple of CodeFacts
    """

    code: str
    value: str
    unit: str
    codes: tuple[CodeFacts, ...]


@final
@dataclass(frozen=True)
class TableFacts:
    """One table of an export.

    Parameters
    ----------
    file : str
        Relative to the folder.
    rows : int
    delimiter : str
        Empty for a table whose cells have types.
    encodings : tuple of str
        Those that read it, the likeliest first; empty for a table whose cells have types.
    columns : tuple of ColumnFacts
    headed : bool
        Whether the first row looks like names and not like data; columns are else called 1, 2 and so on.
    sheet : int
        Number of the sheet of a workbook with several, from 1; else 0.
    long : tuple of LongFacts
        One where the table may hold a measurement per row, else none.
    """

    file: str
    rows: int
    delimiter: str
    encodings: tuple[str, ...]
    columns: tuple[ColumnFacts, ...]
    headed: bool = True
    sheet: int = 0
    long: tuple[LongFacts, ...] = ()

    @property
    def name(self) -> str:
        """The file, and the sheet where it has several."""
        return f"{self.file}, sheet {self.sheet}" if self.sheet else self.file

    def of_kind(self, *kinds: str) -> tuple[ColumnFacts, ...]:
        """Columns of these kinds, in their order."""
        return tuple(column for column in self.columns if column.kind in kinds)


@final
@dataclass(frozen=True, eq=False)
class OpenTable:
    """Facts of a table beside its cells, for counting which ids meet; the cells are not kept."""

    facts: TableFacts
    cells: pd.DataFrame


def survey_tables(root: Path, file: Path) -> list[OpenTable]:
    """Look at one table, or at every sheet of a workbook, without having been told how it is written.

    Parameters
    ----------
    root : Path
        The export.
    file : Path
        Below it, with a suffix of `TABLE_SUFFIXES`.

    Returns
    -------
    list of OpenTable

    Raises
    ------
    DataError
        What the reader of tables says, or ``BOMB``, ``TABLE_OPEN``.
    """
    typed = file.suffix.lower() in (".parquet", ".xlsx")
    delimiter, encodings = ("", ()) if typed else exported_dialect(file)
    dialect = Dialect() if typed else Dialect(delimiter=delimiter, encoding=encodings[0])
    name = file.relative_to(root).as_posix()
    found = []
    for sheet, cells, headed in _sheets(file, dialect):
        columns = tuple(_column(str(column), cells[column]) for column in cells.columns)
        long = _long(columns, cells)
        facts = TableFacts(name, len(cells), delimiter, encodings, columns, headed=headed, sheet=sheet, long=long)
        found.append(OpenTable(facts, cells))
    return found


def _sheets(file: Path, dialect: Dialect) -> Iterator[tuple[int, pd.DataFrame, bool]]:
    """Number, cells, and whether the first row is names: once for a table, once for each of several sheets."""
    try:
        yield (0, *_cells(file, dialect))
        return
    except DataError as error:
        if error.code != "TABLE_SHEETS":
            raise
    for sheet in range(1, _MOST_SHEETS + 1):
        try:
            yield (sheet, *_cells(file, replace(dialect, sheet=sheet)))
        except DataError as error:
            if error.code == "TABLE_SHEETS":
                return
            if error.code != "TABLE_EMPTY":
                raise


def _cells(file: Path, dialect: Dialect) -> tuple[pd.DataFrame, bool]:
    try:
        cells = exported_table(file, dialect)
        if not any(_is_data(str(name)) for name in cells.columns):
            return cells, True
    except DataError as error:
        if error.code != "TABLE_HEADER":
            raise
    return exported_table(file, replace(dialect, header="none")), False


def _is_data(name: str) -> bool:
    """Whether the first cell of a column is no name: empty, a number or a date."""
    return (
        not name
        or decimal_number(name.replace(",", "."), ".") is not None
        or any(_dated(name, f) for f in DATE_FORMATS)
    )


def _dated(cell: str, style: str) -> bool:
    try:
        return 1850 <= datetime.strptime(cell, style).year <= 2150
    except ValueError:
        return False


def _column(name: str, cells: pd.Series) -> ColumnFacts:
    counts = cells[cells != ""].value_counts()
    empty = int((cells == "").sum())
    found = {str(value): int(count) for value, count in counts.items()}
    if not found:
        return ColumnFacts(name, "empty", 0, empty)
    unique = max(found.values()) == 1
    for reading in (_as_dates, _as_numbers):
        facts = reading(name, found, empty, unique)
        if facts is not None:
            return facts
    if _is_id(name, list(found), unique):
        return ColumnFacts(name, "id", len(found), empty, unique)
    return _as_words(name, found, empty, unique)


def _split(found: dict[str, int], fits: set[str]) -> tuple[str, ...] | None:
    """Cells that mean none, where nearly everything else fits; None where too much does not."""
    other = [cell for cell in found if cell not in fits]
    tokens = [cell for cell in other if cell.casefold() in _TOKENS or _is_word(cell, found[cell])]
    if not fits or len(tokens) < len(other) or len(tokens) > max(3, len(fits)):
        return None
    return tuple(sorted(tokens))


def _is_word(cell: str, count: int) -> bool:
    """A short word that comes again and again, such as ``pending``; never something that may be a name."""
    return count >= _SEVERAL and len(cell) <= 12 and cell.islower() and cell.isascii()


def _as_dates(name: str, found: dict[str, int], empty: int, unique: bool) -> ColumnFacts | None:
    looked_at = list(found)[:_LOOKED_AT]
    plausible = [cell for cell in looked_at if len(cell) >= 6 and any(sign.isdigit() for sign in cell)]
    styles = [style for style in DATE_FORMATS if plausible and all(_dated(cell, style) for cell in plausible)]
    # Eight digits are as often a number of a person as a day.
    if not styles or (styles == ["%Y%m%d"] and _CALLED_ID.search(name)):
        return None
    tokens = _split({cell: found[cell] for cell in looked_at}, set(plausible))
    if tokens is None:
        return None
    missing = empty + sum(found[cell] for cell in tokens)
    return ColumnFacts(name, "date", len(found) - len(tokens), missing, unique, dates=tuple(styles), missing=tokens)


def _as_numbers(name: str, found: dict[str, int], empty: int, unique: bool) -> ColumnFacts | None:
    bounded = {cell: match[1] for cell in found if (match := _BOUND.fullmatch(cell))}
    written = {cell: bounded.get(cell, cell) for cell in found if cell.casefold() not in _TOKENS}
    signs = {sign: {cell for cell, text in written.items() if decimal_number(text, sign) is not None} for sign in ".,"}
    most = max(signs.values(), key=len)
    decimals = tuple(sign for sign in ".," if len(signs[sign]) == len(most))
    if not most or (_is_id(name, [cell for cell in written if cell in most], unique) and len(decimals) == 2):
        return None
    tokens = _split(found, most)
    answers = {cell.casefold() for cell in most}
    if tokens is None or answers == set(_NUMBERED[0]):
        return None
    missing = empty + sum(found[cell] for cell in tokens)
    bounds = sum(found[cell] for cell in bounded)
    return ColumnFacts(name, "number", len(most), missing, unique, decimals=decimals, missing=tokens, bounds=bounds)


def _is_id(name: str, values: Sequence[str], unique: bool) -> bool:
    if len(values) < 2 or not all(_ID.fullmatch(plain(value)) for value in values):
        return False
    zeros = any(value.isdigit() and value[0] == "0" and len(value) > 3 for value in values)
    numbered = sum(any(sign.isdigit() for sign in value) for value in values) >= _MOSTLY * len(values)
    long = max(map(len, values)) >= 4
    return bool(_CALLED_ID.search(name)) or (numbered and long and (zeros or (unique and len(values) >= _SEVERAL)))


def _as_words(name: str, found: dict[str, int], empty: int, unique: bool) -> ColumnFacts:
    folded = {cell.casefold() for cell in found}
    answers = len(folded) == 2 and any(folded == set(pair) for pair in (*_ANSWERS, *_NUMBERED))
    often = sum(found.values()) >= 4 * _SEVERAL * len(found)
    few = len(found) <= (_MOST_CODES if often else _MOST_LEVELS) and not (unique and len(found) > 2)
    kind = "yes/no" if answers else "category" if few else "text"
    known = sorted((cell for cell, count in found.items() if count >= _SEVERAL), key=lambda cell: (-found[cell], cell))
    signs = {sign: sum(n for cell, n in found.items() if decimal_number(cell, sign) is not None) for sign in ".,"}
    numbers = max(signs.values())
    decimals = tuple(sign for sign in ".," if numbers and signs[sign] == numbers)
    levels = tuple(sorted(found)) if answers else tuple(known) if kind == "category" else ()
    facts = ColumnFacts(name, kind, len(found), empty, unique, decimals=decimals, numbers=numbers, levels=levels)
    return replace(facts, stems=_stems(found))


def _stems(found: dict[str, int]) -> tuple[str, ...]:
    counts: Counter[str] = Counter()
    for cell, count in found.items():
        if match := _CODED.fullmatch(cell):
            counts[f"{match[1]}.*"] += count
    if sum(counts.values()) < _MOSTLY * sum(found.values()):
        return ()
    often = [stem for stem, count in counts.items() if count >= _SEVERAL]
    return tuple(sorted(often, key=lambda stem: (-counts[stem], stem)))[:_MOST_LEVELS]


def _long(columns: Sequence[ColumnFacts], cells: pd.DataFrame) -> tuple[LongFacts, ...]:
    """How a table would be read with one measurement per row, where it looks like that."""
    words = [column for column in columns if column.kind == "category" and len(column.levels) > 1]
    values = [column for column in columns if column.kind == "number" or column.numbers * 5 > len(cells)]
    values = [column for column in values if column not in words]
    if not words or len(values) != 1 or not any(column.kind == "id" and not column.unique for column in columns):
        return ()
    code = max(words, key=lambda column: column.distinct)
    units = [column for column in words if column is not code and _follows(cells, code.name, column.name)]
    if not units and any(column.kind == "id" and column.unique for column in columns):
        return ()  # a row of its own for every record: each column is one thing
    unit = units[0].name if units else ""
    found = []
    for level in code.levels:
        rows = cells[cells[code.name] == level]
        known = () if not unit else tuple(sorted(set(rows[unit]) - {""}))
        found.append(CodeFacts(level, known, _column(values[0].name, rows[values[0].name])))
    return (LongFacts(code.name, values[0].name, unit, tuple(found)),)


def _follows(cells: pd.DataFrame, code: str, other: str) -> bool:
    """Whether nearly every code stands beside one value of another column."""
    several = cells[cells[other] != ""].groupby(code)[other].nunique()
    return len(several) > 1 and bool((several == 1).mean() >= _MOSTLY)


def answers_of(levels: Sequence[str]) -> tuple[str, str] | None:
    """Which of two levels means yes and which no, where words are usual; None where it is open.

    Examples
    --------
    >>> answers_of(("nein", "ja")), answers_of(("m", "f"))
    (('ja', 'nein'), None)
    """
    by_word = {level.casefold(): level for level in levels}
    pairs = [pair for pair in (*_ANSWERS, *_NUMBERED) if set(by_word) == set(pair)]
    return (by_word[pairs[0][0]], by_word[pairs[0][1]]) if pairs else None
