"""Modalities one after the other: attention over them, or a recurrent network."""

from __future__ import annotations

from typing import ClassVar, cast, final

import torch
from torch import Tensor, nn

from clinfuse.fusion.operators.base import ProjectedOperator


@final
class AttentionFusion(ProjectedOperator):
    """Mean of the projections of the present modalities, weighed for each record by what they hold.

    Parameters
    ----------
    widths : tuple of int
        Width of each modality's embedding, in the cohort's order.
    features : int
        Width of the fused vector.

    References
    ----------
    Ilse M, Tomczak JM, Welling M. Attention-based deep multiple instance learning. ICML 2018, arXiv 1802.04712.

    Examples
    --------
    >>> fuse = AttentionFusion((4, 3), features=2)
    >>> fuse.weights([torch.ones(1, 4), torch.ones(1, 3)], torch.tensor([[True, False]])).tolist()
    [[1.0, 0.0]]
    """

    name: ClassVar[str] = "attention"

    def __init__(self, widths: tuple[int, ...], *, features: int) -> None:
        super().__init__(widths, features=features)
        # A bias of the last map would add the same to every score, and a softmax does not see that.
        self.score = nn.Sequential(nn.Linear(features, features), nn.Tanh(), nn.Linear(features, 1, bias=False))

    def weights(self, z: list[Tensor], present: Tensor) -> Tensor:
        """Give the weight of every modality for each record, (batch, modalities), 0 where absent.

        They describe the operator, not what the prediction is due to.
        """
        return self._weights(self.projected(z, present), present)

    def forward(self, z: list[Tensor], present: Tensor) -> Tensor:
        """Fuse; see ``Operator.forward``."""
        projected = self.projected(z, present)
        return (projected * self._weights(projected, present)[..., None]).sum(1)

    def _weights(self, projected: Tensor, present: Tensor) -> Tensor:
        scores = cast("Tensor", self.score(projected))[..., 0]
        return torch.softmax(scores.masked_fill(~present, float("-inf")), dim=1)


@final
class RecurrentFusion(ProjectedOperator):
    """A gated recurrent unit that reads the present modalities in the cohort's order; absent ones are passed over.

    Parameters
    ----------
    widths : tuple of int
        Width of each modality's embedding, in the cohort's order.
    features : int
        Width of the state and of the fused vector.

    References
    ----------
    Hayat N, Geras KJ, Shamout FE. MedFuse: multi-modal fusion with clinical time-series data and chest X-ray images.
    MLHC 2022, arXiv 2207.07027 (there with an LSTM).

    Examples
    --------
    >>> fuse = RecurrentFusion((4, 3), features=2)
    >>> fuse([torch.ones(1, 4), torch.ones(1, 3)], torch.tensor([[True, False]])).shape
    torch.Size([1, 2])
    """

    name: ClassVar[str] = "recurrent"

    def __init__(self, widths: tuple[int, ...], *, features: int) -> None:
        super().__init__(widths, features=features)
        self.cell = nn.GRUCell(features, features)

    def forward(self, z: list[Tensor], present: Tensor) -> Tensor:
        """Fuse; see ``Operator.forward``."""
        projected = self.projected(z, present)
        state = torch.zeros_like(projected[:, 0])
        for m in range(len(self.widths)):
            state = torch.where(present[:, m, None], self.cell(projected[:, m], state), state)
        return state
