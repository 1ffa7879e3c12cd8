"""Delimited text as rows of cells, each with the line on which a text editor shows it."""

from __future__ import annotations

import codecs
import csv
import io
from typing import NoReturn

from clinfuse.errors import DataError
from clinfuse.io.dialect import Dialect

DELIMITERS = ",;\t|"
# The csv module's own limit; a longer cell is a document, or a quote that was never closed.
_LONGEST_CELL = 131072
_BOMS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_AGAIN = "Export the table again."
_WHERE = " in the section of this table, or in [tables] if all are written so"

Row = list[str]


def read_text(data: bytes, dialect: Dialect, delimiter: str) -> tuple[list[Row], list[int]]:
    r"""Rows of cells and the line on which each begins; blank lines are skipped.

    Raises
    ------
    DataError
        ``TABLE_ENCODING``, ``TABLE_NUL``, ``TABLE_LINES``, ``TABLE_QUOTES``, ``TABLE_CELL``, ``TABLE_DELIMITER``,
        ``EHR_RAGGED``.

    Examples
    --------
    >>> read_text(b"PID,CRP\n\n00123,5\n", Dialect(), ",")
    ([['PID', 'CRP'], ['00123', '5']], [1, 3])
    """
    text = _decoded(data, dialect.encoding)
    rows, lines = _rows(text, delimiter)
    widths = {len(row) for row in rows}
    if len(widths) > 1:
        _explain_ragged(text, delimiter, rows, lines)
    if widths == {1}:
        other = _better(text, delimiter)
        if other:
            remedy = f"Write `delimiter = {_toml(other)}`{_WHERE}."
            _refuse("TABLE_DELIMITER", f"cells divided by {_toml(delimiter)}", "one column", remedy)
    return rows, lines


def _rows(text: str, delimiter: str) -> tuple[list[Row], list[int]]:
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    rows: list[Row] = []
    lines: list[int] = []
    begun = 1
    try:
        for row in reader:
            if row:
                rows.append(row)
                lines.append(begun)
            begun = reader.line_num + 1
    except csv.Error as error:
        # The module says which of the two in its text only, which holds no cell.
        if "field larger" in str(error):
            found = f"a longer one, or a quote that is never closed, in the row that begins in line {begun}"
            _refuse("TABLE_CELL", f"cells of at most {_LONGEST_CELL >> 10} KiB", found, _AGAIN)
        found = f"a quote that is not, in the row that begins in line {begun}"
        _refuse("TABLE_QUOTES", "every quote closed before a delimiter or the end of a line", found, _AGAIN)
    return rows, lines


def _explain_ragged(text: str, delimiter: str, rows: list[Row], lines: list[int]) -> NoReturn:
    """Say how many rows do not fit, where the first is, and which other delimiter would make the table regular."""
    width = len(rows[0])
    odd = [k for k, row in enumerate(rows) if len(row) != width]
    found = (
        f"{len(rows[odd[0]])} cells in line {lines[odd[0]]}, {width} in the header"
        f" ({len(odd)} of {len(rows) - 1} rows do not fit)"
    )
    other = _better(text, delimiter)
    remedy = "Put cells that hold a delimiter or a line end between quotes."
    if other:
        remedy = f"Every row would fit with `delimiter = {_toml(other)}`; write it{_WHERE}."
    _refuse("EHR_RAGGED", "as many cells in every row as columns", found, remedy)


def _better(text: str, delimiter: str) -> str:
    """Another delimiter that would give two or more columns, the same number in every row; empty where none does."""
    for other in DELIMITERS:
        if other == delimiter:
            continue
        try:
            widths = {
                len(row) for row in csv.reader(io.StringIO(text, newline=""), delimiter=other, strict=True) if row
            }
        except csv.Error:
            continue
        if len(widths) == 1 and max(widths) > 1:
            return other
    return ""


def _toml(sign: str) -> str:
    return '"\\t"' if sign == "\t" else f'"{sign}"'


def _decoded(data: bytes, declared: str) -> str:
    marked = next((name for mark, name in _BOMS if data.startswith(mark)), "")
    encoding = marked or declared
    if not marked and not codecs.lookup(encoding).name.startswith(("utf-16", "utf-32")):
        _check_wide(data)
    try:
        text = data.decode(encoding)
    except UnicodeError as error:
        line = data.count(b"\n", 0, getattr(error, "start", 0)) + 1
        remedy = f'Declare how it is written, for example `encoding = "cp1252"`{_WHERE}.'
        _refuse("TABLE_ENCODING", f"text in {encoding}", f"other bytes in line {line}", remedy)
    if not marked and not _is_unicode(encoding):
        _check_mojibake(data, encoding)
    if "\0" in text:
        line = text.count("\n", 0, text.index("\0")) + 1
        _refuse("TABLE_NUL", "text without NUL characters", f"one in line {line}", _AGAIN)
    if "\r" in text and "\n" not in text:
        found = "carriage returns alone, so that all of it is line 1"
        _refuse("TABLE_LINES", "lines that end as on Windows or Unix", found, "Save the table again.")
    return text


def _is_unicode(encoding: str) -> bool:
    return codecs.lookup(encoding).name.startswith("utf")


def _check_wide(data: bytes) -> None:
    """UTF-16 without its mark decodes as UTF-8 with a NUL beside every letter."""
    head = data[:4096]
    first, second = head[0::2], head[1::2]
    for name, zeros, letters in (("utf-16-le", second, first), ("utf-16-be", first, second)):
        if len(head) >= 8 and zeros.count(0) > 0.9 * len(zeros) and letters.count(0) < 0.1 * len(letters):
            found = "two bytes for each character, in line 1"
            _refuse("TABLE_ENCODING", "text in the declared encoding", found, f'Write `encoding = "{name}"`{_WHERE}.')


def _check_mojibake(data: bytes, encoding: str) -> None:
    """Letters of UTF-8 read in another encoding become two wrong ones, and every id with them another id."""
    if data.isascii():
        return
    try:
        data.decode("utf-8")
    except UnicodeDecodeError:
        return
    _refuse("TABLE_ENCODING", f"text in {encoding}", "text in UTF-8", f'Write `encoding = "utf-8"`{_WHERE}.')


def _refuse(code: str, rule: str, found: str, remedy: str) -> NoReturn:
    raise DataError(code, place="table", rule=rule, found=found, remedy=remedy) from None
