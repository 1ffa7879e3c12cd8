"""Every check of a map: what a right map gives, with its source, and a planted failure that it must see."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from captum.metrics import infidelity, infidelity_perturb_func_decorator, sensitivity_max

from clinfuse.cohort.modality import Column, Modality
from clinfuse.explain.quality.agreement import Agreement
from clinfuse.explain.quality.base import MapCheck
from clinfuse.explain.quality.deletion import Deletion
from clinfuse.explain.quality.infidelity import DRAWS, SHARES, Infidelity
from clinfuse.explain.quality.randomisation import LabelRandomisation, Randomisation, likeness
from clinfuse.explain.quality.registry import CHECKS
from clinfuse.explain.quality.sensitivity import Sensitivity
from clinfuse.explain.quality.subject import Explain, Subject, gradients
from clinfuse.training.classifiers import Explainable

WIDTH = 30
WEIGHTS = np.sin(np.arange(1, WIDTH + 1)) * np.arange(1, WIDTH + 1) / 10
X = np.cos(3.0 * np.arange(WIDTH)) + 1.5
BASELINE = np.full(WIDTH, 0.25)


def _columns(width: int) -> dict[str, Modality]:
    columns = tuple(Column(f"c{k}") for k in range(width))
    return {"labs": Modality("labs", "ehr", (width,), columns=columns)}


def _about(function: Callable[[torch.Tensor], torch.Tensor], x: np.ndarray, baseline: np.ndarray) -> Explainable:
    at, start = ({"labs": np.asarray(values, np.float32)[None]} for values in (x, baseline))
    return Explainable(("labs",), at, start, {}, lambda inputs: function(inputs[0]), {})


def _linear(weights: np.ndarray = WEIGHTS) -> Explainable:
    return _about(lambda x: x.double() @ torch.from_numpy(weights), X, BASELINE)


def _bent() -> Explainable:
    weights = torch.from_numpy(WEIGHTS)
    return _about(lambda x: torch.tanh(x.double() @ weights / 4) + (x.double() ** 2 @ weights) / 8, X, BASELINE)


def _subject(explainable: Explainable, explain: Explain = gradients, key: str = "R", **more: Any) -> Subject:
    return Subject(explainable, _columns(len(explainable.inputs["labs"][0])), explain, key=key, **more)


def _noise(seed: int) -> Explain:
    """A method whose maps are noise, another one each time."""
    draw = np.random.default_rng(seed)
    return lambda explainable: {
        name: draw.normal(size=explainable.inputs[name].shape[1:]) for name in explainable.order
    }


def _median(check: MapCheck, subjects: list[Subject]) -> float:
    return float(np.median([check.measure(one, "labs")[-1] for one in subjects]))


def test_hiding_one_value_of_a_linear_function_takes_away_its_part() -> None:
    # By hand: w = (1, -2, 3), x = (1, 2, 3), baseline 0 gives (1, -4, 9).
    weights = np.array([1.0, -2.0, 3.0])
    about = _about(lambda x: x.double() @ torch.from_numpy(weights), np.array([1, 2, 3]), np.zeros(3))
    subject = _subject(about)
    answers = subject.answers("labs", np.concatenate([np.ones((1, 3), bool), ~np.eye(3, dtype=bool)]))
    assert (answers[0] - answers[1:]).tolist() == [1.0, -4.0, 9.0]
    np.testing.assert_allclose(subject.weights("labs"), [1.0, -4.0, 9.0], atol=1e-6)
    assert Agreement().measure(subject, "labs")[0] == pytest.approx(1)


def test_a_linear_function_has_no_infidelity_and_its_gradient_no_sensitivity() -> None:
    # Yeh et al. 2019: both are 0 where the explanation is the function.
    assert Infidelity().measure(_subject(_linear()), "labs") == pytest.approx((0, 0), abs=1e-9)
    gradient = _subject(_linear(), lambda explainable: {"labs": WEIGHTS})
    assert Sensitivity().measure(gradient, "labs") == (0.0,)


def test_infidelity_is_that_of_captum() -> None:
    about = _bent()
    subject = _subject(about)
    draw = subject.draw("infidelity", "labs")
    hidden = torch.from_numpy(draw.uniform(size=(DRAWS, WIDTH)) < draw.uniform(*SHARES, size=(DRAWS, 1)))
    x, start = torch.from_numpy(about.inputs["labs"]), torch.from_numpy(about.baselines["labs"])

    @infidelity_perturb_func_decorator(True)
    def hide(inputs: torch.Tensor, baselines: torch.Tensor) -> torch.Tensor:
        return torch.where(hidden, baselines, inputs)

    lost = about.function((x,)) - about.function((torch.where(hidden, start, x),))
    whole = float((lost**2).mean())
    given = (lambda inputs: about.function((inputs,)), hide, x, torch.from_numpy(subject.maps["labs"])[None])
    plain, scaled = Infidelity().measure(subject, "labs")
    options = {"baselines": start, "n_perturb_samples": DRAWS}
    assert plain == pytest.approx(float(infidelity(*given, **options)) / whole, rel=1e-4)
    assert scaled == pytest.approx(float(infidelity(*given, **options, normalize=True)) / whole, rel=1e-4)
    assert 1e-4 < scaled < plain


def test_sensitivity_is_that_of_captum() -> None:
    about = _bent()
    subject = _subject(about)
    noisy = [
        (about.inputs["labs"] + 0.02 * about.inputs["labs"].std() * subject.draw("noise", k).uniform(-1, 1, (1, WIDTH)))
        for k in range(2)
    ]
    spoilt = torch.cat([torch.from_numpy(one.astype(np.float32)) for one in noisy])

    def explained(inputs: tuple[torch.Tensor, ...]) -> tuple[torch.Tensor, ...]:
        rows = [_about(lambda x: about.function((x,)), row, BASELINE) for row in inputs[0].numpy()]
        return (torch.from_numpy(np.stack([gradients(row)["labs"] for row in rows])),)

    found = sensitivity_max(
        explained,
        (torch.from_numpy(about.inputs["labs"]),),
        perturb_func=lambda inputs, radius: (spoilt[: len(inputs[0])],),
        n_perturb_samples=2,
    )
    assert Sensitivity().measure(subject, "labs")[0] == pytest.approx(float(found), rel=1e-4)


def test_a_right_map_passes_every_check() -> None:
    others = {"redrawn": (_linear(WEIGHTS[::-1].copy()),), "relabelled": (_linear(np.roll(WEIGHTS, 11)),)}
    subject = _subject(_linear(), **others)
    for check in CHECKS:
        assert check.passes(check.measure(subject, "labs")[-1]), check.name


@pytest.mark.parametrize("check", [Deletion(), Infidelity(), Sensitivity(), Agreement()], ids=lambda c: c.name)
def test_a_map_of_noise_fails(check: MapCheck) -> None:
    subjects = [_subject(_bent(), _noise(k), key=f"R{k}") for k in range(6)]
    assert not check.passes(_median(check, subjects))
    assert check.passes(_median(check, [_subject(_bent(), key=f"R{k}") for k in range(6)]))


@pytest.mark.parametrize("check", [Randomisation(), LabelRandomisation()], ids=lambda c: c.name)
def test_a_map_that_ignores_what_was_learned_fails(check: MapCheck) -> None:
    others = {"redrawn": (_linear(-WEIGHTS), _linear(WEIGHTS[::-1].copy()))}
    others["relabelled"] = others["redrawn"]

    def edges(explainable: Explainable) -> dict[str, np.ndarray]:
        return {"labs": np.abs(np.diff(explainable.inputs["labs"][0], append=0))}

    found = check.measure(_subject(_linear(), edges, **others), "labs")
    assert found == pytest.approx((1.0, 1.0))
    assert not check.passes(found[-1])


def test_a_part_that_no_layer_feeds_is_not_asked_about_random_layers() -> None:
    assert Randomisation().measure(_subject(_linear(), redrawn=(_linear(),)), "labs") == ()
    assert LabelRandomisation().measure(_subject(_linear()), "labs") == ()


def test_a_modality_that_moves_nothing_is_not_judged() -> None:
    subject = _subject(_linear(np.zeros(WIDTH)), redrawn=(_linear(),))
    for check in CHECKS:
        assert check.measure(subject, "labs") == (), check.name


def test_likeness_looks_where_the_map_is() -> None:
    ours = np.concatenate([np.array([9.0, 8.0, 7.0, 6.0]), np.linspace(0, 1e-3, 500)])
    theirs = np.concatenate([np.array([1.0, 2.0, 3.0, 4.0]), np.linspace(0, 1e-3, 500)])
    assert likeness(ours, theirs) == pytest.approx(-1)
    assert np.isnan(likeness(np.zeros(5), theirs[:5]))


def test_draws_depend_on_the_record_and_on_nothing_else() -> None:
    first, again, other = (_subject(_bent(), key=key) for key in ("R1", "R1", "R2"))
    for check in (Deletion(), Infidelity(), Sensitivity()):
        assert check.measure(first, "labs") == check.measure(again, "labs")
    assert Infidelity().measure(first, "labs") != Infidelity().measure(other, "labs")


def test_every_check_asks_and_says_what_failed_in_words() -> None:
    assert len({check.name for check in CHECKS}) == len(CHECKS)
    for check in CHECKS:
        assert check.asks.endswith("?")
        assert check.failure[0].islower()
        assert not check.failure.endswith(".")
