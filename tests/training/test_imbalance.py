"""Classes and modalities that are not balanced: what the loss does about each."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch.nn import functional

from clinfuse.cohort.cohort import Cohort
from clinfuse.errors import ConfigError
from clinfuse.training.joint import JointFusion
from clinfuse.training.loop import TrainingRows, _order
from clinfuse.training.objective import Objective, training_objective
from clinfuse.training.options import TrainingOptions
from clinfuse.training.unimodal import Unimodal

EVERYONE = torch.ones(8, dtype=torch.bool)
PRIOR = np.array([0.7, 0.3])


def tables(n=60, *, visits=1, seed=0, share=2):
    draw = np.random.default_rng(seed)
    patients = np.arange(n) // visits
    labels = (patients % share == 0).astype(int)
    arrays = {name: labels[:, None] + draw.normal(size=(n, 2)) for name in ("labs", "signs")}
    return Cohort.from_arrays(
        arrays,
        labels=labels,
        kinds=dict.fromkeys(arrays, "ehr"),
        record_ids=[f"R{k:03d}" for k in range(n)],
        patient_ids=[f"P{k:03d}" for k in patients],
    )


def test_the_focal_loss_is_the_published_one():
    """Lin et al. 2017, equation 4: -(1 - p)^gamma log p; at p = 0.9 and gamma = 2 a hundredth of cross-entropy."""
    logit = float(np.log(0.9 / 0.1))
    logits, targets = torch.tensor([[0.0, logit]]), torch.tensor([1])
    one = torch.ones(1, dtype=torch.bool)
    focal = Objective(False, PRIOR, False, 2.0).loss(logits, targets, one)
    assert float(focal) == pytest.approx(-0.01 * np.log(0.9), rel=1e-5)
    labels = Objective(True, np.array([0.5]), False, 2.0).loss(torch.tensor([[logit]]), torch.tensor([[1]]), one)
    assert float(labels) == pytest.approx(-0.01 * np.log(0.9), rel=1e-5)


@pytest.mark.parametrize("balanced", [False, True])
@pytest.mark.parametrize("multilabel", [False, True])
def test_weights_of_classes_stand_before_the_focus_and_none_is_cross_entropy(balanced, multilabel):
    torch.manual_seed(0)
    logits = torch.randn(8, 2)
    targets = torch.randint(0, 2, (8, 2) if multilabel else (8,))
    plain = Objective(multilabel, PRIOR, balanced, 0.0).loss(logits, targets, EVERYONE)
    assert float(plain) == float(Objective(multilabel, PRIOR, balanced).loss(logits, targets, EVERYONE))
    found = float(Objective(multilabel, PRIOR, balanced, 1.5).loss(logits, targets, EVERYONE))
    if multilabel:
        p = torch.sigmoid(logits)
        weight = torch.tensor((1 - PRIOR) / PRIOR if balanced else [1.0, 1.0])
        each = torch.where(targets == 1, -weight * (1 - p) ** 1.5 * p.log(), -(p**1.5) * (1 - p).log())
    else:
        p = functional.softmax(logits, 1)[torch.arange(8), targets]
        weight = torch.tensor(1 / (PRIOR * 2) if balanced else [1.0, 1.0])[targets]
        each = -weight * (1 - p) ** 1.5 * p.log()
    assert found == pytest.approx(float(each.mean()), rel=1e-5)


def test_a_focal_loss_has_a_slope_where_a_record_is_told_for_certain():
    logits = torch.tensor([[-60.0, 60.0]], requires_grad=True)
    Objective(False, PRIOR, False, 0.5).loss(logits, torch.tensor([1]), torch.ones(1, dtype=torch.bool)).backward()
    assert torch.isfinite(logits.grad).all()


def test_options_name_the_objective():
    found = training_objective(TrainingOptions(loss="focal", focusing=1.0), PRIOR, multilabel=False)
    assert (found.focusing, found.balanced) == (1.0, False)
    assert training_objective(TrainingOptions(class_weight="balanced"), PRIOR, multilabel=True).focusing == 0
    with pytest.raises(ConfigError, match=r"TRAINING_OPTION.*loss"):
        TrainingOptions(loss="hinge")
    with pytest.raises(ConfigError, match=r"TRAINING_OPTION.*focusing"):
        TrainingOptions(focusing=-1.0)


def test_focal_training_gives_other_and_less_certain_probabilities():
    cohort = tables()
    plain, focal = (
        Unimodal("labs", encoder="mlp", options=TrainingOptions(epochs=15, loss=loss)).fit(cohort).predict_proba(cohort)
        for loss in ("cross-entropy", "focal")
    )
    assert np.abs(focal[:, 1] - 0.5).mean() < np.abs(plain[:, 1] - 0.5).mean()


def drawn(cohort, epochs=400):
    data = TrainingRows(cohort, np.asarray(cohort.labels), {})
    rows = np.arange(len(cohort))
    options = TrainingOptions(class_weight="sampled")
    return np.concatenate([_order(data, rows, options, 0, epoch) for epoch in range(epochs)])


def test_classes_are_drawn_alike_and_patients_of_a_class_too():
    n = 24
    labels = np.array([1] * 6 + [0] * 18)
    # One ill patient with five records and one with a single one; the others have three each.
    patients = np.array([0] * 5 + [1] + [2 + k // 3 for k in range(18)])
    cohort = Cohort.from_arrays(
        {"labs": np.zeros((n, 1))},
        labels=labels,
        kinds={"labs": "ehr"},
        record_ids=[f"R{k:02d}" for k in range(n)],
        patient_ids=[f"P{k}" for k in patients],
    )
    found = np.bincount(drawn(cohort), minlength=n)
    assert labels[drawn(cohort)].mean() == pytest.approx(0.5, abs=0.02)
    assert found[:5].sum() / found[5] == pytest.approx(1.0, abs=0.1)
    assert found[6:9].sum() / found[6:].sum() == pytest.approx(1 / 6, abs=0.02)


def test_single_heads_are_trained_and_then_gone():
    cohort = tables()
    options = TrainingOptions(epochs=2)
    plain, helped = (JointFusion(options=replace(options, auxiliary=weight)).fit(cohort) for weight in (0.0, 0.5))
    assert set(plain.network_.state_dict()) == set(helped.network_.state_dict())
    assert helped.curve_[0].training_loss > plain.curve_[0].training_loss
    assert not np.array_equal(plain.predict_proba(cohort), helped.predict_proba(cohort))
    again = JointFusion()
    again.restore(helped.to_state())
    np.testing.assert_array_equal(again.predict_proba(cohort), helped.predict_proba(cohort))


def test_the_loss_of_single_heads_is_weighed():
    cohort = tables()
    options = TrainingOptions(epochs=1, learning_rate=1e-9, dropout=0.0, hide=0.0, warm_up=0.0)
    losses = [
        JointFusion(options=replace(options, auxiliary=weight)).fit(cohort).curve_[0].training_loss
        for weight in (0.1, 0.2, 0.3)
    ]
    assert losses[2] - losses[1] == pytest.approx(losses[1] - losses[0], rel=1e-3)
    assert losses[1] > losses[0]


@pytest.mark.parametrize("wrong", [-0.1, float("nan")])
def test_a_weight_that_is_none_is_refused(wrong):
    with pytest.raises(ConfigError, match=r"TRAINING_OPTION.*auxiliary"):
        TrainingOptions(auxiliary=wrong)
