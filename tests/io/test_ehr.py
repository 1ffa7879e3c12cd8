from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clinfuse.errors import ConfigError, DataError, DataWarning
from clinfuse.io.ehr import ColumnRule, column_levels, decimal_number, parse_times, read_ehr
from clinfuse.io.tables import Dialect

COMMA = Dialect(decimal=",")


def column(*cells: str) -> pd.DataFrame:
    return pd.DataFrame({"x": list(cells)}, dtype=object)


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1), st.sampled_from([".", ","]))
def test_every_written_float_comes_back_exactly(values: list[float], decimal: str) -> None:
    table = column(*[repr(value).replace(".", decimal) for value in values])
    result = read_ehr(table, {"x": ColumnRule()}, Dialect(decimal=decimal))["x"]
    assert result.dtype == np.float64
    assert result.tolist() == values


@given(st.text(max_size=8), st.sampled_from([".", ","]))
def test_a_number_is_read_as_python_reads_it_or_not_at_all(cell: str, decimal: str) -> None:
    value = decimal_number(cell, decimal)
    if value is not None:
        assert value == float(cell.replace(",", "."))
        assert math.isfinite(value)
        assert cell.isascii()


@pytest.mark.parametrize(
    "cell",
    ["1.234,5", "1,234", "1 234", "5 mg", "inf", "nan", "1e400", "١٢", "0x10", "1_000", "--1", "1.2.3", ".", "e5"],
)
def test_what_is_no_plain_number_is_refused(cell: str) -> None:
    with pytest.raises(DataError, match=r"\[EHR_NUMBER\] column 'x', row 2:") as caught:
        read_ehr(column("1", cell), {"x": ColumnRule()})
    assert len(cell) == 1 or cell not in str(caught.value)


def test_refused_rows_are_named_and_their_cells_are_not() -> None:
    table = column("1", "secret", "2", "secret", "other", "more", "3")
    with pytest.raises(DataError, match=r"row 2, 4, 5 and 1 more: .* found text\.") as caught:
        read_ehr(table, {"x": ColumnRule()})
    assert "secret" not in str(caught.value)


def test_the_other_decimal_sign_is_explained() -> None:
    with pytest.raises(DataError, match=r"found ',' as decimal sign\. Write decimal = \",\""):
        read_ehr(column("1,5"), {"x": ColumnRule()})
    assert read_ehr(column("1,5", ",5", "-2"), {"x": ColumnRule()}, COMMA)["x"].tolist() == [1.5, 0.5, -2.0]
    with pytest.raises(DataError, match=r"found '\.' as decimal sign"):
        read_ehr(column("1.5"), {"x": ColumnRule()}, COMMA)


@pytest.mark.parametrize(("cell", "limit"), [("<5", 5.0), (">= 90", 90.0), ("≤0,5", 0.5)])
def test_limits_are_refused_until_declared(cell: str, limit: float) -> None:
    with pytest.raises(DataError, match=r"\[EHR_NUMBER\].*a sign of comparison\. Write bounds = \"limit\""):
        read_ehr(column(cell), {"x": ColumnRule()}, COMMA)
    assert read_ehr(column(cell), {"x": ColumnRule(bounds="limit")}, COMMA)["x"].tolist() == [limit]
    assert read_ehr(column(cell), {"x": ColumnRule(bounds="missing")}, COMMA)["x"].isna().tolist() == [True]
    with pytest.raises(DataError, match=r"\[EHR_NUMBER\]"):
        read_ehr(column("<low"), {"x": ColumnRule(bounds="limit")})


def test_missing_cells_are_nan() -> None:
    for rule in (
        ColumnRule(missing=("?",)),
        ColumnRule("category", missing=("?",)),
        ColumnRule("yes/no", missing=("?",)),
    ):
        assert read_ehr(column("1", "", "?"), {"x": rule})["x"].isna().tolist() == [False, True, True]


def test_categories_are_the_index_of_their_level() -> None:
    table = column("m", "f", "", "d")
    assert column_levels(table["x"], ColumnRule("category")) == ("d", "f", "m")
    found = read_ehr(table, {"x": ColumnRule("category")})["x"]
    np.testing.assert_array_equal(found, [2.0, 1.0, np.nan, 0.0])
    with pytest.raises(DataError, match=r"\[EHR_LEVEL\] column 'x', row 4:"):
        read_ehr(table, {"x": ColumnRule("category", levels=("m", "f"))})
    np.testing.assert_array_equal(
        read_ehr(table, {"x": ColumnRule("category", levels=("m", "f", "d"))})["x"], [0.0, 1.0, np.nan, 2.0]
    )


def test_answers_are_as_declared() -> None:
    assert read_ehr(column("Yes", "FALSE", "1", "n"), {"x": ColumnRule("yes/no")})["x"].tolist() == [1, 0, 1, 0]
    german = ColumnRule("yes/no", yes=("ja", "1"), no=("nein",))
    assert read_ehr(column("ja", "nein", "1"), {"x": german})["x"].tolist() == [1, 0, 1]
    for rule, cell in ((german, "yes"), (german, "Ja"), (ColumnRule("yes/no"), "ja")):
        with pytest.raises(DataError, match=r"\[EHR_ANSWER\] column 'x', row 1:"):
            read_ehr(column(cell), {"x": rule})


def test_what_cannot_be_becomes_missing_with_a_warning() -> None:
    with pytest.warns(DataWarning, match=r"column 'x': 2 of 4 cells outside the declared range"):
        found = read_ehr(column("-1", "0", "120", "999"), {"x": ColumnRule(range=(0, 120))})["x"]
    np.testing.assert_array_equal(found, [np.nan, 0.0, 120.0, np.nan])


def test_declared_columns_come_in_their_order_with_the_index_of_the_table() -> None:
    table = pd.DataFrame({"a": ["1", "2"], "b": ["3", "4"], "note": ["x", "y"]}, index=[7, 9], dtype=object)
    found = read_ehr(table, {"b": ColumnRule(), "a": ColumnRule()})
    assert list(found.columns) == ["b", "a"]
    assert found.index.tolist() == [7, 9]
    assert found.to_numpy().tolist() == [[3.0, 1.0], [4.0, 2.0]]
    with pytest.raises(DataError, match=r"\[EHR_COLUMN\] column 'CRP'"):
        read_ehr(table, {"CRP": ColumnRule()})


@pytest.mark.parametrize(
    ("cell", "expected"),
    [
        ("2024-05-01", "2024-05-01T00:00:00"),
        ("2024-05-01 09:30", "2024-05-01T09:30:00"),
        ("2024-05-01T09:30:15.5", "2024-05-01T09:30:15"),
        ("", "NaT"),
    ],
)
def test_iso_dates_are_read(cell: str, expected: str) -> None:
    times = parse_times(column(cell)["x"])
    assert times.dtype == np.dtype("datetime64[s]")
    assert times.astype(str).tolist() == [expected]


@pytest.mark.parametrize(
    "cell", ["01.05.2024", "2024-02-30", "20240501", "2024-05-01 09:30+02:00", "2024-W01-1", "May 1"]
)
def test_other_dates_are_refused_without_a_declared_format(cell: str) -> None:
    with pytest.raises(DataError, match=r"\[EHR_TIME\] column 'x', row 2:") as caught:
        parse_times(column("2024-05-01", cell)["x"])
    assert cell not in str(caught.value)


@given(
    st.datetimes(
        min_value=pd.Timestamp("1900-01-01").to_pydatetime(), max_value=pd.Timestamp("2200-01-01").to_pydatetime()
    )
)
def test_a_declared_format_is_read_to_the_minute(moment: object) -> None:
    style = "%d.%m.%Y %H:%M"
    cell = moment.strftime(style)  # type: ignore[attr-defined]
    (found,) = parse_times(column(cell)["x"], Dialect(dates=style))
    assert found == np.datetime64(moment, "m")  # type: ignore[call-overload]


@pytest.mark.parametrize(
    ("code", "settings"),
    [
        ("COLUMN_KIND", {"kind": "text"}),
        ("COLUMN_LEVELS", {"kind": "category", "levels": ("a", "a")}),
        ("COLUMN_ANSWERS", {"kind": "yes/no", "yes": ("1",)}),
        ("COLUMN_ANSWERS", {"kind": "yes/no", "yes": ("1",), "no": ("1",)}),
        ("COLUMN_RANGE", {"range": (5.0, 5.0)}),
        ("COLUMN_BOUNDS", {"bounds": "guess"}),
    ],
)
def test_a_rule_is_valid_once_constructed(code: str, settings: dict[str, object]) -> None:
    with pytest.raises(ConfigError, match=rf"\[{code}\]"):
        ColumnRule(**settings)  # type: ignore[arg-type]
