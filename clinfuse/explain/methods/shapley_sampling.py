"""Shapley value sampling: groups leave their baseline in drawn orders."""

from __future__ import annotations

from typing import final

import torch
from captum.attr import ShapleyValueSampling as Captum

from clinfuse.explain.methods.base import ROWS_AT_ONCE, Answer, Method, Question, spread_out
from clinfuse.explain.methods.groups import groups
from clinfuse.training.seeds import derived_seed, quiet_torch

ORDERS = 25


@final
class ShapleyValueSampling(Method):
    """Mean change when a group leaves its baseline, over 25 drawn orders; adds up to the whole change in each.

    References
    ----------
    Castro et al. 2009, doi:10.1016/j.cor.2008.04.004.
    """

    name = "shapley-sampling"
    words = "Shapley sampling"
    alone = True

    def attribute(self, question: Question) -> Answer:
        """Give the maps; the value of a group is shared among its elements."""
        inputs, baselines = question.ends
        masks = groups(question)
        with torch.no_grad(), quiet_torch(derived_seed(question.seed, self.name) % 2**32, torch.get_num_threads()):
            found = Captum(question.forward).attribute(
                inputs,
                baselines=baselines,
                feature_mask=tuple(torch.from_numpy(mask)[None] for mask in masks),
                n_samples=ORDERS,
                perturbations_per_eval=ROWS_AT_ONCE,
            )
        ends = question.values(inputs, baselines)
        return self.answer(
            question, [spread_out(o, m - m.min()) for o, m in zip(found, masks, strict=True)], ends[0] - ends[1]
        )
