"""Laws that every fusion operator obeys, whatever its formula."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import Any

import pytest
import torch

import clinfuse
from clinfuse.errors import ConfigError, DataError
from clinfuse.fusion.choice import OperatorChoice, build_operator, operator_class, operator_names
from clinfuse.fusion.operators.base import Operator
from clinfuse.fusion.stand_ins import FilledOperator

PACKAGE = Path(clinfuse.__file__).parent
WIDTHS = (5, 3, 4)
FEATURES = 6
TOKENS = [name for name in operator_names() if operator_class(name).needs == "tokens"]
SUBSETS = [mask for mask in product([False, True], repeat=3) if any(mask)]
every_operator = pytest.mark.parametrize("name", operator_names())
either_way = pytest.mark.parametrize("normalise", [False, True], ids=["as they are", "normalised"])


def draw(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def embeddings(operator: type[Operator], batch: int, widths: tuple[int, ...] = WIDTHS) -> list[torch.Tensor]:
    middle = (4,) if operator.needs == "tokens" else ()
    return [draw(batch, *middle, width, seed=width) for width in widths]


def built(name: str, widths: tuple[int, ...] = WIDTHS, *, seed: int = 1, normalise: bool = False) -> Operator:
    """An operator as training may have left it: a layer that begins at zero would hide what stands before it."""
    operator = build_operator(OperatorChoice(name, FEATURES, normalise), widths, seed=seed)
    drawer = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in operator.parameters():
            parameter.add_(0.1 * torch.randn(parameter.shape, generator=drawer))
    return operator


def fused(operator: Operator, *arguments: Any, seed: int = 4) -> torch.Tensor:
    """What an operator gives, whatever it draws while it is trained."""
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        return operator(*arguments)


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


def of_the_package(operator: type[Operator]) -> bool:
    """Whether its file is one of the package: a test may have tried one of its own under a name of the room."""
    return Path(inspect.getfile(operator.forward)).is_relative_to(PACKAGE)


def test_every_operator_that_can_be_built_is_registered_and_so_under_these_laws() -> None:
    concrete = {c for c in descendants(Operator) if not inspect.isabstract(c) and of_the_package(c)}
    # An operator behind stand-ins is no operator by name; the laws of stand-ins hold it.
    assert concrete - {FilledOperator} == {operator_class(name) for name in operator_names()}
    assert {"concat", "mean", "gated"} <= set(operator_names())


@every_operator
@either_way
@pytest.mark.parametrize("training", [True, False], ids=["training", "evaluation"])
def test_the_content_of_an_absent_modality_never_matters(name: str, training: bool, normalise: bool) -> None:
    operator = built(name, normalise=normalise).train(training)
    z, present = embeddings(operator_class(name), len(SUBSETS)), every_subset()
    expected = fused(operator, z, present)
    for filler in (1e6, -1e30, float("nan"), float("inf")):
        dirty = overwritten(z, present, filler)
        assert torch.equal(fused(operator, dirty, present), expected)
        assert torch.equal(operator.penalty(dirty, present), operator.penalty(z, present))


@every_operator
@either_way
def test_gradients_neither_reach_nor_come_from_an_absent_modality(name: str, normalise: bool) -> None:
    operator, present = built(name, normalise=normalise), every_subset()
    clean = [part.requires_grad_() for part in embeddings(operator_class(name), len(SUBSETS))]
    dirty = [part.detach().clone() for part in clean]
    dirty = [part.requires_grad_() for part in overwritten(dirty, present, float("nan"))]
    gradients = []
    for z in (clean, dirty):
        operator.zero_grad()
        (fused(operator, z, present).square().sum() + operator.penalty(z, present)).backward()
        gradients.append([parameter.grad.clone() for parameter in operator.parameters()])
    assert all(torch.equal(a, b) for a, b in zip(*gradients, strict=True))
    for m, part in enumerate(dirty):
        assert torch.all(part.grad[~present[:, m]] == 0)


@every_operator
def test_permuting_the_batch_permutes_the_output(name: str) -> None:
    operator = built(name)
    z, present = embeddings(operator_class(name), len(SUBSETS)), every_subset()
    draws = not torch.equal(fused(operator, z, present, seed=1), fused(operator, z, present, seed=2))
    for training in (False,) if draws else (False, True):
        expected = operator.train(training)(z, present)
        order = torch.tensor([3, 0, 6, 2, 5, 1, 4])
        permuted = operator([part[order] for part in z], present[order])
        torch.testing.assert_close(permuted, expected[order], rtol=0, atol=1e-6)


@every_operator
@either_way
@pytest.mark.parametrize("training", [True, False], ids=["training", "evaluation"])
def test_every_subset_gives_finite_output_and_gradients(name: str, training: bool, normalise: bool) -> None:
    for subset in SUBSETS:
        finite_for(subset, built(name, normalise=normalise).train(training))


def finite_for(subset: tuple[bool, ...], operator: Operator) -> None:
    z = [part.requires_grad_() for part in embeddings(type(operator), 2)]
    answer = fused(operator, z, torch.tensor([subset, subset]))
    answer.square().sum().backward()
    assert torch.isfinite(answer).all()
    gradients = [p.grad for p in operator.parameters() if p.grad is not None]
    assert gradients
    assert all(torch.isfinite(gradient).all() for gradient in gradients)
    assert all(bool((part.grad != 0).any()) for part, there in zip(z, subset, strict=True) if there)


@every_operator
def test_a_record_with_nothing_present_is_refused(name: str) -> None:
    z = embeddings(operator_class(name), 2)
    for training in (True, False):
        with pytest.raises(DataError, match="FUSION_NOTHING_PRESENT"):
            built(name).train(training)(z, torch.tensor([[True, False, True], [False, False, False]]))


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
    z, present = embeddings(operator_class(name), len(SUBSETS)), every_subset()
    (fused(operator, z, present).square().sum() + operator.penalty(z, present)).backward()
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
def test_any_number_of_modalities(name: str) -> None:
    for widths in [(4,), (4, 2), (3, 3, 3, 3, 3)]:
        z = embeddings(operator_class(name), 3, widths)
        assert built(name, widths)(z, torch.ones(3, len(widths), dtype=torch.bool)).shape == (3, FEATURES)


@every_operator
def test_the_same_seed_gives_the_same_weights_and_leaves_the_global_generator_alone(name: str) -> None:
    before = torch.random.get_rng_state()
    first, second = built(name, seed=9).state_dict(), built(name, seed=9).state_dict()
    assert torch.equal(before, torch.random.get_rng_state())
    assert all(torch.equal(first[key], second[key]) for key in first)


@every_operator
def test_wrong_shapes_are_refused(name: str) -> None:
    z, present = embeddings(operator_class(name), 2), torch.ones(2, 3, dtype=torch.bool)
    wrong: dict[str, tuple[list[torch.Tensor], torch.Tensor]] = {
        "count": (z[:2], present),
        "width": ([z[0], z[1], z[0]], present),
        "rows": ([part[:1] for part in z], present),
        "type": (z, present.float()),
    }
    for fault in wrong.values():
        with pytest.raises(DataError, match="FUSION_SHAPE"):
            built(name)(*fault)


@every_operator
def test_widths_are_checked(name: str) -> None:
    for widths in [(), (4, 0)]:
        with pytest.raises(ConfigError, match="OPERATOR_WIDTHS"):
            build_operator(name, widths, features=2, seed=0)


def test_an_unknown_operator_is_refused_with_the_names_there_are() -> None:
    with pytest.raises(ConfigError, match="concat, concat-mlp, cross-attention"):
        build_operator("gate", WIDTHS, features=2, seed=0)


@pytest.mark.parametrize("name", TOKENS)
@either_way
def test_a_token_that_does_not_exist_never_matters(name: str, normalise: bool) -> None:
    operator = built(name, normalise=normalise).eval()
    z, present = embeddings(operator_class(name), len(SUBSETS)), every_subset()
    masks = [torch.rand(len(SUBSETS), 4, generator=torch.Generator().manual_seed(m)) < 0.6 for m in range(3)]
    masks[0][-1] = False
    dirty = [part.clone() for part in z]
    for part, mask in zip(dirty, masks, strict=True):
        part[~mask] = float("nan")
    assert torch.equal(operator(dirty, present, masks), operator(z, present, masks))


@pytest.mark.parametrize("name", TOKENS)
def test_a_masked_token_is_as_good_as_dropped(name: str) -> None:
    operator, present = built(name).double().eval(), torch.ones(3, 3, dtype=torch.bool)
    z = [part.double() for part in embeddings(operator_class(name), 3)]
    masks = [torch.tensor([[True, False, True, False]] * 3)] * 3
    dropped = operator([part[:, ::2] for part in z], present)
    torch.testing.assert_close(operator(z, present, masks), dropped, rtol=0, atol=1e-12)


@pytest.mark.parametrize("name", TOKENS)
def test_withholding_after_preparing_is_never_having_had_it(name: str) -> None:
    operator = built(name).double().eval()
    z = [part.double() for part in embeddings(operator_class(name), len(SUBSETS))]
    present, everything = every_subset(), torch.ones(len(SUBSETS), 3, dtype=torch.bool)
    found = operator.fuse(operator.prepare(z, everything), present)
    torch.testing.assert_close(found, operator(z, present), rtol=0, atol=1e-12)
    other = overwritten(z, present, 1e6)
    assert torch.equal(operator.fuse(operator.prepare(other, everything), present), found)


@pytest.mark.parametrize("name", TOKENS)
def test_a_present_modality_without_any_token_is_answered(name: str) -> None:
    operator = built(name).eval()
    z, present = embeddings(operator_class(name), 2), torch.tensor([[True, False, False]] * 2)
    masks = [torch.zeros(2, 4, dtype=torch.bool)] * 3
    answer = operator(z, present, masks)
    assert torch.isfinite(answer).all()
    torch.testing.assert_close(answer[0], answer[1])


@every_operator
def test_vectors_where_tokens_are_needed_are_refused_with_the_reason_and_the_reverse(name: str) -> None:
    tokens = operator_class(name).needs == "tokens"
    z = [draw(2, width) if tokens else draw(2, 4, width) for width in WIDTHS]
    with pytest.raises(DataError, match=r"FUSION_TOKENS.*" + ("does nothing" if tokens else "one vector")):
        built(name)(z, torch.ones(2, 3, dtype=torch.bool))


@pytest.mark.parametrize("name", TOKENS)
def test_a_mask_of_another_shape_is_refused(name: str) -> None:
    z = embeddings(operator_class(name), 2)
    with pytest.raises(DataError, match=r"FUSION_SHAPE.*mask of tokens"):
        built(name)(z, torch.ones(2, 3, dtype=torch.bool), [torch.ones(2, 3, dtype=torch.bool)] * 3)


@every_operator
def test_a_vector_of_one_number_cannot_be_normalised(name: str) -> None:
    with pytest.raises(ConfigError, match=r"OPERATOR_WIDTHS.*at least 2 wide"):
        build_operator(OperatorChoice(name, normalise=True), (4, 1), seed=0)


@every_operator
def test_unknown_options_are_refused(name: str) -> None:
    with pytest.raises(ConfigError, match=r"OPERATOR_OPTION.*knobs"):
        build_operator(OperatorChoice(name, options={"knobs": 3}), WIDTHS, seed=0)
