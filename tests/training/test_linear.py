"""Linear learners: the elastic net against its definition, and choices made on inner patients only."""

import json

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from clinfuse.training import linear
from clinfuse.training.blocks import masked_copies
from clinfuse.training.early import EarlyFusion
from clinfuse.training.learner import LearnerRows
from clinfuse.training.learners import Trees, build_learner, learner_from_state, learner_names
from clinfuse.training.linear import ElasticNet, Logistic, inner_cuts
from clinfuse.training.options import TrainingOptions


def table_of(n=200, width=8, classes=2, seed=0, informative=2):
    rng = np.random.default_rng(seed)
    labels = np.arange(n) % classes
    x = rng.standard_normal((n, width))
    x[:, :informative] += labels[:, None] * 1.2
    ids = np.array([f"R{k:03d}" for k in range(n)])
    groups = np.array([f"P{k // (2 * classes):03d}-{labels[k]}" for k in range(n)])
    return (x - x.mean(0)) / x.std(0), labels, LearnerRows(np.arange(n), groups, ids, seed=0)


@pytest.mark.parametrize("classes", [2, 3])
@pytest.mark.parametrize(("strength", "mix"), [(0.01, 0.5), (0.1, 0.9), (0.05, 0.1)])
def test_the_net_is_that_of_scikit_learn(classes, strength, mix):
    x, y, rows = table_of(classes=classes)
    net = ElasticNet(strength=strength, mix=mix).fit(x, y, rows)
    model = LogisticRegression(C=1 / (strength * len(x)), l1_ratio=mix, solver="saga", tol=1e-8, max_iter=20000)
    np.testing.assert_allclose(
        net.logits(x)[:, 1:] - net.logits(x)[:, [0]], _against_first(model.fit(x, y), x), atol=2e-3
    )


def _against_first(model, x):
    scores = model.decision_function(x)
    return scores[:, None] if scores.ndim == 1 else scores[:, 1:] - scores[:, [0]]


def test_features_that_say_nothing_are_left_out_exactly():
    x, y, rows = table_of(width=30)
    net = ElasticNet(strength=0.1, mix=0.9).fit(x, y, rows)
    assert (net.coefficients_[1] == 0).sum() >= 20
    assert (np.abs(net.coefficients_[1, :2]) > 0.1).all()


def test_strength_and_mix_are_chosen_on_inner_patients():
    x, y, rows = table_of(width=40, informative=0)
    noise = ElasticNet().fit(x, y, rows)
    x[:, 0] += 2 * y
    signal = ElasticNet().fit(x, y, rows)
    assert noise.strength_ > signal.strength_
    assert signal.mix_ in (0.1, 0.5, 0.9)


def test_few_patients_leave_nothing_to_choose_by():
    x, y, _ = table_of(n=12)
    rows = LearnerRows(np.arange(12), np.array([f"P{k % 2}" for k in range(12)]), np.arange(12).astype(str), seed=0)
    assert inner_cuts(y, rows) == []
    assert (ElasticNet().fit(x, y, rows).strength_, Logistic().fit(x, y, rows).penalty_) == (0.03, 0.01)


@pytest.mark.parametrize("classes", [2, 3])
def test_a_stored_net_gives_the_same_bits_and_its_parts_add_up(classes):
    x, y, rows = table_of(classes=classes)
    net = ElasticNet().fit(x, y, rows)
    state = net.to_state()
    assert json.dumps([state["learner"], state["strength"], state["mix"]])
    np.testing.assert_array_equal(learner_from_state(state).logits(x), net.logits(x))
    logits = net.logits(x)
    np.testing.assert_allclose(net.contributions(x).sum(1), logits, rtol=0, atol=1e-12)


@pytest.mark.parametrize("name", ["elastic-net", "logistic"])
def test_copies_of_a_patient_stay_on_one_side_of_every_inner_cut(name, monkeypatch):
    x, y, rows = table_of()
    copied = LearnerRows(np.tile(np.arange(200), 3), rows.groups, rows.ids, seed=0)
    patients = copied.groups[copied.owners]
    seen = []
    original = linear.inner_cuts

    def spy(labels, given):
        cuts = original(labels, given)
        seen.extend((np.isin(given.owners, train), np.isin(given.owners, test)) for train, test in cuts)
        return cuts

    monkeypatch.setattr(linear, "inner_cuts", spy)
    build_learner(name, multilabel=False).fit(np.tile(x, (3, 1)), np.tile(y, 3), copied)
    assert len(seen) == 5
    for inside, outside in seen:
        assert (inside ^ outside).all()
        assert not set(patients[inside]) & set(patients[outside])


@pytest.mark.parametrize("name", learner_names())
def test_a_record_weighs_one_however_many_copies_it_has(name):
    x, y, rows = table_of()
    # Records of the second class have three copies each: their weight must not make them more likely.
    owners = np.concatenate([np.arange(200), np.repeat(np.flatnonzero(y == 1), 2)])
    copied = LearnerRows(owners, rows.groups, rows.ids, seed=0)
    assert copied.weights.sum() == pytest.approx(200)
    np.testing.assert_allclose(np.bincount(owners, weights=copied.weights), 1)
    learner = build_learner(name, multilabel=False).fit(x[owners], y[owners], copied)
    logits = learner.logits(x)
    assert (1 / (1 + np.exp(logits[:, 0] - logits[:, 1]))).mean() == pytest.approx(0.5, abs=0.02)


@pytest.mark.parametrize("kind", [Logistic, Trees, ElasticNet])
def test_weights_of_rows_reach_the_learner(kind, monkeypatch):
    x, y, rows = table_of()
    own = kind().fit(x, y, rows).logits(x)
    monkeypatch.setattr(LearnerRows, "weights", property(lambda self: np.where(y[self.owners] == 1, 3.0, 1.0)))
    weighed = kind().fit(x, y, rows).logits(x)
    assert (weighed[:, 1] - weighed[:, 0]).mean() > (own[:, 1] - own[:, 0]).mean() + 0.5


def test_every_learner_is_trained_on_masked_copies_with_presence(make_embedding_cohort, monkeypatch):
    cohort = make_embedding_cohort(60, missing=0.0)
    for name in learner_names():
        seen = {}
        kind = type(build_learner(name, multilabel=False))
        original = kind.fit

        def spy(self, table, labels, rows, original=original, seen=seen):
            seen["table"], seen["rows"] = table, rows
            return original(self, table, labels, rows)

        with monkeypatch.context() as patch:
            patch.setattr(kind, "fit", spy)
            EarlyFusion(kind="I", learner=name, options=TrainingOptions(copies=4, hide=0.5)).fit(cohort)
        table, rows = seen["table"], seen["rows"]
        assert len(table) == 5 * 60
        np.testing.assert_allclose(np.bincount(rows.owners, weights=rows.weights), 1)
        presence = table[:, -2:] > 0
        assert presence[:60].all()
        # methods.md G30: with half hidden, each of three non-empty subsets of two is equally likely.
        share = [(presence[60:] == subset).all(1).mean() for subset in ([1, 0], [0, 1], [1, 1])]
        assert share == pytest.approx([1 / 3] * 3, abs=0.1)
        absent = table[:, :3][~presence[:, 0]]
        assert np.isnan(absent).all() if name == "lightgbm" else (absent == 0).all()


def test_hiding_half_leaves_each_subset_of_three_equally_often():
    # methods.md G30: q = .5 and M = 3 give 1/7 for each non-empty subset.
    present, ids = np.ones((3000, 3), bool), np.array([f"R{k}" for k in range(3000)])
    owners, masks = masked_copies(present, ids, TrainingOptions(hide=0.5, copies=4), seed=0)
    numbers = masks[3000:] @ [1, 2, 4]
    share = np.bincount(numbers, minlength=8) / len(numbers)
    assert share[0] == 0
    np.testing.assert_allclose(share[1:], 1 / 7, atol=0.012)
    np.testing.assert_array_equal(np.bincount(owners), 5)
