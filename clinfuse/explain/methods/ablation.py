"""Feature ablation: one group after the other is replaced by its baseline."""

from __future__ import annotations

from typing import final

import torch
from captum.attr import FeatureAblation as Captum

from clinfuse.explain.methods.base import ROWS_AT_ONCE, Answer, Method, Question, spread_out
from clinfuse.explain.methods.groups import groups


@final
class FeatureAblation(Method):
    """What the answer loses when a group is replaced by its baseline, everything else staying as it is.

    Captum writes the value of a group on each of its elements; here they share it, so that it counts once.

    References
    ----------
    Kokhlikyan et al. 2020, arXiv:2009.07896.
    """

    name = "feature-ablation"
    words = "feature ablation"
    additive = False

    def attribute(self, question: Question) -> Answer:
        """Give the maps."""
        inputs, baselines = question.ends
        masks = groups(question)
        with torch.no_grad():
            found = Captum(question.forward).attribute(
                inputs,
                baselines=baselines,
                feature_mask=tuple(torch.from_numpy(mask)[None] for mask in masks),
                perturbations_per_eval=ROWS_AT_ONCE,
            )
        ends = question.values(inputs, baselines)
        return self.answer(
            question, [spread_out(o, m - m.min()) for o, m in zip(found, masks, strict=True)], ends[0] - ends[1]
        )
