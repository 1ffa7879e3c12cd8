"""Tables whose cells have types, written out as the text a hospital would have written."""

from __future__ import annotations

import contextlib
import io
import warnings
import zipfile
from datetime import date, datetime
from typing import Any, NoReturn

import openpyxl
import pyarrow as pa
import pyarrow.parquet as pq
import pyarrow.types as kinds

from clinfuse.errors import ClinfuseError, DataError
from clinfuse.io.budget import check_size
from clinfuse.io.dialect import Dialect

_POINTER = 8
_LONGEST_CELL = 131072
_EXCEL_EXACT = 10**15
_EXCEL_ROWS = 2**20


def read_parquet(data: bytes, dialect: Dialect, *, most: tuple[int, int]) -> tuple[list[str], list[list[str]]]:
    """Column names and columns of text of a Parquet file.

    Parameters
    ----------
    data : bytes
    dialect : Dialect
    most : tuple of int
        Rows and columns, checked against what the file says of itself before anything is decompressed.

    Raises
    ------
    DataError
        ``TABLE_FORMAT``, ``TABLE_TYPE``, ``TABLE_SIZE``, ``TABLE_CELL``, ``BOMB``.
    """
    try:
        schema = pq.read_schema(pa.BufferReader(data))
        # Repeated text is held once: a dictionary of one long cell cannot become a million copies of it.
        texts = [field.name for field in schema if kinds.is_string(field.type) or kinds.is_large_string(field.type)]
        file = pq.ParquetFile(pa.BufferReader(data), read_dictionary=texts)
        _check_claims(file.metadata, len(data), most)
        table = file.read()
        table.validate(full=True)
    except ClinfuseError:
        raise
    # pyarrow raises OSError, ArrowInvalid and others on damaged bytes, with their content in the text.
    except Exception:
        _refuse("TABLE_FORMAT", "a Parquet file that can be read", "a damaged one, or another format")
    names = list(table.column_names)
    return names, [_text_column(name, table.column(i), dialect) for i, name in enumerate(names)]


def _check_claims(claims: pq.FileMetaData, stored: int, most: tuple[int, int]) -> None:
    rows, columns = claims.num_rows, claims.num_columns
    if rows > most[0] or columns > most[1]:
        remedy = "Keep the patients and the columns of the study only."
        _refuse("TABLE_SIZE", f"at most {most[0]:,} rows and {most[1]:,} columns", "more", remedy)
    # Compressed runs of one value are honest and tiny, so the ratio counts only what is left after decompression.
    check_size("Parquet table", sum(claims.row_group(k).total_byte_size for k in range(claims.num_row_groups)), stored)
    check_size("Parquet table", rows * columns * _POINTER)


def _text_column(name: str, column: pa.ChunkedArray, dialect: Dialect) -> list[str]:
    if kinds.is_dictionary(column.type):
        return _from_dictionaries(name, column, dialect)
    kind = column.type
    plain = kinds.is_string(kind) or kinds.is_large_string(kind) or kinds.is_string_view(kind)
    whole_or_truth = kinds.is_integer(kind) or kinds.is_boolean(kind) or kinds.is_floating(kind)
    moment = kinds.is_date(kind) or kinds.is_timestamp(kind)
    if not (plain or whole_or_truth or moment or kinds.is_null(kind) or kinds.is_decimal(kind)):
        found = f"another type in column {name!r}"
        remedy = "Write lists and nested values as columns of their own."
        _refuse("TABLE_TYPE", "text, numbers, truth values or dates in every column", found, remedy)
    if kinds.is_timestamp(kind):
        # A cast to microseconds keeps the zone; what is finer was never measured.
        column = column.cast(pa.timestamp("us", tz=kind.tz), safe=False)
    try:
        cells = column.to_pylist()
    except (ValueError, OverflowError, KeyError):
        _refuse("TABLE_TYPE", "dates between the years 1 and 9999", f"another one in column {name!r}")
    if kinds.is_decimal(kind):
        return ["" if cell is None else str(cell).replace(".", dialect.decimal) for cell in cells]
    return [_cell(cell, dialect) for cell in cells]


def _from_dictionaries(name: str, column: pa.ChunkedArray, dialect: Dialect) -> list[str]:
    """Cells of a column that stores every distinct value once."""
    cells: list[str] = []
    for chunk in column.chunks:
        written = [*_text_column(name, pa.chunked_array([chunk.dictionary]), dialect), ""]
        if max(map(len, written)) > _LONGEST_CELL:
            found = f"a longer one in column {name!r}"
            _refuse("TABLE_CELL", f"cells of at most {_LONGEST_CELL >> 10} KiB", found)
        # The last of the list is the empty text that a null points to.
        places = chunk.indices.fill_null(len(written) - 1).to_pylist()
        cells += [written[place] for place in places]
    return cells


def _cell(cell: Any, dialect: Dialect) -> str:
    if cell is None or cell != cell:
        return ""
    return cell if isinstance(cell, str) else dialect.written(cell)


def read_xlsx(data: bytes, dialect: Dialect) -> tuple[list[list[str]], list[int]]:
    """Rows of text of one sheet of an Excel file, and the numbers Excel shows beside them; blank rows are skipped.

    Raises
    ------
    DataError
        ``TABLE_FORMAT``, ``TABLE_SHEETS``, ``TABLE_FORMULA``, ``TABLE_TYPE``, ``EHR_RAGGED``, ``BOMB``.
    """
    _check_archive(data)
    try:
        # openpyxl warns of styles, and prints of broken ones, where `--json` must stand alone.
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            book = openpyxl.load_workbook(io.BytesIO(data), read_only=True, data_only=False)
            sheets = list(book.worksheets)
            chosen = _chosen(sheets, dialect.sheet)
            used = _used_rows(chosen, dialect)
    except ClinfuseError:
        raise
    # A damaged archive raises from zipfile, from the XML parser or from openpyxl.
    except Exception:
        _refuse("TABLE_FORMAT", "an .xlsx file that can be read", "a damaged one, or another format")
    if not used:
        return [], []
    width = max(i for i, cell in enumerate(used[0][1]) if cell) + 1
    return [_fitted(row, width, i) for i, row in used], [i + 1 for i, _ in used]


def _used_rows(sheet: Any, dialect: Dialect) -> list[tuple[int, list[str]]]:
    """Position and text of every row with something in it.

    A sheet may claim to be any size, and formatted cells far away make it so; only what is written counts.
    """
    sheet.reset_dimensions()
    used = []
    for i, row in enumerate(sheet.iter_rows()):
        if i >= _EXCEL_ROWS:
            remedy = "Keep the patients and the columns of the study only."
            _refuse("TABLE_SIZE", f"at most {_EXCEL_ROWS:,} rows, as Excel writes", "more", remedy)
        written = [_excel_text(cell, i, dialect) for cell in row]
        if any(written):
            used.append((i, written))
    return used


def _check_archive(data: bytes) -> None:
    """Ask the archive how large it becomes, and refuse one with a program in it."""
    try:
        members = zipfile.ZipFile(io.BytesIO(data)).infolist()
    except (zipfile.BadZipFile, OSError, ValueError, EOFError, NotImplementedError):
        _refuse("TABLE_FORMAT", "an .xlsx file that can be read", "a damaged one, or another format")
    check_size("workbook", sum(member.file_size for member in members), len(data))
    if any(member.filename.lower().endswith("vbaproject.bin") for member in members):
        remedy = "Save it as .xlsx without macros."
        _refuse("TABLE_FORMAT", "a workbook without macros", "one with a program in it", remedy)


def _chosen(sheets: list[Any], wanted: str | int) -> Any:
    """The declared sheet, or the only one. Names of undeclared sheets are not shown: they may be a patient's."""
    names = [sheet.title for sheet in sheets]
    if isinstance(wanted, int) and 1 <= wanted <= len(sheets):
        return sheets[wanted - 1]
    if isinstance(wanted, str) and wanted in names:
        return sheets[names.index(wanted)]
    if wanted == "" and len(sheets) == 1:
        return sheets[0]
    remedy = "Write `sheet = 1` in the section of this table to read the first one; a name in quotes will do too."
    rule = "one sheet, or the declared one" if wanted == "" else "the declared sheet"
    _refuse("TABLE_SHEETS", rule, f"{len(sheets)} sheets", remedy)


def _fitted(row: list[str], width: int, position: int) -> list[str]:
    if any(row[width:]):
        found = f"a cell right of the last column in line {position + 1}"
        _refuse("EHR_RAGGED", "cells only below column names", found, "Name the column or clear the cell.")
    return [*row[:width], *[""] * (width - len(row))]


def _excel_text(cell: Any, row: int, dialect: Dialect) -> str:
    value = cell.value
    if value is None:
        return ""
    if cell.data_type == "f":
        found = f"a formula in line {row + 1}, column {cell.column}"
        _refuse("TABLE_FORMULA", "values, not formulas", found, "Paste the values over the formulas.")
    if cell.data_type == "e":
        found = f"an Excel error in line {row + 1}, column {cell.column}"
        _refuse("TABLE_TYPE", "values", found, "Correct or clear the cell.")
    if isinstance(value, int | float) and not isinstance(value, bool) and abs(value) >= _EXCEL_EXACT:
        found = f"a number of more than 15 digits in line {row + 1}, column {cell.column}"
        remedy = "Excel keeps 15 digits: format the column as text and fill it again from its source."
        _refuse("TABLE_TYPE", "numbers as they were entered", found, remedy)
    if isinstance(value, int) and not isinstance(value, bool):
        # An id typed as 00123 is stored as 123 with the number format 00000.
        zeros = cell.number_format or ""
        return str(value).zfill(len(zeros)) if zeros and set(zeros) == {"0"} else str(value)
    if isinstance(value, float):
        # Excel shows 0.3 for what is stored as 0.30000000000000004.
        value = float(f"{value:.15g}")
    if isinstance(value, str | bool | float | date | datetime):
        return _cell(value, dialect)
    found = f"a time of day or a duration in line {row + 1}, column {cell.column}"
    _refuse("TABLE_TYPE", "text, numbers, truth values or dates", found, "Format the column as text.")


def _refuse(code: str, rule: str, found: str, remedy: str = "Export the table again.") -> NoReturn:
    raise DataError(code, place="table", rule=rule, found=found, remedy=remedy) from None
