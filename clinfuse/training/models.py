"""Fitted models of one modality: a network on prepared inputs, a learner on features, or the prior alone."""

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
from clinfuse.encoders.choice import WITH_THE_MODEL, EncoderChoice, build_encoder
from clinfuse.encoders.table import TablePreparation
from clinfuse.training.blocks import FeatureBlocks
from clinfuse.training.learner import Learner
from clinfuse.training.learners import learner_from_state
from clinfuse.training.loop import Epoch
from clinfuse.training.networks import SingleNetwork, embed

_PREDICTION_BATCH = 64


def prepared_table(cohort: Cohort, name: str, preparation: TablePreparation) -> np.ndarray:
    """Give a health-record modality as a network takes it, float32 (records, width), zeros where absent."""
    column = cohort.names.index(name)
    rows = cohort.present[:, column]
    table = np.zeros((len(cohort), len(preparation.names_)), dtype=np.float32)
    if rows.any():
        table[rows] = preparation.transform(cohort.arrays(name)[rows])
    return table


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


@final
class PriorModel(SingleModel):
    """What is left of a modality too rare to learn from: the prior, whatever the record.

    Parameters
    ----------
    name : str
        Of the modality.
    prior : ndarray of float64, (outputs,)
        Logits of the prior among all training records.
    """

    stored = True

    def __init__(self, name: str, prior: np.ndarray) -> None:
        self.name = name
        self.prior = prior

    def logits(self, cohort: Cohort) -> np.ndarray:
        """Give the prior's logits, float64 (records, outputs), zeros where the modality is absent."""
        rows = cohort.present[:, cohort.names.index(self.name)]
        return np.where(rows[:, None], self.prior, 0.0)

    def to_state(self) -> dict[str, Any]:
        """Give the prior's logits."""
        return {"model": "prior", "name": self.name, "prior": self.prior}

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> PriorModel:
        """Give the model that `to_state` described."""
        return cls(state["name"], state["prior"])


def single_from_state(state: Mapping[str, Any]) -> SingleModel:
    """Give the stored model of one modality."""
    readers = {"network": NetworkModel.from_state, "learner": LearnerModel.from_state, "prior": PriorModel.from_state}
    return readers[state["model"]](state)


def choice_state(choice: Any) -> dict[str, Any]:
    """Give an encoder's choice as JSON values, without the place of the file its weights came from."""
    if isinstance(choice, str):
        return {"name": choice}
    return {**asdict(choice), "weights": WITH_THE_MODEL if choice.weights else ""}


def choice_from_state(state: Mapping[str, Any]) -> str | EncoderChoice:
    """Give the choice that `choice_state` described."""
    if set(state) == {"name"}:
        return str(state["name"])
    return EncoderChoice(**state)
