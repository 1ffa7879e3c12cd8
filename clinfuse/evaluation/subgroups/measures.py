"""The numbers of one group and of the difference between two, with intervals from draws that all groups share."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import final

import numpy as np

from clinfuse.evaluation.predictions import Predictions
from clinfuse.evaluation.scores import FEWEST, design_variance, metric_draws, predicted_statistic, score_interval
from clinfuse.evaluation.statistics.intervals import (
    DRAWS,
    Estimate,
    percentile_estimate,
    proportion_interval,
)
from clinfuse.evaluation.statistics.resampling import Resampling, Scale
from clinfuse.evaluation.statistics.statistic import statistic
from clinfuse.evaluation.statistics.weighted import Statistic, restricted, weighted_share

MEASURES = ("auroc", "sensitivity", "specificity", "brier", "calibration_slope")
GAPS = ("auroc", "sensitivity", "false_positive_rate", "calibration_slope")
_RATES = ("sensitivity", "specificity")
_DEFINED = 0.5


@final
@dataclass(frozen=True, eq=False)
class Measured:
    """One measure of one group.

    Parameters
    ----------
    estimate : Estimate
    drawn : ndarray of float64, (draws,)
        Its value in every draw of patients; NaN where a draw has none.
    by_draws : bool
        Whether the interval is that of the draws; else it is a score interval, because events are few or the value
        lies at an end of its range, where draws know too little.
    """

    estimate: Estimate
    drawn: np.ndarray
    by_draws: bool


@final
class Draws:
    """Draws of the patients of some predictions: the same for every group, so that differences are of one draw.

    Parameters
    ----------
    predictions : Predictions
        Of one model, binary, with known labels.
    called : ndarray of bool, (rows,)
        Which of them are called positive.
    seed, draws : int
    """

    def __init__(self, predictions: Predictions, called: np.ndarray, *, seed: int, draws: int = DRAWS) -> None:
        self._predictions = predictions
        self._called = called
        # Patients with and without events are drawn separately for what does not move with the prevalence.
        stratified = metric_draws("auroc", predictions, seed=seed, draws=draws)
        free = metric_draws("brier", predictions, seed=seed, draws=draws)
        self._resampling: dict[str, Resampling] = {
            name: stratified if name in ("auroc", "calibration_slope") else free for name in MEASURES
        }

    def measured(self, rows: np.ndarray) -> dict[str, Measured]:
        """Give every measure of some rows, bool (rows,), that has a value in most draws."""
        part = self._predictions.rows(rows)
        found = {}
        for name, measure in self._statistics(part, self._called[rows]).items():
            value = float(measure(np.ones((1, len(part))))[0])
            among = restricted(measure, rows)
            drawn = self._resampling[name].draws(among)
            if math.isfinite(value) and np.isfinite(drawn).mean() >= _DEFINED:
                found[name] = self._with_interval(name, part, among, drawn)
        return found

    def _statistics(self, part: Predictions, called: np.ndarray) -> dict[str, Statistic]:
        event = part.y_true == 1
        found = {
            "sensitivity": weighted_share(called.astype(np.float64), event),
            "specificity": weighted_share((~called).astype(np.float64), ~event),
            "brier": statistic("brier", part.y_true, part.probabilities),
        }
        if 0 < event.sum() < len(event):
            found |= {name: predicted_statistic(part, name) for name in ("auroc", "calibration_slope")}
        return {name: found[name] for name in MEASURES if name in found}

    def _with_interval(self, name: str, part: Predictions, among: Statistic, drawn: np.ndarray) -> Measured:
        event = part.y_true == 1
        people = [len(np.unique(part.patient[side])) for side in (event, ~event)]
        resampling = self._resampling[name]
        value = float(among(resampling.everything)[0])
        if name == "auroc" and (min(people) < FEWEST or value in (0, 1)):
            return Measured(score_interval(value, part), drawn, by_draws=False)
        if name in _RATES and value in (0, 1):
            # So many patients of one held-out set would know as much.
            trials = max(1, round((people[0] if name == "sensitivity" else people[1]) / design_variance(part)))
            return Measured(proportion_interval(round(value * trials), trials), drawn, by_draws=False)
        scale: Scale = "plain" if name == "calibration_slope" else "logit"
        return Measured(resampling.estimate(among, scale=scale), drawn, by_draws=True)


def gap(name: str, first: Mapping[str, Measured], second: Mapping[str, Measured]) -> list[Estimate]:
    """Give first minus second of one of ``GAPS`` with its interval; none where one of the two has no value.

    The interval is that of the difference in each draw; where one of the two has a score interval, the two intervals
    are put together by their squares, as groups are of different patients.

    References
    ----------
    Zou and Donner 2008, doi:10.1002/sim.3095 (square and add).
    """
    own, turn = ("specificity", -1) if name == "false_positive_rate" else (name, 1)
    if own not in first or own not in second:
        return []
    one, other = first[own], second[own]
    value = one.estimate.value - other.estimate.value
    if one.by_draws and other.by_draws:
        found = percentile_estimate(value, one.drawn - other.drawn)
    else:
        found = _squared_and_added(one.estimate, other.estimate)
    return [found if turn == 1 else Estimate(-found.value, -found.high, -found.low)]


def _squared_and_added(one: Estimate, other: Estimate) -> Estimate:
    value = one.value - other.value
    low = value - math.hypot(one.value - one.low, other.high - other.value)
    high = value + math.hypot(one.high - one.value, other.value - other.low)
    return Estimate(value, low, high)
