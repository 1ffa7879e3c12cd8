"""The ledger as a page: what was read, joined and left out, and why, in counts and keys."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import final

from clinfuse.cohort.ledger import Entry, Ledger
from clinfuse.report.html import render, write_text

MOST_ENTRIES = 2000
_CONSEQUENCES = ("record left out", "source absent", "noted")


def write_ledger(ledger: Ledger, path: Path | str, *, title: str = "") -> Path:
    """Write what happened to the export, as one self-contained page.

    Parameters
    ----------
    ledger : Ledger
        Of a cohort.
    path : Path or str
        Of the HTML file.
    title : str
        Of the study.

    Returns
    -------
    Path

    Raises
    ------
    StorageError
        ``REPORT_WRITE``.
    """
    groups = reasons(ledger.entries)
    shown = ledger.entries[:MOST_ENTRIES]
    return write_text(
        path,
        render(
            "ledger.html",
            ledger=ledger,
            groups=groups,
            shown=shown,
            hidden=len(ledger.entries) - len(shown),
            title=title,
        ),
    )


@final
@dataclass(frozen=True)
class Reason:
    """What happened alike to several files, rows or records.

    Parameters
    ----------
    entry : Entry
        The first of them.
    count : int
    consequence : str
    """

    entry: Entry
    count: int
    consequence: str


def reasons(entries: Iterable[Entry]) -> list[Reason]:
    """Give the entries counted by code, source and consequence: exclusions, then refusals, then notes.

    Examples
    --------
    >>> [reason.count for reason in reasons([Entry("A", "ct", "R-1", "no"), Entry("A", "ct", "R-2", "no")])]
    [2]
    """
    first: dict[tuple[int, str, str], Entry] = {}
    counts: Counter[tuple[int, str, str]] = Counter()
    for entry in entries:
        what = (_consequence(entry), entry.code, entry.source)
        counts[what] += 1
        first.setdefault(what, entry)
    order = sorted(first, key=lambda what: (what[0], -counts[what], what[1:]))
    return [Reason(first[what], counts[what], _CONSEQUENCES[what[0]]) for what in order]


def _consequence(entry: Entry) -> int:
    return 0 if entry.excluded else 2 if entry.note else 1
