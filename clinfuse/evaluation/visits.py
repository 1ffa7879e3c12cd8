"""Patients who come several times: all their records, one of them, or all with one vote together."""

from __future__ import annotations

from typing import Literal

import numpy as np

from clinfuse.cohort.cohort import Cohort
from clinfuse.errors import DataError
from clinfuse.evaluation.predictions import Predictions
from clinfuse.evaluation.statistics.weighted import Statistic

PerPatient = Literal["all", "first", "last"]


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
    pairs = np.unique(np.stack([patient, rows]), axis=1)
    several = np.bincount(pairs[0])[patient] > 1
    if np.isnat(times[several]).any():
        _refuse("index times of all records of a patient with several", "records without one")
    # One record per patient in every table of predictions, the same in all of them.
    order = np.lexsort((predictions.record, times))
    order = order if per_patient == "first" else order[::-1]
    _, first = np.unique(patient[order], return_index=True)
    return predictions.rows(np.isin(predictions.record, predictions.record[order[first]]))


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
