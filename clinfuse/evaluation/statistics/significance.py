"""Tests of differences: Nadeau and Bengio, McNemar, Holm; DeLong and permutations have modules of their own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
from scipy import stats
from statsmodels.stats.contingency_tables import mcnemar as _mcnemar
from statsmodels.stats.multitest import multipletests

from clinfuse.evaluation.statistics.delong import DeLong, clustered_delong, delong
from clinfuse.evaluation.statistics.found import Significance, no_spread, refuse
from clinfuse.evaluation.statistics.permutation import permutation_test

__all__ = [
    "DeLong",
    "Significance",
    "adjusted_p",
    "clustered_delong",
    "delong",
    "discordance",
    "mcnemar",
    "nadeau_bengio",
    "permutation_test",
    "resampled_error",
]

_EXACT_BELOW = 25
_NO_ERROR = 1e-15


def nadeau_bengio(differences: Sequence[float], *, train: float, test: float, repeats: int = 1) -> Significance:
    """Give the corrected resampled t and two-sided p of a mean difference over folds and repeats.

    Parameters
    ----------
    differences : sequence of float
        One per fold and repeat, all of them, repeat by repeat.
    train, test : float
        Records in one training set and in one test set.
    repeats : int
        How often the same records were dealt into folds. With more than one, the variance is the mean of those within
        the repeats, with a degree of freedom less for each of them: repeats are of the same records, so that their
        means differ little, and taken for further draws they would make the variance small and its degrees many.

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
    Nadeau and Bengio 2003, doi:10.1023/A:1024068626366. Over repeats Bouckaert and Frank 2004
    (doi:10.1007/978-3-540-24775-3_3) pool all deviations, which is what ``repeats=1`` does with them.

    Examples
    --------
    >>> folds = [0.03, 0.01, 0.04, -0.01, 0.02, 0.05, 0, 0.02, 0.03, 0.01]
    >>> test = nadeau_bengio(folds, train=90, test=10)
    >>> round(test.statistic, 5), round(test.p, 5)
    (2.38416, 0.04095)
    >>> test = nadeau_bengio(folds, train=80, test=20, repeats=2)
    >>> round(test.statistic, 5), round(test.p, 5)
    (1.7575, 0.11689)
    """
    error, degrees = resampled_error(differences, train=train, test=test, repeats=repeats)
    if error <= _NO_ERROR:
        return no_spread("Nadeau and Bengio")
    t = float(np.mean(differences)) / error
    return Significance(t, float(2 * stats.t.sf(abs(t), degrees)))


def resampled_error(values: Sequence[float], *, train: float, test: float, repeats: int) -> tuple[float, int]:
    """Give the standard error of `nadeau_bengio` of a mean over folds and repeats, and its degrees of freedom."""
    d = np.asarray(values, dtype=np.float64)
    several = d.ndim == 1 and repeats >= 1 and len(d) % repeats == 0 and len(d) >= 2 * repeats
    if not several or not np.isfinite(d).all() or train <= 0 or test <= 0:
        rule = "at least two finite values for every repeat, and training and test records"
        refuse("TEST_INPUT", rule, "something else")
    within = d.reshape(repeats, -1)
    variance = float(within.var(axis=1, ddof=1).mean())
    return float(np.sqrt(variance * (1 / len(d) + test / train))), len(d) - repeats


def discordance(labels: Any, first: Any, second: Any, *, patients: Any = None) -> np.ndarray:
    """Give the table that McNemar's test reads, of two deciders of the same records.

    Parameters
    ----------
    labels, first, second : array of int, (records,)
        What is true, and what each decided.
    patients : array, (records,), optional
        Without it every record is taken for another patient's.

    Returns
    -------
    ndarray of int64, (2, 2)
        First right or wrong, by second right or wrong.

    Raises
    ------
    DataError
        ``TEST_INPUT``; ``TEST_CLUSTERED``: a patient has several records, see `permutation_test`.

    Examples
    --------
    >>> discordance([0, 1, 1, 0], [0, 1, 0, 1], [0, 0, 1, 1]).tolist()
    [[1, 1], [1, 1]]
    """
    labels, first, second = np.asarray(labels), np.asarray(first), np.asarray(second)
    owners = np.arange(len(labels)) if patients is None else np.asarray(patients)
    if labels.ndim != 1 or not len(labels) == len(first) == len(second) == len(owners) or len(labels) == 0:
        refuse("TEST_INPUT", "labels, decisions and patients must be as many, and some", "other lengths")
    if len(np.unique(owners)) < len(labels):
        remedy = "Use permutation_test with the metric accuracy, which exchanges patients."
        refuse("TEST_CLUSTERED", "each patient must have one record", "one with several", remedy=remedy)
    wrong = [np.asarray(one != labels, dtype=np.int64) for one in (first, second)]
    return np.bincount(2 * wrong[0] + wrong[1], minlength=4).reshape(2, 2)


def mcnemar(table: Any, *, method: Literal["auto", "exact", "corrected", "mid-p"] = "auto") -> Significance:
    """Give McNemar's test of two deciders of the same records.

    Parameters
    ----------
    table : array of int, (2, 2)
        First decider right or wrong, by second decider right or wrong: see `discordance`.
    method : {"auto", "exact", "corrected", "mid-p"}
        Exact by the binomial distribution; chi-squared with continuity correction; exact less half the probability of
        what was seen, which is nearer its level. ``auto``: exact below 25 discordant records, else corrected.

    Returns
    -------
    Significance
        The statistic is chi-squared where corrected, else the smaller discordant count. p is 1, with a warning, where
        no record is discordant.

    Raises
    ------
    DataError
        ``TEST_INPUT``.

    References
    ----------
    McNemar 1947, doi:10.1007/BF02295996. Mid-p: Fagerland, Lydersen and Laake 2013, doi:10.1186/1471-2288-13-91.

    Examples
    --------
    >>> test = mcnemar([[59, 6], [16, 80]])
    >>> test.statistic, round(test.p, 5)
    (6.0, 0.05248)
    >>> round(mcnemar([[59, 6], [16, 80]], method="mid-p").p, 3)
    0.035
    """
    counts = np.asarray(table)
    if counts.shape != (2, 2) or (counts < 0).any() or method not in ("auto", "exact", "corrected", "mid-p"):
        refuse("TEST_INPUT", "two by two counts, and one of the methods", "something else")
    fewer, discordant = int(min(counts[0, 1], counts[1, 0])), int(counts[0, 1] + counts[1, 0])
    if discordant == 0:
        return no_spread("McNemar")
    if method == "mid-p":
        seen = float(stats.binom.pmf(fewer, discordant, 0.5))
        below = float(stats.binom.cdf(fewer, discordant, 0.5))
        # Where both counts are equal, what was seen lies in both tails.
        return Significance(float(fewer), 1 - seen / 2 if 2 * fewer == discordant else 2 * below - seen)
    exact = method == "exact" or (method == "auto" and discordant < _EXACT_BELOW)
    result = _mcnemar(counts, exact=exact, correction=True)
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
        refuse("TEST_INPUT", "p values within 0 and 1", "something else")
    adjusted: np.ndarray = multipletests(values, method="holm" if method == "holm" else "fdr_bh")[1]
    return adjusted
