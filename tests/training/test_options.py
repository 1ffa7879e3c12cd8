"""Every option acts in training, and none acts at prediction."""

from dataclasses import fields, replace

import numpy as np
import pytest

import clinfuse.training.loop as loop
from clinfuse.cohort.cohort import Cohort
from clinfuse.errors import ConfigError, TrainingError
from clinfuse.training.joint import JointFusion
from clinfuse.training.learner import LearnerRows
from clinfuse.training.linear import Logistic
from clinfuse.training.options import TrainingOptions
from clinfuse.training.unimodal import Unimodal

BASE = TrainingOptions(epochs=2, batch_size=8)
OTHER = {
    "epochs": 3,
    "batch_size": 16,
    "learning_rate": 1e-3,
    "weight_decay": 0.5,
    "schedule": "constant",
    "warm_up": 0.6,
    "clip": 0.01,
    "patience": 1,
    "validation": 0.3,
    "class_weight": "balanced",
    "loss": "focal",
    "focusing": 0.5,
    "auxiliary": 0.5,
    "augment": False,
    "dropout": 0.5,
    "hide": 0.0,
    "copies": 1,
    "device": "auto",
    "precision": "auto",
    "threads": 2,
}
# These choose where and how the same numbers are computed, or concern learners on features only.
ELSEWHERE = {"device", "precision", "threads", "copies"}


def weights(cohort, options, labels=None):
    model = JointFusion(options=options).fit(cohort, labels)
    return np.concatenate([p.detach().numpy().ravel() for p in model.network_.parameters()])


@pytest.fixture(scope="module")
def uneven(make_films):
    cohort = make_films(48)
    keep = np.flatnonzero((cohort.labels == 0) | (np.arange(48) % 4 == 1))
    return cohort[keep]


def test_every_option_is_under_test():
    assert {f.name for f in fields(TrainingOptions)} == set(OTHER)


@pytest.mark.parametrize("name", sorted(set(OTHER) - ELSEWHERE))
def test_an_option_changes_what_is_learned(name, uneven):
    needed = {"validation": {"patience": 1}, "focusing": {"loss": "focal"}}
    base = replace(BASE, **needed.get(name, {}))
    if name in ("warm_up", "schedule"):
        base = replace(BASE, epochs=4)
    assert not np.array_equal(weights(uneven, base), weights(uneven, replace(base, **{name: OTHER[name]})))


def test_copies_change_what_a_learner_is_trained_on(make_embedding_cohort):
    from clinfuse.training.early import EarlyFusion

    cohort = make_embedding_cohort(60)
    one, two = (
        EarlyFusion(kind="I", learner="logistic", options=TrainingOptions(copies=c)).fit(cohort).predict_proba(cohort)
        for c in (1, 4)
    )
    assert not np.array_equal(one, two)


@pytest.mark.parametrize("name", sorted(OTHER))
def test_no_option_acts_at_prediction(name, uneven):
    options = replace(BASE, **{name: OTHER[name]})
    model = Unimodal("film", options=options).fit(uneven)
    first = model.predict_proba(uneven)
    np.testing.assert_array_equal(model.predict_proba(uneven), first)
    model.options = BASE
    np.testing.assert_array_equal(model.predict_proba(uneven), first)


def test_training_never_varies_inner_validation_records(uneven, monkeypatch):
    varied = set()
    original = loop.draw_variation

    def spy(modality, ids, *, seed, epoch):
        varied.update(ids)
        return original(modality, ids, seed=seed, epoch=epoch)

    monkeypatch.setattr(loop, "draw_variation", spy)
    options = replace(BASE, patience=2, validation=0.25)
    Unimodal("film", options=options).fit(uneven)
    assert 0.6 * len(uneven) < len(varied) < 0.85 * len(uneven)


def test_early_stopping_restores_the_best_state(make_films):
    cohort = make_films(48)
    # Without warm-up and decay a shorter run takes the same steps.
    steady = TrainingOptions(epochs=12, batch_size=8, learning_rate=0.05, warm_up=0.0, schedule="constant")
    options = replace(steady, patience=3, validation=0.3)
    model = Unimodal("film", options=options).fit(cohort)
    losses = [epoch.validation_loss for epoch in model.loss_curves_["film"]]
    assert len(losses) == 12 or len(losses) - 1 - int(np.argmin(losses)) == 3
    # A run that ends at the best epoch has the weights that were restored.
    shorter = Unimodal("film", options=replace(options, epochs=int(np.argmin(losses)) + 1)).fit(cohort)
    np.testing.assert_array_equal(model.predict_proba(cohort), shorter.predict_proba(cohort))


@pytest.mark.parametrize("weighing", ["balanced", "sampled"])
def test_weighing_classes_keeps_the_prevalence(weighing, make_films):
    cohort = make_films(120)
    rare = cohort[np.flatnonzero((cohort.labels == 0) | (np.arange(120) % 8 == 1))]
    nothing = np.zeros((len(rare), 1, 16, 16), dtype=np.float32)
    options = TrainingOptions(epochs=25, batch_size=16, class_weight=weighing, augment=False)
    flat = type(rare).from_arrays(
        {"film": nothing + 0.5},
        labels=rare.labels,
        kinds={"film": "xray"},
        record_ids=rare.record_ids,
        patient_ids=rare.patient_ids,
    )
    mean = Unimodal("film", options=options).fit(flat).predict_proba(flat)[:, 1].mean()
    assert mean == pytest.approx(rare.labels.mean(), abs=0.06)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("epochs", 0),
        ("hide", 1.0),
        ("dropout", -0.1),
        ("class_weight", "heavy"),
        ("precision", "half"),
        ("device", "tpu"),
        ("patience", -1),
        ("schedule", "step"),
    ],
)
def test_an_option_outside_its_range_is_refused(name, value):
    with pytest.raises(ConfigError, match=rf"TRAINING_OPTION.*{name}"):
        TrainingOptions(**{name: value})


def test_a_loss_that_is_no_number_stops_training(make_films):
    with pytest.raises(TrainingError, match="TRAIN_DIVERGED"):
        Unimodal("film", options=replace(BASE, learning_rate=1e30, clip=1e30, schedule="constant")).fit(make_films(48))


def test_the_penalty_is_chosen_on_inner_patients():
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((200, 30)), np.tile([0, 1], 100)
    ids = np.array([f"R{k:03d}" for k in range(200)])
    rows = LearnerRows(np.arange(200), ids, ids, seed=0)
    assert Logistic().fit(x, y, rows).penalty_ <= 0.01
    x[:, 0] += 6 * y
    assert Logistic().fit(x, y, rows).penalty_ >= 0.3


def test_sampling_is_undone_by_the_shares_it_drew_from():
    """A modality present mostly in one class: its network's mean probability is the share among those who have it."""
    rng = np.random.default_rng(0)
    labels = np.repeat([0, 1], [160, 80])
    present = np.where(labels == 1, rng.random(240) < 0.9, rng.random(240) < 0.3)[:, None]
    flat = np.full((240, 1, 12, 12), 0.5, dtype=np.float32)
    cohort = Cohort.from_arrays({"film": flat}, present=present, labels=labels, kinds={"film": "xray"})
    options = TrainingOptions(epochs=25, batch_size=16, class_weight="sampled", augment=False)
    mean = Unimodal("film", options=options).fit(cohort).predict_proba(cohort)[present[:, 0], 1].mean()
    assert mean == pytest.approx(labels[present[:, 0]].mean(), abs=0.08)


def test_several_labels_cannot_be_sampled_equally():
    labels = np.random.default_rng(0).integers(0, 2, (40, 2))
    cohort = Cohort.from_arrays(
        {"labs": np.random.default_rng(1).standard_normal((40, 2))},
        labels=labels,
        kinds={"labs": "ehr"},
        classes=["one", "two"],
        task="multilabel",
    )
    with pytest.raises(ConfigError, match=r"TRAINING_OPTION.*class_weight"):
        Unimodal("labs", options=replace(BASE, class_weight="sampled")).fit(cohort)
