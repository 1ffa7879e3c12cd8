"""What draws the embeddings of one record together and those of different patients apart."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor
from torch.nn import functional


@final
@dataclass(frozen=True)
class ContrastiveLoss:
    """Symmetric cross-entropy of the pair that belongs together against all pairs of a batch that do not.

    Two records of one patient belong together and are not told apart: they are no negatives of each other.

    Parameters
    ----------
    weight : float
        By how much a negative counts that is alike (of the same stratum): 1 for no more than any other.

    References
    ----------
    Radford et al. 2021, Learning transferable visual models from natural language supervision, arXiv 2103.00020.
    Robinson et al. 2021, Contrastive learning with hard negative samples, arXiv 2010.04592 (weighed negatives).

    Examples
    --------
    >>> each = torch.tensor([[0, 0], [1, 0]])
    >>> round(float(ContrastiveLoss().loss(torch.zeros(2, 2), each, torch.tensor([True, True]))), 6)
    0.693147
    """

    weight: float = 1.0

    def loss(self, logits: Tensor, targets: Tensor, rows: Tensor) -> Tensor:
        """Give the mean loss of both directions, a scalar; zero where fewer than two rows count.

        Parameters
        ----------
        logits : Tensor of float32, (batch, batch)
            Similarity of row i's first modality with row j's second, divided by the temperature.
        targets : Tensor of int64, (batch, 2)
            Number of the patient, and of the stratum.
        rows : Tensor of bool, (batch,)
            Records that have both modalities.
        """
        if int(rows.sum()) < 2:
            return logits.sum() * 0.0
        patient, stratum = targets[rows].T
        scores = logits[rows][:, rows]
        own = torch.eye(len(patient), dtype=torch.bool, device=scores.device)
        alike = (stratum[:, None] == stratum[None]) & ~own
        scores = scores + alike * math.log(self.weight)
        scores = scores.masked_fill((patient[:, None] == patient[None]) & ~own, float("-inf"))
        each = torch.arange(len(patient), device=scores.device)
        return 0.5 * (functional.cross_entropy(scores, each) + functional.cross_entropy(scores.T, each))
