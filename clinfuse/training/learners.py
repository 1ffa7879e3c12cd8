"""Learners on features by name: linear ones, LightGBM, or any scikit-learn classifier, with one face."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from inspect import signature
from typing import Any, ClassVar, NoReturn, final

import numpy as np
import torch  # noqa: F401  (first: its wheel ships the OpenMP runtime that LightGBM's wheel expects to find)
from lightgbm import Booster, Dataset
from lightgbm import train as train_trees
from sklearn.base import ClassifierMixin, clone
from sklearn.utils.validation import has_fit_parameter

from clinfuse.encoders.table import Style
from clinfuse.errors import ConfigError, StorageError
from clinfuse.training.learner import SMALLEST_CHANCE, Learner, LearnerRows
from clinfuse.training.linear import ElasticNet, Logistic
from clinfuse.training.seeds import derived_seed, generator

_ORDERS = 32


@final
class Trees(Learner):
    """LightGBM with few, shallow trees, which small cohorts bear; missing features stay missing.

    Parameters
    ----------
    leaves : int
        Of a tree, at most.
    rounds : int
        Trees, for each class where there are more than two.
    learning_rate : float
    ridge : float
        Penalty on the squared values of leaves.

    References
    ----------
    Ke et al. 2017, LightGBM (NeurIPS).
    """

    style: ClassVar[Style] = "tree"

    def __init__(self, *, leaves: int = 4, rounds: int = 150, learning_rate: float = 0.05, ridge: float = 5.0) -> None:
        self.leaves = leaves
        self.rounds = rounds
        self.learning_rate = learning_rate
        self.ridge = ridge

    def fit(self, table: np.ndarray, labels: np.ndarray, rows: LearnerRows) -> Learner:
        """Grow the trees."""
        classes = len(np.unique(labels))
        settings: dict[str, Any] = {
            "objective": "binary" if classes == 2 else "multiclass",
            "num_leaves": self.leaves,
            "learning_rate": self.learning_rate,
            # Rows are counted, and a record has as many as it has masked copies.
            "min_data_in_leaf": 20 * round(len(table) / len(np.unique(rows.owners))),
            "min_sum_hessian_in_leaf": 1.0,
            "lambda_l2": self.ridge,
            "feature_fraction": 0.6,
            "bagging_fraction": 0.8,
            "bagging_freq": 1,
            "num_threads": 1,
            "deterministic": True,
            "force_row_wise": True,
            "seed": derived_seed(rows.seed, "trees") % 2**31,
            "verbosity": -1,
        }
        if classes > 2:
            settings["num_class"] = classes
        data = Dataset(table, label=labels, weight=rows.weights, free_raw_data=True)
        self.booster_ = train_trees(settings, data, num_boost_round=self.rounds)
        return self

    def logits(self, table: np.ndarray) -> np.ndarray:
        """Give raw scores, float64 (rows, classes); 0 for the first of two classes."""
        raw = np.asarray(self.booster_.predict(table, raw_score=True, num_threads=1), dtype=np.float64)
        return np.stack([np.zeros_like(raw), raw], axis=1) if raw.ndim == 1 else raw

    def contributions(self, table: np.ndarray) -> np.ndarray:
        """Give TreeSHAP values (Lundberg 2018, arXiv 1802.03888), the bias last, float64 (rows, width + 1, classes)."""
        parts = np.asarray(self.booster_.predict(table, pred_contrib=True, num_threads=1), dtype=np.float64)
        width = table.shape[1] + 1
        if parts.shape[1] == width:
            return np.stack([np.zeros_like(parts), parts], axis=2)
        return parts.reshape(len(table), -1, width).transpose(0, 2, 1)

    def to_state(self) -> dict[str, Any]:
        """Give the trees as LightGBM's own text."""
        return {"learner": "lightgbm", "trees": self.booster_.model_to_string()}

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> Trees:
        """Give the learner that `to_state` described."""
        learner = cls()
        learner.booster_ = Booster(model_str=state["trees"])
        return learner


@final
class Brought(Learner):
    """A scikit-learn classifier brought by the user: cross-validated, and refitted rather than stored.

    Parameters
    ----------
    estimator : scikit-learn classifier with ``predict_proba``
        Never fitted itself: a clone is. Masked copies weigh as much as their record where its ``fit`` takes no weights.
    """

    style: ClassVar[Style] = "linear"
    stored = False
    taken_apart = "Shapley sampling"

    def __init__(self, estimator: ClassifierMixin) -> None:
        self.estimator = estimator

    def fit(self, table: np.ndarray, labels: np.ndarray, rows: LearnerRows) -> Learner:
        """Fit a clone; copies of a record weigh as one where the classifier can weigh rows."""
        self.estimator_ = clone(self.estimator)
        if "random_state" in self.estimator_.get_params():
            self.estimator_.set_params(random_state=derived_seed(rows.seed, "estimator") % 2**32)
        extra = {"sample_weight": rows.weights} if has_fit_parameter(self.estimator_, "sample_weight") else {}
        self.estimator_.fit(table, labels, **extra)
        self.medians_ = np.median(table, axis=0)
        return self

    def logits(self, table: np.ndarray) -> np.ndarray:
        """Give log probabilities, kept away from 0 and 1, float64 (rows, classes)."""
        return np.log(np.clip(self.estimator_.predict_proba(table), SMALLEST_CHANCE, 1 - SMALLEST_CHANCE))

    def contributions(self, table: np.ndarray) -> np.ndarray:
        """Give Shapley values against the training medians, over orders of features that are drawn once.

        Every order adds up to the change from the medians to the row, so that the values do, however few the orders;
        each order is also walked backwards. The last is what is said of the medians.

        References
        ----------
        Castro et al. 2009, Polynomial calculation of the Shapley value based on sampling, doi
        10.1016/j.cor.2008.04.004.
        """
        start = self.logits(self.medians_[None])[0]
        rows = [self._shared_out(row) for row in table]
        return np.concatenate([np.stack(rows), np.tile(start, (len(table), 1, 1))], axis=1)

    def _shared_out(self, row: np.ndarray) -> np.ndarray:
        """Mean change of the logits when a feature leaves its median, float64 (width, classes)."""
        draw, width = generator(0, "orders of features"), len(row)
        drawn = [draw.permutation(width) for _ in range(_ORDERS // 2)]
        total = np.zeros(0)
        for order in (*drawn, *(one[::-1] for one in drawn)):
            place = np.argsort(order)
            steps = np.where(place < np.arange(width + 1)[:, None], row, self.medians_)
            change = np.diff(self.logits(steps), axis=0)[place]
            total = total + change if total.size else change
        return total / (2 * len(drawn))

    def to_state(self) -> dict[str, Any]:
        """Refuse: an arbitrary classifier has no safe form on disk."""
        raise StorageError(
            "STORE_LEARNER",
            place="learner",
            rule="logistic regression and LightGBM can be stored",
            found="another classifier",
            remedy="It is refitted from seed and inputs where it is needed.",
        )


@final
class PerLabel(Learner):
    """One learner for each label of a multilabel task; records whose label is unknown do not count for it.

    Parameters
    ----------
    choice : {"logistic", "elastic-net", "lightgbm"}, LearnerChoice or scikit-learn classifier
    """

    def __init__(self, choice: str | LearnerChoice | ClassifierMixin) -> None:
        self.choice = choice
        example = build_learner(choice, multilabel=False)
        self.style = example.style  # type: ignore[misc]
        self.stored = example.stored  # type: ignore[misc]
        self.linear = example.linear  # type: ignore[misc]
        self.taken_apart = example.taken_apart  # type: ignore[misc]

    def fit(self, table: np.ndarray, labels: np.ndarray, rows: LearnerRows) -> Learner:
        """Fit one learner per label, labels int64 (rows, labels)."""
        self.learners_ = []
        for column in labels.T:
            known = column >= 0
            kept, owners = np.unique(rows.owners[known], return_inverse=True)
            inner = LearnerRows(owners, rows.groups[kept], rows.ids[kept], seed=rows.seed)
            self.learners_.append(build_learner(self.choice, multilabel=False).fit(table[known], column[known], inner))
        return self

    def logits(self, table: np.ndarray) -> np.ndarray:
        """Give one logit per label, float64 (rows, labels)."""
        each = [learner.logits(table) for learner in self.learners_]
        return np.stack([logits[:, 1] - logits[:, 0] for logits in each], axis=1)

    def contributions(self, table: np.ndarray) -> np.ndarray:
        """Give the parts of each label's logit, float64 (rows, width + 1, labels)."""
        each = [learner.contributions(table) for learner in self.learners_]
        return np.stack([parts[..., 1] - parts[..., 0] for parts in each], axis=2)

    def slopes(self, table: np.ndarray) -> np.ndarray:
        """Give each label's slopes, float64 (width, labels)."""
        each = [learner.slopes(table) for learner in self.learners_]
        return np.stack([slopes[:, 1] - slopes[:, 0] for slopes in each], axis=1)

    def to_state(self) -> dict[str, Any]:
        """Give every learner's state."""
        return {
            "learner": "per label",
            "choice": choice_to_state(self.choice),
            "each": [one.to_state() for one in self.learners_],
        }

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> PerLabel:
        """Give the learners that `to_state` described."""
        learner = cls(choice_from_state(state["choice"]))
        learner.learners_ = [learner_from_state(one) for one in state["each"]]
        return learner


_LEARNERS: dict[str, type[Logistic] | type[ElasticNet] | type[Trees]] = {
    "elastic-net": ElasticNet,
    "lightgbm": Trees,
    "logistic": Logistic,
}
_WHOLE = ("leaves", "rounds")


@final
@dataclass(frozen=True)
class LearnerChoice:
    """A learner by name, with other options than its own.

    Parameters
    ----------
    name : {"logistic", "elastic-net", "lightgbm"}
    options : mapping of str to number
        Of ``"logistic"`` ``penalty`` (scikit-learn's ``C``); of ``"elastic-net"`` ``strength`` and ``mix``; both choose
        on inner patients what is not given. Of ``"lightgbm"`` ``leaves``, ``rounds``, ``learning_rate``, ``ridge``.

    Raises
    ------
    ConfigError
        ``LEARNER_NAME``, ``LEARNER_OPTION``.

    Examples
    --------
    >>> LearnerChoice("lightgbm", {"leaves": 8}).build().leaves
    8
    """

    name: str
    options: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.name not in _LEARNERS:
            _refuse_name()
        known = sorted(set(signature(_LEARNERS[self.name].__init__).parameters) - {"self"})
        for name, value in self.options.items():
            number = isinstance(value, int | float) and not isinstance(value, bool)
            if name not in known or not number or value < 0 or (name in _WHOLE and (value != int(value) or value < 1)):
                raise ConfigError(
                    "LEARNER_OPTION",
                    place=f"learner {self.name}",
                    rule=f"options {', '.join(known)}: numbers not below 0; leaves and rounds whole",
                    found="another option or value",
                    remedy="Correct the options.",
                )
        object.__setattr__(self, "options", dict(sorted(self.options.items())))

    def build(self) -> Learner:
        """Give the learner, unfitted."""
        options: dict[str, Any] = {name: int(v) if name in _WHOLE else v for name, v in self.options.items()}
        return _LEARNERS[self.name](**options)


def choice_to_state(choice: Any) -> Any:
    """Give a learner's choice as JSON values."""
    return {"name": choice.name, "options": dict(choice.options)} if isinstance(choice, LearnerChoice) else choice


def choice_from_state(state: Any) -> Any:
    """Give the choice that `choice_to_state` described."""
    return LearnerChoice(**state) if isinstance(state, Mapping) else state


def learner_names() -> tuple[str, ...]:
    """Give the names of the learners, sorted.

    Examples
    --------
    >>> learner_names()
    ('elastic-net', 'lightgbm', 'logistic')
    """
    return tuple(sorted(_LEARNERS))


def build_learner(choice: str | LearnerChoice | ClassifierMixin, *, multilabel: bool) -> Learner:
    """Give an unfitted learner.

    Parameters
    ----------
    choice : {"logistic", "elastic-net", "lightgbm"}, LearnerChoice or scikit-learn classifier
    multilabel : bool

    Raises
    ------
    ConfigError
        ``LEARNER_NAME``: another name.
    """
    if multilabel:
        return PerLabel(choice)
    if isinstance(choice, LearnerChoice):
        return choice.build()
    if not isinstance(choice, str):
        return Brought(choice)
    if choice not in _LEARNERS:
        _refuse_name()
    return _LEARNERS[choice]()


def _refuse_name() -> NoReturn:
    raise ConfigError(
        "LEARNER_NAME",
        place="learner",
        rule=f"must be one of {', '.join(learner_names())}, or a scikit-learn classifier",
        found="another name",
        remedy="Correct learner.",
    )


def learner_from_state(state: Mapping[str, Any]) -> Learner:
    """Give the stored learner."""
    if state["learner"] == "per label":
        return PerLabel.from_state(state)
    return _LEARNERS[state["learner"]].from_state(state)
