"""Prediction sets that hold the truth as often as was asked, learned from inner folds; through MAPIE."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from importlib import import_module
from typing import Any, final

import numpy as np
import pandas as pd
from scipy import special
from sklearn.base import BaseEstimator, ClassifierMixin

from clinfuse.errors import ConfigError, DataError
from clinfuse.evaluation.calibration.operating import held_out_of
from clinfuse.evaluation.crossval import CrossValidation
from clinfuse.evaluation.predictions import Predictions
from clinfuse.evaluation.statistics.intervals import Estimate, proportion_interval
from clinfuse.training.calibrated import Calibrated
from clinfuse.training.calibration import Unseen
from clinfuse.training.seeds import generator

FEWEST_PATIENTS = 20


@final
@dataclass(frozen=True)
class Coverage:
    """How often the sets of some records hold the truth.

    Parameters
    ----------
    group : {"all", "class", "present"}
    name : str
        Class, or modalities that are present.
    patients, records : int
    covered : tuple of Estimate
        With Wilson's interval, as of independent records; empty for fewer than 20 patients.
    size : float
        Mean number of classes in a set; NaN for fewer than 20 patients.
    """

    group: str
    name: str
    patients: int
    records: int
    covered: tuple[Estimate, ...]
    size: float


@final
@dataclass(frozen=True, eq=False)
class ConformalSets:
    """Sets of one model for its held-out records.

    Parameters
    ----------
    predictions : Predictions
        That the sets belong to, row by row.
    sets : ndarray of bool, (rows, classes)
    level : float
    coverage : tuple of Coverage
        Of the first repeat: all records, every class, every pattern of presence.
    label : str
        That the sets are about, where there are several; else empty.
    """

    predictions: Predictions
    sets: np.ndarray
    level: float
    coverage: tuple[Coverage, ...]
    label: str = ""

    def table(self) -> pd.DataFrame:
        """Give one row for each held-out record: key, repeat, fold and the classes in its set."""
        names = np.array(self.predictions.classes)
        texts = [", ".join(names[row]) or "none" for row in self.sets]
        columns = {name: getattr(self.predictions, name) for name in ("record", "repeat", "fold")}
        return pd.DataFrame(columns | ({"label": self.label} if self.label else {}) | {"set": texts})

    def coverage_table(self) -> pd.DataFrame:
        """Give one row for each group, as it is printed."""
        return pd.DataFrame(
            [
                {
                    "model": self.predictions.models[0],
                    **({"label": self.label} if self.label else {}),
                    "asked": f"{self.level:.2f}",
                    "of": one.group,
                    "group": one.name,
                    "patients": one.patients if one.covered else f"below {FEWEST_PATIENTS}",
                    "records": one.records if one.covered else "-",
                    "coverage": str(one.covered[0]) if one.covered else "-",
                    "mean size": f"{one.size:.2f}" if one.covered else "-",
                }
                for one in self.coverage
            ]
        )


def conformal_rank(patients: int, level: float) -> float:
    """Give the rank of the score that bounds a set, counted from 1; infinite where every class must be in it.

    Examples
    --------
    >>> [conformal_rank(n, 0.9) for n in (9, 19, 99, 8)]
    [9, 18, 90, inf]
    """
    rank = math.ceil((patients + 1) * level - 1e-9)
    return rank if rank <= patients else math.inf


def conformal_sets(cv: CrossValidation, level: float = 0.90, *, seed: int = 0) -> ConformalSets:
    """Give sets of classes for every held-out record that hold the truth with the probability asked for.

    In each fold, one record of every training patient, drawn, gives a score: 1 less the probability of its true class,
    as said in the inner fold that held the patient out ("lac": Sadinle et al. 2019). The score of rank
    ``ceil((n + 1) level)`` of n patients bounds the sets. The guarantee is for a new patient like these, on average
    over training sets, and exact only for one model; the inner folds have models of their own. It does not hold within
    a class or a pattern of presence: coverage of each is given.

    Parameters
    ----------
    cv : CrossValidation
        Of a `Calibrated` classifier, binary or of several classes; see `label_sets` for several labels.
    level : float
    seed : int
        Draws one record of each patient.

    Raises
    ------
    ConfigError
        ``CONFORMAL_EXTRA``: MAPIE is not installed. ``CONFORMAL_MODEL``: not calibrated, several labels, or a level
        that is not above 0 and below 1.
    DataError
        ``CONFORMAL_FEW``: at most 1 / (1 - level) training patients, too few to leave anything out of a set.

    References
    ----------
    Vovk, Gammerman and Shafer 2005, doi:10.1007/b106715. Sadinle, Lei and Wasserman 2019,
    doi:10.1080/01621459.2017.1395341.
    """
    _check(cv, level)
    if cv.predictions.task == "multilabel":
        _refuse("a model of one label", "several labels, which label_sets is for")
    unseen = {fold: classifier.unseen_ for fold, classifier in cv.classifiers.items()}
    return _learned_sets(held_out_of(cv), unseen, level, seed=seed)


def label_sets(cv: CrossValidation, level: float = 0.90, *, seed: int = 0) -> tuple[ConformalSets, ...]:
    """Give for each of several labels what `conformal_sets` gives: whether it is there, is not, or may be either.

    Every label is a question of its own, learned from the training patients of whom it is known. The truth about one
    label is in its set as often as asked; that it is so for all labels of a record at once is not promised.

    Parameters
    ----------
    cv : CrossValidation
        Of a `Calibrated` classifier of several labels.
    level : float
    seed : int

    Raises
    ------
    ConfigError
        ``CONFORMAL_EXTRA``, ``CONFORMAL_MODEL``.
    DataError
        ``CONFORMAL_FEW``.
    """
    _check(cv, level)
    if cv.predictions.task != "multilabel":
        _refuse("a model of several labels", "one label, which conformal_sets is for")
    held, found = held_out_of(cv), []
    for column, name in enumerate(held.classes):
        unseen = {fold: _about(classifier.unseen_, column) for fold, classifier in cv.classifiers.items()}
        log_odds, chance = held.logits[:, column], held.probabilities[:, column]
        one = replace(
            held,
            y_true=held.y_true[:, column],
            logits=np.stack([np.zeros_like(log_odds), log_odds], axis=1),
            probabilities=np.stack([1 - chance, chance], axis=1),
            classes=(f"not {name}", name),
            task="binary",
        )
        found.append(_learned_sets(one, unseen, level, seed=seed, label=name))
    return tuple(found)


def _check(cv: CrossValidation, level: float) -> None:
    _mapie()
    if not isinstance(next(iter(cv.classifiers.values())), Calibrated):
        _refuse("a model that is Calibrated", "another")
    if not 0 < level < 1:
        _refuse("a level above 0 and below 1", "another")


def _about(unseen: Unseen, column: int) -> Unseen:
    """What was said of one label, for the records of which it is known."""
    log_odds, labels = unseen.logits[:, column], unseen.labels[:, column]
    pair = np.stack([np.zeros_like(log_odds), log_odds], axis=1)
    return replace(unseen, logits=pair, labels=labels).rows(np.flatnonzero(labels >= 0))


def _learned_sets(
    held: Predictions, unseen: Mapping[tuple[int, int], Unseen], level: float, *, seed: int, label: str = ""
) -> ConformalSets:
    mapie = _mapie()
    sets = np.zeros(held.probabilities.shape, dtype=bool)
    for (repeat, fold), one in unseen.items():
        rows = np.flatnonzero((held.repeat == repeat) & (held.fold == fold))
        learned = _one_each(one, seed)
        if len(learned) <= 1 / (1 - level) + 1e-9 or conformal_rank(len(learned), level) == math.inf:
            raise DataError(
                "CONFORMAL_FEW",
                place="conformal sets",
                rule=f"more than {1 / (1 - level):.0f} training patients",
                found=f"{len(learned)}",
                remedy="Use more patients or a lower level.",
            )
        if len(rows):
            sets[rows] = _sets(mapie, learned, held.probabilities[rows], level)
    return ConformalSets(held, sets, level, _coverage(held, sets), label)


def check_extra() -> None:
    """Refuse to go on without MAPIE, before anything is trained for it.

    Raises
    ------
    ConfigError
        ``CONFORMAL_EXTRA``.
    """
    _mapie()


def _mapie() -> Any:
    try:
        return import_module("mapie.classification")
    except ImportError:
        raise ConfigError(
            "CONFORMAL_EXTRA",
            place="conformal sets",
            rule="the package MAPIE",
            found="none that can be imported",
            remedy="Install clinfuse[conformal].",
        ) from None


@final
class _Told(ClassifierMixin, BaseEstimator):
    """A classifier for MAPIE whose inputs are the probabilities themselves."""

    def __init__(self, classes: int = 2) -> None:
        self.classes = classes
        self.classes_ = np.arange(classes)

    def __sklearn_is_fitted__(self) -> bool:
        return True

    def fit(self, probabilities: np.ndarray, labels: np.ndarray) -> _Told:
        """Learn nothing."""
        return self

    def predict_proba(self, probabilities: np.ndarray) -> np.ndarray:
        """Give what came in."""
        return np.asarray(probabilities)

    def predict(self, probabilities: np.ndarray) -> np.ndarray:
        """Give the most probable class."""
        return np.asarray(probabilities).argmax(1)


def _one_each(unseen: Unseen, seed: int) -> Unseen:
    """One record of every patient, drawn."""
    order = generator(seed, "conformal", len(unseen)).permutation(len(unseen))
    _, first = np.unique(unseen.patients[order], return_index=True)
    return unseen.rows(np.sort(order[first]))


def _sets(mapie: Any, learned: Unseen, probabilities: np.ndarray, level: float) -> np.ndarray:
    told = _Told(probabilities.shape[1])
    conformal = mapie.SplitConformalClassifier(told, confidence_level=level, conformity_score="lac", prefit=True)
    conformal.conformalize(special.softmax(learned.logits, axis=1), learned.labels)
    _, sets = conformal.predict_set(probabilities)
    return np.asarray(sets)[:, :, 0]


def _coverage(held: Predictions, sets: np.ndarray) -> tuple[Coverage, ...]:
    first = (held.repeat == held.repeats[0]) & (held.y_true >= 0)
    patterns = np.array(["+".join(np.array(held.modalities)[row]) or "none" for row in held.present])
    groups = [("all", "", first)]
    groups += [("class", name, first & (held.y_true == k)) for k, name in enumerate(held.classes)]
    groups += [("present", str(name), first & (patterns == name)) for name in np.unique(patterns[first])]
    inside = sets[np.arange(len(held)), held.y_true]
    found = []
    for group, name, rows in groups:
        patients = len(np.unique(held.patient[rows]))
        enough = patients >= FEWEST_PATIENTS
        covered = (proportion_interval(int(inside[rows].sum()), int(rows.sum())),) if enough else ()
        size = float(sets[rows].sum(1).mean()) if enough else math.nan
        found.append(Coverage(group, name, patients, int(rows.sum()), covered, size))
    return tuple(found)


def _refuse(rule: str, found: str) -> None:
    remedy = "Cross-validate Calibrated(model), and give a level such as 0.90."
    raise ConfigError("CONFORMAL_MODEL", place="conformal sets", rule=rule, found=found, remedy=remedy)
