"""Curves as numbers, for whoever draws them: ROC, precision and recall, calibration, net benefit."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, final

import numpy as np
from sklearn import metrics as _sklearn
from statsmodels.stats.proportion import proportion_confint

from clinfuse.evaluation.measures.given import binary, both, refuse
from clinfuse.evaluation.statistics.calibrated import bins_of_mass
from clinfuse.evaluation.statistics.intervals import DRAWS, over_draws, patient_weights
from clinfuse.evaluation.statistics.statistic import statistic
from clinfuse.evaluation.statistics.weighted import weighted_share

THRESHOLDS = tuple(round(0.01 * step, 2) for step in range(1, 100))


@final
@dataclass(frozen=True, eq=False)
class Curve:
    """Points of a curve, from left to right.

    Parameters
    ----------
    x, y : ndarray of float64, (points,)
    prevalence : float
        Of the positive class among the records.
    """

    x: np.ndarray
    y: np.ndarray
    prevalence: float


@final
@dataclass(frozen=True, eq=False)
class CalibrationCurve:
    """What was said and what was seen, by groups of records with rising probabilities.

    Parameters
    ----------
    predicted, observed : ndarray of float64, (groups,)
        Mean probability and share of the positive class.
    low, high : ndarray of float64, (groups,)
        95 % limits of the share.
    counts : ndarray of int64, (groups,)
        Records.
    """

    predicted: np.ndarray
    observed: np.ndarray
    low: np.ndarray
    high: np.ndarray
    counts: np.ndarray


@final
@dataclass(frozen=True, eq=False)
class DecisionCurve:
    """Net benefit of treating by a model, of treating everyone, and of treating nobody, which has 0.

    Parameters
    ----------
    thresholds : ndarray of float64, (thresholds,)
    model, treat_all : ndarray of float64, (thresholds,)
    low, high : ndarray of float64, (thresholds,)
        95 % limits of the model's; NaN where no patients were given.
    prevalence : float
    """

    thresholds: np.ndarray
    model: np.ndarray
    treat_all: np.ndarray
    low: np.ndarray
    high: np.ndarray
    prevalence: float


def roc_curve(labels: Any, scores: Any, *, folds: Any = None) -> Curve:
    """Give sensitivity (y) over 1 - specificity (x).

    Parameters
    ----------
    labels : array of int, (records,)
        0 or 1.
    scores : array of float, (records,)
    folds : array, (records,), optional
        Each fold's curve is averaged upwards, weighted by its pairs of records, so that the area below is
        `auroc` with these folds. A fold without records of both classes has no part in it.

    Raises
    ------
    DataError
        As for `auroc`.

    References
    ----------
    Fawcett 2006, doi:10.1016/j.patrec.2005.10.010 (vertical averaging).

    Examples
    --------
    >>> curve = roc_curve([0, 0, 1, 1], [0.1, 0.4, 0.35, 0.8])
    >>> curve.x.tolist(), curve.y.tolist()
    ([0.0, 0.0, 0.5, 0.5, 1.0], [0.0, 0.5, 0.5, 1.0, 1.0])
    """
    labels, scores = both(labels, scores)
    parts, weights = [], []
    for here in _usable(labels, folds):
        false, true, _ = _sklearn.roc_curve(labels[here], scores[here], drop_intermediate=False)
        parts.append((false, true))
        weights.append(float(np.sum(labels[here] == 1) * np.sum(labels[here] == 0)))
    x, y = _averaged(parts, np.array(weights))
    return Curve(x, y, float(labels.mean()))


def precision_recall_curve(labels: Any, scores: Any, *, folds: Any = None) -> Curve:
    """Give precision (y) over recall (x), as steps: the precision of a point holds from the recall before it.

    Parameters as for `roc_curve`. Folds are averaged upwards, weighted by their events, so that the area below the
    steps is `auprc` with these folds. Chance is a level line at the prevalence.

    Examples
    --------
    >>> curve = precision_recall_curve([0, 0, 1, 1], [0.1, 0.4, 0.35, 0.8])
    >>> curve.x.tolist(), curve.y.round(3).tolist()
    ([0.5, 1.0], [1.0, 0.667])
    """
    labels, scores = both(labels, scores)
    parts, weights = [], []
    for here in _usable(labels, folds):
        precision, recall, _ = _sklearn.precision_recall_curve(labels[here], scores[here])
        gained = np.flatnonzero(np.diff(recall[::-1]) > 0)
        parts.append((recall[::-1][1:][gained], precision[::-1][1:][gained]))
        weights.append(float(np.sum(labels[here] == 1)))
    x = np.unique(np.concatenate([recall for recall, _ in parts]).round(12))
    steps = [precision[np.searchsorted(recall.round(12), x, side="left")] for recall, precision in parts]
    return Curve(x, np.average(steps, axis=0, weights=weights), float(labels.mean()))


def _usable(labels: np.ndarray, folds: Any) -> list[np.ndarray]:
    folds = np.zeros(len(labels)) if folds is None else np.asarray(folds)
    if folds.shape != labels.shape:
        refuse("METRIC_SHAPE", "labels, scores and folds must be as many, and some", "other lengths")
    rows = [np.flatnonzero(folds == fold) for fold in np.unique(folds)]
    found = [here for here in rows if len(np.unique(labels[here])) == 2]
    return found or refuse("METRIC_CLASSES", "a fold must hold both classes", "none that does")


def _averaged(parts: list[tuple[np.ndarray, np.ndarray]], weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Average rising curves at every x where one of them bends: its value from the left, then from the right."""
    grid = np.unique(np.concatenate([x for x, _ in parts]))
    # Where a curve rises straight up, `interp` gives its last value there; of the curve turned round, its first.
    sides = [np.stack([np.interp(-grid, -x[::-1], y[::-1]), np.interp(grid, x, y)], axis=1) for x, y in parts]
    y = np.average(sides, axis=0, weights=weights).ravel()
    x = np.repeat(grid, 2)
    new = np.concatenate([[True], (np.diff(x) > 0) | (np.diff(y) > 0)])
    return x[new], y[new]


def calibration_curve(
    labels: Any, probabilities: Any, *, patients: Any = None, groups: int = 10, draws: int = DRAWS, seed: int = 0
) -> CalibrationCurve:
    """Give what was said and what was seen in groups of about equally many records; equal probabilities stay together.

    Parameters
    ----------
    labels : array of int, (records,)
        0 or 1.
    probabilities : array of float, (records,)
    patients : array, (records,), optional
        Where one has several records, limits come from a bootstrap over patients; else they are Wilson's.
    groups, draws, seed : int

    Raises
    ------
    DataError
        As for `auroc`.

    References
    ----------
    Van Calster et al. 2019, BMC Medicine 17:230, doi:10.1186/s12916-019-1466-7. Wilson 1927,
    doi:10.1080/01621459.1927.10502953.

    Examples
    --------
    >>> curve = calibration_curve([0, 0, 1, 1], [0.1, 0.1, 0.6, 0.8], groups=2)
    >>> curve.predicted.round(2).tolist(), curve.observed.tolist(), curve.counts.tolist()
    ([0.1, 0.7], [0.0, 1.0], [2, 2])
    """
    labels, probabilities = binary(labels, probabilities)
    _, group_of = np.unique(bins_of_mass(probabilities, groups), return_inverse=True)
    counts = np.bincount(group_of)
    seen = np.bincount(group_of, labels)
    low, high = proportion_confint(seen, counts, method="wilson")
    if patients is not None and len(np.unique(patients)) < len(labels):
        weights = patient_weights(np.asarray(patients), labels, stratified=False, draws=draws, seed=seed)
        for group in range(len(counts)):
            drawn = over_draws(weighted_share((labels == 1).astype(float), group_of == group), weights)
            one = np.nanquantile(drawn, [0.025, 0.975])
            # A group without events, or with nothing else, is drawn without spread: Wilson's limits stay.
            low[group], high[group] = one if one[0] < one[1] else (low[group], high[group])
    return CalibrationCurve(
        predicted=np.bincount(group_of, probabilities) / counts,
        observed=seen / counts,
        low=np.clip(low, 0, 1),
        high=np.clip(high, 0, 1),
        counts=counts,
    )


def decision_curve(
    labels: Any,
    probabilities: Any,
    *,
    thresholds: Any = THRESHOLDS,
    patients: Any = None,
    draws: int = DRAWS,
    seed: int = 0,
) -> DecisionCurve:
    """Give net benefit over the threshold probability, beside that of treating everyone.

    Parameters
    ----------
    labels : array of int, (records,)
        0 or 1.
    probabilities : array of float, (records,)
    thresholds : array of float, (thresholds,)
        Between 0 and 1: how probable the finding must be for treatment to be worth it.
    patients : array, (records,), optional
        Adds 95 % limits from a bootstrap over patients.
    draws, seed : int

    Raises
    ------
    DataError
        As for `auroc`, and ``METRIC_THRESHOLD``.

    References
    ----------
    Vickers and Elkin 2006, doi:10.1177/0272989X06295361.

    Examples
    --------
    >>> curve = decision_curve([0, 0, 0, 1], [0.1, 0.2, 0.6, 0.9], thresholds=[0.2, 0.5])
    >>> curve.model.tolist(), curve.treat_all.round(4).tolist()
    ([0.125, 0.0], [0.0625, -0.5])
    """
    labels, probabilities = binary(labels, probabilities)
    at = np.atleast_1d(np.asarray(thresholds, dtype=np.float64))
    every = np.ones((1, len(labels)))
    measured = [statistic("net_benefit", labels, probabilities, threshold=float(one)) for one in at]
    low, high = np.full((2, len(at)), np.nan)
    if patients is not None:
        weights = patient_weights(np.asarray(patients), labels, stratified=False, draws=draws, seed=seed)
        limits = [np.quantile(over_draws(one, weights), [0.025, 0.975]) for one in measured]
        low, high = np.array(limits).T
    share = float(labels.mean())
    return DecisionCurve(
        thresholds=at,
        model=np.array([float(one(every)[0]) for one in measured]),
        treat_all=share - (1 - share) * at / (1 - at),
        low=low,
        high=high,
        prevalence=share,
    )
