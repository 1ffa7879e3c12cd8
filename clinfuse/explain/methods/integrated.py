"""Integrated gradients: gradients added up along the straight path from baseline to record."""

from __future__ import annotations

from typing import final

from clinfuse.explain.gradients import integrated_gradients
from clinfuse.explain.methods.base import Answer, Method, Question


@final
class IntegratedGradients(Method):
    """Gradients along the straight path, from all baselines to all inputs at once; steps doubled until they add up.

    References
    ----------
    Sundararajan et al. 2017, arXiv:1703.01365.
    """

    name = "integrated-gradients"
    words = "integrated gradients"
    gradients = True

    def attribute(self, question: Question) -> Answer:
        """Give the maps, and what they are short of."""
        path = integrated_gradients(
            question.function, question.inputs, baselines=question.baselines, steps=question.steps
        )
        return Answer(path.maps, path.change, path.total, self.words, steps=path.steps)
