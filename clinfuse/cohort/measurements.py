"""Many values of one quantity become a few numbers per record: last, highest, slope and so on."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import final

import numpy as np

from clinfuse.cohort.modality import Column, ColumnKind

_DAY = 86400.0
_HOUR = 3600.0


@final
@dataclass(frozen=True, eq=False)
class Measurements:
    """Values of one quantity, each of one record at one time.

    Parameters
    ----------
    records : ndarray of int64, (values,)
        Position of the record.
    seconds : ndarray of float64, (values,)
        After the index time; negative before it.
    values : ndarray of float64, (values,)
        Finite.
    """

    records: np.ndarray
    seconds: np.ndarray
    values: np.ndarray


def take(measured: Measurements, how: str, records: int) -> np.ndarray:
    """One number per record.

    Values at the same time are put in the order of their size, so that the order of rows in a file never matters.

    Parameters
    ----------
    measured : Measurements
    how : str
        ``last``, ``first``, ``min``, ``max``, ``mean``, ``slope`` (least squares, per day; NaN from a single time),
        ``count`` or ``time since last`` (hours before the index time).
    records : int

    Returns
    -------
    ndarray of float64, (records,)
        NaN for a record without a value; a count is 0 there.

    Examples
    --------
    >>> import numpy as np
    >>> crp = Measurements(np.array([0, 0]), np.array([-7200.0, -3600.0]), np.array([5.0, 3.0]))
    >>> take(crp, "last", 2).tolist(), take(crp, "time since last", 1).tolist(), take(crp, "count", 2).tolist()
    ([3.0, nan], [1.0], [2.0, 0.0])
    """
    result = np.full(records, 0.0 if how == "count" else np.nan)
    order = np.lexsort((measured.values, measured.seconds, measured.records))
    owners, starts = np.unique(measured.records[order], return_index=True)
    seconds = np.split(measured.seconds[order], starts[1:])
    values = np.split(measured.values[order], starts[1:])
    for owner, when, what in zip(owners, seconds, values, strict=False):
        result[owner] = _TAKES[how](when, what)
    return result


def taken_column(column: Column, how: str) -> Column:
    """The declaration of what :func:`take` gives."""
    name = f"{column.name} {how}"
    if how == "count":
        return Column(name)
    if how == "time since last":
        return Column(name, unit="h")
    if how == "slope":
        return Column(name, unit=f"{column.unit or '1'}/d")
    kind: ColumnKind = column.kind
    return Column(name, kind=kind, unit=column.unit, levels=column.levels, normal=column.normal)


def _slope(seconds: np.ndarray, values: np.ndarray) -> float:
    days = seconds / _DAY
    spread = days - days.mean()
    total = float((spread**2).sum())
    return float((spread * values).sum() / total) if total > 0 else float("nan")


_Take = Callable[[np.ndarray, np.ndarray], float]
_TAKES: Mapping[str, _Take] = {
    "last": lambda seconds, values: float(values[-1]),
    "first": lambda seconds, values: float(values[0]),
    "min": lambda seconds, values: float(values.min()),
    "max": lambda seconds, values: float(values.max()),
    "mean": lambda seconds, values: float(values.mean()),
    "slope": _slope,
    "count": lambda seconds, values: float(len(values)),
    "time since last": lambda seconds, values: float(-seconds[-1] / _HOUR),
}
