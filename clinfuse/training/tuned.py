"""A classifier whose settings are chosen inside ``fit``, on inner folds of the training patients."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, final

import numpy as np

from clinfuse.cohort.cohort import Cohort
from clinfuse.errors import ClinfuseError
from clinfuse.training.classifiers import FusionClassifier
from clinfuse.training.encoded import Encoded
from clinfuse.training.explainable import Anatomy
from clinfuse.training.loop import Epoch
from clinfuse.training.options import TrainingOptions
from clinfuse.training.search import EPOCHS, METHODS, METRICS, Method, Metric, Search, Try
from clinfuse.training.search_settings import changed, check_settings, refuse


@final
class Tuned(FusionClassifier):
    """Choose the settings of a classifier on inner folds of patients, then fit it on all training records with them.

    Only what `fit` is given enters, so that a cross-validation of it is nested: in every outer fold the settings are
    chosen anew, by patients of the training side.

    Parameters
    ----------
    model : FusionClassifier
        Its settings stand where none is searched for; its seed is replaced by ``seed``.
    settings : mapping of str to sequence or Range
        Values by name: a parameter (``"combine"``), one of a scikit-learn learner (``"learner__C"``), or, after a dot,
        a part of one: a training option (``"options.learning_rate"``), an entry (``"learners.labs"``,
        ``"encoders.ct"``), a part of an operator (``"combine.features"``). Texts, numbers, true, false or None; a
        `clinfuse.training.search_settings.Range` where values are drawn.
    search : {"grid", "random", "halving", "optuna"}
        Every combination; ``tries`` drawn ones; every combination with few epochs, and the better third of each round
        with three times as many; ``tries`` of Optuna's tree-structured Parzen estimator (extra ``optuna``).
    metric : {"log_loss", "auroc"}
        What settings are judged by, averaged over the inner folds.
    tries : int
    inner_folds : int
    seed : int

    Attributes
    ----------
    best_settings_ : dict of str to value
        The settings with the best mean over the inner folds; of equal ones those that were tried first.
    tries_ : tuple of Try
        All that were tried, the best first.
    model_ : FusionClassifier
        Fitted with the best settings on all training records.

    References
    ----------
    Varma and Simon 2006, Bias in error estimation when using cross-validation for model selection, doi
    10.1186/1471-2105-7-91. Akiba et al. 2019, Optuna, doi 10.1145/3292500.3330701.

    Examples
    --------
    >>> from clinfuse.training.late import LateFusion
    >>> Tuned(LateFusion(), {"combine": ["stacked", "mean"], "options.hide": [0.0, 0.3]}).taxonomy()
    'late, stacked'
    """

    def __init__(
        self,
        model: FusionClassifier,
        settings: Mapping[str, Any],
        *,
        search: Method = "grid",
        metric: Metric = "log_loss",
        tries: int = 20,
        inner_folds: int = 3,
        seed: int = 0,
    ) -> None:
        self.model = model
        self.settings = settings
        self.search = search
        self.metric = metric
        self.tries = tries
        self.inner_folds = inner_folds
        self.seed = seed

    @property
    def options(self) -> TrainingOptions:  # type: ignore[override]
        """Training options of the classifier that is tuned."""
        return self.model.options

    @property
    def multimodal(self) -> bool:  # type: ignore[override]
        """Whether the classifier that is tuned fuses."""
        return bool(self.model.multimodal)

    @property
    def _now(self) -> FusionClassifier:
        """The fitted classifier; before, the one that is to be tuned."""
        return self.model_ if hasattr(self, "model_") else self.model

    def taxonomy(self) -> str:
        """Give the class of fusion with the chosen settings."""
        return self._now.taxonomy()

    def _chosen(self, cohort: Cohort) -> tuple[str, ...]:
        return self.model._chosen(cohort)

    def _fit(self, cohort: Cohort, labels: np.ndarray) -> None:
        self._check()
        model = changed(self.model, {"seed": self.seed})
        search = Search(self.search, self.metric, self.tries, self.inner_folds, self.seed)
        try:
            self.tries_ = search.run(model, self.settings, cohort, labels)
        except ClinfuseError as error:
            raise error.at("search of settings") from None
        self.best_settings_: dict[str, Any] = dict(self.tries_[0].settings)
        self.model_ = changed(model, self.best_settings_).fit(cohort, labels)

    def _check(self) -> None:
        if not isinstance(self.model, FusionClassifier) or isinstance(self.model, Tuned):
            refuse("SEARCH_SETTING", "model", "a classifier of this package that is not tuned itself", "something else")
        for name, word, known in (("search", self.search, METHODS), ("metric", self.metric, METRICS)):
            if word not in known:
                refuse("SEARCH_VALUE", name, f"one of {', '.join(known)}", "another word")
        for name, number, least in (("tries", self.tries, 1), ("inner_folds", self.inner_folds, 2)):
            if not isinstance(number, int) or number < least:
                refuse("SEARCH_VALUE", name, f"a whole number of at least {least}", "another")
        if self.search == "halving" and EPOCHS in self.settings:
            refuse("SEARCH_VALUE", f"setting {EPOCHS}", "no number of epochs where halving gives them out", "one")
        check_settings(self.model, self.settings, drawn=self.search in ("random", "optuna"))

    def _encode(self, cohort: Cohort, names: list[str]) -> dict[str, np.ndarray]:
        return self.model_._encode(cohort, names)

    def _nothing(self, records: int) -> np.ndarray:
        return self.model_._nothing(records)

    def _decide(self, values: dict[str, np.ndarray], present: np.ndarray) -> np.ndarray:
        return self.model_._decide(values, present)

    def _anatomy(self, cohort: Cohort, encoded: Encoded, present: list[str]) -> Anatomy:
        return self.model_._anatomy(cohort, encoded, present)

    @property
    def loss_curves_(self) -> dict[str, tuple[Epoch, ...]]:
        """The loss curves of the classifier with the chosen settings."""
        return self.model_.loss_curves_

    @property
    def stored_(self) -> bool:
        """Whether everything learned has a safe form on disk."""
        return self.model_.stored_

    @property
    def weighing_(self) -> np.ndarray:
        """What was added to the logits to undo the weighing of classes, float64 (classes,)."""
        return self.model_.weighing_

    def _learned(self) -> dict[str, Any]:
        return {
            "model": self.model_.to_state(),
            "search": self.search,
            "metric": self.metric,
            "inner_folds": self.inner_folds,
            "tries": [{"settings": dict(one.settings), "score": one.score} for one in self.tries_],
        }

    def _restore(self, state: Mapping[str, Any]) -> None:
        self.search, self.metric, self.inner_folds = state["search"], state["metric"], state["inner_folds"]
        self.tries_ = tuple(Try(dict(one["settings"]), float(one["score"])) for one in state["tries"])
        self.best_settings_ = dict(self.tries_[0].settings)
        # What is read back is fitted already; the classifier it came from is not kept.
        self.model_ = self.model


def settled(classifier: FusionClassifier) -> FusionClassifier:
    """Give the fitted classifier with the settings that were chosen, or the classifier itself where none were."""
    return classifier.model_ if isinstance(classifier, Tuned) else classifier


def untuned(model: FusionClassifier) -> FusionClassifier:
    """Give the classifier that is tuned, or the classifier itself where none is."""
    return model.model if isinstance(model, Tuned) else model
