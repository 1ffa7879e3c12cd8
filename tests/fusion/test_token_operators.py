"""Operators on tokens, taken apart."""

from __future__ import annotations

import pytest
import torch

from clinfuse.fusion.choice import OperatorChoice, build_operator
from clinfuse.fusion.operators.base import joined, pooled
from clinfuse.fusion.operators.bottleneck import BottleneckFusion
from clinfuse.fusion.operators.cross_attention import CrossAttentionFusion
from clinfuse.fusion.operators.perceiver import PerceiverFusion

BOTH, FIRST = torch.tensor([[True, True]]), torch.tensor([[True, False]])


def pair() -> list[torch.Tensor]:
    drawer = torch.Generator().manual_seed(0)
    return [torch.randn(1, 6, 4, generator=drawer), torch.randn(1, 5, 3, generator=drawer)]


def test_a_pair_attends_both_ways_and_an_absent_one_adds_nothing() -> None:
    fuse = build_operator("cross-attention", (4, 3), features=8, seed=0)
    assert isinstance(fuse, CrossAttentionFusion)
    assert fuse.pairs == ((0, 1), (1, 0))
    (a, b), (seen, other) = fuse.tokens(pair(), BOTH)
    there, back = fuse.blocks
    means = [pooled(a + there(a, b, other), seen), pooled(b + back(b, a, seen), other)]
    torch.testing.assert_close(fuse(pair(), BOTH), fuse.mix(joined(means, BOTH)))
    alone = [a.mean(1), torch.zeros(1, 8)]
    torch.testing.assert_close(fuse(pair(), FIRST), fuse.mix(joined(alone, FIRST)))


def test_latents_read_every_token() -> None:
    fuse = build_operator(OperatorChoice("perceiver", 8, options={"latents": 3, "layers": 1}), (4, 3), seed=0)
    assert isinstance(fuse, PerceiverFusion)
    (a, b), seen = fuse.tokens(pair(), BOTH)
    x = fuse.latents[None]
    x = x + fuse.reading[0](x, torch.cat([a, b], 1), torch.cat(seen, 1))
    x = fuse.thinking[0](x, torch.ones(1, 3, dtype=torch.bool))
    torch.testing.assert_close(fuse(pair(), BOTH), fuse.norm(x.mean(1)))
    assert x.shape == (1, 3, 8)


@pytest.mark.parametrize("layers", [1, 2])
def test_modalities_meet_only_in_the_shared_tokens(layers: int) -> None:
    fuse = build_operator(OperatorChoice("bottleneck", 8, options={"layers": layers}), (4, 3), seed=0)
    assert isinstance(fuse, BottleneckFusion)
    a, b = (part.requires_grad_() for part in pair())
    (first, second), _ = fuse.tokens([a, b], BOTH)
    states: list[torch.Tensor] = []
    hook = fuse.layers[-1][0].register_forward_hook(lambda _m, _i, out: states.append(out[:, : first.shape[1]]))
    fuse([a, b], BOTH)
    hook.remove()
    del second
    states[0].sum().backward()
    assert bool((a.grad != 0).any())
    # In the first layer nothing of the other modality has reached the shared tokens yet.
    assert (b.grad is not None and bool((b.grad != 0).any())) == (layers == 2)


def test_shared_tokens_are_the_mean_over_the_present_only() -> None:
    fuse = build_operator(OperatorChoice("bottleneck", 8, options={"layers": 1}), (4, 3), seed=0)
    assert isinstance(fuse, BottleneckFusion)
    (a, _), _ = fuse.tokens(pair(), FIRST)
    after = fuse.layers[0][0](torch.cat([a, fuse.shared[None]], 1), torch.ones(1, 10, dtype=torch.bool))
    torch.testing.assert_close(fuse(pair(), FIRST), fuse.norm(after[:, :6].mean(1) + after[:, 6:].mean(1)))
