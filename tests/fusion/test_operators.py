"""What each operator computes, against its formula written out."""

from __future__ import annotations

import pytest
import torch

from clinfuse.errors import ConfigError
from clinfuse.fusion.choice import build_operator
from clinfuse.fusion.operators.base import Operator
from clinfuse.fusion.operators.concat import ConcatFusion, ConcatMLPFusion
from clinfuse.fusion.operators.elementwise import MaxFusion, MeanFusion, ProductFusion
from clinfuse.fusion.operators.gated import GatedFusion

BOTH = torch.tensor([[True, True]])
FIRST = torch.tensor([[True, False]])


def draw(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def pair() -> list[torch.Tensor]:
    return [draw(1, 4, seed=1), draw(1, 3, seed=2)]


def made(name: str) -> Operator:
    return build_operator(name, (4, 3), features=5, seed=0)


def test_concat_is_a_linear_map_of_embeddings_and_presence() -> None:
    fuse = made("concat")
    assert isinstance(fuse, ConcatFusion)
    a, b = pair()
    by_hand = torch.cat([a, b, torch.ones(1, 2)], 1) @ fuse.mix.weight.T + fuse.mix.bias
    torch.testing.assert_close(fuse([a, b], BOTH), by_hand)
    by_hand = torch.cat([a, torch.zeros(1, 3), torch.tensor([[1.0, 0.0]])], 1) @ fuse.mix.weight.T + fuse.mix.bias
    torch.testing.assert_close(fuse([a, b], FIRST), by_hand)


def test_mean_divides_by_the_number_present() -> None:
    fuse = made("mean")
    assert isinstance(fuse, MeanFusion)
    a, b = pair()
    first, second = (project(part) for project, part in zip(fuse.project, (a, b), strict=True))
    torch.testing.assert_close(fuse([a, b], BOTH), (first + second) / 2)
    torch.testing.assert_close(fuse([a, b], FIRST), first)


def test_gated_with_two_modalities_is_the_sigmoid_unit_of_the_paper() -> None:
    fuse = made("gated")
    assert isinstance(fuse, GatedFusion)
    a, b = pair()
    u, v = (project(part) for project, part in zip(fuse.project, (a, b), strict=True))
    difference = fuse.gate.weight[:5] - fuse.gate.weight[5:]
    gate = torch.sigmoid(torch.cat([u, v], 1) @ difference.T)
    torch.testing.assert_close(fuse([a, b], BOTH), gate * torch.tanh(u) + (1 - gate) * torch.tanh(v))
    torch.testing.assert_close(fuse([a, b], FIRST), torch.tanh(u))


def test_gates_add_up_to_one_over_the_present_modalities_and_are_zero_elsewhere() -> None:
    fuse = GatedFusion((2, 2, 2), features=4)
    present = torch.tensor([[True, True, True], [True, False, True], [False, False, True]])
    gates = fuse.gates([draw(3, 2, seed=m) for m in range(3)], present)
    torch.testing.assert_close(gates.sum(1), torch.ones(3, 4))
    assert torch.all(gates[~present] == 0)
    assert torch.all(gates[present] > 0)


def test_product_takes_an_absent_modality_as_one() -> None:
    fuse = made("product")
    assert isinstance(fuse, ProductFusion)
    a, b = pair()
    first, second = (project(part) for project, part in zip(fuse.project, (a, b), strict=True))
    torch.testing.assert_close(fuse([a, b], BOTH), first * second)
    torch.testing.assert_close(fuse([a, b], FIRST), first)


def test_max_looks_only_at_the_present() -> None:
    fuse = made("max")
    assert isinstance(fuse, MaxFusion)
    a, b = pair()
    first, second = (project(part) for project, part in zip(fuse.project, (a, b), strict=True))
    torch.testing.assert_close(fuse([a, b], BOTH), torch.maximum(first, second))
    torch.testing.assert_close(fuse([a, b], FIRST), first)


def additive(fuse: Operator) -> bool:
    """Whether mixed differences of the output over the two embeddings vanish."""
    (a, b), (c, d) = pair(), [draw(1, 4, seed=3), draw(1, 3, seed=4)]
    mixed = fuse([a, b], BOTH) - fuse([a, d], BOTH) - fuse([c, b], BOTH) + fuse([c, d], BOTH)
    return bool(mixed.abs().max() < 1e-5)


def test_which_operators_model_interactions_between_modalities() -> None:
    assert additive(made("concat"))
    assert additive(made("mean"))
    assert not additive(made("concat-mlp"))
    assert not additive(made("gated"))
    assert not additive(made("product"))
    assert isinstance(made("concat-mlp"), ConcatMLPFusion)


def test_an_operator_that_nobody_registered_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"\[OPERATOR_UNKNOWN\].*gated.*found 'meen'"):
        made("meen")
