"""Tables as text: CSV, TSV, Parquet and Excel, every cell as it was written.

Nothing is guessed: ``00123`` keeps its zeros, ``NA`` may be an id, ``1E5`` is no number here. Conversion is another
step, by declared columns.
"""

from __future__ import annotations

import codecs
import csv
import io
from pathlib import Path
from typing import NoReturn

import numpy as np
import pandas as pd

from clinfuse.errors import DataError
from clinfuse.io.dialect import Dialect
from clinfuse.io.typed_tables import read_parquet, read_xlsx

__all__ = ["Dialect", "read_table"]

_BOMS = ((codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))
_NOT_TEXT = (b"PK\x03\x04", b"PAR1", b"\xd0\xcf\x11\xe0", b"\x1f\x8b", b"%PDF", b"\x80\x04", b"\x80\x05")
_OTHER_DELIMITERS = ",;\t|"


def read_table(file: Path, dialect: Dialect | None = None) -> pd.DataFrame:
    r"""Every cell of a table as text, without surrounding blanks; missing cells as empty text.

    Numbers, dates and truth values of Parquet and Excel files, which have types, are written the way ``dialect``
    writes them, whole numbers without a decimal point; Excel numbers formatted with leading zeros keep them. Blank
    lines are skipped.

    Parameters
    ----------
    file : Path
        ``.csv`` or ``.txt`` (delimiter as declared), ``.tsv``, ``.parquet``, ``.xlsx`` (one sheet).
    dialect : Dialect, optional
        Default: comma, point, UTF-8, ISO dates, only empty cells missing.

    Returns
    -------
    DataFrame of str (object)
        Columns named as in the first row, rows 0, 1, ... in the order of the file.

    Raises
    ------
    DataError
        ``TABLE_OPEN``, ``TABLE_FORMAT``, ``TABLE_ENCODING``, ``TABLE_DELIMITER``, ``TABLE_EMPTY``, ``TABLE_QUOTES``,
        ``TABLE_NUL``, ``TABLE_COLUMNS``, ``TABLE_TYPE``, ``TABLE_FORMULA``, ``TABLE_SHEETS``, ``EHR_RAGGED``.

    Examples
    --------
    >>> from pathlib import Path
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     file = Path(folder) / "labs.csv"
    ...     _ = file.write_text("PID;CRP\n00123;1,5\nNA;-\n", encoding="utf-8")
    ...     read_table(file, Dialect(delimiter=";", decimal=",", missing=("-",))).to_numpy().tolist()
    [['00123', '1,5'], ['NA', '']]
    """
    dialect = dialect or Dialect()
    kind = file.suffix.lower()
    try:
        data = file.read_bytes()
    except OSError:
        _refuse("TABLE_OPEN", "a file that can be opened", "one that cannot", "Check its name in cohort.toml.")
    if not data:
        _refuse("TABLE_EMPTY", "a header row and at least one row", "an empty file", _AGAIN)
    if kind == ".parquet":
        names, columns = read_parquet(data, dialect)
    elif kind == ".xlsx":
        names, columns = read_xlsx(data, dialect)
    elif kind in (".csv", ".txt", ".tsv"):
        names, columns = _read_text(data, dialect, "\t" if kind == ".tsv" else dialect.delimiter)
    else:
        _refuse("TABLE_FORMAT", "a .csv, .txt, .tsv, .parquet or .xlsx file", "another", "Save the table as CSV.")
    return _frame(names, columns, set(dialect.missing) | {""})


def _frame(names: list[str], columns: list[list[str]], missing: set[str]) -> pd.DataFrame:
    names = [name.strip() for name in names]
    twice = next((i for i, name in enumerate(names) if name in names[:i]), 0)
    if twice:
        # Without a header row the "names" are the first patient's values: positions only.
        found = f"the same name in columns {names.index(names[twice]) + 1} and {twice + 1}"
        _refuse("TABLE_COLUMNS", "a first row with a name of its own for every column", found, "Name the columns.")
    if not columns or not columns[0]:
        _refuse("TABLE_EMPTY", "a header row and at least one row", "no row", _AGAIN)
    cells = {}
    for name, column in zip(names, columns, strict=True):
        stripped = [cell.strip() for cell in column]
        cells[name] = np.array(["" if cell in missing else cell for cell in stripped], dtype=object)
    return pd.DataFrame(cells, dtype=object)


def _read_text(data: bytes, dialect: Dialect, delimiter: str) -> tuple[list[str], list[list[str]]]:
    if data.startswith(_NOT_TEXT):
        _refuse("TABLE_FORMAT", "text in a .csv, .txt or .tsv file", "another format under that name", _AGAIN)
    reader = csv.reader(io.StringIO(_decoded(data, dialect.encoding), newline=""), delimiter=delimiter, strict=True)
    rows: list[list[str]] = []
    try:
        for row in reader:
            if not row:
                continue
            if rows and len(row) != len(rows[0]):
                found = f"{len(row)} cells in row {len(rows)} (line {reader.line_num}), {len(rows[0])} in the header"
                _refuse("EHR_RAGGED", "as many cells in every row as columns", found, "Quote cells with a delimiter.")
            rows.append(row)
    except csv.Error:
        _refuse(
            "TABLE_QUOTES", "closed quotes and no cell above 128 KiB", f"else before line {reader.line_num}", _AGAIN
        )
    if not rows:
        _refuse("TABLE_EMPTY", "a header row and at least one row", "none", _AGAIN)
    names = rows.pop(0)
    other = next((sign for sign in _OTHER_DELIMITERS if sign in names[0]), "") if len(names) == 1 else ""
    if other:
        _refuse("TABLE_DELIMITER", f"cells divided by {delimiter!r}", "one column", f"Write delimiter = {other!r}.")
    return names, [list(column) for column in zip(*rows, strict=True)]


def _decoded(data: bytes, encoding: str) -> str:
    encoding = next((name for mark, name in _BOMS if data.startswith(mark)), encoding)
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        found = f"other bytes in line {line}"
        _refuse("TABLE_ENCODING", f"text in {encoding}", found, 'Declare it, e.g. encoding = "cp1252".')
    if "\0" in text:
        line = text.count("\n", 0, text.index("\0")) + 1
        _refuse("TABLE_NUL", "text without NUL characters", f"one in line {line}", _AGAIN)
    return text


_AGAIN = "Export the table again."


def _refuse(code: str, rule: str, found: str, remedy: str) -> NoReturn:
    raise DataError(code, place="table", rule=rule, found=found, remedy=remedy) from None
