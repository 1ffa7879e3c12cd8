"""Intervals that know that records of one patient belong together."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, final

import numpy as np
from scipy import optimize, stats
from statsmodels.stats.proportion import proportion_confint

from clinfuse.errors import DataError
from clinfuse.evaluation.statistics.weighted import Statistic

DRAWS = 2000
_CELLS = 1_000_000
_LEAST_DEFINED = 0.5
_NEAR = 1e-9


@final
@dataclass(frozen=True)
class Estimate:
    """A number with its interval.

    Parameters
    ----------
    value, low, high : float
        The interval is of 95 % unless another level was asked for.

    Raises
    ------
    DataError
        ``ESTIMATE_NAN``, ``ESTIMATE_ORDER``.

    Examples
    --------
    >>> print(Estimate(0.85, 0.79, 0.91))
    0.85 (0.79 to 0.91)
    """

    value: float
    low: float
    high: float

    def __post_init__(self) -> None:
        for name in ("value", "low", "high"):
            object.__setattr__(self, name, float(getattr(self, name)))
        if not np.isfinite([self.value, self.low, self.high]).all():
            _refuse("ESTIMATE_NAN", "an estimate must be finite", "a number that is not")
        if self.low > self.high:
            remedy = "Give the lower limit first."
            _refuse("ESTIMATE_ORDER", "the lower limit must not exceed the upper", "the reverse", remedy)

    def __str__(self) -> str:
        return f"{self.value:.2f} ({self.low:.2f} to {self.high:.2f})"


def patient_weights(
    patients: np.ndarray, labels: np.ndarray, *, stratified: bool = True, draws: int = DRAWS, seed: int = 0
) -> np.ndarray:
    """Give how often each record is drawn when patients are drawn with replacement.

    Parameters
    ----------
    patients : ndarray of str or int, (records,)
        Records of one patient are drawn together. Draws go by the sorted names: `content_ranks` gives names that a
        private key has no part in.
    labels : ndarray of int, (records,) or (records, labels)
        For several labels the strata are patients with and without any.
    stratified : bool
        Draw patients separately by their rarest class, so that every draw holds every class that it can. Only for
        what does not move with the prevalence, as AUROC and the calibration slope: the intervals of anything else
        would lack what the prevalence adds to them.
    draws : int
    seed : int

    Returns
    -------
    ndarray of float64, (draws, records)
        Whole numbers. Neither the order of the records nor that of the patients in it matters for what a record gets.

    Examples
    --------
    >>> import numpy as np
    >>> weights = patient_weights(np.array(["a", "a", "b", "c"]), np.array([1, 1, 0, 0]), draws=3)
    >>> bool((weights[:, 0] == weights[:, 1]).all()), weights.sum(1).tolist()
    (True, [4.0, 4.0, 4.0])
    """
    names, patient_of = np.unique(patients, return_inverse=True)
    strata = _strata(np.asarray(labels), patient_of, len(names)) if stratified else np.zeros(len(names), dtype=int)
    generator = np.random.default_rng(_seed(seed, "bootstrap"))
    drawn = np.zeros((draws, len(names)))
    for stratum in np.unique(strata):
        members = np.flatnonzero(strata == stratum)
        chosen = generator.integers(len(members), size=(draws, len(members)))
        cell = chosen + np.arange(draws)[:, None] * len(members)
        counts = np.bincount(cell.ravel(), minlength=draws * len(members))
        drawn[:, members] = counts.reshape(draws, len(members))
    # Draws of one record side by side in memory: that is how ranks are summed.
    return np.ascontiguousarray(drawn.T)[patient_of].T


def content_ranks(patients: np.ndarray, *columns: np.ndarray) -> np.ndarray:
    """Give each record the rank of its patient by what is known of him, int64 (records,).

    Names of patients are keys made with a secret, which every copy of a cohort draws anew. Draws that go by these
    ranks give the same interval whatever the secret: patients whose contents are alike can stand for each other.

    Parameters
    ----------
    patients : ndarray of str, (records,)
    *columns : ndarray of numbers, (records,) or (records, any)
        All that the metric depends on.

    Examples
    --------
    >>> import numpy as np
    >>> content_ranks(np.array(["a", "b", "a"]), np.array([2.0, 1.0, 3.0])).tolist()
    [1, 0, 1]
    """
    names, patient_of = np.unique(patients, return_inverse=True)
    table = np.concatenate([np.asarray(one, dtype=np.float64).reshape(len(patients), -1) for one in columns], axis=1)
    _, content = np.unique(table, axis=0, return_inverse=True)
    held: list[list[int]] = [[] for _ in names]
    for row in np.argsort(content.ravel(), kind="stable").tolist():
        held[patient_of[row]].append(int(content.ravel()[row]))
    ranks = np.empty(len(names), dtype=np.int64)
    ranks[sorted(range(len(names)), key=lambda one: held[one])] = np.arange(len(names))
    return ranks[patient_of]


def _strata(labels: np.ndarray, patient_of: np.ndarray, patients: int) -> np.ndarray:
    if labels.ndim == 2:
        labels = (labels == 1).any(1).astype(int)
    _, class_of, counts = np.unique(labels, return_inverse=True, return_counts=True)
    rarity = np.argsort(np.argsort(-counts, kind="stable"), kind="stable")
    strata = np.zeros(patients, dtype=int)
    np.maximum.at(strata, patient_of, rarity[class_of])
    return strata


def over_draws(metric: Statistic, weights: np.ndarray) -> np.ndarray:
    """Give a statistic for every draw, float64 (draws,), in pieces that fit into memory."""
    step = max(1, _CELLS // max(1, weights.shape[1]))
    return np.concatenate([metric(weights[start : start + step]) for start in range(0, len(weights), step)])


def bootstrap_interval(metric: Statistic, weights: np.ndarray, *, level: float = 0.95) -> Estimate:
    """Give a metric of the records as they are, with the percentile interval over the draws.

    Parameters
    ----------
    metric : callable, (draws, records) -> (draws,)
        From `clinfuse.evaluation.statistic.statistic`.
    weights : ndarray of float64, (draws, records)
        From `patient_weights`.
    level : float

    Raises
    ------
    DataError
        ``BOOTSTRAP_UNDEFINED``: more than half of the draws have no value.

    References
    ----------
    Field and Welsh 2007, doi:10.1111/j.1467-9868.2007.00593.x (cluster bootstrap).
    """
    value = metric(np.ones((1, weights.shape[1])))[0]
    drawn = over_draws(metric, weights)
    return percentile_estimate(float(value), drawn, level=level)


def percentile_estimate(value: float, drawn: np.ndarray, *, level: float = 0.95) -> Estimate:
    """Give a value with the percentile interval of its draws; undefined draws (NaN) are left out.

    Raises
    ------
    DataError
        ``BOOTSTRAP_UNDEFINED``: more than half of the draws have no value.
    """
    defined = drawn[np.isfinite(drawn)]
    if len(defined) < max(1, _LEAST_DEFINED * len(drawn)) or not np.isfinite(value):
        _refuse("BOOTSTRAP_UNDEFINED", "the metric must have a value in most draws", "too few")
    low, high = np.quantile(defined, [(1 - level) / 2, (1 + level) / 2])
    return Estimate(value, float(low), float(high))


def bootstrap_p(drawn: np.ndarray) -> float:
    """Give the two-sided p value of a difference being 0 from its bootstrap draws, never below 2 / (draws + 1).

    References
    ----------
    Davison and Hinkley 1997, Bootstrap Methods and their Application, doi:10.1017/CBO9780511802843.

    Examples
    --------
    >>> import numpy as np
    >>> bootstrap_p(np.array([-1.0, 1.0])), bootstrap_p(np.ones(99))
    (1.0, 0.02)
    """
    defined = drawn[np.isfinite(drawn)]
    tail = min(np.sum(defined <= 0), np.sum(defined >= 0))
    return float(min(1.0, 2 * (tail + 1) / (len(defined) + 1)))


def bootstrap(
    labels: Any,
    patients: Any,
    metric: Callable[[np.ndarray], np.ndarray],
    *,
    stratified: bool = False,
    draws: int = DRAWS,
    seed: int = 0,
    level: float = 0.95,
) -> Estimate:
    """Give a metric with its patient-cluster bootstrap interval in one step.

    A metric that is the same for all draws, as the AUROC of classes that are parted completely, has an interval
    without width here: see `auroc_score_interval`.

    Examples
    --------
    >>> import numpy as np
    >>> from clinfuse.evaluation.statistics.statistic import statistic
    >>> labels = np.tile([0, 1], 20)
    >>> constant = statistic("brier", labels, np.full(40, 0.25))
    >>> print(bootstrap(labels, np.arange(40).astype(str), constant))
    0.31 (0.24 to 0.39)
    """
    weights = patient_weights(np.asarray(patients), np.asarray(labels), stratified=stratified, draws=draws, seed=seed)
    return bootstrap_interval(metric, weights, level=level)


def proportion_interval(
    successes: int, trials: int, *, level: float = 0.95, method: Literal["wilson", "exact"] = "wilson"
) -> Estimate:
    """Give a proportion with Wilson's interval, or the exact one of Clopper and Pearson.

    Raises
    ------
    DataError
        ``PROPORTION_COUNTS``.

    References
    ----------
    Wilson 1927, doi:10.1080/01621459.1927.10502953.

    Examples
    --------
    >>> interval = proportion_interval(9, 10)
    >>> round(interval.low, 5), round(interval.high, 5)
    (0.59585, 0.98212)
    """
    if not 0 <= successes <= trials or trials == 0:
        _refuse("PROPORTION_COUNTS", "successes must lie within 0 and the number of trials", "another count", _COUNTS)
    name = "wilson" if method == "wilson" else "beta"
    low, high = proportion_confint(successes, trials, alpha=1 - level, method=name)
    return Estimate(successes / trials, max(0.0, float(low)), min(1.0, float(high)))


def auroc_interval(value: float, positives: int, negatives: int, *, level: float = 0.95) -> tuple[float, Estimate]:
    """Give the standard error and interval of a published AUROC of which only the counts are known.

    References
    ----------
    Hanley and McNeil 1982, doi:10.1148/radiology.143.1.7063747.

    Examples
    --------
    >>> round(auroc_interval(0.947, 110, 80)[0], 5)
    0.016
    """
    if not 0 <= value <= 1 or positives < 1 or negatives < 1:
        _refuse("PROPORTION_COUNTS", "an AUROC within 0 and 1 and records of both classes", "other numbers", _COUNTS)
    first, second = value / (2 - value), 2 * value**2 / (1 + value)
    spread = value * (1 - value) + (positives - 1) * (first - value**2) + (negatives - 1) * (second - value**2)
    error = float(np.sqrt(spread / (positives * negatives)))
    reach = float(stats.norm.ppf((1 + level) / 2)) * error
    return error, Estimate(value, value - reach, value + reach)


def auroc_score_interval(
    value: float, positives: Sequence[int], negatives: Sequence[int], *, variance: float = 1.0, level: float = 0.95
) -> Estimate:
    """Give an AUROC with the limits at which it would lie just within reach: never of no width, never beyond 0 and 1.

    Where events are few, or the classes are parted completely, a bootstrap knows too little: nine records that are
    ranked without an error are drawn without an error too. These limits solve (value - limit)**2 = z**2 V(limit), with
    Hanley and McNeil's variance V at half the number of patients in place of the size of either class.

    Parameters
    ----------
    value : float
        Share of the pairs of all folds that are in the right order.
    positives, negatives : sequence of int
        Patients of each class in each fold; only those of one fold are compared.
    variance : float
        By which V is multiplied: 1, or that of `clinfuse.evaluation.statistics.resampling.corrected_variance`.
    level : float

    Raises
    ------
    DataError
        ``PROPORTION_COUNTS``.

    References
    ----------
    Hanley and McNeil 1982, doi:10.1148/radiology.143.1.7063747. Newcombe 2006, doi:10.1002/sim.2324, method 5.

    Examples
    --------
    >>> print(auroc_score_interval(1.0, [4], [5]))
    1.00 (0.61 to 1.00)
    """
    first, second = np.asarray(positives, dtype=np.float64), np.asarray(negatives, dtype=np.float64)
    pairs = float((first * second).sum())
    if not 0 <= value <= 1 or first.shape != second.shape or (first < 0).any() or (second < 0).any() or pairs == 0:
        _refuse("PROPORTION_COUNTS", "an AUROC within 0 and 1 and records of both classes", "other numbers", _COUNTS)
    shared = float((first * second * ((first + second) / 2 - 1)).sum())
    squared = float(stats.norm.ppf((1 + level) / 2)) ** 2 * variance

    def beyond(limit: float) -> float:
        spread = pairs + shared * ((1 - limit) / (2 - limit) + limit / (1 + limit))
        return (value - limit) ** 2 - squared * limit * (1 - limit) * spread / pairs**2

    low = 0.0 if value == 0 else float(optimize.brentq(beyond, 0.0, value - _NEAR * value))
    high = 1.0 if value == 1 else float(optimize.brentq(beyond, value + _NEAR * (1 - value), 1.0))
    return Estimate(value, low, high)


def mean_interval(values: Sequence[float], *, level: float = 0.95) -> Estimate:
    """Give the mean of independent values, at least two, with Student's interval: seeds of a simulation, not folds."""
    if len(values) < 2:
        _refuse("PROPORTION_COUNTS", "at least two values", "fewer")
    mean, error = float(np.mean(values)), float(np.std(values, ddof=1) / np.sqrt(len(values)))
    reach = float(stats.t.ppf((1 + level) / 2, len(values) - 1)) * error
    return Estimate(mean, mean - reach, mean + reach)


def _seed(seed: int, purpose: str) -> int:
    return int.from_bytes(hashlib.sha256(f"{seed}\x1f{purpose}".encode()).digest()[:8], "big")


_COUNTS = "Correct the numbers that the interval is made of."


def _refuse(code: str, rule: str, found: str, remedy: str = "Use more records, or another metric.") -> None:
    raise DataError(code, place="interval", rule=rule, found=found, remedy=remedy)
