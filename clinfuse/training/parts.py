"""How the fitted model of one modality enters an explanation."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import final

import numpy as np
import torch
from torch import Tensor, nn

from clinfuse.cohort.cohort import Cohort
from clinfuse.encoders.table import TablePreparation
from clinfuse.training.explainable import Anatomy
from clinfuse.training.linear import LinearLearner
from clinfuse.training.models import LearnerModel, NetworkModel, SingleModel


@final
@dataclass(frozen=True, eq=False)
class Part:
    """One present modality of one record, as a function from its input to something a fusion takes.

    Parameters
    ----------
    input, baseline : ndarray of float32, (1, ...)
    median : ndarray of float32, (1, width)
        Of a table; else (0,).
    feature_names : tuple of str
        Of a table's prepared columns; empty for images and signals.
    logits : callable
        Input tensor (batch, ...) to logits, float64 (batch, outputs).
    encoders : tuple of nn.Module
        The network, if there is one.
    """

    input: np.ndarray
    baseline: np.ndarray
    median: np.ndarray
    feature_names: tuple[str, ...]
    logits: Callable[[Tensor], Tensor]
    encoders: tuple[nn.Module, ...] = ()


def differentiable(model: SingleModel) -> bool:
    """Say whether gradients run through this model to its input."""
    return isinstance(model, NetworkModel) or (
        isinstance(model, LearnerModel) and isinstance(model.learner, LinearLearner)
    )


def part_of(model: SingleModel, cohort: Cohort) -> Part:
    """Give the part of a differentiable model for the only record of a cohort."""
    if isinstance(model, NetworkModel):
        return _network_part(model, cohort)
    if isinstance(model, LearnerModel) and isinstance(model.learner, LinearLearner):
        return _logistic_part(model, model.learner, cohort)
    message = f"{type(model).__name__} has no gradient"
    raise TypeError(message)


def median_row(preparation: object) -> np.ndarray:
    """Give a prepared row with nothing unusual in it, float32 (1, width); (0,) where there is no table behind it."""
    table = getattr(preparation, "table", preparation)
    return table.middle().astype(np.float32) if isinstance(table, TablePreparation) else np.zeros(0, np.float32)


def _network_part(model: NetworkModel, cohort: Cohort) -> Part:
    x, mask = model.inputs(cohort, np.array([0]))
    table = model.tables.get(model.name)
    baseline = np.zeros(x.shape, np.float32)
    if mask.numel() == 0:
        baseline[:] = model.baseline

    def logits(batch: Tensor) -> Tensor:
        masks = mask.expand(len(batch), -1) if mask.numel() else mask
        return model.differentiable(batch.float(), masks).double()

    names = () if table is None else tuple(table.names_)
    return Part(x.numpy(), baseline, median_row(table), names, logits, (model.network.encoder,))


def _logistic_part(model: LearnerModel, learner: LinearLearner, cohort: Cohort) -> Part:
    table = model.table(cohort).astype(np.float32)
    weights, bias = torch.from_numpy(learner.coefficients_), torch.from_numpy(learner.intercepts_)
    preparation = model.blocks.preparations[model.name]
    # A standardised column is 0 at its training mean.
    return Part(
        table,
        np.zeros_like(table),
        median_row(preparation),
        tuple(preparation.names_),
        lambda batch: batch.double() @ weights.T + bias,
    )


@final
class SingleParts:
    """The models of one modality each, taken apart side by side for one record.

    Parameters
    ----------
    models : mapping of str to SingleModel
    cohort : Cohort
        Of the one record.
    present : sequence of str
        Modalities of it that count.
    own : mapping of str to ndarray of float64, (outputs,)
        What each model says of the record.
    """

    def __init__(
        self, models: Mapping[str, SingleModel], cohort: Cohort, present: Sequence[str], own: Mapping[str, np.ndarray]
    ) -> None:
        self.own = {name: torch.from_numpy(np.array(logits)) for name, logits in own.items()}
        self.functions: dict[str, Part] = {}
        self.parts: dict[str, np.ndarray] = {}
        self.names: dict[str, tuple[str, ...]] = {}
        self.methods: dict[str, str] = {}
        for name in present:
            model = models[name]
            if differentiable(model):
                self.functions[name] = part_of(model, cohort)
                self.names[name] = self.functions[name].feature_names
            elif isinstance(model, LearnerModel):
                self.parts[name] = model.learner.contributions(model.table(cohort))[0, :-1]
                self.names[name] = tuple(model.blocks.preparations[name].names_)
                self.methods[name] = model.learner.taken_apart

    def logits(self, name: str, given: Mapping[str, Tensor]) -> Tensor:
        """Give what one model says, float64 (batch, outputs), or (outputs,) where nothing of its modality is given."""
        if name not in given:
            return self.own[name]
        if name in self.functions:
            return self.functions[name].logits(given[name])
        return self.own[name] + given[name] - torch.from_numpy(self.parts[name].sum(0))

    def anatomy(self, logits: Callable[[Mapping[str, Tensor]], Tensor], *, smooth: bool = True) -> Anatomy:
        """Give the anatomy of a decision that is made of what the models say."""
        functions = self.functions.items()
        return Anatomy(
            logits,
            {name: part.input for name, part in functions},
            {name: part.baseline for name, part in functions},
            {name: part.median for name, part in functions if part.median.size},
            {name: names for name, names in self.names.items() if names},
            self.parts,
            self.methods,
            {name: part.encoders for name, part in functions if part.encoders},
            smooth=smooth,
        )
