"""The ledger: what was read, joined and left out, and why, in counts and keys only."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import final


@final
@dataclass(frozen=True)
class Entry:
    """One thing that happened to one part of the export.

    Parameters
    ----------
    code : str
        Stable, e.g. ``"FOLLOW_UP_SHORT"``, ``"CT_SPACING"``.
    source : str
        Modality or table it happened in.
    key : str
        Key of the record or patient, empty where it concerns no single one.
    text : str
        One sentence without any patient value.
    excluded : bool
        Whether the record itself was left out because of it.
    note : bool
        Whether nothing was refused at all: something a reader would want to know, such as series that the declared
        filter passed over.
    remedy : str
        What the reader can do about it, with the line of ``cohort.toml`` that would accept it where there is one.
    """

    code: str
    source: str
    key: str
    text: str
    excluded: bool = False
    note: bool = False
    remedy: str = ""


@final
@dataclass(frozen=True)
class Match:
    """How the ids of one source met the records.

    Parameters
    ----------
    source : str
        Modality or table.
    matched, unmatched, twice : int
        Items of the source (files, series, rows) that met a record, met none, or met more than one place.
    without : int
        Records that met no item of the source.
    hint : str
        What may be wrong with the ids, where none met; empty where nothing is known.
    """

    source: str
    matched: int
    unmatched: int
    twice: int
    without: int
    hint: str = ""


@final
@dataclass(frozen=True)
class Ledger:
    """Every count of a cohort, reconciled: input records = used + excluded.

    Parameters
    ----------
    records_in, records_used : int
    entries : tuple of Entry
    matches : tuple of Match
    """

    records_in: int
    records_used: int
    entries: tuple[Entry, ...] = ()
    matches: tuple[Match, ...] = field(default=())

    @property
    def records_excluded(self) -> int:
        """Records of the input that are not used."""
        return self.records_in - self.records_used

    @property
    def excluded(self) -> dict[str, int]:
        """Number of records left out, by code, most frequent first."""
        return dict(Counter(entry.code for entry in self.entries if entry.excluded).most_common())

    @property
    def refused(self) -> dict[str, int]:
        """Number of files refused, by code, most frequent first."""
        return dict(Counter(entry.code for entry in self.entries if not (entry.excluded or entry.note)).most_common())

    def plus(self, *entries: Entry) -> Ledger:
        """The same ledger with further entries at its end."""
        return Ledger(self.records_in, self.records_used, (*self.entries, *entries), self.matches)
