"""The best fusion and the best single modality: chosen by training patients, answering for those not trained on."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clinfuse.cohort.cohort import Cohort
from clinfuse.evaluation.choice import best_inside
from clinfuse.evaluation.compare import Comparison, compare
from clinfuse.evaluation.crossval import run_models
from clinfuse.evaluation.folds import Fold, Scheme
from clinfuse.evaluation.running.engine import Job
from clinfuse.evaluation.running.inside import InnerFolds
from clinfuse.training.calibrated import Calibrated
from clinfuse.training.late import LateFusion
from clinfuse.training.unimodal import Unimodal
from clinfuse.training.unseen import unseen_auroc

MODELS = {"mean": LateFusion(combine="mean"), "stacked": LateFusion(inner_folds=2)}
ASKED: dict[str, Any] = {"folds": 3, "seed": 1, "inner_folds": 2, "primary": "best fusion"}


@pytest.fixture(scope="module")
def best(cohort_of) -> Comparison:
    """Two modalities alike and weak, so that the choice differs between folds."""
    return compare(cohort_of(60, strengths=(0.6, 0.6)), MODELS, **ASKED)


def test_the_model_with_the_highest_stored_number_answers_for_the_fold_bit_for_bit(best):
    taken = best["best fusion"]
    assert list(best.models) == ["m0", "m1", "mean", "stacked", "best fusion"]
    for place, name in taken.chosen.items():
        assert best[name].inner[place] == max(best[one].inner[place] for one in MODELS) == taken.inner[place]
        for whole, part in ((taken.predictions, best[name].predictions), (taken.withheld, best[name].withheld)):
            here, there = (one.rows((one.repeat == place[0]) & (one.fold == place[1])) for one in (whole, part))
            assert here.logits.tobytes() == there.logits.tobytes()
            assert here.record.tolist() == there.record.tolist()
        assert taken.classifiers[place] is best[name].classifiers[place]
    assert taken.predictions.models == ("best fusion",)
    for place, name in best.comparator.chosen.items():
        assert best[name].inner[place] == max(best[one].inner[place] for one in ("m0", "m1"))
    assert len(set(best.comparator.chosen.values())) == len(set(taken.chosen.values())) == 2


def test_stored_numbers_are_believed_and_may_choose_another_model_in_every_fold(best):
    fusions = {name: best[name] for name in MODELS}
    before = {name: dict(one.inner) for name, one in fusions.items()}
    wanted = {(0, 0): "stacked", (0, 1): "mean", (0, 2): "stacked"}
    try:
        for name, one in fusions.items():
            one.inner = {place: float(name == other) for place, other in wanted.items()}
        assert best_inside(fusions) == wanted
        for one in fusions.values():
            one.inner = dict.fromkeys(wanted, 0.7)
        assert set(best_inside(fusions).values()) == {"mean"}
    finally:
        for name, one in fusions.items():
            one.inner = before[name]


def test_the_question_and_the_answer_say_what_was_chosen_and_how(best):
    asked = "does the best fusion beat the best single modality, both chosen in inner folds of the training patients?"
    assert best.question == f"declared before training: {asked}"
    assert "best fusion: " in best.answer.text
    assert best.answer.text.endswith("Both were chosen in inner folds of the training patients.")
    assert best.answer.primary == "best fusion"
    assert best.appendix().index.tolist() == ["mean", "stacked"]
    assert best.table()["p"]["best fusion"] != ""
    table = best.choices()
    assert table["chosen"].tolist() == [*best["best fusion"].chosen.values(), *best.comparator.chosen.values()]
    assert table["stacked, inner AUROC"][0] == f"{best['stacked'].inner[0, 0]:.3f}"


def test_inner_numbers_are_those_of_the_model_on_patients_it_was_not_fitted_on(best):
    place, model = (0, 1), best["m1"]
    fold = model.folds[place]
    training = model.cohort[fold.train]
    inner = InnerFolds(2, 0)
    cuts = inner.cuts(training, fold, model.scheme)
    assert not any(set(training.groups[train]) & set(training.groups[test]) for train, test in cuts)
    logits = np.zeros((len(training), 2))
    for train, test in cuts:
        fitted = Unimodal("m1", seed=fold.seed(0, 1)).fit(training[train])
        logits[test] = np.log(fitted.predict_proba(training[test]))
    expected = unseen_auroc(training.labels, logits, [test for _, test in cuts])
    assert model.inner[place] == pytest.approx(expected, abs=1e-12)


def spoiled(cohort: Cohort, rows: np.ndarray, seed: int) -> Cohort:
    """The same cohort with other labels and values of some records."""
    draw = np.random.default_rng(seed)
    labels = np.array(cohort.labels)
    labels[rows] = draw.permutation(labels[rows])
    arrays = {name: np.array(cohort.features(name).values) for name in cohort.names}
    for values in arrays.values():
        values[rows] = draw.normal(size=(len(rows), values.shape[1])) * 100
    return Cohort.from_arrays(
        arrays,
        labels=labels,
        present=cohort.present,
        kinds=dict.fromkeys(arrays, "ehr"),
        record_ids=cohort.record_ids,
        patient_ids=cohort.patient_ids,
    )


@settings(max_examples=3)
@given(seed=st.integers(0, 10_000))
def test_the_patients_of_a_fold_have_no_part_in_its_choice(cohort_of, seed):
    cohort = cohort_of(36, strengths=(0.5, 0.5), seed=seed).sorted_by_id()
    rows = np.arange(36)
    fold = Fold(0, 0, rows[12:], rows[:12])
    models = {"m0": Unimodal("m0"), "m1": Unimodal("m1"), "mean": LateFusion(combine="mean")}
    found = []
    for one in (cohort, spoiled(cohort, fold.test, seed)):
        job = Job(one, models, fold, Scheme(folds=3), {}, dict.fromkeys(models, InnerFolds(2, 0)))
        found.append({name: fitted.about["inner"] for name, fitted in job.run() if fitted is not None})
    assert found[0] == found[1]
    assert len(found[0]) == 3


def test_only_what_the_question_chooses_from_is_asked_inside(cohort, tmp_path):
    named = compare(cohort, MODELS, folds=2, primary="mean", best_single="m0")
    assert not any(one.inner for one in named.models.values())
    lone = {"mean": MODELS["mean"]}
    found = compare(cohort, lone, folds=2, primary="best fusion", best_single="m0", results=tmp_path)
    assert found["best fusion"].chosen == {(0, 0): "mean", (0, 1): "mean"}
    assert not any(one.inner for one in found.models.values())
    assert found.question.endswith("does the best fusion beat m0, chosen in inner folds of the training patients?")
    assert "inside" not in json.loads((tmp_path / "folds/0-0/mean/key.json").read_text())
    single = compare(cohort, lone, folds=2, inner_folds=2)
    assert {name: bool(one.inner) for name, one in single.models.items()} == {"m0": True, "m1": True, "mean": False}


def test_what_late_fusion_fitted_in_the_same_inner_folds_is_not_fitted_again(cohort, monkeypatch):
    made = []

    def counted(key, fit):
        made.append(key)
        return shared(key, fit)

    from clinfuse.training.memo import shared

    monkeypatch.setattr("clinfuse.training.single.shared", counted)
    compare(cohort, {"late": LateFusion(inner_folds=2)}, folds=2, inner_folds=2)
    # Two modalities, each whole and in two inner folds, by itself and within the fusion, in two outer folds.
    assert (len(made), len(set(made))) == (24, 12)


def test_numbers_are_the_same_from_disk_and_after_a_stop(best, cohort_of, tmp_path):
    cohort = cohort_of(60, strengths=(0.6, 0.6))
    compare(cohort, MODELS, results=tmp_path, **ASKED)
    (tmp_path / "folds/0-1/stacked/DONE").unlink()
    again = compare(cohort, MODELS, results=tmp_path, **ASKED)
    assert again["best fusion"].chosen == best["best fusion"].chosen
    assert {name: one.inner for name, one in again.models.items()} == {n: o.inner for n, o in best.models.items()}
    assert again.answer.text == best.answer.text
    stopped, whole = again["best fusion"], best["best fusion"]
    test = whole.cohort[whole.folds[0, 1].test]
    kept = stopped.classifier_for(str(test.keys[0]))
    assert np.array_equal(kept.predict_proba(test), whole.classifiers[0, 1].predict_proba(test))


@pytest.mark.parametrize("task", ["multiclass", "multilabel"])
def test_several_classes_and_labels_choose_by_their_mean(task):
    draw, n = np.random.default_rng(2), 72
    labels = np.tile([0, 1, 2], 24) if task == "multiclass" else draw.integers(2, size=(n, 2))
    strength = labels if task == "multiclass" else labels.sum(1)
    arrays = {"good": (2.0 * strength + draw.normal(size=n))[:, None], "none": draw.normal(size=(n, 1))}
    classes = ("a", "b", "c") if task == "multiclass" else ("a", "b")
    kinds = dict.fromkeys(arrays, "ehr")
    cohort = Cohort.from_arrays(arrays, labels=labels, kinds=kinds, classes=classes, task=task)
    models = {"mean": LateFusion(combine="mean"), "logit mean": LateFusion(combine="logit mean")}
    found = compare(cohort, models, folds=2, inner_folds=2, primary="best fusion")
    assert set(found.comparator.chosen.values()) == {"good"}
    assert all(value > 0.7 for value in found["good"].inner.values())


def test_fewer_inner_folds_where_a_class_is_rare_and_chance_where_it_cannot_be_dealt(cohort_of):
    cohort = cohort_of(40)
    labels = np.zeros(40, dtype=int)
    labels[:3] = 1

    def relabelled(positive: int) -> Cohort:
        mine = np.array(labels)
        mine[positive:3] = 0
        arrays = {name: cohort.features(name).values for name in cohort.names}
        return Cohort.from_arrays(arrays, labels=mine, kinds=dict.fromkeys(arrays, "ehr"))

    fold, scheme, inner = Fold(0, 0, np.arange(40), np.arange(0)), Scheme(folds=2), InnerFolds(5, 0)
    assert [len(inner.cuts(relabelled(count), fold, scheme)) for count in (3, 2, 1)] == [3, 2, 0]
    assert inner.auroc(Unimodal("m0"), relabelled(1), fold, scheme) == 0.5


def test_a_calibration_is_left_out_because_it_keeps_ranks(cohort):
    fold, scheme, inner = Fold(0, 0, np.arange(120), np.arange(0)), Scheme(folds=2), InnerFolds(2, 0)
    plain, calibrated = (
        inner.auroc(model, cohort, fold, scheme) for model in (Unimodal("m0"), Calibrated(Unimodal("m0")))
    )
    assert plain == calibrated


def test_a_modality_of_too_few_patients_is_not_the_best_however_well_it_does():
    draw, labels = np.random.default_rng(3), np.arange(120) % 2
    arrays = {"rare": 9.0 * labels[:, None] + 0.1 * draw.normal(size=(120, 1)), "weak": draw.normal(size=(120, 1))}
    present = np.stack([np.arange(120) % 60 < 16, np.ones(120, bool)], axis=1)
    made = {
        "here": Cohort.from_arrays(arrays, labels=labels, present=present, kinds=dict.fromkeys(arrays, "ehr")),
        "all": Cohort.from_arrays(arrays, labels=labels, kinds=dict.fromkeys(arrays, "ehr")),
    }
    models = {name: Unimodal(name) for name in arrays}
    inside = dict.fromkeys(models, InnerFolds(2, 0))
    for name, expected in (("here", "weak"), ("all", "rare")):
        crossed = run_models(made[name], models, Scheme(folds=2), inside=inside)
        assert set(best_inside(crossed).values()) == {expected}
        assert all(value > 0.55 for value in crossed["rare"].inner.values())
