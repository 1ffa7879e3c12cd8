"""Is one model better than another? If not, it would not matter whose scores a patient got."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import stats

from clinfuse.evaluation.statistics.found import Significance, no_spread, refuse
from clinfuse.evaluation.statistics.intervals import content_ranks
from clinfuse.evaluation.statistics.statistic import statistic
from clinfuse.training.seeds import generator

_RANKED = ("auroc", "auprc", "sensitivity_at_specificity", "specificity_at_sensitivity")
_CELLS = 2_000_000
_EQUAL = 1e-12


def permutation_test(
    labels: Any,
    first: Any,
    second: Any,
    *,
    metric: str = "auroc",
    patients: Any = None,
    folds: Any = None,
    draws: int = 9999,
    seed: int = 0,
    **asked: Any,
) -> Significance:
    """Give the difference of a metric between two models of the same records, and p from exchanging their scores.

    In every draw each patient, with all of his records, keeps the two models' scores or has them exchanged, at random.
    Where no model is better, every draw is as likely as what was seen. Metrics of ranks exchange ranks within a fold,
    since the scales of two models differ; all others exchange the scores themselves.

    Parameters
    ----------
    labels : array of int, (records,) or (records, labels)
    first, second : array, (records,) or (records, classes or labels)
        Of the two models; what the metric reads.
    metric : str
        Of `clinfuse.evaluation.statistics.statistic.statistic`.
    patients : array, (records,), optional
        Without it every record is taken for another patient's.
    folds : array, (records,), optional
        As for the metric.
    draws, seed : int
        p is at least 1 / (draws + 1). Neither the order of the records nor the names of patients matter.
    **asked
        ``threshold``, ``at``, ``prevalence``, as the metric needs. Scores with thresholds of their own: decide first.

    Returns
    -------
    Significance
        The statistic is the difference, first minus second. p is two-sided, and 1, with a warning, where exchanging
        changes nothing.

    Raises
    ------
    DataError
        ``TEST_INPUT``: other lengths, or a metric without a value in most draws; and what the metric raises.

    References
    ----------
    Bandos, Rockette and Gur 2005, doi:10.1002/sim.2149. The count: Phipson and Smyth 2010, doi:10.2202/1544-6115.1585.

    Examples
    --------
    >>> labels = [0, 1] * 10
    >>> test = permutation_test(labels, labels, [1, 0] * 10, draws=999)
    >>> test.statistic, test.p
    (1.0, 0.001)
    """
    labels, first, second = np.asarray(labels), np.asarray(first), np.asarray(second)
    owners = np.arange(len(labels)) if patients is None else np.asarray(patients)
    codes = np.zeros(len(labels), dtype=int) if folds is None else np.unique(np.asarray(folds), return_inverse=True)[1]
    if first.shape != second.shape or not len(labels) == len(first) == len(owners) == len(codes) or draws < 1:
        refuse(
            "TEST_INPUT", "labels, both scores, folds and patients must be as many, and some draws", "something else"
        )
    if metric in _RANKED:
        first, second = _ranked(first, codes), _ranked(second, codes)
    both = np.concatenate([first, second])
    measured = statistic(metric, np.concatenate([labels] * 2), both, folds=np.concatenate([codes] * 2), **asked)
    names = content_ranks(owners, codes, labels, np.minimum(first, second), np.maximum(first, second))
    _, patient_of = np.unique(names, return_inverse=True)

    def difference(kept: np.ndarray) -> np.ndarray:
        here, there = kept.astype(np.float64), 1.0 - kept
        return measured(np.concatenate([here, there], axis=1)) - measured(np.concatenate([there, here], axis=1))

    seen = float(difference(np.ones((1, len(labels))))[0])
    draw, people = generator(seed, "permutation"), int(patient_of.max()) + 1
    step = max(1, _CELLS // len(labels))
    sizes = [min(step, draws - start) for start in range(0, draws, step)]
    drawn = np.concatenate([difference(draw.integers(2, size=(size, people))[:, patient_of]) for size in sizes])
    return _counted(seen, drawn)


def _counted(seen: float, drawn: np.ndarray) -> Significance:
    defined = drawn[np.isfinite(drawn)]
    if not np.isfinite(seen) or 2 * len(defined) < len(drawn):
        refuse("TEST_INPUT", "the metric must have a value in most draws", "too few")
    if np.abs(defined).max(initial=abs(seen)) <= _EQUAL:
        return no_spread("permutation")
    beyond = int(np.sum(np.abs(defined) >= abs(seen) - _EQUAL))
    return Significance(seen, (1 + beyond) / (1 + len(defined)))


def _ranked(scores: np.ndarray, folds: np.ndarray) -> np.ndarray:
    """Mid-ranks within each fold as shares of its records, column by column; of two classes' columns one."""
    one = np.asarray(scores, dtype=np.float64)
    if one.ndim == 2 and one.shape[1] == 2:
        one = one[:, 1] - one[:, 0]
    ranks = np.empty_like(one)
    for fold in np.unique(folds):
        here = folds == fold
        ranks[here] = stats.rankdata(one[here], axis=0) / np.sum(here)
    return ranks
