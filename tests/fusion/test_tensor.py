"""Tensor fusion and its low-rank form, against each other and against the outer product written out."""

from __future__ import annotations

import math
from itertools import product

import pytest
import torch

from clinfuse.errors import ConfigError
from clinfuse.fusion.choice import OperatorChoice, build_operator
from clinfuse.fusion.operators.tensor import LowRankFusion, TensorFusion

WIDTHS = (3, 2, 2)
EVERYTHING = torch.ones(4, 3, dtype=torch.bool)


def draw(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def drawn() -> list[torch.Tensor]:
    return [draw(4, width, seed=m) for m, width in enumerate(WIDTHS)]


def test_the_published_widths_have_140481_products() -> None:
    assert TensorFusion((128, 32, 32), features=1).products == 140_481


def test_products_are_those_of_all_embeddings_each_with_a_one() -> None:
    fuse = TensorFusion(WIDTHS, features=5).double()
    ones = [torch.cat([torch.ones(4, 1), part], 1).double() for part in drawn()]
    outer = torch.einsum("bi,bj,bk->bijk", *ones).flatten(1)
    torch.testing.assert_close(fuse(drawn(), EVERYTHING), fuse.mix(outer), rtol=0, atol=1e-12)


def test_without_a_modality_every_product_with_it_drops_out() -> None:
    fuse = TensorFusion(WIDTHS, features=5).double()
    present = torch.tensor([[True, False, True]] * 4)
    a, _, c = (torch.cat([torch.ones(4, 1), part], 1).double() for part in drawn())
    weight = fuse.mix.weight.unflatten(1, (4, 3, 3))[:, :, 0]
    by_hand = torch.einsum("bi,bk,fik->bf", a, c, weight) + fuse.mix.bias
    torch.testing.assert_close(fuse(drawn(), present), by_hand, rtol=0, atol=1e-12)


@pytest.mark.parametrize("present", [mask for mask in product([True, False], repeat=3) if any(mask)])
def test_low_rank_with_a_rank_for_every_product_is_tensor_fusion(present: tuple[bool, ...]) -> None:
    whole = TensorFusion(WIDTHS, features=5).double()
    rank = math.prod(width + 1 for width in WIDTHS)
    low = LowRankFusion(WIDTHS, features=5, rank=rank).double()
    with torch.no_grad():
        for r, places in enumerate(product(*(range(width + 1) for width in WIDTHS))):
            for m, (factor, place) in enumerate(zip(low.factors, places, strict=True)):
                factor[r] = 0
                factor[r, place] = whole.mix.weight[:, r] if m == 0 else 1
        low.bias.copy_(whole.mix.bias)
    mask = torch.tensor([present] * 4)
    torch.testing.assert_close(low(drawn(), mask), whole(drawn(), mask), rtol=0, atol=1e-12)


def test_every_factor_is_trained() -> None:
    low = LowRankFusion(WIDTHS, features=5, rank=3)
    assert sum(p.numel() for p in low.parameters()) == 3 * 5 * (4 + 3 + 3) + 5
    assert set(low.state_dict()) == {"factors.0", "factors.1", "factors.2", "bias"}


def test_too_many_products_are_refused_with_their_number_and_a_way_out() -> None:
    with pytest.raises(ConfigError, match=r"\[OPERATOR_SIZE\].*at most 200000.*found 610929.*reduce"):
        build_operator("tensor", (32, 32, 32, 16), seed=0)
    narrow = build_operator(OperatorChoice("tensor", options={"reduce": 4}), (32, 32, 32, 16), seed=0)
    assert isinstance(narrow, TensorFusion)
    assert narrow.products == 625


@pytest.mark.parametrize(("name", "options"), [("tensor", {"reduce": -1}), ("low-rank", {"rank": 0})])
def test_widths_and_ranks_that_cannot_be(name: str, options: dict[str, int]) -> None:
    with pytest.raises(ConfigError, match="OPERATOR_WIDTHS"):
        build_operator(OperatorChoice(name, options=options), WIDTHS, seed=0)
