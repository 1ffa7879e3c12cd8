"""The page of a study's errors: who is missed, who is called without the finding, and how sure the model was."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import Any

from clinfuse.report.calling import called_from
from clinfuse.report.html import render, write_text
from clinfuse.report.tables import Frame

_MOST = 200
_COLUMNS = ("group", "with the finding", "missed", "without it", "called wrongly")


def write_errors_report(errors: Any, path: Path | str, *, pages: Collection[str] = (), title: str = "") -> Path:
    """Write the page of a model's errors.

    Parameters
    ----------
    errors : Errors
        Of `clinfuse.evaluation.wrong_calls.find_errors`.
    path : Path or str
        Of the HTML file, beside which the folder ``patients`` lies.
    pages : collection of str
        Keys of the records that have a page there.
    title : str
        Of the study.

    Returns
    -------
    Path
        One file, no script, no request, the same bytes for the same inputs.

    Raises
    ------
    StorageError
        ``REPORT_WRITE``.
    """
    return write_text(path, errors_page(errors, pages=pages, title=title))


def errors_page(errors: Any, *, pages: Collection[str] = (), title: str = "") -> str:
    """Give the text of the page."""
    whole, *groups = errors.groups
    columns = dict.fromkeys(one.column for one in groups)
    return render(
        "errors.html",
        title=title or "Where does the model err?",
        errors=errors,
        whole=whole,
        called=called_from(errors.threshold),
        tables=[(name, Frame(_COLUMNS, tuple(_row(g) for g in groups if g.column == name))) for name in columns],
        lists=[
            (heading, wrong[:_MOST], max(0, len(wrong) - _MOST))
            for heading, wrong in (
                (f"Missed: with {errors.positive}, not called", [one for one in errors.wrong if one.missed]),
                (f"Called wrongly: without {errors.positive}", [one for one in errors.wrong if not one.missed]),
            )
        ],
        pages=frozenset(pages),
    )


def _row(group: Any) -> tuple[str, ...]:
    return (group.group, group.positives, group.missed, group.negatives, group.alarms)
