"""A patient's own page: one self-contained file that says why the model said so, by key and declared columns only."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from clinfuse.errors import StorageError
from clinfuse.explain.values import Attribution
from clinfuse.report.html import NOT_CAUSES, number, percent, render, write_text
from clinfuse.report.record.about import NOTHING, About
from clinfuse.report.record.compose import record_page
from clinfuse.report.record.page import RecordPage

HELD_OUT = "The model never saw this patient in training; its number is not a diagnosis."
MAYBE_SEEN = "This model may have been trained on this patient, and may be surer here than for a new one."
_KEY = re.compile("R-[A-Z2-7]{10}")
_SMALLEST_SHARE = 0.01


def write_patient_report(attribution: Attribution, path: Path | str, *, about: About = NOTHING) -> Path:
    """Write the page of one record, and beside it what it is made of as JSON.

    Parameters
    ----------
    attribution : Attribution
        Of `attribute`.
    path : Path or str
        Of the HTML file; its folder is made where it is missing, and the JSON has the same name. Keep ids out of it.
    about : About
        What a run knows of the record beside the explanation.

    Returns
    -------
    Path
        The HTML written: one file, no request, the same bytes for the same attribution.

    Raises
    ------
    StorageError
        ``REPORT_WRITE`` where a file cannot be written.
    """
    page = record_page(attribution, about)
    write_text(Path(path).with_suffix(".json"), page.text())
    return write_text(path, patient_page(page))


def patient_page(page: RecordPage) -> str:
    """Give the text of a record's page from its contents and nothing else."""
    return render(
        "patient.html",
        page=page,
        words=_words(page),
        frequency=_frequency(page),
        seen=HELD_OUT if page.held_out else MAYBE_SEEN,
        missing_words=_missing(page),
        not_causes=NOT_CAUSES,
    )


def read_page(path: Path | str) -> RecordPage:
    """Give the contents of a page from its JSON.

    Raises
    ------
    StorageError
        ``RECORD_JSON`` where it cannot be read, or is not the contents of a page.
    """
    try:
        return RecordPage.model_validate_json(Path(path).read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, ValidationError):
        raise StorageError(
            "RECORD_JSON",
            place="patient page",
            rule="a JSON file as it is written beside a page",
            found="one that is not",
            remedy="Write the page anew with clinfuse explain.",
        ) from None


def write_patient_index(entries: Sequence[RecordPage], path: Path | str, *, rule: str = "") -> Path:
    """Write the page that lists the records with a page of their own, beside which it lies, as ``KEY.html``.

    Parameters
    ----------
    entries : sequence of RecordPage
    path : Path or str
    rule : str
        How they were chosen, in words.

    Returns
    -------
    Path

    Raises
    ------
    StorageError
        ``REPORT_WRITE``.
    """
    names = list(dict.fromkeys(source.name for page in entries for source in page.sources))
    rows: list[dict[str, Any]] = [
        {
            "key": page.record,
            "linked": bool(_KEY.fullmatch(page.record)),
            "model": page.model,
            "risk": percent(page.probability),
            "shares": [_cell(page, name) for name in names],
            "verified": page.verified,
            "outcome": ", ".join(one for one in (page.outcome, page.group) if one),
            "blind": page.blind,
        }
        for page in entries
    ]
    outcomes = any(row["outcome"] for row in rows)
    text = render("patients.html", rows=rows, names=names, rule=rule, outcomes=outcomes, not_causes=NOT_CAUSES)
    return write_text(path, text)


def _cell(page: RecordPage, name: str) -> str:
    return next((number(one.share) for one in page.sources if one.name == name and one.state == "present"), "")


def _words(page: RecordPage) -> str:
    prior = percent(page.prior_probability)
    if not any(source.state == "present" for source in page.sources):
        return "nothing of this record was usable, so it is the share seen in training."
    difference = page.probability - page.prior_probability
    if abs(difference) < _SMALLEST_SHARE:
        return f"about what it would say knowing nothing of the record ({prior})."
    side = "more" if difference > 0 else "less"
    return f"{side} than the {prior} it would say knowing nothing of the record."


def _frequency(page: RecordPage) -> str:
    count = round(100 * page.probability)
    if count in (0, 100):
        side = "fewer than 1" if count == 0 else "more than 99"
        return f"If the model is well calibrated, {side} of 100 such patients have it."
    return f"If the model is well calibrated, about {count} of 100 such patients have it and {100 - count} do not."


def _missing(page: RecordPage) -> str:
    absent = [source.name for source in page.sources if source.state != "present"]
    if not absent:
        return "Every source of the study was there."
    return f"Missing: {', '.join(absent)}. The model was not given a stand-in; a missing source says nothing."
