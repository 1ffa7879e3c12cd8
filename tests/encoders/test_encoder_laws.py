"""Laws that every registered encoder obeys, whatever its network."""

from __future__ import annotations

import copy
import inspect
import pickle
from collections.abc import Iterator
from functools import cache
from typing import Any

import pytest
import torch
from torch import nn

from clinfuse.encoders.base import Encoder
from clinfuse.encoders.choice import BroughtEncoder, build_encoder, default_encoder, encoder_names

SHAPES: dict[str, tuple[tuple[int, ...], ...]] = {
    "ct": ((1, 16, 16, 8),),
    "xray": ((1, 32, 32),),
    "mask": ((2, 9, 16, 7),),
    "eeg": ((5, 160),),
    "ehr": ((7,),),
}
CASES = [(name, shape) for kind, shapes in SHAPES.items() for shape in shapes for name in encoder_names(kind)]
# Wide networks cost seconds for each shape in 3-D; the first 3-D shape shows what the second would.
FAST = [case for case in CASES if not (len(case[1]) == 4 and case[1][0] == 2 and case[0] in {"resnet18", "resnet34"})]
FEATURES = 6
every_encoder = pytest.mark.parametrize(("name", "shape"), FAST, ids=lambda part: str(part).replace(" ", ""))


def rows(shape: tuple[int, ...], batch: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(batch, *shape, generator=torch.Generator().manual_seed(seed))


@cache
def built(name: str, shape: tuple[int, ...]) -> Encoder:
    encoder = build_encoder(name, shape, seed=1, features=FEATURES)
    encoder.adapt(rows(shape, 5, seed=2))
    return encoder.eval()


def descendants(kind: type[Any]) -> Iterator[type[Any]]:
    for child in kind.__subclasses__():
        yield child
        yield from descendants(child)


def test_every_encoder_class_is_registered_and_so_under_these_laws() -> None:
    concrete = {
        c for c in descendants(Encoder) if not inspect.isabstract(c) and c.__module__.startswith("clinfuse.encoders.")
    }
    bases = {c for c in concrete if any(issubclass(other, c) and other is not c for other in concrete)}
    tried = {type(built(name, shape)) for name, shape in FAST}
    assert concrete - bases - {BroughtEncoder} == tried


def test_every_registered_name_is_tried() -> None:
    assert {name for kind in SHAPES for name in encoder_names(kind)} == {name for name, _ in FAST}
    assert all(default_encoder(kind) in encoder_names(kind) for kind in SHAPES)


@every_encoder
def test_one_vector_per_record(name: str, shape: tuple[int, ...]) -> None:
    for batch in (1, 3):
        z = built(name, shape)(rows(shape, batch))
        assert z.shape == (batch, FEATURES)
        assert z.dtype == torch.float32
        assert torch.isfinite(z).all()


@every_encoder
def test_a_record_alone_is_encoded_as_in_a_batch(name: str, shape: tuple[int, ...]) -> None:
    encoder, x = built(name, shape), rows(shape, 4)
    with torch.no_grad():
        together = encoder(x)
        for row in range(4):
            torch.testing.assert_close(encoder(x[row : row + 1])[0], together[row], rtol=0, atol=1e-5)


@every_encoder
def test_what_else_is_in_a_training_batch_does_not_matter(name: str, shape: tuple[int, ...]) -> None:
    encoder = copy.deepcopy(built(name, shape)).train()
    for module in encoder.modules():
        if "drop" in type(module).__name__.lower():
            module.eval()
        if hasattr(module, "drop_connect_rate"):
            module.drop_connect_rate = 0.0
    x = rows(shape, 3)
    with torch.no_grad():
        together, others = encoder(x), encoder(torch.cat([x[:1], 50 * x[1:]]))
    torch.testing.assert_close(others[0], together[0], rtol=0, atol=1e-5)


@every_encoder
def test_records_are_told_apart(name: str, shape: tuple[int, ...]) -> None:
    with torch.no_grad():
        z = built(name, shape)(rows(shape, 4))
    assert bool((z.std(0) > 1e-6).all())


@every_encoder
def test_no_batch_norm(name: str, shape: tuple[int, ...]) -> None:
    modules = list(built(name, shape).modules())
    assert not [module for module in modules if isinstance(module, nn.modules.batchnorm._NormBase)]


@every_encoder
def test_tokens_have_the_width_of_the_embedding(name: str, shape: tuple[int, ...]) -> None:
    with torch.no_grad():
        tokens = built(name, shape).tokens(rows(shape, 2))
    assert tokens.ndim == 3
    assert tokens.shape[0] == 2
    assert tokens.shape[1] >= 1
    assert tokens.shape[2] == FEATURES
    assert torch.isfinite(tokens).all()


@every_encoder
def test_gradients_reach_every_parameter(name: str, shape: tuple[int, ...]) -> None:
    encoder = copy.deepcopy(built(name, shape))
    x = rows(shape, 3).requires_grad_()
    encoder(x).square().sum().backward()
    unreached = [key for key, p in encoder.named_parameters() if p.grad is None or not torch.isfinite(p.grad).all()]
    assert unreached == []
    assert all(bool((p.grad != 0).any()) for p in encoder.parameters() if p.ndim > 1)
    assert bool((x.grad != 0).any())


@every_encoder
def test_the_same_seed_gives_the_same_bits_and_another_seed_others(name: str, shape: tuple[int, ...]) -> None:
    before = torch.random.get_rng_state()
    first, second, other = (build_encoder(name, shape, seed=s, features=FEATURES).state_dict() for s in (1, 1, 2))
    assert torch.equal(before, torch.random.get_rng_state())
    assert list(first) == list(second)
    assert all(torch.equal(first[key], second[key]) for key in first)
    assert any(not torch.equal(first[key], other[key]) for key in first)


@every_encoder
def test_evaluation_is_deterministic_and_the_state_says_everything(name: str, shape: tuple[int, ...]) -> None:
    encoder, x = built(name, shape), rows(shape, 2)
    other = build_encoder(name, shape, seed=2, features=FEATURES).eval()
    other.load_state_dict(encoder.state_dict())
    with torch.no_grad():
        assert torch.equal(encoder(x), encoder(x))
        assert torch.equal(other(x), encoder(x))


@pytest.mark.parametrize("name", [name for name, shape in FAST if len(shape) < 3 or "narrow" in name])
def test_an_encoder_can_be_copied_to_another_process(name: str) -> None:
    shape = next(shape for known, shape in FAST if known == name)
    again = pickle.loads(pickle.dumps(built(name, shape)))
    assert torch.equal(again(rows(shape, 1)), built(name, shape)(rows(shape, 1)))
