"""What every method that looks inside a modality must obey, and numbers worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from clinfuse.cohort.modality import Column, Modality
from clinfuse.errors import ConfigError, TrainingError
from clinfuse.explain.baselines import BASELINES, baseline, baseline_words, chosen_baselines
from clinfuse.explain.choosing import built_method, chosen_methods, method_names
from clinfuse.explain.methods.base import Question, spread_out
from clinfuse.explain.methods.deep_lift import MISSED, REUSED
from clinfuse.explain.methods.groups import groups
from clinfuse.explain.methods.occlusion import numbered, part
from clinfuse.training.explainable import Explainable

LABS = Modality("labs", "ehr", (3,), columns=(Column("a"), Column("b"), Column("c")))
CT = Modality("ct", "ct", (1, 8, 8, 4), spacing_mm=(6.0, 6.0, 12.0), window=(-160.0, 240.0), centre=40, spread=200)
EEG = Modality("eeg", "eeg", (2, 3, 64), channels=("C3", "Cz", "C4"), rate_hz=32, seconds=2, spread=20)
every = pytest.mark.parametrize("name", method_names())
ADDITIVE = [name for name in method_names() if built_method(name).additive]


class Convolution(nn.Module):
    def __init__(self, *layers: nn.Module) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.layers = nn.Sequential(*layers)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.layers(x).flatten(1).sum(1)


def asked(name: str) -> Question:
    """A network on a volume, one on a signal with a window missing, or a line on a table."""
    draw = np.random.default_rng(0)
    if name == "ct":
        network = Convolution(nn.Conv3d(1, 2, 3, padding=1), nn.ReLU(), nn.Conv3d(2, 1, 3, padding=1))
        x, modality = draw.normal(size=(1, *CT.shape)), CT
    else:
        network = Convolution(nn.Conv1d(3, 2, 3, padding=1), nn.ReLU())
        x, modality = draw.normal(size=(1, *EEG.shape)), EEG
    x = x.astype(np.float32)

    def function(given: tuple[torch.Tensor, ...]) -> torch.Tensor:
        return network(given[0]) if name == "ct" else network(given[0][:, 0])

    windows = np.array([True, False]) if name == "eeg" else np.zeros(0, bool)
    start = np.zeros_like(x)
    return Question(function, (modality,), (x,), (start,), (start,), ((network,),), ((),), (windows,), 16, 3)


@every
@pytest.mark.parametrize("kind", ["ct", "eeg"])
def test_a_map_has_the_shape_of_its_input_and_the_same_bits_for_the_same_seed(name: str, kind: str) -> None:
    method, question = built_method(name), asked(kind)
    first, second = (method.attribute(question) for _ in range(2))
    assert first.maps[0].shape == question.modalities[0].shape
    assert first.maps[0].dtype == np.float32
    np.testing.assert_array_equal(first.maps[0], second.maps[0])
    assert np.abs(first.maps[0]).max() > 0
    if kind == "eeg":
        assert not first.maps[0][1].any()


@pytest.mark.parametrize("name", sorted({*ADDITIVE, "occlusion", "feature-ablation"}))
def test_a_line_gives_weight_times_departure(name: str) -> None:
    """w = (1, -2, 3), x = (1, 2, 3), baseline (0, 1, 1): parts 1, -2, 6."""
    weights = torch.tensor([1.0, -2.0, 3.0])
    x, b = np.array([[1, 2, 3]], np.float32), np.array([[0, 1, 1]], np.float32)
    question = Question(lambda given: given[0] @ weights, (LABS,), (x,), (b,), (b,), ((),), (("a", "b", "c"),))
    found = built_method(name).attribute(question)
    np.testing.assert_allclose(found.maps[0], [1, -2, 6], atol=1e-5)
    assert (found.total, found.change) == (pytest.approx(5, abs=1e-5), pytest.approx(5, abs=1e-5))


def test_occlusion_of_a_line_against_nothing() -> None:
    weights, x = torch.tensor([1.0, -2.0, 3.0]), np.array([[1, 2, 3]], np.float32)
    question = Question(lambda given: given[0] @ weights, (LABS,), (x,), (np.zeros_like(x),))
    np.testing.assert_allclose(built_method("occlusion").attribute(question).maps[0], [1, -4, 9], atol=1e-6)


def product() -> Question:
    """f = sum(image) * sum(table) + sum(signal) with 4, 6 and 2 elements, all of them 1."""
    image = Modality("film", "xray", (1, 2, 2))
    table = Modality("labs", "ehr", (6,), columns=tuple(Column(name) for name in "abcdef"))
    signal = Modality("eeg", "eeg", (1, 1, 2), channels=("Cz",))
    ones = tuple(np.ones((1, *m.shape), np.float32) for m in (image, table, signal))

    def function(given: tuple[torch.Tensor, ...]) -> torch.Tensor:
        film, labs, eeg = (each.flatten(1).sum(1) for each in given)
        return 0.25 * film * labs / 6 + eeg

    return Question(function, (image, table, signal), ones, tuple(map(np.zeros_like, ones)), (), (), ((), (), ()))


def test_the_value_of_a_group_counts_once_though_it_stands_on_each_of_its_elements() -> None:
    numbers = np.array([[0, 0], [0, 1]])
    values = torch.tensor([[[6.0, 6.0], [6.0, 2.0]]])
    assert spread_out(values, numbers).tolist() == [[[2.0, 2.0], [2.0, 2.0]]]
    weights = torch.ones(1, 4)
    film = Modality("film", "xray", (1, 2, 2))
    x = np.ones((1, 1, 2, 2), np.float32)
    question = Question(lambda g: (g[0].flatten(1) * weights).sum(1), (film,), (x,), (np.zeros_like(x),))
    for name in ("feature-ablation", "shapley-sampling", "occlusion"):
        assert built_method(name).attribute(question).total == pytest.approx(4.0)


def test_shapley_sampling_adds_up_where_ablation_counts_an_interaction_twice() -> None:
    """A product of two modalities, and a sum: what both make together is shared by one, counted twice by the other."""
    shared = built_method("shapley-sampling").attribute(product())
    assert shared.total == pytest.approx(shared.change, abs=1e-5)
    alone = built_method("feature-ablation").attribute(product())
    assert alone.total == pytest.approx(1 + 1 + 2, abs=1e-5)
    assert alone.change == pytest.approx(3, abs=1e-6)


def test_grad_cam_of_one_convolution() -> None:
    """A 1 x 1 convolution of weight 2 with a sum behind it on [[0, 1], [2, 3]]: [[0, 2], [4, 6]]."""
    layer = nn.Conv2d(1, 1, 1, bias=False)
    nn.init.constant_(layer.weight, 2.0)
    x = np.array([[[[0, 1], [2, 3]]]], np.float32)
    film = Modality("film", "xray", (1, 2, 2))
    question = Question(
        lambda given: layer(given[0]).flatten(1).sum(1), (film,), (x,), (np.zeros_like(x),), (), ((layer,),)
    )
    np.testing.assert_allclose(built_method("grad-cam").attribute(question).maps[0], [[[0, 2], [4, 6]]], atol=1e-6)


def test_deep_lift_says_which_method_stands_in_and_why() -> None:
    relu = nn.ReLU()
    twice = Convolution(nn.Conv1d(3, 2, 3, padding=1), relu, nn.Conv1d(2, 2, 3, padding=1), relu)
    normed = Convolution(nn.Conv1d(3, 4, 3, padding=1), nn.GroupNorm(1, 4), nn.ReLU(), nn.Conv1d(4, 1, 1))
    x = np.random.default_rng(1).normal(size=(1, 2, 3, 64)).astype(np.float32)
    notes = []
    for network in (twice, normed):
        start = np.full_like(x, 0.1)
        question = Question(lambda g, n=network: n(g[0][:, 0]), (EEG,), (x,), (start,), (), ((network,),))
        found = built_method("deep-lift").attribute(question)
        assert found.words == ("integrated gradients" if found.note else "DeepLift")
        assert not any(module._forward_hooks for module in network.modules())
        notes.append(found.note)
    assert set(notes) & {REUSED, MISSED}


def test_what_is_no_number_is_refused() -> None:
    x = np.ones((1, 3), np.float32)
    question = Question(lambda g: g[0].sum(1) / 0, (LABS,), (x,), (np.zeros_like(x),))
    with pytest.raises(TrainingError, match="ATTRIBUTION_FINITE"):
        built_method("occlusion").attribute(question)


def test_parts_and_groups_follow_the_modality() -> None:
    assert part(CT, CT.shape) == (1, 2, 2, 1)
    assert part(EEG, EEG.shape) == (1, 1, 16)
    assert part(LABS, (5,)) == (1,)
    assert numbered((5,), (2,)).tolist() == [0, 0, 1, 1, 2]
    x = tuple(np.zeros((1, *shape), np.float32) for shape in (CT.shape, EEG.shape, (4,)))
    names = ((), (), ("a", "a missing", "b", "c"))
    ct, eeg, labs = groups(Question(lambda g: g[0], (CT, EEG, LABS), x, x, names=names))
    assert len(np.unique(ct)) <= 64
    assert len(np.unique(eeg)) == 6
    assert (labs - labs.min()).tolist() == [0, 0, 1, 2]
    assert len({*ct.ravel()} & {*eeg.ravel()}) == 0


def test_methods_and_baselines_that_there_are_not_are_refused_by_name() -> None:
    modalities = {"ct": CT, "labs": LABS}
    for wrong in ("saliency", {"ct": "saliency"}, {"mri": "occlusion"}, {"labs": "grad-cam"}):
        with pytest.raises(ConfigError, match="ATTRIBUTE_METHOD"):
            chosen_methods(wrong, modalities)
    for wrong in ({"ct": "silence"}, {"mri": "air"}):
        with pytest.raises(ConfigError, match="ATTRIBUTE_BASELINE"):
            chosen_baselines(wrong, modalities)
    assert {name: m.name for name, m in chosen_methods("grad-cam", modalities).items()} == {
        "ct": "grad-cam",
        "labs": "integrated-gradients",
    }


@pytest.mark.parametrize("modality", [CT, EEG, LABS], ids=lambda m: m.kind)
def test_every_baseline_has_the_shape_of_the_input_and_words(modality: Modality) -> None:
    x = np.random.default_rng(0).normal(size=(1, *modality.shape)).astype(np.float32)
    name = modality.name
    taken = Explainable(
        (name,), {name: x}, {name: np.full_like(x, 0.5)}, {}, lambda g: g[0], {}, medians={name: x[0] * 0 + 0.25}
    )
    words = BASELINES[modality.kind]
    found = {word: baseline(word, modality, taken, seed=1) for word in words}
    for word, array in found.items():
        assert (array.shape, array.dtype) == (x.shape, np.float32)
        np.testing.assert_array_equal(array, baseline(word, modality, taken, seed=1))
    assert len({baseline_words(word, modality) for word in words}) == len(words)
    if modality is CT:
        assert np.unique(found["air"]).tolist() == [-1.0]
    if modality is EEG:
        power = [np.abs(np.fft.rfft(each, axis=-1)) for each in (x, found["scrambled"])]
        np.testing.assert_allclose(*[p[..., 1:-1] for p in power], atol=1e-3)
        assert not found["silence"].any()
    if modality is LABS:
        assert np.unique(found["median"]).tolist() == [0.25]
