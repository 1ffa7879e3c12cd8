"""A model moved to another clinic: its log odds shifted, or shifted and stretched, and nothing else of it changed."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal, final

import numpy as np
from scipy import special

from clinfuse.errors import DataError
from clinfuse.evaluation.predictions import Predictions
from clinfuse.evaluation.statistics.logistic import calibration_lines
from clinfuse.training.splits import patient_folds

Form = Literal["intercept", "intercept and slope"]
FORMS: tuple[Form, ...] = ("intercept", "intercept and slope")


@final
@dataclass(frozen=True)
class Recalibration:
    """A straight line through log odds.

    Parameters
    ----------
    form : {"intercept", "intercept and slope"}
    intercept, slope : float

    References
    ----------
    Steyerberg et al. 2004, doi:10.1002/sim.1844 (updating methods 1 and 2).

    Examples
    --------
    >>> Recalibration("intercept and slope", -1.0, 0.5).logits(np.array([2.0, 4.0])).tolist()
    [0.0, 1.0]
    """

    form: Form
    intercept: float
    slope: float

    def logits(self, logits: np.ndarray) -> np.ndarray:
        """Give log odds as they are after it, float64, same shape."""
        return self.intercept + self.slope * np.asarray(logits, dtype=np.float64)


def learned(predictions: Predictions, form: Form) -> list[Recalibration]:
    """Fit one recalibration to predictions, every patient weighed as one; none where there is no finite best line."""
    _, patient_of, records = np.unique(predictions.patient, return_inverse=True, return_counts=True)
    weights = (1.0 / records[patient_of])[None, :]
    free = form == "intercept and slope"
    (intercept, slope), *_ = calibration_lines(predictions.y_true, predictions.scores, weights, free_slope=free)
    found = np.isfinite([intercept, slope]).all()
    return [Recalibration(form, float(intercept), float(slope))] if found else []


def cross_fitted(predictions: Predictions, form: Form, *, folds: int, seed: int) -> list[Predictions]:
    """Give predictions recalibrated by patient: those of a patient by a line that was fitted to other patients.

    None where a part has too few patients of a class, or no finite best line.
    """
    who = predictions.y_true, predictions.patient, predictions.record
    try:
        parts = patient_folds(*who, folds=folds, seed=seed)
    except DataError as error:
        if error.code not in ("SPLIT_PATIENTS", "SPLIT_CLASSES"):
            raise
        return []
    result = np.zeros(len(predictions))
    for train, test in parts:
        lines = learned(predictions.rows(train), form)
        if not lines:
            return []
        result[test] = lines[0].logits(predictions.scores[test])
    p = special.expit(result)
    logits = np.stack([np.zeros_like(result), result], axis=1)
    return [replace(predictions, logits=logits, probabilities=np.stack([1 - p, p], axis=1))]
