"""Metrics of decisions as functions of weights: all of them read one weighted table of true by decided class."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NoReturn, final

import numpy as np

from clinfuse.errors import DataError
from clinfuse.evaluation.statistics.weighted import Statistic

_Tables = Callable[[np.ndarray], np.ndarray]


@final
@dataclass(frozen=True, eq=False)
class Decided:
    """What was decided about some records, and what is true.

    Parameters
    ----------
    labels, called : ndarray of int64, (records known,)
        Class by position.
    classes : int
    known : ndarray of bool, (records,)
        Those with a label.
    """

    labels: np.ndarray
    called: np.ndarray
    classes: int
    known: np.ndarray

    def tables(self, weights: np.ndarray) -> np.ndarray:
        """Weighted counts by true and decided class, float64 (draws, classes, classes)."""
        cells = np.zeros((len(self.labels), self.classes**2))
        cells[np.arange(len(cells)), self.labels * self.classes + self.called] = 1
        counted = (weights if self.known.all() else weights[:, self.known]) @ cells
        return counted.reshape(len(weights), self.classes, self.classes)

    def against_rest(self, tables: np.ndarray, one: int) -> np.ndarray:
        """Tables of one class against the others, float64 (draws, 2, 2), the class second."""
        hit, true, called = tables[:, one, one], tables[:, one].sum(1), tables[:, :, one].sum(1)
        total = tables.sum((1, 2))
        rows = [np.stack([total - true - called + hit, called - hit], 1), np.stack([true - hit, hit], 1)]
        return np.stack(rows, axis=1)


def decided(labels: np.ndarray, scores: np.ndarray, threshold: Any) -> list[Decided]:
    """Give the decisions that scores stand for: one question, or one for each label where there are several.

    Parameters
    ----------
    labels : ndarray of int, (records,) or (records, labels)
        -1 is unknown where there are several labels.
    scores : ndarray, (records,) or (records, classes or labels)
        Whole numbers or bools, one for each label: classes, decided already. Else numbers of which a record is called
        when it is at least the threshold. More than two columns of classes: the largest decides.
    threshold : float or array of float
        One, or one for each score: records of different folds have thresholds of their own.
    """
    if labels.ndim == 2:
        called = _called(scores, threshold)
        if called.shape != labels.shape:
            _refuse("METRIC_SHAPE", "several labels need one score each", "another shape")
        known = [labels[:, one] >= 0 for one in range(labels.shape[1])]
        return [_question(labels[rows, one], called[rows, one], rows, 2) for one, rows in enumerate(known)]
    everyone = np.ones(len(labels), dtype=bool)
    if scores.ndim == 2 and scores.shape[1] > 2:
        if threshold is not None:
            _refuse("METRIC_THRESHOLD", "of several classes the most probable is decided, without threshold", "one")
        return [_question(labels, scores.argmax(1), everyone, scores.shape[1])]
    called = _called(scores[:, 1] if scores.ndim == 2 else scores, threshold)
    most = 1 + int(max(labels.max(), called.max(), 1))
    return [_question(labels, called, everyone, most)]


def _called(scores: np.ndarray, threshold: Any) -> np.ndarray:
    if threshold is None:
        if scores.dtype.kind in "iub":
            return scores.astype(np.int64)
        rule = "scores are decided by a threshold that was found on other records"
        _refuse("METRIC_THRESHOLD", rule, "none")
    limits = np.asarray(threshold, dtype=np.float64)
    if np.isnan(limits).any() or limits.ndim > scores.ndim or limits.shape not in _fitting(scores.shape):
        _refuse("METRIC_THRESHOLD", "one threshold, or one for each score, and each a number", "something else")
    return (np.asarray(scores, dtype=np.float64) >= limits).astype(np.int64)


def _fitting(shape: tuple[int, ...]) -> set[tuple[int, ...]]:
    return {(), shape} | ({(shape[1],), (shape[0], 1)} if len(shape) == 2 else set())


def _question(labels: np.ndarray, called: np.ndarray, known: np.ndarray, classes: int) -> Decided:
    if labels.dtype.kind not in "iub" or (labels < 0).any() or (labels >= classes).any() or (called < 0).any():
        _refuse("METRIC_LABELS", "labels and decisions must be classes by position", "another value")
    return Decided(labels.astype(np.int64), called, classes, known)


def whole(metric: str, question: Decided, prevalence: float | None) -> Statistic:
    """Give a metric of decisions: of the positive class where there are two, else the plain average over classes.

    Accuracy, balanced accuracy and Matthews' correlation are of the whole table whatever the number of classes.
    """
    if metric in _JOINT:
        joint = _JOINT[metric]
        return lambda weights: joint(question.tables(weights))
    chosen = [1] if question.classes == 2 else list(range(question.classes))
    parts = [one_class(metric, question, one, prevalence) for one in chosen]
    return lambda weights: np.mean([part(weights) for part in parts], axis=0)


def one_class(metric: str, question: Decided, one: int, prevalence: float | None) -> Statistic:
    """Give a metric of decisions for one class against the rest."""
    if metric in _JOINT:
        joint = _JOINT[metric]
        return lambda weights: joint(question.against_rest(question.tables(weights), one))
    rate = _RATES[metric]
    return lambda weights: rate(question.against_rest(question.tables(weights), one), prevalence)


def _share(part: np.ndarray, total: np.ndarray) -> np.ndarray:
    return np.divide(part, total, out=np.full(part.shape, np.nan), where=total > 0)


def _accuracy(tables: np.ndarray) -> np.ndarray:
    return _share(np.trace(tables, axis1=1, axis2=2), tables.sum((1, 2)))


def _balanced_accuracy(tables: np.ndarray) -> np.ndarray:
    return np.asarray(_share(np.diagonal(tables, axis1=1, axis2=2), tables.sum(2)).mean(1))


def _mcc(tables: np.ndarray) -> np.ndarray:
    true, called, n = tables.sum(2), tables.sum(1), tables.sum((1, 2))
    covariance = np.trace(tables, axis1=1, axis2=2) * n - (true * called).sum(1)
    spread = (n**2 - (called**2).sum(1)) * (n**2 - (true**2).sum(1))
    flat = np.where(n > 0, 0.0, np.nan)
    return np.divide(covariance, np.sqrt(np.maximum(spread, 0)), out=flat, where=spread > 1e-9 * n**4)


def _recall(tables: np.ndarray, prevalence: float | None) -> np.ndarray:
    return _share(tables[:, 1, 1], tables[:, 1].sum(1))


def _specificity(tables: np.ndarray, prevalence: float | None) -> np.ndarray:
    return _share(tables[:, 0, 0], tables[:, 0].sum(1))


def _precision(tables: np.ndarray, prevalence: float | None) -> np.ndarray:
    return _share(tables[:, 1, 1], tables[:, :, 1].sum(1))


def _f1(tables: np.ndarray, prevalence: float | None) -> np.ndarray:
    return _share(2 * tables[:, 1, 1], tables[:, 1].sum(1) + tables[:, :, 1].sum(1))


def _ppv(tables: np.ndarray, prevalence: float | None) -> np.ndarray:
    if prevalence is None:
        return _precision(tables, None)
    hit, spared = _recall(tables, None), _specificity(tables, None)
    return _share(hit * prevalence, hit * prevalence + (1 - spared) * (1 - prevalence))


def _npv(tables: np.ndarray, prevalence: float | None) -> np.ndarray:
    if prevalence is None:
        return _share(tables[:, 0, 0], tables[:, :, 0].sum(1))
    hit, spared = _recall(tables, None), _specificity(tables, None)
    return _share(spared * (1 - prevalence), spared * (1 - prevalence) + (1 - hit) * prevalence)


_JOINT: dict[str, _Tables] = {"accuracy": _accuracy, "balanced_accuracy": _balanced_accuracy, "mcc": _mcc}
_RATES: dict[str, Callable[[np.ndarray, float | None], np.ndarray]] = {
    "f1": _f1,
    "npv": _npv,
    "ppv": _ppv,
    "precision": _precision,
    "recall": _recall,
    "specificity": _specificity,
}
DECISIONS = (*_JOINT, *_RATES)
NEED_EVERY_CLASS = ("balanced_accuracy", "recall", "specificity")


def _refuse(code: str, rule: str, found: str) -> NoReturn:
    raise DataError(code, place="metric", rule=rule, found=found, remedy="Correct what the metric is given.")
