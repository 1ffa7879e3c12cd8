"""Search for settings on inner folds of patients, by scikit-learn's searchers or by Optuna."""

from __future__ import annotations

import importlib
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal, final

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import GridSearchCV, ParameterGrid, RandomizedSearchCV, cross_val_score

from clinfuse.cohort.cohort import Cohort
from clinfuse.errors import ConfigError
from clinfuse.training.classifiers import FusionClassifier
from clinfuse.training.memo import sharing_fits
from clinfuse.training.search_settings import Range, changed
from clinfuse.training.seeds import derived_seed
from clinfuse.training.splits import patient_folds

Method = Literal["grid", "random", "halving", "optuna"]
Metric = Literal["log_loss", "auroc"]
METHODS: tuple[Method, ...] = ("grid", "random", "halving", "optuna")
METRICS: tuple[Metric, ...] = ("log_loss", "auroc")
_FACTOR = 3
_SMALLEST = 1e-15


@final
@dataclass(frozen=True)
class Try:
    """Settings that were tried.

    Parameters
    ----------
    settings : mapping of str to value
    score : float
        Mean over the inner folds: AUROC, or minus the log loss; higher is better.
    """

    settings: Mapping[str, Any]
    score: float


@final
@dataclass(frozen=True)
class Search:
    """How settings are searched for.

    Parameters
    ----------
    method : {"grid", "random", "halving", "optuna"}
    metric : {"log_loss", "auroc"}
    tries : int
        Of ``"random"`` and ``"optuna"``.
    inner_folds : int
    seed : int
    """

    method: Method
    metric: Metric
    tries: int
    inner_folds: int
    seed: int

    def run(
        self, model: FusionClassifier, settings: Mapping[str, Any], cohort: Cohort, labels: np.ndarray
    ) -> tuple[Try, ...]:
        """Give every try, the best one first; of equally good ones that which was listed or drawn first.

        Parameters
        ----------
        model : FusionClassifier
        settings : mapping of str to sequence or Range
        cohort : Cohort
            Training records, sorted by id.
        labels : ndarray of int64, (records,) or (records, labels)

        Raises
        ------
        DataError
            ``SPLIT_PATIENTS``, ``SPLIT_CLASSES``: too few patients for the inner folds.
        ConfigError
            ``SEARCH_OPTUNA``: Optuna is not installed.
        """
        seed = derived_seed(self.seed, "search")
        people = labels, cohort.groups, cohort.record_ids
        common = {
            "cv": patient_folds(*people, folds=self.inner_folds, seed=seed),
            "scoring": partial(score, metric=self.metric),
            "error_score": "raise",
        }
        # Networks that tries have in common are trained once; they are forgotten with the search.
        with sharing_fits():
            if self.method == "optuna":
                return self._optuna(Candidate(model), settings, cohort, labels, common)
            searcher = self._searcher(Candidate(model), settings, {**common, "refit": False})
            with warnings.catch_warnings():
                # Rounds of halving are as many as the epochs allow, which is what is wanted.
                warnings.filterwarnings("ignore", category=UserWarning, module="sklearn.model_selection")
                searcher.fit(cohort, labels)
        found = searcher.cv_results_
        scores = np.asarray(found["mean_test_score"], dtype=np.float64)
        # Later rounds of halving were given more epochs: scores of different rounds are not compared.
        rounds = np.asarray(found.get("iter", np.zeros(len(scores))))
        return _ordered([{name: one[name] for name in settings} for one in found["params"]], scores, rounds)

    def _searcher(self, candidate: Candidate, settings: Mapping[str, Any], common: dict[str, Any]) -> Any:
        draws = derived_seed(self.seed, "draws") % 2**32
        if self.method == "random":
            lists = all(not isinstance(values, Range) for values in settings.values())
            tries = min(self.tries, len(ParameterGrid(dict(settings)))) if lists else self.tries
            return RandomizedSearchCV(candidate, dict(settings), n_iter=tries, random_state=draws, **common)
        if self.method == "grid":
            return GridSearchCV(candidate, dict(settings), **common)
        # Importing this is scikit-learn's way of agreeing that the searcher may still change.
        importlib.import_module("sklearn.experimental.enable_halving_search_cv")
        halving = importlib.import_module("sklearn.model_selection").HalvingGridSearchCV
        epochs = candidate.model.options.epochs
        rounds = int(np.log(len(ParameterGrid(dict(settings)))) / np.log(_FACTOR))
        first = max(1, epochs // _FACTOR**rounds)
        return halving(
            candidate,
            dict(settings),
            factor=_FACTOR,
            resource=EPOCHS,
            max_resources=epochs,
            min_resources=first,
            random_state=draws,
            **common,
        )

    def _optuna(
        self, candidate: Candidate, settings: Mapping[str, Any], cohort: Cohort, labels: np.ndarray, common: Any
    ) -> tuple[Try, ...]:
        optuna = _optuna_module()

        def worth(trial: Any) -> float:
            chosen = {name: _suggested(trial, name, settings[name]) for name in sorted(settings)}
            trial.set_user_attr("settings", chosen)
            one = Candidate(candidate.model).set_params(**chosen)
            return float(np.mean(cross_val_score(one, cohort, labels, **common)))

        before = optuna.logging.get_verbosity()
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        try:
            sampler = optuna.samplers.TPESampler(seed=derived_seed(self.seed, "draws") % 2**32)
            study = optuna.create_study(direction="maximize", sampler=sampler)
            study.optimize(worth, n_trials=self.tries)
        finally:
            optuna.logging.set_verbosity(before)
        tried = [trial.user_attrs["settings"] for trial in study.trials]
        return _ordered(tried, np.array([trial.value for trial in study.trials]), np.zeros(len(tried)))


EPOCHS = "options.epochs"


@final
class Candidate(ClassifierMixin, BaseEstimator):
    """A classifier whose settings go by the names of `changed`, as scikit-learn's searchers set them.

    Parameters
    ----------
    model : FusionClassifier
    """

    def __init__(self, model: FusionClassifier) -> None:
        self.model = model

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Give the model, and what halving may ration."""
        return {"model": self.model, EPOCHS: self.model.options.epochs} if deep else {"model": self.model}

    def set_params(self, **settings: Any) -> Candidate:
        """Take settings."""
        self.model = changed(self.model, settings)
        return self

    def fit(self, cohort: Cohort, labels: np.ndarray) -> Candidate:
        """Fit the model on these records."""
        self.fitted_ = self.model.fit(cohort, labels)
        self.classes_ = self.fitted_.classes_
        return self


def score(candidate: Candidate, cohort: Cohort, labels: np.ndarray, *, metric: Metric) -> float:
    """Give how well held-out records are told, higher is better: the AUROC, or minus the log loss.

    Several classes or labels: the plain average of their AUROC, each against the rest. Unknown labels do not count.
    """
    model = candidate.fitted_
    logits = model.decide(model.encode(cohort))
    labels = np.asarray(labels)
    if metric == "auroc":
        return _auroc(labels, logits)
    chances = np.clip(model.probabilities(logits), _SMALLEST, 1.0)
    if labels.ndim == 1:
        return float(np.mean(np.log(chances[np.arange(len(labels)), labels])))
    known = labels >= 0
    true = np.where(labels == 1, chances, np.clip(1 - chances, _SMALLEST, 1.0))
    return float(np.mean(np.log(true[known])))


def _auroc(labels: np.ndarray, logits: np.ndarray) -> float:
    if labels.ndim == 2:
        columns = [(labels[:, k], logits[:, k]) for k in range(labels.shape[1])]
    elif logits.shape[1] == 2:
        columns = [(labels, logits[:, 1] - logits[:, 0])]
    else:
        columns = [((labels == k).astype(int), logits[:, k]) for k in range(logits.shape[1])]
    return float(np.mean([roc_auc_score(known[known >= 0], value[known >= 0]) for known, value in columns]))


def _ordered(tried: list[dict[str, Any]], scores: np.ndarray, rounds: np.ndarray) -> tuple[Try, ...]:
    order = np.lexsort((np.arange(len(tried)), -scores, -rounds))
    return tuple(Try(_plain(tried[k]), float(scores[k])) for k in order)


def _plain(settings: dict[str, Any]) -> dict[str, Any]:
    """Values as JSON knows them: what a searcher drew may be a number of numpy."""
    return {name: value.item() if isinstance(value, np.generic) else value for name, value in sorted(settings.items())}


def _suggested(trial: Any, name: str, values: Any) -> Any:
    if not isinstance(values, Range):
        # Optuna knows texts and numbers only; the place in the list stands for the value.
        return values[trial.suggest_categorical(name, list(range(len(values))))]
    if values.whole:
        return trial.suggest_int(name, int(values.low), int(values.high), log=values.log)
    return trial.suggest_float(name, values.low, values.high, log=values.log)


def _optuna_module() -> Any:
    try:
        return importlib.import_module("optuna")
    except ImportError:
        raise ConfigError(
            "SEARCH_OPTUNA",
            place="search",
            rule='the extra "optuna" installed',
            found="none",
            remedy='Install it with pip install "clinfuse[optuna]", or search by grid or at random.',
        ) from None
