"""A learner for every pattern: what each is trained on, and when it is not worth having."""

import numpy as np
import pytest

from clinfuse.errors import DataWarning
from clinfuse.training.early import EarlyFusion
from clinfuse.training.learner import LearnerRows
from clinfuse.training.linear import Logistic
from clinfuse.training.pattern_learner import PatternLearner
from clinfuse.training.store import load_model, save_model


@pytest.mark.parametrize("learner", ["logistic", "lightgbm", "elastic-net"])
def test_a_pattern_is_answered_by_the_learner_of_those_who_have_it(learner, make_embedding_cohort):
    cohort = make_embedding_cohort(400, missing=0.3)
    model = EarlyFusion(kind="I", learner=learner, fill="per pattern").fit(cohort)
    (half,) = model.halves_
    assert set(half.learner.learners_) == {1, 2, 3}
    encoded = model.encode(cohort)
    blocks = {name: encoded.values[name] for name in model.modalities_}
    first = cohort.withhold(np.tile([True, False], (400, 1)))
    logits = model.decide(model.encode(first))
    rows = cohort.present[:, 0]
    own = half.learner.learners_[1]
    np.testing.assert_allclose(logits[rows], own.logits(blocks["source1"][rows]), rtol=0, atol=1e-12)


def test_only_records_with_at_least_the_pattern_teach_it_and_each_once(make_embedding_cohort, monkeypatch):
    cohort = make_embedding_cohort(400, missing=0.3)
    seen = []
    original = Logistic.fit

    def spy(self, table, labels, rows):
        seen.append((table.shape, len(np.unique(rows.owners))))
        return original(self, table, labels, rows)

    monkeypatch.setattr(Logistic, "fit", spy)
    EarlyFusion(kind="I", learner="logistic", fill="per pattern").fit(cohort)
    a, b = cohort.present.T
    # The shared one on five rows of every record and eight columns, then one per pattern.
    usable = int((a | b).sum())
    assert seen[0] == ((5 * usable, 8), usable)
    wanted = [(int(a.sum()), 3), (int(b.sum()), 3), (int((a & b).sum()), 6)]
    assert sorted(shape for shape, _ in seen[1:]) == sorted(wanted)
    assert all(shape[0] == records for shape, records in seen[1:])


def test_patterns_with_too_few_events_share_one_learner_and_say_so(make_embedding_cohort):
    # 90 events: enough for three features and one more, and for six; 45 for neither six nor more.
    cohort = make_embedding_cohort(90, missing=0.0)
    with pytest.warns(DataWarning, match=r"PATTERN_RARE.*1 of 3 patterns"):
        model = EarlyFusion(kind="I", learner="logistic", fill="per pattern").fit(cohort)
    (half,) = model.halves_
    assert set(half.learner.learners_) == {1, 2}
    skipped = EarlyFusion(kind="I", learner="logistic").fit(cohort)
    np.testing.assert_array_equal(model.predict_proba(cohort), skipped.predict_proba(cohort))


@pytest.mark.parametrize("learner", ["logistic", "lightgbm"])
def test_it_is_stored_and_its_parts_add_up(learner, make_embedding_cohort, tmp_path):
    cohort = make_embedding_cohort(400, missing=0.3)
    model = EarlyFusion(kind="I", learner=learner, fill="per pattern").fit(cohort)
    save_model(model, tmp_path / "model")
    again = load_model(tmp_path / "model")
    np.testing.assert_array_equal(again.predict_proba(cohort), model.predict_proba(cohort))
    (half,) = again.halves_
    encoded = again.encode(cohort)
    table = half.table({name: encoded.values[name] for name in again.modalities_}, encoded.present)
    logits = half.learner.logits(table)
    np.testing.assert_allclose(half.learner.contributions(table).sum(1), logits, atol=1e-9)


def test_several_labels(make_embedding_cohort):
    rng = np.random.default_rng(0)
    x, present = rng.standard_normal((300, 4)), rng.random((300, 2)) > 0.2
    labels = (x[:, [0, 2]] > 0).astype(int)
    labels[::11, 0] = -1
    table = np.concatenate([np.where(np.repeat(present, 2, axis=1), x, 0.0), present - 0.5], axis=1)
    ids = np.array([f"R{k:03d}" for k in range(300)])
    rows = LearnerRows(np.arange(300), ids, ids, seed=0)
    learner = PatternLearner("logistic", [2, 2], multilabel=True).fit(table, labels, rows)
    assert learner.logits(table).shape == (300, 2)
    assert set(learner.learners_) == {1, 2, 3}
