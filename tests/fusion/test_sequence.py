"""Operators that weigh modalities, or read them one after the other, written out."""

from __future__ import annotations

import torch

from clinfuse.fusion.choice import build_operator
from clinfuse.fusion.operators.elementwise import AddFusion, WeightedFusion
from clinfuse.fusion.operators.experts import ExpertsFusion
from clinfuse.fusion.operators.sequence import AttentionFusion, RecurrentFusion

ALL, GAP = torch.tensor([[True, True, True]]), torch.tensor([[True, False, True]])


def drawn() -> list[torch.Tensor]:
    drawer = torch.Generator().manual_seed(0)
    return [torch.randn(1, width, generator=drawer) for width in (4, 3, 2)]


def test_add_sums_the_present() -> None:
    fuse = build_operator("add", (4, 3, 2), features=5, seed=0)
    assert isinstance(fuse, AddFusion)
    a, b, c = (project(part) for project, part in zip(fuse.project, drawn(), strict=True))
    torch.testing.assert_close(fuse(drawn(), ALL), a + b + c)
    torch.testing.assert_close(fuse(drawn(), GAP), a + c)


def test_learned_weights_are_renormalised_over_the_present() -> None:
    fuse = build_operator("weighted", (4, 3, 2), features=5, seed=0)
    assert isinstance(fuse, WeightedFusion)
    with torch.no_grad():
        fuse.score.copy_(torch.tensor([0.5, 0.3, 0.2]).log())
    torch.testing.assert_close(fuse.weights(GAP), torch.tensor([[5 / 7, 0.0, 2 / 7]]))
    a, b, c = (project(part) for project, part in zip(fuse.project, drawn(), strict=True))
    torch.testing.assert_close(fuse(drawn(), ALL), 0.5 * a + 0.3 * b + 0.2 * c)
    torch.testing.assert_close(fuse(drawn(), GAP), 5 / 7 * a + 2 / 7 * c)


def test_attention_weights_depend_on_the_record_and_add_up_over_the_present() -> None:
    fuse = build_operator("attention", (4, 3, 2), features=5, seed=0)
    assert isinstance(fuse, AttentionFusion)
    z = drawn()
    weights = fuse.weights(z, GAP)
    assert weights[0, 1] == 0
    torch.testing.assert_close(weights.sum(1), torch.ones(1))
    a, _, c = (project(part) for project, part in zip(fuse.project, z, strict=True))
    torch.testing.assert_close(fuse(z, GAP), weights[:, :1] * a + weights[:, 2:] * c)
    assert not torch.equal(fuse.weights([-z[0], z[1], z[2]], GAP), weights)


def test_the_recurrent_unit_passes_over_absent_modalities_and_reads_in_order() -> None:
    fuse = build_operator("recurrent", (4, 3, 2), features=5, seed=0)
    assert isinstance(fuse, RecurrentFusion)
    a, _, c = (project(part) for project, part in zip(fuse.project, drawn(), strict=True))
    torch.testing.assert_close(fuse(drawn(), GAP), fuse.cell(c, fuse.cell(a, torch.zeros(1, 5))))
    assert not torch.allclose(fuse(drawn(), GAP), fuse.cell(a, fuse.cell(c, torch.zeros(1, 5))))


def test_experts_are_asked_by_distance() -> None:
    fuse = build_operator("experts", (4, 3, 2), features=5, seed=0)
    assert isinstance(fuse, ExpertsFusion)
    with torch.no_grad():
        x = fuse.places[:1].clone()
        fuse.places.copy_(x.expand_as(fuse.places))
        fuse.places[1:, 0] += 3
    expected = torch.softmax(torch.tensor([[0.0, -3, -3, -3]]), 1)
    torch.testing.assert_close(fuse.weights(x), expected, rtol=0, atol=1e-5)
