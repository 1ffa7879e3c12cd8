"""Late fusion: one model per modality, their predictions combined."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, final

import numpy as np
import torch
from scipy.special import logsumexp
from torch import Tensor

from clinfuse.cohort.cohort import Cohort
from clinfuse.errors import ConfigError
from clinfuse.fusion.fill import Fill
from clinfuse.fusion.missing import fill_from_state
from clinfuse.fusion.pool import Pool
from clinfuse.fusion.pooling import build_pool, pool_from_state
from clinfuse.training.blocks import masked_copies
from clinfuse.training.classifiers import FusionClassifier, as_tensor, refuse_single
from clinfuse.training.encoded import Encoded
from clinfuse.training.explainable import Anatomy
from clinfuse.training.fills import SKIP, check_fill, fill_name, fit_fill
from clinfuse.training.learner import LearnerRows
from clinfuse.training.loop import Epoch
from clinfuse.training.models import NetworkModel, single_from_state
from clinfuse.training.objective import class_prior, prior_logits
from clinfuse.training.options import TrainingOptions
from clinfuse.training.parts import SingleParts
from clinfuse.training.seeds import derived_seed
from clinfuse.training.single import SingleRecipe, fit_single
from clinfuse.training.splits import patient_folds
from clinfuse.training.taxonomy import FusionInput, fusion_class
from clinfuse.training.unimodal import default_learner


@final
class LateFusion(FusionClassifier):
    """Combine the predictions of one model per modality.

    Parameters
    ----------
    combine : {"stacked", "stacked by pattern", "per pattern", "weighted", "mean", "logit mean", "evidence", ...}
        `clinfuse.fusion.pooling.pool_names` lists all.
        ``"stacked"`` and ``"weighted"`` learn from predictions for patients that the models they come from never saw
        (``inner_folds`` by patient); the models used afterwards are fitted on all training records.
    encoders : mapping of str to str, EncoderChoice or callable, optional
        Network of a modality by its name; others take their kind's default.
    learners : mapping of str to {"logistic", "elastic-net", "lightgbm"} or scikit-learn classifier, optional
        Modalities that are learned from columns or summary features instead.
    inner_folds : int
    fill : {"skip", "knn", "mean", "regression", "zero"}
        What stands for the prediction of an absent modality. ``"skip"`` leaves it out: weights are renormalised over
        the modalities that are there. The others fill the logits, counted from the prior, so that ``"zero"`` lets an
        absent modality say the prior; they too learn from predictions for patients the models never saw.
    weights : mapping of str to float, optional
        With ``combine="weighted"``: what each modality weighs, instead of weights learned from Brier scores.
    options : TrainingOptions
    seed : int

    References
    ----------
    Huang et al. 2020, doi 10.1038/s41746-020-00341-z.

    Examples
    --------
    >>> LateFusion().taxonomy()
    'late, stacked'
    """

    def __init__(
        self,
        *,
        combine: str = "stacked",
        encoders: Mapping[str, Any] | None = None,
        learners: Mapping[str, Any] | None = None,
        inner_folds: int = 3,
        fill: Any = SKIP,
        weights: Mapping[str, float] | None = None,
        options: TrainingOptions = TrainingOptions(),
        seed: int = 0,
    ) -> None:
        self.combine = combine
        self.encoders = encoders
        self.learners = learners
        self.inner_folds = inner_folds
        self.fill = fill
        self.weights = weights
        self.options = options
        self.seed = seed

    def taxonomy(self) -> str:
        """Give ``"late"`` and how predictions are combined: the final model sees predictions only."""
        return f"{fusion_class([FusionInput('prediction')])}, {self.combine}"

    def _recipe(self, cohort: Cohort, name: str) -> SingleRecipe:
        encoder = (self.encoders or {}).get(name)
        learner = (self.learners or {}).get(name, default_learner(cohort, name, self.encoders))
        return SingleRecipe(encoder=encoder, learner=learner, options=self.options, seed=self.seed)

    def _fit(self, cohort: Cohort, labels: np.ndarray) -> None:
        refuse_single(cohort, 2)
        check_fill(self.fill)
        self.pool_ = self._pool(self.prior_logits_)
        self.fill_: Fill | None = None
        if self._learns:
            self.held_out_ = self._unseen_singles(cohort, labels)
            self.pool_, self.fill_ = self._learned_pool(cohort, labels, self.held_out_, self.prior_logits_)
        recipes = {name: self._recipe(cohort, name) for name in self.modalities_}
        self.models_ = {
            name: fit_single(cohort, name, labels, recipe=recipe, prior=self.prior_, multilabel=self.multilabel_)
            for name, recipe in recipes.items()
        }

    @property
    def _learns(self) -> bool:
        """Whether anything is learned from predictions for patients that the models never saw."""
        return self.pool_.learns or self.fill != SKIP

    def _pool(self, prior: np.ndarray) -> Pool:
        return build_pool(self.combine, prior, multilabel=self.multilabel_, weights=self._declared_weights())

    def _declared_weights(self) -> np.ndarray | None:
        """Weights in the order of the modalities, float64 (modalities,); None where they are not declared."""
        if self.weights is None:
            return None
        if set(self.weights) != set(self.modalities_):
            raise ConfigError(
                "POOL_WEIGHTS",
                place="late fusion",
                rule=f"weights name {', '.join(self.modalities_)}, each once",
                found="other modalities",
                remedy="Correct weights.",
            )
        return np.array([float(self.weights[name]) for name in self.modalities_])

    def _learned_pool(
        self, cohort: Cohort, labels: np.ndarray, logits: np.ndarray, prior: np.ndarray
    ) -> tuple[Pool, Fill | None]:
        """What is learned from the logits of models that never saw the patients they answer for."""
        pool, fill = self._pool(prior), None
        seed = derived_seed(self.seed, "pool")
        owners, masks = np.arange(len(cohort)), cohort.present
        if pool.masked:
            owners, masks = masked_copies(cohort.present, cohort.record_ids, self.options, seed=seed)
        kept = masks.any(1)
        owners, masks = owners[kept], masks[kept]
        rows = logits[owners]
        if self.fill != SKIP:
            belong = LearnerRows(owners, cohort.groups, cohort.record_ids, seed=seed)
            z = self._blocks(logits)
            fill, filled = fit_fill(self.fill, z, cohort.present, masks=masks, rows=belong)
            rows, masks = self._logits(filled), np.ones_like(masks)
        weights = 1 / np.bincount(owners)[owners]
        return pool.fit(rows, masks, labels[owners], weights), fill

    def _blocks(self, logits: np.ndarray) -> list[np.ndarray]:
        """Logits of each modality counted from the prior, as a fill takes them."""
        normal = logits if self.multilabel_ else logits - logsumexp(logits, axis=-1, keepdims=True)
        return list(np.moveaxis(normal - self.prior_logits_, 1, 0))

    def _logits(self, blocks: list[np.ndarray]) -> np.ndarray:
        return np.stack(blocks, axis=1) + self.prior_logits_

    def _filled(self, logits: np.ndarray, present: np.ndarray, fill: Fill | None) -> tuple[np.ndarray, np.ndarray]:
        """What the pool is given: logits (records, modalities, outputs) and which of them count."""
        if fill is None:
            return logits, present
        return self._logits(fill.fill(self._blocks(logits), present)), np.ones_like(present)

    def _combined(self, pool: Pool, fill: Fill | None, logits: np.ndarray, present: np.ndarray) -> np.ndarray:
        """Fused logits, float64 (records, outputs), of records with something present."""
        stacked, counted = self._filled(logits, present, fill)
        return pool.combine(as_tensor(stacked), torch.from_numpy(counted)).numpy()

    def _unseen_singles(self, cohort: Cohort, labels: np.ndarray) -> np.ndarray:
        """Out-of-fold logits, float64 (records, modalities, outputs): no model saw the patient it answers for."""
        logits = np.zeros((len(cohort), len(self.modalities_), len(self.prior_)))
        for train, test in self._cuts(cohort, labels):
            inner, outer = cohort[train], cohort[test]
            prior = class_prior(labels[train], len(self.prior_), multilabel=self.multilabel_)
            for column, name in enumerate(self.modalities_):
                recipe = self._recipe(cohort, name)
                model = fit_single(inner, name, labels[train], recipe=recipe, prior=prior, multilabel=self.multilabel_)
                logits[test, column] = model.logits(outer)
        return logits

    def _cuts(self, cohort: Cohort, labels: np.ndarray) -> list[tuple[np.ndarray, np.ndarray]]:
        seed = derived_seed(self.seed, "inner")
        return patient_folds(labels, cohort.groups, cohort.record_ids, folds=self.inner_folds, seed=seed)

    def unseen_logits(self, cohort: Cohort, labels: np.ndarray, *, folds: int) -> tuple[np.ndarray, np.ndarray]:
        """Give what is said of training records in the folds that hold them out, as every classifier does.

        The folds are the fusion's own ``inner_folds``: the models of each modality are those that the pool learned
        from, and what fuses a fold's logits was learned from those of the other folds. Nothing is trained again.
        """
        singles = self.held_out_ if self._learns else self._unseen_singles(cohort, labels)
        logits = np.tile(self.prior_logits_, (len(cohort), 1))
        held_in = np.zeros(len(cohort), dtype=np.int64)
        for number, (train, test) in enumerate(self._cuts(cohort, labels)):
            held_in[test] = number
            prior = class_prior(labels[train], len(self.prior_), multilabel=self.multilabel_)
            prior = prior_logits(prior, multilabel=self.multilabel_)
            pool, fill = self._pool(prior), None
            if self._learns:
                pool, fill = self._learned_pool(cohort[train], labels[train], singles[train], prior)
            there = test[cohort.present[test].any(1)]
            present = np.asarray(cohort.present[there])
            logits[there] = self._combined(pool, fill, singles[there], present)
        return logits, held_in

    def _encode(self, cohort: Cohort, names: list[str]) -> dict[str, np.ndarray]:
        return {name: self.models_[name].logits(cohort) for name in names}

    def _nothing(self, records: int) -> np.ndarray:
        return np.zeros((records, len(self.prior_)))

    def _decide(self, values: dict[str, np.ndarray], present: np.ndarray) -> np.ndarray:
        stacked = np.stack([values[name] for name in self.modalities_], axis=1)
        return self._combined(self.pool_, self.fill_, stacked, present)

    def _anatomy(self, cohort: Cohort, encoded: Encoded, present: list[str]) -> Anatomy:
        # What stands for an absent modality stays as it is for this record.
        stacked = np.stack([encoded.values[name] for name in self.modalities_], axis=1)
        filled, counted = self._filled(stacked, encoded.present, self.fill_)
        fixed, mask = as_tensor(filled), torch.from_numpy(counted)
        said = {name: filled[0, k] for k, name in enumerate(self.modalities_)}
        singles = SingleParts(self.models_, cohort, present, said)

        def logits(given: Mapping[str, Tensor]) -> Tensor:
            size = len(next(iter(given.values())))
            columns = [singles.logits(name, given).expand(size, -1) for name in self.modalities_]
            return self.pool_.combine(torch.stack(columns, 1), mask.expand(size, -1))

        anatomy = singles.anatomy(logits, smooth=self.pool_.smooth)
        return replace(anatomy, terms=self._terms(fixed, mask, present)) if self.pool_.linear else anatomy

    def _terms(self, logits: Tensor, mask: Tensor, present: list[str]) -> dict[str, np.ndarray]:
        """What each present modality adds to the fused logits of a linear pool, beyond a modality that says the prior.

        Each is float64 (outputs,): slope times the departure of its logits from the prior's.
        """
        fused, terms = self.pool_.combine(logits, mask)[0], {}
        for name in present:
            mute = logits.clone()
            mute[:, self.modalities_.index(name)] = torch.from_numpy(self.prior_logits_)
            terms[name] = (fused - self.pool_.combine(mute, mask)[0]).numpy()
        return terms

    @property
    def loss_curves_(self) -> dict[str, tuple[Epoch, ...]]:
        """The loss curve of every modality's network."""
        return {name: m.curve for name, m in self.models_.items() if isinstance(m, NetworkModel)}

    @property
    def stored_(self) -> bool:
        """Whether everything learned has a safe form on disk."""
        return all(model.stored for model in self.models_.values())

    def _learned(self) -> dict[str, Any]:
        models = {name: model.to_state() for name, model in self.models_.items()}
        fill = {} if self.fill_ is None else self.fill_.to_state()
        chosen = {"combine": self.combine, "fill": fill_name(self.fill)}
        return {**chosen, "pool": self.pool_.to_state(), "filled": fill, "models": models}

    def _restore(self, state: Mapping[str, Any]) -> None:
        self.combine, self.fill = state["combine"], state.get("fill", SKIP)
        self.fill_ = fill_from_state(state["filled"]) if state.get("filled") else None
        self.pool_ = pool_from_state(state["pool"])
        self.models_ = {name: single_from_state(model) for name, model in state["models"].items()}
