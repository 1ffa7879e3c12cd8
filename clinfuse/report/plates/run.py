"""Which figures of a run are printed, and the numbers that they are drawn from."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import Any

import numpy as np

from clinfuse.evaluation.calls import FoldThresholds, Threshold, called
from clinfuse.evaluation.compare import Comparison
from clinfuse.evaluation.measures.curves import (
    calibration_curve,
    decision_curve,
    precision_recall_curve,
    roc_curve,
)
from clinfuse.evaluation.measures.decided import confusion_matrix
from clinfuse.evaluation.predictions import Predictions
from clinfuse.evaluation.scores import fold_codes, predicted_statistic
from clinfuse.report.figures import Estimate
from clinfuse.report.html import percent
from clinfuse.report.plates.board import Plate, write_plates
from clinfuse.report.plates.boxes import confusion_plate, forest_plate, training_plate
from clinfuse.report.plates.lines import Line, calibration_plate, decision_plate, precision_plate, roc_plate
from clinfuse.report.reading import loss_curves

_MOST_LINES = 5
_THRESHOLDS = tuple(round(0.02 * step, 2) for step in range(1, 50))
_DRAWS = 500


def write_run_plates(
    comparison: Comparison, folder: Path, *, forms: Collection[str], threshold: Threshold, seed: int
) -> tuple[Path, ...]:
    """Write the figures of a run, and take away those that were there before.

    Parameters
    ----------
    comparison : Comparison
    folder : Path
        Of the figures.
    forms : collection of str
        ``"png"``, ``"svg"``, ``"pdf"``; none writes nothing.
    threshold : float or FoldThresholds
        Probability from which on a record is called positive, or what each fold's model learned for that.
    seed : int
        Of the bands.

    Raises
    ------
    StorageError
        ``REPORT_WRITE``.
    """
    for file in folder.glob("*mm.*"):
        file.unlink()
    return write_plates(run_plates(comparison, threshold=threshold, seed=seed), folder, forms=forms) if forms else ()


def run_plates(comparison: Comparison, *, threshold: Threshold, seed: int) -> tuple[Plate, ...]:
    """Give the figures that the predictions of a run allow: curves where there is one positive class."""
    held = known(comparison[comparison.primary].predictions)
    plates = list(_curves(comparison, held, seed)) if held.task == "binary" else []
    if held.task != "multilabel":
        plates.append(_confusion(held.select(repeat=0), comparison.primary, threshold))
    plates.append(_forest(comparison))
    # The declared fusion may have trained no network of its own.
    names = [comparison.primary, *comparison.differences]
    losses = next((curves for name in names if (curves := loss_curves(comparison, name))), {})
    return (*plates, training_plate(losses)) if losses else tuple(plates)


def curve_plates(comparison: Comparison, *, seed: int) -> tuple[Plate, ...]:
    """Give ROC, precision and recall, calibration and net benefit; none where there are more than two classes."""
    held = known(comparison[comparison.primary].predictions)
    return _curves(comparison, held, seed) if held.task == "binary" and len(held) else ()


def known(predictions: Predictions) -> Predictions:
    """Give the rows whose outcome is known."""
    truth = predictions.y_true
    return predictions.rows(np.flatnonzero(truth >= 0 if truth.ndim == 1 else (truth >= 0).any(1)))


def _curves(comparison: Comparison, held: Predictions, seed: int) -> tuple[Plate, ...]:
    about = comparison.answer.difference.counts
    said: dict[str, Any] = {"positive": about.positive}
    said["people"] = f"{about.records} records, {about.events} events"
    first = held.select(repeat=0)
    risk: dict[str, Any] = {"patients": first.patient, "seed": seed}
    lines = _models(comparison)
    benefit = [
        Line(name, "", _decided(one, seed if name == comparison.primary else None), fused)
        for name, one, fused in (lines[0], lines[-1])
    ]
    return (
        roc_plate([Line(n, _value(one, "auroc"), _curve(roc_curve, one), f) for n, one, f in lines], **said),
        precision_plate(
            [Line(n, _value(one, "auprc"), _curve(precision_recall_curve, one), f) for n, one, f in lines], **said
        ),
        calibration_plate(
            calibration_curve(first.y_true, first.probabilities[:, -1], **risk), name=comparison.primary, **said
        ),
        decision_plate(benefit, **said),
    )


def _models(comparison: Comparison) -> list[tuple[str, Predictions, bool]]:
    """The declared fusion, further ones, and last the single modality of the question, all on the same records."""
    names = [comparison.primary, *(name for name in comparison.differences if name != comparison.primary)]
    fused = [(name, known(comparison[name].predictions), True) for name in names[: _MOST_LINES - 1]]
    return [*fused, (comparison.answer.comparator, known(comparison.comparator.predictions), False)]


def _curve(kind: Any, held: Predictions) -> Any:
    return kind(held.y_true, held.scores, folds=fold_codes(held))


def _value(held: Predictions, metric: str) -> str:
    return f"{float(predicted_statistic(held, metric)(np.ones((1, len(held))))[0]):.2f}"


def _decided(held: Predictions, seed: int | None) -> Any:
    one = held.select(repeat=0)
    band: dict[str, Any] = {} if seed is None else {"patients": one.patient, "seed": seed, "draws": _DRAWS}
    return decision_curve(one.y_true, one.probabilities[:, -1], thresholds=_THRESHOLDS, **band)


def _confusion(held: Predictions, name: str, threshold: Threshold) -> Plate:
    if held.task == "binary":
        matrix = confusion_matrix(held.y_true, called(held, threshold).astype(np.int64))
        return confusion_plate(matrix, held.classes, name=name, how=_how(threshold))
    matrix = confusion_matrix(held.y_true, held.probabilities)
    return confusion_plate(matrix, held.classes, name=name, how="the most probable class")


def _how(threshold: Threshold) -> str:
    if isinstance(threshold, FoldThresholds):
        return f"for a specificity of {percent(threshold.specificity)}"
    return f"from {percent(threshold)} on"


def _forest(comparison: Comparison) -> Plate:
    about = comparison.answer.difference.counts
    rows = [
        Estimate(name, one.value, one.low, one.high, declared=name == comparison.primary)
        for name, one in sorted(comparison.differences.items(), key=lambda item: item[0] != comparison.primary)
    ]
    return forest_plate(
        rows, metric="AUROC", against=comparison.answer.comparator, people=f"{about.records} records, {about}"
    )
