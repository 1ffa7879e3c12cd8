"""Late aggregators: how the predictions of single-modality models become one prediction.

Every pool works on logits in float64 and is written in torch, so that an attribution can run through it.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar, final

import numpy as np
import torch
from scipy.optimize import minimize
from torch import Tensor

from clinfuse.errors import ConfigError

SMALLEST_PROBABILITY = 1e-6


def probabilities(logits: Tensor, *, multilabel: bool) -> Tensor:
    """Give probabilities kept within [1e-6, 1 - 1e-6]: a softmax over classes, or a sigmoid per label."""
    chances = torch.sigmoid(logits) if multilabel else torch.softmax(logits, -1)
    return chances.clamp(SMALLEST_PROBABILITY, 1 - SMALLEST_PROBABILITY)


def as_logits(chances: Tensor, *, multilabel: bool) -> Tensor:
    """Give the logits of probabilities."""
    return torch.log(chances) - torch.log1p(-chances) if multilabel else torch.log(chances)


def _share(values: Tensor, weights: Tensor) -> Tensor:
    """Weighted mean over present modalities, (records, outputs): the weights are renormalised over what is there."""
    kept = torch.where((weights > 0)[..., None], values, torch.zeros_like(values))
    return (kept * weights[..., None]).sum(1) / weights.sum(1, keepdim=True)


class Pool(ABC):
    """Combine one set of logits per modality.

    Parameters
    ----------
    prior : ndarray of float64, (outputs,)
        Logits of the prior.
    multilabel : bool
    """

    name: ClassVar[str]
    learns: ClassVar[bool] = False
    linear: ClassVar[bool] = False

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


@final
class MeanPool(Pool):
    """Mean of the probabilities of the present modalities."""

    name = "mean"

    def combine(self, logits: Tensor, present: Tensor) -> Tensor:
        """Give the logits of the mean probability."""
        chances = _share(probabilities(logits, multilabel=self.multilabel), present.to(logits.dtype))
        return as_logits(chances, multilabel=self.multilabel)


@final
class LogitMeanPool(Pool):
    """Mean of the logits of the present modalities."""

    name = "logit mean"
    linear = True

    def combine(self, logits: Tensor, present: Tensor) -> Tensor:
        """Give the mean logits."""
        return _share(logits, present.to(logits.dtype))


@final
class EvidencePool(Pool):
    """Sum of the evidence of the present modalities: exact if they are independent within each class and calibrated.

    ``prior + sum of (logits - prior)``, also known as naive Bayes or product-of-experts pooling.
    """

    name = "evidence"
    linear = True

    def combine(self, logits: Tensor, present: Tensor) -> Tensor:
        """Give the prior's logits plus every present modality's departure from them."""
        prior = torch.as_tensor(self.prior)
        normal = logits if self.multilabel else torch.log_softmax(logits, -1)
        evidence = torch.where(present[..., None], normal - prior, torch.zeros_like(logits))
        return prior + evidence.sum(1)


@final
class VotePool(Pool):
    """Majority vote; a tie is decided by the prior.

    Each present modality gives one vote to its most probable class (or against or for each label); the prior adds
    one vote shared among the classes by their prevalence, which orders ties and keeps logits finite.
    """

    name = "majority vote"

    def combine(self, logits: Tensor, present: Tensor) -> Tensor:
        """Give the logits of the share of votes."""
        prior = probabilities(torch.as_tensor(self.prior), multilabel=self.multilabel)
        if self.multilabel:
            votes = (logits > 0).to(logits.dtype)
        else:
            votes = torch.nn.functional.one_hot(logits.argmax(-1), logits.shape[-1]).to(logits.dtype)
        counted = (votes * present[..., None]).sum(1)
        share = (counted + prior) / (present.sum(1, keepdim=True) + 1)
        return as_logits(share, multilabel=self.multilabel)


@final
class WeightedPool(Pool):
    """Mean probability, each modality weighing as the inverse of its out-of-fold Brier score, renormalised."""

    name = "weighted"
    learns = True

    def fit(self, logits: np.ndarray, present: np.ndarray, labels: np.ndarray, weights: np.ndarray) -> Pool:
        """Learn one weight per modality, float64 (modalities,), summing to 1."""
        chances = probabilities(torch.as_tensor(logits), multilabel=self.multilabel).numpy()
        truth, known = _targets(labels, logits.shape[-1], multilabel=self.multilabel)
        errors = (np.where(known[:, None], chances - truth[:, None], 0.0) ** 2).sum(-1)
        counted = weights[:, None] * present
        brier = (errors * counted).sum(0) / np.maximum(counted.sum(0), 1e-12)
        inverse = np.where(counted.sum(0) > 0, 1 / np.maximum(brier, 1e-3), 0.0)
        self.weights_ = inverse / inverse.sum()
        return self

    def combine(self, logits: Tensor, present: Tensor) -> Tensor:
        """Give the logits of the weighted mean probability."""
        weights = present * torch.as_tensor(self.weights_)
        # A record whose only modalities never occurred in training counts them equally.
        weights = torch.where(weights.sum(1, keepdim=True) > 0, weights, present.to(logits.dtype))
        chances = _share(probabilities(logits, multilabel=self.multilabel), weights)
        return as_logits(chances, multilabel=self.multilabel)

    def learned(self) -> dict[str, Any]:
        """Give the weights."""
        return {"weights": self.weights_}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take the weights back."""
        self.weights_ = state["weights"]


@final
class StackedPool(Pool):
    """Logistic regression on out-of-fold logits, with missing indicators and slopes that are never negative.

    ``prior + offset + sum over present of slope_m (logits_m - prior) + sum over absent of shift_m``. A modality that
    says nothing gets a slope of 0; an absent one only its shift.

    References
    ----------
    Breiman 1996, Stacked regressions, doi 10.1007/BF00117832 (slopes of at least 0).
    """

    name = "stacked"
    learns = True
    linear = True

    slope_penalty = 1.0
    shift_penalty = 10.0

    def fit(self, logits: np.ndarray, present: np.ndarray, labels: np.ndarray, weights: np.ndarray) -> Pool:
        """Learn slopes (modalities,), offsets (outputs,) and shifts (modalities, outputs), float64."""
        _, modalities, outputs = logits.shape
        truth, known = _targets(labels, outputs, multilabel=self.multilabel)
        evidence = np.where(present[..., None], logits - self.prior, 0.0)
        absent = (~present).astype(np.float64)
        counted = weights[:, None] * known

        def unpack(flat: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
            slopes, offsets = flat[:modalities], flat[modalities : modalities + outputs]
            return slopes, offsets, flat[modalities + outputs :].reshape(modalities, outputs)

        def loss(flat: np.ndarray) -> tuple[float, np.ndarray]:
            slopes, offsets, shifts = unpack(flat)
            z = self.prior + offsets + np.einsum("nmk,m->nk", evidence, slopes) + absent @ shifts
            each, error = _log_loss(z, truth, counted, multilabel=self.multilabel)
            gradient = np.concatenate(
                [
                    np.einsum("nk,nmk->m", error, evidence) + self.slope_penalty * slopes,
                    error.sum(0) + 1e-3 * offsets,
                    (absent.T @ error + self.shift_penalty * shifts).ravel(),
                ]
            )
            penalty = self.slope_penalty * slopes @ slopes + 1e-3 * offsets @ offsets
            return each + 0.5 * (penalty + self.shift_penalty * float((shifts**2).sum())), gradient

        size = modalities + outputs + modalities * outputs
        start = np.concatenate([np.full(modalities, 0.5), np.zeros(size - modalities)])
        bounds = [(0.0, None)] * modalities + [(None, None)] * (size - modalities)
        found = minimize(loss, start, jac=True, method="L-BFGS-B", bounds=bounds, options={"maxiter": 500})
        self.slopes_, self.offsets_, self.shifts_ = unpack(found.x)
        return self

    def combine(self, logits: Tensor, present: Tensor) -> Tensor:
        """Give the stacked logits."""
        prior = torch.as_tensor(self.prior)
        evidence = torch.where(present[..., None], logits - prior, torch.zeros_like(logits))
        weighted = (evidence * torch.as_tensor(self.slopes_)[:, None]).sum(1)
        absent = (~present).to(logits.dtype) @ torch.as_tensor(self.shifts_)
        return prior + torch.as_tensor(self.offsets_) + weighted + absent

    def learned(self) -> dict[str, Any]:
        """Give slopes, offsets and shifts."""
        return {"slopes": self.slopes_, "offsets": self.offsets_, "shifts": self.shifts_}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take slopes, offsets and shifts back."""
        self.slopes_, self.offsets_, self.shifts_ = state["slopes"], state["offsets"], state["shifts"]


def _targets(labels: np.ndarray, outputs: int, *, multilabel: bool) -> tuple[np.ndarray, np.ndarray]:
    """Truth as 0/1 (rows, outputs), and which of it is known."""
    if multilabel:
        return (labels == 1).astype(np.float64), labels >= 0
    return np.eye(outputs)[np.maximum(labels, 0)], np.repeat((labels >= 0)[:, None], outputs, axis=1)


def _log_loss(z: np.ndarray, truth: np.ndarray, counted: np.ndarray, *, multilabel: bool) -> tuple[float, np.ndarray]:
    """Weighted log loss and its gradient by the logits."""
    if multilabel:
        value = float((counted * (np.logaddexp(0, z) - truth * z)).sum())
        return value, counted * (1 / (1 + np.exp(-z)) - truth)
    highest = z.max(1, keepdims=True)
    log_sum = highest[:, 0] + np.log(np.exp(z - highest).sum(1))
    value = float((counted[:, 0] * (log_sum - (truth * z).sum(1))).sum())
    return value, counted * (np.exp(z - log_sum[:, None]) - truth)


_POOLS: dict[str, type[Pool]] = {
    pool.name: pool for pool in (EvidencePool, LogitMeanPool, MeanPool, StackedPool, VotePool, WeightedPool)
}


def pool_names() -> tuple[str, ...]:
    """Give the names of all pools, sorted."""
    return tuple(sorted(_POOLS))


def build_pool(name: str, prior: np.ndarray, *, multilabel: bool) -> Pool:
    """Give an unfitted pool by its name.

    Raises
    ------
    ConfigError
        ``POOL_NAME``: no such pool; the message lists those there are.
    """
    if name not in _POOLS:
        raise ConfigError(
            "POOL_NAME",
            place="late fusion",
            rule=f"combine must be one of {', '.join(pool_names())}",
            found="another name",
            remedy="Correct combine.",
        )
    return _POOLS[name](prior, multilabel=multilabel)


def pool_from_state(state: Mapping[str, Any]) -> Pool:
    """Give the pool that `Pool.to_state` described."""
    pool = build_pool(state["pool"], state["prior"], multilabel=bool(state["multilabel"]))
    pool.restore(state)
    return pool
