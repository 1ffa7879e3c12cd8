"""The numbers of one model on its records: each with its interval, beside the best that could be reached."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, final

import numpy as np

from clinfuse.cohort.cohort import Cohort
from clinfuse.evaluation.intervals import DRAWS, Estimate, bootstrap_interval, patient_weights
from clinfuse.evaluation.predictions import Predictions
from clinfuse.evaluation.statistic import statistic
from clinfuse.evaluation.weighted import Statistic
from clinfuse.synthetic.oracle import OracleScores
from clinfuse.synthetic.truth import Truth, has_truth, read_truth

METRICS = ("auroc", "auprc", "brier", "log_loss", "calibration_slope", "calibration_intercept")
_BOUND = 1e-12


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
        With the 95 % patient-cluster bootstrap interval.
    ceiling : float
        Best AUROC that any reader of the same inputs could reach; NaN where it is not known, as for real data.
    records, events : int
        A single modality is scored on the records that have it, a fusion on all.
    patients : int
    positive : str
        The class that counts as an event.
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
    events: int
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
    records, patients, events : int
        Each record once, whatever the number of repeats.
    positive : str
        The class that counts as an event: the last; any label, where there are several.
    """

    records: int
    patients: int
    events: int
    positive: str


def counts(predictions: Predictions) -> Counts:
    """Count what predictions of one model are about."""
    _, first = np.unique(predictions.record, return_index=True)
    truth = predictions.y_true[first]
    several = truth.ndim == 2
    events = (truth == 1).any(1) if several else truth == len(predictions.classes) - 1
    positive = f"any of {', '.join(predictions.classes)}" if several else predictions.classes[-1]
    return Counts(len(first), len(np.unique(predictions.patient)), int(events.sum()), positive)


def fold_codes(predictions: Predictions) -> np.ndarray:
    """Give a number to every pair of repeat and fold, int64 (rows,): scores with one number came from one model."""
    return predictions.repeat * (int(predictions.fold.max()) + 1) + predictions.fold


def predicted_statistic(predictions: Predictions, metric: str) -> Statistic:
    """Give a metric of predictions of one model as a function of weights.

    AUROC and AUPRC compare records of one fold only: each fold has a model of its own and a scale of its own.
    """
    if metric in ("brier", "log_loss"):
        return statistic(metric, predictions.y_true, predictions.probabilities)
    scores = predictions.scores
    if metric.startswith("calibration") and predictions.task == "multiclass":
        p = np.clip(predictions.probabilities, _BOUND, 1 - _BOUND)
        scores = np.log(p) - np.log1p(-p)
    return statistic(metric, predictions.y_true, scores, folds=fold_codes(predictions))


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
    """Give every metric of the predictions of one model that has a value.

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
    weights = patient_weights(predictions.patient, predictions.y_true, draws=DRAWS, seed=seed)
    about = counts(predictions)
    rows = []
    for metric in METRICS:
        measured = predicted_statistic(predictions, metric)
        if not np.isfinite(measured(np.ones((1, len(predictions))))).all():
            continue
        found = bootstrap_interval(measured, weights)
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
