"""A patient's own page: one self-contained file that says why the model said so, by key and declared columns only."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, final

from clinfuse.explain.values import Attribution, ModalityAttribution
from clinfuse.report import pictures
from clinfuse.report.allowed import described_text, range_text, value_text
from clinfuse.report.canvas import Picture
from clinfuse.report.html import NOT_CAUSES, number, percent, render, write_text

HELD_OUT = "The model never saw this patient in training; its number is not a diagnosis."
MAYBE_SEEN = "This model may have been trained on this patient, and may be surer here than for a new one."
MOST_FEATURES = 14
_KEY = re.compile("R-[A-Z2-7]{10}")
_SMALLEST_SHARE = 0.01


@final
@dataclass(frozen=True)
class _View:
    name: str
    method: str
    share: float
    pictures: tuple[Picture, ...]
    caption: str


def write_patient_report(attribution: Attribution, path: Path | str) -> Path:
    """Write the page of one record.

    Parameters
    ----------
    attribution : Attribution
        Of `attribute`.
    path : Path or str
        Of the HTML file; its folder is made where it is missing. Keep ids out of its name.

    Returns
    -------
    Path
        The file written: one file, no script, no request, the same bytes for the same attribution.

    Raises
    ------
    StorageError
        ``REPORT_WRITE`` where the file cannot be written.
    """
    return write_text(path, patient_page(attribution))


def patient_page(attribution: Attribution) -> str:
    """Give the text of a record's page."""
    a = attribution
    return render(
        "patient.html",
        a=a,
        version=version("clinfuse"),
        words=_words(a),
        frequency=_frequency(a),
        seen=HELD_OUT if a.held_out else MAYBE_SEEN,
        missing_words=_missing(a.parts),
        described=[(name, described_text(name, value)) for name, value in a.described],
        shares=pictures.waterfall(a.prior_logit, [(p.name, p.share, p.present) for p in a.parts], a.logit),
        views=[_view(part) for part in a.parts if part.present],
        not_causes=NOT_CAUSES,
    )


def write_patient_index(entries: Sequence[Attribution], path: Path | str) -> Path:
    """Write the page that lists the records with a page of their own, beside which it lies, as ``KEY.html``.

    Parameters
    ----------
    entries : sequence of Attribution
    path : Path or str

    Returns
    -------
    Path

    Raises
    ------
    StorageError
        ``REPORT_WRITE``.
    """
    names = list(dict.fromkeys(part.name for a in entries for part in a.parts))
    rows: list[dict[str, Any]] = [
        {
            "key": a.record,
            "linked": bool(_KEY.fullmatch(a.record)),
            "model": a.model,
            "risk": percent(a.probability),
            "shares": [number(a.shares[n]) if a.present.get(n) else "" for n in names],
            "verified": a.verified,
        }
        for a in entries
    ]
    return write_text(path, render("patients.html", rows=rows, names=names, not_causes=NOT_CAUSES))


def _words(a: Attribution) -> str:
    prior = percent(a.prior_probability)
    if not any(part.present for part in a.parts):
        return "nothing of this record was usable, so it is the share seen in training."
    difference = a.probability - a.prior_probability
    if abs(difference) < _SMALLEST_SHARE:
        return f"about what it would say knowing nothing of the record ({prior})."
    side = "more" if difference > 0 else "less"
    return f"{side} than the {prior} it would say knowing nothing of the record."


def _frequency(a: Attribution) -> str:
    count = round(100 * a.probability)
    if count in (0, 100):
        side = "fewer than 1" if count == 0 else "more than 99"
        return f"If the model is well calibrated, {side} of 100 such patients have it."
    return f"If the model is well calibrated, about {count} of 100 such patients have it and {100 - count} do not."


def _missing(parts: Sequence[ModalityAttribution]) -> str:
    absent = [part.name for part in parts if not part.present]
    if not absent:
        return "Every source of the study was there."
    return f"Missing: {', '.join(absent)}. The model was not given a stand-in; a missing source says nothing."


def _view(part: ModalityAttribution) -> _View:
    drawn: tuple[Picture, ...] = ()
    caption = []
    if part.has_map and part.withheld:
        caption.append(f"The picture is withheld. {part.withheld}")
    elif part.has_map:
        draw = {"xray": pictures.radiograph, "eeg": pictures.signal}.get(part.modality.kind, pictures.volume)
        drawn = (draw(part.modality, part.data, part.map),)
        caption.append(
            "Orange moved the answer towards the finding, blue away from it; blurred by one element for the eye."
        )
        caption.append(f"Compared with {part.baseline}.")
        low, high = part.modality.window
        if part.modality.kind == "ct" and low < high:
            caption.append(f"Window {low:g} to {high:g} HU.".replace("-", "−"))
    elif part.features:
        strongest = sorted(part.features, key=lambda f: -abs(f.contribution))[:MOST_FEATURES]
        rows = [(f.name, value_text(f), range_text(f), f.outside, f.contribution) for f in strongest]
        drawn = (pictures.bars(rows),)
        caption.append(_feature_words(part, len(strongest)))
        if part.baseline:
            caption.append(f"Compared with {part.baseline}.")
    else:
        caption.append("The learner of this source gives no parts; only its share is known.")
    return _View(part.name, part.method, part.share, drawn, " ".join(caption))


def _feature_words(part: ModalityAttribution, shown: int) -> str:
    rest = len(part.features) - shown
    left = f" {rest} smaller ones are not shown." if rest > 0 else ""
    return f"What each value added to the log odds, largest first; ages are shown as bands.{left}"
