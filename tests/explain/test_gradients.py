"""Integrated gradients through the one wrapper, against numbers worked out by hand or published."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from clinfuse.errors import TrainingError
from clinfuse.explain.gradients import MOST_STEPS, PathIntegral, integrated_gradients
from clinfuse.fusion.operators.gated import GatedFusion


def test_a_saturated_function_still_gets_its_whole_change() -> None:
    """Sundararajan et al. 2017: 1 - relu(1 - x) at 2 has gradient 0 but changed by 1 since 0."""
    path = integrated_gradients(
        lambda x: 1 - torch.relu(1 - x[0][:, 0]), [np.array([[2.0]])], baselines=[np.array([0.0])]
    )
    np.testing.assert_allclose(path.maps[0], [1.0], atol=1e-6)
    assert path.complete


def test_two_inputs_in_two_tensors_share_the_change_as_published() -> None:
    """relu(relu(a) - 1 - relu(b)) at (3, 1): 1.5 and -0.5, nothing left over."""
    path = integrated_gradients(
        lambda x: torch.relu(torch.relu(x[0][:, 0]) - 1 - torch.relu(x[1][:, 0])),
        [np.array([[3.0]]), np.array([[1.0]])],
        baselines=[np.array([[0.0]]), np.array([[0.0]])],
    )
    np.testing.assert_allclose([path.maps[0][0], path.maps[1][0]], [1.5, -0.5], atol=1e-5)
    assert abs(path.gap) < 1e-5


def test_a_linear_function_is_exact_in_one_step() -> None:
    weights = torch.tensor([1.0, -2.0, 3.0])
    path = integrated_gradients(
        lambda x: x[0] @ weights, [np.array([[1, 2, 3]])], baselines=[np.array([0, 1, 1])], steps=1
    )
    np.testing.assert_allclose(path.maps[0], [1, -2, 6], atol=1e-6)
    assert path.steps == 1


@settings(max_examples=25, deadline=None)
@given(st.lists(st.tuples(*[st.floats(-5, 5, width=32)] * 3), min_size=1, max_size=6))
def test_any_linear_function_gives_weight_times_difference(triples: list[tuple[float, float, float]]) -> None:
    weights, x, b = np.array(triples, np.float32).T
    path = integrated_gradients(lambda t: t[0] @ torch.tensor(weights), [x[None]], baselines=[b], steps=2)
    np.testing.assert_allclose(path.maps[0], weights * (x - b), atol=1e-4)


def test_steps_double_until_the_maps_are_complete() -> None:
    """A step of width 1/20 near the baseline is missed by one point and found by more."""
    path = integrated_gradients(
        lambda x: torch.sigmoid(60 * (x[0][:, 0] - 0.1)), [np.array([[1.0]])], baselines=[np.array([[0.0]])], steps=1
    )
    assert path.complete
    assert path.steps in {8, 16, 32, 64}


def test_what_no_number_of_steps_can_reach_is_said_and_not_hidden() -> None:
    path = integrated_gradients(
        lambda x: torch.sign(x[0][:, 0] - 0.3), [np.array([[1.0]])], baselines=[np.array([[0.0]])], steps=64
    )
    assert path.steps == MOST_STEPS
    assert not path.complete
    assert path.gap == pytest.approx(-2.0)


def test_a_gradient_that_is_not_a_number_is_refused() -> None:
    with pytest.raises(TrainingError, match="ATTRIBUTION_FINITE"):
        integrated_gradients(
            lambda x: torch.sqrt(x[0][:, 0] - 0.5), [np.array([[1.0]])], baselines=[np.array([[0.0]])], steps=4
        )


def test_an_absent_modality_under_a_mask_gets_exactly_nothing() -> None:
    torch.manual_seed(0)
    fuse, head = GatedFusion((4, 4), features=8).eval(), nn.Linear(8, 1)
    present = torch.tensor([[True, False]])

    def function(x: tuple[torch.Tensor, ...]) -> torch.Tensor:
        return head(fuse(list(x), present.expand(len(x[0]), -1)))[:, 0]

    x = np.random.default_rng(0).normal(size=(2, 1, 4)).astype(np.float32)
    path = integrated_gradients(function, list(x), baselines=[np.zeros((1, 4))] * 2)
    assert np.abs(path.maps[0]).max() > 0
    assert not path.maps[1].any()
    assert path.complete


@pytest.mark.parametrize(
    ("change", "total", "complete"),
    [(1.0, 1.0499, True), (1.0, 1.0501, False), (1.0, 0.9501, True), (0.1, 0.1249, True), (0.1, 0.0749, False)],
)
def test_complete_means_five_percent_of_the_change_or_of_half_a_logit(change, total, complete: bool) -> None:
    assert PathIntegral((), change=change, total=total, steps=64).complete is complete
