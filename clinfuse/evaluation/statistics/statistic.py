"""Metrics by name, as functions of weights: the one place where labels and scores are checked and cut into columns."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from clinfuse.errors import DataError
from clinfuse.evaluation.statistics import weighted
from clinfuse.evaluation.statistics.weighted import Statistic

_Builder = Callable[[np.ndarray, np.ndarray, np.ndarray], Statistic]
_TINY = 1e-15


def statistic(metric: str, labels: Any, scores: Any, *, folds: Any = None) -> Statistic:
    """Give a metric as a function of weights, for a bootstrap of it.

    Parameters
    ----------
    metric : str
        ``auroc``, ``auprc`` (both read scores), ``brier``, ``log_loss`` (probabilities), ``calibration_slope`` or
        ``calibration_intercept`` (logits).
    labels, scores, folds
        As for `auroc`.

    Raises
    ------
    DataError
        ``METRIC_NAME``, and what `auroc` raises.

    Examples
    --------
    >>> import numpy as np
    >>> double = statistic("brier", [0, 1], [0.0, 0.0])
    >>> double(np.array([[1.0, 1.0], [1.0, 3.0]]))
    array([0.5 , 0.75])
    """
    if metric not in _BUILDERS:
        _refuse("METRIC_NAME", f"the metric must be one of {', '.join(sorted(_BUILDERS))}", "another word")
    labels, scores = np.asarray(labels), np.asarray(scores, dtype=np.float64)
    folds = np.zeros(len(labels), dtype=int) if folds is None else np.asarray(folds)
    if len(labels) != len(scores) or len(folds) != len(labels) or len(labels) == 0:
        _refuse("METRIC_SHAPE", "labels, scores and folds must be as many, and some", "other lengths")
    if not np.isfinite(scores).all():
        _refuse("METRIC_NAN", "scores must be finite", "a number that is not")
    columns = _columns(metric, labels, scores)
    parts = [_column_statistic(metric, *column, folds) for column in columns]
    if metric == "brier" and labels.ndim == 1 and len(parts) > 1:
        return lambda weights: np.sum([part(weights) for part in parts], axis=0)
    return parts[0] if len(parts) == 1 else weighted.weighted_macro(parts)


def _column_statistic(
    metric: str, labels: np.ndarray, scores: np.ndarray, known: np.ndarray, folds: np.ndarray
) -> Statistic:
    if not np.isin(labels, (0, 1)).all():
        _refuse("METRIC_LABELS", "labels must be 0 or 1", "another value")
    if metric not in ("brier", "log_loss") and len(np.unique(labels)) < 2:
        _refuse("METRIC_CLASSES", "every class must have a record", "a class without one")
    built = _BUILDERS[metric](labels, scores, folds[known])
    return built if known.all() else weighted.restricted(built, known)


def _columns(metric: str, labels: np.ndarray, scores: np.ndarray) -> list[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Split a metric of several classes or labels into metrics of one: (labels, scores, records known)."""
    everyone = np.ones(len(labels), dtype=bool)
    if labels.ndim == 2:
        if scores.shape != labels.shape:
            _refuse("METRIC_SHAPE", "several labels need one score each", "another shape")
        known = [labels[:, i] >= 0 for i in range(labels.shape[1])]
        return [(labels[rows, i], scores[rows, i], rows) for i, rows in enumerate(known)]
    if scores.ndim == 1:
        return [(labels, scores, everyone)]
    if scores.shape[1] == 2:
        one = scores[:, 1] if metric in ("brier", "log_loss") else scores[:, 1] - scores[:, 0]
        return [(labels, one, everyone)]
    if metric == "log_loss":
        if not np.isin(labels, np.arange(scores.shape[1])).all():
            _refuse("METRIC_LABELS", "labels must be class indices", "another value")
        return [(np.ones(len(labels), dtype=int), scores[np.arange(len(labels)), labels], everyone)]
    return [((labels == i).astype(int), scores[:, i], everyone) for i in range(scores.shape[1])]


def _brier(labels: np.ndarray, probabilities: np.ndarray, folds: np.ndarray) -> Statistic:
    return weighted.weighted_mean((probabilities - labels) ** 2)


def _log_loss(labels: np.ndarray, probabilities: np.ndarray, folds: np.ndarray) -> Statistic:
    true = np.where(labels == 1, probabilities, 1 - probabilities)
    return weighted.weighted_mean(-np.log(np.clip(true, _TINY, 1)))


_BUILDERS: dict[str, _Builder] = {
    "auroc": weighted.weighted_auroc,
    "auprc": weighted.weighted_auprc,
    "brier": _brier,
    "log_loss": _log_loss,
    "calibration_slope": lambda labels, logits, folds: weighted.weighted_slope(labels, logits),
    "calibration_intercept": lambda labels, logits, folds: weighted.weighted_intercept(labels, logits),
}


def _refuse(code: str, rule: str, found: str) -> None:
    raise DataError(code, place="metric", rule=rule, found=found, remedy="Correct what the metric is given.")
