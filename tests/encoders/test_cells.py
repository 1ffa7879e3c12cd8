"""Missing cells filled from the other cells of a record: what scikit-learn fills, stored and restored exactly."""

import warnings

import numpy as np
import pytest
from sklearn.exceptions import ConvergenceWarning
from sklearn.experimental import enable_iterative_imputer  # noqa: F401
from sklearn.impute import IterativeImputer, KNNImputer

from clinfuse.encoders.cells import CellFill, FilledTable, IterativeCells, NeighbourCells, cell_fill_names
from clinfuse.encoders.table import ColumnSpec, TablePreparation
from clinfuse.errors import ConfigError

COLUMNS = [
    ColumnSpec("crp"),
    ColumnSpec("il6"),
    ColumnSpec("ward", "category", ("a", "b", "c")),
    ColumnSpec("sodium"),
    ColumnSpec("fever", "yes/no"),
]
every = pytest.mark.parametrize("kind", [NeighbourCells, IterativeCells])


def table_of(n=120, seed=0, missing=0.2):
    """CRP and IL-6 say nearly the same; ward and sodium nothing."""
    rng = np.random.default_rng(seed)
    crp = rng.standard_normal(n)
    ward = rng.integers(0, 3, n)
    columns = [10 + 3 * crp, crp + 0.1 * rng.standard_normal(n), ward, 140 + rng.standard_normal(n), crp > 1]
    complete = np.stack(columns, axis=1).astype(float)
    return np.where(rng.random(complete.shape) < missing, np.nan, complete), complete


def filled(kind, seed=0):
    values, _ = table_of(seed=seed)
    return FilledTable(TablePreparation(COLUMNS, style="linear"), kind.name).fit(values)


def test_every_way_is_named():
    assert {kind.name for kind in CellFill.__subclasses__()} | {"median"} == set(cell_fill_names())


@every
def test_cells_are_those_of_scikit_learn(kind):
    rng = np.random.default_rng(0)
    table = rng.standard_normal((80, 4))
    table[:, 1] += table[:, 0]
    train, fresh = (np.where(rng.random((80, 4)) < 0.2, np.nan, t) for t in (table, rng.standard_normal((80, 4))))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        reference = (KNNImputer() if kind is NeighbourCells else IterativeImputer(random_state=0)).fit(train)
    np.testing.assert_allclose(kind().fit(train).fill(fresh), reference.transform(fresh), rtol=0, atol=1e-9)


@every
def test_a_missing_number_follows_from_the_others_and_is_still_flagged(kind):
    table = filled(kind)
    values, complete = table_of(n=300, seed=5)
    holes = np.isnan(values[:, 0]) & ~np.isnan(values[:, 1])
    prepared = table.transform(values)
    truth = table.table.transform(complete)[:, table.names_.index("crp")]
    mine = np.abs(prepared[:, table.names_.index("crp")] - truth)[holes].mean()
    medians = np.abs(table.table.transform(values)[:, table.names_.index("crp")] - truth)[holes].mean()
    assert mine < 0.6 * medians
    np.testing.assert_array_equal(prepared[:, table.names_.index("crp missing")], np.isnan(values[:, 0]))
    assert np.isfinite(prepared).all()


@every
def test_what_is_there_is_left_alone(kind):
    table, (values, _) = filled(kind), table_of(seed=1)
    holes = table.table.holes(values)
    np.testing.assert_array_equal(table.transform(values)[~holes], table.table.transform(values)[~holes])
    assert holes.any()


@every
def test_a_stored_fill_gives_the_same_bits_and_a_row_alone_the_same_numbers(kind):
    table, (values, _) = filled(kind), table_of(seed=1)
    again = FilledTable.from_state(table.to_state())
    np.testing.assert_array_equal(again.transform(values), table.transform(values))
    alone = np.concatenate([table.transform(values[k : k + 1]) for k in range(len(values))])
    np.testing.assert_allclose(alone, table.transform(values), rtol=0, atol=1e-12)


@every
def test_a_column_complete_in_training_may_be_missing_later(kind):
    _, complete = table_of()
    table = FilledTable(TablePreparation(COLUMNS, style="linear"), kind.name).fit(complete)
    values, _ = table_of(seed=1)
    assert np.isfinite(table.transform(values)).all()


def test_what_cannot_be_is_refused():
    with pytest.raises(ConfigError, match=r"TABLE_CELLS.*iterative, knn, median"):
        FilledTable(TablePreparation(COLUMNS, style="linear"), "mean")
    with pytest.raises(ConfigError, match="TABLE_CELLS"):
        FilledTable(TablePreparation(COLUMNS, style="tree"), "knn")
