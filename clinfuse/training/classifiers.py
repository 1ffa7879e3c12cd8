"""What every classifier of clinfuse is: fit on a cohort, encode records once, decide for any set of modalities."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any, ClassVar

import numpy as np
import torch
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.exceptions import NotFittedError
from torch import Tensor

from clinfuse.cohort.cohort import Cohort
from clinfuse.cohort.modality import Modality
from clinfuse.errors import ConfigError, DataError, TrainingError
from clinfuse.training.encoded import Encoded
from clinfuse.training.explainable import Anatomy, Explainable, explainable, explained
from clinfuse.training.loop import Epoch
from clinfuse.training.objective import class_prior, prior_logits
from clinfuse.training.options import TrainingOptions
from clinfuse.training.seeds import derived_seed
from clinfuse.training.splits import patient_folds


class FusionClassifier(ClassifierMixin, BaseEstimator, ABC):
    """A classifier on a `Cohort`, usable wherever scikit-learn takes a classifier and groups.

    A subclass gives `taxonomy`, and four private steps: fit, encode, decide, and how a decision
    is taken apart.
    """

    multimodal: ClassVar[bool] = True

    options: TrainingOptions
    seed: int

    def fit(self, cohort: Cohort, y: np.ndarray | None = None) -> FusionClassifier:
        """Learn from a cohort; gives itself.

        Parameters
        ----------
        cohort : Cohort
            Training records in any order: they are sorted by id.
        y : ndarray of int64, (records,) or (records, labels), optional
            Wins over ``cohort.labels``; groups always come from the cohort.

        Returns
        -------
        FusionClassifier

        Raises
        ------
        TrainingError
            ``TRAIN_ONE_CLASS``, ``TRAIN_DIVERGED``, ``TRAIN_PRECISION``.
        DataError
            ``FIT_LABELS``: labels that do not fit the cohort. ``MODALITY_NAME``: an unknown modality.
        """
        labels = np.asarray(cohort.labels if y is None else y)
        if len(labels) != len(cohort):
            raise DataError(
                "FIT_LABELS",
                place="fit",
                rule="one label per record",
                found=f"{len(labels)} labels for {len(cohort)} records",
                remedy="Pass labels of the same records.",
            )
        order = np.argsort(cohort.record_ids, kind="stable")
        known = (labels[order] >= 0) if labels.ndim == 1 else (labels[order] >= 0).any(1)
        rows = order[known]
        labels = labels[rows].astype(np.int64)
        self.multilabel_ = labels.ndim == 2
        self._check_weighing()
        outputs = labels.shape[1] if self.multilabel_ else max(len(cohort.classes), int(labels.max()) + 1)
        self.classes_ = np.arange(outputs)
        self.class_names_ = tuple(cohort.classes)
        self.prior_ = class_prior(labels, outputs, multilabel=self.multilabel_)
        self.prior_logits_ = prior_logits(self.prior_, multilabel=self.multilabel_)
        self.modalities_ = self._chosen(cohort)
        self.signatures_ = {name: signature(cohort.modality(name)) for name in self.modalities_}
        training = cohort[rows].without(*(name for name in cohort.names if name not in self.modalities_))
        self._fit(training, labels)
        return self

    def encode(self, cohort: Cohort) -> Encoded:
        """Encode every present modality of every record once.

        Parameters
        ----------
        cohort : Cohort
            Modalities it lacks altogether count as absent.

        Returns
        -------
        Encoded
        """
        self._check_fitted()
        present = np.zeros((len(cohort), len(self.modalities_)), dtype=bool)
        for column, name in enumerate(self.modalities_):
            if name in cohort.names:
                check_signature(cohort.modality(name), self.signatures_[name])
                present[:, column] = cohort.present[:, cohort.names.index(name)]
        found = self._encode(cohort, [name for name in self.modalities_ if name in cohort.names])
        values = {name: found.get(name, self._nothing(len(cohort))) for name in self.modalities_}
        return Encoded(values, present, self._prepared(values, present))

    def decide(self, encoded: Encoded, present: np.ndarray | None = None) -> np.ndarray:
        """Decide about encoded records.

        Parameters
        ----------
        encoded : Encoded
        present : ndarray of bool, (records, modalities), optional
            Modalities to use, out of those that are there; all of them by default.

        Returns
        -------
        ndarray of float64, (records, classes)
            Logits, finite for any mask; the prior's where nothing is present.
        """
        self._check_fitted()
        mask = encoded.present if present is None else encoded.mask(present)
        result = np.tile(self.prior_logits_, (len(encoded), 1))
        rows = np.flatnonzero(mask.any(1))
        if len(rows):
            result[rows] = self._decided(encoded, mask, rows)
        return result

    def _decided(self, encoded: Encoded, mask: np.ndarray, rows: np.ndarray) -> np.ndarray:
        """Logits of these rows, each with something present."""
        return self._decide(self._masked(encoded.values, mask, rows), mask[rows])

    @staticmethod
    def _masked(values: Mapping[str, np.ndarray], mask: np.ndarray, rows: np.ndarray) -> dict[str, np.ndarray]:
        """Absent values become zeros before any arithmetic: 0 times NaN would still be NaN."""
        return {
            name: np.where(mask[rows, k].reshape(-1, *([1] * (value.ndim - 1))), value[rows], 0.0)
            for k, (name, value) in enumerate(values.items())
        }

    def _prepared(self, values: Mapping[str, np.ndarray], present: np.ndarray) -> tuple[np.ndarray, ...]:
        """What is the same whichever modalities are withheld, each (records, ...); by default nothing."""
        del values, present
        return ()

    def predict_proba(self, cohort: Cohort) -> np.ndarray:
        """Give probabilities, float64 (records, classes): a softmax of the logits, or a sigmoid if multilabel."""
        return self.probabilities(self.decide(self.encode(cohort)))

    def probabilities(self, logits: np.ndarray) -> np.ndarray:
        """Give the probabilities of logits, float64 (records, classes)."""
        if self.multilabel_:
            return 0.5 * (1 + np.tanh(0.5 * logits))
        shifted = np.exp(logits - logits.max(1, keepdims=True))
        return np.asarray(shifted / shifted.sum(1, keepdims=True))

    def predict(self, cohort: Cohort) -> np.ndarray:
        """Give the most probable class, int64 (records,), or 0/1 per label if multilabel."""
        chances = self.predict_proba(cohort)
        return (chances >= 0.5).astype(np.int64) if self.multilabel_ else self.classes_[chances.argmax(1)]

    def unseen_logits(self, cohort: Cohort, labels: np.ndarray, *, folds: int) -> tuple[np.ndarray, np.ndarray]:
        """Give what copies of this classifier say of training records in the inner folds that hold them out.

        Parameters
        ----------
        cohort : Cohort
            Training records as `fit` sees them: sorted by id, labelled.
        labels : ndarray of int64, (records,) or (records, labels)
        folds : int
            By patient; the same deal for every classifier of this seed, so that fits can be shared.

        Returns
        -------
        tuple of ndarray
            Logits, float64 (records, classes), and the inner fold of each record, int64 (records,).

        Raises
        ------
        DataError
            As of `clinfuse.training.splits.patient_folds`.
        """
        logits = np.zeros((len(cohort), len(self.prior_)))
        held_in = np.zeros(len(cohort), dtype=np.int64)
        cuts = patient_folds(
            labels, cohort.groups, cohort.record_ids, folds=folds, seed=derived_seed(self.seed, "inner")
        )
        for number, (train, test) in enumerate(cuts):
            inner: FusionClassifier = clone(self).fit(cohort[train], labels[train])
            logits[test], held_in[test] = inner.decide(inner.encode(cohort[test])), number
        return logits, held_in

    def log_odds(self, logits: np.ndarray, target: int = -1) -> np.ndarray:
        """Give the log odds of one class against all others together, or of one label, float64 (records,).

        Parameters
        ----------
        logits : ndarray of float64, (records, classes)
            As `decide` gives them.
        target : int
            Class or label; the last by default.
        """
        return explained(as_tensor(logits), multilabel=self.multilabel_, target=target).numpy()

    def explainable(self, cohort: Cohort, *, encoded: Encoded | None = None, target: int = -1) -> Explainable:
        """Give the decision about a single record as a function to attribute.

        Parameters
        ----------
        cohort : Cohort
            Exactly one record.
        encoded : Encoded, optional
            What `encode` gave of it, to be spared a second time.
        target : int
            The class or label whose log odds are explained; the last, the positive one, by default.
        """
        self._check_fitted()
        encoded = self.encode(cohort) if encoded is None else encoded
        if len(cohort) != 1 or not encoded.present.any():
            raise DataError(
                "EXPLAIN_RECORD",
                place="attribution",
                rule="one record with at least one present modality",
                found=f"{len(cohort)} records, {int(encoded.present.any(1).sum())} of them with one",
                remedy="Pass a single record.",
            )
        present = [name for k, name in enumerate(self.modalities_) if encoded.present[0, k]]
        return explainable(self._anatomy(cohort, encoded, present), target=target, multilabel=self.multilabel_)

    @abstractmethod
    def taxonomy(self) -> str:
        """Give the class of fusion after Huang et al. 2020, doi 10.1038/s41746-020-00341-z."""

    @property
    @abstractmethod
    def loss_curves_(self) -> dict[str, tuple[Epoch, ...]]:
        """The loss curve of every network that was trained, by name."""

    @property
    @abstractmethod
    def stored_(self) -> bool:
        """Whether everything learned has a safe form on disk."""

    @property
    def weighing_(self) -> np.ndarray:
        """What was added to the logits of the final network to undo the weighing of classes, float64 (classes,).

        Zeros where classes were not weighed, or where a learner or a pool stands behind the networks.
        """
        return np.array(getattr(self, "correction_", np.zeros(len(self.prior_))))

    @abstractmethod
    def _fit(self, cohort: Cohort, labels: np.ndarray) -> None: ...

    @abstractmethod
    def _encode(self, cohort: Cohort, names: list[str]) -> dict[str, np.ndarray]: ...

    @abstractmethod
    def _decide(self, values: dict[str, np.ndarray], present: np.ndarray) -> np.ndarray: ...

    @abstractmethod
    def _anatomy(self, cohort: Cohort, encoded: Encoded, present: list[str]) -> Anatomy: ...

    @abstractmethod
    def _learned(self) -> dict[str, Any]: ...

    @abstractmethod
    def _restore(self, state: Mapping[str, Any]) -> None: ...

    @abstractmethod
    def _nothing(self, records: int) -> np.ndarray:
        """Values of a modality that a cohort lacks altogether."""

    def _chosen(self, cohort: Cohort) -> tuple[str, ...]:
        """The modalities this classifier uses, in the cohort's order: all of them unless a subclass says otherwise."""
        return tuple(cohort.names)

    def _check_weighing(self) -> None:
        if self.multilabel_ and self.options.class_weight == "sampled":
            raise ConfigError(
                "TRAINING_OPTION",
                place="training option class_weight",
                rule='cannot be "sampled" with several labels, whose classes cannot all be drawn equally',
                found="several labels",
                remedy='Use "balanced" or "none".',
            )

    def _check_fitted(self) -> None:
        if not hasattr(self, "modalities_"):
            message = f"This {type(self).__name__} is not fitted yet: call fit with a cohort first."
            raise NotFittedError(message)

    def to_state(self) -> dict[str, Any]:
        """Give everything learned, as JSON values and arrays.

        Raises
        ------
        StorageError
            ``STORE_LEARNER``: a part that has no safe form on disk.
        """
        self._check_fitted()
        return {
            "classifier": type(self).__name__,
            "taxonomy": self.taxonomy(),
            "options": asdict(self.options),
            "seed": self.seed,
            "multilabel": self.multilabel_,
            "class_names": list(self.class_names_),
            "prior": self.prior_,
            "modalities": list(self.modalities_),
            "signatures": dict(self.signatures_),
            "learned": self._learned(),
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take back what `to_state` gave."""
        self.multilabel_ = bool(state["multilabel"])
        self.class_names_ = tuple(state["class_names"])
        self.prior_ = state["prior"]
        self.classes_ = np.arange(len(self.prior_))
        self.prior_logits_ = prior_logits(self.prior_, multilabel=self.multilabel_)
        self.modalities_ = tuple(state["modalities"])
        self.signatures_ = dict(state["signatures"])
        self._restore(state["learned"])


def signature(modality: Modality) -> str:
    """Give everything that fixes what a prepared input of a modality means, as JSON text."""
    facts = asdict(modality)
    facts["columns"] = [[c.name, c.kind, c.unit, list(c.levels)] for c in modality.columns]
    del facts["mirror"]  # how training images are varied says nothing of what an image is
    return json.dumps(facts, sort_keys=True, ensure_ascii=False)


def check_signature(modality: Modality, trained: str) -> None:
    """Refuse a modality that is declared otherwise than where a model was trained.

    Raises
    ------
    DataError
        ``MODALITY_CHANGED``.
    """
    if signature(modality) != trained:
        raise DataError(
            "MODALITY_CHANGED",
            place=f"modality {modality.name}",
            rule="must be declared as in training: kind, shape, columns with units and levels, channels, window",
            found="another declaration",
            remedy="Declare it in cohort.toml as it was for training; name all levels of a category.",
        )


def refuse_single(cohort: Cohort, needed: int) -> None:
    """Refuse to fuse fewer modalities than there must be."""
    if len(cohort.names) < needed:
        raise TrainingError(
            "FUSE_MODALITIES",
            place="fusion",
            rule=f"needs at least {needed} modalities",
            found=f"{len(cohort.names)}",
            remedy="Use Unimodal for a single modality.",
        )


def as_tensor(array: np.ndarray) -> Tensor:
    """Give an array as a float64 tensor."""
    return torch.from_numpy(np.ascontiguousarray(array, dtype=np.float64))
