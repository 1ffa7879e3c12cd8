"""Dates and times from text, by what is declared of them: nothing tells 3 April from 4 March."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import NoReturn, final
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd

from clinfuse.errors import DataError
from clinfuse.io.cells import places_of
from clinfuse.io.dialect import Dialect

_ISO = re.compile(r"\d{4}-\d{2}-\d{2}(?:[ T]\d{2}:\d{2}(?::\d{2}(?:\.\d{1,6})?)?(?:Z|[+-]\d{2}:?\d{2})?)?", re.ASCII)
_CLOCK_PARTS = ("%H", "%I", "%X", "%c")
_DAY_LENGTH = len("2024-05-01")
# Earlier and later dates stand for "unknown" or "for ever": Excel's day 0, 1900-01-01, year 1, year 9999. Shifted
# dates of de-identified records lie between, up to the year 2220.
_EARLIEST, _LATEST = np.datetime64("1900-01-02", "s"), np.datetime64("2300-01-01", "s")
_LIFETIME = np.timedelta64(75 * 365, "D").astype("timedelta64[s]")
_DAYS = (
    *("%Y-%m-%d", "%d.%m.%Y", "%d/%m/%Y", "%m/%d/%Y", "%d-%m-%Y", "%m-%d-%Y", "%Y/%m/%d", "%Y.%m.%d", "%Y%m%d"),
    *("%d.%m.%y", "%d/%m/%y", "%m/%d/%y", "%d-%b-%Y", "%d %b %Y", "%b %d, %Y", "%d-%b-%y"),
)
_CLOCKS = ("", " %H:%M", " %H:%M:%S", "T%H:%M:%S", " %I:%M %p", "%H%M%S", " %H:%M:%S.%f")
_TRIED_CELLS = 500


@final
@dataclass(frozen=True, eq=False)
class Times:
    """A column of dates and times.

    Parameters
    ----------
    values : ndarray of datetime64[s], (rows,)
        NaT where the cell is empty, or cannot be.
    impossible : int
        Cells that are written as declared and cannot be: 30 February, year 1, a lifetime after all others.
    """

    values: np.ndarray
    impossible: int


def parse_times(cells: pd.Series, dialect: Dialect | None = None) -> np.ndarray:
    """Dates and times of a column of text, local time as written; a date alone is its midnight.

    Parameters
    ----------
    cells : Series of str
    dialect : Dialect, optional
        Its ``dates`` is the ``strptime`` format; empty or absent: ISO 8601 (``2024-05-01 09:30``), nothing else. Its
        ``time_zone`` is needed where times name an offset, which they are then converted from.

    Returns
    -------
    ndarray of datetime64[s], (rows,)
        NaT where the cell is empty or names a date that cannot be.

    Raises
    ------
    DataError
        ``EHR_TIME`` where a cell is written in another way; ``EHR_ZONE`` where one names an offset that nothing says
        what to do with.

    Examples
    --------
    >>> import pandas
    >>> parse_times(pandas.Series(["01.05.2024", ""]), Dialect(dates="%d.%m.%Y")).astype(str).tolist()
    ['2024-05-01T00:00:00', 'NaT']
    """
    return read_times(cells, dialect).values


def read_times(cells: pd.Series, dialect: Dialect | None = None) -> Times:
    """As :func:`parse_times`, with the number of dates that cannot be.

    Examples
    --------
    >>> import pandas
    >>> read_times(pandas.Series(["2023-02-30", "9999-12-31", "2023-02-03"])).impossible
    2
    """
    dialect = dialect or Dialect()
    distinct = sorted(set(cells) - {""})
    known = {cell: _moment(cell, dialect.dates) for cell in distinct}
    refused = {cell for cell, moment in known.items() if moment is None and not _impossible(cell, dialect.dates)}
    if refused:
        _explain(cells, refused, distinct, dialect.dates)
    zoned = {cell for cell, moment in known.items() if moment is not None and moment.tzinfo is not None}
    if zoned and not dialect.time_zone:
        remedy = 'Write `time_zone = "UTC"`, or the zone of the hospital, in the section of this table or in [tables].'
        place = f"column {cells.name!r}, {places_of(cells, zoned)}"
        _refuse("EHR_ZONE", place, "times in local time, or a word on the zone they are meant in", "offsets", remedy)
    zone = ZoneInfo(dialect.time_zone) if dialect.time_zone else None
    local = {cell: _local(moment, zone) for cell, moment in known.items()}
    local[""] = _NEVER
    return _plausible(cells, np.array([local[cell] for cell in cells], dtype="datetime64[s]"))


_NEVER = np.datetime64("NaT", "s")


def _moment(cell: str, style: str) -> datetime | None:
    try:
        if style:
            return datetime.strptime(cell, style)
        return datetime.fromisoformat(cell if _ISO.fullmatch(cell) else "")
    except ValueError:
        return None


def _local(moment: datetime | None, zone: ZoneInfo | None) -> np.datetime64:
    """Wall-clock time of a moment; of one that falls off the calendar by conversion, none."""
    if moment is None:
        return _NEVER
    try:
        there = moment.astimezone(zone) if moment.tzinfo is not None and zone is not None else moment
    except OverflowError:
        return _NEVER
    return np.datetime64(there.replace(tzinfo=None).isoformat(), "s")


def _impossible(cell: str, style: str) -> bool:
    """Whether a cell is written as declared but names a day that is not on the calendar.

    One that would be on it with day and month exchanged is no such cell: there the declaration is in doubt.
    """
    if not _shape(style).fullmatch(cell):
        return False
    exchanged = (style or "%Y-%m-%d").replace("%d", "\0").replace("%m", "%d").replace("\0", "%m")
    return _moment(cell if style else cell[:_DAY_LENGTH], exchanged) is None


def _shape(style: str) -> re.Pattern[str]:
    if not style:
        return _ISO
    parts = re.split(r"(%.)", style)
    digits = {"%Y": r"\d{4}", "%f": r"\d{1,6}", "%j": r"\d{1,3}"}
    letters = ("%a", "%A", "%b", "%B", "%p", "%Z")
    written = (
        re.escape(part)
        if not part.startswith("%")
        else r"[^\W\d]+"
        if part in letters
        else digits.get(part, r"\d{1,2}")
        for part in parts
    )
    return re.compile("".join(written), re.ASCII)


def _plausible(cells: pd.Series, times: np.ndarray) -> Times:
    """Dates out of this world become missing: outside the years that records have, or a lifetime after the median."""
    written = (cells != "").to_numpy()
    times = np.where((times < _EARLIEST) | (times > _LATEST), _NEVER, times)
    known = np.sort(times[~np.isnat(times)])
    if len(known):
        times = np.where(times > known[(len(known) - 1) // 2] + _LIFETIME, _NEVER, times)
    return Times(times, int((np.isnat(times) & written).sum()))


def _explain(cells: pd.Series, refused: set[str], distinct: list[str], style: str) -> NoReturn:
    """Refuse, with the declaration that would read every cell, or the two that would."""
    fitting = _fitting(distinct[:: max(1, len(distinct) // _TRIED_CELLS)])
    rule = f"dates written as {style or 'YYYY-MM-DD HH:MM:SS'}"
    found, remedy = "something else", 'Declare how this table writes dates, e.g. `dates = "%d.%m.%Y %H:%M"`.'
    where = "in the section of this table, or in [tables] if all are written so"
    if len(fitting) == 1:
        remedy = f'Write `dates = "{fitting[0]}"` {where}.'
    elif fitting:
        lines = " or ".join(f'`dates = "{one}"`' for one in fitting)
        found = "dates in which nothing tells the day from the month" if len(fitting) == 2 else found
        remedy = f"Write {lines} {where}."
    _refuse("EHR_TIME", f"column {cells.name!r}, {places_of(cells, refused)}", rule, found, remedy)


def _fitting(cells: Iterable[str]) -> list[str]:
    """The usual ways of writing dates that read every one of these cells."""
    known = list(cells)
    styles = ["%Y-%m-%dT%H:%M:%S%z", *(day + clock for day in _DAYS for clock in _CLOCKS)]
    return [style for style in styles if all(_moment(cell, style) is not None for cell in known)]


def has_clock(cells: pd.Series, dialect: Dialect | None = None) -> np.ndarray:
    """Whether each cell of a column of dates says a time of day.

    Spreadsheets and databases write a day as its midnight, so a column in which every cell is a midnight says none.

    Parameters
    ----------
    cells : Series of str
        Such that `parse_times` reads them.
    dialect : Dialect, optional
        As for `parse_times`.

    Returns
    -------
    ndarray of bool, (rows,)
        False where the cell is empty.

    Raises
    ------
    DataError
        As `parse_times`.

    Examples
    --------
    >>> import pandas
    >>> has_clock(pandas.Series(["2024-05-01", "2024-05-01 09:30", ""])).tolist()
    [False, True, False]
    >>> has_clock(pandas.Series(["2024-05-01 00:00", "2024-05-02 00:00"])).tolist()
    [False, False]
    """
    times = parse_times(cells, dialect)
    known = ~np.isnat(times)
    if (times[known] == times[known].astype("datetime64[D]")).all():
        return np.zeros(len(times), dtype=bool)
    return known & written_with_clock(cells, dialect)


def written_with_clock(cells: pd.Series, dialect: Dialect | None = None) -> np.ndarray:
    """Whether each cell is written in a way that holds a time of day, even if that is midnight.

    Examples
    --------
    >>> import pandas
    >>> written_with_clock(pandas.Series(["01.05.2024"]), Dialect(dates="%d.%m.%Y")).tolist()
    [False]
    """
    style = (dialect or Dialect()).dates
    if style:
        return np.full(len(cells), any(part in _CLOCK_PARTS for part in re.findall("%.", style)), dtype=bool)
    return np.array([len(cell) > _DAY_LENGTH for cell in cells], dtype=bool)


def _refuse(code: str, place: str, rule: str, found: str, remedy: str) -> NoReturn:
    raise DataError(code, place=place, rule=rule, found=found, remedy=remedy) from None
