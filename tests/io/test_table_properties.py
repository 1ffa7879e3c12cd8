"""Whatever a table is written like, its ids come back; whatever its bytes are, it is read or refused with a code."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clinfuse.errors import DataError
from clinfuse.io.dialect import Dialect
from clinfuse.io.ehr import ColumnRule, read_column
from clinfuse.io.tables import read_table
from clinfuse.io.times import read_times
from tests.io.table_strategies import Written, tables

_CODES = ("EHR_NUMBER", "EHR_TIME", "EHR_ZONE")


def result(read: Callable[[], Any]) -> Any:
    """What a reader gives, or the error it refuses with; anything else it raises fails the test."""
    try:
        return read()
    except DataError as error:
        return error


@pytest.fixture(scope="module")
def place() -> Iterator[Path]:
    """A folder that outlives the examples of one property."""
    with TemporaryDirectory() as folder:
        yield Path(folder)


@settings(max_examples=200)
@given(tables())
def test_text_becomes_a_table_with_the_same_cells(place: Path, written: Written) -> None:
    (place / "a.csv").write_bytes(written.data)
    table = read_table(place / "a.csv", written.dialect)
    assert tuple(table.columns) == written.names
    assert tuple(map(tuple, table.to_numpy())) == written.rows
    assert (np.diff(table.index) > 0).all()


@given(tables())
def test_numbers_of_a_table_are_those_that_were_written(place: Path, written: Written) -> None:
    (place / "a.csv").write_bytes(written.data)
    table = read_table(place / "a.csv", written.dialect)
    found = read_column("CRP", table["CRP"], ColumnRule(), written.dialect).values
    expected = [float(row[1].replace(",", ".")) if row[1] else np.nan for row in written.rows]
    np.testing.assert_array_equal(found, expected)


@given(tables(), st.sampled_from(",;\t|"), st.sampled_from(("utf-8", "cp1252", "utf-16")))
def test_another_dialect_gives_the_same_ids_or_a_code(
    place: Path, written: Written, delimiter: str, encoding: str
) -> None:
    (place / "a.csv").write_bytes(written.data)
    table = result(partial(read_table, place / "a.csv", Dialect(delimiter=delimiter, encoding=encoding)))
    if isinstance(table, DataError):
        assert table.code.startswith(("TABLE_", "EHR_"))
    elif len(table.columns) == len(written.names):
        assert tuple(table.iloc[:, 0]) == tuple(row[0] for row in written.rows)


@settings(max_examples=300)
@given(tables(), st.data())
def test_damaged_bytes_are_read_or_refused(place: Path, written: Written, data: st.DataObject) -> None:
    damaged = bytearray(written.data)
    for _ in range(data.draw(st.integers(1, 4))):
        damaged[data.draw(st.integers(0, len(damaged) - 1))] = data.draw(st.integers(0, 255))
    (place / "a.csv").write_bytes(bytes(damaged))
    read = result(partial(read_table, place / "a.csv", written.dialect))
    if isinstance(read, DataError):
        assert not any(row[3] in str(read) for row in written.rows if len(row[3]) > 4)


@settings(max_examples=300)
@given(st.lists(st.text(max_size=12), min_size=1, max_size=5), st.sampled_from(("", "%d.%m.%Y", "%m/%d/%y %H:%M")))
def test_any_text_is_a_number_a_date_or_a_code(cells: list[str], style: str) -> None:
    column = pd.Series(cells, name="x", dtype=object)
    for read in (
        lambda: read_column("x", column, ColumnRule(), Dialect()).values,
        lambda: read_times(column, Dialect(dates=style)).values,
    ):
        found = result(read)
        assert found.code in _CODES if isinstance(found, DataError) else len(found) == len(cells)
