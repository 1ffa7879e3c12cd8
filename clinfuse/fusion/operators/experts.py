"""Several small networks, of which each record asks those it lies nearest to."""

from __future__ import annotations

from typing import ClassVar, final

import torch
from torch import Tensor, nn

from clinfuse.fusion.operators.base import Operator, joined, refuse_widths


@final
class ExpertsFusion(Operator):
    """Experimental: a mixture of small networks on all embeddings and their presence.

    A record asks every expert, weighed by a softmax of minus its distance to a learned place of each. With fewer than
    several thousand records there are more experts than they can teach.

    Parameters
    ----------
    widths : tuple of int
        Width of each modality's embedding, in the cohort's order.
    features : int
        Width of the fused vector.
    experts : int

    References
    ----------
    Han X, Nguyen H, Harris C, Ho N, Saria S. FuseMoE: mixture-of-experts transformers for fleximodal fusion. NeurIPS
    2024, arXiv 2402.03226 (its gate; here dense, without transformers).

    Examples
    --------
    >>> fuse = ExpertsFusion((4, 3), features=2)
    >>> fuse([torch.ones(1, 4), torch.ones(1, 3)], torch.tensor([[True, False]])).shape
    torch.Size([1, 2])
    """

    name: ClassVar[str] = "experts"

    def __init__(self, widths: tuple[int, ...], *, features: int, experts: int = 4) -> None:
        super().__init__(widths, features=features)
        if experts < 1:
            refuse_widths("at least one expert", f"experts={experts}")
        total = sum(self.widths) + len(self.widths)
        self.places = nn.Parameter(torch.randn(experts, total))
        self.experts = nn.ModuleList(
            nn.Sequential(nn.Linear(total, features), nn.GELU(), nn.Linear(features, features)) for _ in range(experts)
        )

    def weights(self, x: Tensor) -> Tensor:
        """Give how much each record asks each expert, (batch, experts)."""
        # Just above zero, the root has a slope where a record lies upon a place.
        distance = ((x[:, None] - self.places).square().sum(-1) + 1e-12).sqrt()
        return torch.softmax(-distance, dim=1)

    def forward(self, z: list[Tensor], present: Tensor) -> Tensor:
        """Fuse; see ``Operator.forward``."""
        x = joined(self.kept(z, present), present)
        answers = torch.stack([expert(x) for expert in self.experts], 1)
        return (answers * self.weights(x)[..., None]).sum(1)
