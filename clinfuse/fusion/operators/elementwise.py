"""Merging element by element: sum, mean, learned weights, product, largest."""

from __future__ import annotations

from typing import ClassVar, cast, final

from torch import Tensor, nn

from clinfuse.fusion.operators.base import ProjectedOperator


@final
class MeanFusion(ProjectedOperator):
    """Mean of the projections of the present modalities: divided by how many are present, not by how many there are.

    Parameters
    ----------
    widths : tuple of int
        Width of each modality's embedding, in the cohort's order.
    features : int
        Width of the fused vector.

    Examples
    --------
    >>> import torch
    >>> fuse = MeanFusion((4, 3), features=2)
    >>> fuse([torch.ones(1, 4), torch.ones(1, 3)], torch.tensor([[True, False]])).shape
    torch.Size([1, 2])
    """

    name: ClassVar[str] = "mean"

    def forward(self, z: list[Tensor], present: Tensor) -> Tensor:
        """Fuse; see ``Operator.forward``."""
        projected = self.projected(z, present)
        return (projected * present[..., None]).sum(1) / present.sum(1, keepdim=True)


@final
class MaxFusion(ProjectedOperator):
    """Largest of the projections of the present modalities, dimension by dimension.

    Parameters
    ----------
    widths : tuple of int
        Width of each modality's embedding, in the cohort's order.
    features : int
        Width of the fused vector.

    Examples
    --------
    >>> import torch
    >>> fuse = MaxFusion((4, 3), features=2)
    >>> fuse([torch.ones(1, 4), torch.ones(1, 3)], torch.tensor([[True, False]])).shape
    torch.Size([1, 2])
    """

    name: ClassVar[str] = "max"

    def forward(self, z: list[Tensor], present: Tensor) -> Tensor:
        """Fuse; see ``Operator.forward``."""
        return self.projected(z, present).masked_fill(~present[..., None], float("-inf")).amax(1)


@final
class ProductFusion(ProjectedOperator):
    """Product of the projections of the present modalities; an absent one counts as 1.

    Projections are drawn around 1, so that training starts from sums and their products rather than from products of
    small numbers.

    Parameters
    ----------
    widths : tuple of int
        Width of each modality's embedding, in the cohort's order.
    features : int
        Width of the fused vector.

    Examples
    --------
    >>> import torch
    >>> fuse = ProductFusion((4, 3), features=2)
    >>> fuse([torch.ones(1, 4), torch.ones(1, 3)], torch.tensor([[True, False]])).shape
    torch.Size([1, 2])
    """

    name: ClassVar[str] = "product"

    def __init__(self, widths: tuple[int, ...], *, features: int) -> None:
        super().__init__(widths, features=features)
        for project in self.project:
            nn.init.ones_(cast("nn.Linear", project).bias)

    def forward(self, z: list[Tensor], present: Tensor) -> Tensor:
        """Fuse; see ``Operator.forward``."""
        return self.projected(z, present).masked_fill(~present[..., None], 1.0).prod(1)
