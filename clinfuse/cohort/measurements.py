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
    moments : ndarray of int64, (values,)
        The same as the table writes it, which tells values of the index day apart: seconds since 1970.
    values : ndarray of float64, (values,)
        Finite.
    places : ndarray of int64, (values,)
        Row of the table each stands in.
    """

    records: np.ndarray
    seconds: np.ndarray
    moments: np.ndarray
    values: np.ndarray
    places: np.ndarray

    def at(self, chosen: np.ndarray, values: np.ndarray | None = None) -> Measurements:
        """Some of them, in this order, with other values where given."""
        return Measurements(
            self.records[chosen],
            self.seconds[chosen],
            self.moments[chosen],
            self.values[chosen] if values is None else values,
            self.places[chosen],
        )


def unordered(records: np.ndarray, moments: np.ndarray, clock: np.ndarray) -> np.ndarray:
    """Which values stand on a day of their record on which some have a clock time and some have not.

    Nothing tells their order, so they count as of one time.

    Parameters
    ----------
    records, moments : ndarray of int64, (values,)
    clock : ndarray of bool, (values,)

    Returns
    -------
    ndarray of int64, (values,)
        The position of a value without a clock time on that day, whose time is the day's; -1 for all others.

    Examples
    --------
    >>> import numpy as np
    >>> unordered(np.zeros(3, int), np.array([3600, 0, 90000]), np.array([True, False, True])).tolist()
    [1, 1, -1]
    """
    found = np.full(len(records), -1, dtype=np.int64)
    if clock.all() or not clock.any():
        return found
    days = np.unique(moments // int(_DAY), return_inverse=True)[1]
    groups = np.unique(records * (int(days.max()) + 1) + days, return_inverse=True)[1]
    rough = np.full(int(groups.max()) + 1, -1, dtype=np.int64)
    rough[groups[~clock]] = np.flatnonzero(~clock)
    timed = np.zeros(len(rough), dtype=bool)
    timed[groups[clock]] = True
    result: np.ndarray = np.where(timed, rough, -1)[groups]
    return result


def settle(measured: Measurements, how: str) -> tuple[Measurements, list[tuple[int, list[int]]]]:
    """Say what different values at one time mean; equal ones are no contradiction.

    Parameters
    ----------
    measured : Measurements
    how : str
        ``mean``, ``min`` or ``max`` of all values at that time; ``missing`` leaves them out; ``refuse`` leaves out
        every value of a record that has different ones at one time.

    Returns
    -------
    Measurements
        In the order of records, times and values.
    list of (int, list of int)
        If `how` is ``refuse``, each record that is left out, with the rows of its first contradiction.

    Examples
    --------
    >>> import numpy as np
    >>> twice = Measurements(np.zeros(2, int), np.zeros(2), np.zeros(2, int), np.array([5.0, 7.0]), np.arange(2))
    >>> settle(twice, "mean")[0].values.tolist(), settle(twice, "refuse")[1]
    ([6.0], [(0, [0, 1])])
    """
    ordered = measured.at(np.lexsort((measured.places, measured.values, measured.moments, measured.records)))
    records, moments, values = ordered.records, ordered.moments, ordered.values
    begins = np.ones(len(records), dtype=bool)
    begins[1:] = (records[1:] != records[:-1]) | (moments[1:] != moments[:-1])
    starts = np.flatnonzero(begins)
    sizes = np.diff(np.append(starts, len(records)))
    differ = values[starts] != values[starts + sizes - 1]
    if not differ.any():
        return ordered.at(starts), []
    if how in _SETTLED:
        return ordered.at(starts, _SETTLED[how](values, starts, sizes)), []
    kept = begins & ~np.repeat(differ, sizes)
    refused: dict[int, list[int]] = {}
    if how == "refuse":
        for start, size in zip(starts[differ], sizes[differ], strict=True):
            refused.setdefault(int(records[start]), sorted(ordered.places[start : start + size].tolist()))
        kept = begins & ~np.isin(records, list(refused))
    return ordered.at(np.flatnonzero(kept)), list(refused.items())


_Settle = Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]
_SETTLED: Mapping[str, _Settle] = {
    "mean": lambda values, starts, sizes: np.add.reduceat(values, starts) / sizes,
    "min": lambda values, starts, sizes: values[starts],
    "max": lambda values, starts, sizes: values[starts + sizes - 1],
}


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
    >>> crp = Measurements(
    ...     np.array([0, 0]), np.array([-7200.0, -3600.0]), np.array([0, 3600]), np.array([5.0, 3.0]), np.arange(2)
    ... )
    >>> take(crp, "last", 2).tolist(), take(crp, "time since last", 1).tolist(), take(crp, "count", 2).tolist()
    ([3.0, nan], [1.0], [2.0, 0.0])
    """
    result = np.full(records, 0.0 if how == "count" else np.nan)
    order = np.lexsort((measured.values, measured.moments, measured.records))
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
