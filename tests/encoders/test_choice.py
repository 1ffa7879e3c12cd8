"""Encoders by name: what may be asked for, and how a wrong question is answered."""

from __future__ import annotations

import copy
from dataclasses import FrozenInstanceError
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import clinfuse.encoders.choice as room
from clinfuse.encoders.backbone import BackboneEncoder
from clinfuse.encoders.base import Encoder
from clinfuse.encoders.choice import (
    BroughtEncoder,
    EncoderChoice,
    build_encoder,
    default_encoder,
    encoder_names,
    register,
)
from clinfuse.encoders.weights import save_weights
from clinfuse.errors import ConfigError

SHAPE = (2, 6)


class Own(nn.Module):
    def __init__(self, shape: tuple[int, ...], width: int = 3) -> None:
        super().__init__()
        self.layer = nn.Linear(int(np.prod(shape)), width)
        self.adapted_to: tuple[int, ...] = ()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.layer(x.flatten(1))


class WithExtras(Own):
    def adapt(self, x: torch.Tensor) -> None:
        self.adapted_to = tuple(x.shape)

    def tokens(self, x: torch.Tensor) -> torch.Tensor:
        return self(x)[:, None].repeat(1, 4, 1)


class Given(nn.Module):
    """Answers whatever it was told to."""

    def __init__(self, answer: Any) -> None:
        super().__init__()
        self.answer = answer

    def forward(self, x: torch.Tensor) -> Any:
        return self.answer(x)


@pytest.fixture
def own_registry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "_ENCODERS", dict(room._ENCODERS))


def test_a_choice_is_a_value() -> None:
    options = {"kernel": 32}
    choice = EncoderChoice("eegnet", features=8, options=options)
    options["kernel"] = 1
    assert choice.options == {"kernel": 32}
    assert choice == EncoderChoice("eegnet", features=8, options={"kernel": 32})
    assert hash(choice) == hash(copy.deepcopy(choice))
    with pytest.raises(FrozenInstanceError, match="cannot assign"):
        choice.name = "tcn"


def test_a_choice_that_cannot_be_meant_is_refused() -> None:
    with pytest.raises(ConfigError, match="ENCODER_FEATURES"):
        EncoderChoice("eegnet", features=0)
    with pytest.raises(ConfigError, match="ENCODER_FROZEN"):
        EncoderChoice("eegnet", frozen=True)


def test_options_reach_the_encoder() -> None:
    encoder = build_encoder(EncoderChoice("mlp", features=5, options={"hidden": 9}), (4,), seed=0)
    assert encoder.features == 5
    assert encoder(torch.zeros(2, 4)).shape == (2, 5)
    assert isinstance(encoder, BackboneEncoder)
    assert encoder.head.in_features == 9 + 4


def test_a_name_alone_takes_the_width_asked_for() -> None:
    assert build_encoder("mlp", (4,), seed=0).features == 32
    assert build_encoder("mlp", (4,), seed=0, features=7).features == 7
    assert build_encoder(EncoderChoice("mlp", features=3), (4,), seed=0, features=7).features == 3


def test_an_unknown_name_is_answered_with_the_nearest_and_with_those_for_this_input() -> None:
    with pytest.raises(ConfigError, match=r"ENCODER_UNKNOWN.*eegnet, log-power, tcn.*Did you mean 'eegnet'") as caught:
        build_encoder("EEGNet ", (19, 640), seed=0)
    assert "resnet" not in str(caught.value)
    with pytest.raises(ConfigError, match="register your own"):
        build_encoder("transformer", (19, 640), seed=0)


def test_an_encoder_of_another_kind_is_refused_by_the_shape() -> None:
    with pytest.raises(ConfigError, match=r"ENCODER_UNKNOWN.*4 axes"):
        build_encoder("eegnet", (1, 16, 16, 8), seed=0)


@pytest.mark.parametrize("shape", [(), (0,), (1, 2, 3, 4, 5)])
def test_an_impossible_shape_is_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ConfigError, match="ENCODER_SHAPE"):
        build_encoder("mlp", shape, seed=0)


def test_an_unknown_option_is_refused_with_the_options_there_are() -> None:
    with pytest.raises(ConfigError, match=r"ENCODER_OPTION.*dropout, filters, kernel, max_norm; found kernels"):
        build_encoder(EncoderChoice("eegnet", options={"kernels": 3}), (19, 640), seed=0)
    with pytest.raises(ConfigError, match=r"ENCODER_OPTION.*options out of norm, stem_stride; found blocks"):
        build_encoder(EncoderChoice("resnet18", options={"blocks": (1, 1, 1, 1)}), (1, 32, 32), seed=0)


def test_a_value_that_cannot_be_built_with_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"ENCODER_OPTION.*encoder mlp"):
        build_encoder(EncoderChoice("mlp", options={"dropout": 3.0}), (4,), seed=0)


def test_a_network_of_your_own_needs_only_the_input_shape() -> None:
    encoder = build_encoder(Own, SHAPE, seed=0)
    assert isinstance(encoder, BroughtEncoder)
    assert encoder.features == 3
    assert encoder(torch.zeros(1, *SHAPE)).shape == (1, 3)
    assert encoder.tokens(torch.zeros(2, *SHAPE)).shape == (2, 1, 3)
    encoder.adapt(torch.zeros(2, *SHAPE))


def test_a_network_of_your_own_is_drawn_from_the_seed() -> None:
    first, second, other = (build_encoder(Own, SHAPE, seed=s).state_dict() for s in (1, 1, 2))
    assert torch.equal(first["network.layer.weight"], second["network.layer.weight"])
    assert not torch.equal(first["network.layer.weight"], other["network.layer.weight"])


def test_what_a_network_of_your_own_can_do_more_is_used() -> None:
    encoder = build_encoder(WithExtras, SHAPE, seed=0)
    encoder.adapt(torch.zeros(7, *SHAPE))
    assert isinstance(encoder, BroughtEncoder)
    assert encoder.network.adapted_to == (7, *SHAPE)
    assert encoder.tokens(torch.zeros(2, *SHAPE)).shape == (2, 4, 3)


def test_an_encoder_of_your_own_is_left_as_it_is() -> None:
    class Written(Encoder):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x.flatten(1)

        def tokens(self, x: torch.Tensor) -> torch.Tensor:
            return self(x)[:, None]

    encoder = build_encoder(lambda shape: Written(shape, features=12), SHAPE, seed=0)
    assert isinstance(encoder, Written)


@pytest.mark.parametrize(
    "answer",
    [
        lambda x: x,
        lambda x: x.flatten(1)[:1],
        lambda x: x.flatten(1)[:, :0],
        lambda x: [x.flatten(1)],
        lambda x: x.sum(),
        lambda x: x @ x,
        lambda x: x.undefined_name if x is None else x.reshape(1, -1, 5),
    ],
)
def test_a_network_that_gives_no_vector_is_refused(answer: Any) -> None:
    with pytest.raises(ConfigError, match="ENCODER_OUTPUT"):
        build_encoder(lambda shape: Given(answer), SHAPE, seed=0)


def test_a_network_that_changes_its_mind_is_refused() -> None:
    encoder = build_encoder(lambda shape: Given(lambda x: x.flatten(1) if len(x) == 2 else x), SHAPE, seed=0)
    with pytest.raises(ConfigError, match="ENCODER_OUTPUT"):
        encoder(torch.zeros(3, *SHAPE))


@pytest.mark.parametrize("choice", [Own(SHAPE), 3, lambda shape: "no network"])
def test_what_is_not_a_way_to_make_a_network_is_refused(choice: Any) -> None:
    with pytest.raises(ConfigError, match="ENCODER_CALLABLE"):
        build_encoder(choice, SHAPE, seed=0)


def test_asking_a_network_for_its_width_leaves_its_mode_alone() -> None:
    assert build_encoder(Own, SHAPE, seed=0).training


@pytest.mark.usefixtures("own_registry")
def test_a_registered_network_is_built_by_name_for_its_kinds() -> None:
    register("my-net", lambda shape, *, features, depth=1: Own(shape, width=features * depth), kinds=("eeg",))
    assert "my-net" in encoder_names("eeg")
    assert "my-net" not in encoder_names("ct")
    assert build_encoder("my-net", SHAPE, seed=0, features=4).features == 4
    assert build_encoder(EncoderChoice("my-net", features=4, options={"depth": 2}), SHAPE, seed=0).features == 8
    with pytest.raises(ConfigError, match="ENCODER_UNKNOWN"):
        build_encoder("my-net", (1, 8, 8), seed=0)
    with pytest.raises(ConfigError, match=r"ENCODER_OPTION.*depth"):
        build_encoder(EncoderChoice("my-net", options={"width": 2}), SHAPE, seed=0)


@pytest.mark.usefixtures("own_registry")
def test_a_factory_that_takes_any_option_gets_any_and_one_that_takes_none_gets_none() -> None:
    register("any", lambda shape, *, features, **options: Own(shape, **options))
    register("none", lambda shape, *, features: Own(shape))
    assert build_encoder(EncoderChoice("any", options={"width": 2}), SHAPE, seed=0).features == 2
    with pytest.raises(ConfigError, match="ENCODER_OPTION"):
        build_encoder(EncoderChoice("any", options={"weight": 2}), SHAPE, seed=0)
    with pytest.raises(ConfigError, match=r"ENCODER_OPTION.*no options; found width"):
        build_encoder(EncoderChoice("none", options={"width": 2}), SHAPE, seed=0)


@pytest.mark.usefixtures("own_registry")
@pytest.mark.parametrize("name", ["eegnet", "", "My net", "-x", "a/b"])
def test_a_name_taken_or_unusable_is_refused(name: str) -> None:
    with pytest.raises(ConfigError, match="ENCODER_NAME"):
        register(name, Own)


@pytest.mark.usefixtures("own_registry")
def test_registering_for_no_kind_or_nothing_is_refused() -> None:
    with pytest.raises(ConfigError, match="ENCODER_KIND"):
        register("own", Own, kinds=("pet",))
    with pytest.raises(ConfigError, match="ENCODER_KIND"):
        register("own", Own, kinds=())
    with pytest.raises(ConfigError, match="ENCODER_CALLABLE"):
        register("own", "a path")


def test_names_are_sorted_and_a_kind_that_does_not_exist_is_refused() -> None:
    assert encoder_names("eeg") == ("eegnet", "log-power", "tcn")
    assert {"densenet121", "efficientnet-b0", "resnet10", "resnet18", "resnet34"} <= set(encoder_names("ct"))
    with pytest.raises(ConfigError, match="ENCODER_KIND"):
        encoder_names("pet")
    with pytest.raises(ConfigError, match="ENCODER_KIND"):
        default_encoder("pet")


def test_a_frozen_backbone_stays_as_it_is_and_the_head_learns(tmp_path: Any) -> None:
    file = save_weights(build_encoder("efficientnet-b0", (1, 32, 32), seed=5, features=4), tmp_path / "w.safetensors")
    choice = EncoderChoice("efficientnet-b0", features=4, weights=str(file), frozen=True)
    encoder = build_encoder(choice, (1, 32, 32), seed=0)
    assert isinstance(encoder, BackboneEncoder)
    assert [name for name, p in encoder.named_parameters() if p.requires_grad] == ["head.weight", "head.bias"]
    encoder.train()
    assert encoder.training
    assert not any(module.training for module in encoder.backbone.modules())
    x = torch.ones(2, 1, 32, 32)
    assert torch.equal(encoder(x), encoder(x))


@pytest.mark.usefixtures("own_registry")
def test_a_frozen_network_of_your_own_does_not_learn(tmp_path: Any) -> None:
    register("own", lambda shape, *, features: Own(shape, width=features))
    file = save_weights(build_encoder("own", SHAPE, seed=5), tmp_path / "w.safetensors")
    encoder = build_encoder(EncoderChoice("own", weights=str(file), frozen=True), SHAPE, seed=0)
    assert not any(parameter.requires_grad for parameter in encoder.parameters())


def test_a_fixed_norm_needs_the_statistics_of_a_file() -> None:
    with pytest.raises(ConfigError, match=r"ENCODER_NORM.*come with weights"):
        EncoderChoice("resnet10", options={"norm": "fixed"})


def test_another_norm_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"ENCODER_NORM.*one of group, fixed"):
        build_encoder(EncoderChoice("resnet10-narrow", options={"norm": "batch"}), (1, 16, 16), seed=0)
