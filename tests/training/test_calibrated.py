"""Calibration inside a classifier's own fit, from training patients alone."""

import json

import numpy as np
import pytest
from scipy import special
from sklearn.naive_bayes import GaussianNB

from clinfuse.cohort.cohort import Cohort
from clinfuse.errors import ConfigError
from clinfuse.evaluation.compare import compare
from clinfuse.evaluation.folds import Fold, Scheme
from clinfuse.evaluation.metrics import calibration_slope
from clinfuse.evaluation.running.fitting import fit_task
from clinfuse.training import late
from clinfuse.training.calibrated import Calibrated, plain
from clinfuse.training.late import LateFusion
from clinfuse.training.store import load_model, save_model
from clinfuse.training.unimodal import Unimodal

BAYES = {"a": GaussianNB(), "b": GaussianNB()}


def cohort_of(n=120, *, seed=0, copies=1, classes=2, missing=0.2, strength=1.0, labels=None):
    """Two tables; every column is there ``copies`` times, which a naive learner takes for so much evidence."""
    draw = np.random.default_rng(seed)
    truth = draw.integers(0, classes, n) if labels is None else labels
    signal = truth if truth.ndim == 1 else truth.sum(1)
    arrays = {name: np.repeat(strength * signal[:, None] + draw.normal(size=(n, 1)), copies, 1) for name in ("a", "b")}
    present = draw.random((n, 2)) >= missing
    patients = [f"P{k // 2:04d}" for k in range(n)]
    return Cohort.from_arrays(
        arrays,
        labels=truth,
        present=present,
        kinds=dict.fromkeys(arrays, "ehr"),
        patient_ids=patients,
        classes=("one", "two", "three")[: max(classes, 2)],
        task="multilabel" if truth.ndim == 2 else "multiclass" if classes > 2 else "binary",
    )


@pytest.mark.parametrize("method", ["temperature", "platt", "isotonic"])
def test_an_overconfident_model_is_calibrated_on_fresh_patients(method):
    train, fresh = cohort_of(2000, copies=6, missing=0), cohort_of(6000, seed=1, copies=6, missing=0)
    raw = Unimodal("a", learner=GaussianNB()).fit(train)
    model = Calibrated(Unimodal("a", learner=GaussianNB()), method=method).fit(train)

    def slope(one):
        logits = one.decide(one.encode(fresh))
        return calibration_slope(fresh.labels, logits[:, 1] - logits[:, 0])

    assert slope(raw) < 0.25
    assert slope(model) == pytest.approx(1, abs=0.1)


def test_lines_change_no_rank_and_none_changes_nothing():
    cohort = cohort_of()
    model = Unimodal("a", learner=GaussianNB()).fit(cohort)
    before = special.logit(np.unique(model.predict_proba(cohort)[:, 1]))
    lines = Calibrated(Unimodal("a", learner=GaussianNB())).fit(cohort)
    assert len(np.unique(lines.predict_proba(cohort)[:, 1])) == len(before)
    none = Calibrated(Unimodal("a", learner=GaussianNB()), method="none").fit(cohort)
    assert np.array_equal(none.predict_proba(cohort), model.predict_proba(cohort))


def test_late_fusion_is_calibrated_without_another_fit(monkeypatch):
    fits = []
    original = late.fit_single
    monkeypatch.setattr(late, "fit_single", lambda *given, **more: fits.append(1) or original(*given, **more))
    LateFusion(learners=BAYES).fit(cohort_of())
    alone = len(fits)
    Calibrated(LateFusion(learners=BAYES)).fit(cohort_of())
    assert len(fits) == 2 * alone


@pytest.mark.parametrize("make", [lambda: LateFusion(learners=BAYES), lambda: Unimodal("a", learner=GaussianNB())])
def test_what_teaches_the_calibration_was_said_by_models_that_never_saw_the_patient(make, monkeypatch):
    cohort = cohort_of()
    seen = []
    original = late.fit_single
    monkeypatch.setattr(
        late, "fit_single", lambda c, *given, **more: seen.append(set(c.groups)) or original(c, *given, **more)
    )
    original_fit = Unimodal.fit
    monkeypatch.setattr(Unimodal, "fit", lambda self, c, y=None: seen.append(set(c.groups)) or original_fit(self, c, y))
    model = Calibrated(make()).fit(cohort)
    ordered = cohort.sorted_by_id().without(*(n for n in cohort.names if n not in model.modalities_))
    groups = ordered.groups[ordered.present.any(1)]
    for fold in range(3):
        held_out = set(groups[model.unseen_.folds == fold])
        assert any(not held_out & fitted for fitted in seen)
    assert set(model.unseen_.folds) == {0, 1, 2}


def test_held_out_patients_change_nothing_that_is_learned():
    cohort = cohort_of(90)
    train, test = np.arange(60), np.arange(60, 90)
    states = []
    for seed in (None, 0, 1):
        arrays = {name: np.array(cohort.arrays(name)) for name in cohort.names}
        labels = np.array(cohort.labels)
        if seed is not None:
            order = np.random.default_rng(seed).permutation(test)
            labels[test] = labels[order]
            arrays = {name: np.concatenate([a[:60], a[order] + 100 * seed]) for name, a in arrays.items()}
        spoiled = Cohort.from_arrays(
            arrays, labels=labels, present=cohort.present, kinds={"a": "ehr", "b": "ehr"}, patient_ids=cohort.groups
        )
        model = Calibrated(LateFusion(learners={"a": "logistic", "b": "logistic"}), by="pattern")
        fitted = fit_task(spoiled, "late", model, Fold(0, 0, train, test), Scheme(folds=2)).classifier
        states.append(json.dumps(fitted.to_state(), default=lambda array: array.tolist()))
    assert states[0] == states[1] == states[2]


def test_several_classes_take_one_temperature(tmp_path):
    cohort = cohort_of(150, classes=3, copies=6)
    raw = LateFusion(learners={"a": "logistic", "b": "logistic"}).fit(cohort)
    model = Calibrated(raw, method="temperature").fit(cohort)
    assert np.array_equal(model.predict(cohort), raw.predict(cohort))
    save_model(model, tmp_path / "m")
    assert np.array_equal(load_model(tmp_path / "m").predict_proba(cohort), model.predict_proba(cohort))
    with pytest.raises(ConfigError, match="CALIBRATION_METHOD"):
        Calibrated(raw, method="platt").fit(cohort)
    with pytest.raises(ConfigError, match="CALIBRATION_METHOD"):
        Calibrated(raw, method="temperature", by="site").fit(cohort)


def test_every_label_is_calibrated_and_stored(tmp_path):
    labels = np.random.default_rng(0).integers(0, 2, (120, 2))
    cohort = cohort_of(120, labels=labels)
    model = Calibrated(Unimodal("a", learner="logistic")).fit(cohort)
    assert len(model.calibration_.outputs) == 2
    save_model(model, tmp_path / "m")
    again = load_model(tmp_path / "m")
    assert np.array_equal(again.predict_proba(cohort), model.predict_proba(cohort))
    assert again.get_params()["method"] == "platt"
    assert np.array_equal(again.unseen_.logits, model.unseen_.logits)


def test_single_modalities_are_calibrated_as_the_fusion_they_are_compared_with():
    model = Calibrated(LateFusion(learners=BAYES), method="temperature", by="pattern")
    found = compare(cohort_of(80), {"late": model}, folds=2, best_single="a")
    single = found["a"].classifiers[0, 0]
    assert (single.method, single.by, single.taxonomy()) == ("temperature", "pattern", "single")
    assert not found["a"].multimodal
    assert plain(single).modality == "a"
    # Every fold has a seed of its own, which reaches the model inside.
    assert found["late"].classifiers[0, 0].seed != found["late"].classifiers[0, 1].seed
