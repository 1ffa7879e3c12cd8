"""Metrics for many weightings of the same records at once: what makes a bootstrap of 2,000 draws cheap.

A `Statistic` takes weights, float64 (draws, records), and gives one number per draw, NaN where a draw leaves it
undefined. A weight of 2 counts a record twice, exactly as repeating its row would.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from clinfuse.evaluation.statistics.logistic import calibration_lines

Statistic = Callable[[np.ndarray], np.ndarray]


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
    plans = [_Sides(labels, scores, np.flatnonzero(folds == fold)) for fold in np.unique(folds)]

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


class _Sides:
    """Records with and without the event of one fold, rising by score, and how many of the others lie below each event.

    Sums run over records with all draws side by side: several times faster than draw by draw, and of whole numbers the
    same to the last digit.
    """

    def __init__(self, labels: np.ndarray, scores: np.ndarray, rows: np.ndarray) -> None:
        rising = rows[np.argsort(scores[rows], kind="stable")]
        self.events, self.others = rising[labels[rising] == 1], rising[labels[rising] != 1]
        sides = (scores[self.others], scores[self.events])
        self.below, self.up_to = (np.searchsorted(*sides, side=side) for side in ("left", "right"))
        self.tied = not np.array_equal(self.below, self.up_to)
        # From the highest score down: how many events and others are called where an event is the last one called.
        self.called = len(self.others) - self.below
        self.found = len(self.events) - np.searchsorted(sides[1], sides[1], side="left")

    def pairs(self, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Pairs in the right order, and all of them; float64 (draws,) each."""
        events, others = weights.T[self.events], _running(weights.T[self.others])
        met = events.sum(0) * others[-1]
        below = others[self.below]
        if self.tied:
            below = (below + others[self.up_to]) / 2
        return np.einsum("ij,ij->j", events, below), met

    def precision(self, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Sum over events of the precision at their score, and the events; float64 (draws,) each."""
        events = weights.T[self.events]
        found = _running(events[::-1])[self.found]
        called = _running(weights.T[self.others[::-1]])[self.called] + found
        share = np.divide(found, called, out=np.zeros_like(found), where=called > 0)
        return np.einsum("ij,ij->j", events, share), events.sum(0)


def _running(columns: np.ndarray) -> np.ndarray:
    """Sums of the first 0, 1, 2 … rows, float64 (rows + 1, draws)."""
    result = np.empty((len(columns) + 1, columns.shape[1]))
    result[0] = 0
    np.cumsum(columns, axis=0, out=result[1:])
    return result


def weighted_auprc(labels: np.ndarray, scores: np.ndarray, folds: np.ndarray) -> Statistic:
    """Give average precision: precision at every threshold, weighted by the recall gained there.

    Several folds: the average of their values, weighted by their events. A fold of events alone ranks nothing, and is
    left out.
    """
    both = [fold for fold in np.unique(folds) if len(np.unique(labels[folds == fold])) > 1]
    plans = [_Sides(labels, scores, np.flatnonzero(folds == fold)) for fold in both]

    def statistic(weights: np.ndarray) -> np.ndarray:
        total = np.zeros(len(weights))
        events = np.zeros(len(weights))
        for plan in plans:
            gained, met = plan.precision(weights)
            total += gained
            events += met
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
        return calibration_lines(labels, logits, weights, free_slope=True)[:, 1]

    return statistic


def weighted_intercept(labels: np.ndarray, logits: np.ndarray) -> Statistic:
    """Give calibration in the large: intercept of a logistic regression with the logit as offset."""

    def statistic(weights: np.ndarray) -> np.ndarray:
        return calibration_lines(labels, logits, weights, free_slope=False)[:, 0]

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
