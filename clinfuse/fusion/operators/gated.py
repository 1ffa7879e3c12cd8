"""The gated multimodal unit."""

from __future__ import annotations

from typing import ClassVar, final

import torch
from torch import Tensor, nn

from clinfuse.fusion.operators.base import ProjectedOperator


@final
class GatedFusion(ProjectedOperator):
    """Gated multimodal unit: for each record and each fused dimension, weights over the present modalities.

    With two modalities, both present, it is the unit of the paper, one sigmoid gate between two hyperbolic tangents;
    with more, the gates are a softmax over the present ones.

    Parameters
    ----------
    widths : tuple of int
        Width of each modality's embedding, in the cohort's order.
    features : int
        Width of the fused vector.

    References
    ----------
    Arevalo J, Solorio T, Montes-y-Gomez M, Gonzalez FA. Gated multimodal units for information fusion. ICLR 2017
    workshop, arXiv 1702.01992.

    Examples
    --------
    >>> fuse = GatedFusion((4, 3), features=2)
    >>> z, present = [torch.ones(1, 4), torch.ones(1, 3)], torch.tensor([[True, False]])
    >>> fuse.gates(z, present).tolist()
    [[[1.0, 1.0], [0.0, 0.0]]]
    """

    name: ClassVar[str] = "gated"
    biased: ClassVar[bool] = False

    def __init__(self, widths: tuple[int, ...], *, features: int) -> None:
        super().__init__(widths, features=features)
        count = len(self.widths)
        self.gate = nn.Linear(count * features, count * features, bias=False)

    def gates(self, z: list[Tensor], present: Tensor) -> Tensor:
        """Give the weight of every modality in every fused dimension, float32 (batch, modalities, features).

        Each dimension's weights add up to 1 over the present modalities; absent ones have exactly 0. They describe
        the operator, not what the prediction is due to.
        """
        return self._gates(self.projected(z, present), present)

    def forward(self, z: list[Tensor], present: Tensor) -> Tensor:
        """Fuse; see ``Operator.forward``."""
        projected = self.projected(z, present)
        return (self._gates(projected, present) * torch.tanh(projected)).sum(1)

    def _gates(self, projected: Tensor, present: Tensor) -> Tensor:
        scores = self.gate(projected.flatten(1)).unflatten(1, projected.shape[1:])
        return torch.softmax(scores.masked_fill(~present[..., None], float("-inf")), dim=1)
