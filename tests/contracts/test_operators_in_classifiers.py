"""The cheap laws of classifiers, for joint fusion with every operator."""

from __future__ import annotations

import importlib.util
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch

from clinfuse.fusion.choice import OperatorChoice, operator_class, operator_names
from clinfuse.training.joint import HybridFusion, JointFusion
from clinfuse.training.options import TrainingOptions
from clinfuse.training.store import load_model, save_model

_spec = importlib.util.spec_from_file_location("laws_cohort", Path(__file__).with_name("conftest.py"))
laws = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(laws)

OPTIONS = TrainingOptions(epochs=1, batch_size=8)
NARROW = {"tensor": {"reduce": 2}}
every_operator = pytest.mark.parametrize("name", operator_names())


def made(name, kind=JointFusion):
    return kind(combine=OperatorChoice(name, 4, options=NARROW.get(name, {})), options=OPTIONS)


@pytest.fixture(scope="module")
def cohort():
    return laws.tiny_cohort(16)


@cache
def fitted(name, kind=JointFusion):
    return made(name, kind).fit(laws.tiny_cohort(16))


@every_operator
def test_a_stand_in_never_matters(name, cohort):
    arrays, _, present = laws.tiny_arrays(16)
    for column, array in enumerate(arrays.values()):
        array[~present[:, column]] = 1e6
    spoiled = laws.tiny_cohort(16, arrays=arrays, order=np.random.default_rng(1).permutation(16))
    again = made(name).fit(spoiled)
    np.testing.assert_array_equal(again.predict_proba(cohort), fitted(name).predict_proba(cohort))


@every_operator
def test_every_set_of_modalities_is_decided_from_one_encoding(name, cohort):
    model = fitted(name)
    encoded = model.encode(cohort)
    for pattern in range(8):
        kept = np.array([(pattern >> k) & 1 for k in range(3)], dtype=bool)
        logits = model.decide(encoded, encoded.present & kept)
        assert np.isfinite(logits).all()
        without = cohort.withhold(np.tile(kept, (16, 1)))
        np.testing.assert_allclose(logits, model.decide(model.encode(without)), atol=1e-5)


@every_operator
def test_a_prediction_does_not_depend_on_its_batch(name, cohort):
    alone = np.concatenate([fitted(name).predict_proba(cohort[k : k + 1]) for k in range(16)])
    np.testing.assert_allclose(alone, fitted(name).predict_proba(cohort), atol=1e-5)


@every_operator
def test_a_stored_model_predicts_the_same_bits(name, cohort, tmp_path):
    save_model(fitted(name), tmp_path / "model")
    again = load_model(tmp_path / "model")
    assert again.operator_ == fitted(name).operator_
    assert again.combine == fitted(name).combine
    np.testing.assert_array_equal(again.predict_proba(cohort), fitted(name).predict_proba(cohort))


@every_operator
def test_the_explained_function_is_the_decision(name, cohort):
    model = fitted(name)
    for row in (0, 5, 9):
        record = cohort[row : row + 1]
        parts = model.explainable(record)
        logits = model.decide(model.encode(record))[0]
        with torch.no_grad():
            value = float(parts.function(tuple(torch.from_numpy(parts.inputs[m]) for m in parts.order))[0])
        assert value == pytest.approx(logits[1] - logits[0], abs=1e-4)


@every_operator
def test_the_operator_changes_nothing_of_the_class_of_fusion(name):
    assert fitted(name).taxonomy() == "joint, type I"
    assert made(name, HybridFusion).taxonomy() == "hybrid (joint + late)"


@every_operator
def test_hybrid_fusion_takes_every_operator(name, cohort):
    chances = fitted(name, HybridFusion).predict_proba(cohort)
    np.testing.assert_allclose(chances.sum(1), 1)
    assert np.ptp(chances[:, 1]) > 0


def test_tokens_are_kept_with_their_mask(cohort):
    encoded = fitted("token-transformer").encode(cohort)
    assert operator_class("token-transformer").needs == "tokens"
    for k, values in enumerate(encoded.values.values()):
        there = values[..., -1] > 0
        np.testing.assert_array_equal(there.any(1), encoded.present[:, k])
        assert not values[~there].any()
