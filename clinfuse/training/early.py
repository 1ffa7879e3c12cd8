"""Early fusion: features of all modalities side by side, one learner on top."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, final

import numpy as np

from clinfuse.cohort.cohort import Cohort
from clinfuse.encoders.base import Encoder
from clinfuse.encoders.cells import MEDIAN, FilledTable
from clinfuse.encoders.table import Style
from clinfuse.errors import ConfigError
from clinfuse.training.blocks import (
    EmbeddingPreparation,
    FeatureBlocks,
    feature_preparation,
    masked_copies,
)
from clinfuse.training.classifiers import FusionClassifier, refuse_single
from clinfuse.training.early_anatomy import EarlyParts
from clinfuse.training.encoded import Encoded
from clinfuse.training.explainable import Anatomy
from clinfuse.training.fills import PER_PATTERN, SKIP, check_fill, fill_name, fit_fill
from clinfuse.training.half import Half, features_of
from clinfuse.training.learner import LearnerRows
from clinfuse.training.learners import build_learner
from clinfuse.training.loop import Epoch
from clinfuse.training.models import NetworkModel, SingleModel, single_from_state
from clinfuse.training.objective import class_prior
from clinfuse.training.options import TrainingOptions
from clinfuse.training.pattern_learner import PatternLearner
from clinfuse.training.seeds import derived_seed
from clinfuse.training.single import SingleRecipe, can_be_learned, fit_single
from clinfuse.training.splits import patient_folds
from clinfuse.training.taxonomy import FusionInput, fusion_class
from clinfuse.training.unimodal import default_learner


@final
class EarlyFusion(FusionClassifier):
    """Join features of all modalities and train one learner on them.

    Type I joins original features: table columns and summary features. Type II joins the features of networks that
    were trained separately, one per image or signal, with the table's columns. A learner that saw features of the
    records its extractors were trained on would trust them too much, so the training patients are cut in two:
    extractors on one half, learner on the other, and the reverse; the logits of the two are averaged.

    Parameters
    ----------
    kind : {"II", "I"}
    learner : {"logistic", "elastic-net", "lightgbm"} or scikit-learn classifier, optional
        By default logistic regression on extracted features (type II) and LightGBM on original ones (type I).
    encoders : mapping of str to str, EncoderChoice or callable, optional
        Network of a modality by its name; others take their kind's default.
    fill : {"skip", "per pattern", "knn", "mean", "regression", "zero"}
        What stands for the features of an absent modality. ``"skip"`` leaves it to the learner: missing values for
        trees, zeros, which are the training mean, for the others; ``"per pattern"`` trains a learner for every pattern
        of present modalities with 10 events for each feature. A column for each modality says whether it was there,
        whatever the fill.
    cells : {"median", "knn", "iterative"}
        What stands for single missing cells of a modality that is there, beside a column that says they were missing.
        Trees take missing cells as they are.
    single_heads : bool
        Whether every modality also has a model of its own, whose logits, averaged over the modalities that are there,
        are averaged with those of the learner: a hybrid of early and late fusion.
    options : TrainingOptions
    seed : int

    References
    ----------
    Huang et al. 2020, doi 10.1038/s41746-020-00341-z.

    Examples
    --------
    >>> EarlyFusion(kind="I").taxonomy()
    'early, type I'
    """

    def __init__(
        self,
        *,
        kind: Literal["I", "II"] = "II",
        learner: Any = None,
        encoders: Mapping[str, Any] | None = None,
        fill: Any = SKIP,
        cells: str = MEDIAN,
        single_heads: bool = False,
        options: TrainingOptions = TrainingOptions(),
        seed: int = 0,
    ) -> None:
        self.kind = kind
        self.learner = learner
        self.encoders = encoders
        self.fill = fill
        self.cells = cells
        self.single_heads = single_heads
        self.options = options
        self.seed = seed

    def taxonomy(self) -> str:
        """Give ``"early"`` and the type: no training loss of the final model reaches an extractor.

        Once fitted it says what was done: type II of tables alone has no extractor and is type I. With single heads it
        is a hybrid, outside the three classes.
        """
        if self.single_heads:
            return "hybrid (early + late)"
        if not hasattr(self, "halves_"):
            return f"early, type {self.kind}"
        extracted = self.halves_[0].extractors
        return fusion_class([FusionInput("extracted" if n in extracted else "original") for n in self.modalities_])

    def _fit(self, cohort: Cohort, labels: np.ndarray) -> None:
        refuse_single(cohort, 2)
        if self.kind not in ("I", "II"):
            raise ConfigError(
                "EARLY_KIND",
                place="early fusion",
                rule='kind must be "I" or "II"',
                found="another value",
                remedy="Correct kind.",
            )
        check_fill(self.fill, PER_PATTERN)
        self.singles_ = self._singles(cohort, labels) if self.single_heads else {}
        everyone = np.arange(len(cohort))
        self.extracted_: tuple[str, ...] = ()
        if self.kind == "I" or not self._wanted(cohort):
            self.halves_ = [self._half(cohort, labels, everyone[:0], everyone)]
            return
        # The same cut as late fusion with two inner folds, so that their networks are trained once.
        seed = derived_seed(self.seed, "inner")
        cuts = patient_folds(labels, cohort.groups, cohort.record_ids, folds=2, seed=seed)
        # A modality too rare for a network in either half enters with its summary features.
        outputs = len(self.prior_)
        self.extracted_ = tuple(
            name
            for name in self._wanted(cohort)
            if all(can_be_learned(cohort[extract], name, labels[extract], outputs) for extract, _ in cuts)
        )
        self.halves_ = [self._half(cohort, labels, extract, learn) for extract, learn in cuts]

    def _singles(self, cohort: Cohort, labels: np.ndarray) -> dict[str, SingleModel]:
        """The model of each modality alone, the same as in late fusion."""
        singles = {}
        for name in self.modalities_:
            learner = default_learner(cohort, name, self.encoders)
            encoder = (self.encoders or {}).get(name)
            recipe = SingleRecipe(encoder=encoder, learner=learner, options=self.options, seed=self.seed)
            singles[name] = fit_single(
                cohort, name, labels, recipe=recipe, prior=self.prior_, multilabel=self.multilabel_
            )
        return singles

    def _wanted(self, cohort: Cohort) -> list[str]:
        """Modalities whose features come from a network; a table's columns are features already."""
        if self.kind == "I":
            return []
        return [m.name for m in cohort.modalities if m.kind != "ehr" or m.name in (self.encoders or {})]

    def _half(self, cohort: Cohort, labels: np.ndarray, extract: np.ndarray, learn: np.ndarray) -> Half:
        extractors = {name: self._extractor(cohort[extract], name, labels[extract]) for name in self.extracted_}
        choice = self._default_learner() if self.learner is None else self.learner
        learner = build_learner(choice, multilabel=self.multilabel_)
        seen, seen_labels = cohort[learn], labels[learn]
        preparations = {name: self._preparation(seen, name, extractors, learner.style) for name in cohort.names}
        blocks = FeatureBlocks(preparations, style=learner.style)
        values = {name: features_of(extractors, seen, name) for name in cohort.names}
        blocks.fit(values, seen.present)
        seed = derived_seed(self.seed, "learner", len(extract))
        owners, masks = masked_copies(seen.present, seen.record_ids, self.options, seed=seed)
        prepared = {name: blocks.block(name, values[name], seen.present[:, k]) for k, name in enumerate(cohort.names)}
        rows = LearnerRows(owners, seen.groups, seen.record_ids, seed=seed)
        if self.fill in (SKIP, PER_PATTERN):
            fill, table = None, blocks.join({name: block[owners] for name, block in prepared.items()}, masks)
        else:
            fill, filled = fit_fill(self.fill, list(prepared.values()), seen.present, masks=masks, rows=rows)
            table = blocks.join_filled(dict(zip(prepared, filled, strict=True)), masks)
        if self.fill == PER_PATTERN:
            widths = [block.shape[1] for block in prepared.values()]
            learner = PatternLearner(choice, widths, multilabel=self.multilabel_)
        return Half(extractors, blocks, learner.fit(table, seen_labels[owners], rows), fill=fill)

    def _default_learner(self) -> str:
        return "lightgbm" if self.kind == "I" else "logistic"

    def _preparation(self, cohort: Cohort, name: str, extractors: Mapping[str, NetworkModel], style: Style) -> Any:
        if name in extractors:
            encoder = extractors[name].network.encoder
            return EmbeddingPreparation(encoder.features if isinstance(encoder, Encoder) else 0)
        table = feature_preparation(cohort, name, style=style)
        return table if self.cells == MEDIAN else FilledTable(table, self.cells)

    def _extractor(self, cohort: Cohort, name: str, labels: np.ndarray) -> NetworkModel:
        encoder = (self.encoders or {}).get(name)
        recipe = SingleRecipe(encoder=encoder, learner="", options=self.options, seed=self.seed)
        prior = class_prior(labels, len(self.prior_), multilabel=self.multilabel_)
        model = fit_single(cohort, name, labels, recipe=recipe, prior=prior, multilabel=self.multilabel_)
        if isinstance(model, NetworkModel):
            return model
        message = "a recipe without a learner gives a network"
        raise TypeError(message)

    def _encode(self, cohort: Cohort, names: list[str]) -> dict[str, np.ndarray]:
        values = {}
        for name in names:
            blocks = [half.encode(cohort, name) for half in self.halves_]
            own = [self.singles_[name].logits(cohort)] if self.singles_ else []
            values[name] = np.concatenate([*blocks, *own], axis=1)
        return values

    def _nothing(self, records: int) -> np.ndarray:
        return np.zeros((records, 0))

    def _blocks(self, values: Mapping[str, np.ndarray], which: int, records: int) -> dict[str, np.ndarray]:
        """One half's blocks out of the values of both, which lie side by side."""
        blocks = {}
        for name in self.modalities_:
            widths = [len(half.blocks.preparations[name].names_) for half in self.halves_]
            start = sum(widths[:which])
            block = values[name][:, start : start + widths[which]]
            blocks[name] = block if block.shape[1] else np.zeros((records, widths[which]))
        return blocks

    def _decide(self, values: dict[str, np.ndarray], present: np.ndarray) -> np.ndarray:
        each = [half.logits(self._blocks(values, k, len(present)), present) for k, half in enumerate(self.halves_)]
        fused = np.asarray(np.mean(each, axis=0))
        if not self.singles_:
            return fused
        outputs = len(self.prior_)
        own = [values[name][:, -outputs:] if there.any() else 0.0 for name, there in self._columns(present)]
        total = sum(np.where(there[:, None], z, 0.0) for z, (_, there) in zip(own, self._columns(present), strict=True))
        return np.asarray((fused + total / present.sum(1, keepdims=True)) / 2)

    def _columns(self, present: np.ndarray) -> list[tuple[str, np.ndarray]]:
        return list(zip(self.modalities_, present.T, strict=True))

    def _anatomy(self, cohort: Cohort, encoded: Encoded, present: list[str]) -> Anatomy:
        blocks = [self._blocks(encoded.values, k, 1) for k in range(len(self.halves_))]
        said = {name: encoded.values[name][0, -len(self.prior_) :] for name in present}
        parts = EarlyParts(self.halves_, self.singles_, blocks=blocks, said=said, prior=self.prior_logits_)
        return parts.anatomy(cohort, present, encoded.present, self.decide(encoded)[0])

    @property
    def loss_curves_(self) -> dict[str, tuple[Epoch, ...]]:
        """The loss curve of every extractor, by modality and half, and of every model of a modality alone."""
        curves = {
            f"{name}, half {k + 1}": model.curve
            for k, half in enumerate(self.halves_)
            for name, model in half.extractors.items()
        }
        own = {f"{name}, alone": m.curve for name, m in self.singles_.items() if isinstance(m, NetworkModel)}
        return curves | own

    @property
    def stored_(self) -> bool:
        """Whether everything learned has a safe form on disk."""
        networks = [*(m for half in self.halves_ for m in half.extractors.values()), *self.singles_.values()]
        return all(half.learner.stored for half in self.halves_) and all(model.stored for model in networks)

    def _learned(self) -> dict[str, Any]:
        chosen = {"kind": self.kind, "fill": fill_name(self.fill), "cells": self.cells}
        singles = {name: model.to_state() for name, model in self.singles_.items()}
        return {**chosen, "halves": [half.to_state() for half in self.halves_], "singles": singles}

    def _restore(self, state: Mapping[str, Any]) -> None:
        self.kind, self.fill, self.cells = state["kind"], state.get("fill", SKIP), state.get("cells", MEDIAN)
        self.halves_ = [Half.from_state(half) for half in state["halves"]]
        self.singles_ = {name: single_from_state(model) for name, model in state.get("singles", {}).items()}
        self.single_heads = bool(self.singles_)
