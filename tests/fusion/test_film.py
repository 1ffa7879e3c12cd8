"""Scale and shift by a table, against the formula and the published count of parameters."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from clinfuse.errors import ConfigError
from clinfuse.fusion.choice import OperatorChoice, build_operator, resolved
from clinfuse.fusion.operators.film import FilmFusion

BOTH = torch.tensor([[True, True]])


def made(**options: int) -> FilmFusion:
    fuse = build_operator(OperatorChoice("film", 5, options=options), (4, 3), seed=0)
    assert isinstance(fuse, FilmFusion)
    return fuse


def pair() -> list[torch.Tensor]:
    drawer = torch.Generator().manual_seed(0)
    return [torch.randn(1, 4, generator=drawer), torch.randn(1, 3, generator=drawer)]


def test_parameters_are_as_many_as_published() -> None:
    """64 channels, a table of 15 columns, bottleneck 7, no biases: 1,449 (Wolf et al. 2022)."""
    fuse = FilmFusion((20, 15), features=64)
    assert sum(p.numel() for p in fuse.changes.parameters()) == 1449


def test_it_starts_as_the_mean_and_then_scales_and_shifts() -> None:
    fuse, (a, b) = made(), pair()
    first, second = (project(part) for project, part in zip(fuse.project, (a, b), strict=True))
    torch.testing.assert_close(fuse([a, b], BOTH), (first + second) / 2)
    nn.init.normal_(fuse.changes[0][2].weight)
    gamma, beta = fuse.changes[0](torch.cat([first, b], 1)).chunk(2, 1)
    torch.testing.assert_close(fuse([a, b], BOTH), ((1 + gamma) * first + beta + second) / 2)


def test_without_the_conditioning_modality_nothing_is_changed() -> None:
    fuse, (a, b) = made(), pair()
    nn.init.normal_(fuse.changes[0][2].weight)
    assert torch.equal(fuse([a, b], torch.tensor([[True, False]])), fuse.project[0](a))
    assert torch.equal(fuse([a, b], torch.tensor([[False, True]])), fuse.project[1](b))


def test_the_first_table_conditions() -> None:
    assert resolved("film", ("ct", "ehr", "eeg", "ehr")).options == {"conditioning": 1}
    assert resolved("film", ("ct", "eeg")).options == {}
    assert resolved(OperatorChoice("film", options={"conditioning": 0}), ("ct", "ehr")).options == {"conditioning": 0}
    assert made().conditioning == 1
    assert made(conditioning=0).conditioning == 0


@pytest.mark.parametrize("options", [{"conditioning": 2}, {"conditioning": -3}, {"bottleneck": 0}])
def test_places_that_there_are_not(options: dict[str, int]) -> None:
    with pytest.raises(ConfigError, match=r"OPERATOR_WIDTHS.*a place among 2"):
        made(**options)
