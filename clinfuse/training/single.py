"""Fitting a model of one modality, once for all classifiers that need it."""

from __future__ import annotations

import warnings
from typing import Any, final

import numpy as np
from torch import Tensor

from clinfuse.cohort.batch import load_batch
from clinfuse.cohort.cohort import Cohort
from clinfuse.encoders.base import Encoder
from clinfuse.encoders.choice import build_encoder, default_encoder
from clinfuse.errors import DataWarning
from clinfuse.training.blocks import FeatureBlocks, feature_preparation
from clinfuse.training.learner import LearnerRows
from clinfuse.training.learners import build_learner
from clinfuse.training.loop import TrainingRows, train
from clinfuse.training.memo import shared
from clinfuse.training.models import LearnerModel, NetworkModel, PriorModel, SingleModel, prepared_table
from clinfuse.training.networks import SingleNetwork
from clinfuse.training.objective import class_prior, prior_logits, training_objective, weighing_correction
from clinfuse.training.options import TrainingOptions
from clinfuse.training.seeds import derived_seed, quiet_torch

_TABLE_EMBEDDING = 16
_EMBEDDING = 32


def network_encoder(choice: Any, cohort: Cohort, name: str, width: int, *, seed: int) -> Encoder:
    """Give the untrained encoder of a modality, its weights drawn from the seed."""
    modality = cohort.modality(name)
    shape = (width,) if modality.kind == "ehr" else modality.encoder_shape
    features = _TABLE_EMBEDDING if modality.kind == "ehr" else _EMBEDDING
    return build_encoder(choice, shape, seed=derived_seed(seed, "weights", name), features=features)


def training_inputs(data: TrainingRows, name: str) -> Tensor:
    """Give what the encoder of one modality sees of all training records that have it, float32 (items, ...)."""
    column = data.cohort.names.index(name)
    rows = np.flatnonzero(data.cohort.present[:, column])
    batch = load_batch(data.cohort, rows, data.tables)
    x = batch.inputs[name]
    return x.flatten(0, 1)[batch.window_masks[name].flatten()] if name in batch.window_masks else x


def can_be_learned(cohort: Cohort, name: str, labels: np.ndarray, outputs: int) -> bool:
    """Say whether every class has at least two patients among the records that have a modality.

    Parameters
    ----------
    cohort : Cohort
    name : str
        Of the modality.
    labels : ndarray of int64, (records,) or (records, labels)
    outputs : int
        Classes, or labels if multilabel.
    """
    rows = cohort.present[:, cohort.names.index(name)]
    columns = labels[rows].T if labels.ndim == 2 else [labels[rows]]
    classes = range(2) if labels.ndim == 2 else range(outputs)
    patients = cohort.groups[rows]
    return all(len(np.unique(patients[column == k])) >= 2 for column in columns for k in classes)


def fit_single(
    cohort: Cohort, name: str, labels: np.ndarray, *, recipe: SingleRecipe, prior: np.ndarray, multilabel: bool
) -> SingleModel:
    """Fit a model of one modality on the records that have it; inside `sharing_fits` each fit is made once.

    Parameters
    ----------
    cohort : Cohort
        Training records, sorted by id.
    name : str
        Of the modality.
    labels : ndarray of int64, (records,) or (records, labels)
    recipe : SingleRecipe
    prior : ndarray of float64, (outputs,)
        Share of each class among all training records.
    multilabel : bool

    Warns
    -----
    DataWarning
        ``MODALITY_RARE``: a class with fewer than two patients among the records that have the modality; the model is
        then the prior.
    """
    if not can_be_learned(cohort, name, labels, len(prior)):
        warnings.warn(
            f"[MODALITY_RARE] modality {name}: too few of its training records to learn from; answered with the prior",
            DataWarning,
            stacklevel=2,
        )
        return PriorModel(name, prior_logits(prior, multilabel=multilabel))
    rows = np.flatnonzero(cohort.present[:, cohort.names.index(name)])
    only = cohort.without(*(other for other in cohort.names if other != name))[rows]
    key = (name, recipe.key, tuple(only.record_ids), labels[rows].tobytes(), prior.tobytes())
    fit = _fit_learner if recipe.on_features else _fit_network
    return shared(key, lambda: fit(only, name, labels[rows], recipe, prior, multilabel))


@final
class SingleRecipe:
    """How one modality's model is made.

    Parameters
    ----------
    encoder : str, EncoderChoice or callable
        Empty text takes the default of the modality's kind.
    learner : str or scikit-learn classifier
        Empty text trains a network instead.
    options : TrainingOptions
    seed : int
    """

    def __init__(self, *, encoder: Any, learner: Any, options: TrainingOptions, seed: int) -> None:
        self.encoder = encoder
        self.learner = learner
        self.options = options
        self.seed = seed

    @property
    def on_features(self) -> bool:
        """Whether a learner is fitted; an ensemble of scikit-learn is asked by its type, for it may have a length."""
        return not (isinstance(self.learner, str) and self.learner == "")

    @property
    def key(self) -> tuple[object, ...]:
        """What makes this recipe differ from another."""
        return (repr(self.encoder), repr(self.learner), self.options, self.seed)


def training_correction(
    labels: np.ndarray, prior: np.ndarray, options: TrainingOptions, *, multilabel: bool
) -> np.ndarray:
    """Give what undoes the weighing of classes, float64 (outputs,).

    Weights are taken from the prior of all training records, samples from the records a network is trained on: each
    is undone by what it was done with.
    """
    sampled = options.class_weight == "sampled"
    shares = class_prior(labels, len(prior), multilabel=multilabel) if sampled else prior
    return weighing_correction(shares, multilabel=multilabel, weighed=options.class_weight != "none")


def _fit_network(
    cohort: Cohort, name: str, labels: np.ndarray, recipe: SingleRecipe, prior: np.ndarray, multilabel: bool
) -> SingleModel:
    modality = cohort.modality(name)
    tables = {}
    if modality.kind == "ehr":
        tables[name] = feature_preparation(cohort, name, style="network").fit(cohort.arrays(name))
    data = TrainingRows(cohort, labels, {n: prepared_table(cohort, n, p) for n, p in tables.items()})
    choice = recipe.encoder or default_encoder(modality.kind)
    width = data.tables[name].shape[1] if tables else 0
    seed = derived_seed(recipe.seed, "network", name)
    with quiet_torch(seed, recipe.options.threads):
        encoder = network_encoder(choice, cohort, name, width, seed=recipe.seed)
        network = SingleNetwork(encoder, len(prior), dropout=recipe.options.dropout)
        seen = training_inputs(data, name)
        encoder.adapt(seen)
        objective = training_objective(recipe.options, prior, multilabel=multilabel)
        curve = train(network, data, objective, options=recipe.options, seed=seed)
    baseline = np.zeros(seen.shape[1:], np.float32) if modality.windowed else seen.mean(0).numpy()
    correction = training_correction(labels, prior, recipe.options, multilabel=multilabel)
    return NetworkModel(
        name, network, choice=choice, tables=tables, correction=correction, baseline=baseline, curve=curve
    )


def _fit_learner(
    cohort: Cohort, name: str, labels: np.ndarray, recipe: SingleRecipe, prior: np.ndarray, multilabel: bool
) -> SingleModel:
    learner = build_learner(recipe.learner, multilabel=multilabel)
    blocks = FeatureBlocks({name: feature_preparation(cohort, name, style=learner.style)}, style=learner.style)
    values = {name: cohort.features(name).values}
    blocks.fit(values, cohort.present)
    rows = LearnerRows(
        np.arange(len(cohort)), cohort.groups, cohort.record_ids, seed=derived_seed(recipe.seed, "learner", name)
    )
    table = blocks.matrix(values, cohort.present)
    if table.shape[1] == 0:
        return PriorModel(name, prior_logits(prior, multilabel=multilabel))
    learner.fit(table, labels, rows)
    return LearnerModel(name, blocks, learner)
