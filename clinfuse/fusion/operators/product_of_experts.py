"""A latent that is the product of what each modality says of it."""

from __future__ import annotations

from typing import ClassVar, final

import torch
from torch import Tensor, nn
from torch.nn import functional

from clinfuse.fusion.operators.base import ProjectedOperator


def product_of_gaussians(means: Tensor, precisions: Tensor, present: Tensor) -> tuple[Tensor, Tensor]:
    """Give mean and variance of the standard normal prior times the present experts, each (batch, features).

    Parameters
    ----------
    means, precisions : Tensor, (batch, modalities, features)
        Of each expert; a precision is one over a variance.
    present : Tensor of bool, (batch, modalities)

    References
    ----------
    Wu M, Goodman N. Multimodal generative models for scalable weakly-supervised learning. NeurIPS 2018,
    arXiv 1802.05335.

    Examples
    --------
    >>> mean, variance = product_of_gaussians(
    ...     torch.tensor([[[1.0], [3.0]]]), torch.tensor([[[2.0], [4.0]]]), torch.tensor([[True, True]])
    ... )
    >>> float(mean), round(1 / float(variance), 4)
    (2.0, 7.0)
    """
    used = torch.where(present[..., None], precisions, torch.zeros_like(precisions))
    total = 1 + used.sum(1)
    return (used * means).sum(1) / total, 1 / total


def divergence(mean: Tensor, variance: Tensor) -> Tensor:
    """Give the Kullback-Leibler divergence of each normal distribution from the standard one, nats (batch,)."""
    return 0.5 * (variance + mean.square() - 1 - variance.log()).sum(-1)


@final
class ProductOfExpertsFusion(ProjectedOperator):
    """A latent normal vector: the standard normal prior times one normal factor for every present modality.

    A modality that is sure of itself weighs more; an absent one is no factor. While training the fused vector is drawn
    from that distribution, at prediction it is its mean, and the divergence from the prior is added to the loss. What
    the paper trains with every subset of modalities is here left to the hiding of modalities.

    Parameters
    ----------
    widths : tuple of int
        Width of each modality's embedding, in the cohort's order.
    features : int
        Width of the latent and of the fused vector.
    weight : float
        Of the divergence in the loss.

    References
    ----------
    Wu M, Goodman N. Multimodal generative models for scalable weakly-supervised learning. NeurIPS 2018,
    arXiv 1802.05335.

    Examples
    --------
    >>> fuse = ProductOfExpertsFusion((4, 3), features=2).eval()
    >>> fuse([torch.ones(1, 4), torch.ones(1, 3)], torch.tensor([[True, False]])).shape
    torch.Size([1, 2])
    """

    name: ClassVar[str] = "poe"

    def __init__(self, widths: tuple[int, ...], *, features: int, weight: float = 0.01) -> None:
        super().__init__(widths, features=features)
        self.weight = weight
        self.sureness = nn.ModuleList(nn.Linear(width, features) for width in self.widths)

    def posterior(self, z: list[Tensor], present: Tensor) -> tuple[Tensor, Tensor]:
        """Give mean and variance of the latent, each (batch, features)."""
        kept = self.kept(z, present)
        means = torch.stack([project(part) for project, part in zip(self.project, kept, strict=True)], 1)
        raw = torch.stack([sure(part) for sure, part in zip(self.sureness, kept, strict=True)], 1)
        return product_of_gaussians(means, functional.softplus(raw), present)

    def forward(self, z: list[Tensor], present: Tensor) -> Tensor:
        """Fuse; see ``Operator.forward``."""
        mean, variance = self.posterior(z, present)
        return mean + variance.sqrt() * torch.randn_like(mean) if self.training else mean

    def penalty(self, z: list[Tensor], present: Tensor) -> Tensor:
        """Give the mean divergence of the latent from its prior, weighed, a scalar."""
        return self.weight * divergence(*self.posterior(z, present)).mean()
