"""A classifier whose probabilities are calibrated on training patients it had not seen."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, final

import numpy as np
import torch
from sklearn.base import clone
from torch import Tensor

from clinfuse.cohort.cohort import Cohort
from clinfuse.errors import ConfigError
from clinfuse.training.calibration import (
    By,
    Unseen,
    calibration_from_state,
    cross_calibrated,
    fit_calibration,
    pattern_names,
)
from clinfuse.training.calibrators import Calibrator
from clinfuse.training.classifiers import FusionClassifier
from clinfuse.training.encoded import Encoded
from clinfuse.training.explainable import Anatomy
from clinfuse.training.loop import Epoch
from clinfuse.training.options import TrainingOptions
from clinfuse.training.thresholds import learned_thresholds

METHODS = ("none", "temperature", "platt", "isotonic")
GROUPS = ("all", "pattern")


@final
class Calibrated(FusionClassifier):
    """Any classifier, with probabilities calibrated inside its own fit.

    The training patients are dealt into inner folds; what copies of the classifier, fitted without a fold, say of that
    fold teaches the calibration of the classifier fitted on all of them. No other record has a part in it. Late fusion
    has such predictions of each modality already and trains no network a second time.

    Parameters
    ----------
    model : FusionClassifier
        Unfitted; it is copied.
    method : {"platt", "temperature", "isotonic", "none"}
        A line through the log odds, its slope alone, or rising steps. More than two classes take ``"temperature"`` or
        ``"none"``; several labels are calibrated one by one. All rise, and only ``"isotonic"`` makes ties.
    by : {"all", "pattern"}
        One calibration for all records, or one for every set of present modalities with at least 10 patients of either
        class, drawn towards that of all records; see `clinfuse.training.calibration.fit_calibration`.
    inner_folds : int
        By patient. Late fusion uses its own.
    threshold_at : mapping of {"specificity", "sensitivity"} to float, optional
        What thresholds are to reach on new patients; learned from the inner folds too.

    Attributes
    ----------
    model_ : FusionClassifier
        Fitted on all training records.
    calibration_ : Calibration
    unseen_ : Unseen
        What was said of the training records when they were held out, each inner fold calibrated by the others.
    thresholds_ : dict of str to ndarray of float64, (outputs,)
        Log odds from which on a record is called, by aim; one for a binary task, one for each label otherwise.

    References
    ----------
    Platt 1999, Advances in Large Margin Classifiers, 61-74. Guo et al. 2017, arXiv 1706.04599. Zadrozny and Elkan
    2002, doi:10.1145/775047.775151.

    Examples
    --------
    >>> from clinfuse.training.unimodal import Unimodal
    >>> draw, labels = np.random.default_rng(0), np.tile([0, 1], 30)
    >>> arrays = {"labs": labels[:, None] + draw.normal(size=(60, 1))}
    >>> cohort = Cohort.from_arrays(arrays, labels=labels, kinds={"labs": "ehr"})
    >>> model = Calibrated(Unimodal("labs")).fit(cohort)
    >>> model.taxonomy(), model.calibration_.outputs[0].pooled.slope > 0
    ('single', True)
    """

    def __init__(
        self,
        model: FusionClassifier,
        *,
        method: str = "platt",
        by: By = "all",
        inner_folds: int = 3,
        threshold_at: Mapping[str, float] | None = None,
    ) -> None:
        self.model = model
        self.method = method
        self.by = by
        self.inner_folds = inner_folds
        self.threshold_at = threshold_at

    @property
    def options(self) -> TrainingOptions:  # type: ignore[override]
        """The training options of the model."""
        return self.model.options

    @property
    def seed(self) -> int:  # type: ignore[override]
        """The seed of the model."""
        return self.model.seed

    @property
    def multimodal(self) -> bool:  # type: ignore[override]
        """Whether the model fuses."""
        return self.model.multimodal

    def taxonomy(self) -> str:
        """Give the class of fusion of the model: a calibration fuses nothing."""
        return (self.model_ if hasattr(self, "model_") else self.model).taxonomy()

    def around(self, model: FusionClassifier) -> Calibrated:
        """Give another model with the same calibration, unfitted."""
        return Calibrated(model, **{k: v for k, v in self.get_params(deep=False).items() if k != "model"})

    def _chosen(self, cohort: Cohort) -> tuple[str, ...]:
        return self.model._chosen(cohort)

    def _fit(self, cohort: Cohort, labels: np.ndarray) -> None:
        self._check(self.multilabel_ or len(self.prior_) == 2)
        self.model_: FusionClassifier = clone(self.model).fit(cohort, labels)
        logits, folds = self.model_.unseen_logits(cohort, labels, folds=self.inner_folds)
        _, patients = np.unique(cohort.groups, return_inverse=True)
        usable = np.flatnonzero(cohort.present.any(1))
        unseen = Unseen(logits, labels, patients, np.asarray(cohort.present), folds).rows(usable)
        how: dict[str, Any] = {"method": self.method, "by": self.by, "multilabel": self.multilabel_}
        self.calibrates_ = self.method != "none"
        self.unseen_ = cross_calibrated(unseen, **how) if self.calibrates_ else unseen
        if self.calibrates_:
            self.calibration_ = fit_calibration(unseen, **how)
        self.thresholds_ = learned_thresholds(self.unseen_, self.threshold_at or {})

    def _check(self, every: bool) -> None:
        """Refuse a method or a grouping that there is not."""
        methods = METHODS if every else METHODS[:2]
        for name, known in (("method", methods), ("by", GROUPS)):
            if getattr(self, name) not in known:
                rule = f"{name} must be one of {', '.join(known)}" + ("" if every else ", with more than two classes")
                raise ConfigError(
                    "CALIBRATION_METHOD",
                    place="calibration",
                    rule=rule,
                    found="another word",
                    remedy=f"Correct {name}.",
                )

    def _encode(self, cohort: Cohort, names: list[str]) -> dict[str, np.ndarray]:
        return self.model_._encode(cohort, names)

    def _nothing(self, records: int) -> np.ndarray:
        return self.model_._nothing(records)

    def _decide(self, values: dict[str, np.ndarray], present: np.ndarray) -> np.ndarray:
        logits = self.model_._decide(values, present)
        return self.calibration_.logits(logits, present) if self.calibrates_ else logits

    def _anatomy(self, cohort: Cohort, encoded: Encoded, present: list[str]) -> Anatomy:
        anatomy = self.model_._anatomy(cohort, encoded, present)
        if not self.calibrates_:
            return anatomy
        pattern = str(pattern_names(encoded.present)[0])
        own = [one.of(pattern) for one in self.calibration_.outputs]
        binary = self.calibration_.task == "binary"

        def logits(given: Mapping[str, Tensor]) -> Tensor:
            raw = anatomy.logits(given)
            if binary:
                score = own[0].bend(raw[:, 1] - raw[:, 0])
                return torch.stack([torch.zeros_like(score), score], 1)
            columns = zip(own if len(own) > 1 else own * raw.shape[1], raw.T, strict=True)
            return torch.stack([one.bend(column) for one, column in columns], 1)

        return replace(anatomy, logits=logits, terms=self._terms(anatomy.terms, own, self.model_.decide(encoded)[0]))

    def _terms(self, terms: Mapping[str, np.ndarray], own: list[Calibrator], raw: np.ndarray) -> dict[str, np.ndarray]:
        """Terms of a sum are terms of a line through it, and of nothing else."""
        scores = raw[1:] - raw[0] if self.calibration_.task == "binary" else raw
        own = own if len(own) == len(scores) else own * len(scores)
        if any(abs(float(one.logits(score))) > one.line[1] for one, score in zip(own, scores, strict=True)):
            return {}
        slopes = np.array([one.line[0] for one in own])
        return {name: slopes * term for name, term in terms.items()}

    @property
    def best_settings_(self) -> dict[str, Any]:
        """The settings that the model chose, where it searches for some."""
        return dict(getattr(self.model_, "best_settings_", {}))

    @property
    def tries_(self) -> tuple[Any, ...]:
        """What the model tried, where it searches for settings."""
        return tuple(getattr(self.model_, "tries_", ()))

    @property
    def loss_curves_(self) -> dict[str, tuple[Epoch, ...]]:
        """The loss curves of the model."""
        return self.model_.loss_curves_

    @property
    def stored_(self) -> bool:
        """Whether everything learned has a safe form on disk."""
        return self.model_.stored_

    def _learned(self) -> dict[str, Any]:
        how = {name: value for name, value in self.get_params(deep=False).items() if name != "model"}
        learned = {"calibration": self.calibration_.to_state()} if self.calibrates_ else {}
        return {"how": how, "model": self.model_.to_state(), "unseen": self.unseen_.to_state(), **learned}

    def _restore(self, state: Mapping[str, Any]) -> None:
        self.set_params(**state["how"])
        # Whoever reads the store has rebuilt the model already.
        self.model_ = self.model
        self.calibrates_ = "calibration" in state
        self.unseen_ = Unseen(**state["unseen"])
        if self.calibrates_:
            self.calibration_ = calibration_from_state(state["calibration"])
        self.thresholds_ = learned_thresholds(self.unseen_, self.threshold_at or {})


def plain(model: FusionClassifier) -> FusionClassifier:
    """Give the model itself, or the one that is calibrated."""
    return model.model if isinstance(model, Calibrated) else model
