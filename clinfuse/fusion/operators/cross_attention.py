"""Every modality attends to every other."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, cast, final

import torch
from torch import Tensor, nn

from clinfuse.fusion.attention import CrossBlock
from clinfuse.fusion.operators.base import TokenOperator, joined, pooled


@final
class CrossAttentionFusion(TokenOperator):
    """Tokens of each modality attend to those of each other one; the means of all are put side by side and mapped.

    There is a block for every ordered pair. Where the other modality is absent its block adds exactly nothing.

    Parameters
    ----------
    widths : tuple of int
        Width of each modality's tokens, in the cohort's order.
    features : int
        Width of the tokens and of the fused vector.
    heads : int

    References
    ----------
    Tsai YHH, Bai S, Liang PP, et al. Multimodal transformer for unaligned multimodal language sequences. ACL 2019,
    doi 10.18653/v1/P19-1656.

    Examples
    --------
    >>> import torch
    >>> fuse = CrossAttentionFusion((4, 3), features=2)
    >>> fuse([torch.ones(1, 7, 4), torch.ones(1, 5, 3)], torch.tensor([[True, False]])).shape
    torch.Size([1, 2])
    """

    name: ClassVar[str] = "cross-attention"

    def __init__(self, widths: tuple[int, ...], *, features: int, heads: int = 4) -> None:
        super().__init__(widths, features=features)
        places = range(len(self.widths))
        self.pairs = tuple((asking, asked) for asking in places for asked in places if asking != asked)
        self.blocks = nn.ModuleList(CrossBlock(features, heads=heads) for _ in self.pairs)
        self.mix = nn.Linear((features + 1) * len(self.widths), features)

    def prepare(self, z: list[Tensor], present: Tensor, masks: Sequence[Tensor] = ()) -> tuple[Tensor, ...]:
        """Give the mean token of each modality, and what every pair adds to that of the one that asks.

        No pair depends on a third modality, so withholding one only leaves out what it added.
        """
        tokens, seen = self.tokens(z, present, masks)
        means = torch.stack([pooled(part, mask) for part, mask in zip(tokens, seen, strict=True)], 1)
        added = [
            pooled(block(tokens[asking], tokens[asked], seen[asked]), seen[asking])
            for block, (asking, asked) in zip(self.blocks, self.pairs, strict=True)
        ]
        return means, torch.stack(added, 1) if added else means[:, :0]

    def fuse(self, prepared: tuple[Tensor, ...], present: Tensor) -> Tensor:
        """Fuse; see ``TokenOperator.fuse``."""
        means, added = prepared
        there = present.to(means.dtype)[..., None]
        after = list((means * there).unbind(1))
        for pair, (asking, asked) in enumerate(self.pairs):
            after[asking] = after[asking] + added[:, pair] * there[:, asking] * there[:, asked]
        return cast("Tensor", self.mix(joined(after, present)))
