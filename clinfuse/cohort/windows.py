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
    in_days : tuple of bool
        Whether each end is a whole number of days, and so is counted in calendar days for what has no clock time.

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
    in_days: tuple[bool, bool] = (False, False)

    def __post_init__(self) -> None:
        if not self.low <= self.high:
            message = "the first time has to lie before the second"
            raise ValueError(message)

    @classmethod
    def written(cls, low: str, high: str) -> Window:
        """The window between two spans as ``cohort.toml`` writes them."""
        return cls(seconds_of(low), seconds_of(high), (_whole_days(low), _whole_days(high)))

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


def _whole_days(text: str) -> bool:
    return text.strip().endswith("d") and seconds_of(text) % _UNITS["d"] == 0


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


@final
@dataclass(frozen=True, eq=False)
class Placed:
    """Where times lie, seen from an index time; each array has one entry per time.

    Parameters
    ----------
    seconds : ndarray of float64
        After the index time; NaN where unknown.
    inside : ndarray of bool
        In the window, and surely not later than the index time.
    late : ndarray of bool
        Later than the index time.
    undecided : ndarray of bool
        Without a clock time, on a day that an end of the window cuts; not inside unless that is accepted.
    same_day : ndarray of bool
        Without a clock time on the index day, so they may be later than the index time; never inside.
    by_day : ndarray of bool
        Inside, on the index day, where the index time has no clock time itself.
    """

    seconds: np.ndarray
    inside: np.ndarray
    late: np.ndarray
    undecided: np.ndarray
    same_day: np.ndarray
    by_day: np.ndarray


def place(
    times: np.ndarray,
    clock: np.ndarray,
    index_time: np.datetime64 | np.ndarray,
    *,
    index_days: bool | np.ndarray,
    window: Window | None,
    accept: bool = False,
) -> Placed:
    """Where times lie in a window that ends at or before the index time.

    A date without a clock time is the whole of its day. Against an end of the window in whole days calendar days are
    counted; an end in hours may cut the day, and then nothing tells whether it is inside. Where the index time itself
    has no clock time, calendar days are counted throughout.

    Parameters
    ----------
    times : ndarray of datetime64[s]
    clock : ndarray of bool
        Whether each time is more than a date.
    index_time : datetime64[s], or ndarray of them
    index_days : bool or ndarray of bool
        Whether the index time has no clock time.
    window : Window or None
        None: everything up to the index time.
    accept : bool
        Count days that the window cuts as inside.

    Returns
    -------
    Placed

    Examples
    --------
    >>> days = np.array(["2024-05-08", "2024-05-09"], dtype="datetime64[s]")
    >>> clock, noon = np.zeros(2, dtype=bool), np.datetime64("2024-05-10T12:00", "s")
    >>> placed = place(days, clock, noon, index_days=False, window=Window.written("-48 h", "0 h"))
    >>> placed.inside.tolist(), placed.undecided.tolist()
    ([False, True], [True, False])
    """
    span = window or BEFORE_INDEX
    seconds = seconds_after(times, index_time, days=index_days)
    by_day = seconds_after(times, index_time, days=True)
    rough = ~clock & ~np.asarray(index_days)
    last = np.where(rough, seconds + _UNITS["d"] - 1, seconds)
    low, high = ((np.where(rough, by_day, one) if days else one for one in (seconds, last)) for days in span.in_days)
    (low_first, low_last), (high_first, high_last) = low, high
    sure = (low_first >= span.low) & (high_last <= span.high)
    never = (low_last < span.low) | (high_first > span.high)
    on_day = on_the_day(times, index_time)
    same_day = on_day & rough & ~never
    known = np.isfinite(seconds)
    undecided = known & ~sure & ~never & ~same_day
    inside = known & (sure | (undecided & accept)) & ~same_day
    return Placed(
        seconds=seconds,
        inside=inside,
        late=seconds > 0,
        undecided=undecided & ~inside,
        same_day=same_day,
        by_day=inside & on_day & np.asarray(index_days),
    )


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
