"""Fitted models of one modality: a network on prepared inputs, or a learner on features."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any, final

import numpy as np
import torch
from torch import Tensor

from clinfuse.cohort.batch import load_batch
from clinfuse.cohort.cohort import Cohort
from clinfuse.encoders.base import Encoder
from clinfuse.encoders.choice import EncoderChoice, build_encoder, default_encoder
from clinfuse.encoders.table import TablePreparation
from clinfuse.training.blocks import FeatureBlocks, feature_preparation
from clinfuse.training.learners import Learner, LearnerRows, build_learner, learner_from_state
from clinfuse.training.loop import Epoch, TrainingRows, train
from clinfuse.training.memo import shared
from clinfuse.training.networks import SingleNetwork, embed
from clinfuse.training.objective import Objective, weighing_correction
from clinfuse.training.options import TrainingOptions
from clinfuse.training.seeds import derived_seed, quiet_torch

_PREDICTION_BATCH = 64
_TABLE_EMBEDDING = 16
_EMBEDDING = 32


def prepared_table(cohort: Cohort, name: str, preparation: TablePreparation) -> np.ndarray:
    """Give a health-record modality as a network takes it, float32 (records, width), zeros where absent."""
    column = cohort.names.index(name)
    rows = cohort.present[:, column]
    table = np.zeros((len(cohort), len(preparation.names_)), dtype=np.float32)
    if rows.any():
        table[rows] = preparation.transform(cohort.arrays(name)[rows])
    return table


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


class SingleModel(ABC):
    """A fitted model of one modality."""

    name: str
    stored: bool

    @abstractmethod
    def logits(self, cohort: Cohort) -> np.ndarray:
        """Give logits, float64 (records, outputs), zeros where the modality is absent."""

    @abstractmethod
    def to_state(self) -> dict[str, Any]:
        """Give everything learned, as JSON values and arrays."""


@final
class NetworkModel(SingleModel):
    """A trained network of one modality.

    Parameters
    ----------
    name : str
        Of the modality.
    network : SingleNetwork
        Trained, in evaluation mode.
    choice : str, EncoderChoice or callable
        What the encoder was built from.
    tables : mapping of str to TablePreparation
        The fold's preparation where the modality is a table, else empty.
    correction : ndarray of float64, (outputs,)
        Added to the network's logits: undoes the weighing of classes.
    baseline : ndarray of float32
        What the modality looks like on average over the training records; zeros for a signal.
    curve : tuple of Epoch
    """

    def __init__(
        self,
        name: str,
        network: SingleNetwork,
        *,
        choice: Any,
        tables: Mapping[str, TablePreparation],
        correction: np.ndarray,
        baseline: np.ndarray,
        curve: tuple[Epoch, ...],
    ) -> None:
        self.name = name
        self.network = network
        self.choice = choice
        self.tables = dict(tables)
        self.correction = correction
        self.baseline = baseline
        self.curve = curve
        self.stored = isinstance(choice, str | EncoderChoice)

    def inputs(self, cohort: Cohort, rows: np.ndarray) -> tuple[Tensor, Tensor]:
        """Give what the network sees of some records: inputs and window mask (empty without windows)."""
        only = cohort.without(*(other for other in cohort.names if other != self.name))
        tables = {name: prepared_table(only, name, preparation) for name, preparation in self.tables.items()}
        batch = load_batch(only, rows, tables)
        return batch.inputs[self.name], batch.window_masks.get(self.name, torch.zeros(0, dtype=torch.bool))

    def embeddings(self, cohort: Cohort) -> np.ndarray:
        """Give embeddings, float64 (records, features), zeros where the modality is absent."""
        encoder = self.network.encoder
        result = np.zeros((len(cohort), encoder.features))
        rows = np.flatnonzero(cohort.present[:, cohort.names.index(self.name)])
        with torch.no_grad():
            for start in range(0, len(rows), _PREDICTION_BATCH):
                chosen = rows[start : start + _PREDICTION_BATCH]
                result[chosen] = embed(encoder, *self.inputs(cohort, chosen)).double().numpy()
        return result

    def head_logits(self, z: np.ndarray) -> np.ndarray:
        """Give logits of embeddings, in float64."""
        head = self.network.head
        weight, bias = head.weight.detach().double().numpy(), head.bias.detach().double().numpy()
        return z @ weight.T + bias + self.correction

    def logits(self, cohort: Cohort) -> np.ndarray:
        """Give logits, float64 (records, outputs), zeros where the modality is absent."""
        rows = cohort.present[:, cohort.names.index(self.name)]
        return np.where(rows[:, None], self.head_logits(self.embeddings(cohort)), 0.0)

    def differentiable(self, x: Tensor, mask: Tensor) -> Tensor:
        """Give logits with gradients to the input, (batch, outputs)."""
        correction = torch.as_tensor(self.correction, dtype=torch.float32)
        return self.network(x, mask) + correction

    def to_state(self) -> dict[str, Any]:
        """Give choice, shapes, weights, preparation, correction and curve."""
        encoder = self.network.encoder
        return {
            "model": "network",
            "name": self.name,
            "choice": choice_state(self.choice),
            "input_shape": list(encoder.input_shape),
            "features": encoder.features,
            "dropout": self.network.dropout.p,
            "weights": {key: value.numpy() for key, value in self.network.state_dict().items()},
            "tables": {name: preparation.to_state() for name, preparation in self.tables.items()},
            "correction": self.correction,
            "baseline": self.baseline,
            "curve": [asdict(epoch) for epoch in self.curve],
        }

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> NetworkModel:
        """Give the model that `to_state` described."""
        choice = choice_from_state(state["choice"])
        encoder = build_encoder(choice, tuple(state["input_shape"]), seed=0, features=state["features"])
        network = SingleNetwork(encoder, len(state["correction"]), dropout=state["dropout"])
        network.load_state_dict({key: torch.from_numpy(value) for key, value in state["weights"].items()})
        network.eval()
        return cls(
            state["name"],
            network,
            choice=choice,
            tables={name: TablePreparation.from_state(s) for name, s in state["tables"].items()},
            correction=state["correction"],
            baseline=state["baseline"],
            curve=tuple(Epoch(**epoch) for epoch in state["curve"]),
        )


@final
class LearnerModel(SingleModel):
    """A learner on one modality's original features: its columns, or its summary features.

    Parameters
    ----------
    name : str
        Of the modality.
    blocks : FeatureBlocks
        Fitted, of this modality alone.
    learner : Learner
        Fitted.
    """

    def __init__(self, name: str, blocks: FeatureBlocks, learner: Learner) -> None:
        self.name = name
        self.blocks = blocks
        self.learner = learner
        self.stored = learner.stored

    def table(self, cohort: Cohort) -> np.ndarray:
        """Give the prepared features, float64 (records, width)."""
        present = cohort.present[:, [cohort.names.index(self.name)]]
        return self.blocks.matrix({self.name: cohort.features(self.name).values}, present)

    def logits(self, cohort: Cohort) -> np.ndarray:
        """Give logits, float64 (records, outputs), zeros where the modality is absent."""
        rows = cohort.present[:, cohort.names.index(self.name)]
        return np.where(rows[:, None], self.learner.logits(self.table(cohort)), 0.0)

    def to_state(self) -> dict[str, Any]:
        """Give the preparation and the learner."""
        return {
            "model": "learner",
            "name": self.name,
            "blocks": self.blocks.to_state(),
            "learner": self.learner.to_state(),
        }

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> LearnerModel:
        """Give the model that `to_state` described."""
        return cls(state["name"], FeatureBlocks.from_state(state["blocks"]), learner_from_state(state["learner"]))


def single_from_state(state: Mapping[str, Any]) -> SingleModel:
    """Give the stored model of one modality."""
    return NetworkModel.from_state(state) if state["model"] == "network" else LearnerModel.from_state(state)


def choice_state(choice: Any) -> dict[str, Any]:
    """Give an encoder's choice as JSON values."""
    return {"name": choice} if isinstance(choice, str) else asdict(choice)


def choice_from_state(state: Mapping[str, Any]) -> str | EncoderChoice:
    """Give the choice that `choice_state` described; stored weights replace the file they once came from."""
    if set(state) == {"name"}:
        return str(state["name"])
    return EncoderChoice(**{**state, "weights": ""})


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
    """
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
    balanced = recipe.options.class_weight == "balanced"
    with quiet_torch(seed, recipe.options.threads):
        encoder = network_encoder(choice, cohort, name, width, seed=recipe.seed)
        network = SingleNetwork(encoder, len(prior), dropout=recipe.options.dropout)
        seen = training_inputs(data, name)
        encoder.adapt(seen)
        objective = Objective(multilabel, prior, balanced)
        curve = train(network, data, objective, options=recipe.options, seed=seed)
    baseline = np.zeros(seen.shape[1:], np.float32) if modality.windowed else seen.mean(0).numpy()
    weighed = recipe.options.class_weight != "none"
    correction = weighing_correction(prior, multilabel=multilabel, weighed=weighed)
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
    learner.fit(blocks.matrix(values, cohort.present), labels, rows)
    return LearnerModel(name, blocks, learner)
