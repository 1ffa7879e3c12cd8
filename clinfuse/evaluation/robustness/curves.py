"""The exact mean of a metric over all masks in which modalities drop out independently, for any weighting of records.

A score that is a mean over records, or over pairs of records, has the mean over masks of that score as its value on
records repeated once for every set that may be left, each weighted by the probability of that set: records drop their
modalities independently of each other, and no record is ever left out. Brier score and log loss are means over
records, the AUROC one over pairs.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import numpy as np

from clinfuse.evaluation.robustness.decisions import Decisions
from clinfuse.evaluation.scores import fold_codes
from clinfuse.evaluation.statistics.statistic import statistic
from clinfuse.evaluation.statistics.weighted import Statistic

_CELLS = 4_000_000


@final
@dataclass(frozen=True)
class Curve:
    """Exact values over the rates.

    Parameters
    ----------
    values : tuple of float
        Of the metric.
    abstained : tuple of float
        Share of the predictions of which nothing is left.
    """

    values: tuple[float, ...]
    abstained: tuple[float, ...]


def chances(dropped: int, rate: float) -> np.ndarray:
    """Give the probability of every set that may be left of some modalities, float64 (2**dropped,).

    Bit k of a set's number says that the k-th of them is left: ``rate ** gone * (1 - rate) ** left``.

    Examples
    --------
    >>> chances(2, 0.25).tolist()
    [0.0625, 0.1875, 0.1875, 0.5625]
    """
    left = np.array([int(number).bit_count() for number in range(1 << dropped)])
    return np.asarray(rate ** (dropped - left) * (1 - rate) ** left)


def sets_left(found: Decisions, dropped: tuple[str, ...]) -> np.ndarray:
    """Give the numbers of the sets that may be left of a model's modalities, in the order of `chances`."""
    places = [found.names.index(name) for name in dropped]
    always = sum(1 << k for k, name in enumerate(found.names) if name not in dropped)
    numbers = np.arange(1 << len(places))
    return np.asarray(always + sum((numbers >> bit & 1) << place for bit, place in enumerate(places)))


def expected(found: Decisions, dropped: tuple[str, ...], metric: str, rates: tuple[float, ...]) -> Curve:
    """Give the exact mean of a metric over all masks, for every rate.

    Parameters
    ----------
    found : Decisions
    dropped : tuple of str
        Of the model's modalities: those that may drop out; the others stay.
    metric : str
        ``auroc``, ``brier`` or ``log_loss``.
    rates : tuple of float
    """
    sets = sets_left(found, dropped)
    measured = _measured(found, np.repeat(sets[:, None], len(found), axis=1), metric)
    nothing = found.abstain[sets].mean(1)
    values, abstained = [], []
    for rate in rates:
        chance = chances(len(dropped), rate)
        values.append(float(measured(np.repeat(chance, len(found))[None])[0]))
        abstained.append(float(chance @ nothing))
    return Curve(tuple(values), tuple(abstained))


def over_patients(
    found: Decisions, dropped: tuple[str, ...], metric: str, rates: tuple[float, ...], weights: np.ndarray
) -> np.ndarray:
    """Give the exact mean over all masks for every draw of patients, float64 (draws, rates).

    Parameters
    ----------
    found : Decisions
    dropped, metric, rates
        As for `expected`.
    weights : ndarray of float64, (draws, rows)
        Of a `clinfuse.evaluation.statistics.resampling.Resampling`.
    """
    sets = sets_left(found, dropped)
    measured = _measured(found, np.repeat(sets[:, None], len(found), axis=1), metric)
    step = max(1, _CELLS // (len(found) * len(sets)))
    result = np.empty((len(weights), len(rates)))
    for place, rate in enumerate(rates):
        chance = chances(len(dropped), rate)
        for start in range(0, len(weights), step):
            some = weights[start : start + step]
            spread = (some[:, None] * chance[:, None]).reshape(len(some), -1)
            result[start : start + step, place] = measured(spread)
    return result


def under_mask(found: Decisions, kept: np.ndarray, metric: str) -> float:
    """Give a metric where only so much is left of each row: that of `Decisions.under`, without making the table.

    Parameters
    ----------
    found : Decisions
    kept : ndarray of bool, (rows, modalities)
        Of the cohort, in its order.
    metric : str
    """
    measured = _measured(found, found.numbers(kept)[None], metric)
    return float(measured(np.ones((1, len(found))))[0])


def _measured(found: Decisions, sets: np.ndarray, metric: str) -> Statistic:
    """The metric of every row once for each of the sets left to it, int64 (times, rows)."""
    rows, row = found.rows, np.arange(len(found))
    labels = np.concatenate([rows.y_true] * len(sets))
    if metric != "auroc":
        return statistic(metric, labels, found.probabilities[sets, row].reshape(len(labels), -1))
    logits = found.logits[sets, row].reshape(len(labels), -1)
    scores = logits[:, 1] - logits[:, 0] if rows.task == "binary" else logits
    return statistic(metric, labels, scores, folds=np.tile(fold_codes(rows), len(sets)))
