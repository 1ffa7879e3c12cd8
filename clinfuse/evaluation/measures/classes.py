"""Which class counts, and a measure for each class."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from clinfuse.evaluation.measures.given import refuse
from clinfuse.evaluation.statistics.statistic import class_statistics


def binary_labels(labels: Any, *, positive: Any) -> np.ndarray:
    """Give labels in words as 0 and 1, int64 (records,): 1 is the class that was named positive, whatever the alphabet.

    Raises
    ------
    DataError
        ``METRIC_LABELS``: the positive class does not occur, or there are not two.

    Examples
    --------
    >>> binary_labels(["case", "control", "case"], positive="case").tolist()
    [1, 0, 1]
    """
    labels = np.asarray(labels)
    names = np.unique(labels)
    if labels.ndim != 1 or len(names) != 2 or positive not in names.tolist():
        refuse("METRIC_LABELS", "two classes, one of them the positive one that is named", "others")
    return (labels == positive).astype(np.int64)


def per_class(metric: str, labels: Any, scores: Any, *, classes: Sequence[str] = (), **asked: Any) -> dict[str, float]:
    """Give a metric for every class against the rest, or for every label; of two classes for the positive one alone.

    Parameters
    ----------
    metric : str
        As for `statistic`. The metric itself is the plain average of these for all but ``accuracy``,
        ``balanced_accuracy``, ``mcc``, ``log_loss``, ``brier`` and ``scaled_brier`` of several classes.
    labels, scores
        As for `auroc`.
    classes : sequence of str
        Their names by position; without them they are called by it.
    **asked
        ``folds``, ``threshold``, ``at``, ``prevalence``, as for `statistic`.

    Raises
    ------
    DataError
        As for `statistic`.

    Examples
    --------
    >>> per_class("recall", [0, 1, 2, 2], [0, 1, 2, 0], classes=("none", "mild", "severe"))
    {'none': 1.0, 'mild': 1.0, 'severe': 0.5}
    """
    found = class_statistics(metric, labels, scores, **asked)
    every = np.ones((1, len(np.asarray(labels))))
    names = [str(one) for one in (classes or range(2 if len(found) == 1 else len(found)))]
    return dict(zip(names[-len(found) :], (float(one(every)[0]) for one in found), strict=True))
