"""Calibration of binary predictions, learned from predictions about other patients than it is applied to."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Literal, final

import numpy as np
from scipy import special

from clinfuse.errors import DataError
from clinfuse.evaluation.predictions import Predictions
from clinfuse.evaluation.scores import fold_codes

Method = Literal["platt", "temperature"]
_STEPS = 100
_TOLERANCE = 1e-10


@final
@dataclass(frozen=True)
class Calibrator:
    """A straight line through log odds.

    Parameters
    ----------
    slope, intercept : float
        Of the calibrated log odds on those given.
    bound : float
        Probabilities are kept within ``[bound, 1 - bound]``: 1 / (2 n + 2) after n patients.

    Examples
    --------
    >>> Calibrator(slope=0.5, intercept=0.0, bound=0.01).logits([2.0, -40.0]).round(4).tolist()
    [1.0, -4.5951]
    """

    slope: float
    intercept: float
    bound: float

    def __post_init__(self) -> None:
        if not (np.isfinite([self.slope, self.intercept]).all() and 0 < self.bound < 0.5):
            rule = "slope, intercept and bound must be finite, the bound below a half"
            _refuse("CALIBRATION_VALUE", rule, "others", "Give finite numbers, the bound below a half.")

    def logits(self, logits: Any) -> np.ndarray:
        """Give calibrated log odds, float64, same shape."""
        reach = float(special.logit(1 - self.bound))
        return np.clip(self.slope * np.asarray(logits, dtype=np.float64) + self.intercept, -reach, reach)

    def probabilities(self, logits: Any) -> np.ndarray:
        """Give calibrated probabilities, float64, same shape."""
        calibrated: np.ndarray = special.expit(self.logits(logits))
        return calibrated


def fit_calibrator(labels: Any, logits: Any, patients: Any, *, method: Method = "platt") -> Calibrator:
    """Fit a calibrator to predictions for patients that the model had not seen.

    Parameters
    ----------
    labels : array of int, (records,)
        0 or 1.
    logits : array of float, (records,)
        Log odds.
    patients : array of str, (records,)
        Each patient counts once, whatever the number of records.
    method : {"platt", "temperature"}
        Slope and intercept, or slope alone. The targets are Platt's, pulled inwards by one record of each class, so
        that an optimum exists even where the classes are parted completely.

    Raises
    ------
    DataError
        ``CALIBRATION_CLASSES``: a class without records. ``CALIBRATION_VALUE``.

    References
    ----------
    Platt 1999, Advances in Large Margin Classifiers, 61-74. Guo et al. 2017, arXiv 1706.04599.

    Examples
    --------
    >>> import numpy as np
    >>> labels, logits = np.tile([0, 0, 1, 0, 1, 1], 500), np.tile([-2.0, -2.0, -2.0, 2.0, 2.0, 2.0], 500)
    >>> found = fit_calibrator(labels, logits, np.arange(3000).astype(str))
    >>> round(found.slope, 2), round(found.intercept, 2)
    (0.35, 0.0)
    """
    labels, logits = np.asarray(labels), np.asarray(logits, dtype=np.float64)
    names, patient_of, records = np.unique(np.asarray(patients), return_inverse=True, return_counts=True)
    weights = 1.0 / records[patient_of]
    positive = labels == 1
    events, others = weights[positive].sum(), weights[~positive].sum()
    if events == 0 or others == 0 or not np.isin(labels, (0, 1)).all() or not np.isfinite(logits).all():
        _refuse("CALIBRATION_CLASSES", "both classes, finite log odds", "something else")
    target = np.where(positive, (events + 1) / (events + 2), 1 / (others + 2))
    scale = max(float(np.abs(logits).max()), 1e-12)
    columns = np.stack([logits / scale, np.ones_like(logits)], axis=1)[:, : 2 if method == "platt" else 1]
    beta = _newton(columns, target, weights)
    intercept = float(beta[1]) if method == "platt" else 0.0
    return Calibrator(float(beta[0]) / scale, intercept, 1 / (2 * len(names) + 2))


def _newton(columns: np.ndarray, target: np.ndarray, weights: np.ndarray) -> np.ndarray:
    beta = np.zeros(columns.shape[1])
    ridge = 1e-9 * np.eye(len(beta))
    for _ in range(_STEPS):
        p = special.expit(columns @ beta)
        gradient = columns.T @ (weights * (target - p))
        curvature = (columns * (weights * p * (1 - p))[:, None]).T @ columns + ridge
        step = np.linalg.solve(curvature, gradient)
        step *= min(1.0, 5 / max(float(np.abs(step).max()), 1e-300))
        beta = beta + step
        if np.abs(step).max() < _TOLERANCE:
            break
    return beta


def calibrated(predictions: Predictions, *, method: Method = "platt") -> Predictions:
    """Give predictions of one model, those of each fold calibrated on the other folds of the same repeat.

    No prediction about a patient is counted in calibrating predictions about himself. The calibration is not blind to
    him: the models of the other folds, which made the predictions it is fitted to, were trained on him. What it is
    worth for new patients is therefore known only from patients that no fold held.

    Parameters
    ----------
    predictions : Predictions
        Of one model, nothing withheld, binary.
    method : {"platt", "temperature"}

    Raises
    ------
    DataError
        ``CALIBRATION_TASK``: not binary, or several models. ``CALIBRATION_FOLDS``: a repeat with one fold only.
    """
    if predictions.task != "binary" or len(predictions.models) != 1 or (predictions.withheld != "").any():
        _refuse("CALIBRATION_TASK", "binary predictions of one model with nothing withheld", "others")
    result = np.zeros(len(predictions))
    codes = fold_codes(predictions)
    for code in np.unique(codes):
        here = codes == code
        others = (predictions.repeat == predictions.repeat[here][0]) & ~here & (predictions.y_true >= 0)
        if not others.any():
            _refuse("CALIBRATION_FOLDS", "at least two folds in a repeat", "one")
        learned = predictions.rows(others)
        found = fit_calibrator(learned.y_true, learned.scores, learned.patient, method=method)
        result[here] = found.logits(predictions.scores[here])
    logits = np.stack([np.zeros_like(result), result], axis=1)
    p = special.expit(result)
    return replace(predictions, logits=logits, probabilities=np.stack([1 - p, p], axis=1))


def _refuse(code: str, rule: str, found: str, remedy: str = "Use out-of-fold predictions.") -> None:
    raise DataError(code, place="calibration", rule=rule, found=found, remedy=remedy)
