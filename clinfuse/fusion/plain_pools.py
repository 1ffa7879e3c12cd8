"""Late aggregators that learn nothing: means, sums of evidence, votes and extremes."""

from __future__ import annotations

from abc import abstractmethod
from typing import final

import torch
from torch import Tensor

from clinfuse.fusion.pool import SMALLEST_PROBABILITY, Pool, as_logits, probabilities, share


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
    smooth = False

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


class _OutcomePool(Pool):
    """The largest or smallest probability of the present modalities.

    With two classes, or for each label, that of the positive class: the most alarmed model speaks, or the least. With
    more classes, class by class, made to sum to one again (Kittler 1998).
    """

    @abstractmethod
    def _combined(self, chances: Tensor, present: Tensor) -> Tensor:
        """Combine probabilities of single outcomes, (records, modalities, outcomes)."""

    def combine(self, logits: Tensor, present: Tensor) -> Tensor:
        """Give the logits of the combined probability."""
        chances = probabilities(logits, multilabel=self.multilabel)
        two = not self.multilabel and logits.shape[-1] == 2
        combined = self._combined(chances[..., 1:] if two else chances, present[..., None])
        if two:
            combined = torch.cat([1 - combined, combined], -1)
        if not self.multilabel:
            combined = combined / combined.sum(-1, keepdim=True)
        limited = combined.clamp(SMALLEST_PROBABILITY, 1 - SMALLEST_PROBABILITY)
        return as_logits(limited, multilabel=self.multilabel)


@final
class MaxPool(_OutcomePool):
    """Largest probability of the positive class among the present modalities.

    References
    ----------
    Kittler et al. 1998, On combining classifiers, doi 10.1109/34.667881.
    """

    name = "max"

    def _combined(self, chances: Tensor, present: Tensor) -> Tensor:
        return torch.where(present, chances, torch.zeros_like(chances)).amax(1)


@final
class MinPool(_OutcomePool):
    """Smallest probability of the positive class among the present modalities.

    References
    ----------
    Kittler et al. 1998, On combining classifiers, doi 10.1109/34.667881.
    """

    name = "min"

    def _combined(self, chances: Tensor, present: Tensor) -> Tensor:
        return torch.where(present, chances, torch.ones_like(chances)).amin(1)


@final
class NoisyOrPool(_OutcomePool):
    """One minus the product of the probabilities that each present modality gives against the positive class.

    Every modality alone can cause the finding; it takes no account of the prior, so that many mute modalities make an
    alarm.

    References
    ----------
    Pearl 1988, Probabilistic reasoning in intelligent systems, section 4.3.2.
    """

    name = "noisy or"

    def _combined(self, chances: Tensor, present: Tensor) -> Tensor:
        return 1 - torch.where(present, 1 - chances, torch.ones_like(chances)).prod(1)
