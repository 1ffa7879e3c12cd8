"""Table preparation: what is learned, from which rows, and what happens to cells never seen before."""

from __future__ import annotations

import json
from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from clinfuse.encoders.table import ColumnSpec, Style, TablePreparation
from clinfuse.errors import ConfigError, DataError, StorageError

NAN = float("nan")
COLUMNS = (
    ColumnSpec("crp"),
    ColumnSpec("smoker", "yes/no"),
    ColumnSpec("site", "category", ("north", "south", "west")),
)
ROWS = np.array([[1.0, 0.0, 0.0], [3.0, 1.0, 1.0], [8.0, 1.0, 1.0], [NAN, 0.0, 0.0]])


def fitted(style: Style = "network") -> TablePreparation:
    return TablePreparation(COLUMNS, style=style).fit(ROWS)


def test_names_sources_and_values_by_hand() -> None:
    made = fitted()
    assert made.names_ == ("crp", "crp missing", "smoker", "site = north", "site = south")
    assert made.source_ == (0, 0, 1, 2, 2)
    assert made.width == 5
    mean, spread = 4.0, np.sqrt((9 + 1 + 16) / 3)
    expected = [
        [(1 - mean) / spread, 0, -1, 1, 0],
        [(3 - mean) / spread, 0, 1, 0, 1],
        [(8 - mean) / spread, 0, 1, 0, 1],
        [(3 - mean) / spread, 1, -1, 1, 0],
    ]
    np.testing.assert_allclose(made.transform(ROWS), expected, atol=1e-12)


def test_trees_get_numbers_as_they_are_and_missing_as_missing() -> None:
    made = fitted("tree")
    assert made.names_ == ("crp", "smoker", "site")
    np.testing.assert_array_equal(made.transform(ROWS), ROWS)
    unseen = made.transform(np.array([[2.0, NAN, 2.0]]))
    np.testing.assert_array_equal(unseen, [[2.0, NAN, NAN]])


def test_linear_models_get_what_networks_get() -> None:
    np.testing.assert_array_equal(fitted("linear").transform(ROWS), fitted().transform(ROWS))


def test_a_cell_missing_for_the_first_time_is_filled_with_the_median() -> None:
    made = fitted()
    row = made.transform(np.array([[3.0, NAN, NAN]]))
    assert row.tolist()[0][2:] == [0.0, 0.0, 0.0]


@pytest.mark.parametrize("level", [2.0, 7.0, -1.0, 0.5])
def test_a_level_not_seen_in_training_counts_as_missing(level: float) -> None:
    rows = ROWS.copy()
    rows[3, 2] = NAN
    made = TablePreparation(COLUMNS).fit(rows)
    assert made.names_[-3:] == ("site = north", "site = south", "site missing")
    known, unseen = made.transform(np.array([[1.0, 0.0, 0.0], [1.0, 0.0, level]]))
    assert known[-3:].tolist() == [1.0, 0.0, 0.0]
    assert unseen[-3:].tolist() == [0.0, 0.0, 1.0]


def test_outliers_are_kept_within_five_standard_deviations() -> None:
    made = TablePreparation([ColumnSpec("crp")]).fit(np.array([[-1.0], [1.0]]))
    np.testing.assert_array_equal(made.transform(np.array([[1e9], [-1e9], [4.0]])), [[5.0], [-5.0], [4.0]])


def test_columns_that_say_nothing_are_left_out() -> None:
    columns = [ColumnSpec("constant"), ColumnSpec("empty"), ColumnSpec("only when there"), ColumnSpec("varies")]
    columns += [ColumnSpec("one level", "category", ("a", "b"))]
    rows = np.array([[7.0, NAN, 2.0, 1.0, 0.0], [7.0, NAN, NAN, 2.0, 0.0]])
    flat = TablePreparation(columns).fit(rows)
    assert flat.names_ == ("only when there missing", "varies")
    tree = TablePreparation(columns, style="tree").fit(rows)
    assert tree.names_ == ("only when there", "varies")
    assert tree.source_ == (2, 3)


def test_rounding_is_not_variation() -> None:
    column = np.full(7, 0.1) * np.array([1, 1, 1, 1, 1, 1, 1 + 2e-16])
    with pytest.raises(DataError, match="TABLE_EMPTY"):
        TablePreparation([ColumnSpec("x")]).fit(column[:, None])


def test_only_the_rows_of_fit_are_learned_from() -> None:
    made = fitted()
    before = json.dumps(made.to_state())
    made.transform(np.array([[1e6, NAN, 2.0]]))
    assert json.dumps(made.to_state()) == before


def test_fitting_again_forgets() -> None:
    made = fitted()
    again = made.fit(np.array([[1.0, 0.0, 2.0], [2.0, 1.0, 0.0]]))
    assert again is made
    assert made.names_ == ("crp", "smoker", "site = north", "site = west")
    fresh = TablePreparation(COLUMNS).fit(np.array([[1.0, 0.0, 2.0], [2.0, 1.0, 0.0]]))
    assert made.to_state() == fresh.to_state()


def test_arguments_are_left_untouched() -> None:
    rows = ROWS.copy()
    fitted().transform(rows)
    np.testing.assert_array_equal(rows, ROWS)


cells = st.one_of(st.just(NAN), st.floats(-1e12, 1e12))
codes = st.sampled_from([NAN, 0.0, 1.0, 2.0])
tables = st.integers(2, 12).flatmap(
    lambda n: st.tuples(arrays(np.float64, n, elements=cells), arrays(np.float64, n, elements=codes))
)


@given(tables, tables, st.sampled_from(["network", "linear", "tree"]))
@settings(max_examples=150, deadline=None)
def test_any_table_is_prepared_and_stored_exactly(
    training: tuple[np.ndarray, np.ndarray], later: tuple[np.ndarray, np.ndarray], style: Style
) -> None:
    columns = [ColumnSpec("x"), ColumnSpec("c", "category", ("a", "b", "c"))]
    made = TablePreparation(columns, style=style)
    try:
        made.fit(np.stack(training, 1))
    except DataError as error:
        if error.code != "TABLE_EMPTY":
            raise
        return
    out = made.transform(np.stack(later, 1))
    assert out.shape == (len(later[0]), len(made.names_)) == (len(later[0]), len(made.source_))
    assert out.dtype == np.float64
    if style != "tree":
        assert np.isfinite(out).all()
        assert np.abs(out).max() <= 5
    again = TablePreparation.from_state(json.loads(json.dumps(made.to_state(), allow_nan=False)))
    np.testing.assert_array_equal(again.transform(np.stack(later, 1)), out)
    assert again.to_state() == made.to_state()
    assert (again.names_, again.source_) == (made.names_, made.source_)


@given(tables)
@settings(max_examples=50, deadline=None)
def test_one_row_is_prepared_as_in_a_table(training: tuple[np.ndarray, np.ndarray]) -> None:
    columns = [ColumnSpec("x"), ColumnSpec("c", "category", ("a", "b", "c"))]
    rows = np.vstack([np.stack(training, 1), [[0.0, 0.0], [1.0, 1.0]]])
    made = TablePreparation(columns).fit(rows)
    together = made.transform(rows)
    alone = np.vstack([made.transform(row[None]) for row in rows])
    np.testing.assert_array_equal(together, alone)


def test_anything_with_name_kind_and_levels_declares_a_column() -> None:
    @dataclass(frozen=True)
    class Declared:
        name: str = "lactate"
        kind: str = "number"
        unit: str = "mmol/l"
        levels: tuple[str, ...] = ()

    made = TablePreparation([Declared()]).fit(np.array([[1.0], [2.0]]))
    assert made.columns == (ColumnSpec("lactate"),)


def test_nothing_is_prepared_before_fit() -> None:
    made = TablePreparation(COLUMNS)
    with pytest.raises(DataError, match="TABLE_UNFITTED"):
        made.transform(ROWS)
    with pytest.raises(DataError, match="TABLE_UNFITTED"):
        made.to_state()


@pytest.mark.parametrize(
    ("rows", "code"),
    [
        (np.zeros((0, 3)), "TABLE_EMPTY"),
        (np.zeros((4, 3)), "TABLE_EMPTY"),
        (np.zeros((4, 2)), "TABLE_SHAPE"),
        (np.zeros(3), "TABLE_SHAPE"),
        (np.array([[np.inf, 0, 0], [1, 0, 0]]), "TABLE_INFINITE.*column crp"),
    ],
)
def test_a_table_that_cannot_be_learned_from_is_refused(rows: np.ndarray, code: str) -> None:
    with pytest.raises(DataError, match=code):
        TablePreparation(COLUMNS).fit(rows)


def test_an_infinite_cell_is_refused_later_too_without_saying_its_value() -> None:
    with pytest.raises(DataError, match="TABLE_INFINITE"):
        fitted().transform(np.array([[-np.inf, 0.0, 0.0]]))


@pytest.mark.parametrize(
    "make",
    [
        lambda: TablePreparation([]),
        lambda: TablePreparation([ColumnSpec("a"), ColumnSpec("a")]),
        lambda: TablePreparation(COLUMNS, style="forest"),
        lambda: ColumnSpec("a", "colour"),
        lambda: ColumnSpec("a", "category"),
    ],
)
def test_declarations_are_checked(make: object) -> None:
    with pytest.raises(ConfigError, match=r"TABLE_COLUMN|TABLE_STYLE"):
        make()


@pytest.mark.parametrize("change", [{"format": 2}, {"columns": 3}, {"outputs": [{"no": 1}]}, {"style": "forest"}])
def test_a_state_that_is_not_one_is_refused(change: dict[str, object]) -> None:
    with pytest.raises(StorageError, match="TABLE_STATE"):
        TablePreparation.from_state(fitted().to_state() | change)
