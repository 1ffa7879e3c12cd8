"""Operators by name: what is found, what is refused."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from clinfuse.encoders.choice import encoder_names
from clinfuse.errors import ConfigError
from clinfuse.fusion import choice
from clinfuse.fusion.choice import OperatorChoice, build_operator, operator_class, operator_names
from clinfuse.fusion.operators.base import Operator
from clinfuse.fusion.register import register


class Sum(Operator):
    def __init__(self, widths: tuple[int, ...], *, features: int) -> None:
        super().__init__(widths, features=features)
        self.mix = nn.Linear(sum(widths), features)

    def forward(self, z: list[Tensor], present: Tensor) -> Tensor:
        return self.mix(torch.cat(self.kept(z, present), 1))


class Bare(Sum):
    needs = "tokens"


@pytest.fixture(autouse=True)
def _restored(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(choice, "_OPERATORS", dict(choice._OPERATORS))


def test_every_operator_is_found_by_its_own_name() -> None:
    assert all(operator_class(name).name == name for name in operator_names())


def test_an_operator_of_your_own_is_built_by_name() -> None:
    register("sum", Sum)
    fuse = build_operator(OperatorChoice("sum", 2), (4, 3), seed=0)
    assert isinstance(fuse, Sum)
    assert fuse([torch.ones(1, 4), torch.ones(1, 3)], torch.ones(1, 2, dtype=torch.bool)).shape == (1, 2)


def test_what_is_no_operator_is_an_encoder(monkeypatch: pytest.MonkeyPatch) -> None:
    from clinfuse.encoders import choice as encoders

    monkeypatch.setattr(encoders, "_ENCODERS", dict(encoders._ENCODERS))
    register("flat", nn.Flatten, kinds=["ehr"])
    assert "flat" in encoder_names("ehr")
    assert "flat" not in encoder_names("ct")
    register("flatter", nn.Flatten)
    assert "flatter" in encoder_names("ct")


@pytest.mark.parametrize(
    ("name", "kind", "code"),
    [
        ("Sum", Sum, r"OPERATOR_NAME.*lower-case"),
        ("mean", Sum, r"OPERATOR_NAME.*'mean' taken"),
        ("abstract", Operator, r"OPERATOR_CLASS.*with a forward"),
        ("bare", Bare, r"OPERATOR_CLASS.*TokenOperator"),
    ],
)
def test_what_cannot_be_an_operator_is_refused(name: str, kind: type[Operator], code: str) -> None:
    with pytest.raises(ConfigError, match=code):
        register(name, kind)


def test_a_name_that_nearly_fits_is_suggested() -> None:
    with pytest.raises(ConfigError, match=r"OPERATOR_UNKNOWN.*Did you mean 'gated'"):
        build_operator("gatd", (4, 3), seed=0)


def test_a_fused_vector_of_no_width_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"OPERATOR_WIDTHS.*features=0"):
        OperatorChoice("mean", features=0)


def test_normalised_embeddings_are_the_only_thing_that_normalising_changes() -> None:
    plain = build_operator(OperatorChoice("concat", 2), (4, 3), seed=0)
    normed = build_operator(OperatorChoice("concat", 2, normalise=True), (4, 3), seed=0)
    z, both = [torch.randn(2, 4), torch.randn(2, 3)], torch.ones(2, 2, dtype=torch.bool)
    by_hand = [
        (part - part.mean(1, keepdim=True)) / (part.var(1, keepdim=True, correction=0) + 1e-5).sqrt() for part in z
    ]
    torch.testing.assert_close(normed(z, both), plain(by_hand, both))
