"""Models at a specificity declared beforehand: thresholds from inner folds, judged on patients nobody had seen."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import final

import numpy as np
import pandas as pd

from clinfuse.errors import DataError
from clinfuse.evaluation.calls import FoldThreshold, FoldThresholds
from clinfuse.evaluation.crossval import CrossValidation
from clinfuse.evaluation.measures.benefit import net_benefit_treat_all
from clinfuse.evaluation.predictions import Predictions
from clinfuse.evaluation.scores import fold_codes, metric_draws
from clinfuse.evaluation.statistics.intervals import Estimate
from clinfuse.evaluation.statistics.statistic import statistic
from clinfuse.evaluation.statistics.weighted import Statistic
from clinfuse.training.calibrated import Calibrated
from clinfuse.training.thresholds import learned_thresholds
from clinfuse.training.tuned import settled

_RATES = {"sensitivity": "recall", "specificity": "specificity"}


@final
@dataclass(frozen=True, eq=False)
class OperatingPoint:
    """What one model does at thresholds learned for a specificity.

    Parameters
    ----------
    model, positive : str
    asked : float
        The specificity that the thresholds were learned for.
    estimates : mapping of str to Estimate
        ``sensitivity`` and ``specificity`` observed on held-out records, and where a prevalence is stated ``ppv`` and
        ``npv`` (not where nobody or everybody is called) and ``net_benefit``; with 95 % patient-bootstrap intervals.
    prevalence : float
        Stated; NaN where it is not.
    risk : float
        What the model says of a record at the threshold, in the mean over folds: a probability at the stated
        prevalence, or else at that of the training records. The net benefit weighs by its odds.
    treat_all : float
        Net benefit of calling everyone, at the same prevalence and risk.
    confusion : tuple of int
        Held-out records of all repeats: called and without, not called and without, called and with, not called and
        with the finding.
    records, events : int
        Rows of all repeats.
    """

    model: str
    positive: str
    asked: float
    estimates: Mapping[str, Estimate]
    prevalence: float
    risk: float
    treat_all: float
    confusion: tuple[int, int, int, int]
    records: int
    events: int


def operating_points(
    models: Mapping[str, CrossValidation], specificity: float, *, prevalence: float = math.nan, seed: int = 0
) -> tuple[OperatingPoint, ...]:
    """Give every binary model at a specificity declared beforehand.

    Every fold's threshold comes from the inner folds of its training patients; the observed specificity says how well
    it carried over. Predictive values and net benefit are those of a place with the stated prevalence, where
    sensitivity and specificity are taken to be the same.

    Parameters
    ----------
    models : mapping of str to CrossValidation
        Of `Calibrated` classifiers; others are left out, for they keep no inner predictions. A single modality is
        judged on the records that have it.
    specificity : float
    prevalence : float, optional
    seed : int
        Of the bootstrap.

    Raises
    ------
    DataError
        ``OPERATING_PREVALENCE``: not above 0 and below 1. ``BOOTSTRAP_UNDEFINED``.
    ConfigError
        ``THRESHOLD_AIM``.

    References
    ----------
    Vickers and Elkin 2006, doi:10.1177/0272989X06295361 (net benefit).
    """
    if not (math.isnan(prevalence) or 0 < prevalence < 1):
        raise DataError(
            "OPERATING_PREVALENCE",
            place="prevalence",
            rule="above 0 and below 1",
            found="another",
            remedy="Correct it.",
        )
    kept = {n: cv for n, cv in models.items() if cv.predictions.task == "binary" and learned_inside(cv)}
    return tuple(_point(cv, specificity, prevalence, seed) for cv in kept.values())


def learned_inside(cv: CrossValidation) -> bool:
    """Say whether a model keeps what it said of training patients in inner folds, which thresholds are learned from."""
    return isinstance(settled(next(iter(cv.classifiers.values()))), Calibrated)


def held_out_of(cv: CrossValidation) -> Predictions:
    """Give the rows that a model is judged on: for a single modality, those of records that have it."""
    every = cv.predictions
    columns = [every.modalities.index(name) for name in cv.modalities]
    return every.rows(np.asarray(every.present[:, columns].any(1) | cv.multimodal))


def fold_thresholds(cv: CrossValidation, specificity: float) -> FoldThresholds:
    """Give the threshold of every fold of a binary model that has `learned_inside`.

    Raises
    ------
    ConfigError
        ``THRESHOLD_AIM``.
    """
    found = []
    for (repeat, fold), one in cv.classifiers.items():
        learned = learned_thresholds(settled(one).unseen_, {"specificity": specificity})
        found.append(FoldThreshold(int(repeat), int(fold), float(learned["specificity"][0])))
    return FoldThresholds(specificity, tuple(found))


def _point(cv: CrossValidation, asked: float, prevalence: float, seed: int) -> OperatingPoint:
    held = held_out_of(cv)
    limits = fold_thresholds(cv, asked).of(held)
    rates = {name: statistic(name, held.y_true, held.scores, threshold=limits) for name in _RATES.values()}
    drawn = metric_draws("auroc", held, seed=seed)
    found = {word: drawn.estimate(rates[name]) for word, name in _RATES.items()}
    _, first = np.unique(fold_codes(held), return_index=True)
    shift = 0.0 if math.isnan(prevalence) else math.log(prevalence / (1 - prevalence))
    priors = np.array([cv.priors[int(held.repeat[k]), int(held.fold[k])] for k in first])
    own = 0.0 if math.isnan(prevalence) else priors[:, 1] - priors[:, 0]
    risk = float(1 / (1 + np.exp(-np.mean(limits[first] - own + shift))))
    called = held.scores >= limits
    if not math.isnan(prevalence):
        for name in ("ppv", "npv"):
            if called.any() and not called.all():
                measured = statistic(name, held.y_true, held.scores, threshold=limits, prevalence=prevalence)
                found[name] = drawn.estimate(measured)
        found["net_benefit"] = drawn.estimate(_benefit(rates, prevalence, risk))
    event = held.y_true == 1
    cells = [int(np.sum((event == true) & (called == yes))) for true in (False, True) for yes in (True, False)]
    return OperatingPoint(
        model=cv.name,
        positive=held.classes[-1],
        asked=asked,
        estimates=found,
        prevalence=prevalence,
        risk=risk,
        treat_all=math.nan if math.isnan(prevalence) else net_benefit_treat_all(prevalence, risk),
        confusion=(cells[0], cells[1], cells[2], cells[3]),
        records=len(held),
        events=int(event.sum()),
    )


def _benefit(rates: Mapping[str, Statistic], prevalence: float, risk: float) -> Statistic:
    """Net benefit of a threshold where the finding has another prevalence than here."""
    cost = risk / (1 - risk) * (1 - prevalence)
    return lambda weights: prevalence * rates["recall"](weights) - cost * (1 - rates["specificity"](weights))


def operating_table(points: tuple[OperatingPoint, ...]) -> pd.DataFrame:
    """Give one line for each model, as it is printed."""
    lines = []
    for one in points:
        line = {
            "model": one.model,
            "specificity asked": f"{one.asked:.2f}",
            "specificity observed": _written(one, "specificity"),
            "sensitivity": _written(one, "sensitivity"),
            "called without / with": f"{one.confusion[0]} / {one.confusion[2]}",
            "records": one.records,
            "events": one.events,
        }
        if not math.isnan(one.prevalence):
            line |= {
                "prevalence": f"{one.prevalence:.2f}",
                **{word: _written(one, word.lower()) for word in ("PPV", "NPV")},
                "at a risk of": f"{one.risk:.2f}",
                "net benefit": _written(one, "net_benefit", 3),
                "of calling all": f"{one.treat_all:.3f}",
            }
        lines.append(line)
    return pd.DataFrame(lines)


def _written(point: OperatingPoint, name: str, digits: int = 2) -> str:
    if name not in point.estimates:
        return "-"
    value = point.estimates[name]
    return f"{value.value:.{digits}f} ({value.low:.{digits}f} to {value.high:.{digits}f})"
