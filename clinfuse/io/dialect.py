"""How a hospital writes its tables."""

from __future__ import annotations

import codecs
import zoneinfo
from dataclasses import dataclass
from datetime import date, datetime
from typing import Literal, NoReturn, final

from clinfuse.errors import ConfigError

_EXACT_WHOLE = 2.0**53
_SOME_DAY = datetime(2020, 3, 31, 14, 15, 16)


@final
@dataclass(frozen=True)
class Dialect:
    """How a hospital writes its tables.

    Parameters
    ----------
    delimiter : str
        Between the cells of a CSV file, one character; a ``.tsv`` file always has tabs.
    decimal : {".", ","}
        In numbers.
    encoding : str
        Of a text file; a byte-order mark in the file wins.
    dates : str
        ``strptime`` format of dates and times, e.g. ``"%d.%m.%Y %H:%M"``; empty for ISO 8601.
    missing : tuple of str
        Cells that mean "no value"; they are read as empty text. An empty cell always means that.
    header : {"ask", "first row", "none"}
        Whether the first row names the columns; without names they are called 1, 2, and so on. ``"ask"`` refuses a
        table whose first row consists of numbers, as it may be the first patient.
    sheet : str or int
        Name or number (from 1) of the sheet of a workbook; empty: the only one.
    time_zone : str
        Zone, e.g. ``"Europe/Berlin"``, in whose local time moments written with an offset or a zone are understood;
        times without one are local as they stand. Empty: times with an offset are refused.

    Raises
    ------
    ConfigError
        ``TABLES_DELIMITER``, ``TABLES_DECIMAL``, ``TABLES_ENCODING``, ``TABLES_HEADER``, ``TABLES_ZONE``,
        ``TABLES_DATES``.
    """

    delimiter: str = ","
    decimal: str = "."
    encoding: str = "utf-8"
    dates: str = ""
    missing: tuple[str, ...] = ("",)
    header: Literal["ask", "first row", "none"] = "ask"
    sheet: str | int = ""
    time_zone: str = ""

    def __post_init__(self) -> None:
        if len(self.delimiter) != 1 or self.delimiter in '"\r\n':
            self._refuse("TABLES_DELIMITER", "delimiter", "one character that is no quote or line end")
        if self.decimal not in (".", ","):
            self._refuse("TABLES_DECIMAL", "decimal", '"." or ","')
        try:
            codecs.lookup(self.encoding)
        except LookupError:
            self._refuse("TABLES_ENCODING", "encoding", 'a known encoding, e.g. "utf-8" or "cp1252"')
        if self.header not in ("ask", "first row", "none"):
            self._refuse("TABLES_HEADER", "header", '"first row" or "none"')
        if self.time_zone:
            self._check_zone()
        if self.dates:
            self._check_dates()

    def _check_zone(self) -> None:
        try:
            zoneinfo.ZoneInfo(self.time_zone)
        # Another name is absent, a path or no key; all three are other errors.
        except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
            self._refuse("TABLES_ZONE", "time_zone", 'a known time zone, e.g. "Europe/Berlin" or "UTC"')

    def _check_dates(self) -> None:
        try:
            again = datetime.strptime(_SOME_DAY.strftime(self.dates), self.dates)
            clock = any(part in self.dates for part in ("%H", "%I", "%X", "%c"))
            kept = (again.hour, again.minute) == (_SOME_DAY.hour, _SOME_DAY.minute)
            whole = again.date() == _SOME_DAY.date() and (kept or not clock)
        except ValueError:
            whole = False
        if not whole:
            self._refuse("TABLES_DATES", "dates", 'parts such as %d, %m, %Y, %H and %M, e.g. "%d.%m.%Y %H:%M"')

    @staticmethod
    def _refuse(code: str, key: str, rule: str) -> NoReturn:
        raise ConfigError(
            code, place=f"[tables] {key}", rule=rule, found="another value", remedy="Correct cohort.toml."
        ) from None

    def written(self, value: bool | int | float | date | datetime) -> str:
        """A typed value as this hospital would write it in a text table.

        Examples
        --------
        >>> dialect = Dialect(decimal=",")
        >>> [dialect.written(value) for value in (1.5, 4711.0, True)]
        ['1,5', '4711', 'True']
        """
        if isinstance(value, bool):
            return str(value)
        if isinstance(value, float):
            whole = value.is_integer() and abs(value) < _EXACT_WHOLE
            return str(int(value)) if whole else repr(value).replace(".", self.decimal)
        if isinstance(value, date):
            return self._written_date(value)
        return str(value)

    def _written_date(self, value: date) -> str:
        if isinstance(value, datetime) and value.tzinfo is not None:
            if not self.time_zone:
                # The offset stays, for nothing says what to do with it.
                return value.isoformat(sep=" ")
            value = value.astimezone(zoneinfo.ZoneInfo(self.time_zone)).replace(tzinfo=None)
        if self.dates:
            return value.strftime(self.dates)
        return value.isoformat(sep=" ") if isinstance(value, datetime) else value.isoformat()
