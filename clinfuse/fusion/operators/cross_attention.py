"""Every modality attends to every other."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, cast, final

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

    def forward(self, z: list[Tensor], present: Tensor, masks: Sequence[Tensor] = ()) -> Tensor:
        """Fuse; see ``TokenOperator.forward``."""
        tokens, seen = self.tokens(z, present, masks)
        after = list(tokens)
        for block, (asking, asked) in zip(self.blocks, self.pairs, strict=True):
            after[asking] = after[asking] + block(tokens[asking], tokens[asked], seen[asked])
        means = [pooled(part, mask) for part, mask in zip(after, seen, strict=True)]
        return cast("Tensor", self.mix(joined(means, present)))
