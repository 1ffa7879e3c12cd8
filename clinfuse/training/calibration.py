"""The calibration of a whole classifier: one calibrator for each label, or for each label and missing pattern."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, final

import numpy as np

from clinfuse.errors import DataWarning
from clinfuse.training.calibrators import (
    Calibrator,
    LinearCalibrator,
    Method,
    calibrator_from_state,
    fit_calibrator,
    fit_temperature,
    mixed,
)

By = Literal["all", "pattern"]
FEWEST_IN_PATTERN = 10
HALF_SHARE = 20.0


@final
@dataclass(frozen=True, eq=False)
class Unseen:
    """What a classifier says of training records when their patients were held out in inner folds.

    Parameters
    ----------
    logits : ndarray of float64, (records, outputs)
    labels : ndarray of int64, (records,) or (records, outputs)
    patients : ndarray of int64, (records,)
        A number for every patient, no id.
    present : ndarray of bool, (records, modalities)
        At least one of them in every record.
    folds : ndarray of int64, (records,)
        The inner fold that each was held out in.
    """

    logits: np.ndarray
    labels: np.ndarray
    patients: np.ndarray
    present: np.ndarray
    folds: np.ndarray

    def __len__(self) -> int:
        return len(self.labels)

    def rows(self, keep: np.ndarray) -> Unseen:
        """Give some of the records."""
        return Unseen(*(np.asarray(one)[keep] for one in vars(self).values()))

    def to_state(self) -> dict[str, Any]:
        """Give the arrays."""
        return dict(vars(self))

    @property
    def scores(self) -> np.ndarray:
        """Log odds of the positive class, float64 (records,), of a binary task; else the logits."""
        if self.labels.ndim == 1 and self.logits.shape[1] == 2:
            return np.asarray(self.logits[:, 1] - self.logits[:, 0])
        return self.logits


@final
@dataclass(frozen=True, eq=False)
class OutputCalibration:
    """The calibrators of one output: one for all records, and those of patterns with enough patients.

    Parameters
    ----------
    pooled : Calibrator
    patterns : mapping of str to Calibrator
        By which modalities are present, 0 and 1 in the classifier's order, such as ``"101"``.
    """

    pooled: Calibrator
    patterns: Mapping[str, Calibrator]

    def of(self, pattern: str) -> Calibrator:
        """Give the calibrator of a pattern."""
        return self.patterns.get(pattern, self.pooled)

    def logits(self, logits: np.ndarray, present: np.ndarray) -> np.ndarray:
        """Give calibrated logits, float64 (records, ...), each by the calibrator of its pattern."""
        result = self.pooled.logits(logits)
        names = pattern_names(present) if self.patterns else np.zeros(0, dtype=np.str_)
        for name, calibrator in self.patterns.items():
            result[names == name] = calibrator.logits(logits[names == name])
        return result

    def to_state(self) -> dict[str, Any]:
        """Give every calibrator."""
        own = {name: one.to_state() for name, one in self.patterns.items()}
        return {"pooled": self.pooled.to_state(), "patterns": own}


@final
@dataclass(frozen=True, eq=False)
class Calibration:
    """From a classifier's logits to calibrated ones.

    Parameters
    ----------
    outputs : tuple of OutputCalibration
        One if binary, or of more than two classes; one for each label if multilabel.
    task : {"binary", "multiclass", "multilabel"}
    """

    outputs: tuple[OutputCalibration, ...]
    task: str

    def logits(self, logits: np.ndarray, present: np.ndarray) -> np.ndarray:
        """Give calibrated logits, float64 (records, outputs), of records with at least one modality."""
        if self.task == "binary":
            score = self.outputs[0].logits(logits[:, 1] - logits[:, 0], present)
            return np.stack([np.zeros_like(score), score], axis=1)
        if self.task == "multiclass":
            return self.outputs[0].logits(logits, present)
        columns = [one.logits(column, present) for one, column in zip(self.outputs, logits.T, strict=True)]
        return np.stack(columns, axis=1)

    def to_state(self) -> dict[str, Any]:
        """Give every calibrator."""
        return {"task": self.task, "outputs": [one.to_state() for one in self.outputs]}


def calibration_from_state(state: Mapping[str, Any]) -> Calibration:
    """Give the calibration that `Calibration.to_state` described."""
    outputs = [
        OutputCalibration(
            calibrator_from_state(one["pooled"]),
            {name: calibrator_from_state(own) for name, own in one["patterns"].items()},
        )
        for one in state["outputs"]
    ]
    return Calibration(tuple(outputs), state["task"])


def pattern_names(present: np.ndarray) -> np.ndarray:
    """Give the pattern of each record as 0 and 1 in the order of the modalities, str (records,).

    Examples
    --------
    >>> pattern_names(np.array([[True, False, True]])).tolist()
    ['101']
    """
    return np.array(["".join("01"[int(here)] for here in row) for row in present], dtype=np.str_)


def fit_calibration(unseen: Unseen, *, method: Method, by: By, multilabel: bool) -> Calibration:
    """Learn a calibration from predictions for patients that the models behind them never saw.

    With ``by="pattern"``, a pattern of present modalities in which m patients of the rarer class occur is calibrated by
    ``m / (m + 20)`` of what its own records say and the rest of what all records say; by all records alone where m is
    below 10.

    Parameters
    ----------
    unseen : Unseen
    method : {"temperature", "platt", "isotonic"}
        More than two classes take ``"temperature"`` alone.
    by : {"all", "pattern"}
    multilabel : bool

    Warns
    -----
    DataWarning
        ``CALIBRATION_FEW``: a label with one class only among the records; it is left as it is.
    """
    if multilabel:
        outputs = []
        for label, column in zip(unseen.labels.T, unseen.logits.T, strict=True):
            known = np.flatnonzero(label >= 0)
            outputs.append(_fit_output(label[known], column[known], unseen.rows(known), method=method, by=by))
        return Calibration(tuple(outputs), "multilabel")
    task = "binary" if unseen.logits.shape[1] == 2 else "multiclass"
    return Calibration((_fit_output(unseen.labels, unseen.scores, unseen, method=method, by=by),), task)


def _fit_output(labels: np.ndarray, scores: np.ndarray, unseen: Unseen, *, method: Method, by: By) -> OutputCalibration:
    classes = 2 if scores.ndim == 1 else scores.shape[1]
    if _fewest(labels, unseen.patients, range(classes)) == 0:
        text = "[CALIBRATION_FEW] calibration: no inner prediction of some class; logits are left as they are"
        warnings.warn(text, DataWarning, stacklevel=2)
        return OutputCalibration(LinearCalibrator(1.0, 0.0), {})
    pooled = _fit_one(labels, scores, unseen.patients, method)
    patterns: dict[str, Calibrator] = {}
    names = pattern_names(unseen.present) if by == "pattern" else np.zeros(0, dtype=np.str_)
    for name in np.unique(names):
        here = names == name
        fewest = _fewest(labels[here], unseen.patients[here], range(classes))
        if fewest >= FEWEST_IN_PATTERN:
            own = _fit_one(labels[here], scores[here], unseen.patients[here], method)
            patterns[str(name)] = mixed(own, pooled, fewest / (fewest + HALF_SHARE))
    return OutputCalibration(pooled, patterns)


def _fit_one(labels: np.ndarray, scores: np.ndarray, patients: np.ndarray, method: Method) -> Calibrator:
    if scores.ndim == 2:
        return fit_temperature(labels, scores, patients)
    return fit_calibrator(labels, scores, patients, method=method)


def _fewest(labels: np.ndarray, patients: np.ndarray, classes: Sequence[int]) -> int:
    """Patients of the class that has the fewest."""
    return min(len(np.unique(patients[labels == one])) for one in classes)


def cross_calibrated(unseen: Unseen, *, method: Method, by: By, multilabel: bool) -> Unseen:
    """Give the same records, those of each inner fold calibrated by what the other inner folds say."""
    logits = np.array(unseen.logits)
    for fold in np.unique(unseen.folds):
        here = unseen.folds == fold
        learned = fit_calibration(unseen.rows(~here), method=method, by=by, multilabel=multilabel)
        logits[here] = learned.logits(unseen.logits[here], unseen.present[here])
    return Unseen(logits, unseen.labels, unseen.patients, unseen.present, unseen.folds)
