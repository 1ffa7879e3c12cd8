"""Missing cells of a table filled from the other cells of the record, instead of by a median."""

from __future__ import annotations

import warnings
from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar, final

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.experimental import enable_iterative_imputer  # noqa: F401  (lets the next line import it)
from sklearn.impute import IterativeImputer, KNNImputer

from clinfuse.encoders.table import LIMIT, TablePreparation
from clinfuse.errors import ConfigError
from clinfuse.shapes import Table

MEDIAN = "median"


class CellFill(ABC):
    """Fill the missing cells of prepared, standardised columns from the columns that are there."""

    name: ClassVar[str]

    @abstractmethod
    def fit(self, table: Table) -> CellFill:
        """Learn from training rows, float64 (records, width), NaN where a cell is missing; gives itself."""

    @abstractmethod
    def fill(self, table: Table) -> Table:
        """Give rows without missing cells, float64 (records, width)."""

    @abstractmethod
    def to_state(self) -> dict[str, Any]:
        """Give everything learned, as numbers and arrays."""

    @abstractmethod
    def restore(self, state: Mapping[str, Any]) -> None:
        """Take back what `to_state` gave."""


@final
class NeighbourCells(CellFill):
    """The mean of the five nearest training rows that have the cell, by scikit-learn's ``KNNImputer``.

    What is stored holds the prepared rows of the training records, without ids.

    References
    ----------
    Troyanskaya et al. 2001, doi 10.1093/bioinformatics/17.6.520.
    """

    name = "knn"

    def fit(self, table: Table) -> CellFill:
        """Remember the training rows; see ``CellFill.fit``."""
        self.rows_ = np.array(table, dtype=np.float64)
        self._imputer = KNNImputer(n_neighbors=5).fit(self.rows_)
        return self

    def fill(self, table: Table) -> Table:
        """Give rows without missing cells; see ``CellFill.fill``."""
        return np.asarray(self._imputer.transform(table), dtype=np.float64)

    def to_state(self) -> dict[str, Any]:
        """Give the training rows."""
        return {"rows": self.rows_}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take the training rows back."""
        self.fit(state["rows"])


@final
class IterativeCells(CellFill):
    """A ridge regression of each column on all others, in turn and ten times over.

    The regressions are those of scikit-learn's ``IterativeImputer``; they are applied here from their coefficients, so
    that a stored model fills the same bits.

    References
    ----------
    van Buuren and Groothuis-Oudshoorn 2011, mice, doi 10.18637/jss.v045.i03.
    """

    name = "iterative"

    def fit(self, table: Table) -> CellFill:
        """Learn the regressions; see ``CellFill.fit``."""
        imputer = IterativeImputer(max_iter=10, random_state=0)
        with warnings.catch_warnings():
            # Ten rounds are what is meant, whether or not another would still move the last digits.
            warnings.simplefilter("ignore", ConvergenceWarning)
            imputer.fit(table)
        sequence = imputer.imputation_sequence_ if np.isnan(table).any() else []
        self.start_ = np.asarray(imputer.initial_imputer_.statistics_, dtype=np.float64)
        self.columns_ = np.array([step.feat_idx for step in sequence], dtype=np.int64)
        self.slopes_ = np.zeros((len(sequence), table.shape[1]))
        self.intercepts_ = np.array([step.estimator.intercept_ for step in sequence], dtype=np.float64)
        for row, step in zip(self.slopes_, sequence, strict=True):
            row[step.neighbor_feat_idx] = step.estimator.coef_
        return self

    def fill(self, table: Table) -> Table:
        """Give rows without missing cells; see ``CellFill.fill``."""
        missing = np.isnan(table)
        filled = np.where(missing, self.start_, table)
        for column, slope, intercept in zip(self.columns_, self.slopes_, self.intercepts_, strict=True):
            rows = missing[:, column]
            if rows.any():
                filled[rows, column] = (filled[rows] * slope).sum(1) + intercept
        return filled

    def to_state(self) -> dict[str, Any]:
        """Give start values and regressions in their order."""
        return {
            "start": self.start_,
            "columns": self.columns_,
            "slopes": self.slopes_,
            "intercepts": self.intercepts_,
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take start values and regressions back."""
        self.start_, self.columns_ = state["start"], state["columns"]
        self.slopes_, self.intercepts_ = state["slopes"], state["intercepts"]


_CELL_FILLS: dict[str, type[CellFill]] = {kind.name: kind for kind in (IterativeCells, NeighbourCells)}


def cell_fill_names() -> tuple[str, ...]:
    """Give the names of all ways to fill missing cells, sorted.

    Examples
    --------
    >>> cell_fill_names()
    ('iterative', 'knn', 'median')
    """
    return tuple(sorted((MEDIAN, *_CELL_FILLS)))


@final
class FilledTable:
    """A table preparation whose missing numbers come from the other cells of the record; flags of missing cells stay.

    Parameters
    ----------
    table : TablePreparation
        Unfitted, of style "network" or "linear".
    cells : {"knn", "iterative"}

    Raises
    ------
    ConfigError
        ``TABLE_CELLS``: another name, or a preparation for trees, which read missing cells as they are.
    """

    def __init__(self, table: TablePreparation, cells: str) -> None:
        if cells not in _CELL_FILLS or table.style == "tree":
            raise ConfigError(
                "TABLE_CELLS",
                place="cells",
                rule=f"one of {', '.join(cell_fill_names())}; trees take missing cells as they are",
                found="another name, or trees",
                remedy='Write cells = "median".',
            )
        self.table = table
        self.cells = cells

    @property
    def names_(self) -> tuple[str, ...]:
        """Of the prepared columns."""
        return self.table.names_

    @property
    def source_(self) -> tuple[int, ...]:
        """Index of the declared column each prepared column is made of."""
        return self.table.source_

    def fit(self, values: Table) -> FilledTable:
        """Learn preparation and fill from training rows, float64 (records, columns); gives itself."""
        self.table.fit(values)
        self.fill_ = _CELL_FILLS[self.cells]().fit(self._with_holes(values))
        return self

    def transform(self, values: Table) -> Table:
        """Give prepared rows without missing cells, float64 (records, width)."""
        prepared = self._with_holes(values)
        return np.where(np.isnan(prepared), np.clip(self.fill_.fill(prepared), -LIMIT, LIMIT), prepared)

    def _with_holes(self, values: Table) -> Table:
        return np.where(self.table.holes(values), np.nan, self.table.transform(values))

    def to_state(self) -> dict[str, Any]:
        """Give everything learned."""
        return {"cells": self.cells, "table": self.table.to_state(), "fill": self.fill_.to_state()}

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> FilledTable:
        """Give the preparation that `to_state` described."""
        made = cls(TablePreparation.from_state(state["table"]), state["cells"])
        made.fill_ = _CELL_FILLS[made.cells]()
        made.fill_.restore(state["fill"])
        return made
