"""The tables of a manuscript: every estimate as "0.84 (0.77 to 0.90)", and a caption that leaves nothing to guess."""

from __future__ import annotations

from typing import Any

import pandas as pd

from clinfuse.report.html import percent

METRIC_NAMES = {
    "auroc": "AUROC",
    "auprc": "AUPRC",
    "brier": "Brier score",
    "scaled_brier": "scaled Brier score",
    "calibration_slope": "calibration slope",
    "calibration_intercept": "calibration in the large",
    "observed_expected": "O:E",
}
_DIGITS = {"brier": 3}
INTERVALS = (
    "In brackets 95 % intervals from a bootstrap that draws patients, not records, widened where folds share training "
    "patients (Nadeau and Bengio 2003). They are intervals for the mean performance of the models of these folds on "
    "new patients; what other settings or seeds would change is not in them."
)


def performance_table(comparison: Any) -> pd.DataFrame:
    """Give one line for each model: counts, and every metric of ``METRIC_NAMES`` as estimate with interval.

    Parameters
    ----------
    comparison : Comparison
    """
    lines: dict[str, dict[str, str]] = {}
    for row in comparison.rows:
        events = "" if row.events is None else str(row.events)
        about = {"fusion": row.taxonomy, "records": str(row.records), "patients": str(row.patients), "events": events}
        line = lines.setdefault(str(row.model), {"model": str(row.model), **about})
        if row.metric in METRIC_NAMES:
            line[METRIC_NAMES[row.metric]] = estimate_text(row, _DIGITS.get(row.metric, 2))
    return pd.DataFrame(list(lines.values())).fillna("")


def comparison_table(comparison: Any, *, declared: bool = True) -> pd.DataFrame:
    """Give the fusion of the question against its single modality, or, for an appendix, one line for each other fusion.

    Parameters
    ----------
    comparison : Comparison
    declared : bool
        Whether what was declared beforehand is wanted, or what was not: with p adjusted by Holm, and empty where there
        is none.
    """
    chosen = comparison.answer.primary
    lines = [
        {
            "model": name,
            "against": one.second,
            "records": str(one.counts.records),
            "AUROC": f"{one.values[0]:.2f} against {one.values[1]:.2f}",
            "difference": str(one),
            "p": "< 0.001" if comparison.p_values[name] < 0.001 else f"{comparison.p_values[name]:.3f}",
            "declared": "beforehand" if name == chosen else "adjusted by Holm",
        }
        for name, one in comparison.differences.items()
        if (name == chosen) == declared
    ]
    return pd.DataFrame(lines)


def estimate_text(row: Any, digits: int = 2) -> str:
    """Give a number with its interval as a manuscript prints it: ``"0.84 (0.77 to 0.90)"``."""
    shown = [f"{value:.{digits}f}" for value in (row.value, row.low, row.high)]
    value, low, high = (text.lstrip("-") if float(text) == 0 else text for text in shown)
    return f"{value} ({low} to {high})"


def caption(comparison: Any, first: str, *, seed: int, intervals: str = INTERVALS) -> str:
    """Give the caption of a table of a comparison.

    Parameters
    ----------
    comparison : Comparison
    first : str
        A sentence that says what the table shows.
    seed : int
        Of the run.
    intervals : str
        What the intervals of the table are; empty where it has none.

    Returns
    -------
    str
        The sentence; the positive class, its prevalence, and how many records, patients and events there are; what
        the intervals are for; the seed.
    """
    return " ".join(part for part in (first, whom(comparison), intervals, f"Seed {seed}.") if part)


def whom(comparison: Any) -> str:
    """Give one sentence about the records of a comparison: the positive class with its prevalence, and counts."""
    about = comparison.answer.difference.counts
    people = f"{about.records} records of {about.patients} patients"
    if about.events is None:
        return f"Held-out predictions of {people}: {about.positive}; none of them alone is the event."
    share = percent(about.events / about.records) if about.records else "–"
    return f"Positive class: {about.positive} ({about.events} events in {people}, prevalence {share})."
