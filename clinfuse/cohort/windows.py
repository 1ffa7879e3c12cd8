"""Spans of time as ``cohort.toml`` writes them, counted from a record's index time."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import final

import numpy as np

_UNITS = {"s": 1.0, "min": 60.0, "h": 3600.0, "d": 86400.0}
_WRITTEN = re.compile(r"([+-]?\d+(?:\.\d+)?) ?(s|min|h|d)", re.ASCII)


def seconds_of(text: str) -> float:
    """Length of a span such as ``"-48 h"`` in seconds.

    Parameters
    ----------
    text : str
        A number and one of ``s``, ``min``, ``h``, ``d``.

    Returns
    -------
    float
        Seconds; negative before the index time.

    Raises
    ------
    ValueError
        If `text` is not a number and a unit; the text itself is not repeated.

    Examples
    --------
    >>> seconds_of("-48 h")
    -172800.0
    """
    found = _WRITTEN.fullmatch(text.strip())
    if found is None:
        message = "write a number and one of the units s, min, h, d, for example '-48 h'"
        raise ValueError(message)
    return float(found[1]) * _UNITS[found[2]]


@final
@dataclass(frozen=True)
class Window:
    """A span around the index time, both ends included.

    Parameters
    ----------
    low, high : float
        Seconds after the index time; negative before it.

    Raises
    ------
    ValueError
        If `low` lies after `high`.

    Examples
    --------
    >>> Window.written("-7 d", "0 d").low
    -604800.0
    """

    low: float
    high: float

    def __post_init__(self) -> None:
        if not self.low <= self.high:
            message = "the first time has to lie before the second"
            raise ValueError(message)

    @classmethod
    def written(cls, low: str, high: str) -> Window:
        """The window between two spans as ``cohort.toml`` writes them."""
        return cls(seconds_of(low), seconds_of(high))

    def holds(self, seconds: np.ndarray) -> np.ndarray:
        """Whether each time lies in the window.

        Parameters
        ----------
        seconds : ndarray of float64
            Seconds after the index time, NaN where unknown.

        Returns
        -------
        ndarray of bool
            False where the time is unknown.
        """
        return (seconds >= self.low) & (seconds <= self.high)


BEFORE_INDEX = Window(float("-inf"), 0.0)


def seconds_after(times: np.ndarray, index_time: np.datetime64, *, days: bool = False) -> np.ndarray:
    """How long after the index time each time lies.

    Parameters
    ----------
    times : ndarray of datetime64[s]
    index_time : datetime64[s]
    days : bool
        Compare calendar days only: for index times that were written without a time of day, where anything on the
        same day would otherwise look later than midnight.

    Returns
    -------
    ndarray of float64
        Seconds, NaN where either time is unknown.
    """
    unit = "datetime64[D]" if days else "datetime64[s]"
    gap = times.astype(unit) - np.asarray(index_time).astype(unit)
    seconds = gap.astype("timedelta64[s]")
    result = seconds.astype(np.float64)
    result[np.isnat(seconds)] = np.nan
    return result
