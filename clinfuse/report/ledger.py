"""The ledger as a page: what was read, joined and left out, and why, in counts and keys."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from clinfuse.cohort.ledger import Entry, Ledger
from clinfuse.report.html import render, write_text

MOST_ENTRIES = 2000


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


def reasons(entries: Iterable[Entry]) -> list[dict[str, object]]:
    """Give the entries counted by code, source and consequence, exclusions first, most frequent first.

    Examples
    --------
    >>> [row["count"] for row in reasons([Entry("A", "ct", "R-1", "no"), Entry("A", "ct", "R-2", "no")])]
    [2]
    """
    found: dict[tuple[str, str, bool], dict[str, object]] = {}
    counts: dict[tuple[str, str, bool], int] = {}
    for entry in entries:
        what = (entry.code, entry.source, entry.excluded)
        counts[what] = counts.get(what, 0) + 1
        found.setdefault(
            what, {"code": entry.code, "source": entry.source, "text": entry.text, "excluded": entry.excluded}
        )
    order = sorted(found, key=lambda what: (not what[2], -counts[what], what[:2]))
    return [{**found[what], "count": counts[what]} for what in order]
