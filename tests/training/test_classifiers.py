import hashlib
import json

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file
from sklearn.ensemble import RandomForestClassifier
from sklearn.exceptions import NotFittedError
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import GridSearchCV, StratifiedGroupKFold, cross_val_predict
from sklearn.neighbors import KNeighborsClassifier
from torch import nn

from clinfuse.cohort.cohort import Cohort
from clinfuse.errors import ConfigError, DataError, StorageError, TrainingError
from clinfuse.training.early import EarlyFusion
from clinfuse.training.half import features_of
from clinfuse.training.joint import HybridFusion, JointFusion
from clinfuse.training.late import LateFusion
from clinfuse.training.learner import LearnerRows
from clinfuse.training.learners import Brought
from clinfuse.training.options import TrainingOptions
from clinfuse.training.store import load_model, save_model, train_final
from clinfuse.training.unimodal import Unimodal

QUICK = TrainingOptions(epochs=2, batch_size=8, copies=2)
FUSIONS = [
    EarlyFusion(kind="I", options=QUICK),
    EarlyFusion(options=QUICK),
    JointFusion(options=QUICK),
    LateFusion(options=QUICK, inner_folds=2),
    LateFusion(combine="weighted", options=QUICK, inner_folds=2),
    HybridFusion(options=QUICK),
]


def fusions(predicate=lambda m: True):
    return pytest.mark.parametrize("model", [m for m in FUSIONS if predicate(m)], ids=lambda m: m.taxonomy())


@fusions()
def test_three_classes(model, make_films):
    cohort = make_films(60, classes=3)
    chances = model.fit(cohort).predict_proba(cohort)
    assert chances.shape == (60, 3)
    np.testing.assert_allclose(chances.sum(1), 1)
    np.testing.assert_array_equal(model.classes_, [0, 1, 2])


@fusions()
def test_several_labels_some_of_them_unknown(model, tmp_path):
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 2, (80, 2))
    a, b = rng.standard_normal((2, 80, 3))
    a[:, 0] += 3 * labels[:, 0]
    b[:, 0] += 3 * labels[:, 1]
    known = labels.copy()
    known[rng.random((80, 2)) < 0.1] = -1
    cohort = Cohort.from_arrays(
        {"a": a, "b": b}, labels=known, kinds={"a": "ehr", "b": "ehr"}, classes=["one", "two"], task="multilabel"
    )
    chances = model.fit(cohort).predict_proba(cohort)
    assert chances.shape == (80, 2)
    if not isinstance(model, JointFusion | HybridFusion):  # two epochs are too few for a network
        assert min(roc_auc_score(labels[:, k], chances[:, k]) for k in (0, 1)) > 0.8
    save_model(model, tmp_path / "model")
    np.testing.assert_array_equal(load_model(tmp_path / "model").predict_proba(cohort), chances)


def test_fusion_beats_its_parts_on_fresh_records(make_embedding_cohort):
    train, fresh = make_embedding_cohort(250, seed=1), make_embedding_cohort(4000, seed=2, prefix="F")

    def auroc(model):
        return roc_auc_score(fresh.labels, model.fit(train).predict_proba(fresh)[:, 1])

    single = max(auroc(Unimodal("source1")), auroc(Unimodal("source2")))
    options = TrainingOptions(epochs=15)
    for model in (
        EarlyFusion(),
        EarlyFusion(kind="I"),
        JointFusion(options=options),
        LateFusion(),
        HybridFusion(options=options),
    ):
        assert auroc(model) > single + 0.03, model.taxonomy()


@pytest.mark.parametrize("learner", ["logistic", "lightgbm", KNeighborsClassifier(15), RandomForestClassifier(50)])
def test_withholding_from_a_model_trained_on_complete_records_gives_a_sensible_answer(learner, make_embedding_cohort):
    train = make_embedding_cohort(250, missing=0.0, seed=1)
    fresh = make_embedding_cohort(2000, missing=0.0, seed=2, prefix="F")
    model = EarlyFusion(kind="I", learner=learner).fit(train)
    alone = fresh.withhold(np.tile([True, False], (len(fresh), 1)))
    chances = model.predict_proba(alone)[:, 1]
    assert chances.mean() == pytest.approx(0.5, abs=0.06)
    assert roc_auc_score(fresh.labels, chances) > 0.75


def test_features_of_the_learner_carry_no_label_when_training_labels_are_shuffled():
    """Shuffled labels leave nothing to learn: features of unseen records must not tell them apart."""
    rng = np.random.default_rng(0)
    n = 300
    film = rng.random((n, 1, 12, 12)).astype(np.float32)
    labels = rng.permutation(np.tile([0, 1], n // 2))
    cohort = Cohort.from_arrays(
        {"film": film, "labs": rng.standard_normal((n, 2))},
        labels=labels,
        kinds={"film": "xray", "labs": "ehr"},
        record_ids=[f"R{k:03d}" for k in range(n)],
        patient_ids=[f"P{k:03d}" for k in range(n)],
    )
    seen, aurocs = [], []
    original = EarlyFusion._half

    def spy(self, whole, y, extract, learn):
        half = original(self, whole, y, extract, learn)
        seen.append((half, whole[learn], y[learn]))
        return half

    EarlyFusion._half = spy
    try:
        EarlyFusion(options=TrainingOptions(epochs=10, augment=False)).fit(cohort)
    finally:
        EarlyFusion._half = original
    for half, learned, y in seen:
        features = features_of(half.extractors, learned, "film")
        aurocs += [roc_auc_score(y, column) for column in features.T]
    assert len(seen) == 2
    assert 0.3 <= min(aurocs) <= max(aurocs) <= 0.7


def test_works_inside_scikit_learn(make_films):
    cohort = make_films(48, patients=24)
    model = LateFusion(options=QUICK, inner_folds=2, learners={"film": "logistic"})
    chances = cross_val_predict(
        model, cohort, cohort.labels, groups=cohort.groups, cv=StratifiedGroupKFold(3), method="predict_proba"
    )
    assert roc_auc_score(cohort.labels, chances[:, 1]) > 0.8
    search = GridSearchCV(model, {"combine": ["mean", "stacked"]}, cv=StratifiedGroupKFold(3), scoring="roc_auc")
    search.fit(cohort, cohort.labels, groups=cohort.groups)
    assert search.best_params_["combine"] in ("mean", "stacked")
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()


def test_given_labels_win_over_the_cohorts(make_films):
    cohort = make_films(48)
    turned = Unimodal("labs").fit(cohort, 1 - cohort.labels)
    assert roc_auc_score(cohort.labels, turned.predict_proba(cohort)[:, 1]) < 0.3


def test_a_network_of_your_own(make_films):
    def build(shape):
        return nn.Sequential(nn.Flatten(), nn.Linear(int(np.prod(shape)), 5))

    cohort = make_films(48)
    model = JointFusion(encoders={"film": build}, options=QUICK).fit(cohort)
    assert model.encode(cohort).values["film"].shape == (48, 5)
    assert not model.stored_


@pytest.mark.parametrize(
    ("model", "words"),
    [
        (Unimodal("labs"), "single"),
        (EarlyFusion(kind="I"), "early, type I"),
        (EarlyFusion(), "early, type II"),
        (JointFusion(), "joint, type I"),
        (JointFusion(kind="II"), "joint, type II"),
        (LateFusion(combine="mean"), "late, mean"),
        (HybridFusion(), "hybrid (joint + late)"),
        (EarlyFusion(single_heads=True), "hybrid (early + late)"),
    ],
)
def test_taxonomy_follows_the_decision_procedure(model, words):
    assert model.taxonomy() == words


def test_what_cannot_be_is_refused(make_films, tmp_path):
    cohort = make_films(48)
    with pytest.raises(DataError, match=r"MODALITY_NAME.*film, labs"):
        Unimodal("ct").fit(cohort)
    with pytest.raises(TrainingError, match="FUSE_MODALITIES"):
        LateFusion().fit(cohort.without("film"))
    with pytest.raises(ConfigError, match="EARLY_KIND"):
        EarlyFusion(kind="III").fit(cohort)
    with pytest.raises(ConfigError, match="JOINT_KIND"):
        JointFusion(kind="II").fit(cohort.without("film"))
    with pytest.raises(ConfigError, match="LEARNER_NAME"):
        Unimodal("labs", learner="svm").fit(cohort)
    with pytest.raises(DataError, match="FIT_LABELS"):
        Unimodal("labs").fit(cohort, cohort.labels[:5])
    with pytest.raises(NotFittedError, match="not fitted"):
        LateFusion().predict_proba(cohort)
    model = Unimodal("labs").fit(cohort)
    encoded = model.encode(cohort)
    with pytest.raises(DataError, match="PRESENT_SHAPE"):
        model.decide(encoded, np.ones((3, 1), bool))
    blind = model.encode(cohort.withhold(np.zeros((48, 2), bool)))
    with pytest.raises(DataError, match="PRESENT_ADDED"):
        model.decide(blind, np.ones((48, 1), bool))
    with pytest.raises(DataError, match="EXPLAIN_RECORD"):
        model.explainable(cohort)


def test_a_stored_model_that_was_touched_is_refused(make_films, tmp_path):
    cohort = make_films(48)
    folder = tmp_path / "model"
    train_final(Unimodal("labs"), cohort, folder)
    content = bytearray((folder / "arrays.safetensors").read_bytes())
    content[-1] ^= 1
    (folder / "arrays.safetensors").write_bytes(bytes(content))
    with pytest.raises(StorageError, match="STORE_HASH"):
        load_model(folder)
    (folder / "model.json").unlink()
    with pytest.raises(StorageError, match="STORE_MISSING"):
        load_model(folder)


@pytest.mark.parametrize("change", [{"format": 99}, {"signatures": None}, {"options": {"speed": 3}}], ids=str)
def test_a_model_of_another_format_is_refused(change, make_films, tmp_path):
    folder = tmp_path / "model"
    train_final(Unimodal("labs"), make_films(48), folder)
    state = {**json.loads((folder / "model.json").read_text()), **change}
    state = {key: value for key, value in state.items() if value is not None}
    (folder / "model.json").write_text(json.dumps(state))
    hashes = json.loads((folder / "sha256.json").read_text())
    hashes["model.json"] = hashlib.sha256((folder / "model.json").read_bytes()).hexdigest()
    (folder / "sha256.json").write_text(json.dumps(hashes))
    with pytest.raises(StorageError, match="STORE_FORMAT"):
        load_model(folder)


def test_a_network_that_is_built_otherwise_today_is_refused(make_films, tmp_path):
    folder = tmp_path / "model"
    train_final(Unimodal("film", options=TrainingOptions(epochs=1)), make_films(48), folder)
    arrays = load_file(folder / "arrays.safetensors")
    name = next(key for key in arrays if key.endswith("head.weight"))
    save_file({**arrays, name: arrays[name][:, :-1].copy()}, folder / "arrays.safetensors")
    hashes = json.loads((folder / "sha256.json").read_text())
    hashes["arrays.safetensors"] = hashlib.sha256((folder / "arrays.safetensors").read_bytes()).hexdigest()
    (folder / "sha256.json").write_text(json.dumps(hashes))
    with pytest.raises(StorageError, match="STORE_FORMAT"):
        load_model(folder)


def test_a_brought_learner_is_not_stored(make_films, tmp_path):
    model = Unimodal("labs", learner=KNeighborsClassifier(5)).fit(make_films(48))
    assert not model.stored_
    with pytest.raises(StorageError, match="STORE_LEARNER"):
        save_model(model, tmp_path / "model")


def test_a_brought_encoder_is_not_stored(make_films, tmp_path):
    def build(shape):
        return nn.Sequential(nn.Flatten(), nn.Linear(int(np.prod(shape)), 5))

    model = JointFusion(encoders={"film": build}, options=QUICK).fit(make_films(48))
    with pytest.raises(StorageError, match=r"\[STORE_ENCODER\]"):
        save_model(model, tmp_path / "model")
    assert not (tmp_path / "model" / "model.json").exists()


@pytest.mark.parametrize("classes", [2, 3])
def test_a_brought_learner_is_taken_apart_by_shapley_values_against_the_training_medians(classes):
    draw = np.random.default_rng(0)
    table, rows = draw.normal(size=(60, 4)), LearnerRows(np.arange(60), np.arange(60), np.arange(60), seed=0)
    labels = (table[:, :classes] * [2, 1, 1][:classes]).argmax(1)
    brought = Brought(KNeighborsClassifier(15)).fit(table, labels, rows)
    parts = brought.contributions(table[:3])
    assert parts.shape == (3, 5, classes)
    np.testing.assert_allclose(parts.sum(1), brought.logits(table[:3]), atol=1e-9)
    np.testing.assert_allclose(parts[0, -1], brought.logits(np.median(table, axis=0)[None])[0], atol=1e-12)
    np.testing.assert_array_equal(parts, brought.contributions(table[:3]))
    assert not brought.contributions(np.median(table, axis=0)[None])[0, :-1].any()


def test_shapley_sampling_of_a_line_gives_coefficient_times_departure():
    class Line:
        def predict_proba(self, table):
            return 1 / (1 + np.exp(-np.stack([-table @ [1.0, -2.0], table @ [1.0, -2.0]], 1)))

    brought = Brought(KNeighborsClassifier(1))
    brought.estimator_, brought.medians_ = Line(), np.array([0.5, 0.0])
    parts = brought.contributions(np.array([[1.5, 1.0]]))[0, :-1]
    np.testing.assert_allclose(parts[:, 1] - parts[:, 0], [1.0, -2.0], atol=1e-12)
