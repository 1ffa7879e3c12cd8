"""What every late aggregator is: predictions of single-modality models in, one prediction out.

Every pool works on logits in float64 and is written in torch, so that an attribution can run through it.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

SMALLEST_PROBABILITY = 1e-6


def probabilities(logits: Tensor, *, multilabel: bool) -> Tensor:
    """Give probabilities kept within [1e-6, 1 - 1e-6]: a softmax over classes, or a sigmoid per label."""
    chances = torch.sigmoid(logits) if multilabel else torch.softmax(logits, -1)
    return chances.clamp(SMALLEST_PROBABILITY, 1 - SMALLEST_PROBABILITY)


def as_logits(chances: Tensor, *, multilabel: bool) -> Tensor:
    """Give the logits of probabilities."""
    return torch.log(chances) - torch.log1p(-chances) if multilabel else torch.log(chances)


def share(values: Tensor, weights: Tensor) -> Tensor:
    """Weighted mean over present modalities, (records, outputs): the weights are renormalised over what is there."""
    kept = torch.where((weights > 0)[..., None], values, torch.zeros_like(values))
    return (kept * weights[..., None]).sum(1) / weights.sum(1, keepdim=True)


class Pool(ABC):
    """Combine one set of logits per modality.

    ``masked`` says that a pool that learns is to see records from which modalities were hidden beside the records as
    they are.

    Parameters
    ----------
    prior : ndarray of float64, (outputs,)
        Logits of the prior.
    multilabel : bool
    """

    name: ClassVar[str]
    learns: bool = False
    masked: ClassVar[bool] = True
    linear: ClassVar[bool] = False
    smooth: ClassVar[bool] = True

    def __init__(self, prior: np.ndarray, *, multilabel: bool) -> None:
        self.prior = np.asarray(prior, dtype=np.float64)
        self.multilabel = multilabel

    def fit(self, logits: np.ndarray, present: np.ndarray, labels: np.ndarray, weights: np.ndarray) -> Pool:
        """Learn from out-of-fold logits where the pool has something to learn; gives itself.

        Parameters
        ----------
        logits : ndarray of float64, (rows, modalities, outputs)
            Of models that never saw these records.
        present : ndarray of bool, (rows, modalities)
        labels : ndarray of int64, (rows,) or (rows, outputs)
        weights : ndarray of float64, (rows,)
        """
        del logits, present, labels, weights
        return self

    @abstractmethod
    def combine(self, logits: Tensor, present: Tensor) -> Tensor:
        """Give fused logits.

        Parameters
        ----------
        logits : Tensor of float64, (records, modalities, outputs)
            Rows of absent modalities may hold any finite value.
        present : Tensor of bool, (records, modalities)
            At least one per record.

        Returns
        -------
        Tensor of float64, (records, outputs)
        """

    def to_state(self) -> dict[str, Any]:
        """Give everything learned."""
        return {"pool": self.name, "prior": self.prior, "multilabel": self.multilabel, **self.learned()}

    def learned(self) -> dict[str, Any]:
        """Give learned values by name; empty where nothing is learned."""
        return {}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take learned values back."""
        del state


def targets(labels: np.ndarray, outputs: int, *, multilabel: bool) -> tuple[np.ndarray, np.ndarray]:
    """Truth as 0/1 (rows, outputs), and which of it is known."""
    if multilabel:
        return (labels == 1).astype(np.float64), labels >= 0
    return np.eye(outputs)[np.maximum(labels, 0)], np.repeat((labels >= 0)[:, None], outputs, axis=1)


def log_loss(z: np.ndarray, truth: np.ndarray, counted: np.ndarray, *, multilabel: bool) -> tuple[float, np.ndarray]:
    """Weighted log loss and its gradient by the logits."""
    if multilabel:
        value = float((counted * (np.logaddexp(0, z) - truth * z)).sum())
        return value, counted * (1 / (1 + np.exp(-z)) - truth)
    highest = z.max(1, keepdims=True)
    log_sum = highest[:, 0] + np.log(np.exp(z - highest).sum(1))
    value = float((counted[:, 0] * (log_sum - (truth * z).sum(1))).sum())
    return value, counted * (np.exp(z - log_sum[:, None]) - truth)
