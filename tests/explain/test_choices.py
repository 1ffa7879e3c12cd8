"""Methods and baselines by modality, models without a gradient, and many records at once."""

from __future__ import annotations

import numpy as np
import pytest

from clinfuse.cohort.cohort import Cohort
from clinfuse.explain.attribution import attribute, attribute_many
from clinfuse.explain.choosing import method_names
from clinfuse.explain.inside import NO_GRADIENT
from clinfuse.training.early import EarlyFusion
from clinfuse.training.joint import JointFusion
from clinfuse.training.late import LateFusion
from clinfuse.training.options import TrainingOptions

OPTIONS = TrainingOptions(epochs=1, copies=2)
SMALL = {"film": "small-conv"}


@pytest.fixture(scope="module")
def cohort() -> Cohort:
    draw = np.random.default_rng(5)
    labels = np.arange(40) % 2
    film = draw.uniform(0.2, 0.5, (40, 1, 12, 12)).astype(np.float32)
    film[labels == 1, :, 2:6, 2:6] += 0.3
    labs = draw.normal(size=(40, 3)) + labels[:, None]
    present = np.ones((40, 2), bool)
    present[0, 0] = False
    return Cohort.from_arrays(
        {"film": film, "labs": labs}, present=present, labels=labels, kinds={"film": "xray", "labs": "ehr"}
    )


@pytest.fixture(scope="module")
def joint(cohort: Cohort) -> JointFusion:
    return JointFusion(encoders=SMALL, options=OPTIONS).fit(cohort)


@pytest.mark.parametrize("name", method_names())
def test_one_modality_by_one_method_and_the_other_by_the_default(name: str, joint, cohort: Cohort) -> None:
    found = attribute(joint, cohort[5], methods={"film": name}, background=cohort[:20], steps=8)
    assert found["film"].map.shape == (1, 12, 12)
    assert np.abs(found["film"].map).max() > 0
    assert found["labs"].method == "integrated gradients"
    assert {check.name for check in found.checks} >= {"shares add up", "maps add up"}
    absent = attribute(joint, cohort[0], methods={"film": name}, steps=8)
    assert (absent["film"].method, absent["film"].map.any()) == ("absent", np.False_)


def test_the_baseline_is_chosen_recorded_and_said(joint, cohort: Cohort) -> None:
    usual = attribute(joint, cohort[5], steps=8)
    other = attribute(joint, cohort[5], baselines={"film": "blurred"}, steps=8)
    assert (usual["film"].compared, usual["labs"].compared) == ("mean", "median")
    assert other["film"].compared == "blurred"
    assert "blurred" in other["film"].baseline
    assert not np.array_equal(usual["film"].map, other["film"].map)
    assert usual.shares == other.shares


@pytest.mark.parametrize("steps", [1, 16])
def test_many_records_are_explained_as_each_alone_whatever_the_threads(joint, cohort: Cohort, steps: int) -> None:
    records = [cohort[k] for k in (0, 3, 5, 8)]
    for workers in (1, 3):
        many = attribute_many(joint, records, workers=workers, steps=steps)
        for record, found in zip(records, many, strict=True):
            alone = attribute(joint, record, steps=steps)
            assert (found.record, found.shares, found.logit) == (alone.record, alone.shares, alone.logit)
            for name in found.maps:
                np.testing.assert_array_equal(found.maps[name], alone.maps[name])
    assert attribute_many(joint, []) == ()


def test_trees_on_embeddings_have_no_gradient_and_are_explained_by_occlusion(cohort: Cohort) -> None:
    model = EarlyFusion(learner="lightgbm", encoders=SMALL, options=OPTIONS).fit(cohort)
    found = attribute(model, cohort[5])
    assert found["film"].method == "occlusion"
    assert found["film"].note == f"occlusion instead of integrated gradients: {NO_GRADIENT}"
    assert found["film"].map.shape == (1, 12, 12)
    assert found["labs"].method == "exact contributions"


def test_a_vote_has_no_gradient_either(cohort: Cohort) -> None:
    learners = {"labs": "lightgbm"}
    model = LateFusion(combine="majority vote", encoders=SMALL, learners=learners, options=OPTIONS).fit(cohort)
    found = attribute(model, cohort[5])
    assert (found["film"].method, found["labs"].method) == ("occlusion", "share only")


def test_the_terms_of_a_stacked_pool_are_slopes_times_departures(cohort: Cohort) -> None:
    learners = {"film": "logistic"}
    model = LateFusion(inner_folds=2, learners=learners, options=OPTIONS).fit(cohort)
    record = cohort[5]
    found, encoded = attribute(model, record), model.encode(record.cohort)
    prior = model.prior_logits_[1] - model.prior_logits_[0]
    for k, name in enumerate(model.modalities_):
        said = encoded.values[name][0]
        expected = model.pool_.slopes_[k] * (said[1] - said[0] - prior)
        assert found.terms[name] == pytest.approx(expected, abs=1e-9)
    offset = model.pool_.offsets_[1] - model.pool_.offsets_[0]
    assert found.logit == pytest.approx(prior + offset + sum(found.terms.values()), abs=1e-9)
