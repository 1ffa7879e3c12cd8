"""Preparation of a table, learned inside a fold: for networks and linear models, or for trees."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal, NoReturn, Protocol, final

import numpy as np
import numpy.typing as npt

from clinfuse.errors import ConfigError, DataError, StorageError
from clinfuse.shapes import Table

Style = Literal["network", "linear", "tree"]
ColumnKind = Literal["number", "category", "yes/no"]

_STYLES = ("network", "linear", "tree")
_KINDS = ("number", "category", "yes/no")
LIMIT = 5.0
_FLAT = 1e-12
_FORMAT = 1


class DeclaredColumn(Protocol):
    """What has to be known of a column: name, kind, levels."""

    @property
    def name(self) -> str:
        """As declared."""

    @property
    def kind(self) -> ColumnKind:
        """Of its values."""

    @property
    def levels(self) -> tuple[str, ...]:
        """Categories in the order of their index."""


@final
@dataclass(frozen=True)
class ColumnSpec:
    """One column of a table to be prepared.

    Parameters
    ----------
    name : str
        As declared.
    kind : {"number", "category", "yes/no"}
        A yes/no column holds 0.0 and 1.0, a category column the index of its level.
    levels : tuple of str
        The categories in the order of their index; empty for numbers.

    Raises
    ------
    ConfigError
        ``TABLE_COLUMN`` where the kind does not exist, or a category column has no levels.
    """

    name: str
    kind: ColumnKind = "number"
    levels: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "levels", tuple(self.levels))
        if self.kind not in _KINDS or (self.kind == "category" and not self.levels):
            raise ConfigError(
                "TABLE_COLUMN",
                place=f"column {self.name}",
                rule=f"a kind out of {', '.join(_KINDS)}, a category with its levels",
                found="another declaration",
                remedy="Correct the declaration of the column.",
            )


@final
@dataclass(frozen=True)
class _Output:
    """One prepared column: what it is made of and the numbers learned for it."""

    name: str
    source: int
    role: str  # value | level | missing | raw
    level: int = -1
    fill: float = 0.0
    centre: float = 0.0
    spread: float = 1.0


@final
class TablePreparation:
    """Turn declared columns with missing cells into columns a model can read, learning only from the rows of ``fit``.

    For ``"network"`` and ``"linear"``: a number is filled with its median, standardised and kept within five standard
    deviations; a category becomes one column for each level seen; a column with missing cells in ``fit`` gets a flag.
    A category level not seen in ``fit`` counts as missing. For ``"tree"``: numbers and level indices as they are,
    missing cells and unseen levels NaN. Columns that say the same for every row of ``fit`` are left out.

    Parameters
    ----------
    columns : sequence of ColumnSpec, or of anything with name, kind and levels
        One per column of the table, in its order; names are unique.
    style : {"network", "linear", "tree"}
        Of the model that reads the result.

    Attributes
    ----------
    names_ : tuple of str
        Of the prepared columns.
    source_ : tuple of int
        Index of the declared column each prepared column is made of.

    Raises
    ------
    ConfigError
        ``TABLE_COLUMN``, ``TABLE_STYLE``.

    Examples
    --------
    >>> columns = [ColumnSpec("crp"), ColumnSpec("sex", "category", ("female", "male"))]
    >>> table = np.array([[1.0, 0.0], [3.0, 1.0], [np.nan, 1.0]])
    >>> prepared = TablePreparation(columns).fit(table)
    >>> prepared.names_
    ('crp', 'crp missing', 'sex = female', 'sex = male')
    >>> prepared.transform(table)[:, :2].tolist()
    [[-1.0, 0.0], [1.0, 0.0], [0.0, 1.0]]
    """

    names_: tuple[str, ...]
    source_: tuple[int, ...]

    def __init__(self, columns: Sequence[DeclaredColumn], *, style: Style = "network") -> None:
        self.columns = tuple(ColumnSpec(column.name, column.kind, tuple(column.levels)) for column in columns)
        self.style = style
        self._seen: dict[int, tuple[int, ...]] = {}
        self._outputs: tuple[_Output, ...] = ()
        names = [column.name for column in self.columns]
        if len(set(names)) != len(names) or not names:
            _refuse_config("TABLE_COLUMN", "at least one column, each with its own name", "none, or a name used twice")
        if style not in _STYLES:
            _refuse_config("TABLE_STYLE", f"a style out of {', '.join(_STYLES)}", "another style")

    @property
    def width(self) -> int:
        """Number of prepared columns."""
        return len(self._fitted())

    def fit(self, values: Table) -> TablePreparation:
        """Learn medians, means, spreads and levels from training rows, and give the preparation itself.

        Parameters
        ----------
        values : ndarray of float64, (records, columns)
            Training records that have the table; NaN where a cell is missing.

        Raises
        ------
        DataError
            ``TABLE_SHAPE``, ``TABLE_INFINITE``; ``TABLE_EMPTY`` without rows or without a column that varies.
        """
        table = self._table(values)
        if not len(table):
            _refuse_data("TABLE_EMPTY", "at least one training record has the table", "none")
        learn = self._raw_outputs if self.style == "tree" else self._flat_outputs
        outputs = [output for index in range(len(self.columns)) for output in learn(index, table[:, index])]
        if not outputs:
            _refuse_data("TABLE_EMPTY", "a column differs between training records", "every column the same for all")
        self._set(tuple(outputs))
        return self

    def transform(self, values: Table) -> Table:
        """Prepare rows with what was learned.

        Parameters
        ----------
        values : ndarray of float64, (records, columns)
            NaN where a cell is missing, also where none was in training.

        Returns
        -------
        ndarray of float64, (records, width)
            Finite; with style ``"tree"`` NaN where missing.

        Raises
        ------
        DataError
            ``TABLE_UNFITTED``, ``TABLE_SHAPE``, ``TABLE_INFINITE``.
        """
        outputs = self._fitted()
        table = self._table(values)
        # Every prepared column of a source reads the same cells.
        codes = {output.source: self._codes(output.source, table[:, output.source]) for output in outputs}
        return np.stack([_prepared(output, codes[output.source]) for output in outputs], axis=1)

    def middle(self) -> Table:
        """Give a prepared row with nothing unusual: numbers at the median, categories at no level, nothing missing.

        Returns
        -------
        ndarray of float64, (1, width)
            Zeros with style ``"tree"``, which learns no medians.
        """
        row = [_prepared(o, np.array([o.fill]))[0] if o.role == "value" else 0.0 for o in self._fitted()]
        return np.array([row])

    def holes(self, values: Table) -> npt.NDArray[np.bool_]:
        """Give where a prepared number was missing and is its median, bool (records, width)."""
        table = self._table(values)
        missing = [
            np.isnan(table[:, o.source]) if o.role == "value" else np.zeros(len(table), bool) for o in self._fitted()
        ]
        return np.stack(missing, axis=1)

    def to_state(self) -> dict[str, Any]:
        """Give everything declared and learned as numbers, text and lists, ready for JSON; floats survive bit by bit.

        Raises
        ------
        DataError
            ``TABLE_UNFITTED``.
        """
        return {
            "format": _FORMAT,
            "style": self.style,
            "columns": [{"name": c.name, "kind": c.kind, "levels": list(c.levels)} for c in self.columns],
            "seen": {str(index): list(levels) for index, levels in self._seen.items()},
            "outputs": [asdict(output) for output in self._fitted()],
        }

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> TablePreparation:
        """Give the preparation that ``to_state`` described.

        Raises
        ------
        StorageError
            ``TABLE_STATE`` where the state is not one of this format.
        """
        try:
            if state["format"] != _FORMAT:
                raise KeyError
            columns = [ColumnSpec(c["name"], c["kind"], tuple(c["levels"])) for c in state["columns"]]
            made = cls(columns, style=state["style"])
            made._seen = {int(index): tuple(levels) for index, levels in state["seen"].items()}
            made._set(tuple(_Output(**output) for output in state["outputs"]))
        except (KeyError, TypeError, ValueError, AttributeError):
            raise StorageError(
                "TABLE_STATE",
                place="table preparation",
                rule=f"a stored preparation of format {_FORMAT}",
                found="another content",
                remedy="Fit the model again with this version.",
            ) from None
        return made

    def _fitted(self) -> tuple[_Output, ...]:
        if not self._outputs:
            _refuse_data("TABLE_UNFITTED", "a preparation is fitted before it is used", "nothing learned yet")
        return self._outputs

    def _set(self, outputs: tuple[_Output, ...]) -> None:
        self._outputs = outputs
        self.names_ = tuple(output.name for output in outputs)
        self.source_ = tuple(output.source for output in outputs)

    def _table(self, values: Table) -> Table:
        table = np.asarray(values, dtype=np.float64)
        if table.ndim != 2 or table.shape[1] != len(self.columns):
            rule = f"a table of shape (records, {len(self.columns)})"
            _refuse_data("TABLE_SHAPE", rule, f"shape {table.shape}")
        infinite = np.isinf(table).any(axis=0)
        if infinite.any():
            name = self.columns[int(np.argmax(infinite))].name
            _refuse_data("TABLE_INFINITE", f"column {name} holds finite numbers or missing cells", "an infinite number")
        return table

    def _codes(self, index: int, cells: Table) -> Table:
        """Give the cells, those of a category missing where the level was not seen in training."""
        if self.columns[index].kind != "category":
            return cells
        return np.where(np.isin(cells, self._seen.get(index, ())), cells, np.nan)

    def _observe(self, index: int, cells: Table) -> Table:
        """Remember the levels of a category and give its cells with everything undeclared missing."""
        column = self.columns[index]
        if column.kind == "category":
            seen = tuple(level for level in range(len(column.levels)) if bool((cells == level).any()))
            self._seen[index] = seen
        return self._codes(index, cells)

    def _raw_outputs(self, index: int, cells: Table) -> list[_Output]:
        cells = self._observe(index, cells)
        known = cells[~np.isnan(cells)]
        varies = len(known) > 0 and (len(known) < len(cells) or known.min() < known.max())
        return [_Output(self.columns[index].name, index, "raw")] if varies else []

    def _flat_outputs(self, index: int, cells: Table) -> list[_Output]:
        column = self.columns[index]
        cells = self._observe(index, cells)
        missing = np.isnan(cells)
        flag = [_Output(f"{column.name} missing", index, "missing")] if missing.any() and not missing.all() else []
        if missing.all():
            return []
        if column.kind == "category":
            levels = [level for level in self._seen[index] if not bool((cells == level).all())]
            names = [f"{column.name} = {column.levels[level]}" for level in levels]
            shown = [_Output(n, index, "level", level=v) for n, v in zip(names, levels, strict=True)]
            return shown + flag
        known = cells[~missing]
        centre, spread, fill = float(known.mean()), float(known.std()), float(np.median(known))
        if spread <= _FLAT * max(1.0, abs(centre)):
            return flag
        return [_Output(column.name, index, "value", fill=fill, centre=centre, spread=spread), *flag]


def _prepared(output: _Output, cells: Table) -> Table:
    if output.role == "raw":
        return cells
    if output.role == "missing":
        return np.isnan(cells).astype(np.float64)
    if output.role == "level":
        return (cells == output.level).astype(np.float64)
    filled = np.where(np.isnan(cells), output.fill, cells)
    return np.clip((filled - output.centre) / output.spread, -LIMIT, LIMIT)


def _refuse_data(code: str, rule: str, found: str) -> NoReturn:
    raise DataError(code, place="table", rule=rule, found=found, remedy="Check the table and its columns.")


def _refuse_config(code: str, rule: str, found: str) -> NoReturn:
    raise ConfigError(code, place="table", rule=rule, found=found, remedy="Correct the declaration.")
