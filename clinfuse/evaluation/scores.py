"""The numbers of one model on its records: each with its interval, beside the best that could be reached."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, final

import numpy as np

from clinfuse.cohort.cohort import Cohort
from clinfuse.errors import DataError
from clinfuse.evaluation.predictions import Predictions
from clinfuse.evaluation.statistics.intervals import (
    DRAWS,
    Estimate,
    auroc_score_interval,
    content_ranks,
    patient_weights,
)
from clinfuse.evaluation.statistics.resampling import SCALES, Resampling, corrected_variance
from clinfuse.evaluation.statistics.statistic import statistic
from clinfuse.evaluation.statistics.weighted import Statistic
from clinfuse.synthetic.oracle import OracleScores
from clinfuse.synthetic.truth import Truth, has_truth, read_truth

METRICS = (
    *("auroc", "auprc", "brier", "scaled_brier", "log_loss"),
    *("calibration_slope", "calibration_intercept", "observed_expected"),
)
FEWEST = 10
_BOUND = 1e-12
# Probabilities of classes add up to 1: what one class has too much of, others lack, and their mean says nothing.
_SHARED_OUT = ("calibration_intercept", "observed_expected")
_FREE_OF_PREVALENCE = ("auroc", "calibration_slope")
_OF_PROBABILITIES = ("brier", "scaled_brier", "log_loss", "ece", "observed_expected")


@final
@dataclass(frozen=True)
class MetricRow:
    """One metric of one model.

    Parameters
    ----------
    model, taxonomy : str
        Name and class of fusion; ``"single"`` where nothing is fused.
    modalities : tuple of str
        That the model uses.
    metric : str
        One of ``METRICS``.
    value, low, high : float
        With the 95 % interval of `metric_interval`.
    ceiling : float
        Best AUROC that any reader of the same inputs could reach; NaN where it is not known, as for real data.
    records : int
        A single modality is scored on the records that have it, a fusion on all.
    events : int or None
        As in `Counts`.
    patients : int
    positive : str
        As in `Counts`.
    oracle : float
        AUROC of a reader of the planted quantities; NaN where it is not known.
    """

    model: str
    taxonomy: str
    modalities: tuple[str, ...]
    metric: str
    value: float
    low: float
    high: float
    ceiling: float
    records: int
    events: int | None
    patients: int
    positive: str
    oracle: float

    @property
    def estimate(self) -> Estimate:
        """Value and interval."""
        return Estimate(self.value, self.low, self.high)

    def as_dict(self) -> dict[str, Any]:
        """Give the row as JSON values; what is not known is None."""
        plain = asdict(self) | {"modalities": list(self.modalities)}
        return {name: None if isinstance(one, float) and math.isnan(one) else one for name, one in plain.items()}


@final
@dataclass(frozen=True)
class Counts:
    """How many records, patients and events stand behind a number.

    Parameters
    ----------
    records, patients : int
        Each record once, whatever the number of repeats.
    events : int or None
        Records of the positive class. None of more than two classes, and of several labels: none of them is the event.
    positive : str
        The class that counts as an event; the records of every class, or with every label, where none does.
    each : tuple of int
        These records, where there is no event.
    """

    records: int
    patients: int
    events: int | None
    positive: str
    each: tuple[int, ...] = ()

    def __str__(self) -> str:
        return self.positive if self.events is None else f"{self.events} {self.positive}"

    @property
    def rarest(self) -> int:
        """Records on the smaller side of the question; of several classes or labels the smallest of all."""
        sides = self.each if self.events is None else (self.events,)
        return min((min(one, self.records - one) for one in sides), default=self.records)


def counts(predictions: Predictions) -> Counts:
    """Count what predictions of one model are about."""
    _, first = np.unique(predictions.record, return_index=True)
    truth = predictions.y_true[first]
    size = len(first), len(np.unique(predictions.patient))
    if predictions.task == "binary":
        return Counts(*size, int((truth == 1).sum()), predictions.classes[-1])
    which = truth == 1 if truth.ndim == 2 else truth[:, None] == np.arange(len(predictions.classes))
    each = tuple(int(one) for one in which.sum(0))
    return Counts(*size, None, ", ".join(f"{n} {c}" for n, c in zip(each, predictions.classes, strict=True)), each)


def fold_codes(predictions: Predictions) -> np.ndarray:
    """Give a number to every pair of repeat and fold, int64 (rows,): scores with one number came from one model."""
    return predictions.repeat * (int(predictions.fold.max()) + 1) + predictions.fold


def predicted_statistic(predictions: Predictions, metric: str) -> Statistic:
    """Give a metric of predictions of one model as a function of weights.

    AUROC and AUPRC compare records of one fold only: each fold has a model of its own and a scale of its own.
    """
    if metric in _OF_PROBABILITIES:
        return statistic(metric, predictions.y_true, predictions.probabilities)
    scores = predictions.scores
    if metric.startswith("calibration") and predictions.task == "multiclass":
        p = np.clip(predictions.probabilities, _BOUND, 1 - _BOUND)
        scores = np.log(p) - np.log1p(-p)
    measured = statistic(metric, predictions.y_true, scores, folds=fold_codes(predictions))
    return (
        _with_both(measured, predictions.y_true == 1)
        if metric == "auprc" and predictions.task == "binary"
        else measured
    )


def _with_both(measured: Statistic, events: np.ndarray) -> Statistic:
    """A statistic that is undefined (NaN) for draws without events or without others."""

    def strict(weights: np.ndarray) -> np.ndarray:
        drawn, everyone = weights[:, events].sum(1), weights.sum(1)
        return np.where((drawn > 0) & (drawn < everyone), measured(weights), np.nan)

    return strict


def metric_draws(metric: str, *models: Predictions, seed: int = 0, draws: int = DRAWS) -> Resampling:
    """Give the draws of patients that the interval of a metric is made from.

    Patients with and without events are drawn separately for AUROC and the calibration slope; together for all else,
    which moves with the prevalence. The draws depend on what was predicted and not on the keys of patients.

    Parameters
    ----------
    metric : str
        One of ``METRICS``.
    *models : Predictions
        Of one model each, the same records in the same order: the draws are for all of them.
    seed, draws : int
    """
    first = models[0]
    content = [one.logits for one in sorted(models, key=lambda one: (one.models[0], str(one.withheld[0])))]
    columns = (first.repeat, first.fold, first.y_true, first.present, *content)
    ranks = content_ranks(first.patient, *columns)
    apart = metric in _FREE_OF_PREVALENCE
    weights = patient_weights(ranks, first.y_true, stratified=apart, draws=draws, seed=seed)
    patients = len(np.unique(first.patient))
    fewest = min(_fewest(first, column) for column in _outcomes(first)) if apart else patients
    return Resampling.of(weights, first.repeat, design_variance(first), fewest)


def design_variance(predictions: Predictions) -> float:
    """Give by how much cross-validation multiplies the variance of predictions of one model: see `Resampling`."""
    return corrected_variance(predictions.repeat, predictions.fold, predictions.patient)


def metric_interval(predictions: Predictions, metric: str, *, seed: int = 0, draws: int = DRAWS) -> Estimate:
    """Give a metric of one model with its 95 % interval: the patient bootstrap, corrected for cross-validation.

    It is an interval for the mean of the metric that the models of the folds have on new patients. An AUROC of fewer
    than ``FEWEST`` patients of a class, or of 0 or 1, has the interval of
    `clinfuse.evaluation.statistics.intervals.auroc_score_interval` instead, corrected alike.

    Raises
    ------
    DataError
        ``BOOTSTRAP_UNDEFINED``.
    """
    measured = predicted_statistic(predictions, metric)
    if metric == "auroc":
        value = float(measured(np.ones((1, len(predictions))))[0])
        if np.isfinite(value) and (few_events(predictions) or value in (0, 1)):
            return score_interval(value, predictions)
    drawn = metric_draws(metric, predictions, seed=seed, draws=draws)
    return drawn.estimate(measured, scale=SCALES.get(metric, "plain"))


def score_interval(value: float, predictions: Predictions) -> Estimate:
    """Give an AUROC of few patients with the interval of its score, corrected for cross-validation."""
    return auroc_score_interval(value, *patients_compared(predictions), variance=design_variance(predictions))


def known_intervals(
    predictions: Predictions, metrics: Sequence[str], *, seed: int = 0, draws: int = DRAWS
) -> dict[str, Estimate]:
    """Give those of some metrics that have a value and an interval: few records, or scores all alike, have not."""
    found = {}
    for metric in metrics:
        try:
            found[metric] = metric_interval(predictions, metric, seed=seed, draws=draws)
        except DataError as error:
            if error.code not in ("BOOTSTRAP_UNDEFINED", "METRIC_CLASSES", "PROPORTION_COUNTS", "ESTIMATE_NAN"):
                raise
    return found


def few_events(predictions: Predictions) -> bool:
    """Whether fewer than ``FEWEST`` patients have, or lack, the outcome: too few to call a model the best.

    Of several classes or labels, each against the rest, the one with the fewest patients decides.
    """
    return not enough_patients(predictions.y_true, predictions.patient, len(predictions.classes))


def enough_patients(labels: np.ndarray, patients: np.ndarray, classes: int) -> bool:
    """Whether at least ``FEWEST`` patients have every outcome, and as many lack it; see `few_events`."""
    return min(_patients(patients, column) for column in _columns(labels, classes)) >= FEWEST


def _outcomes(predictions: Predictions) -> list[np.ndarray]:
    return _columns(predictions.y_true, len(predictions.classes))


def _columns(labels: np.ndarray, classes: int) -> list[np.ndarray]:
    """1, 0 and -1 (not known) for every label; for every class where there are more than two."""
    if labels.ndim == 2:
        return list(labels.T)
    named = range(1 if classes == 2 else 0, classes)
    return [np.where(labels < 0, -1, labels == one) for one in named]


def _fewest(predictions: Predictions, column: np.ndarray) -> int:
    return _patients(predictions.patient, column)


def _patients(patients: np.ndarray, column: np.ndarray) -> int:
    return min(len(np.unique(patients[column == side])) for side in (0, 1))


def patients_compared(predictions: Predictions) -> tuple[list[int], list[int]]:
    """Patients with and without the rarest outcome in each fold of the repeat that compares the most pairs."""
    column = min(_outcomes(predictions), key=lambda one: _fewest(predictions, one))
    found = []
    for repeat in np.unique(predictions.repeat):
        folds = [(predictions.repeat == repeat) & (predictions.fold == one) for one in np.unique(predictions.fold)]
        sides = [[len(np.unique(predictions.patient[fold & (column == side)])) for fold in folds] for side in (1, 0)]
        found.append((sides[0], sides[1]))
    return max(found, key=lambda one: sum(np.multiply(*one)))


def both_classes(predictions: Predictions, least: int = 1) -> bool:
    """Whether some fold holds at least so many records of every class, so that a rank metric has a value."""
    codes = fold_codes(predictions)
    columns = predictions.y_true if predictions.y_true.ndim == 2 else predictions.y_true[:, None]
    wanted = range(2) if predictions.y_true.ndim == 2 else range(len(predictions.classes))
    for column in columns.T:
        if any(np.sum(column == one) < least for one in wanted):
            return False
        if not any(len(np.unique(column[(codes == code) & (column >= 0)])) > 1 for code in np.unique(codes)):
            return False
    return True


@final
class Reachable:
    """The best possible AUROC of any inputs on any records; unknown (NaN) unless the cohort is synthetic.

    Parameters
    ----------
    cohort : Cohort
    """

    def __init__(self, cohort: Cohort) -> None:
        self._cohort = cohort
        self._truths: list[Truth] = []
        self._oracles: list[OracleScores] = []
        if cohort.task == "binary" and cohort.has_folder and has_truth(cohort.folder):
            self._truths.append(read_truth(cohort.folder))
            self._oracles.append(self._truths[0].oracle_scores(cohort))

    @property
    def known(self) -> bool:
        """Whether it is known at all."""
        return bool(self._truths)

    def ceiling(self, names: Sequence[str], rows: np.ndarray) -> float:
        """Best AUROC of a reader of these modalities on these rows of the cohort."""
        return self._truths[0].ceiling_of(self._cohort[rows], names) if self._truths else math.nan

    def oracle(self, names: Sequence[str], rows: np.ndarray) -> float:
        """AUROC of a reader of the planted quantities of these modalities on these rows of the cohort."""
        if not self._oracles:
            return math.nan
        labels, scores = np.asarray(self._cohort.labels)[rows], self._oracles[0].logit(names)[rows]
        return float(statistic("auroc", labels, scores)(np.ones((1, len(labels))))[0])


def metric_rows(
    predictions: Predictions, *, taxonomy: str, modalities: tuple[str, ...], best: tuple[float, float], seed: int
) -> list[MetricRow]:
    """Give every metric of the predictions of one model that has a value and an interval.

    Parameters
    ----------
    predictions : Predictions
        Nothing withheld, all repeats.
    taxonomy : str
    modalities : tuple of str
    best : tuple of float
        Best possible AUROC and the oracle reader's, NaN where unknown.
    seed : int
        Of the bootstrap.
    """
    about, everyone = counts(predictions), np.ones((1, len(predictions)))
    asked = [one for one in METRICS if predictions.task != "multiclass" or one not in _SHARED_OUT]
    asked = [one for one in asked if np.isfinite(predicted_statistic(predictions, one)(everyone)).all()]
    rows = []
    for metric, found in known_intervals(predictions, asked, seed=seed).items():
        ceiling, oracle = best if metric == "auroc" else (math.nan, math.nan)
        rows.append(
            MetricRow(
                model=predictions.models[0],
                taxonomy=taxonomy,
                modalities=modalities,
                metric=metric,
                value=found.value,
                low=found.low,
                high=found.high,
                ceiling=ceiling,
                records=about.records,
                events=about.events,
                patients=about.patients,
                positive=about.positive,
                oracle=oracle,
            )
        )
    return rows
