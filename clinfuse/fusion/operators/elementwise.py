"""Merging element by element: sum, mean, learned weights, product, largest."""

from __future__ import annotations

from typing import ClassVar, cast, final

import torch
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
class AddFusion(ProjectedOperator):
    """Sum of the projections of the present modalities: the more are present, the larger.

    Parameters
    ----------
    widths : tuple of int
        Width of each modality's embedding, in the cohort's order.
    features : int
        Width of the fused vector.

    Examples
    --------
    >>> fuse = AddFusion((4, 3), features=2)
    >>> fuse([torch.ones(1, 4), torch.ones(1, 3)], torch.tensor([[True, False]])).shape
    torch.Size([1, 2])
    """

    name: ClassVar[str] = "add"

    def forward(self, z: list[Tensor], present: Tensor) -> Tensor:
        """Fuse; see ``Operator.forward``."""
        return (self.projected(z, present) * present[..., None]).sum(1)


@final
class WeightedFusion(ProjectedOperator):
    """Mean of the projections of the present modalities, each with a learned weight, the same for every record.

    The weights are a softmax over the present modalities, so that they add up to 1 for every record.

    Parameters
    ----------
    widths : tuple of int
        Width of each modality's embedding, in the cohort's order.
    features : int
        Width of the fused vector.

    Examples
    --------
    >>> fuse = WeightedFusion((4, 3), features=2)
    >>> fuse.weights(torch.tensor([[True, True], [True, False]])).tolist()
    [[0.5, 0.5], [1.0, 0.0]]
    """

    name: ClassVar[str] = "weighted"

    def __init__(self, widths: tuple[int, ...], *, features: int) -> None:
        super().__init__(widths, features=features)
        self.score = nn.Parameter(torch.zeros(len(self.widths)))

    def weights(self, present: Tensor) -> Tensor:
        """Give the weight of every modality for each record, (batch, modalities), 0 where absent."""
        return torch.softmax(self.score.expand(present.shape).masked_fill(~present, float("-inf")), dim=1)

    def forward(self, z: list[Tensor], present: Tensor) -> Tensor:
        """Fuse; see ``Operator.forward``."""
        return (self.projected(z, present) * self.weights(present)[..., None]).sum(1)


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
