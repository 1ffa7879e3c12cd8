"""Fills: values for the features of absent modalities, learned in the fold from the records that have them.

A fill is one class here, entered in ``_FILLS``: configuration, laws and the page of methods find it by its name.
"""

from __future__ import annotations

import copy
import inspect
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, NoReturn, final

import numpy as np
from scipy.spatial.distance import cdist

from clinfuse.errors import ConfigError
from clinfuse.fusion.fill import Fill

_SAME = 1e-9
_ROWS_AT_ONCE = 512


@final
class ZeroFill(Fill):
    """Zeros, whatever zero means in the blocks: the training mean where they are standardised."""

    name = "zero"
    cross_fitted = False

    def _learn(self, x: np.ndarray, present: np.ndarray) -> None:
        del x, present

    def _values(self, x: np.ndarray, present: np.ndarray) -> np.ndarray:
        del present
        return np.zeros_like(x)


@final
class MeanFill(Fill):
    """The mean of the training records that have the modality; the same as zeros once blocks are standardised."""

    name = "mean"
    cross_fitted = False

    def _learn(self, x: np.ndarray, present: np.ndarray) -> None:
        del x, present

    def _values(self, x: np.ndarray, present: np.ndarray) -> np.ndarray:
        del present
        return np.tile(self.centre_, (len(x), 1))


@final
class NeighbourFill(Fill):
    """The mean of the k training records that are nearest among those that have the modality.

    The distance is the mean squared difference of the standardised columns of those modalities that both records have.
    Every record as near as the k-th counts, so that ties do not hang on the order of records. Where no record shares a
    modality, the training mean stands in. What is stored holds the features of the training records, without ids.

    Parameters
    ----------
    k : int
        Number of neighbours, at least 1.

    Raises
    ------
    ConfigError
        ``FILL_OPTION``.

    References
    ----------
    Troyanskaya et al. 2001, doi 10.1093/bioinformatics/17.6.520.
    """

    name = "knn"

    def __init__(self, *, k: int = 10) -> None:
        if k < 1:
            _refuse_option("k", "at least 1", f"{k}")
        self.k = k

    def _learn(self, x: np.ndarray, present: np.ndarray) -> None:
        self.x_, self.present_ = x, np.array(present)

    def _values(self, x: np.ndarray, present: np.ndarray) -> np.ndarray:
        filled = np.zeros_like(x)
        rows = np.flatnonzero(~present.all(1))
        for start in range(0, len(rows), _ROWS_AT_ONCE):
            chosen = rows[start : start + _ROWS_AT_ONCE]
            distance = self._distance(x[chosen], present[chosen])
            for have, span in zip(self.present_.T, self.spans_, strict=True):
                filled[chosen, span] = self._nearest(distance[:, have], self.x_[have, span])
        return self._raw(filled)

    def _distance(self, x: np.ndarray, present: np.ndarray) -> np.ndarray:
        """Mean squared difference over shared columns, (records, training records); infinite where none is shared."""
        total = np.zeros((len(x), len(self.x_)))
        shared = np.zeros_like(total)
        for m, span in enumerate(self.spans_):
            both = present[:, [m]] & self.present_[:, m]
            total += np.where(both, cdist(x[:, span], self.x_[:, span], "sqeuclidean"), 0.0) if self.widths_[m] else 0.0
            shared += both * self.widths_[m]
        return np.where(shared > 0, total / np.maximum(shared, 1), np.inf)

    def _nearest(self, distance: np.ndarray, values: np.ndarray) -> np.ndarray:
        if not len(values):
            return np.zeros((len(distance), values.shape[1]))
        nth = min(self.k, len(values)) - 1
        limit = np.partition(distance, nth, axis=1)[:, [nth]]
        # Fewer than k records that share anything are all there are.
        near = ((distance <= limit * (1 + _SAME)) & np.isfinite(distance)).astype(np.float64)
        return near @ values / np.maximum(near.sum(1, keepdims=True), 1)

    def _learned(self) -> dict[str, Any]:
        return {"k": self.k, "x": self.x_, "present": self.present_}

    def _restore(self, state: Mapping[str, Any]) -> None:
        self.k, self.x_, self.present_ = int(state["k"]), state["x"], state["present"]


@final
@dataclass(frozen=True, eq=False)
class _Sums:
    """What expectation maximisation needs of the records of one pattern: count, sum and sum of products."""

    there: np.ndarray
    records: int
    first: np.ndarray
    second: np.ndarray


@final
class RegressionFill(Fill):
    """The mean of the absent columns given the present ones, exact where features are normally distributed.

    ``mean_m + S_mo S_oo^-1 (z_o - mean_o)`` with mean and covariance S found by expectation maximisation over all
    training records, complete or not. Covariances of pairs of modalities, each from the records that have both, would
    need no iteration but need not be those of any distribution. The standard covariance, without correlation, counts as
    ``pull`` records per column, which keeps S invertible where there are fewer records than columns.

    Parameters
    ----------
    pull : float
        Above 0; towards 0 the fit becomes the maximum likelihood, which needs more records than columns.

    Raises
    ------
    ConfigError
        ``FILL_OPTION``.

    References
    ----------
    Dempster, Laird and Rubin 1977, doi 10.1111/j.2517-6161.1977.tb01600.x; Little and Rubin 2019,
    doi 10.1002/9781119482260, chapter 11.
    """

    name = "regression"
    rounds: ClassVar[int] = 500
    tolerance: ClassVar[float] = 1e-6

    def __init__(self, *, pull: float = 1.0) -> None:
        if not pull > 0:
            _refuse_option("pull", "above 0", f"{pull}")
        self.pull = pull

    def _learn(self, x: np.ndarray, present: np.ndarray) -> None:
        width = x.shape[1]
        self.mean_, self.covariance_ = np.zeros(width), np.eye(width)
        counted = present.any(1)
        sums = [self._sums(x[rows], pattern) for pattern, rows in _patterns(present) if pattern.any()]
        for _ in range(self.rounds if counted.any() else 0):
            mean, covariance = self._round(sums, int(counted.sum()))
            change = max(np.abs(mean - self.mean_).max(initial=0), np.abs(covariance - self.covariance_).max(initial=0))
            self.mean_, self.covariance_ = mean, covariance
            if change < self.tolerance:
                break

    def _sums(self, x: np.ndarray, pattern: np.ndarray) -> _Sums:
        there = np.repeat(pattern, self.widths_)
        return _Sums(there, len(x), x[:, there].sum(0), x[:, there].T @ x[:, there])

    def _round(self, sums: Sequence[_Sums], records: int) -> tuple[np.ndarray, np.ndarray]:
        """One expectation and one maximisation, from sums over the records of each pattern."""
        width = len(self.mean_)
        first, second = np.zeros(width), np.zeros((width, width))
        for one in sums:
            here, gone = one.there, ~one.there
            slope = self._slope(here)
            # Every record is expected to be constant + its present columns times line.
            line = np.zeros((int(here.sum()), width))
            line[:, here], line[:, gone] = np.eye(len(line)), slope
            constant = np.zeros(width)
            constant[gone] = self.mean_[gone] - self.mean_[here] @ slope
            total = one.first @ line
            first += one.records * constant + total
            cross = np.outer(constant, total)
            second += one.records * np.outer(constant, constant) + cross + cross.T + line.T @ one.second @ line
            left = self.covariance_[np.ix_(gone, gone)] - self.covariance_[np.ix_(gone, here)] @ slope
            second[np.ix_(gone, gone)] += one.records * left
        mean = first / records
        added = self.pull * width
        covariance = (second - records * np.outer(mean, mean) + added * np.eye(width)) / (records + added)
        return mean, 0.5 * (covariance + covariance.T)

    def _slope(self, there: np.ndarray) -> np.ndarray:
        """Coefficients of the absent on the present columns, float64 (present columns, absent columns)."""
        return np.linalg.solve(self.covariance_[np.ix_(there, there)], self.covariance_[np.ix_(there, ~there)])

    def _values(self, x: np.ndarray, present: np.ndarray) -> np.ndarray:
        filled = np.zeros_like(x)
        for pattern, rows in _patterns(present):
            there = np.repeat(pattern, self.widths_)
            given = x[np.ix_(rows, there)] - self.mean_[there]
            filled[np.ix_(rows, ~there)] = self.mean_[~there] + given @ self._slope(there)
        return self._raw(filled)

    def _learned(self) -> dict[str, Any]:
        return {"pull": self.pull, "mean": self.mean_, "covariance": self.covariance_}

    def _restore(self, state: Mapping[str, Any]) -> None:
        self.pull, self.mean_, self.covariance_ = float(state["pull"]), state["mean"], state["covariance"]


_FILLS: dict[str, type[Fill]] = {fill.name: fill for fill in (MeanFill, NeighbourFill, RegressionFill, ZeroFill)}


def fill_names() -> tuple[str, ...]:
    """Give the names of all fills, sorted.

    Examples
    --------
    >>> "regression" in fill_names()
    True
    """
    return tuple(sorted(_FILLS))


def register_fill(name: str, kind: type[Fill]) -> None:
    """Make a fill of your own available by name in this process.

    Parameters
    ----------
    name : str
        That of the class, not yet taken.
    kind : type
        A subclass of `Fill` that can be made without arguments.

    Raises
    ------
    ConfigError
        ``FILL_CLASS``: no such class, or a name that is taken or is not that of the class.
    """
    if not (inspect.isclass(kind) and issubclass(kind, Fill)) or inspect.isabstract(kind) or kind.name != name:
        found = "another object, or one of another name"
        _refuse_class("a subclass of Fill with its own name", found)
    if name in _FILLS or name in ("skip", "per pattern"):
        _refuse_class("a name is given to one fill", "a name that is taken")
    _FILLS[name] = kind


def build_fill(choice: str | Fill) -> Fill:
    """Give an unfitted fill by its name, or a copy of one that was made with options.

    Raises
    ------
    ConfigError
        ``FILL_NAME``: no such fill; the message lists those there are.

    Examples
    --------
    >>> fill = build_fill("mean").fit([np.array([[1.0], [3.0]])], np.ones((2, 1), bool))
    >>> fill.fill([np.array([[9.0]])], np.zeros((1, 1), bool))[0].tolist()
    [[2.0]]
    """
    if isinstance(choice, Fill):
        return copy.deepcopy(choice)
    if choice not in _FILLS:
        refuse_fill(fill_names())
    return _FILLS[choice]()


def refuse_fill(known: Sequence[str]) -> NoReturn:
    """Refuse the name of a fill.

    Raises
    ------
    ConfigError
        ``FILL_NAME``, always.
    """
    rule = f"fill must be one of {', '.join(known)}"
    raise ConfigError("FILL_NAME", place="fill", rule=rule, found="another name", remedy="Correct fill.")


def fill_from_state(state: Mapping[str, Any]) -> Fill:
    """Give the fill that `Fill.to_state` described."""
    fill = build_fill(state["fill"])
    fill.restore(state)
    return fill


def _patterns(present: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Every pattern of presence, bool (modalities,), with the rows that have it."""
    patterns, which = np.unique(present, axis=0, return_inverse=True)
    which = which.reshape(-1)
    return ((pattern, np.flatnonzero(which == k)) for k, pattern in enumerate(patterns))


def _refuse_option(option: str, rule: str, found: str) -> NoReturn:
    raise ConfigError("FILL_OPTION", place=f"fill, {option}", rule=rule, found=found, remedy="Correct the option.")


def _refuse_class(rule: str, found: str) -> NoReturn:
    raise ConfigError("FILL_CLASS", place="fill", rule=rule, found=found, remedy="Give another class or name.")
