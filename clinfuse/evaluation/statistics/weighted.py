"""Metrics for many weightings of the same records at once: what makes a bootstrap of 2,000 draws cheap.

A `Statistic` takes weights, float64 (draws, records), and gives one number per draw, NaN where a draw leaves it
undefined. A weight of 2 counts a record twice, exactly as repeating its row would.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

Statistic = Callable[[np.ndarray], np.ndarray]

_NEWTON_STEPS = 60
_NEWTON_TOLERANCE = 1e-10
_STEEPEST = 1e4
_RUNAWAY = 1e6


def weighted_auroc(labels: np.ndarray, scores: np.ndarray, folds: np.ndarray) -> Statistic:
    """Give the share of pairs of one fold in which the positive record scores higher, ties counted half.

    Parameters
    ----------
    labels : ndarray of int, (records,)
        0 or 1.
    scores : ndarray of float64, (records,)
    folds : ndarray, (records,)
        Only records of one fold are compared with each other.
    """
    plans = [_RankPlan(labels, scores, np.flatnonzero(folds == fold)) for fold in np.unique(folds)]

    def statistic(weights: np.ndarray) -> np.ndarray:
        concordant = np.zeros(len(weights))
        pairs = np.zeros(len(weights))
        for plan in plans:
            won, met = plan.pairs(weights)
            concordant += won
            pairs += met
        return _ratio(concordant, pairs)

    return statistic


class _RankPlan:
    """The order of the scores of one fold, found once for all draws."""

    def __init__(self, labels: np.ndarray, scores: np.ndarray, rows: np.ndarray) -> None:
        self.rows = rows[np.argsort(scores[rows], kind="stable")]
        ordered = scores[self.rows]
        self.starts = np.flatnonzero(np.concatenate([[True], ordered[1:] != ordered[:-1]]))
        self.positive = labels[self.rows] == 1

    def sides(self, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Weights of positive and of other records at each score, rising; float64 (draws, scores) each."""
        ordered = weights[:, self.rows]
        positive = np.add.reduceat(np.where(self.positive, ordered, 0.0), self.starts, axis=1)
        return positive, np.add.reduceat(np.where(self.positive, 0.0, ordered), self.starts, axis=1)

    def pairs(self, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        positive, negative = self.sides(weights)
        below = np.cumsum(negative, axis=1) - negative
        won = (positive * (below + negative / 2)).sum(1)
        return won, positive.sum(1) * negative.sum(1)


def weighted_auprc(labels: np.ndarray, scores: np.ndarray, folds: np.ndarray) -> Statistic:
    """Give average precision: precision at every threshold, weighted by the recall gained there.

    Several folds: the average of their values, weighted by their events. A fold of events alone ranks nothing, and is
    left out.
    """
    both = [fold for fold in np.unique(folds) if len(np.unique(labels[folds == fold])) > 1]
    plans = [_RankPlan(labels, -scores, np.flatnonzero(folds == fold)) for fold in both]

    def statistic(weights: np.ndarray) -> np.ndarray:
        total = np.zeros(len(weights))
        events = np.zeros(len(weights))
        for plan in plans:
            ordered = weights[:, plan.rows]
            positive = np.add.reduceat(np.where(plan.positive, ordered, 0.0), plan.starts, axis=1)
            everyone = np.add.reduceat(ordered, plan.starts, axis=1)
            found, called = np.cumsum(positive, axis=1), np.cumsum(everyone, axis=1)
            precision = np.divide(found, called, out=np.zeros_like(found), where=called > 0)
            total += (positive * precision).sum(1)
            events += positive.sum(1)
        return _ratio(total, events)

    return statistic


def weighted_sensitivity(labels: np.ndarray, scores: np.ndarray, folds: np.ndarray, specificity: float) -> Statistic:
    """Give the sensitivity at the lowest threshold that keeps a specificity, found in each fold of each draw.

    A fold without records of both classes in a draw has no part in it.
    """
    plans = [_RankPlan(labels, scores, np.flatnonzero(folds == fold)) for fold in np.unique(folds)]

    def statistic(weights: np.ndarray) -> np.ndarray:
        found = np.zeros(len(weights))
        events = np.zeros(len(weights))
        for plan in plans:
            positive, negative = plan.sides(weights)
            here, others = positive.sum(1), negative.sum(1)
            kept = np.cumsum(negative, axis=1) >= specificity * others[:, None] - 1e-9
            # Called is what lies above the first score at which enough of the others are spared.
            above = np.cumsum(kept, axis=1) > (1 if specificity > 0 else 0)
            both = (here > 0) & (others > 0)
            found += np.where(both, (positive * above).sum(1), 0.0)
            events += np.where(both, here, 0.0)
        return _ratio(found, events)

    return statistic


def weighted_mean(values: np.ndarray) -> Statistic:
    """Give the weighted mean of one number per record, float64 (records,): Brier score, log loss, accuracy."""

    def statistic(weights: np.ndarray) -> np.ndarray:
        return _ratio(weights @ values, weights.sum(1))

    return statistic


def weighted_share(values: np.ndarray, among: np.ndarray) -> Statistic:
    """Give the weighted mean of ``values`` among some records, bool (records,): sensitivity, specificity."""

    def statistic(weights: np.ndarray) -> np.ndarray:
        chosen = weights[:, among]
        return _ratio(chosen @ values[among], chosen.sum(1))

    return statistic


def weighted_slope(labels: np.ndarray, logits: np.ndarray) -> Statistic:
    """Give the calibration slope: coefficient of the logit in a logistic regression of the label on it."""

    def statistic(weights: np.ndarray) -> np.ndarray:
        return _logistic(labels, logits, weights, free_slope=True)[:, 1]

    return statistic


def weighted_intercept(labels: np.ndarray, logits: np.ndarray) -> Statistic:
    """Give calibration in the large: intercept of a logistic regression with the logit as offset."""

    def statistic(weights: np.ndarray) -> np.ndarray:
        return _logistic(labels, logits, weights, free_slope=False)[:, 0]

    return statistic


def weighted_macro(statistics: Sequence[Statistic]) -> Statistic:
    """Give the plain average of several statistics of the same records; NaN where one of them is."""

    def statistic(weights: np.ndarray) -> np.ndarray:
        return np.mean([single(weights) for single in statistics], axis=0)

    return statistic


def restricted(statistic: Statistic, rows: np.ndarray) -> Statistic:
    """Give a statistic of some rows as one that takes the weights of all."""

    def narrowed(weights: np.ndarray) -> np.ndarray:
        return statistic(weights[:, rows])

    return narrowed


def _ratio(above: np.ndarray, below: np.ndarray) -> np.ndarray:
    return np.divide(above, below, out=np.full(len(above), np.nan), where=below > 0)


def _logistic(labels: np.ndarray, logits: np.ndarray, weights: np.ndarray, *, free_slope: bool) -> np.ndarray:
    """Fit one logistic regression per draw by Newton's method; float64 (draws, 2), NaN without a finite optimum."""
    beta = np.tile([0.0, 0.0 if free_slope else 1.0], (len(weights), 1))
    gradient = np.empty_like(beta)
    settled = np.zeros(len(weights), dtype=bool)
    for _ in range(_NEWTON_STEPS):
        p = 1 / (1 + np.exp(-np.clip(beta[:, :1] + beta[:, 1:] * logits, -500, 500)))
        residual = weights * (labels - p)
        curvature = weights * p * (1 - p)
        gradient[:, 0], gradient[:, 1] = residual.sum(1), residual @ logits
        a, b, c = curvature.sum(1), curvature @ logits, curvature @ logits**2
        step = _newton_step(gradient, (a, b, c), free_slope=free_slope)
        step[settled] = 0
        largest = np.abs(step).max(1)
        beta += step * np.minimum(1, 5 / np.maximum(largest, 1e-300))[:, None]
        settled |= largest < _NEWTON_TOLERANCE
        if settled.all():
            break
    lost = ~settled | (np.abs(beta).max(1) > _STEEPEST)
    beta[lost] = np.nan
    return beta


def _newton_step(
    gradient: np.ndarray, curvature: tuple[np.ndarray, np.ndarray, np.ndarray], *, free_slope: bool
) -> np.ndarray:
    a, b, c = curvature
    step = np.zeros_like(gradient)
    with np.errstate(divide="ignore", invalid="ignore"):
        if free_slope:
            determinant = a * c - b**2
            step[:, 0] = (c * gradient[:, 0] - b * gradient[:, 1]) / determinant
            step[:, 1] = (a * gradient[:, 1] - b * gradient[:, 0]) / determinant
        else:
            step[:, 0] = gradient[:, 0] / a
    return np.where(np.isfinite(step), step, _RUNAWAY)
