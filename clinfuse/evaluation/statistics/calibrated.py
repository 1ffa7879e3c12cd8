"""How well probabilities agree with outcomes, as functions of weights."""

from __future__ import annotations

import numpy as np

from clinfuse.evaluation.statistics.weighted import Statistic


def weighted_observed_expected(labels: np.ndarray, probabilities: np.ndarray) -> Statistic:
    """Give the events seen over the events foretold: above 1 the probabilities are too low on the whole."""

    def statistic(weights: np.ndarray) -> np.ndarray:
        seen, foretold = weights @ labels, weights @ probabilities
        return np.divide(seen, foretold, out=np.full(len(weights), np.nan), where=foretold > 0)

    return statistic


def weighted_scaled_brier(labels: np.ndarray, probabilities: np.ndarray) -> Statistic:
    """Give 1 minus the squared error over that of the prevalence, all classes together.

    Parameters
    ----------
    labels : ndarray of int, (records, classes)
        1 in the column of the class.
    probabilities : ndarray of float64, (records, classes)
    """
    errors = ((probabilities - labels) ** 2).sum(1)

    def statistic(weights: np.ndarray) -> np.ndarray:
        total = weights.sum(1)
        share = np.divide(
            weights @ labels, total[:, None], out=np.zeros((len(weights), labels.shape[1])), where=total[:, None] > 0
        )
        reference = total * (share * (1 - share)).sum(1)
        lost = np.divide(weights @ errors, reference, out=np.full(len(weights), np.nan), where=reference > 1e-12)
        return np.asarray(1 - lost)

    return statistic


def weighted_ece(labels: np.ndarray, probabilities: np.ndarray, bins: int = 10) -> Statistic:
    """Give the expected calibration error in bins of equal mass: those of the records as they are, for every draw."""
    codes = bins_of_mass(probabilities, bins)
    member = np.zeros((len(codes), int(codes.max()) + 1))
    member[np.arange(len(codes)), codes] = labels - probabilities

    def statistic(weights: np.ndarray) -> np.ndarray:
        total = weights.sum(1)
        return np.divide(np.abs(weights @ member).sum(1), total, out=np.full(len(weights), np.nan), where=total > 0)

    return statistic


def bins_of_mass(probabilities: np.ndarray, bins: int) -> np.ndarray:
    """Give each record the number of its bin, int64 (records,): about equally many in each, equal values together."""
    cuts = np.quantile(probabilities, np.arange(1, bins) / bins)
    return np.searchsorted(cuts, probabilities, side="left")
