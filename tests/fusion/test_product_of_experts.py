"""The product of experts against what it is by hand (Wu and Goodman 2018)."""

from __future__ import annotations

import pytest
import torch

from clinfuse.fusion.choice import OperatorChoice, build_operator
from clinfuse.fusion.operators.product_of_experts import ProductOfExpertsFusion, divergence, product_of_gaussians

MEANS = torch.tensor([[[1.0], [3.0]]], dtype=torch.float64)
PRECISIONS = 1 / torch.tensor([[[0.5], [0.25]]], dtype=torch.float64)


def made(weight: float = 0.01) -> ProductOfExpertsFusion:
    choice = OperatorChoice("poe", 6, options={"weight": weight})
    operator = build_operator(choice, (4, 3), seed=0)
    assert isinstance(operator, ProductOfExpertsFusion)
    return operator


def pair() -> tuple[list[torch.Tensor], torch.Tensor]:
    drawer = torch.Generator().manual_seed(0)
    return [torch.randn(5, 4, generator=drawer), torch.randn(5, 3, generator=drawer)], torch.ones(5, 2).bool()


def test_two_experts_and_the_prior() -> None:
    """N(0, 1) N(1, 1/2) N(3, 1/4) is proportional to N(2, 1/7), 2.54438 nats from the prior."""
    mean, variance = product_of_gaussians(MEANS, PRECISIONS, torch.tensor([[True, True]]))
    assert float(mean) == pytest.approx(2, abs=1e-9)
    assert float(variance) == pytest.approx(1 / 7, abs=1e-9)
    assert float(divergence(mean, variance)) == pytest.approx(2.54438, abs=5e-6)


def test_no_expert_leaves_the_prior() -> None:
    mean, variance = product_of_gaussians(MEANS, PRECISIONS, torch.tensor([[False, False]]))
    assert (float(mean), float(variance), float(divergence(mean, variance))) == (0.0, 1.0, 0.0)


def test_one_expert_is_drawn_to_the_prior() -> None:
    mean, variance = product_of_gaussians(MEANS, PRECISIONS, torch.tensor([[True, False]]))
    assert float(mean) == pytest.approx(2 / 3, abs=1e-9)
    assert float(variance) == pytest.approx(1 / 3, abs=1e-9)


def test_at_prediction_it_is_the_mean_and_in_training_a_draw() -> None:
    operator, (z, present) = made(), pair()
    mean, variance = operator.posterior(z, present)
    assert torch.equal(operator.eval()(z, present), mean)
    operator.train()
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.default_generator.manual_seed(0)
        drawn = torch.stack([operator(z, present) for _ in range(4000)])
        torch.default_generator.manual_seed(0)
        assert torch.equal(operator(z, present), drawn[0])
    error = (variance / 4000).sqrt()
    assert bool(((drawn.mean(0) - mean).abs() < 5 * error).all())
    torch.testing.assert_close(drawn.var(0), variance, rtol=0.15, atol=0)


def test_what_is_added_to_the_loss_is_the_weighed_mean_divergence() -> None:
    z, present = pair()
    expected = divergence(*made().posterior(z, present)).mean()
    torch.testing.assert_close(made(0.5).penalty(z, present), 0.5 * expected)
    assert float(made(0.0).penalty(z, present).detach()) == 0.0
