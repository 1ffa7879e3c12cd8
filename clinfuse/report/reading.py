"""What the study page takes from a comparison, a robustness test and an audit: numbers as they were computed there."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from typing import Any

import numpy as np

from clinfuse.evaluation.measures.curves import calibration_curve
from clinfuse.report import figures
from clinfuse.report.canvas import Picture
from clinfuse.report.figures import Estimate
from clinfuse.report.html import interval, number
from clinfuse.report.typeset import true_minus

_VERDICT = re.compile(r"^(yes|no|cannot tell)\b\.?", re.IGNORECASE)
_MOST_SUBSETS = 14


def answer(comparison: Any) -> tuple[str, str]:
    """Give the verdict and the rest of the answer, with true minus signs."""
    text = true_minus(str(comparison.answer.text))
    found = _VERDICT.match(text)
    verdict = found.group(0) if found else f"{str(comparison.answer.verdict).capitalize()}."
    return verdict, text[found.end() :].strip() if found else text


def remarks(comparison: Any) -> tuple[str, ...]:
    """Give which records the answer was made on, and when it was asked."""
    found = comparison.answer
    return (
        true_minus(str(found.records_text)),
        f"{comparison.declared.capitalize()}: {found.primary} against {found.comparator}. The interval is a 95 % "
        "paired bootstrap interval that draws patients, corrected for folds that share training patients; a gain below "
        f"{number(float(found.margin))} would not matter. {comparison.coverage}",
    )


def declared(comparison: Any) -> str:
    """Give the name of the fusion that the question is about."""
    return str(comparison.answer.primary)


def estimates(comparison: Any) -> tuple[Estimate, ...]:
    """Give one row of the forest plot for each model, single sources first."""
    chosen = declared(comparison)
    rows = [
        Estimate(
            str(row.model),
            float(row.value),
            float(row.low),
            float(row.high),
            note=str(row.taxonomy),
            records=int(row.records),
            events="-" if row.events is None else str(row.events),
            ceiling=float(row.ceiling),
            fused=str(row.taxonomy) != "single",
            declared=str(row.model) == chosen,
        )
        for row in comparison.rows
        if str(row.metric) == "auroc"
    ]
    return tuple(sorted(rows, key=lambda row: row.fused))


def taxonomies(comparison: Any) -> list[tuple[str, str]]:
    """Give every model's name with its class of fusion, in the order of the rows."""
    return list(dict.fromkeys((str(row.model), str(row.taxonomy)) for row in comparison.rows))


def calibration_facts(comparison: Any) -> tuple[tuple[str, str], ...]:
    """Give slope, intercept and Brier score of the declared model, with intervals."""
    names = {"calibration_slope": "slope", "calibration_intercept": "in the large", "brier": "Brier score"}
    chosen = declared(comparison)
    return tuple(
        (names[row.metric], f"{number(row.value, 3)} ({interval(row.low, row.high, 3)})")
        for row in comparison.rows
        if row.model == chosen and row.metric in names
    )


def calibration_pictures(comparison: Any) -> tuple[Picture, ...]:
    """Give the calibration figure of the declared model: records in ten groups of equal size by predicted risk."""
    if comparison.cohort.task != "binary":
        return ()
    chosen = declared(comparison)
    held = comparison.predictions.select(model=chosen, withheld="", repeat=0)
    known = np.asarray(held.y_true) >= 0
    if not known.any():
        return ()
    risks, outcomes = np.asarray(held.probabilities)[known, -1], np.asarray(held.y_true)[known]
    curve = calibration_curve(outcomes, risks, patients=np.asarray(held.patient)[known])
    return (figures.calibration(curve.predicted, curve.observed, curve.counts, name=chosen),)


def loss_curves(comparison: Any, model: str = "") -> dict[str, list[tuple[float, float]]]:
    """Give the loss curves of a model's first fold (the declared one's), by network; empty where it trained none."""
    losses = comparison[model or declared(comparison)].losses
    first = losses[min(losses)] if losses else {}
    return {
        str(name): [(_number(point["training_loss"]), _number(point["validation_loss"])) for point in curve]
        for name, curve in first.items()
    }


def _number(value: Any) -> float:
    return math.nan if value is None else float(value)


def why(diagnoses: Sequence[Any]) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """Give what each diagnosis says of its model, by the model's name."""
    return tuple((str(one.model), tuple(true_minus(str(line)) for line in one.sentences)) for one in diagnoses)


def warnings(comparison: Any) -> tuple[tuple[str, str], ...]:
    """Give what the comparison itself noticed."""
    return tuple(("warn", true_minus(str(text))) for text in comparison.notices)


def findings(audit: Any) -> tuple[tuple[str, str], ...]:
    """Give what an audit found, the most severe first, and how much it looked at; empty without an audit."""
    if audit is None:
        return ()
    rows = [("info" if one.severity == "note" else "warn", true_minus(str(one.text))) for one in audit.findings]
    summary = f"Audit: {len(audit.facts)} checks, {len(rows) or 'nothing'} found. What each measured is under Tables."
    return (*sorted(rows, key=lambda row: row[0] != "warn"), ("info", summary))


def settings(comparison: Any) -> dict[str, Any]:
    """Give how the comparison was run, and what was declared."""
    places = list(comparison[declared(comparison)].losses)
    found = comparison.answer
    return {
        "folds": 1 + max((fold for _, fold in places), default=-1),
        "repeats": 1 + max((repeat for repeat, _ in places), default=-1),
        "validation": str(comparison[declared(comparison)].scheme.validation),
        "declared model": found.primary,
        "held against": found.comparator,
        "smallest gain that matters": float(found.margin),
        "models": ", ".join(name for name, _ in taxonomies(comparison)),
        "sources": ", ".join(comparison.cohort.names),
        "task": comparison.cohort.task,
    }


def robust_rows(robustness: Any) -> tuple[Estimate, ...]:
    """Give the change of AUROC for every set of sources withheld, on complete records where there are enough."""
    if robustness is None:
        return ()
    rows = robustness.of("complete") or robustness.of("all")
    return tuple(
        Estimate(f"no {', '.join(row.withheld)}", row.delta.value, row.delta.low, row.delta.high)
        for row in rows
        if row.withheld
    )[:_MOST_SUBSETS]


def robust_words(robustness: Any) -> str:
    """Say on which records sources were withheld."""
    if robustness is None:
        return ""
    rows = robustness.of("complete") or robustness.of("all")
    which = "that have every source" if robustness.of("complete") else "with what they have"
    return (
        f"The same {rows[0].counts.records} records, {which}, with sources withheld from the model; with all of them "
        f"AUROC {number(rows[0].auroc.value)}. 95 % paired intervals."
    )
