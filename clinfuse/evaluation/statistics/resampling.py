"""What a number of cross-validated predictions may vary by: patients drawn again, and what training adds to that.

The models of two folds are trained on mostly the same patients, and the patients that test one model train the others.
A bootstrap of held-out predictions holds the models as they are and so knows nothing of it: its intervals are too
narrow. The correction of Nadeau and Bengio widens the spread of one repeat, which is taken from the bootstrap here and
not from the few folds.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, final

import numpy as np
from scipy import special, stats

from clinfuse.evaluation.statistics.intervals import Estimate, over_draws, percentile_estimate
from clinfuse.evaluation.statistics.weighted import Statistic

Scale = Literal["plain", "logit", "log"]
SCALES: dict[str, Scale] = {
    "auroc": "logit",
    "auprc": "logit",
    "brier": "logit",
    "log_loss": "log",
    "observed_expected": "log",
}
_EDGE = 1e-6


def corrected_variance(repeat: np.ndarray, fold: np.ndarray, patient: np.ndarray) -> float:
    """Give how many times the variance of one repeat's bootstrap a cross-validated mean has.

    Parameters
    ----------
    repeat, fold : ndarray of int64, (rows,)
    patient : ndarray, (rows,)
        Any names.

    Returns
    -------
    float
        1 / repeats + folds x tested patients / training patients, the last a mean over folds: 2.25 for five folds
        once, 1.45 for five folds five times. 1 where a repeat has one fold, as a holdout and other cohorts have: its
        model has seen none of the patients.

    References
    ----------
    Nadeau and Bengio 2003, doi:10.1023/A:1024068626366.

    Examples
    --------
    >>> import numpy as np
    >>> rows = np.arange(10)
    >>> corrected_variance(np.zeros(10, int), rows % 5, rows)
    2.25
    """
    shares, folds = [], []
    repeats = np.unique(repeat)
    for one in repeats:
        here = repeat == one
        names = np.unique(fold[here])
        sizes = np.array([len(np.unique(patient[here & (fold == name)])) for name in names], dtype=np.float64)
        folds.append(len(names))
        shares.append(float(np.mean(sizes / (sizes.sum() - sizes))) if len(names) > 1 else 0.0)
    if max(folds) == 1:
        return 1.0
    return 1 / len(repeats) + float(np.mean(np.multiply(folds, shares)))


def small_sample(patients: int) -> float:
    """Give by how much the spread of a bootstrap of so few patients is too small for percentiles to be limits.

    References
    ----------
    Hesterberg 2015, doi:10.1080/00031305.2015.1089789 (expanded percentile interval).

    Examples
    --------
    >>> round(small_sample(60), 3), round(small_sample(10_000), 3)
    (1.03, 1.0)
    """
    if patients < 2:
        return 1.0
    return float(stats.t.ppf(0.975, patients - 1) / stats.norm.ppf(0.975) * np.sqrt(patients / (patients - 1)))


@final
@dataclass(frozen=True, eq=False)
class Resampling:
    """Draws of patients for predictions of one design, each draw of one repeat.

    Parameters
    ----------
    weights : ndarray of float64, (draws, rows)
        How often each row is drawn; 0 in all repeats but the draw's own.
    turn : ndarray of int64, (draws,)
        Place of the draw's repeat.
    singles : ndarray of float64, (repeats, rows)
        1 for the rows of a repeat.
    widening : float
        By which the spread of the draws is multiplied: the root of `corrected_variance`, and `small_sample`.
    """

    weights: np.ndarray
    turn: np.ndarray
    singles: np.ndarray
    widening: float

    @classmethod
    def of(cls, weights: np.ndarray, repeat: np.ndarray, variance: float, fewest: int) -> Resampling:
        """Deal draws of patients, float64 (draws, rows), out to the repeats in turn.

        ``variance`` is that of `corrected_variance`, ``fewest`` the patients of the smallest stratum they are drawn in.
        """
        names = np.unique(repeat)
        singles = (repeat == names[:, None]).astype(np.float64)
        turn = np.arange(len(weights)) % len(names)
        dealt = weights if len(names) == 1 else weights * singles[turn]
        return cls(dealt, turn, singles, float(np.sqrt(variance)) * small_sample(fewest))

    @property
    def everything(self) -> np.ndarray:
        """1 for every row, float64 (1, rows): the weights of a number as it is."""
        return np.ones((1, self.weights.shape[1]))

    def draws(self, measured: Statistic, *, scale: Scale = "plain") -> np.ndarray:
        """Give a statistic for every draw, float64 (draws,), spread as widely as cross-validation makes it."""
        value, at = float(measured(self.everything)[0]), over_draws(measured, self.singles)
        return self.spread(value, at, over_draws(measured, self.weights), scale=scale)

    def estimate(self, measured: Statistic, *, scale: Scale = "plain", level: float = 0.95) -> Estimate:
        """Give a statistic of all rows with the percentile interval of its `draws`.

        Raises
        ------
        DataError
            ``BOOTSTRAP_UNDEFINED``: more than half of the draws have no value.
        """
        value = float(measured(self.everything)[0])
        return percentile_estimate(value, self.draws(measured, scale=scale), level=level)

    def spread(self, value: float, at: np.ndarray, drawn: np.ndarray, *, scale: Scale = "plain") -> np.ndarray:
        """Give draws moved from their repeat's value to that of all, and spread more widely about it.

        Parameters
        ----------
        value : float
            Of all rows.
        at : ndarray of float64, (repeats,)
            Of each repeat by itself.
        drawn : ndarray of float64, (draws,)
            Raw.
        scale : {"plain", "logit", "log"}
            On which distances are taken, so that no limit leaves the range of the number.
        """
        away = _on(scale, drawn) - _on(scale, at)[self.turn]
        return _off(scale, _on(scale, np.asarray(value)) + self.widening * away)


def _on(scale: Scale, numbers: np.ndarray) -> np.ndarray:
    if scale == "logit":
        return np.asarray(special.logit(np.clip(numbers, _EDGE, 1 - _EDGE)))
    return np.log(np.maximum(numbers, _EDGE)) if scale == "log" else numbers


def _off(scale: Scale, numbers: np.ndarray) -> np.ndarray:
    if scale == "logit":
        return np.asarray(special.expit(numbers))
    return np.exp(numbers) if scale == "log" else numbers
