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


def seconds_after(
    times: np.ndarray, index_time: np.datetime64 | np.ndarray, *, days: bool | np.ndarray = False
) -> np.ndarray:
    """How long after the index time each time lies.

    Parameters
    ----------
    times : ndarray of datetime64[s]
    index_time : datetime64[s], or ndarray of them
    days : bool or ndarray of bool
        Compare calendar days only, for all or for each: where the index time or the other one was written without a
        time of day, and would otherwise look like midnight.

    Returns
    -------
    ndarray of float64
        Seconds, NaN where either time is unknown.
    """
    by_day = times.astype("datetime64[D]") - np.asarray(index_time).astype("datetime64[D]")
    by_clock = times.astype("datetime64[s]") - np.asarray(index_time).astype("datetime64[s]")
    seconds = np.where(days, by_day.astype("timedelta64[s]"), by_clock)
    result: np.ndarray = seconds.astype(np.float64)
    result[np.isnat(seconds)] = np.nan
    return result


def on_the_day(times: np.ndarray, index_time: np.datetime64 | np.ndarray) -> np.ndarray:
    """Whether each time lies on the calendar day of the index time; False where either is unknown.

    Parameters
    ----------
    times : ndarray of datetime64[s]
    index_time : datetime64[s], or ndarray of them

    Returns
    -------
    ndarray of bool
    """
    same: np.ndarray = times.astype("datetime64[D]") == np.asarray(index_time).astype("datetime64[D]")
    return same
