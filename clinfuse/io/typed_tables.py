"""Tables whose cells have types, written out as the text a hospital would have written."""

from __future__ import annotations

import io
import warnings
from datetime import date, datetime
from typing import Any, NoReturn

import openpyxl
import pyarrow as pa
import pyarrow.parquet as pq
import pyarrow.types as kinds

from clinfuse.errors import DataError
from clinfuse.io.dialect import Dialect


def read_parquet(data: bytes, dialect: Dialect) -> tuple[list[str], list[list[str]]]:
    """Column names and columns of text of a Parquet file.

    Raises
    ------
    DataError
        ``TABLE_FORMAT``, ``TABLE_TYPE``.
    """
    try:
        table = pq.ParquetFile(pa.BufferReader(data)).read()
        table.validate(full=True)
    # pyarrow raises OSError, ArrowInvalid and others on damaged bytes, with their content in the text.
    except Exception:
        _refuse("TABLE_FORMAT", "a Parquet file that can be read", "a damaged one, or another format")
    names = list(table.column_names)
    return names, [_text_column(name, table.column(i), dialect) for i, name in enumerate(names)]


def _text_column(name: str, column: pa.ChunkedArray, dialect: Dialect) -> list[str]:
    if kinds.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    kind = column.type
    plain = kinds.is_string(kind) or kinds.is_large_string(kind) or kinds.is_string_view(kind)
    whole_or_truth = kinds.is_integer(kind) or kinds.is_boolean(kind) or kinds.is_floating(kind)
    moment = kinds.is_date(kind) or (kinds.is_timestamp(kind) and kind.tz is None)
    if not (plain or whole_or_truth or moment or kinds.is_null(kind) or kinds.is_decimal(kind)):
        _refuse("TABLE_TYPE", "text, numbers, truth values or local dates", f"another type in column {name!r}")
    if kinds.is_timestamp(kind):
        column = column.cast(pa.timestamp("us"), safe=False)
    try:
        cells = column.to_pylist()
    except (ValueError, OverflowError):
        _refuse("TABLE_TYPE", "dates between the years 1 and 9999", f"another one in column {name!r}")
    if kinds.is_decimal(kind):
        return ["" if cell is None else str(cell).replace(".", dialect.decimal) for cell in cells]
    return [_cell(cell, dialect) for cell in cells]


def _cell(cell: Any, dialect: Dialect) -> str:
    if cell is None or cell != cell:
        return ""
    return cell if isinstance(cell, str) else dialect.written(cell)


def read_xlsx(data: bytes, dialect: Dialect) -> tuple[list[str], list[list[str]]]:
    """Column names and columns of text of the only sheet of an Excel file.

    Raises
    ------
    DataError
        ``TABLE_FORMAT``, ``TABLE_SHEETS``, ``TABLE_FORMULA``, ``TABLE_TYPE``, ``EHR_RAGGED``.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            book = openpyxl.load_workbook(io.BytesIO(data), read_only=True, data_only=False)
            sheets = list(book.worksheets)
            rows = [list(row) for row in sheets[0].iter_rows()] if len(sheets) == 1 else []
    # A damaged archive raises from zipfile, from the XML parser or from openpyxl.
    except Exception:
        _refuse("TABLE_FORMAT", "an .xlsx file that can be read", "a damaged one, or another format")
    if len(sheets) != 1:
        _refuse("TABLE_SHEETS", "one sheet", f"{len(sheets)}", "Save the sheet as a file of its own.")
    written = [[_excel_text(cell, i, dialect) for cell in row] for i, row in enumerate(rows)]
    used = [(i, row) for i, row in enumerate(written) if any(row)]
    if not used:
        return [], []
    names = _trimmed(used[0][1])
    body = [_fitted(row, len(names), i) for i, row in used[1:]]
    return names, [list(column) for column in zip(*body, strict=True)]


def _trimmed(row: list[str]) -> list[str]:
    last = max(i for i, cell in enumerate(row) if cell)
    return row[: last + 1]


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
    if isinstance(value, int) and not isinstance(value, bool):
        # An id typed as 00123 is stored as 123 with the number format 00000.
        zeros = cell.number_format or ""
        return str(value).zfill(len(zeros)) if zeros and set(zeros) == {"0"} else str(value)
    if isinstance(value, str | bool | float | date | datetime):
        return _cell(value, dialect)
    found = f"a time of day or a duration in line {row + 1}, column {cell.column}"
    _refuse("TABLE_TYPE", "text, numbers, truth values or dates", found, "Format the column as text.")


def _refuse(code: str, rule: str, found: str, remedy: str = "Export the table again.") -> NoReturn:
    raise DataError(code, place="table", rule=rule, found=found, remedy=remedy) from None
