"""Modalities that exchange only a few tokens."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, cast, final

import torch
from torch import Tensor, nn

from clinfuse.fusion.attention import AttentionBlock
from clinfuse.fusion.operators.base import TokenOperator, pooled


@final
class BottleneckFusion(TokenOperator):
    """Transformer layers of each modality's own, which see of the others only a few shared tokens.

    After each layer the shared tokens are the mean of what the present modalities made of them. The fused vector is the
    mean of the present modalities' tokens after the last layer, joined by the shared ones.

    Parameters
    ----------
    widths : tuple of int
        Width of each modality's tokens, in the cohort's order.
    features : int
        Width of the tokens and of the fused vector.
    shared : int
        Shared tokens.
    layers, heads : int

    References
    ----------
    Nagrani A, Yang S, Arnab A, et al. Attention bottlenecks for multimodal fusion. NeurIPS 2021, arXiv 2107.00135.

    Examples
    --------
    >>> fuse = BottleneckFusion((4, 3), features=2)
    >>> fuse([torch.ones(1, 7, 4), torch.ones(1, 5, 3)], torch.tensor([[True, False]])).shape
    torch.Size([1, 2])
    """

    name: ClassVar[str] = "bottleneck"

    def __init__(
        self, widths: tuple[int, ...], *, features: int, shared: int = 4, layers: int = 2, heads: int = 4
    ) -> None:
        super().__init__(widths, features=features)
        self.shared = nn.Parameter(torch.randn(shared, features))
        self.layers = nn.ModuleList(
            nn.ModuleList(AttentionBlock(features, heads=heads) for _ in self.widths) for _ in range(layers)
        )
        self.norm = nn.LayerNorm(features)

    def prepare(self, z: list[Tensor], present: Tensor, masks: Sequence[Tensor] = ()) -> tuple[Tensor, ...]:
        """Give each modality's tokens and the shared ones after its first layer, and which tokens are there.

        Until then nothing of the other modalities has reached it.
        """
        parts, seen = self.tokens(z, present, masks)
        shared = self.shared.expand(len(present), -1, -1)
        made = [self._after(0, m, part, shared, seen[m]) for m, part in enumerate(parts)]
        return (*(part for part, _ in made), *(own for _, own in made), *seen)

    def fuse(self, prepared: tuple[Tensor, ...], present: Tensor) -> Tensor:
        """Fuse; see ``TokenOperator.fuse``."""
        count = len(self.widths)
        used = [m for m in range(count) if bool(present[:, m].any())]
        there = present[:, used]
        parts, own, seen = ([prepared[start + m] for m in used] for start in (0, count, 2 * count))
        for layer in range(1, len(self.layers)):
            shared = _mean(torch.stack(own, 1), there)
            made = [self._after(layer, m, parts[k], shared, seen[k]) for k, m in enumerate(used)]
            parts, own = [part for part, _ in made], [tokens for _, tokens in made]
        means = torch.stack([pooled(part, mask) for part, mask in zip(parts, seen, strict=True)], 1)
        return cast("Tensor", self.norm(_mean(means, there) + _mean(torch.stack(own, 1), there).mean(1)))

    def _after(self, layer: int, m: int, part: Tensor, shared: Tensor, seen: Tensor) -> tuple[Tensor, Tensor]:
        """Give a modality's tokens and the shared ones after a layer of its own."""
        everyone = torch.ones_like(shared[..., 0], dtype=torch.bool)
        block = cast("nn.ModuleList", self.layers[layer])[m]
        after = block(torch.cat([part, shared], 1), torch.cat([seen, everyone], 1))
        return after[:, : part.shape[1]], after[:, part.shape[1] :]


def _mean(values: Tensor, present: Tensor) -> Tensor:
    """Mean over the modalities that are present, of values (batch, modalities, ...)."""
    weights = present.to(values.dtype).reshape(*present.shape, *[1] * (values.ndim - 2))
    return (values * weights).sum(1) / weights.sum(1)
