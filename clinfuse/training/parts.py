"""How the fitted model of one modality enters an explanation."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import final

import numpy as np
import torch
from torch import Tensor

from clinfuse.cohort.cohort import Cohort
from clinfuse.training.linear import LinearLearner
from clinfuse.training.models import LearnerModel, NetworkModel, SingleModel


@final
@dataclass(frozen=True, eq=False)
class Part:
    """One present modality of one record, as a function from its input to something a fusion takes.

    Parameters
    ----------
    input, baseline : ndarray of float32, (1, ...)
    feature_names : tuple of str
        Of a table's prepared columns; empty for images and signals.
    logits : callable
        Input tensor (batch, ...) to logits, float64 (batch, outputs).
    """

    input: np.ndarray
    baseline: np.ndarray
    feature_names: tuple[str, ...]
    logits: Callable[[Tensor], Tensor]


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


def _network_part(model: NetworkModel, cohort: Cohort) -> Part:
    x, mask = model.inputs(cohort, np.array([0]))
    names = model.tables[model.name].names_ if model.tables else ()
    baseline = np.zeros(x.shape, np.float32)
    if mask.numel() == 0:
        baseline[:] = model.baseline

    def logits(batch: Tensor) -> Tensor:
        masks = mask.expand(len(batch), -1) if mask.numel() else mask
        return model.differentiable(batch.float(), masks).double()

    return Part(x.numpy(), baseline, tuple(names), logits)


def _logistic_part(model: LearnerModel, learner: LinearLearner, cohort: Cohort) -> Part:
    table = model.table(cohort).astype(np.float32)
    weights, bias = torch.from_numpy(learner.coefficients_), torch.from_numpy(learner.intercepts_)
    names = tuple(model.blocks.preparations[model.name].names_)
    # A standardised column is 0 at its training mean.
    return Part(table, np.zeros_like(table), names, lambda batch: batch.double() @ weights.T + bias)
