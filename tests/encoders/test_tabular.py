"""The table encoder."""

from __future__ import annotations

import pytest
import torch

from clinfuse.encoders.tabular import TableMLP
from clinfuse.errors import ConfigError


def test_layers_and_width_can_be_chosen() -> None:
    network = TableMLP((5,), features=3, hidden=8, layers=2)
    assert sum(p.numel() for p in network.parameters()) == (5 * 8 + 8) + (8 * 8 + 8) + ((8 + 5) * 3 + 3)


def test_dropout_acts_in_training_only() -> None:
    network, alike = TableMLP((5,), dropout=0.5), torch.ones(200, 5)
    assert len(network.train()(alike).unique(dim=0)) > 1
    assert len(network.eval()(alike).unique(dim=0)) == 1


def test_what_is_linear_in_the_row_needs_no_hidden_unit() -> None:
    network = TableMLP((3,), features=1).eval()
    with torch.no_grad():
        network.head.weight[:] = torch.cat([torch.zeros(32), torch.tensor([1.0, -2.0, 0.5])])
        network.head.bias.zero_()
    row = torch.tensor([[3.0, 1.0, 4.0]])
    assert network(row).item() == pytest.approx(3.0)


def test_a_token_says_what_one_column_would_alone() -> None:
    network = TableMLP((4,)).eval()
    row = torch.tensor([[1.0, -2.0, 0.0, 3.0]])
    tokens = network.tokens(row)
    assert tokens.shape == (1, 4, 16)
    for column in range(4):
        alone = torch.zeros(1, 4)
        alone[0, column] = row[0, column]
        torch.testing.assert_close(tokens[:, column], network(alone))


def test_neighbours_among_many_columns_share_a_token() -> None:
    network = TableMLP((20,)).eval()
    row = torch.randn(2, 20, generator=torch.Generator().manual_seed(0))
    tokens = network.tokens(row)
    assert tokens.shape == (2, 10, 16)
    alone = torch.zeros(2, 20)
    alone[:, 6:8] = row[:, 6:8]
    torch.testing.assert_close(tokens[:, 3], network(alone))


@pytest.mark.parametrize(("shape", "options"), [((2, 3), {}), ((3,), {"layers": 0}), ((3,), {"hidden": 0})])
def test_settings_that_make_no_network_are_refused(shape: tuple[int, ...], options: dict[str, int]) -> None:
    with pytest.raises(ConfigError, match=r"ENCODER_SHAPE|ENCODER_OPTION"):
        TableMLP(shape, **options)
