"""Metrics by name, as functions of weights: the one place where labels and scores are checked and cut into columns."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, NoReturn, final

import numpy as np

from clinfuse.errors import DataError
from clinfuse.evaluation.statistics import calibrated, decisions, weighted
from clinfuse.evaluation.statistics.weighted import Statistic

_TINY = 1e-15


@final
@dataclass(frozen=True, eq=False)
class _Column:
    """One class or label: 0/1, its scores, its records among all, their folds, and what the metric was asked at."""

    labels: np.ndarray
    scores: np.ndarray
    known: np.ndarray
    folds: np.ndarray
    at: float | None

    @property
    def asked(self) -> float:
        """What the metric was asked at, where it must have been."""
        if self.at is None:
            _refuse("METRIC_THRESHOLD", "the metric must be asked at a share between 0 and 1", "none")
        if not 0 <= self.at <= 1:
            _refuse("METRIC_THRESHOLD", "the metric must be asked at a share between 0 and 1", "one outside")
        return float(self.at)


@final
@dataclass(frozen=True)
class _Metric:
    """How a metric of scores is built: what it reads of two columns, and whether it needs records of both classes."""

    reads: Literal["scores", "probabilities"]
    build: Callable[[_Column], Statistic]
    both: bool = True


def statistic(
    metric: str,
    labels: Any,
    scores: Any,
    *,
    folds: Any = None,
    threshold: Any = None,
    at: float | None = None,
    prevalence: float | None = None,
) -> Statistic:
    """Give a metric as a function of weights, for a bootstrap of it.

    Parameters
    ----------
    metric : str
        Of scores: ``auroc``, ``auprc``, ``sensitivity_at_specificity``, ``specificity_at_sensitivity``.
        Of probabilities: ``brier``, ``scaled_brier``, ``log_loss``, ``ece``, ``observed_expected``, ``net_benefit``.
        Of logits: ``calibration_slope``, ``calibration_intercept``.
        Of decisions: ``accuracy``, ``balanced_accuracy``, ``mcc``, ``precision``, ``recall``, ``specificity``, ``f1``,
        ``ppv``, ``npv``.
    labels, scores, folds
        As for `clinfuse.evaluation.metrics.auroc`. Several classes or labels: the plain average over them.
    threshold : float or array of float, optional
        Of decisions and net benefit: a record is called at or above it. From other records than these. One for all,
        or one for each score. None where the scores are whole numbers: decided already.
    at : float, optional
        The specificity or sensitivity that is kept.
    prevalence : float, optional
        That ``ppv`` and ``npv`` are stated for; of the records themselves without it.

    Raises
    ------
    DataError
        ``METRIC_NAME``, ``METRIC_THRESHOLD``, and what `clinfuse.evaluation.metrics.auroc` raises.

    Examples
    --------
    >>> import numpy as np
    >>> double = statistic("brier", [0, 1], [0.0, 0.0])
    >>> double(np.array([[1.0, 1.0], [1.0, 3.0]]))
    array([0.5 , 0.75])
    """
    labels, scores, folds = _checked(metric, labels, scores, folds)
    if prevalence is not None and not 0 < prevalence < 1:
        _refuse("METRIC_THRESHOLD", "a prevalence must lie between 0 and 1", "one outside")
    if metric in decisions.DECISIONS:
        questions = [_both(metric, one) for one in decisions.decided(labels, scores, threshold)]
        parts = [decisions.whole(metric, one, prevalence) for one in questions]
        return parts[0] if len(parts) == 1 else weighted.weighted_macro(parts)
    at = threshold if metric == "net_benefit" else at
    if metric == "scaled_brier" and labels.ndim == 1 and scores.ndim == 2 and scores.shape[1] > 2:
        return calibrated.weighted_scaled_brier(_one_hot(labels, scores.shape[1]), scores)
    parts = [_of_column(metric, one) for one in _columns(metric, labels, scores, folds, at)]
    if metric == "brier" and labels.ndim == 1 and len(parts) > 1:
        return lambda weights: np.sum([part(weights) for part in parts], axis=0)
    return parts[0] if len(parts) == 1 else weighted.weighted_macro(parts)


def class_statistics(
    metric: str,
    labels: Any,
    scores: Any,
    *,
    folds: Any = None,
    threshold: Any = None,
    at: float | None = None,
    prevalence: float | None = None,
) -> list[Statistic]:
    """Give a metric of every class against the rest, or of every label: one function of weights for each.

    Of two classes, one: the positive. Parameters and errors as for `statistic`.

    Examples
    --------
    >>> import numpy as np
    >>> one, two, three = class_statistics("recall", [0, 1, 2, 2], [0, 1, 2, 0])
    >>> float(three(np.ones((1, 4)))[0])
    0.5
    """
    labels, scores, folds = _checked(metric, labels, scores, folds)
    if metric not in decisions.DECISIONS:
        at = threshold if metric == "net_benefit" else at
        return [_of_column(metric, one) for one in _columns(metric, labels, scores, folds, at, each=True)]
    questions = [_both(metric, one) for one in decisions.decided(labels, scores, threshold)]
    return [
        decisions.one_class(metric, one, label, prevalence)
        for one in questions
        for label in ([1] if one.classes == 2 else range(one.classes))
    ]


def _checked(metric: str, labels: Any, scores: Any, folds: Any) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    names = sorted((*_METRICS, *decisions.DECISIONS))
    if metric not in names:
        _refuse("METRIC_NAME", f"the metric must be one of {', '.join(names)}", "another word")
    labels, scores = np.asarray(labels), np.asarray(scores)
    if metric not in decisions.DECISIONS or scores.dtype.kind not in "iub":
        scores = scores.astype(np.float64)
    folds = np.zeros(len(labels), dtype=int) if folds is None else np.asarray(folds)
    if len(labels) != len(scores) or len(folds) != len(labels) or len(labels) == 0:
        _refuse("METRIC_SHAPE", "labels, scores and folds must be as many, and some", "other lengths")
    if not np.isfinite(scores).all():
        _refuse("METRIC_NAN", "scores must be finite", "a number that is not")
    return labels, scores, folds


def _both(metric: str, question: decisions.Decided) -> decisions.Decided:
    if metric in decisions.NEED_EVERY_CLASS and len(np.unique(question.labels)) < question.classes:
        _refuse("METRIC_CLASSES", "every class must have a record", "a class without one")
    return question


def _of_column(metric: str, column: _Column) -> Statistic:
    found = _METRICS[metric]
    if not np.isin(column.labels, (0, 1)).all():
        _refuse("METRIC_LABELS", "labels must be 0 or 1", "another value")
    if found.both and len(np.unique(column.labels)) < 2:
        _refuse("METRIC_CLASSES", "every class must have a record", "a class without one")
    built = found.build(column)
    return built if column.known.all() else weighted.restricted(built, column.known)


def _columns(
    metric: str, labels: np.ndarray, scores: np.ndarray, folds: np.ndarray, at: float | None, *, each: bool = False
) -> list[_Column]:
    """Split a metric of several classes or labels into metrics of one."""
    everyone = np.ones(len(labels), dtype=bool)
    if labels.ndim == 2:
        if scores.shape != labels.shape:
            _refuse("METRIC_SHAPE", "several labels need one score each", "another shape")
        known = [labels[:, i] >= 0 for i in range(labels.shape[1])]
        return [_Column(labels[rows, i], scores[rows, i], rows, folds[rows], at) for i, rows in enumerate(known)]
    if scores.ndim == 1:
        return [_Column(labels, scores, everyone, folds, at)]
    if scores.shape[1] == 2:
        probabilities = _METRICS[metric].reads == "probabilities"
        return [_Column(labels, scores[:, 1] if probabilities else scores[:, 1] - scores[:, 0], everyone, folds, at)]
    if metric == "log_loss" and not each:
        one_hot = _one_hot(labels, scores.shape[1])
        return [_Column(np.ones(len(labels), dtype=int), (one_hot * scores).sum(1), everyone, folds, at)]
    return [_Column((labels == i).astype(int), scores[:, i], everyone, folds, at) for i in range(scores.shape[1])]


def _one_hot(labels: np.ndarray, classes: int) -> np.ndarray:
    if not np.isin(labels, np.arange(classes)).all():
        _refuse("METRIC_LABELS", "labels must be class indices", "another value")
    return (labels[:, None] == np.arange(classes)).astype(int)


def _brier(column: _Column) -> Statistic:
    return weighted.weighted_mean((column.scores - column.labels) ** 2)


def _scaled_brier(column: _Column) -> Statistic:
    return calibrated.weighted_scaled_brier(column.labels[:, None], column.scores[:, None])


def _log_loss(column: _Column) -> Statistic:
    true = np.where(column.labels == 1, column.scores, 1 - column.scores)
    return weighted.weighted_mean(-np.log(np.clip(true, _TINY, 1)))


def _net_benefit(column: _Column) -> Statistic:
    if not 0 < column.asked < 1:
        _refuse("METRIC_THRESHOLD", "the threshold must lie between 0 and 1", "one outside")
    odds = column.asked / (1 - column.asked)
    treated = column.scores >= column.asked
    return weighted.weighted_mean(np.where(treated, np.where(column.labels == 1, 1.0, -odds), 0.0))


def _sensitivity(column: _Column) -> Statistic:
    return weighted.weighted_sensitivity(column.labels, column.scores, column.folds, column.asked)


def _specificity(column: _Column) -> Statistic:
    # The same question with the classes exchanged and the scores turned round.
    return weighted.weighted_sensitivity(1 - column.labels, -column.scores, column.folds, column.asked)


_METRICS: dict[str, _Metric] = {
    "auroc": _Metric("scores", lambda one: weighted.weighted_auroc(one.labels, one.scores, one.folds)),
    "auprc": _Metric("scores", lambda one: weighted.weighted_auprc(one.labels, one.scores, one.folds)),
    "sensitivity_at_specificity": _Metric("scores", _sensitivity),
    "specificity_at_sensitivity": _Metric("scores", _specificity),
    "calibration_slope": _Metric("scores", lambda one: weighted.weighted_slope(one.labels, one.scores)),
    "calibration_intercept": _Metric("scores", lambda one: weighted.weighted_intercept(one.labels, one.scores)),
    "brier": _Metric("probabilities", _brier, both=False),
    "scaled_brier": _Metric("probabilities", _scaled_brier),
    "log_loss": _Metric("probabilities", _log_loss, both=False),
    "ece": _Metric("probabilities", lambda one: calibrated.weighted_ece(one.labels, one.scores), both=False),
    "observed_expected": _Metric(
        "probabilities", lambda one: calibrated.weighted_observed_expected(one.labels, one.scores), both=False
    ),
    "net_benefit": _Metric("probabilities", _net_benefit, both=False),
}


def _refuse(code: str, rule: str, found: str) -> NoReturn:
    raise DataError(code, place="metric", rule=rule, found=found, remedy="Correct what the metric is given.")
