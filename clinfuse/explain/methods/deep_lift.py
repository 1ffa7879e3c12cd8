"""DeepLift: differences from the baseline handed back through the layers, where a network allows it."""

from __future__ import annotations

import warnings
from typing import final

import torch
from captum.attr import DeepLift as Captum
from torch import Tensor, nn

from clinfuse.explain.gradients import allowed_gap
from clinfuse.explain.methods.base import Answer, Method, Question
from clinfuse.explain.methods.integrated import IntegratedGradients

REUSED = "DeepLift cannot follow this network, which uses a layer twice or in a way of its own"
MISSED = "DeepLift's parts do not add up in this network, whose norms it does not follow"


@final
class DeepLift(Method):
    """Differences of activations handed back by the rescale rule; integrated gradients where they do not add up.

    Networks that use an activation twice raise, and group norm is no layer it knows: the answer then says which method
    stands in, and why.

    References
    ----------
    Shrikumar et al. 2017, arXiv:1704.02685.
    """

    name = "deep-lift"
    words = "DeepLift"
    alone = True
    gradients = True

    def attribute(self, question: Question) -> Answer:
        """Give the maps, or those of integrated gradients with the reason."""
        inputs, baselines = question.ends
        network = _Network(question)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # Captum says that it puts hooks on activations
                maps = Captum(network).attribute(inputs, baselines=baselines)
        except (RuntimeError, AssertionError, ValueError, TypeError, AttributeError, IndexError):
            return self._instead(question, REUSED)
        ends = question.values(inputs, baselines)
        change = ends[0] - ends[1]
        if not all(torch.isfinite(one).all() for one in maps):
            return self._instead(question, REUSED)
        found = self.answer(question, maps, change)
        return found if abs(found.total - change) <= allowed_gap(change) else self._instead(question, MISSED)

    @staticmethod
    def _instead(question: Question, why: str) -> Answer:
        found = IntegratedGradients().attribute(question)
        return Answer(found.maps, found.change, found.total, found.words, why, found.steps)


class _Network(nn.Module):
    """The function with the networks inside it, so that their activations can be found."""

    def __init__(self, question: Question) -> None:
        super().__init__()
        own = {id(encoder): encoder for each in question.encoders for encoder in each}
        self.encoders = nn.ModuleList(own.values())
        self.question = question

    def forward(self, *given: Tensor) -> Tensor:
        return self.question.function(given)
