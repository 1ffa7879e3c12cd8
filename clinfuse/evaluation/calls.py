"""Which held-out records are called: from a stated probability on, or from the threshold of their fold's own model."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias, final

import numpy as np
from scipy import special

from clinfuse.errors import DataError
from clinfuse.evaluation.predictions import Predictions


@final
@dataclass(frozen=True)
class FoldThreshold:
    """From what on the model of one fold calls a record.

    Parameters
    ----------
    repeat, fold : int
    log_odds : float
    """

    repeat: int
    fold: int
    log_odds: float


@final
@dataclass(frozen=True)
class FoldThresholds:
    """The thresholds of one model, each learned in inner folds of the training patients of its fold.

    Parameters
    ----------
    specificity : float
        That they were learned for.
    folds : tuple of FoldThreshold
    """

    specificity: float
    folds: tuple[FoldThreshold, ...]

    @property
    def probabilities(self) -> tuple[float, float]:
        """The least and the greatest of them as probabilities."""
        found = special.expit([one.log_odds for one in self.folds])
        return float(found.min()), float(found.max())

    def of(self, predictions: Predictions) -> np.ndarray:
        """Give the log odds from which on each row is called, float64 (rows,).

        Raises
        ------
        DataError
            ``CALLS_FOLD``: a row of a fold that has none.
        """
        found = np.full(len(predictions), np.nan)
        for one in self.folds:
            found[(predictions.repeat == one.repeat) & (predictions.fold == one.fold)] = one.log_odds
        if np.isnan(found).any():
            raise DataError(
                "CALLS_FOLD",
                place="thresholds",
                rule="a threshold for every fold that records were held out in",
                found="a fold without one",
                remedy="Take thresholds and predictions from the same cross-validation.",
            )
        return found


Threshold: TypeAlias = float | FoldThresholds


def called(predictions: Predictions, threshold: Threshold) -> np.ndarray:
    """Say of every row of a binary model whether it is called, bool (rows,).

    Raises
    ------
    DataError
        ``CALLS_FOLD``.
    """
    if isinstance(threshold, FoldThresholds):
        return np.asarray(predictions.scores >= threshold.of(predictions))
    return np.asarray(predictions.probabilities[:, 1] >= threshold)
