"""How good predictions are, each number by one function of labels and scores.

Cross-validated scores come from as many models as there are folds, and their scales differ. Give ``folds`` wherever it
is taken: only records that the same model scored are then compared with each other.
"""

from __future__ import annotations

from typing import Any, Literal

import numpy as np

from clinfuse.errors import DataError
from clinfuse.evaluation.statistics.statistic import statistic

__all__ = [
    "auprc",
    "auroc",
    "balanced_accuracy",
    "brier",
    "calibration_intercept",
    "calibration_slope",
    "ece",
    "log_loss",
    "mcc",
    "net_benefit",
    "net_benefit_treat_all",
    "predictive_values",
    "sensitivity_at_specificity",
    "statistic",
    "threshold_at_specificity",
]


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
    return _once("auroc", labels, scores, folds)


def auprc(labels: Any, scores: Any, *, folds: Any = None) -> float:
    """Give average precision, the area under the precision-recall steps; chance level is the prevalence.

    Parameters and errors as for `auroc`; several folds give the average weighted by their events.

    Examples
    --------
    >>> round(auprc([0, 0, 1, 1], [0.1, 0.4, 0.35, 0.8]), 4)
    0.8333
    """
    return _once("auprc", labels, scores, folds)


def brier(labels: Any, probabilities: Any) -> float:
    """Give the mean squared distance between probability and outcome.

    One or two columns of probabilities: of the positive class. More: summed over the classes, so that 2 is the worst.
    Two-dimensional labels: the plain average over labels.

    Raises
    ------
    DataError
        As for `auroc`.

    References
    ----------
    Brier 1950, Monthly Weather Review 78:1, doi:10.1175/1520-0493(1950)078<0001:VOFEIT>2.0.CO;2.

    Examples
    --------
    >>> round(brier([0, 1, 1, 0], [0.1, 0.9, 0.8, 0.3]), 4)
    0.0375
    """
    return _once("brier", labels, probabilities)


def log_loss(labels: Any, probabilities: Any) -> float:
    """Give the mean negative logarithm (natural) of the probability given to what was true, bounded at 1e-15.

    Raises
    ------
    DataError
        As for `auroc`.

    Examples
    --------
    >>> round(log_loss([0, 1], [0.5, 0.5]), 4)
    0.6931
    """
    return _once("log_loss", labels, probabilities)


def calibration_slope(labels: Any, logits: Any) -> float:
    """Give the slope of the label on the logit: 1 is right, below 1 the model is too sure of itself.

    Parameters
    ----------
    labels : array of int, (records,)
        0 or 1.
    logits : array of float, (records,)
        Log odds of the positive class.

    Returns
    -------
    float
        NaN where the logits part the classes completely and no finite slope exists.

    References
    ----------
    Cox 1958, Biometrika 45:562, doi:10.1093/biomet/45.3-4.562.

    Examples
    --------
    >>> logits = [-1.0, -1.0, -1.0, 1.0, 1.0, 1.0]
    >>> round(calibration_slope([0, 0, 1, 0, 1, 1], logits), 4)  # a third and two thirds: half as sure as stated
    0.6931
    """
    return _once("calibration_slope", labels, logits)


def calibration_intercept(labels: Any, logits: Any) -> float:
    """Give calibration in the large: 0 is right, above 0 the model gives too low probabilities on the whole.

    Parameters as for `calibration_slope`.

    Examples
    --------
    >>> round(calibration_intercept([0, 1, 0, 1], [1.0, 1.0, 1.0, 1.0]), 6)
    -1.0
    """
    return _once("calibration_intercept", labels, logits)


def balanced_accuracy(labels: Any, decided: Any) -> float:
    """Give the average over classes of the share of a class's records that was decided rightly.

    Examples
    --------
    >>> balanced_accuracy([0, 0, 0, 1], [0, 0, 1, 1])
    0.8333333333333333
    """
    labels, decided = _pair(labels, decided)
    return float(np.mean([np.mean(decided[labels == one] == one) for one in np.unique(labels)]))


def mcc(labels: Any, decided: Any) -> float:
    """Give Matthews' correlation of decisions with labels, 0 where either is constant.

    References
    ----------
    Matthews 1975, doi:10.1016/0005-2795(75)90109-9.

    Examples
    --------
    >>> mcc([0, 0, 1, 1], [0, 0, 1, 1])
    1.0
    """
    labels, decided = _pair(labels, decided)
    if len(np.unique(labels)) < 2 or len(np.unique(decided)) < 2:
        return 0.0
    names = np.union1d(labels, decided)
    table = np.array([[np.sum((labels == a) & (decided == b)) for b in names] for a in names], dtype=np.float64)
    true, called, n = table.sum(1), table.sum(0), table.sum()
    covariance = np.trace(table) * n - true @ called
    return float(covariance / np.sqrt((n**2 - called @ called) * (n**2 - true @ true)))


def threshold_at_specificity(labels: Any, scores: Any, specificity: float) -> float:
    """Give the lowest score such that calling every record above it keeps at least this specificity.

    A record is called when its score is *greater*. Find the threshold on training records, never on those it is
    then judged on.

    Examples
    --------
    >>> threshold_at_specificity([0, 0, 0, 0, 1], [0.1, 0.2, 0.3, 0.4, 0.5], 0.75)
    0.3
    """
    labels, scores = _binary(labels, scores)
    negative = np.sort(scores[labels == 0])
    needed = int(np.ceil(specificity * len(negative) - 1e-9))
    return float(negative[needed - 1]) if needed > 0 else float("-inf")


def sensitivity_at_specificity(labels: Any, scores: Any, specificity: float = 0.90, *, folds: Any = None) -> float:
    """Give the share of positive records above the threshold that keeps this specificity, one threshold per fold.

    The threshold is that of the same records: a description of the curve, not the performance of a threshold chosen
    beforehand.

    Examples
    --------
    >>> sensitivity_at_specificity([0, 0, 0, 0, 1, 1], [0.1, 0.2, 0.3, 0.8, 0.5, 0.9], 0.75)
    1.0
    """
    labels, scores = _binary(labels, scores)
    folds = np.zeros(len(labels)) if folds is None else np.asarray(folds)
    found, events = 0, 0
    for fold in np.unique(folds):
        here = folds == fold
        if not (labels[here] == 1).any() or not (labels[here] == 0).any():
            continue
        threshold = threshold_at_specificity(labels[here], scores[here], specificity)
        found += int(np.sum(scores[here][labels[here] == 1] > threshold))
        events += int(np.sum(labels[here] == 1))
    if events == 0:
        _refuse("METRIC_CLASSES", "a fold must hold both classes", "none that does")
    return found / events


def net_benefit(labels: Any, probabilities: Any, threshold: float) -> float:
    """Give the net benefit of treating records whose probability is at least the threshold.

    True positives are worth 1 and false positives cost the odds of the threshold, per record.

    References
    ----------
    Vickers and Elkin 2006, doi:10.1177/0272989X06295361.

    Examples
    --------
    >>> round(net_benefit([1] * 20 + [0] * 30 + [0] * 50, [0.9] * 50 + [0.1] * 50, 0.2), 4)
    0.125
    """
    labels, probabilities = _binary(labels, probabilities)
    _check_threshold(threshold)
    treated = probabilities >= threshold
    odds = threshold / (1 - threshold)
    return float(np.mean(treated & (labels == 1)) - odds * np.mean(treated & (labels == 0)))


def net_benefit_treat_all(prevalence: float, threshold: float) -> float:
    """Give the net benefit of treating everyone; treating nobody has 0.

    Examples
    --------
    >>> round(net_benefit_treat_all(0.25, 0.2), 4)
    0.0625
    """
    _check_threshold(threshold)
    return prevalence - (1 - prevalence) * threshold / (1 - threshold)


def predictive_values(sensitivity: float, specificity: float, prevalence: float) -> tuple[float, float]:
    """Give the positive and the negative predictive value at a prevalence of one's own (Bayes' rule).

    Examples
    --------
    >>> positive, negative = predictive_values(0.873, 0.902, 0.15)
    >>> round(positive, 4)
    0.6112
    """
    called = sensitivity * prevalence + (1 - specificity) * (1 - prevalence)
    spared = specificity * (1 - prevalence) + (1 - sensitivity) * prevalence
    if called <= 0 or spared <= 0:
        _refuse("METRIC_CLASSES", "some records must be called and some spared", "all or none")
    return sensitivity * prevalence / called, specificity * (1 - prevalence) / spared


def ece(
    labels: Any,
    probabilities: Any,
    *,
    bins: int = 10,
    edges: Literal["mass", "width"] = "mass",
    norm: Literal["l1", "l2", "max"] = "l1",
) -> float:
    """Give the expected calibration error: how far observed shares lie from mean probabilities, bin by bin.

    Parameters
    ----------
    labels : array of int, (records,)
        0 or 1.
    probabilities : array of float, (records,)
    bins : int
    edges : {"mass", "width"}
        Bins of about equally many records, or of equal width.
    norm : {"l1", "l2", "max"}
        Average, root mean square or largest distance, bins weighted by their records.

    References
    ----------
    Naeini et al. 2015, doi:10.1609/aaai.v29i1.9602.

    Examples
    --------
    >>> round(ece([0, 0, 1, 1, 1], [0.25, 0.25, 0.55, 0.75, 0.75], bins=2, edges="width"), 4)
    0.29
    """
    labels, probabilities = _binary(labels, probabilities)
    if edges == "width":
        bin_of = np.minimum((probabilities * bins).astype(int), bins - 1)
    else:
        cuts = np.quantile(probabilities, np.arange(1, bins) / bins)
        bin_of = np.searchsorted(cuts, probabilities, side="left")
    counts = np.bincount(bin_of, minlength=bins)
    gaps = np.abs(np.bincount(bin_of, labels - probabilities, minlength=bins))[counts > 0] / counts[counts > 0]
    share = counts[counts > 0] / len(labels)
    if norm == "max":
        return float(gaps.max())
    return float(share @ gaps) if norm == "l1" else float(np.sqrt(share @ gaps**2))


def _once(metric: str, labels: Any, scores: Any, folds: Any = None) -> float:
    every = np.ones((1, len(np.asarray(labels))))
    return float(statistic(metric, labels, scores, folds=folds)(every)[0])


def _binary(labels: Any, scores: Any) -> tuple[np.ndarray, np.ndarray]:
    labels, scores = np.asarray(labels), np.asarray(scores, dtype=np.float64)
    if labels.ndim != 1 or scores.shape != labels.shape or len(labels) == 0:
        _refuse("METRIC_SHAPE", "labels and scores must be two equal rows", "another shape")
    if not np.isfinite(scores).all():
        _refuse("METRIC_NAN", "scores must be finite", "a number that is not")
    if not np.isin(labels, (0, 1)).all():
        _refuse("METRIC_LABELS", "labels must be 0 or 1", "another value")
    return labels, scores


def _pair(labels: Any, decided: Any) -> tuple[np.ndarray, np.ndarray]:
    labels, decided = np.asarray(labels), np.asarray(decided)
    if labels.ndim != 1 or labels.shape != decided.shape or len(labels) == 0:
        _refuse("METRIC_SHAPE", "labels and decisions must be two equal rows", "another shape")
    return labels, decided


def _check_threshold(threshold: float) -> None:
    if not 0 < threshold < 1:
        _refuse("METRIC_THRESHOLD", "the threshold must lie between 0 and 1", "one outside")


def _refuse(code: str, rule: str, found: str) -> None:
    raise DataError(code, place="metric", rule=rule, found=found, remedy="Correct what the metric is given.")
