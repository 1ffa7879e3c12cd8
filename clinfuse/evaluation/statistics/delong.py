"""The AUROCs of scores of the same records and how they vary together: DeLong's method, and that for clusters."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, final

import numpy as np
from scipy import special, stats

from clinfuse.evaluation.statistics.found import Significance, no_spread, refuse
from clinfuse.evaluation.statistics.intervals import Estimate, auroc_score_interval
from clinfuse.evaluation.statistics.non_inferiority import NonInferiority, non_inferiority

_NOTHING = 1e-15


@final
@dataclass(frozen=True, eq=False)
class DeLong:
    """AUROCs of several scores of the same records, and how they vary together.

    Parameters
    ----------
    values : ndarray of float64, (scores,)
    covariance : ndarray of float64, (scores, scores)
    patients : tuple of int
        With a positive record, and with a negative one; a patient may count as both.
    """

    values: np.ndarray
    covariance: np.ndarray
    patients: tuple[int, int]

    def interval(self, score: int = 0, *, level: float = 0.95, scale: Literal["logit", "plain"] = "logit") -> Estimate:
        """Give one AUROC with its interval; the logit scale keeps it within 0 and 1.

        Where the AUROC cannot vary, as where the classes are parted completely, it is
        `clinfuse.evaluation.statistics.intervals.auroc_score_interval` of the patients.
        """
        value, error = float(self.values[score]), float(np.sqrt(max(0.0, self.covariance[score, score])))
        if error**2 <= _NOTHING:
            return auroc_score_interval(value, [self.patients[0]], [self.patients[1]], level=level)
        reach = float(stats.norm.ppf((1 + level) / 2)) * error
        if scale == "plain":
            return Estimate(value, max(0.0, value - reach), min(1.0, value + reach))
        middle, reach = special.logit(value), reach / (value * (1 - value))
        return Estimate(value, float(special.expit(middle - reach)), float(special.expit(middle + reach)))

    def difference(self, first: int = 0, second: int = 1, *, level: float = 0.95) -> Estimate:
        """Give the first AUROC minus the second with its interval."""
        value = float(self.values[first] - self.values[second])
        reach = float(stats.norm.ppf((1 + level) / 2)) * self._error(first, second)
        return Estimate(value, value - reach, value + reach)

    def compare(self, first: int = 0, second: int = 1) -> Significance:
        """Give z and p of the difference between two AUROCs; p is 1, with a warning, where it cannot vary."""
        error = self._error(first, second)
        if error**2 <= _NOTHING:
            return no_spread("DeLong")
        z = float(self.values[first] - self.values[second]) / error
        return Significance(z, float(2 * stats.norm.sf(abs(z))))

    def non_inferior(self, first: int = 0, second: int = 1, *, margin: float) -> NonInferiority:
        """Give whether the first AUROC is not worse than the second by the margin or more.

        References
        ----------
        Liu et al. 2006, doi:10.1002/sim.2358.
        """
        error = self._error(first, second)
        shifted = float(self.values[first] - self.values[second]) + margin
        p = float(stats.norm.sf(shifted / error)) if error**2 > _NOTHING else 1.0
        return non_inferiority(self.difference(first, second), margin=margin, p=p)

    def compare_all(self) -> Significance:
        """Give chi-squared and p of all AUROCs being equal; its degrees of freedom are the rank of the contrasts."""
        contrast = np.eye(len(self.values))[1:] - np.eye(len(self.values))[:1]
        difference, spread = contrast @ self.values, contrast @ self.covariance @ contrast.T
        rank = int(np.linalg.matrix_rank(spread, tol=_NOTHING, hermitian=True))
        if rank == 0:
            return no_spread("DeLong")
        chi2 = float(difference @ np.linalg.pinv(spread, rtol=1e-12, hermitian=True) @ difference)
        return Significance(chi2, float(stats.chi2.sf(chi2, rank)))

    def _error(self, first: int, second: int) -> float:
        spread = self.covariance[first, first] + self.covariance[second, second] - 2 * self.covariance[first, second]
        return float(np.sqrt(max(0.0, spread)))


def delong(labels: Any, *scores: Any, patients: Any = None) -> DeLong:
    """Give the AUROCs of one or more scores of the same records with their covariance, one record a patient.

    For scores of one model that has seen none of the patients: a holdout, another hospital. The scores of several folds
    come from several models, and their pooled AUROC is not what one of them would reach.

    Parameters
    ----------
    labels : array of int, (records,)
        0 or 1.
    *scores : array of float, (records,)
    patients : array, (records,), optional
        Names of any kind. Without it every record is taken for another patient's.

    Raises
    ------
    DataError
        ``TEST_INPUT``; ``TEST_CLUSTERED``: a patient has several records, see `clustered_delong`.

    References
    ----------
    DeLong, DeLong and Clarke-Pearson 1988, doi:10.2307/2531595.

    Examples
    --------
    >>> result = delong([0, 0, 1, 1], [0.1, 0.4, 0.35, 0.8])
    >>> float(result.values[0]), round(float(result.covariance[0, 0]), 6)
    (0.75, 0.125)
    """
    labels, rows = _checked(labels, scores)
    owners = np.arange(len(labels)) if patients is None else np.asarray(patients)
    if owners.shape != labels.shape:
        refuse("TEST_INPUT", "one patient per label", "another number")
    if len(np.unique(owners)) < len(labels):
        remedy = "Use clustered_delong, or a bootstrap over patients."
        refuse("TEST_CLUSTERED", "each patient must have one record", "one with several", remedy=remedy)
    return clustered_delong(labels, *rows, patients=owners)


def clustered_delong(labels: Any, *scores: Any, patients: Any) -> DeLong:
    """Give the AUROCs of one or more scores of the same records with their covariance, where patients have several.

    Records of one patient vary together, within a class and across. With one record a patient it is `delong`.

    Parameters
    ----------
    labels : array of int, (records,)
        0 or 1; a patient may have records of both.
    *scores : array of float, (records,)
    patients : array, (records,)
        Names of any kind.

    Raises
    ------
    DataError
        ``TEST_INPUT``.

    References
    ----------
    Obuchowski 1997, doi:10.2307/2533958.

    Examples
    --------
    >>> result = clustered_delong([0, 1, 0, 1, 0, 1], [1, 3, 2, 4, 5, 6], patients=list("aabbcc"))
    >>> round(float(result.values[0]), 4), round(float(result.covariance[0, 0]) ** 0.5, 4)
    (0.7778, 0.1111)
    """
    labels, rows = _checked(labels, scores)
    owners = np.asarray(patients)
    if owners.shape != labels.shape:
        refuse("TEST_INPUT", "one patient per label", "another number")
    _, patient_of = np.unique(owners, return_inverse=True)
    positive = labels == 1
    own = [np.bincount(patient_of[side], minlength=int(patient_of.max()) + 1) for side in (positive, ~positive)]
    sizes = [int(one.sum()) for one in own]
    held = [int(np.sum(one > 0)) for one in own]
    if min(held) < 2:
        refuse("TEST_INPUT", "at least two patients with a record of each class", "fewer")
    every = len(own[0])
    placed = [_placements(positive, row) for row in rows]
    values = np.array([one[positive].mean() for one in placed])
    # Of each patient, by how much all of his records together differ from what as many average ones would have.
    above, below = (
        np.stack([np.bincount(patient_of[side], one[side], minlength=every) for one in placed]) / size
        - np.outer(values, count) / size
        for side, count, size in zip((positive, ~positive), own, sizes, strict=True)
    )
    across = above @ below.T * every / (every - 1)
    spread = above @ above.T * held[0] / (held[0] - 1) + below @ below.T * held[1] / (held[1] - 1) + across + across.T
    return DeLong(values, spread, (held[0], held[1]))


def _placements(positive: np.ndarray, row: np.ndarray) -> np.ndarray:
    """Share of the other class that each record is on the right side of, ties counted half; float64 (records,)."""
    pooled = stats.rankdata(row)
    found = np.empty(len(row))
    found[positive] = (pooled[positive] - stats.rankdata(row[positive])) / np.sum(~positive)
    found[~positive] = 1 - (pooled[~positive] - stats.rankdata(row[~positive])) / np.sum(positive)
    return found


def _checked(labels: Any, scores: tuple[Any, ...]) -> tuple[np.ndarray, list[np.ndarray]]:
    labels = np.asarray(labels)
    rows = [np.asarray(score, dtype=np.float64) for score in scores]
    if not rows or any(row.shape != labels.shape or not np.isfinite(row).all() for row in rows):
        refuse("TEST_INPUT", "scores must be finite, one per label", "something else")
    positives, negatives = int(np.sum(labels == 1)), int(np.sum(labels == 0))
    if positives < 2 or negatives < 2 or positives + negatives != len(labels):
        refuse("TEST_INPUT", "labels must be 0 or 1, at least two of each", "something else")
    return labels, rows
