"""Late aggregators that learn nothing: means, sums of evidence, votes and extremes."""

from __future__ import annotations

from typing import final

import torch
from torch import Tensor

from clinfuse.fusion.pool import Pool, as_logits, probabilities, share


@final
class MeanPool(Pool):
    """Mean of the probabilities of the present modalities."""

    name = "mean"

    def combine(self, logits: Tensor, present: Tensor) -> Tensor:
        """Give the logits of the mean probability."""
        chances = share(probabilities(logits, multilabel=self.multilabel), present.to(logits.dtype))
        return as_logits(chances, multilabel=self.multilabel)


@final
class LogitMeanPool(Pool):
    """Mean of the logits of the present modalities."""

    name = "logit mean"
    linear = True

    def combine(self, logits: Tensor, present: Tensor) -> Tensor:
        """Give the mean logits."""
        return share(logits, present.to(logits.dtype))


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
