"""One modality sets scale and shift of the others."""

from __future__ import annotations

from typing import Any, ClassVar, final

import torch
from torch import Tensor, nn

from clinfuse.fusion.operators.base import ProjectedOperator, refuse_widths


@final
class FilmFusion(ProjectedOperator):
    """Scale and shift the other modalities by what the conditioning one, such as a table, says: (1 + gamma) F + beta.

    Gamma and beta come from a narrow network that sees both; where the conditioning modality is absent they are exactly
    0, and they start from 0. The fused vector is the mean of the present modalities so changed and of the conditioning
    modality's own projection, without which a record that has nothing else could not be answered. Scaling every token
    of a modality before taking their mean would be the same, so the operator works on vectors.

    Parameters
    ----------
    widths : tuple of int
        Width of each modality's embedding, in the cohort's order.
    features : int
        Width of the fused vector.
    conditioning : int
        Place of the conditioning modality; in a cohort with a table the first table, else the last modality.
    bottleneck : int
        Width of the narrow network.

    Raises
    ------
    ConfigError
        ``OPERATOR_WIDTHS``: no such place, or a bottleneck below 1.

    References
    ----------
    Perez E, Strub F, de Vries H, Dumoulin V, Courville A. FiLM: visual reasoning with a general conditioning layer.
    AAAI 2018, arXiv 1709.07871. Wolf TN, Pölsterl S, Wachinger C. DAFT: a universal module to interweave tabular data
    and 3D images in CNNs. NeuroImage 2022;260:119505, doi 10.1016/j.neuroimage.2022.119505.

    Examples
    --------
    >>> fuse = FilmFusion((4, 3), features=2)
    >>> fuse([torch.ones(1, 4), torch.ones(1, 3)], torch.tensor([[True, False]])).shape
    torch.Size([1, 2])
    """

    name: ClassVar[str] = "film"

    def __init__(self, widths: tuple[int, ...], *, features: int, conditioning: int = -1, bottleneck: int = 7) -> None:
        super().__init__(widths, features=features)
        count = len(self.widths)
        if not -count <= conditioning < count or bottleneck < 1:
            refuse_widths(f"a place among {count} modalities, a bottleneck of at least 1", "another number")
        self.conditioning = conditioning % count
        wide = features + self.widths[self.conditioning]
        self.changes = nn.ModuleList(_change(wide, bottleneck, features) for _ in range(count - 1))

    @classmethod
    def options_for(cls, kinds: tuple[str, ...]) -> dict[str, Any]:
        """Let the first table condition the others."""
        return {"conditioning": kinds.index("ehr")} if "ehr" in kinds else {}

    def forward(self, z: list[Tensor], present: Tensor) -> Tensor:
        """Fuse; see ``Operator.forward``."""
        projected = self.projected(z, present).unbind(1)
        said = self.kept(z, present)[self.conditioning]
        there = present[:, self.conditioning, None]
        others = [m for m in range(len(z)) if m != self.conditioning]
        fused = [projected[self.conditioning] * there]
        for change, m in zip(self.changes, others, strict=True):
            gamma, beta = change(torch.cat([projected[m], said], 1)).chunk(2, 1)
            added = gamma * projected[m] + beta
            fused.append((projected[m] + torch.where(there, added, torch.zeros_like(added))) * present[:, m, None])
        return torch.stack(fused).sum(0) / present.sum(1, keepdim=True)


def _change(width: int, bottleneck: int, features: int) -> nn.Sequential:
    last = nn.Linear(bottleneck, 2 * features, bias=False)
    nn.init.zeros_(last.weight)
    return nn.Sequential(nn.Linear(width, bottleneck, bias=False), nn.ReLU(), last)
