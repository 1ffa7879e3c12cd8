"""Late aggregators that learn from predictions for patients their models never saw."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, final

import numpy as np
import torch
from scipy.optimize import minimize
from torch import Tensor

from clinfuse.fusion.pool import Pool, as_logits, log_loss, probabilities, share, targets


@final
class WeightedPool(Pool):
    """Mean probability with weights, renormalised over the modalities that are present.

    Parameters
    ----------
    prior : ndarray of float64, (outputs,)
        Logits of the prior.
    multilabel : bool
    weights : ndarray of float64, (modalities,), optional
        Declared ones, summing to 1; else each modality weighs as the inverse of its out-of-fold Brier score.
    """

    name = "weighted"
    learns = True

    def __init__(self, prior: np.ndarray, *, multilabel: bool, weights: np.ndarray | None = None) -> None:
        super().__init__(prior, multilabel=multilabel)
        if weights is not None:
            self.weights_, self.learns = weights, False

    def fit(self, logits: np.ndarray, present: np.ndarray, labels: np.ndarray, weights: np.ndarray) -> Pool:
        """Learn one weight per modality, float64 (modalities,), summing to 1."""
        chances = probabilities(torch.as_tensor(logits), multilabel=self.multilabel).numpy()
        truth, known = targets(labels, logits.shape[-1], multilabel=self.multilabel)
        errors = (np.where(known[:, None], chances - truth[:, None], 0.0) ** 2).sum(-1)
        counted = weights[:, None] * present
        brier = (errors * counted).sum(0) / np.maximum(counted.sum(0), 1e-12)
        inverse = np.where(counted.sum(0) > 0, 1 / np.maximum(brier, 1e-3), 0.0)
        self.weights_ = inverse / inverse.sum()
        return self

    def combine(self, logits: Tensor, present: Tensor) -> Tensor:
        """Give the logits of the weighted mean probability."""
        weights = present * torch.as_tensor(self.weights_)
        # A record whose only modalities never occurred in training, or weigh nothing, counts them equally.
        weights = torch.where(weights.sum(1, keepdim=True) > 0, weights, present.to(logits.dtype))
        chances = share(probabilities(logits, multilabel=self.multilabel), weights)
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
        truth, known = targets(labels, outputs, multilabel=self.multilabel)
        evidence = np.where(present[..., None], logits - self.prior, 0.0)
        absent = (~present).astype(np.float64)
        counted = weights[:, None] * known

        def unpack(flat: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
            slopes, offsets = flat[:modalities], flat[modalities : modalities + outputs]
            return slopes, offsets, flat[modalities + outputs :].reshape(modalities, outputs)

        def loss(flat: np.ndarray) -> tuple[float, np.ndarray]:
            slopes, offsets, shifts = unpack(flat)
            z = self.prior + offsets + np.einsum("nmk,m->nk", evidence, slopes) + absent @ shifts
            each, error = log_loss(z, truth, counted, multilabel=self.multilabel)
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


@final
class CalibratedMeanPool(Pool):
    """Mean of the probabilities of the present modalities, each calibrated on out-of-fold logits first.

    Calibration is a logistic regression of the outcome on one modality's logits, with a slope of at least 0, over the
    records that have it. Beside an elastic net on the health records it is the late elastic average of Huang 2020.

    References
    ----------
    Huang et al. 2020, doi 10.1038/s41598-020-78888-w; Platt 1999, Probabilistic outputs for support vector machines.
    """

    name = "calibrated mean"
    learns = True
    masked = False

    def fit(self, logits: np.ndarray, present: np.ndarray, labels: np.ndarray, weights: np.ndarray) -> Pool:
        """Learn slopes (modalities,) and offsets (modalities, outputs), float64; 1 and 0 where nobody has it."""
        self.slopes_, self.offsets_ = np.ones(logits.shape[1]), np.zeros(logits.shape[1:])
        for m, rows in enumerate(present.T):
            if rows.any():
                one = StackedPool(self.prior, multilabel=self.multilabel)
                one.fit(logits[rows][:, [m]], present[rows][:, [m]], labels[rows], weights[rows])
                self.slopes_[m], self.offsets_[m] = one.slopes_[0], one.offsets_
        return self

    def combine(self, logits: Tensor, present: Tensor) -> Tensor:
        """Give the logits of the mean calibrated probability."""
        prior = torch.as_tensor(self.prior)
        evidence = (logits - prior) * torch.as_tensor(self.slopes_)[:, None]
        chances = probabilities(prior + torch.as_tensor(self.offsets_) + evidence, multilabel=self.multilabel)
        return as_logits(share(chances, present.to(logits.dtype)), multilabel=self.multilabel)

    def learned(self) -> dict[str, Any]:
        """Give slopes and offsets."""
        return {"slopes": self.slopes_, "offsets": self.offsets_}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take slopes and offsets back."""
        self.slopes_, self.offsets_ = state["slopes"], state["offsets"]
