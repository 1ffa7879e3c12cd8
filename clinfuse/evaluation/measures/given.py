"""What every measure checks about what it is given, and how it is computed once on the records as they are."""

from __future__ import annotations

from typing import Any, NoReturn

import numpy as np

from clinfuse.errors import DataError
from clinfuse.evaluation.statistics.statistic import statistic


def once(metric: str, labels: Any, scores: Any, **asked: Any) -> float:
    """Give a metric of the records as they are, each with weight 1."""
    return float(statistic(metric, labels, scores, **asked)(np.ones((1, len(np.asarray(labels)))))[0])


def binary(labels: Any, scores: Any) -> tuple[np.ndarray, np.ndarray]:
    """Give labels of 0 and 1 and float64 scores as two equal rows, or refuse them."""
    labels, scores = np.asarray(labels), np.asarray(scores, dtype=np.float64)
    if labels.ndim != 1 or scores.shape != labels.shape or len(labels) == 0:
        refuse("METRIC_SHAPE", "labels and scores must be two equal rows", "another shape")
    if not np.isfinite(scores).all():
        refuse("METRIC_NAN", "scores must be finite", "a number that is not")
    if not np.isin(labels, (0, 1)).all():
        refuse("METRIC_LABELS", "labels must be 0 or 1", "another value")
    return labels, scores


def both(labels: Any, scores: Any) -> tuple[np.ndarray, np.ndarray]:
    """Give what `binary` gives, or refuse records of one class."""
    labels, scores = binary(labels, scores)
    if len(np.unique(labels)) < 2:
        refuse("METRIC_CLASSES", "every class must have a record", "a class without one")
    return labels, scores


def refuse(code: str, rule: str, found: str) -> NoReturn:
    """Raise the error of a measure that cannot be computed."""
    raise DataError(code, place="metric", rule=rule, found=found, remedy="Correct what the metric is given.")
