"""The cells of a table as text, before anything is made of them: what the decoding process sends."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NoReturn, final

import numpy as np

from clinfuse.errors import DataError
from clinfuse.io.budget import MOST_CELLS, MOST_COLUMNS, MOST_ROWS, check_size
from clinfuse.io.cells import decimal_number
from clinfuse.io.dialect import Dialect
from clinfuse.io.fhir import NAMES, read_bundle, read_ndjson
from clinfuse.io.files import read_whole
from clinfuse.io.text_tables import read_text
from clinfuse.io.typed_tables import read_parquet, read_xlsx

# Text grows about fourfold when its cells become objects.
_GROWTH = 4
_AGAIN = "Export the table again."
_MAGIC = {
    b"PK\x03\x04": "a workbook or an archive",
    b"PAR1": "a Parquet file",
    b"\xd0\xcf\x11\xe0": "an old Excel or Word file",
    b"\x1f\x8b": "a compressed file",
    b"%PDF": "a PDF document",
    b"{\\rtf": "a text document",
    b"SQLite format 3": "a database",
    b"\x00\x05\x16\x07": "a macOS companion file",
    b"\x00\x05\x16\x00": "a macOS companion file",
    b"\x89PNG": "an image",
    b"\xff\xd8\xff": "an image",
    b"\x80\x02": "a Python pickle",
    b"\x80\x03": "a Python pickle",
    b"\x80\x04": "a Python pickle",
    b"\x80\x05": "a Python pickle",
}
_PAGES = (b"<!doctype html", b"<html", b"<?xml", b"<table")
Place = Literal["line", "row"]


@final
@dataclass(frozen=True, eq=False)
class TextTable:
    """A table, every cell text without surrounding blanks, missing ones empty.

    Parameters
    ----------
    names : tuple of str
        Of the columns, each another.
    columns : tuple of ndarray of str (object), (rows,)
    places : ndarray of int64, (rows,)
        Where each row stands in its file.
    unit : {"line", "row"}
        What ``places`` counts.
    """

    names: tuple[str, ...]
    columns: tuple[np.ndarray, ...]
    places: np.ndarray
    unit: Place


@final
@dataclass(frozen=True, eq=False)
class _Cells:
    """Names and columns as the file has them, and where its rows stand; ``unit`` says what the numbers count."""

    names: list[str]
    columns: list[list[str]]
    places: list[int]
    unit: Place


def read_cells(file: Path, dialect: Dialect) -> TextTable:
    """The cells of a table, as `clinfuse.io.tables.read_table` describes them.

    Raises
    ------
    DataError
        As there.
    """
    kind = file.suffix.lower()
    data = _bytes(file, kind)
    if kind == ".parquet":
        names, columns = read_parquet(data, dialect, most=(MOST_ROWS, MOST_COLUMNS))
        cells = _Cells(names, columns, list(range(1, len(columns[0]) + 1)) if columns else [], "row")
    elif kind == ".xlsx":
        cells = _named(*read_xlsx(data, dialect), dialect)
    elif kind in (".csv", ".txt", ".tsv"):
        _check_text(data)
        cells = _named(*read_text(data, dialect, "\t" if kind == ".tsv" else dialect.delimiter), dialect)
    elif kind in (".ndjson", ".json"):
        rows, places = (read_ndjson if kind == ".ndjson" else read_bundle)(data, dialect)
        columns = [list(column) for column in zip(*rows, strict=True)]
        cells = _Cells(list(NAMES), columns, places, "line" if kind == ".ndjson" else "row")
    else:
        rule = "a .csv, .txt, .tsv, .parquet, .xlsx, .ndjson or .json file"
        _refuse("TABLE_FORMAT", rule, "another", "Save the table as CSV.")
    return _tidy(cells, set(dialect.missing) | {""})


def _bytes(file: Path, kind: str) -> bytes:
    try:
        size = file.stat().st_size
        check_size("table", size * (1 if kind in (".parquet", ".xlsx") else _GROWTH))
        data = read_whole(file, place="table")
    except OSError:
        _refuse("TABLE_OPEN", "a file that can be opened", "one that cannot", "Check its name in cohort.toml.")
    if not data:
        _refuse("TABLE_EMPTY", "a header row and at least one row", "an empty file", _AGAIN)
    return data


def _check_text(data: bytes) -> None:
    """Refuse what only calls itself a text table, by its first bytes, and more rows than can be held."""
    found = next((what for mark, what in _MAGIC.items() if data.startswith(mark)), "")
    if data[:256].lstrip(b"\xef\xbb\xbf \t\r\n").lower().startswith(_PAGES):
        found = "a web page"
    if found:
        remedy = "Give it the ending of its format, or save the table as CSV."
        _refuse("TABLE_FORMAT", "text in a .csv, .txt or .tsv file", f"{found} under that name", remedy)
    if data.count(b"\n") > MOST_ROWS:
        _too_large(f"at most {MOST_ROWS:,} rows")


def _too_large(rule: str) -> NoReturn:
    remedy = "Keep the patients and the columns of the study only."
    _refuse("TABLE_SIZE", rule, "more", remedy)


def _named(rows: list[list[str]], lines: list[int], dialect: Dialect) -> _Cells:
    """Cut the header row off, or number the columns of a table that has none."""
    if not rows:
        return _Cells([], [], [], "line")
    width = len(rows[0])
    if width > MOST_COLUMNS:
        _too_large(f"at most {MOST_COLUMNS:,} columns")
    if dialect.header == "none":
        names = [str(k + 1) for k in range(width)]
    else:
        if dialect.header == "ask":
            _check_header(rows[0])
        names, rows, lines = rows[0], rows[1:], lines[1:]
    return _Cells(names, [list(column) for column in zip(*rows, strict=True)], lines, "line")


def _check_header(cells: list[str]) -> None:
    """A first row of numbers is the first patient more often than a row of names; its cells are never shown."""
    written = [cell.strip() for cell in cells if cell.strip()]
    numbers = sum(decimal_number(cell, ".") is not None or decimal_number(cell, ",") is not None for cell in written)
    if 2 * numbers >= len(written) > 0:
        remedy = (
            'Write `header = "none"` in the section of this table, whose columns are then called 1, 2 and so on;'
            ' or `header = "first row"` if these numbers are names.'
        )
        _refuse("TABLE_HEADER", "a first row with the names of the columns", "mostly numbers in it", remedy)


def _tidy(cells: _Cells, missing: set[str]) -> TextTable:
    names = [name.strip() for name in cells.names]
    for number, name in enumerate(names, start=1):
        _check_whole([name], number)
    twice = next((i for i, name in enumerate(names) if name in names[:i]), 0)
    if twice:
        # Without a header row the "names" are the first patient's values: positions only.
        found = f"the same name in columns {names.index(names[twice]) + 1} and {twice + 1}"
        _refuse("TABLE_COLUMNS", "a first row with a name of its own for every column", found, "Name the columns.")
    if not cells.columns or not cells.columns[0]:
        _refuse("TABLE_EMPTY", "a header row and at least one row", "no row", _AGAIN)
    if len(names) * len(cells.columns[0]) > MOST_CELLS:
        _too_large(f"at most {MOST_CELLS:,} cells")
    columns = []
    for number, column in enumerate(cells.columns, start=1):
        texts = [cell.strip() for cell in column]
        _check_whole(texts, number)
        columns.append(np.array(["" if cell in missing else cell for cell in texts], dtype=object))
    return TextTable(tuple(names), tuple(columns), np.array(cells.places, dtype=np.int64), cells.unit)


def _check_whole(texts: list[str], number: int) -> None:
    """JSON and some encodings can say half of a character, which can be written to no file and made into no key."""
    try:
        "".join(texts).encode()
    except UnicodeEncodeError:
        _refuse("TABLE_ENCODING", "whole characters in every cell", f"half of one in column {number}", _AGAIN)


def _refuse(code: str, rule: str, found: str, remedy: str) -> NoReturn:
    raise DataError(code, place="table", rule=rule, found=found, remedy=remedy) from None
