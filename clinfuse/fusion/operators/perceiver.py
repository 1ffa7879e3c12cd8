"""Few latent vectors that read all tokens."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, cast, final

import torch
from torch import Tensor, nn

from clinfuse.fusion.attention import AttentionBlock, CrossBlock
from clinfuse.fusion.operators.base import TokenOperator, side_by_side


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

    def prepare(self, z: list[Tensor], present: Tensor, masks: Sequence[Tensor] = ()) -> tuple[Tensor, ...]:
        """Give every layer's keys and values of each modality's tokens side by side, and which tokens are there."""
        tokens, seen = self.tokens(z, present, masks)
        readers = [cast("CrossBlock", read) for read in self.reading]
        return (*(torch.cat([part for r in readers for part in r.remembered(each)], 2) for each in tokens), *seen)

    def fuse(self, prepared: tuple[Tensor, ...], present: Tensor) -> Tensor:
        """Fuse; see ``TokenOperator.fuse``."""
        remembered, mask = side_by_side(prepared, present)
        keys_and_values = remembered.chunk(2 * len(self.reading), 2)
        x = self.latents.expand(len(present), -1, -1)
        everyone = torch.ones_like(x[..., 0], dtype=torch.bool)
        for layer, (read, think) in enumerate(zip(self.reading, self.thinking, strict=True)):
            keys, values = keys_and_values[2 * layer : 2 * layer + 2]
            x = think(x + cast("CrossBlock", read).ask(x, keys, values, mask), everyone)
        return cast("Tensor", self.norm(x.mean(1)))
