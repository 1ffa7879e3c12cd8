"""Linear learners: logistic regression with a ridge penalty or an elastic net, chosen on inner patients."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, final

import numpy as np
from scipy.optimize import minimize
from scipy.special import log_softmax, softmax
from sklearn.linear_model import LogisticRegression

from clinfuse.encoders.table import Style
from clinfuse.errors import DataError
from clinfuse.training.learner import SMALLEST_CHANCE, Learner, LearnerRows
from clinfuse.training.seeds import derived_seed
from clinfuse.training.splits import patient_folds

_PENALTIES = (0.003, 0.01, 0.03, 0.1, 0.3, 1.0)
_STRENGTHS = (0.3, 0.1, 0.03, 0.01, 0.003, 0.001)
_MIXES = (0.1, 0.5, 0.9)
_FOLDS = 5


def inner_cuts(labels: np.ndarray, rows: LearnerRows) -> list[tuple[np.ndarray, np.ndarray]]:
    """Give inner folds of records by patient; none where patients are too few to choose anything by.

    Parameters
    ----------
    labels : ndarray of int64, (rows,)
    rows : LearnerRows

    Returns
    -------
    list of (ndarray of int64, ndarray of int64)
        Records to train on and to judge by; all rows of a record, its masked copies too, go with it.
    """
    record_labels = labels[np.unique(rows.owners, return_index=True)[1]]
    smallest = min(len(np.unique(rows.groups[record_labels == k])) for k in np.unique(labels))
    folds = min(_FOLDS, smallest)
    if folds < 2:
        return []
    seed = derived_seed(rows.seed, "penalty")
    try:
        return patient_folds(record_labels, rows.groups, rows.ids, folds=folds, seed=seed)
    except DataError:
        # Patients that no deal spreads over the folds leave nothing to choose by.
        return []


class LinearLearner(Learner):
    """A learner whose logits are a line: a coefficient for each feature of each class, and an intercept."""

    style: ClassVar[Style] = "linear"
    linear: ClassVar[bool] = True

    coefficients_: np.ndarray
    intercepts_: np.ndarray

    def keep(self, coefficients: np.ndarray, intercepts: np.ndarray) -> None:
        """Remember the line, float64 (classes, width) and (classes,); one row alone is that of the second class."""
        if len(coefficients) == 1:
            coefficients = np.concatenate([np.zeros_like(coefficients), coefficients])
            intercepts = np.concatenate([np.zeros(1), intercepts])
        # Another layout in memory gives other last bits than the stored model will.
        self.coefficients_ = np.ascontiguousarray(coefficients, dtype=np.float64)
        self.intercepts_ = np.ascontiguousarray(intercepts, dtype=np.float64)

    def line(self) -> dict[str, Any]:
        """Give coefficients and intercepts as they are stored."""
        return {"coefficients": self.coefficients_, "intercepts": self.intercepts_}

    def logits(self, table: np.ndarray) -> np.ndarray:
        """Give logits, float64 (rows, classes)."""
        return table @ self.coefficients_.T + self.intercepts_

    def contributions(self, table: np.ndarray) -> np.ndarray:
        """Give coefficient times value, and the intercepts last, float64 (rows, width + 1, classes)."""
        bias = np.broadcast_to(self.intercepts_, (len(table), 1, len(self.intercepts_)))
        return np.concatenate([table[:, :, None] * self.coefficients_.T, bias], axis=1)

    def slopes(self, table: np.ndarray) -> np.ndarray:
        """Give the coefficients, float64 (width, classes), whatever the row."""
        del table
        return self.coefficients_.T


@final
class Logistic(LinearLearner):
    """Logistic regression with a ridge penalty, chosen on inner patients by their log loss.

    Parameters
    ----------
    penalty : float
        scikit-learn's ``C``; 0 chooses it on inner patients.
    """

    def __init__(self, *, penalty: float = 0.0) -> None:
        self.penalty = penalty

    def fit(self, table: np.ndarray, labels: np.ndarray, rows: LearnerRows) -> Learner:
        """Learn coefficients, float64 (classes, width), and intercepts, float64 (classes,)."""
        self.penalty_ = self.penalty or self._chosen(table, labels, rows)
        model = self._model(self.penalty_).fit(table, labels, sample_weight=rows.weights)
        self.keep(model.coef_, model.intercept_)
        return self

    @staticmethod
    def _model(penalty: float) -> LogisticRegression:
        return LogisticRegression(C=penalty, solver="lbfgs", max_iter=2000, tol=1e-6)

    def _chosen(self, table: np.ndarray, labels: np.ndarray, rows: LearnerRows) -> float:
        """Choose the penalty with the least log loss on inner patients; copies of a record stay on its side."""
        losses = np.zeros(len(_PENALTIES))
        cuts = inner_cuts(labels, rows)
        if not cuts:
            return _PENALTIES[1]
        for train, test in cuts:
            inside, outside = np.isin(rows.owners, train), np.isin(rows.owners, test)
            for k, penalty in enumerate(_PENALTIES):
                model = self._model(penalty).fit(table[inside], labels[inside], sample_weight=rows.weights[inside])
                chances = np.clip(model.predict_proba(table[outside]), SMALLEST_CHANCE, 1)
                picked = chances[np.arange(outside.sum()), labels[outside]]
                losses[k] -= float(np.sum(rows.weights[outside] * np.log(picked)))
        return _PENALTIES[int(np.argmin(losses))]

    def to_state(self) -> dict[str, Any]:
        """Give penalty, coefficients and intercepts."""
        return {"learner": "logistic", "penalty": self.penalty_, **self.line()}

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> Logistic:
        """Give the learner that `to_state` described."""
        learner = cls()
        learner.penalty_ = state["penalty"]
        learner.coefficients_, learner.intercepts_ = state["coefficients"], state["intercepts"]
        return learner


@final
class ElasticNet(LinearLearner):
    """Logistic regression with an elastic net: a ridge and a lasso penalty, which leaves features out altogether.

    Minimises the mean log loss + ``strength * (mix * sum |w| + (1 - mix) / 2 * sum w^2)``; intercepts are free.
    Strength and mix are those with the least log loss on inner patients.

    Parameters
    ----------
    strength : float
        0 chooses it, and the mix, on inner patients.
    mix : float
        From 0, ridge alone, to 1, lasso alone.

    References
    ----------
    Zou and Hastie 2005, doi 10.1111/j.1467-9868.2005.00503.x; Friedman, Hastie and Tibshirani 2010,
    doi 10.18637/jss.v033.i01.
    """

    def __init__(self, *, strength: float = 0.0, mix: float = 0.5) -> None:
        self.strength = strength
        self.mix = mix

    def fit(self, table: np.ndarray, labels: np.ndarray, rows: LearnerRows) -> Learner:
        """Learn coefficients, float64 (classes, width), and intercepts, float64 (classes,)."""
        classes = len(np.unique(labels))
        self.strength_, self.mix_ = self.strength, self.mix
        if not self.strength:
            self.strength_, self.mix_ = self._chosen(table, labels, rows, classes)
        flat = np.zeros(_variables(table.shape[1], classes))
        for strength in (*(s for s in _STRENGTHS if s > self.strength_), self.strength_):
            flat = _descend(table, labels, rows.weights, classes, strength=strength, mix=self.mix_, start=flat)
        self.keep(*_unpacked(flat, table.shape[1]))
        return self

    @staticmethod
    def _chosen(table: np.ndarray, labels: np.ndarray, rows: LearnerRows, classes: int) -> tuple[float, float]:
        losses = np.zeros((len(_MIXES), len(_STRENGTHS)))
        for train, test in inner_cuts(labels, rows):
            inside, outside = np.isin(rows.owners, train), np.isin(rows.owners, test)
            given, known, weights = table[inside], labels[inside], rows.weights[inside]
            for k, mix in enumerate(_MIXES):
                flat = np.zeros(_variables(table.shape[1], classes))
                for j, strength in enumerate(_STRENGTHS):
                    flat = _descend(given, known, weights, classes, strength=strength, mix=mix, start=flat)
                    losses[k, j] += _loss(flat, table[outside], labels[outside], rows.weights[outside])
        if not losses.any():
            return _STRENGTHS[2], _MIXES[1]
        best_mix, best_strength = np.unravel_index(int(np.argmin(losses)), losses.shape)
        return _STRENGTHS[best_strength], _MIXES[best_mix]

    def to_state(self) -> dict[str, Any]:
        """Give strength, mix, coefficients and intercepts."""
        return {"learner": "elastic-net", "strength": self.strength_, "mix": self.mix_, **self.line()}

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> ElasticNet:
        """Give the learner that `to_state` described."""
        learner = cls()
        learner.strength_, learner.mix_ = state["strength"], state["mix"]
        learner.coefficients_, learner.intercepts_ = state["coefficients"], state["intercepts"]
        return learner


def _variables(width: int, classes: int) -> int:
    """How many numbers describe a net: every coefficient as its positive less its negative part, and intercepts."""
    return (1 if classes == 2 else classes) * (2 * width + 1)


def _unpacked(flat: np.ndarray, width: int) -> tuple[np.ndarray, np.ndarray]:
    """Coefficients (outputs, width) and intercepts (outputs,)."""
    parts = flat.reshape(-1, 2 * width + 1)
    return parts[:, :width] - parts[:, width : 2 * width], parts[:, -1]


def _scores(flat: np.ndarray, table: np.ndarray) -> np.ndarray:
    coefficients, intercepts = _unpacked(flat, table.shape[1])
    scores = table @ coefficients.T + intercepts
    return np.concatenate([np.zeros_like(scores), scores], axis=1) if scores.shape[1] == 1 else scores


def _loss(flat: np.ndarray, table: np.ndarray, labels: np.ndarray, weights: np.ndarray) -> float:
    """Weighted sum of the log loss."""
    return -float(weights @ log_softmax(_scores(flat, table), axis=1)[np.arange(len(labels)), labels])


def _descend(
    table: np.ndarray,
    labels: np.ndarray,
    weights: np.ndarray,
    classes: int,
    *,
    strength: float,
    mix: float,
    start: np.ndarray,
) -> np.ndarray:
    """Minimise the penalised loss from a start; positive and negative parts make the lasso smooth."""
    width, total = table.shape[1], weights.sum()
    truth = np.eye(classes)[labels]
    outputs = 1 if classes == 2 else classes

    def objective(flat: np.ndarray) -> tuple[float, np.ndarray]:
        scores = _scores(flat, table)
        error = (weights[:, None] * (softmax(scores, axis=1) - truth) / total)[:, -outputs:]
        parts = flat.reshape(outputs, -1)
        coefficients, _ = _unpacked(flat, width)
        slope = error.T @ table + strength * (1 - mix) * coefficients
        gradient = np.concatenate([slope, -slope, error.sum(0)[:, None]], axis=1)
        gradient[:, :-1] += strength * mix
        lasso = strength * mix * float(parts[:, :-1].sum())
        ridge = 0.5 * strength * (1 - mix) * float((coefficients**2).sum())
        return _loss(flat, table, labels, weights) / total + lasso + ridge, gradient.ravel()

    bounds = ([(0.0, None)] * (2 * width) + [(None, None)]) * outputs
    options = {"maxiter": 1000, "ftol": 1e-12, "gtol": 1e-7}
    found = minimize(objective, start, jac=True, method="L-BFGS-B", bounds=bounds, options=options)
    return np.asarray(found.x)
