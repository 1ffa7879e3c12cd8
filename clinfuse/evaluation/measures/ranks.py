"""How well scores rank records, and what a threshold on them would reach."""

from __future__ import annotations

from typing import Any

import numpy as np

from clinfuse.evaluation.measures.given import both, once


def auroc(labels: Any, scores: Any, *, folds: Any = None) -> float:
    """Give the area under the ROC curve: the share of pairs ranked rightly, ties counted half.

    Parameters
    ----------
    labels : array of int, (records,) or (records, labels)
        0 or 1; a class index where ``scores`` has more than two columns; 0, 1 or -1 (unknown) per label.
    scores : array of float, (records,) or (records, classes)
        Any increasing function of the risk. Two columns: the second minus the first. More: the plain average over
        classes, each against the rest. Two-dimensional labels: the plain average over labels.
    folds : array, (records,), optional
        Only pairs within one fold count; without it all pairs do.

    Raises
    ------
    DataError
        ``METRIC_SHAPE``, ``METRIC_NAN``, ``METRIC_LABELS``, ``METRIC_CLASSES``: a class without records.

    References
    ----------
    Hanley and McNeil 1982, Radiology 143:29, doi:10.1148/radiology.143.1.7063747.

    Examples
    --------
    >>> auroc([0, 0, 1, 1], [0.1, 0.4, 0.35, 0.8])
    0.75
    """
    return once("auroc", labels, scores, folds=folds)


def auprc(labels: Any, scores: Any, *, folds: Any = None) -> float:
    """Give average precision, the area under the precision-recall steps; chance level is the prevalence.

    Parameters and errors as for `auroc`; several folds give the average weighted by their events.

    Examples
    --------
    >>> round(auprc([0, 0, 1, 1], [0.1, 0.4, 0.35, 0.8]), 4)
    0.8333
    """
    return once("auprc", labels, scores, folds=folds)


def threshold_at_specificity(labels: Any, scores: Any, specificity: float) -> float:
    """Give the lowest threshold such that calling every record at or above it keeps at least this specificity.

    Find the threshold on training records, never on those it is then judged on.

    Returns
    -------
    float
        The next number above the score of a negative record, so that this record is just not called; minus infinity
        where a specificity of 0 will do.

    Examples
    --------
    >>> found = threshold_at_specificity([0, 0, 0, 0, 1], [0.1, 0.2, 0.3, 0.4, 0.5], 0.75)
    >>> round(found, 6), found > 0.3
    (0.3, True)
    """
    labels, scores = both(labels, scores)
    negative = np.sort(scores[labels == 0])
    needed = int(np.ceil(specificity * len(negative) - 1e-9))
    return float(np.nextafter(negative[needed - 1], np.inf)) if needed > 0 else float("-inf")


def threshold_at_sensitivity(labels: Any, scores: Any, sensitivity: float) -> float:
    """Give the highest threshold such that calling every record at or above it keeps at least this sensitivity.

    Find the threshold on training records, never on those it is then judged on.

    Returns
    -------
    float
        The score of a positive record; infinity where a sensitivity of 0 will do.

    Examples
    --------
    >>> threshold_at_sensitivity([0, 1, 1, 1, 1], [0.1, 0.2, 0.3, 0.4, 0.5], 0.75)
    0.3
    """
    labels, scores = both(labels, scores)
    positive = np.sort(scores[labels == 1])[::-1]
    needed = int(np.ceil(sensitivity * len(positive) - 1e-9))
    return float(positive[needed - 1]) if needed > 0 else float("inf")


def sensitivity_at_specificity(labels: Any, scores: Any, specificity: float = 0.90, *, folds: Any = None) -> float:
    """Give the share of positive records above the threshold that keeps this specificity, one threshold per fold.

    The threshold is that of the same records: a description of the curve, not the performance of a threshold chosen
    beforehand. Parameters and errors as for `auroc`; a fold without records of both classes has no part in it.

    Examples
    --------
    >>> sensitivity_at_specificity([0, 0, 0, 0, 1, 1], [0.1, 0.2, 0.3, 0.8, 0.5, 0.9], 0.75)
    1.0
    """
    return once("sensitivity_at_specificity", labels, scores, folds=folds, at=specificity)


def specificity_at_sensitivity(labels: Any, scores: Any, sensitivity: float = 0.90, *, folds: Any = None) -> float:
    """Give the share of negative records below the threshold that keeps this sensitivity, one threshold per fold.

    A description of the curve, as `sensitivity_at_specificity`.

    Examples
    --------
    >>> specificity_at_sensitivity([0, 0, 0, 0, 1, 1], [0.1, 0.2, 0.3, 0.8, 0.5, 0.9], 1.0)
    0.75
    """
    return once("specificity_at_sensitivity", labels, scores, folds=folds, at=sensitivity)
