"""GradientShap: expected gradients over points between the record and a background."""

from __future__ import annotations

from typing import final

import numpy as np
import torch

from clinfuse.explain.methods.base import ROWS_AT_ONCE, Answer, Method, Question
from clinfuse.training.seeds import generator

SAMPLES = 32


@final
class GradientShap(Method):
    """Mean gradient at 32 points, each drawn between the record and a row of the background, times the difference.

    Written from its formula: Captum's draws from generators that all share. The change is from the mean answer about
    the rows drawn; with so few points the maps add up to it only roughly.

    References
    ----------
    Lundberg and Lee 2017, arXiv:1705.07874; Erion et al. 2021, doi:10.1038/s42256-021-00343-w.
    """

    name = "gradient-shap"
    words = "GradientShap"
    gradients = True

    def attribute(self, question: Question) -> Answer:
        """Give the maps."""
        inputs, baselines = question.ends
        rows = tuple(torch.tensor(np.asarray(b, np.float32)) for b in question.backgrounds) or baselines
        draw = generator(question.seed, self.name)
        which = draw.integers(len(rows[0]), size=SAMPLES)
        places = torch.tensor(draw.random(SAMPLES), dtype=torch.float32)
        totals = [torch.zeros_like(x) for x in inputs]
        answers = []
        for start in range(0, SAMPLES, ROWS_AT_ONCE):
            chosen, at = which[start : start + ROWS_AT_ONCE], places[start : start + ROWS_AT_ONCE]
            starts = [each[chosen] for each in rows]
            points = []
            for x, b in zip(inputs, starts, strict=True):
                points.append((b + at.reshape(-1, *[1] * (x.ndim - 1)) * (x - b)).requires_grad_())
            slopes = torch.autograd.grad(question.function(tuple(points)).sum(), points)
            for total, slope, x, b in zip(totals, slopes, inputs, starts, strict=True):
                total += (slope * (x - b)).sum(0, keepdim=True) / SAMPLES
            with torch.no_grad():
                answers += question.function(tuple(starts)).tolist()
        return self.answer(question, totals, question.values(inputs)[0] - float(np.mean(answers)))
