"""Stand-ins inside a joint network: laws, and what each of them must learn."""

from itertools import product

import pytest
import torch
from torch import nn

from clinfuse.errors import ConfigError
from clinfuse.fusion.choice import build_operator, operator_class, operator_names
from clinfuse.fusion.stand_ins import FilledOperator, GeneratorStandIn, StandIn, behind_stand_in, stand_in_names

WIDTHS = (5, 3, 4)
SUBSETS = torch.tensor([mask for mask in product([False, True], repeat=3) if any(mask)])
VECTORS = [name for name in operator_names() if operator_class(name).needs == "vectors"]
every = pytest.mark.parametrize("name", stand_in_names())
with_operators = pytest.mark.parametrize("operator", ["concat", "mean", "gated", "product"])


def draw(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def embeddings():
    return [draw(len(SUBSETS), width, seed=width) for width in WIDTHS]


def built(name, operator="mean", seed=1):
    filled = behind_stand_in(name, build_operator(operator, WIDTHS, features=6, seed=seed), seed=seed)
    drawer = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in filled.parameters():
            parameter.add_(0.1 * torch.randn(parameter.shape, generator=drawer))
    return filled


def overwritten(z, present, filler):
    return [torch.where(present[:, [m]], part, torch.full_like(part, filler)) for m, part in enumerate(z)]


def test_every_stand_in_is_registered_and_so_under_these_laws():
    assert {kind.name for kind in StandIn.__subclasses__()} == set(stand_in_names())


@every
@with_operators
@pytest.mark.parametrize("training", [True, False])
def test_the_content_of_an_absent_modality_never_matters(name, operator, training):
    filled, z = built(name, operator).train(training), embeddings()
    for filler in (1e6, float("nan"), float("inf")):
        dirty = overwritten(z, SUBSETS, filler)
        assert torch.equal(filled(dirty, SUBSETS), filled(z, SUBSETS))
        assert torch.equal(filled.penalty(dirty, SUBSETS), filled.penalty(z, SUBSETS))


@every
@with_operators
def test_gradients_are_finite_and_none_reaches_an_absent_modality(name, operator):
    filled = built(name, operator)
    z = [part.requires_grad_() for part in overwritten(embeddings(), SUBSETS, float("nan"))]
    (filled(z, SUBSETS).square().sum() + filled.penalty(z, SUBSETS)).backward()
    for m, part in enumerate(z):
        assert (part.grad[~SUBSETS[:, m]] == 0).all()
        assert torch.isfinite(part.grad).all()
    assert all(p.grad is not None and torch.isfinite(p.grad).all() and p.grad.any() for p in filled.parameters())


@every
def test_stand_ins_are_seen_as_present_and_what_is_present_is_left_alone(name):
    filled, z = built(name), embeddings()
    seen = {}

    class Spy(nn.Module):
        def forward(self, parts, present):
            seen["parts"], seen["present"] = parts, present
            return parts[0]

    filled.operator = Spy()
    filled(z, SUBSETS)
    assert seen["present"].all()
    for m, (before, after) in enumerate(zip(z, seen["parts"], strict=True)):
        assert torch.equal(before[SUBSETS[:, m]], after[SUBSETS[:, m]])
        assert after[~SUBSETS[:, m]].abs().sum() > 0


@every
def test_the_same_seed_gives_the_same_weights(name):
    one, other = built(name).state_dict(), built(name).state_dict()
    assert all(torch.equal(one[key], other[key]) for key in one)


def test_the_generator_learns_an_embedding_that_follows_from_another_and_moves_neither():
    torch.manual_seed(0)
    stand_in = GeneratorStandIn((4, 3), weight=1.0)
    optimiser = torch.optim.Adam(stand_in.parameters(), lr=0.01)
    mixing = draw(4, 3, seed=7)
    for step in range(400):
        z = [draw(64, 4, seed=step).requires_grad_()]
        z.append((z[0].detach() @ mixing).requires_grad_())
        optimiser.zero_grad()
        stand_in.penalty(z, torch.ones(64, 2, dtype=torch.bool)).backward()
        assert z[0].grad is None or not z[0].grad.any()
        optimiser.step()
    fresh = draw(200, 4, seed=999)
    made = stand_in([fresh, torch.zeros(200, 3)], torch.tensor([[True, False]]).expand(200, -1))[1]
    truth = fresh @ mixing
    assert ((made - truth) ** 2).mean() < 0.1 * truth.var()


def test_records_with_a_single_modality_teach_the_generator_nothing():
    stand_in = GeneratorStandIn((4, 3))
    z = [draw(5, 4), draw(5, 3)]
    assert float(stand_in.penalty(z, torch.tensor([[True, False]]).expand(5, -1)).detach()) == 0


def test_skip_is_the_operator_itself_and_what_cannot_be_is_refused():
    operator = build_operator("mean", WIDTHS, features=6, seed=0)
    assert behind_stand_in("skip", operator, seed=0) is operator
    with pytest.raises(ConfigError, match=r"FILL_NAME.*skip, generator, token"):
        behind_stand_in("regression", operator, seed=0)
    tokens = next(name for name in operator_names() if operator_class(name).needs == "tokens")
    with pytest.raises(ConfigError, match="FILL_OPERATOR"):
        FilledOperator(GeneratorStandIn(WIDTHS), build_operator(tokens, WIDTHS, features=8, seed=0))


@every
@pytest.mark.parametrize("operator", VECTORS)
def test_every_operator_on_vectors_takes_stand_ins(name, operator):
    assert torch.isfinite(built(name, operator).eval()(embeddings(), SUBSETS)).all()
