"""Laws that every fusion operator obeys, whatever its formula."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from itertools import product
from typing import Any

import pytest
import torch

from clinfuse.errors import ConfigError, DataError
from clinfuse.fusion.operators import Operator, build_operator, operator_class, operator_names

WIDTHS = (5, 3, 4)
FEATURES = 6
SUBSETS = [mask for mask in product([False, True], repeat=3) if any(mask)]
every_operator = pytest.mark.parametrize("name", operator_names())


def draw(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def embeddings(operator: type[Operator], batch: int, widths: tuple[int, ...] = WIDTHS) -> list[torch.Tensor]:
    middle = (4,) if operator.needs == "tokens" else ()
    return [draw(batch, *middle, width, seed=width) for width in widths]


def built(name: str, widths: tuple[int, ...] = WIDTHS, seed: int = 1) -> Operator:
    return build_operator(name, widths, features=FEATURES, seed=seed)


def every_subset() -> torch.Tensor:
    return torch.tensor(SUBSETS)


def overwritten(z: list[torch.Tensor], present: torch.Tensor, filler: float) -> list[torch.Tensor]:
    result = [part.clone() for part in z]
    for m, part in enumerate(result):
        part[~present[:, m]] = filler
    return result


def descendants(kind: type[Any]) -> Iterator[type[Any]]:
    for child in kind.__subclasses__():
        yield child
        yield from descendants(child)


def test_every_operator_that_can_be_built_is_registered_and_so_under_these_laws() -> None:
    concrete = {
        c for c in descendants(Operator) if not inspect.isabstract(c) and c.__module__.startswith("clinfuse.fusion.")
    }
    assert concrete == {operator_class(name) for name in operator_names()}
    assert {"concat", "mean", "gated"} <= set(operator_names())


@every_operator
@pytest.mark.parametrize("filler", [1e6, -1e30, float("nan"), float("inf")])
@pytest.mark.parametrize("training", [True, False])
def test_the_content_of_an_absent_modality_never_matters(name: str, filler: float, training: bool) -> None:
    operator = built(name).train(training)
    z, present = embeddings(operator_class(name), len(SUBSETS)), every_subset()
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(4)
        expected = operator(z, present)
        torch.default_generator.manual_seed(4)
        found = operator(overwritten(z, present, filler), present)
    assert torch.equal(found, expected)


@every_operator
def test_gradients_neither_reach_nor_come_from_an_absent_modality(name: str) -> None:
    operator, present = built(name), every_subset()
    clean = [part.requires_grad_() for part in embeddings(operator_class(name), len(SUBSETS))]
    dirty = [part.detach().clone() for part in clean]
    dirty = [part.requires_grad_() for part in overwritten(dirty, present, float("nan"))]
    gradients = []
    for z in (clean, dirty):
        operator.zero_grad()
        operator(z, present).square().sum().backward()
        gradients.append([parameter.grad.clone() for parameter in operator.parameters()])
    assert all(torch.equal(a, b) for a, b in zip(*gradients, strict=True))
    for m, part in enumerate(dirty):
        assert torch.all(part.grad[~present[:, m]] == 0)


@every_operator
def test_permuting_the_batch_permutes_the_output(name: str) -> None:
    operator = built(name).eval()
    z, present = embeddings(operator_class(name), len(SUBSETS)), every_subset()
    order = torch.tensor([3, 0, 6, 2, 5, 1, 4])
    permuted = operator([part[order] for part in z], present[order])
    torch.testing.assert_close(permuted, operator(z, present)[order], rtol=0, atol=1e-6)


@every_operator
@pytest.mark.parametrize("subset", SUBSETS)
def test_every_subset_gives_finite_output_and_gradients(name: str, subset: tuple[bool, ...]) -> None:
    operator = built(name)
    z = [part.requires_grad_() for part in embeddings(operator_class(name), 2)]
    fused = operator(z, torch.tensor([subset, subset]))
    fused.square().sum().backward()
    assert torch.isfinite(fused).all()
    gradients = [p.grad for p in operator.parameters() if p.grad is not None]
    assert gradients
    assert all(torch.isfinite(gradient).all() for gradient in gradients)
    assert all(bool((part.grad != 0).any()) for part, there in zip(z, subset, strict=True) if there)


@every_operator
def test_a_record_with_nothing_present_is_refused(name: str) -> None:
    z = embeddings(operator_class(name), 2)
    with pytest.raises(DataError, match="FUSION_NOTHING_PRESENT"):
        built(name)(z, torch.tensor([[True, False, True], [False, False, False]]))


@every_operator
def test_evaluation_is_deterministic(name: str) -> None:
    operator = built(name).eval()
    z, present = embeddings(operator_class(name), len(SUBSETS)), every_subset()
    assert torch.equal(operator(z, present), operator(z, present))


@every_operator
def test_the_state_holds_every_tensor_that_is_trained_or_used(name: str) -> None:
    operator, other = built(name, seed=1).eval(), built(name, seed=2).eval()
    trained = {id(parameter) for parameter in operator.parameters()}
    hidden = [
        value
        for module in operator.modules()
        for item in vars(module).values()
        for value in (item if isinstance(item, list | tuple) else [item])
        if isinstance(value, torch.Tensor) and value.requires_grad and id(value) not in trained
    ]
    assert hidden == []
    z, present = embeddings(operator_class(name), len(SUBSETS)), every_subset()
    assert not torch.equal(operator(z, present), other(z, present))
    other.load_state_dict(operator.state_dict())
    assert torch.equal(operator(z, present), other(z, present))


@every_operator
def test_gradients_reach_every_parameter(name: str) -> None:
    operator = built(name)
    operator(embeddings(operator_class(name), len(SUBSETS)), every_subset()).square().sum().backward()
    assert all(p.grad is not None and bool((p.grad != 0).any()) for p in operator.parameters() if p.requires_grad)


@every_operator
def test_one_record_alone_is_answered_as_in_a_batch(name: str) -> None:
    operator = built(name).eval()
    z, present = embeddings(operator_class(name), len(SUBSETS)), every_subset()
    together = operator(z, present)
    for row in range(len(SUBSETS)):
        alone = operator([part[row : row + 1] for part in z], present[row : row + 1])
        assert alone.shape == (1, FEATURES)
        torch.testing.assert_close(alone[0], together[row], rtol=0, atol=1e-5)


@every_operator
@pytest.mark.parametrize("widths", [(4,), (4, 2), (3, 3, 3, 3, 3)])
def test_any_number_of_modalities(name: str, widths: tuple[int, ...]) -> None:
    z = embeddings(operator_class(name), 3, widths)
    fused = built(name, widths)(z, torch.ones(3, len(widths), dtype=torch.bool))
    assert fused.shape == (3, FEATURES)


@every_operator
def test_the_same_seed_gives_the_same_weights_and_leaves_the_global_generator_alone(name: str) -> None:
    before = torch.random.get_rng_state()
    first, second = built(name, seed=9).state_dict(), built(name, seed=9).state_dict()
    assert torch.equal(before, torch.random.get_rng_state())
    assert all(torch.equal(first[key], second[key]) for key in first)


@every_operator
@pytest.mark.parametrize("fault", ["count", "width", "rows", "type"])
def test_wrong_shapes_are_refused(name: str, fault: str) -> None:
    z, present = embeddings(operator_class(name), 2), torch.ones(2, 3, dtype=torch.bool)
    wrong: dict[str, tuple[list[torch.Tensor], torch.Tensor]] = {
        "count": (z[:2], present),
        "width": ([z[0], z[1], z[0]], present),
        "rows": ([part[:1] for part in z], present),
        "type": (z, present.float()),
    }
    with pytest.raises(DataError, match="FUSION_SHAPE"):
        built(name)(*wrong[fault])


@pytest.mark.parametrize("widths", [(), (4, 0)])
@every_operator
def test_widths_are_checked(name: str, widths: tuple[int, ...]) -> None:
    with pytest.raises(ConfigError, match="OPERATOR_WIDTHS"):
        build_operator(name, widths, features=2, seed=0)


def test_an_unknown_operator_is_refused_with_the_names_there_are() -> None:
    with pytest.raises(ConfigError, match="concat, concat-mlp, gated"):
        build_operator("gate", WIDTHS, features=2, seed=0)
