"""From scores to calibrated log odds: a line or rising steps, learned from predictions about unseen patients."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, NoReturn, final

import numpy as np
import torch
from scipy import special
from sklearn.isotonic import IsotonicRegression
from torch import Tensor

from clinfuse.errors import DataError

Method = Literal["temperature", "platt", "isotonic"]
SMALLEST_SLOPE = 0.01
KNEE = 0.05
_STEPS = 100
_TOLERANCE = 1e-10


class Calibrator(ABC):
    """A rising function from log odds to calibrated log odds, finite everywhere."""

    @abstractmethod
    def logits(self, logits: Any) -> np.ndarray:
        """Give calibrated log odds, float64, same shape."""

    @abstractmethod
    def bend(self, logits: Tensor) -> Tensor:
        """Give calibrated log odds of a tensor, float64, same shape, with gradients."""

    @property
    def line(self) -> tuple[float, float]:
        """Slope and reach of a straight line: how far from 0, in calibrated log odds, it goes on; (0, 0) for none."""
        return 0.0, 0.0

    @abstractmethod
    def to_state(self) -> dict[str, Any]:
        """Give everything learned, as JSON values and arrays."""

    def probabilities(self, logits: Any) -> np.ndarray:
        """Give calibrated probabilities, float64, same shape."""
        calibrated: np.ndarray = special.expit(self.logits(logits))
        return calibrated


@final
@dataclass(frozen=True)
class LinearCalibrator(Calibrator):
    """A straight line through log odds, bent only where it would leave the bound.

    Parameters
    ----------
    slope, intercept : float
        Of the calibrated log odds on those given.
    bound : float
        Probabilities are kept within ``[bound, 1 - bound]``: 1 / (2 n + 2) after n patients; 0 for no bound. The line
        bends ``KNEE`` before it and comes ever closer, so that no two ranks become one.

    Raises
    ------
    DataError
        ``CALIBRATION_VALUE``.

    Examples
    --------
    >>> LinearCalibrator(slope=0.5, intercept=0.0, bound=0.01).logits([2.0, -40.0]).round(2).tolist()
    [1.0, -4.59]
    """

    slope: float
    intercept: float
    bound: float = 0.0

    def __post_init__(self) -> None:
        if not (np.isfinite([self.slope, self.intercept]).all() and 0 <= self.bound < 0.5):
            rule = "slope, intercept and bound must be finite, the bound below a half"
            _refuse("CALIBRATION_VALUE", rule, "others", "Give finite numbers, the bound below a half.")

    @property
    def straight(self) -> float:
        """How far from 0 the line goes on before it bends, in calibrated log odds."""
        return float(special.logit(1 - self.bound)) - KNEE if self.bound else np.inf

    def logits(self, logits: Any) -> np.ndarray:
        """Give calibrated log odds, float64, same shape."""
        line = self.slope * np.asarray(logits, dtype=np.float64) + self.intercept
        if not self.bound:
            return line
        over = np.maximum(np.abs(line) - self.straight, 0.0)
        return np.where(over > 0, np.sign(line) * (self.straight + KNEE - KNEE**2 / (over + KNEE)), line)

    def bend(self, logits: Tensor) -> Tensor:
        """Give calibrated log odds of a tensor, float64, same shape, with gradients."""
        line = self.slope * logits.double() + self.intercept
        if not self.bound:
            return line
        over = (line.abs() - self.straight).clamp(min=0)
        bent = torch.sign(line) * (self.straight + KNEE - KNEE**2 / (over + KNEE))
        return torch.where(over > 0, bent, line)

    @property
    def line(self) -> tuple[float, float]:
        """Slope and reach of the line: how far from 0, in calibrated log odds, it goes on before it bends."""
        return self.slope, float(self.straight)

    def to_state(self) -> dict[str, Any]:
        """Give slope, intercept and bound."""
        return {"calibrator": "linear", "slope": self.slope, "intercept": self.intercept, "bound": self.bound}


@final
@dataclass(frozen=True, eq=False)
class IsotonicCalibrator(Calibrator):
    """Rising steps, joined by straight lines in log odds, level outside.

    Parameters
    ----------
    knots : ndarray of float64, (knots,)
        Log odds as given, strictly rising.
    values : ndarray of float64, (knots,)
        Calibrated log odds, never falling, finite.

    Raises
    ------
    DataError
        ``CALIBRATION_VALUE``.

    Examples
    --------
    >>> IsotonicCalibrator(np.array([-1.0, 1.0]), np.array([-2.0, 2.0])).logits([0.5, 9.0]).tolist()
    [1.0, 2.0]
    """

    knots: np.ndarray
    values: np.ndarray

    def __post_init__(self) -> None:
        rising = bool(len(self.knots)) and (np.diff(self.knots) > 0).all() and (np.diff(self.values) >= 0).all()
        if not (rising and np.isfinite(self.knots).all() and np.isfinite(self.values).all()):
            _refuse("CALIBRATION_VALUE", "finite knots that rise, and values that never fall", "others", "Fit it anew.")

    def logits(self, logits: Any) -> np.ndarray:
        """Give calibrated log odds, float64, same shape."""
        return np.asarray(np.interp(np.asarray(logits, dtype=np.float64), self.knots, self.values))

    def bend(self, logits: Tensor) -> Tensor:
        """Give calibrated log odds of a tensor, float64, same shape, with gradients."""
        knots, values = torch.from_numpy(self.knots), torch.from_numpy(self.values)
        x = logits.double().clamp(knots[0], knots[-1])
        right = torch.searchsorted(knots, x.detach().contiguous()).clamp(min=1, max=max(len(knots) - 1, 1))
        if len(knots) == 1:
            return values[0] + 0 * x
        rise = (values[right] - values[right - 1]) / (knots[right] - knots[right - 1])
        return values[right - 1] + rise * (x - knots[right - 1])

    def to_state(self) -> dict[str, Any]:
        """Give knots and values."""
        return {"calibrator": "isotonic", "knots": self.knots, "values": self.values}


def calibrator_from_state(state: Mapping[str, Any]) -> Calibrator:
    """Give the calibrator that `Calibrator.to_state` described."""
    if state["calibrator"] == "linear":
        return LinearCalibrator(state["slope"], state["intercept"], state["bound"])
    return IsotonicCalibrator(state["knots"], state["values"])


def fit_calibrator(labels: Any, logits: Any, patients: Any, *, method: Method = "platt") -> Calibrator:
    """Fit a calibrator to predictions for patients that the model had not seen.

    Parameters
    ----------
    labels : array of int, (records,)
        0 or 1.
    logits : array of float, (records,)
        Log odds.
    patients : array, (records,)
        Each patient counts once, whatever the number of records.
    method : {"temperature", "platt", "isotonic"}
        Slope alone, slope and intercept, or rising steps. The targets of the first two are Platt's, pulled inwards by
        one record of each class, so that an optimum exists even where the classes are parted completely. No slope is
        below ``SMALLEST_SLOPE``: what says nothing keeps its ranks.

    Returns
    -------
    Calibrator
        Probabilities within 1 / (2 n + 2) of 0 and 1 for n patients.

    Raises
    ------
    DataError
        ``CALIBRATION_CLASSES``: a class without records.

    References
    ----------
    Platt 1999, Advances in Large Margin Classifiers, 61-74. Guo et al. 2017, arXiv 1706.04599. Zadrozny and Elkan
    2002, doi:10.1145/775047.775151.

    Examples
    --------
    >>> import numpy as np
    >>> labels, logits = np.tile([0, 0, 1, 0, 1, 1], 500), np.tile([-2.0, -2.0, -2.0, 2.0, 2.0, 2.0], 500)
    >>> found = fit_calibrator(labels, logits, np.arange(3000))
    >>> round(found.slope, 2), round(found.intercept, 2)
    (0.35, 0.0)
    """
    labels, logits = np.asarray(labels), np.asarray(logits, dtype=np.float64)
    weights, people = patient_shares(patients)
    positive = labels == 1
    events, others = weights[positive].sum(), weights[~positive].sum()
    if events == 0 or others == 0 or not np.isin(labels, (0, 1)).all() or not np.isfinite(logits).all():
        _refuse("CALIBRATION_CLASSES", "both classes, finite log odds", "something else")
    bound = 1 / (2 * people + 2)
    if method == "isotonic":
        steps = IsotonicRegression(out_of_bounds="clip").fit(logits, positive.astype(np.float64), weights)
        shares = np.clip(steps.y_thresholds_, bound, 1 - bound)
        return IsotonicCalibrator(np.array(steps.X_thresholds_, dtype=np.float64), special.logit(shares))
    target = np.where(positive, (events + 1) / (events + 2), 1 / (others + 2))
    scale = max(float(np.abs(logits).max()), 1e-12)
    columns = np.stack([logits / scale, np.ones_like(logits)], axis=1)[:, : 2 if method == "platt" else 1]
    beta = _newton(columns, target, weights)
    slope, intercept = float(beta[0]) / scale, float(beta[1]) if method == "platt" else 0.0
    if slope < SMALLEST_SLOPE:
        slope = SMALLEST_SLOPE
        if method == "platt":
            intercept = float(_newton(columns[:, 1:], target, weights, offset=slope * logits)[0])
    return LinearCalibrator(slope, intercept, bound)


def fit_temperature(labels: np.ndarray, logits: np.ndarray, patients: Any) -> LinearCalibrator:
    """Fit one slope for the logits of several classes, which moves no class before another.

    Parameters
    ----------
    labels : ndarray of int, (records,)
    logits : ndarray of float64, (records, classes)
    patients : array, (records,)

    Raises
    ------
    DataError
        ``CALIBRATION_CLASSES``: fewer than two classes among the records.

    References
    ----------
    Guo et al. 2017, arXiv 1706.04599.
    """
    weights, _ = patient_shares(patients)
    classes = logits.shape[1]
    counts = np.bincount(labels, weights, minlength=classes)
    if (counts > 0).sum() < 2 or not np.isfinite(logits).all():
        _refuse("CALIBRATION_CLASSES", "two classes, finite logits", "something else")
    # Platt's targets for several classes: one record of every class is added to each.
    target = ((counts[:, None] * np.eye(classes) + 1) / (counts[:, None] + classes))[labels]
    slope = 1.0
    for _ in range(_STEPS):
        p = special.softmax(slope * logits, axis=1)
        mean = (p * logits).sum(1)
        gradient = float(weights @ ((target * logits).sum(1) - mean))
        curvature = float(weights @ ((p * logits**2).sum(1) - mean**2))
        step = float(np.clip(gradient / max(curvature, 1e-12), -slope / 2, slope))
        slope += step
        if abs(step) < _TOLERANCE or slope < SMALLEST_SLOPE:
            break
    return LinearCalibrator(max(slope, SMALLEST_SLOPE), 0.0)


def patient_shares(patients: Any) -> tuple[np.ndarray, int]:
    """Give one over the number of records of each record's patient, float64 (records,), and the number of patients."""
    names, owner, records = np.unique(np.asarray(patients), return_inverse=True, return_counts=True)
    return 1.0 / records[owner], len(names)


def mixed(own: Calibrator, pooled: Calibrator, share: float) -> Calibrator:
    """Give what lies between two calibrators of one method: ``share`` of the first, the rest of the second.

    Examples
    --------
    >>> mixed(LinearCalibrator(2.0, 0.0, 0.1), LinearCalibrator(1.0, 1.0, 0.01), 0.25).slope
    1.25
    """
    if isinstance(own, LinearCalibrator) and isinstance(pooled, LinearCalibrator):
        slope = share * own.slope + (1 - share) * pooled.slope
        intercept = share * own.intercept + (1 - share) * pooled.intercept
        return LinearCalibrator(slope, intercept, pooled.bound)
    if isinstance(own, IsotonicCalibrator) and isinstance(pooled, IsotonicCalibrator):
        knots = np.union1d(own.knots, pooled.knots)
        return IsotonicCalibrator(knots, share * own.logits(knots) + (1 - share) * pooled.logits(knots))
    _refuse("CALIBRATION_VALUE", "two calibrators of one method", "others", "Fit both with the same method.")


def _newton(
    columns: np.ndarray, target: np.ndarray, weights: np.ndarray, *, offset: np.ndarray | float = 0.0
) -> np.ndarray:
    beta = np.zeros(columns.shape[1])
    ridge = 1e-9 * np.eye(len(beta))
    for _ in range(_STEPS):
        p = special.expit(columns @ beta + offset)
        gradient = columns.T @ (weights * (target - p))
        curvature = (columns * (weights * p * (1 - p))[:, None]).T @ columns + ridge
        step = np.linalg.solve(curvature, gradient)
        step *= min(1.0, 5 / max(float(np.abs(step).max()), 1e-300))
        beta = beta + step
        if np.abs(step).max() < _TOLERANCE:
            break
    return beta


def _refuse(code: str, rule: str, found: str, remedy: str = "Use out-of-fold predictions.") -> NoReturn:
    raise DataError(code, place="calibration", rule=rule, found=found, remedy=remedy)
