"""Tests of differences: DeLong, Nadeau and Bengio, McNemar, Holm."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, final

import numpy as np
from scipy import special, stats
from statsmodels.stats.contingency_tables import mcnemar as _mcnemar
from statsmodels.stats.multitest import multipletests

from clinfuse.errors import DataError, DataWarning
from clinfuse.evaluation.statistics.intervals import Estimate

_EXACT_BELOW = 25


@final
@dataclass(frozen=True)
class Significance:
    """What a test found.

    Parameters
    ----------
    statistic : float
        z, t, chi-squared or a count, as the test says.
    p : float
        Two-sided.
    """

    statistic: float
    p: float


@final
@dataclass(frozen=True, eq=False)
class DeLong:
    """AUROCs of several scores of the same records, and how they vary together.

    Parameters
    ----------
    values : ndarray of float64, (scores,)
    covariance : ndarray of float64, (scores, scores)
    """

    values: np.ndarray
    covariance: np.ndarray

    def interval(self, score: int = 0, *, level: float = 0.95, scale: Literal["plain", "logit"] = "plain") -> Estimate:
        """Give one AUROC with its interval; the logit scale keeps it within 0 and 1."""
        value, error = float(self.values[score]), float(np.sqrt(self.covariance[score, score]))
        reach = float(stats.norm.ppf((1 + level) / 2)) * error
        if scale == "plain" or not 0 < value < 1:
            return Estimate(value, max(0.0, value - reach), min(1.0, value + reach))
        middle, reach = special.logit(value), reach / (value * (1 - value))
        return Estimate(value, float(special.expit(middle - reach)), float(special.expit(middle + reach)))

    def compare(self, first: int = 0, second: int = 1) -> Significance:
        """Give z and p of the difference between two AUROCs; p is 1, with a warning, where it cannot vary."""
        spread = self.covariance[first, first] + self.covariance[second, second] - 2 * self.covariance[first, second]
        difference = float(self.values[first] - self.values[second])
        if spread <= 1e-15:
            return _no_spread("DeLong")
        z = difference / float(np.sqrt(spread))
        return Significance(z, float(2 * stats.norm.sf(abs(z))))

    def compare_all(self) -> Significance:
        """Give chi-squared (scores - 1 degrees of freedom) and p of all AUROCs being equal."""
        contrast = np.eye(len(self.values))[1:] - np.eye(len(self.values))[:1]
        difference = contrast @ self.values
        chi2 = float(difference @ np.linalg.pinv(contrast @ self.covariance @ contrast.T) @ difference)
        return Significance(chi2, float(stats.chi2.sf(chi2, len(contrast))))


def delong(labels: Any, *scores: Any) -> DeLong:
    """Give the AUROCs of one or more scores of the same records with their covariance.

    For one set of scores from one model: records of one patient, and scores of several folds, need
    `clinfuse.evaluation.statistics.intervals.patient_weights`.

    Parameters
    ----------
    labels : array of int, (records,)
        0 or 1.
    *scores : array of float, (records,)

    Raises
    ------
    DataError
        ``TEST_INPUT``.

    References
    ----------
    DeLong, DeLong and Clarke-Pearson 1988, doi:10.2307/2531595.

    Examples
    --------
    >>> result = delong([0, 0, 1, 1], [0.1, 0.4, 0.35, 0.8])
    >>> float(result.values[0]), round(float(result.covariance[0, 0]), 6)
    (0.75, 0.125)
    """
    labels = np.asarray(labels)
    rows = [np.asarray(score, dtype=np.float64) for score in scores]
    if not rows or any(row.shape != labels.shape or not np.isfinite(row).all() for row in rows):
        _refuse("scores must be finite, one per label", "something else")
    positives, negatives = int(np.sum(labels == 1)), int(np.sum(labels == 0))
    if positives < 2 or negatives < 2 or positives + negatives != len(labels):
        _refuse("labels must be 0 or 1, at least two of each", "something else")
    above, below = [], []
    for row in rows:
        pooled, among_positive, among_negative = (
            stats.rankdata(row),
            stats.rankdata(row[labels == 1]),
            stats.rankdata(row[labels == 0]),
        )
        above.append((pooled[labels == 1] - among_positive) / negatives)
        below.append(1 - (pooled[labels == 0] - among_negative) / positives)
    spread = np.atleast_2d(np.cov(above)) / positives + np.atleast_2d(np.cov(below)) / negatives
    return DeLong(np.mean(above, axis=1), spread)


def nadeau_bengio(differences: Sequence[float], *, train: float, test: float) -> Significance:
    """Give the corrected resampled t and two-sided p of a mean difference over folds and repeats.

    Parameters
    ----------
    differences : sequence of float
        One per fold and repeat, all of them.
    train, test : float
        Records in one training set and in one test set.

    Returns
    -------
    Significance
        p is 1, with a warning, where all differences are equal.

    Raises
    ------
    DataError
        ``TEST_INPUT``.

    References
    ----------
    Nadeau and Bengio 2003, doi:10.1023/A:1024068626366.

    Examples
    --------
    >>> test = nadeau_bengio([0.03, 0.01, 0.04, -0.01, 0.02, 0.05, 0, 0.02, 0.03, 0.01], train=90, test=10)
    >>> round(test.statistic, 5), round(test.p, 5)
    (2.38416, 0.04095)
    """
    d = np.asarray(differences, dtype=np.float64)
    if d.ndim != 1 or len(d) < 2 or not np.isfinite(d).all() or train <= 0 or test <= 0:
        _refuse("at least two finite differences, and training and test records", "something else")
    variance = float(d.var(ddof=1))
    if variance <= 1e-30:
        return _no_spread("Nadeau and Bengio")
    t = float(d.mean() / np.sqrt(variance * (1 / len(d) + test / train)))
    return Significance(t, float(2 * stats.t.sf(abs(t), len(d) - 1)))


def mcnemar(table: Any) -> Significance:
    """Give McNemar's test of two deciders of the same records, exact below 25 discordant records.

    Parameters
    ----------
    table : array of int, (2, 2)
        First decider right or wrong, by second decider right or wrong.

    Returns
    -------
    Significance
        The statistic is chi-squared with continuity correction, or the smaller discordant count where exact.

    Raises
    ------
    DataError
        ``TEST_INPUT``.

    Examples
    --------
    >>> test = mcnemar([[59, 6], [16, 80]])
    >>> test.statistic, round(test.p, 5)
    (6.0, 0.05248)
    """
    counts = np.asarray(table)
    if counts.shape != (2, 2) or (counts < 0).any():
        _refuse("two by two counts", "something else")
    result = _mcnemar(counts, exact=bool(counts[0, 1] + counts[1, 0] < _EXACT_BELOW), correction=True)
    return Significance(float(result.statistic), float(result.pvalue))


def adjusted_p(p: Sequence[float], *, method: Literal["holm", "bh"] = "holm") -> np.ndarray:
    """Give p values adjusted for their number: family-wise error by Holm, or false discovery rate.

    Parameters
    ----------
    p : sequence of float
    method : {"holm", "bh"}
        Holm 1979, or Benjamini and Hochberg 1995 (doi:10.1111/j.2517-6161.1995.tb02031.x).

    Returns
    -------
    ndarray of float64, in the order given.

    Raises
    ------
    DataError
        ``TEST_INPUT``.

    Examples
    --------
    >>> adjusted_p([0.01, 0.04, 0.03, 0.005]).round(3).tolist()
    [0.03, 0.06, 0.06, 0.02]
    """
    values = np.asarray(p, dtype=np.float64)
    if values.ndim != 1 or len(values) == 0 or not ((values >= 0) & (values <= 1)).all():
        _refuse("p values within 0 and 1", "something else")
    adjusted: np.ndarray = multipletests(values, method="holm" if method == "holm" else "fdr_bh")[1]
    return adjusted


def _no_spread(name: str) -> Significance:
    warnings.warn(f"{name}: the differences do not vary, p is set to 1", DataWarning, stacklevel=3)
    return Significance(0.0, 1.0)


def _refuse(rule: str, found: str) -> None:
    raise DataError("TEST_INPUT", place="test", rule=rule, found=found, remedy="Correct what the test is given.")
