"""A transformer over the modalities of a record, or over the tokens of them all."""

from __future__ import annotations

from typing import ClassVar, cast, final

import torch
from torch import Tensor, nn

from clinfuse.fusion.attention import AttentionBlock
from clinfuse.fusion.operators.base import ProjectedOperator, TokenOperator, side_by_side


@final
class ReadOut(nn.Module):
    """Transformer layers over a sequence that begins with a learned token, whose last state is the answer.

    Parameters
    ----------
    features, layers, heads : int
    """

    def __init__(self, features: int, *, layers: int, heads: int) -> None:
        super().__init__()
        self.first = nn.Parameter(0.02 * torch.randn(1, 1, features))
        self.layers = nn.ModuleList(AttentionBlock(features, heads=heads) for _ in range(layers))
        self.norm = nn.LayerNorm(features)

    def forward(self, tokens: Tensor, mask: Tensor) -> Tensor:
        """Give the answer, (batch, features); tokens that the mask leaves out are never attended to."""
        x = torch.cat([self.first.expand(len(tokens), -1, -1), tokens], 1)
        # The learned token is there for every record.
        there = torch.cat([torch.ones_like(mask[:, :1]), mask], 1)
        for number, layer in enumerate(self.layers, 1):
            x = layer(x, there, first=number == len(self.layers))
        return cast("Tensor", self.norm(x[:, 0]))


@final
class TransformerFusion(ProjectedOperator):
    """Transformer over one token per modality: its embedding, by a map whose bias says which modality it is.

    An absent modality is left out of the sequence, which is not the same as a token of zeros.

    Parameters
    ----------
    widths : tuple of int
        Width of each modality's embedding, in the cohort's order.
    features : int
        Width of the tokens and of the fused vector.
    layers, heads : int

    References
    ----------
    Vaswani A, Shazeer N, Parmar N, et al. Attention is all you need. NeurIPS 2017, arXiv 1706.03762.

    Examples
    --------
    >>> fuse = TransformerFusion((4, 3), features=2)
    >>> fuse([torch.ones(1, 4), torch.ones(1, 3)], torch.tensor([[True, False]])).shape
    torch.Size([1, 2])
    """

    name: ClassVar[str] = "transformer"

    def __init__(self, widths: tuple[int, ...], *, features: int, layers: int = 2, heads: int = 4) -> None:
        super().__init__(widths, features=features)
        self.read = ReadOut(features, layers=layers, heads=heads)

    def forward(self, z: list[Tensor], present: Tensor) -> Tensor:
        """Fuse; see ``Operator.forward``."""
        answer: Tensor = self.read(self.projected(z, present), present)
        return answer


@final
class TokenTransformerFusion(TokenOperator):
    """Transformer over the tokens of all modalities: patches, stretches of windows, columns.

    Parameters
    ----------
    widths : tuple of int
        Width of each modality's tokens, in the cohort's order.
    features : int
        Width of the tokens and of the fused vector.
    layers, heads : int

    References
    ----------
    Vaswani A, Shazeer N, Parmar N, et al. Attention is all you need. NeurIPS 2017, arXiv 1706.03762.

    Examples
    --------
    >>> fuse = TokenTransformerFusion((4, 3), features=2)
    >>> fuse([torch.ones(1, 7, 4), torch.ones(1, 5, 3)], torch.tensor([[True, False]])).shape
    torch.Size([1, 2])
    """

    name: ClassVar[str] = "token-transformer"

    def __init__(self, widths: tuple[int, ...], *, features: int, layers: int = 2, heads: int = 4) -> None:
        super().__init__(widths, features=features)
        self.read = ReadOut(features, layers=layers, heads=heads)

    def fuse(self, prepared: tuple[Tensor, ...], present: Tensor) -> Tensor:
        """Fuse; see ``TokenOperator.fuse``."""
        answer: Tensor = self.read(*side_by_side(prepared, present))
        return answer
