"""Few latent vectors that read all tokens."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, cast, final

import torch
from torch import Tensor, nn

from clinfuse.fusion.attention import AttentionBlock, CrossBlock
from clinfuse.fusion.operators.base import TokenOperator


@final
class PerceiverFusion(TokenOperator):
    """A small array of latent vectors attends to the tokens of all modalities, then to itself, layer by layer.

    The cost grows with the number of tokens, not with its square: for many patches of a volume.

    Parameters
    ----------
    widths : tuple of int
        Width of each modality's tokens, in the cohort's order.
    features : int
        Width of the tokens and of the fused vector.
    latents : int
        Latent vectors.
    layers, heads : int

    References
    ----------
    Jaegle A, Gimeno F, Brock A, et al. Perceiver: general perception with iterative attention. ICML 2021,
    arXiv 2103.03206.

    Examples
    --------
    >>> fuse = PerceiverFusion((4, 3), features=2)
    >>> fuse([torch.ones(1, 7, 4), torch.ones(1, 5, 3)], torch.tensor([[True, False]])).shape
    torch.Size([1, 2])
    """

    name: ClassVar[str] = "perceiver"

    def __init__(
        self, widths: tuple[int, ...], *, features: int, latents: int = 8, layers: int = 2, heads: int = 4
    ) -> None:
        super().__init__(widths, features=features)
        self.latents = nn.Parameter(torch.randn(latents, features))
        self.reading = nn.ModuleList(CrossBlock(features, heads=heads) for _ in range(layers))
        self.thinking = nn.ModuleList(AttentionBlock(features, heads=heads) for _ in range(layers))
        self.norm = nn.LayerNorm(features)

    def forward(self, z: list[Tensor], present: Tensor, masks: Sequence[Tensor] = ()) -> Tensor:
        """Fuse; see ``TokenOperator.forward``."""
        parts, seen = self.tokens(z, present, masks)
        tokens, mask = torch.cat(parts, 1), torch.cat(seen, 1)
        x = self.latents.expand(len(present), -1, -1)
        everyone = torch.ones_like(x[..., 0], dtype=torch.bool)
        for read, think in zip(self.reading, self.thinking, strict=True):
            x = think(x + read(x, tokens, mask), everyone)
        return cast("Tensor", self.norm(x.mean(1)))
