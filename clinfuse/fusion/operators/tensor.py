"""Products of every number of one modality with every number of the others."""

from __future__ import annotations

import math
from typing import ClassVar, cast, final

import torch
from torch import Tensor, nn

from clinfuse.errors import ConfigError
from clinfuse.fusion.operators.base import Operator, refuse_widths

MOST_PRODUCTS = 200_000


def with_one(z: list[Tensor]) -> list[Tensor]:
    """Give every embedding with a 1 before it, (batch, 1 + width): of an absent one, zeros, the 1 alone is left."""
    return [torch.cat([torch.ones_like(part[:, :1]), part], 1) for part in z]


@final
class TensorFusion(Operator):
    """A linear map of the outer product of all embeddings, each with a 1 before it.

    The 1 keeps the embeddings themselves, and the products of fewer than all, among the products. An absent modality
    is (1, 0, ..., 0): every product with it drops out.

    Parameters
    ----------
    widths : tuple of int
        Width of each modality's embedding, in the cohort's order.
    features : int
        Width of the fused vector.
    reduce : int
        Width that every embedding is first mapped to; 0 takes it as it is.

    Raises
    ------
    ConfigError
        ``OPERATOR_SIZE``: more than 200,000 products.

    References
    ----------
    Zadeh A, Chen M, Poria S, Cambria E, Morency LP. Tensor fusion network for multimodal sentiment analysis. EMNLP
    2017, doi 10.18653/v1/D17-1115.

    Examples
    --------
    >>> TensorFusion((128, 32, 32), features=1).products
    140481
    """

    name: ClassVar[str] = "tensor"

    def __init__(self, widths: tuple[int, ...], *, features: int, reduce: int = 0) -> None:
        super().__init__(widths, features=features)
        if reduce < 0:
            refuse_widths("reduce at least 0", f"reduce={reduce}")
        inner = tuple(reduce or width for width in self.widths)
        self.products = math.prod(width + 1 for width in inner)
        if self.products > MOST_PRODUCTS:
            raise ConfigError(
                "OPERATOR_SIZE",
                place="operator tensor",
                rule=f"at most {MOST_PRODUCTS} products of embeddings",
                found=f"{self.products}",
                remedy='Give reduce, as in OperatorChoice("tensor", options={"reduce": 8}), or choose "low-rank".',
            )
        self.narrow = nn.ModuleList(nn.Linear(width, reduce, bias=False) for width in self.widths if reduce)
        self.mix = nn.Linear(self.products, features)

    def forward(self, z: list[Tensor], present: Tensor) -> Tensor:
        """Fuse; see ``Operator.forward``."""
        kept = self.kept(z, present)
        if len(self.narrow):
            kept = [narrow(part) for narrow, part in zip(self.narrow, kept, strict=True)]
        first, *others = with_one(kept)
        for part in others:
            first = (first[:, :, None] * part[:, None, :]).flatten(1)
        return cast("Tensor", self.mix(first))


@final
class LowRankFusion(Operator):
    """Tensor fusion whose map is a sum of few products of maps, one for each modality: no outer product is formed.

    Parameters
    ----------
    widths : tuple of int
        Width of each modality's embedding, in the cohort's order.
    features : int
        Width of the fused vector.
    rank : int
        Products in the sum.

    References
    ----------
    Liu Z, Shen Y, Lakshminarasimhan VB, et al. Efficient low-rank multimodal fusion with modality-specific factors.
    ACL 2018, doi 10.18653/v1/P18-1209.

    Examples
    --------
    >>> fuse = LowRankFusion((4, 3), features=2)
    >>> fuse([torch.ones(1, 4), torch.ones(1, 3)], torch.tensor([[True, False]])).shape
    torch.Size([1, 2])
    """

    name: ClassVar[str] = "low-rank"

    def __init__(self, widths: tuple[int, ...], *, features: int, rank: int = 4) -> None:
        super().__init__(widths, features=features)
        if rank < 1:
            refuse_widths("a rank of at least 1", f"rank={rank}")
        self.factors = nn.ParameterList(nn.Parameter(self._drawn(width, rank)) for width in self.widths)
        self.bias = nn.Parameter(torch.zeros(features))

    def _drawn(self, width: int, rank: int) -> Tensor:
        # Around 1 where the 1 enters, so that training starts from sums and their products, not from products of small
        # numbers.
        drawn = torch.randn(rank, 1 + width, self.features) / math.sqrt(width)
        drawn[:, 0] = rank ** (-1 / len(self.widths))
        return drawn

    def forward(self, z: list[Tensor], present: Tensor) -> Tensor:
        """Fuse; see ``Operator.forward``."""
        parts = zip(self.factors, with_one(self.kept(z, present)), strict=True)
        mapped = torch.stack([torch.einsum("bi,rio->bro", part, factor) for factor, part in parts])
        return mapped.prod(0).sum(1) + self.bias
