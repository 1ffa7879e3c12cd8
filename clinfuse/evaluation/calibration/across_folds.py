"""Calibration of finished predictions, learned from predictions about other patients than it is applied to."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from scipy import special

from clinfuse.errors import DataError
from clinfuse.evaluation.predictions import Predictions
from clinfuse.evaluation.scores import fold_codes
from clinfuse.training.calibrators import Method, fit_calibrator


def calibrated(predictions: Predictions, *, method: Method = "platt") -> Predictions:
    """Give predictions of one model, those of each fold calibrated on the other folds of the same repeat.

    No prediction about a patient is counted in calibrating predictions about himself. The calibration is not blind to
    him: the models of the other folds, which made the predictions it is fitted to, were trained on him. What it is
    worth for new patients is therefore known only from patients that no fold held.

    Parameters
    ----------
    predictions : Predictions
        Of one model, nothing withheld, binary.
    method : {"platt", "temperature", "isotonic"}

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


def _refuse(code: str, rule: str, found: str) -> None:
    raise DataError(code, place="calibration", rule=rule, found=found, remedy="Use out-of-fold predictions.")
