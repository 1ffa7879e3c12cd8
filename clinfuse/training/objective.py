"""What training minimises, and what undoes the weighing of classes afterwards."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, final

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from clinfuse.errors import TrainingError
from clinfuse.training.options import TrainingOptions

_SURE = 1e-6


class Loss(Protocol):
    """What training minimises: a number for the logits of a batch, what they should be, and the rows that count."""

    def loss(self, logits: Tensor, targets: Tensor, rows: Tensor) -> Tensor:
        """Give a scalar."""
        ...


@final
@dataclass(frozen=True, eq=False)
class Objective:
    """Softmax cross-entropy for classes, binary cross-entropy per label if multilabel; unknown labels do not count.

    Parameters
    ----------
    multilabel : bool
    prior : ndarray of float64, (outputs,)
        Share of each class, or of each positive label, among the training records.
    balanced : bool
        Whether classes weigh equally.
    focusing : float
        Above 0, the focal loss: what a record counts falls with ``(1 - p) ** focusing``, p the probability given to
        what is true. It ranks as cross-entropy does and is minimised by other probabilities than the true ones.

    References
    ----------
    Lin et al. 2017, Focal loss for dense object detection, doi:10.1109/ICCV.2017.324.
    """

    multilabel: bool
    prior: np.ndarray
    balanced: bool
    focusing: float = 0.0

    def loss(self, logits: Tensor, targets: Tensor, rows: Tensor) -> Tensor:
        """Give the mean loss over the rows that count, a scalar; zero where none does.

        Parameters
        ----------
        logits : Tensor of float32, (batch, outputs)
        targets : Tensor of int64, (batch,) or (batch, outputs)
        rows : Tensor of bool, (batch,)
        """
        prior = torch.as_tensor(self.prior, dtype=logits.dtype, device=logits.device)
        if self.multilabel:
            known = (targets >= 0) & rows[:, None]
            weight = (1 - prior) / prior if self.balanced else None
            each = functional.binary_cross_entropy_with_logits(
                logits, targets.clamp(min=0).to(logits.dtype), reduction="none", pos_weight=weight
            )
            if self.focusing > 0:
                truth = targets.clamp(min=0).to(logits.dtype)
                plain = functional.binary_cross_entropy_with_logits(logits, truth, reduction="none")
                each = each * self._focus(plain)
            return torch.where(known, each, torch.zeros_like(each)).sum() / known.sum().clamp(min=1)
        known = (targets >= 0) & rows
        weight = 1 / (prior * len(prior)) if self.balanced else None
        each = functional.cross_entropy(logits, targets.clamp(min=0), reduction="none", weight=weight)
        if self.focusing > 0:
            each = each * self._focus(functional.cross_entropy(logits, targets.clamp(min=0), reduction="none"))
        return torch.where(known, each, torch.zeros_like(each)).sum() / known.sum().clamp(min=1)

    def _focus(self, surprise: Tensor) -> Tensor:
        """Give the focal factor of each record from its cross-entropy; its slope is kept finite where p is 1."""
        return (1 - torch.exp(-surprise)).clamp(min=_SURE) ** self.focusing


def training_objective(options: TrainingOptions, prior: np.ndarray, *, multilabel: bool) -> Objective:
    """Give the objective that training options name, for this prior."""
    focusing = options.focusing if options.loss == "focal" else 0.0
    return Objective(multilabel, prior, options.class_weight == "balanced", focusing)


def class_prior(labels: np.ndarray, outputs: int, *, multilabel: bool) -> np.ndarray:
    """Give the share of each class, or of each positive label, float64 (outputs,), kept away from 0 and 1.

    Parameters
    ----------
    labels : ndarray of int, (records,) or (records, outputs)
        -1 where unknown.
    outputs : int
    multilabel : bool

    Raises
    ------
    TrainingError
        ``TRAIN_ONE_CLASS``: a class without any training record.
    """
    if multilabel:
        positive, known = (labels == 1).sum(0), (labels >= 0).sum(0)
        missing = (positive == 0) | (positive == known)
        prior = positive / np.maximum(known, 1)
    else:
        counts = np.bincount(labels[labels >= 0], minlength=outputs)
        missing = counts == 0
        prior = counts / max(counts.sum(), 1)
    if missing.any():
        raise TrainingError(
            "TRAIN_ONE_CLASS",
            place="training records",
            rule="every class needs at least one record",
            found=f"{int(missing.sum())} of {outputs} without",
            remedy="Use fewer folds or more records.",
        )
    return np.asarray(prior, dtype=np.float64)


def prior_logits(prior: np.ndarray, *, multilabel: bool) -> np.ndarray:
    """Give the logits of the prior, float64 (outputs,): the answer where nothing usable is present."""
    return np.log(prior / (1 - prior)) if multilabel else np.log(prior)


def weighing_correction(prior: np.ndarray, *, multilabel: bool, weighed: bool) -> np.ndarray:
    """Give what is added to the logits of a network trained on equally weighing classes, float64 (outputs,).

    References
    ----------
    Elkan 2001, The foundations of cost-sensitive learning (prior shift in the logit).
    """
    if not weighed:
        return np.zeros(len(prior))
    return np.log(prior / (1 - prior)) if multilabel else np.log(prior * len(prior))
