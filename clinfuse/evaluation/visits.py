"""Patients who come several times: all their records, one of them, or all with one vote together."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import numpy as np
import pandas as pd

from clinfuse.cohort.cohort import Cohort
from clinfuse.errors import DataError
from clinfuse.evaluation.calibration.operating import held_out_of
from clinfuse.evaluation.crossval import CrossValidation
from clinfuse.evaluation.predictions import Predictions
from clinfuse.evaluation.scores import SCALES, counts, metric_draws, predicted_statistic
from clinfuse.evaluation.statistics.weighted import Statistic

PerPatient = Literal["all", "first", "last"]
_SHOWN = {"auroc": "AUROC", "brier": "Brier score", "calibration_slope": "calibration slope"}


def visits(predictions: Predictions, cohort: Cohort, per_patient: PerPatient = "all") -> Predictions:
    """Give the predictions about every record, or about the first or last record of each patient.

    The models are as they were trained, on all records of their training patients.

    Parameters
    ----------
    predictions : Predictions
    cohort : Cohort
        That they are about; its index times say which record is first. Of two at one time, the smaller key is.
    per_patient : {"all", "first", "last"}

    Raises
    ------
    DataError
        ``VISIT_ORDER``: another word, a record that is not of this cohort, or a patient with several records of
        whom not all have an index time.

    Examples
    --------
    >>> from clinfuse.evaluation.crossval import cross_validate
    >>> from clinfuse.training.unimodal import Unimodal
    >>> labels = np.tile([0, 0, 1, 1], 6)
    >>> cohort = Cohort.from_arrays({"labs": labels[:, None] + 0.1}, labels=labels, kinds={"labs": "ehr"},
    ...     patient_ids=[f"P{k // 2}" for k in range(24)], times=[f"2021-01-{k + 1:02d}" for k in range(24)])
    >>> found = cross_validate(Unimodal("labs"), cohort, folds=2).predictions
    >>> len(found), len(visits(found, cohort, "first"))
    (24, 12)
    """
    if per_patient not in ("all", "first", "last"):
        _refuse('"all", "first" or "last"', "another word")
    if per_patient == "all":
        return predictions
    place = {str(key): row for row, key in enumerate(cohort.keys)}
    if not all(str(key) in place for key in predictions.record):
        _refuse("records of this cohort", "others")
    rows = np.array([place[str(key)] for key in predictions.record], dtype=int)
    times = np.asarray(cohort.times)[rows]
    _, patient = np.unique(predictions.patient, return_inverse=True)
    owners, once = np.unique(np.stack([patient, rows]), axis=1)
    _check_times(owners, once, np.asarray(cohort.times))
    # One record per patient in every table of predictions, the same in all of them.
    order = np.lexsort((predictions.record, times))
    order = order if per_patient == "first" else order[::-1]
    _, first = np.unique(patient[order], return_index=True)
    return predictions.rows(np.isin(predictions.record, predictions.record[order[first]]))


def check_order(cohort: Cohort) -> None:
    """Refuse a cohort that does not say which record of a patient is the first.

    Raises
    ------
    DataError
        ``VISIT_ORDER``.
    """
    _, patient = np.unique(cohort.patient_keys, return_inverse=True)
    _check_times(patient, np.arange(len(cohort)), np.asarray(cohort.times))


def _check_times(patient: np.ndarray, rows: np.ndarray, times: np.ndarray) -> None:
    """Patients, as numbers, and rows of the cohort, each row once."""
    if np.isnat(times[rows[np.bincount(patient)[patient] > 1]]).any():
        _refuse("index times of all records of a patient with several", "records without one")


def visit_table(
    models: Mapping[str, CrossValidation], per_patient: PerPatient, *, weighted: bool = False, seed: int = 0
) -> pd.DataFrame:
    """Give every model on one record of each patient, or on all with one vote for each patient, as it is printed.

    Parameters
    ----------
    models : mapping of str to CrossValidation
        A single modality is judged on the records that have it, of which the first or last is then taken.
    per_patient : {"all", "first", "last"}
    weighted : bool
        Whether each record weighs 1 / visits.
    seed : int
        Of the bootstrap.

    Raises
    ------
    DataError
        ``VISIT_ORDER``.
    """
    lines = []
    for name, cv in models.items():
        held = visits(held_out_of(cv), cv.cohort, per_patient)
        about = counts(held)
        line = {"model": name, "taken": per_patient, "records": about.records, "patients": about.patients}
        for metric, word in _SHOWN.items():
            measured = predicted_statistic(held, metric)
            measured = by_patient(measured, held) if weighted else measured
            line[word] = _written(metric, measured, held, seed)
        lines.append(line)
    return pd.DataFrame(lines)


def _written(metric: str, measured: Statistic, held: Predictions, seed: int) -> str:
    try:
        return str(metric_draws(metric, held, seed=seed).estimate(measured, scale=SCALES.get(metric, "plain")))
    except DataError as error:
        if error.code not in ("BOOTSTRAP_UNDEFINED", "METRIC_CLASSES", "ESTIMATE_NAN"):
            raise
        return "-"


def visit_weights(predictions: Predictions) -> np.ndarray:
    """Give one over the number of records of each row's patient, float64 (rows,), so that each patient counts once.

    Rows of one model, repeat and withheld set count together.
    """
    columns = (predictions.model, predictions.repeat.astype(str), predictions.withheld, predictions.patient)
    names = np.array(["\x1f".join(row) for row in zip(*columns, strict=True)])
    _, owner, count = np.unique(names, return_inverse=True, return_counts=True)
    return np.asarray(1.0 / count[owner])


def by_patient(measured: Statistic, predictions: Predictions) -> Statistic:
    """Give a statistic in which each patient counts once, whatever the number of records.

    Parameters
    ----------
    measured : Statistic
        A function of weights of the rows, as of `clinfuse.evaluation.scores.predicted_statistic`.
    predictions : Predictions

    Examples
    --------
    >>> from clinfuse.evaluation.statistics.statistic import statistic
    >>> text = np.array
    >>> three = Predictions(text(["a"] * 3), text([0] * 3), text([0] * 3), text(["R-1", "R-2", "R-3"]),
    ...     text(["P-1", "P-1", "P-2"]), text([""] * 3), text([""] * 3), text([1, 1, 0]), np.zeros((3, 2)),
    ...     text([[0.9, 0.1], [0.9, 0.1], [1, 0]]), np.ones((3, 1), bool), classes=("no", "yes"), task="binary",
    ...     modalities=("ct",))
    >>> brier = statistic("brier", three.y_true, three.probabilities)
    >>> everyone = np.ones((1, 3))
    >>> brier(everyone).round(3).tolist(), by_patient(brier, three)(everyone).round(3).tolist()
    ([0.54], [0.405])
    """
    once = visit_weights(predictions)
    return lambda weights: measured(weights * once)


def _refuse(rule: str, found: str) -> None:
    remedy = 'Declare index times of the records, or use "all".'
    raise DataError("VISIT_ORDER", place="per_patient", rule=rule, found=found, remedy=remedy)
