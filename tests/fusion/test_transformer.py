"""Attention and the transformers, against numbers worked out otherwise."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from clinfuse.errors import ConfigError
from clinfuse.explain.gradients import integrated_gradients
from clinfuse.fusion.attention import Attention, AttentionBlock
from clinfuse.fusion.choice import OperatorChoice, build_operator
from clinfuse.fusion.operators.transformer import TokenTransformerFusion, TransformerFusion


def draw(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def all_of(x: torch.Tensor) -> torch.Tensor:
    return torch.ones(x.shape[:2], dtype=torch.bool)


def test_attention_to_a_single_key_does_not_depend_on_the_query() -> None:
    """Why operators that attend from one modality to another refuse pooled vectors."""
    attend = Attention(8).double()
    context = draw(2, 1, 8)
    first = attend(draw(2, 3, 8, seed=1), context, all_of(context))
    second = attend(draw(2, 3, 8, seed=2), context, all_of(context))
    assert float((first - second).detach().abs().max()) == 0.0
    several = draw(2, 4, 8)
    first = attend(draw(2, 3, 8, seed=1), several, all_of(several))
    second = attend(draw(2, 3, 8, seed=2), several, all_of(several))
    assert float((first - second).detach().abs().max()) > 1e-3


def test_a_block_is_a_layer_of_torch_with_the_same_weights() -> None:
    block = AttentionBlock(8, heads=2).double()
    layer = nn.TransformerEncoderLayer(
        8, 2, 16, dropout=0, activation="gelu", batch_first=True, norm_first=True, dtype=torch.float64
    )
    with torch.no_grad():
        parts = (block.attention.query, block.attention.key, block.attention.value)
        layer.self_attn.in_proj_weight.copy_(torch.cat([part.weight for part in parts]))
        layer.self_attn.in_proj_bias.copy_(
            torch.cat([block.attention.query.bias, torch.zeros(8), block.attention.value.bias])
        )
    layer.self_attn.out_proj.load_state_dict(block.attention.out.state_dict())
    layer.linear1.load_state_dict(block.network[0].state_dict())
    layer.linear2.load_state_dict(block.network[2].state_dict())
    for mine, theirs in ((block.before, layer.norm1), (block.between, layer.norm2)):
        theirs.load_state_dict(mine.state_dict())
    x, mask = draw(3, 5, 8), torch.tensor([[True, True, False, True, False]] * 3)
    expected = layer(x, src_key_padding_mask=~mask)
    torch.testing.assert_close(block(x, mask)[mask], expected[mask], rtol=0, atol=1e-12)


def test_heads_are_as_many_as_divide_the_width() -> None:
    assert [Attention(width, heads=4).heads for width in (32, 6, 5, 1)] == [4, 3, 1, 1]


@pytest.mark.parametrize("name", ["transformer", "token-transformer"])
def test_an_absent_modality_is_as_good_as_left_out_of_the_sequence(name: str) -> None:
    fuse = build_operator(name, (4, 3, 5), features=8, seed=0).double()
    assert isinstance(fuse, TransformerFusion | TokenTransformerFusion)
    middle = () if name == "transformer" else (2,)
    z = [draw(2, *middle, width, seed=width) for width in (4, 3, 5)]
    masked = fuse(z, torch.tensor([[True, False, True]] * 2))
    tokens = torch.cat([project(part).reshape(2, -1, 8) for project, part in zip(fuse.project, z, strict=True)], 1)
    kept = tokens[:, [0, 2]] if name == "transformer" else tokens[:, [0, 1, 4, 5]]
    torch.testing.assert_close(masked, fuse.read(kept, all_of(kept)), rtol=0, atol=1e-12)


@pytest.mark.parametrize("name", ["transformer", "token-transformer"])
def test_an_absent_modality_is_due_exactly_nothing(name: str) -> None:
    fuse = build_operator(name, (4, 3), features=8, seed=0).double()
    middle = () if name == "transformer" else (2,)
    inputs = [draw(1, *middle, width, seed=width).numpy() for width in (4, 3)]
    mask = torch.tensor([[False, True]])
    path = integrated_gradients(
        lambda x: fuse([part.double() for part in x], mask.expand(len(x[0]), -1))[:, 0],
        inputs,
        baselines=[np.zeros_like(part[0]) for part in inputs],
    )
    assert np.all(path.maps[0] == 0)
    assert np.any(path.maps[1] != 0)


def test_layers_are_an_option() -> None:
    one = build_operator(OperatorChoice("transformer", 8, options={"layers": 1}), (4, 3), seed=0)
    assert isinstance(one, TransformerFusion)
    assert len(one.read.layers) == 1
    with pytest.raises(ConfigError, match=r"\[OPERATOR_OPTION\].*heads, layers; found depth"):
        build_operator(OperatorChoice("transformer", 8, options={"depth": 1}), (4, 3), seed=0)
