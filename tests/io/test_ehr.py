from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clinfuse.errors import ConfigError, DataError, DataWarning
from clinfuse.io.cells import decimal_number
from clinfuse.io.ehr import ColumnRule, column_levels, read_column, read_ehr
from clinfuse.io.tables import Dialect
from clinfuse.io.times import parse_times, read_times

COMMA = Dialect(decimal=",")


def column(*cells: str) -> pd.DataFrame:
    return pd.DataFrame({"x": list(cells)}, dtype=object)


def told(name: str, cells: list[str], rule: ColumnRule) -> dict[str, int]:
    """How many cells of a column became something else, by code."""
    return {one.code: one.number for one in read_column(name, pd.Series(cells, dtype=object), rule, Dialect()).told}


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
    ["1.234,5", "1,234", "1 234", "5 mg", "١٢", "0x10", "1_000", "--1", "1.2.3", ".", "e5"],
)
def test_what_is_no_plain_number_is_refused(cell: str) -> None:
    with pytest.raises(DataError, match=r"\[EHR_NUMBER\] column 'x', row 2:") as caught:
        read_ehr(column("1", cell), {"x": ColumnRule()})
    assert len(cell) == 1 or cell not in str(caught.value)


def test_refused_rows_are_named_and_their_cells_are_not() -> None:
    table = column("1", "secret", "2", "secret", "other", "more", "3")
    with pytest.raises(DataError, match=r"row 2, 4, 5 and 1 more: .* found 4 cells of text\.") as caught:
        read_ehr(table, {"x": ColumnRule()})
    assert "secret" not in str(caught.value)


def test_the_other_decimal_sign_is_explained() -> None:
    with pytest.raises(DataError, match=r"found 1 cells with the other decimal sign\. Write `decimal = \",\"`"):
        read_ehr(column("1,5"), {"x": ColumnRule()})
    assert read_ehr(column("1,5", ",5", "-2"), {"x": ColumnRule()}, COMMA)["x"].tolist() == [1.5, 0.5, -2.0]
    with pytest.raises(DataError, match=r"other decimal sign\. Write `decimal = \"\.\"`"):
        read_ehr(column("1.5"), {"x": ColumnRule()}, COMMA)


@pytest.mark.parametrize(("cell", "limit"), [("<5", 5.0), (">= 90", 90.0), ("≤0,5", 0.5)])
def test_limits_are_refused_until_declared(cell: str, limit: float) -> None:
    with pytest.raises(
        DataError, match=r"\[EHR_NUMBER\].*1 cells with a sign of comparison\. Write `censored = \"limit\"`"
    ):
        read_ehr(column(cell), {"x": ColumnRule()}, COMMA)
    with pytest.warns(DataWarning, match="1 limits of measurement"):
        assert read_ehr(column(cell), {"x": ColumnRule(censored="limit")}, COMMA)["x"].tolist() == [limit]
    with pytest.warns(DataWarning, match="1 limits of measurement"):
        assert read_ehr(column(cell), {"x": ColumnRule(censored="missing")}, COMMA)["x"].isna().tolist() == [True]
    with pytest.raises(DataError, match=r"\[EHR_NUMBER\]"):
        read_ehr(column("<low"), {"x": ColumnRule(censored="limit")})


def test_infinity_is_missing_and_told() -> None:
    with pytest.warns(DataWarning, match="4 cells that say infinity"):
        found = read_ehr(column("inf", "-Infinity", "1e400", "∞", "-0", "1e-400"), {"x": ColumnRule()})["x"]
    np.testing.assert_array_equal(found, [np.nan] * 4 + [0.0, 0.0])


@pytest.mark.parametrize(
    ("cells", "found", "line"),
    [
        (("1.5", "2,5"), "1 cells with the other decimal sign", "one decimal sign"),
        (("1.5", "1.234,5"), "1 cells with a thousands separator", 'text = "missing"'),
        (("1", "1+", "++", "(+)"), "3 cells graded with", 'text = "missing"'),
        (("1", "12 (H)", "12", "9 mg"), "2 cells with a number and something after it", 'text = "missing"'),
        (("1", "NA", "NA", "?"), "3 cells of text", 'missing = ["NA", "?"]'),
        (("1", "<3", "neg", "<5"), "2 cells with a sign of comparison, 1 cells of text", 'censored = "limit", text'),
    ],
)
def test_a_refusal_counts_kinds_of_cells_and_prints_the_way_out(cells: tuple[str, ...], found: str, line: str) -> None:
    with pytest.raises(DataError, match=r"\[EHR_NUMBER\]") as caught:
        read_ehr(column(*cells), {"x": ColumnRule()})
    assert found in caught.value.found
    assert line in caught.value.remedy


def test_text_and_limits_are_left_out_where_declared() -> None:
    rule = ColumnRule(censored="limit", text="missing")
    with pytest.warns(DataWarning, match=r"2 cells without a number|1 limits"):
        found = read_ehr(column("1", "<3", "neg", "12 (H)"), {"x": rule})["x"]
    np.testing.assert_array_equal(found, [1.0, 3.0, np.nan, np.nan])
    assert told("x", ["1", "<3", "neg", "12 (H)"], rule) == {"EHR_CENSORED": 1, "EHR_TEXT": 2}
    with pytest.raises(DataError, match="other decimal sign"):
        read_ehr(column("1,5"), {"x": rule})


def test_undeclared_levels_may_have_a_level_of_their_own() -> None:
    declared = {"kind": "category", "levels": ("m", "f")}
    with pytest.raises(DataError, match=r"\[EHR_LEVEL\].*`unlisted = \"other\"`"):
        read_ehr(column("m", "x"), {"x": ColumnRule(**declared)})  # type: ignore[arg-type]
    rule = ColumnRule("category", levels=("m", "f"), unlisted="other")
    with pytest.warns(DataWarning, match="1 cells with a level that is not declared"):
        assert read_ehr(column("m", "x"), {"x": rule})["x"].tolist() == [0.0, 2.0]
    assert told("x", ["m", "x", "y"], rule) == {"EHR_UNLISTED": 2}
    assert column_levels(column("m")["x"], rule) == ("m", "f", "other")


def test_free_text_is_no_category() -> None:
    remarks = column(*[f"remark {k}" for k in range(12)])
    with pytest.raises(DataError, match=r"\[EHR_FREE_TEXT\].*12 different values in 12 cells") as caught:
        read_ehr(remarks, {"x": ColumnRule("category")})
    assert "remark" not in str(caught.value)
    assert column_levels(pd.concat([remarks["x"]] * 2), ColumnRule("category")) == tuple(sorted(remarks["x"]))


def test_a_misspelt_column_is_recognised_only_if_it_is_close() -> None:
    table = pd.DataFrame({"crp ": ["1"], "Meyer": ["2"]}, dtype=object)
    with pytest.raises(DataError, match=r"\[EHR_COLUMN\].*Did you mean 'crp '\?"):
        read_ehr(table, {"CRP": ColumnRule()})
    with pytest.raises(DataError, match=r"\[EHR_COLUMN\].*Compare the names") as caught:
        read_ehr(table, {"sodium": ColumnRule()})
    assert "Meyer" not in str(caught.value)


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
    with pytest.warns(DataWarning, match=r"column 'x': 2 cells outside the declared range"):
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


@pytest.mark.parametrize("cell", ["01.05.2024", "2024-13-01", "20240501", "2024-05-01 9:30", "2024-W01-1", "May 1"])
def test_other_dates_are_refused_without_a_declared_format(cell: str) -> None:
    with pytest.raises(DataError, match=r"\[EHR_TIME\] column 'x', row 2:") as caught:
        parse_times(column("2024-05-01", cell)["x"])
    assert cell not in str(caught.value)


@pytest.mark.parametrize(
    ("cells", "remedy"),
    [
        (["25.12.2020", "01.02.2020"], '`dates = "%d.%m.%Y"`'),
        (["12/25/2020 08:00", "01/02/2020 09:30"], '`dates = "%m/%d/%Y %H:%M"`'),
        (["01/02/2020", "03/04/2020"], '`dates = "%d/%m/%Y"` or `dates = "%m/%d/%Y"`'),
        (["25/12/2020", "12/25/2020"], "e.g. `dates"),
        (["20201225"], '`dates = "%Y%m%d"`'),
        (["2020-5-1"], '`dates = "%Y-%m-%d"`'),
        (["25-Dec-2020"], '`dates = "%d-%b-%Y"`'),
    ],
)
def test_the_declaration_that_would_read_every_date_is_printed(cells: list[str], remedy: str) -> None:
    with pytest.raises(DataError, match=r"\[EHR_TIME\]") as caught:
        parse_times(column(*cells)["x"])
    assert remedy in caught.value.remedy


@pytest.mark.parametrize(
    ("style", "cell"),
    [
        ("", "2023-02-30"),
        ("", "0001-01-01"),
        ("", "9999-12-31"),
        ("", "1900-01-00"),
        ("", "2099-02-02"),
        ("%d.%m.%Y", "31.04.2020"),
        ("%d.%m.%Y %H:%M", "01.01.1900 00:00"),
    ],
)
def test_dates_that_cannot_be_are_missing_and_counted(style: str, cell: str) -> None:
    good = pd.Timestamp("2020-05-04").strftime(style or "%Y-%m-%d")
    read = read_times(column(good, cell, "")["x"], Dialect(dates=style))
    assert (np.isnat(read.values).tolist(), read.impossible) == ([False, True, True], 1)


def test_exchanged_days_and_months_are_no_impossible_dates() -> None:
    with pytest.raises(DataError, match=r"\[EHR_TIME\].*row 2"):
        parse_times(column("03/04/2020", "04/25/2020")["x"], Dialect(dates="%d/%m/%Y"))


def test_shifted_dates_of_a_public_database_are_kept() -> None:
    cells = column("2110-01-01", "2150-06-01", "2212-03-04")["x"]
    assert read_times(cells).impossible == 0


def test_offsets_need_a_declared_zone() -> None:
    cells = column("2024-07-01 09:30+00:00", "2024-01-01T09:30Z", "2024-01-01 10:30")["x"]
    with pytest.raises(DataError, match=r"\[EHR_ZONE\] column 'x', row 1, 2:.*`time_zone = \"UTC\"`"):
        parse_times(cells)
    found = parse_times(cells, Dialect(time_zone="Europe/Berlin")).astype(str).tolist()
    assert found == ["2024-07-01T11:30:00", "2024-01-01T10:30:00", "2024-01-01T10:30:00"]


@given(
    st.datetimes(
        min_value=pd.Timestamp("1901-01-01").to_pydatetime(), max_value=pd.Timestamp("2200-01-01").to_pydatetime()
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
        ("COLUMN_CENSORED", {"censored": "guess"}),
    ],
)
def test_a_rule_is_valid_once_constructed(code: str, settings: dict[str, object]) -> None:
    with pytest.raises(ConfigError, match=rf"\[{code}\]"):
        ColumnRule(**settings)  # type: ignore[arg-type]
