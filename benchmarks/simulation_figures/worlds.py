"""Cohorts whose every performance is known, and a cross-validated pipeline that is fast enough for thousands of them.

Six of the columns differ between the classes; every column has variance 1 within a class, 0.6 of it shared by the
records of a patient. A linear score of such columns is normal within each class, so that what a model would reach on
new patients follows from its coefficients, without drawing any.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import linalg, special, stats

from clinfuse.evaluation.predictions import Predictions

PREVALENCE, SHARED, BEST, INFORMATIVE = 0.3, 0.6, 0.85, 6
FOLDS = 5
PENALTIES = (0.03, 0.1, 0.3, 1.0, 3.0)
_NODES, _MASS = np.polynomial.hermite_e.hermegauss(60)
_MASS = _MASS / _MASS.sum()
_STEPS = 30
_CONSTANT = 1e-3


@dataclass(frozen=True, eq=False)
class Drawn:
    """A cohort: columns float64 (records, columns), labels 0/1 and patient of every record, label of every patient."""

    columns: np.ndarray
    labels: np.ndarray
    patient: np.ndarray
    of_patient: np.ndarray


def distance(columns: int) -> np.ndarray:
    """Give by how much the classes differ in each column: together as much as an AUROC of 0.85 asks for."""
    apart = np.zeros(columns)
    apart[np.linspace(0, columns - 1, INFORMATIVE).astype(int)] = stats.norm.ppf(BEST) * np.sqrt(2 / INFORMATIVE)
    return apart


def draw(generator: np.random.Generator, patients: int, records: int, apart: np.ndarray) -> Drawn:
    """Draw a cohort, at least two patients of each class for every fold, the classes so far apart in each column."""
    of_patient = np.zeros(patients, dtype=np.int64)
    while min(of_patient.sum(), patients - of_patient.sum()) < 2 * FOLDS:
        of_patient = (generator.random(patients) < PREVALENCE).astype(np.int64)
    patient = np.repeat(np.arange(patients), records)
    own = generator.normal(size=(patients, len(apart)))[patient]
    if records > 1:
        own = np.sqrt(SHARED) * own + np.sqrt(1 - SHARED) * generator.normal(size=own.shape)
    labels = of_patient[patient]
    return Drawn(own + (labels - 0.5)[:, None] * apart, labels, patient, of_patient)


def deal(generator: np.random.Generator, of_patient: np.ndarray) -> np.ndarray:
    """Deal patients into folds, class by class, int64 (patients,)."""
    fold = np.empty(len(of_patient), dtype=np.int64)
    for label in (0, 1):
        members = generator.permutation(np.flatnonzero(of_patient == label))
        fold[members] = (np.arange(len(members)) + generator.integers(FOLDS)) % FOLDS
    return fold


class _Sums:
    """Sums of squares of every fold, from which models of any folds are fitted."""

    def __init__(self, columns: np.ndarray, labels: np.ndarray, fold: np.ndarray) -> None:
        parts = [columns[fold == one] for one in range(FOLDS)]
        self._squares = np.array([part.T @ part for part in parts])
        self._products = np.array([part.T @ labels[fold == one] for one, part in enumerate(parts)])
        self._totals = np.array([part.sum(0) for part in parts])
        self._records = np.array([len(part) for part in parts], dtype=np.float64)
        self._events = np.array([labels[fold == one].sum() for one in range(FOLDS)], dtype=np.float64)

    def coefficients(self, left_out: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
        """Coefficients for every penalty, float64 (penalties, columns), and the mean they are taken from."""
        used = np.setdiff1d(np.arange(FOLDS), left_out)
        records = self._records[used].sum()
        mean, rate = self._totals[used].sum(0) / records, self._events[used].sum() / records
        squares = self._squares[used].sum(0) - records * np.outer(mean, mean)
        products = self._products[used].sum(0) - records * rate * mean
        found = np.empty((len(PENALTIES), len(mean)))
        for place, penalty in enumerate(PENALTIES):
            ridge = squares + penalty * records * np.eye(len(mean))
            found[place] = linalg.cho_solve(linalg.cho_factor(ridge, lower=True, check_finite=False), products)
        return found, mean


def line(scores: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Give intercept and slope of a logistic regression of labels on scores, the slope held by a little penalty."""
    design, held = np.c_[np.ones(len(scores)), scores / scores.std()], np.diag([0.0, 1e-3])
    found = np.array([special.logit(np.clip(labels.mean(), 1e-3, 1 - 1e-3)), 0.0])
    for _ in range(_STEPS):
        p = special.expit(design @ found)
        step = np.linalg.solve((design.T * (p * (1 - p))) @ design + held, design.T @ (labels - p) - held @ found)
        found = found + step
        if np.abs(step).max() < 1e-8:
            break
    return np.array([found[0], found[1] / scores.std()])


def cross_validated(
    cohort: Drawn, fold: np.ndarray, chosen: np.ndarray, apart: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Cross-validate the pipeline on some columns: what the held-out records get, and what its models are.

    In each fold a ridge discriminant is fitted with the penalty that has the least log loss in inner folds, and its
    score is calibrated by a line fitted to the inner held-out scores.

    Returns
    -------
    logits : ndarray of float64, (records,)
    models : ndarray of float64, (folds, 3)
        Mean logit of new patients without and with the finding, and standard deviation within either class.
    """
    columns = cohort.columns[:, chosen]
    sums = _Sums(columns, cohort.labels, fold)
    pairs = {(i, j): sums.coefficients((i, j)) for i in range(FOLDS) for j in range(i + 1, FOLDS)}
    logits, models = np.empty(len(fold)), np.empty((FOLDS, 3))
    for outer in range(FOLDS):
        held = np.full((len(PENALTIES), len(fold)), np.nan)
        for inner in set(range(FOLDS)) - {outer}:
            found, mean = pairs[min(inner, outer), max(inner, outer)]
            held[:, fold == inner] = found @ (columns[fold == inner] - mean).T
        best, (intercept, slope) = _settings(held[:, fold != outer], cohort.labels[fold != outer])
        found, mean = sums.coefficients((outer,))
        weights = slope * found[best]
        start = intercept - weights @ mean
        logits[fold == outer] = start + columns[fold == outer] @ weights
        middle = weights @ apart[chosen] / 2
        models[outer] = start - middle, start + middle, np.linalg.norm(weights)
    return logits, models


def _settings(held: np.ndarray, labels: np.ndarray) -> tuple[int, np.ndarray]:
    """The penalty of the least log loss, and its line."""
    lines = [line(scores, labels) for scores in held]
    logits = [start + slope * scores for (start, slope), scores in zip(lines, held, strict=True)]
    best = int(np.argmin([np.mean(np.logaddexp(0, one) - labels * one) for one in logits]))
    return best, lines[best]


def truths(models: np.ndarray) -> dict[str, float]:
    """Give what models reach on new patients: the mean of each metric, and slope and intercept of all together."""
    low, high, spread = models.T
    without, with_it = (centre[:, None] + spread[:, None] * _NODES for centre in (low, high))
    share = PREVALENCE * _MASS, (1 - PREVALENCE) * _MASS
    p_without, p_with = special.expit(without), special.expit(with_it)
    brier = ((1 - p_with) ** 2) @ share[0] + (p_without**2) @ share[1]
    loss = np.logaddexp(0, -with_it) @ share[0] + np.logaddexp(0, without) @ share[1]
    shares = np.r_[np.tile(share[0], len(models)), np.tile(share[1], len(models))]
    slope, intercept = _calibration(np.r_[with_it.ravel(), without.ravel()], shares, with_it.size)
    return {
        "auroc": float(np.mean(stats.norm.cdf((high - low) / (np.sqrt(2) * spread)))),
        "auprc": float(np.mean([_precision(*one) for one in models])),
        "brier": float(np.mean(brier)),
        "scaled_brier": float(1 - np.mean(brier) / (PREVALENCE * (1 - PREVALENCE))),
        "log_loss": float(np.mean(loss)),
        "observed_expected": float(PREVALENCE / np.mean(p_with @ share[0] + p_without @ share[1])),
        "calibration_slope": slope,
        "calibration_intercept": intercept,
    }


def _precision(low: float, high: float, spread: float) -> float:
    """Average precision of normal scores: precision over the quantiles of those with the finding."""
    cut = high + spread * stats.norm.ppf((np.arange(2000) + 0.5) / 2000)
    found = PREVALENCE * stats.norm.sf((cut - high) / spread)
    return float(np.mean(found / (found + (1 - PREVALENCE) * stats.norm.sf((cut - low) / spread))))


def _calibration(logits: np.ndarray, share: np.ndarray, events: int) -> tuple[float, float]:
    """Slope and intercept of the label on the logit, over new patients; NaN where models tell all patients the same."""
    label = (np.arange(len(logits)) < events).astype(np.float64)
    both, offset = np.array([0.0, 1.0]), 0.0
    design = np.c_[np.ones(len(logits)), logits]
    if logits.std() < _CONSTANT:
        both[:] = np.nan
    for _ in range(_STEPS if np.isfinite(both).all() else 0):
        p = special.expit(design @ both)
        curvature = (design.T * (share * p * (1 - p))) @ design
        both = both + np.linalg.lstsq(curvature, design.T @ (share * (label - p)), rcond=None)[0]
    for _ in range(_STEPS):
        p = special.expit(offset + logits)
        offset += float(share @ (label - p)) / float(share @ (p * (1 - p)))
    return float(both[1]) if abs(both[1]) < 1 / _CONSTANT else float("nan"), float(offset)


def table(cohort: Drawn, folds: list[np.ndarray], logits: list[np.ndarray], name: str) -> Predictions:
    """Give held-out predictions of all repeats as the library keeps them."""
    n, repeats = len(cohort.labels), len(folds)
    repeat = np.repeat(np.arange(repeats), n)
    held = np.concatenate(logits)
    p = special.expit(held)
    return Predictions(
        model=np.full(n * repeats, name),
        repeat=repeat,
        fold=np.concatenate(folds),
        record=np.tile(np.char.add("R-", np.arange(n).astype(str)), repeats),
        patient=np.tile(np.char.add("P-", cohort.patient.astype(str)), repeats),
        site=np.full(n * repeats, ""),
        withheld=np.full(n * repeats, ""),
        y_true=np.tile(cohort.labels, repeats),
        logits=np.stack([np.zeros(n * repeats), held], axis=1),
        probabilities=np.stack([1 - p, p], axis=1),
        present=np.ones((n * repeats, 1), dtype=bool),
        classes=("absent", "finding"),
        task="binary",
        modalities=("labs",),
    )
