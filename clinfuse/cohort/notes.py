"""What is noted while an export is read, in the order in which it happens."""

from __future__ import annotations

from dataclasses import replace
from typing import final

from clinfuse.cohort.ledger import Entry, Match
from clinfuse.errors import DataError

SAME_DAY = "{} dated on the index day without a clock time are not used, as they may be later than the index time."
SAME_DAY_USED = "{} of the index day are used although the index time has no clock time, so some may be later than it."
UNDATED = "{} without a time are used; nothing says that they were made before the index time."

CUT_DAY = "dated without a clock time, on a day that an end of the window cuts"


@final
class Notes:
    """A growing list of ledger entries and matches; with `strict` the first refusal stops the reading.

    Parameters
    ----------
    strict : bool
        Raise instead of noting a refused file or row.
    """

    def __init__(self, *, strict: bool = False) -> None:
        self._strict = strict
        self._entries: list[Entry] = []
        self._matches: list[Match] = []
        self._told: dict[tuple[str, str, str], tuple[int, int]] = {}

    def refuse(self, code: str, source: str, text: str, *, key: str = "", remedy: str = "") -> None:
        """Note a file, row or value that is not used.

        Raises
        ------
        DataError
            `code`, if reading is strict.
        """
        self._stop(code, source, text, key, remedy)
        self._entries.append(Entry(code, source, key, text, remedy=remedy))

    def exclude(self, code: str, source: str, text: str, *, key: str = "", damaged: bool = False) -> None:
        """Note a record that is left out: by its declaration, or because it is damaged.

        Raises
        ------
        DataError
            `code`, if reading is strict and the record is damaged.
        """
        if damaged:
            self._stop(code, source, text, key)
        self._entries.append(Entry(code, source, key, text, excluded=True))

    def tell(self, code: str, source: str, number: int, text: str) -> None:
        """Note something a reader would want to know, about nothing that was refused: how many, and what of them.

        The same words about the same source are one line with the sum; none is no line.
        """
        if number == 0:
            return
        line = (code, source, text)
        if line not in self._told:
            self._told[line] = len(self._entries), 0
            self._entries.append(Entry(code, source, "", text, note=True))
        place, before = self._told[line]
        self._told[line] = place, before + number
        self._entries[place] = Entry(code, source, "", f"{before + number} {text}", note=True)

    def remark(self, code: str, source: str, text: str, *, key: str) -> None:
        """Note something about one record, of which nothing was refused."""
        self._entries.append(Entry(code, source, key, text, note=True))

    def match(self, match: Match, hint: str = "") -> None:
        """Note how the ids of a source met the records, and loudly if none did; `hint` says what may be wrong."""
        self._matches.append(replace(match, hint=hint))
        if match.matched == 0:
            text = f"ids or rows, and none of them belongs to a record. {hint or 'Compare the ids with [records].'}"
            self.tell("IDS_NONE_MEET", match.source, match.unmatched, text)

    @property
    def entries(self) -> tuple[Entry, ...]:
        """Everything noted so far."""
        return tuple(self._entries)

    @property
    def matches(self) -> tuple[Match, ...]:
        """How the ids of each source met the records."""
        return tuple(self._matches)

    def _stop(self, code: str, source: str, text: str, key: str, remedy: str = "") -> None:
        if self._strict:
            place = f"{source}, {key}" if key else source
            raise DataError(
                code,
                place=place,
                rule="an export without any refusal, as strict reading asks",
                found=text.rstrip("."),
                remedy=remedy or "Correct the export, or read it without strict.",
            )
