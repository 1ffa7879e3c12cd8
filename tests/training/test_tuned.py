"""Settings are chosen inside fit, by training patients only, and are remembered."""

import numpy as np
import pytest
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, StratifiedGroupKFold

from clinfuse.cohort.cohort import Cohort
from clinfuse.errors import ConfigError, DataError
from clinfuse.evaluation.calibration.operating import operating_points
from clinfuse.evaluation.compare import compare
from clinfuse.evaluation.crossval import cross_validate
from clinfuse.evaluation.folds import Scheme, deal, scored, settings_of
from clinfuse.evaluation.metrics import auroc, log_loss
from clinfuse.fusion.choice import OperatorChoice
from clinfuse.training import search as searching
from clinfuse.training.calibrated import Calibrated
from clinfuse.training.early import EarlyFusion
from clinfuse.training.joint import JointFusion
from clinfuse.training.late import LateFusion
from clinfuse.training.learners import LearnerChoice
from clinfuse.training.options import TrainingOptions
from clinfuse.training.search import Candidate, score
from clinfuse.training.search_settings import Range, changed
from clinfuse.training.store import load_model, save_model
from clinfuse.training.tuned import Tuned
from clinfuse.training.unimodal import Unimodal

PLAIN = TrainingOptions(copies=0)
STRENGTHS = {"learner__C": [1e-4, 1.0]}


def tables(n=60, *, strength=1.5, seed=0, order=None, task="binary", spoiled=()):
    """Two tables of which one knows the finding; several visits a patient."""
    draw = np.random.default_rng(seed)
    classes = {"binary": ("no", "yes"), "multiclass": ("a", "b", "c"), "multilabel": ("p", "q")}[task]
    owner = np.arange(n) // 2
    labels = owner % len(classes)
    known = labels[:, None] * strength
    if task == "multilabel":
        labels = np.stack([owner % 2, owner // 2 % 2], axis=1)
        labels[::9, 1] = -1
        known = labels * strength
    arrays = {"m0": known + draw.normal(size=(n, known.shape[1])), "m1": draw.normal(size=(n, 3))}
    for name in arrays:
        arrays[name][list(spoiled)] = draw.normal(size=arrays[name][list(spoiled)].shape) * 100
    take = np.arange(n) if order is None else order
    return Cohort.from_arrays(
        {name: array[take] for name, array in arrays.items()},
        labels=labels[take],
        kinds={"m0": "ehr", "m1": "ehr"},
        record_ids=[f"r{k:03d}" for k in take],
        patient_ids=[f"p{owner[k]:03d}" for k in take],
        classes=classes,
        task=task,
    )


def one(settings=None, **asked):
    model = Unimodal("m0", learner=LogisticRegression(), options=PLAIN)
    return Tuned(model, STRENGTHS if settings is None else settings, inner_folds=2, **asked)


def late(settings, **asked):
    return Tuned(LateFusion(options=PLAIN), settings, inner_folds=2, **asked)


def test_a_grid_finds_what_scikit_learn_finds_by_hand():
    cohort = tables()
    tuned = one({"learner__C": [1e-4, 1e-2, 1.0, 100.0]}, metric="auroc", seed=3).fit(cohort)
    model = Unimodal("m0", learner=LogisticRegression(), options=PLAIN, seed=3)
    folds = searching.patient_folds(
        cohort.labels, cohort.groups, cohort.record_ids, folds=2, seed=searching.derived_seed(3, "search")
    )
    by_hand = GridSearchCV(model, {"learner__C": [1e-4, 1e-2, 1.0, 100.0]}, scoring="roc_auc", cv=folds, refit=False)
    by_hand.fit(cohort, cohort.labels)
    assert tuned.best_settings_ == by_hand.best_params_
    assert tuned.tries_[0].score == pytest.approx(by_hand.best_score_, abs=1e-12)
    assert len(tuned.tries_) == 4
    again = changed(model, tuned.best_settings_).fit(cohort)
    np.testing.assert_array_equal(again.predict_proba(cohort), tuned.predict_proba(cohort))


def test_it_can_itself_be_searched_and_split_by_scikit_learn():
    cohort = tables()
    search = GridSearchCV(one(), {"metric": ["auroc", "log_loss"]}, cv=StratifiedGroupKFold(2), scoring="roc_auc")
    assert search.fit(cohort, cohort.labels, groups=cohort.groups).best_score_ > 0.6


@pytest.mark.parametrize("search", ["grid", "random", "halving", "optuna"])
def test_every_search_prefers_what_is_better_whatever_the_order_of_records(search):
    if search == "optuna":
        pytest.importorskip("optuna")
    cohort = tables(order=None)
    shuffled = tables(order=np.random.default_rng(1).permutation(60))
    first, other = (one(search=search, tries=4).fit(c) for c in (cohort, shuffled))
    assert first.best_settings_ == {"learner__C": 1.0}
    assert first.best_settings_ == other.best_settings_
    assert first.tries_ == other.tries_
    np.testing.assert_array_equal(first.predict_proba(cohort), other.predict_proba(cohort))
    scores = [tried.score for tried in first.tries_]
    assert scores == sorted(scores, reverse=True) or search == "halving"


@pytest.mark.parametrize("search", ["random", "optuna"])
def test_ranges_are_drawn_from(search):
    if search == "optuna":
        pytest.importorskip("optuna")
    settings = {"learner__C": Range(1e-3, 10.0, log=True), "learner__max_iter": Range(50, 60, whole=True)}
    found = [one(settings, search=search, tries=4, seed=seed).fit(tables(40)) for seed in (0, 0, 1)]
    assert found[0].tries_ == found[1].tries_ != found[2].tries_
    for tried in found[0].tries_:
        assert 1e-3 <= tried.settings["learner__C"] <= 10
        assert isinstance(tried.settings["learner__max_iter"], int)
        assert 50 <= tried.settings["learner__max_iter"] <= 60


def test_a_range_is_covered_evenly_to_both_ends():
    draws = np.random.RandomState(0)
    whole = [Range(1, 4, whole=True).rvs(random_state=draws) for _ in range(400)]
    assert np.bincount(whole)[1:].min() > 70
    logs = np.log10([Range(1e-4, 1.0, log=True).rvs(random_state=draws) for _ in range(400)])
    assert np.histogram(logs, bins=4, range=(-4, 0))[0].min() > 70


@pytest.mark.parametrize("task", ["multiclass", "multilabel"])
@pytest.mark.parametrize("metric", ["auroc", "log_loss"])
def test_several_classes_and_labels_are_tuned_too(task, metric):
    cohort = tables(72, task=task)
    found = one(metric=metric).fit(cohort)
    assert found.best_settings_ == {"learner__C": 1.0}
    assert found.predict_proba(cohort).shape == (72, len(cohort.classes))


def test_the_scores_are_those_of_the_metrics():
    for task in ("binary", "multiclass", "multilabel"):
        cohort = tables(72, task=task)
        candidate = Candidate(Unimodal("m0", options=PLAIN)).fit(cohort, cohort.labels)
        model = candidate.fitted_
        logits = model.decide(model.encode(cohort))
        labels = np.asarray(cohort.labels)
        assert score(candidate, cohort, labels, metric="auroc") == pytest.approx(auroc(labels, logits), abs=1e-12)
        expected = -log_loss(labels, model.predict_proba(cohort))
        if task != "multilabel":  # there, labels are averaged one by one; here, every known label counts alike
            assert score(candidate, cohort, labels, metric="log_loss") == pytest.approx(expected, abs=1e-12)


def test_only_training_patients_choose():
    """Whatever stands in the test rows, and in whatever order, every fold chooses and learns the same."""
    test = deal(scored(tables()), Scheme(folds=3))[0].test
    found = [cross_validate(one(), tables(spoiled=rows), folds=3) for rows in ((), test, test[::-1])]
    for other in found[1:]:
        assert other.settings[0, 0] == found[0].settings[0, 0]
        assert other.tries[0, 0] == found[0].tries[0, 0]
        states = [cv.classifiers[0, 0].model_.model_.learner.estimator_.coef_ for cv in (found[0], other)]
        np.testing.assert_array_equal(*states)


class OneColumn(ClassifierMixin, BaseEstimator):
    """A reader of one column that learns nothing: all it has is which column was chosen."""

    def __init__(self, column=0):
        self.column = column

    def fit(self, table, labels):
        self.classes_ = np.unique(labels)
        return self

    def predict_proba(self, table):
        chance = 1 / (1 + np.exp(-table[:, self.column]))
        return np.stack([1 - chance, chance], axis=1)


def selection(seed, records, columns):
    """A search for the best of many columns of noise, and the records."""
    draw = np.random.default_rng(seed)
    labels = np.tile([0, 1], records // 2)
    cohort = Cohort.from_arrays({"m0": draw.normal(size=(records, columns))}, labels=labels, kinds={"m0": "ehr"})
    model = Unimodal("m0", learner=OneColumn(), options=PLAIN)
    return Tuned(model, {"learner__column": list(range(columns))}, metric="auroc", inner_folds=2), cohort


def outside(seed, records, columns):
    """AUROC of the best column where it was chosen."""
    tuned, cohort = selection(seed, records, columns)
    return tuned.fit(cohort).tries_[0].score


def inside(seed, records, columns):
    """AUROC of columns that every outer fold chose for itself."""
    tuned, cohort = selection(seed, records, columns)
    held = cross_validate(tuned, cohort, folds=2).predictions
    return auroc(held.y_true, held.scores, folds=held.fold)


def test_selection_inside_is_honest_and_outside_is_not():
    """Golden property G43 (selection outside the cross-validation on noise), for settings in place of features."""
    assert np.mean([outside(seed, 40, 24) for seed in range(3)]) > 0.65
    assert np.mean([inside(seed, 40, 24) for seed in range(3)]) == pytest.approx(0.5, abs=0.12)


@pytest.mark.slow
def test_selection_outside_looks_nearly_perfect_with_many_settings():
    assert np.mean([outside(seed, 12, 150) for seed in range(4)]) > 0.9


def test_a_calibrated_classifier_is_tuned_through_its_calibration():
    cohort = tables(40)
    model = Calibrated(Unimodal("m0", learner=LogisticRegression(), options=PLAIN), inner_folds=2)
    found = Tuned(model, {**STRENGTHS, "method": ["platt", "none"]}, inner_folds=2, seed=5).fit(cohort)
    assert set(found.best_settings_) == {"learner__C", "method"}
    assert found.best_settings_["learner__C"] == found.model_.model_.learner.C
    assert found.model_.seed == 5


def test_thresholds_of_a_tuned_model_come_from_inner_folds_too():
    model = Calibrated(Unimodal("m0", learner=LogisticRegression(), options=PLAIN), method="none", inner_folds=2)
    tuned = Tuned(model, STRENGTHS, inner_folds=2)
    crossed = {"tuned": cross_validate(tuned, tables(80), folds=2), "plain": cross_validate(one(), tables(80), folds=2)}
    (point,) = operating_points(crossed, specificity=0.8)
    assert point.model == "Tuned"


@pytest.mark.parametrize("task", ["binary", "multilabel"])
@pytest.mark.parametrize(
    ("learner", "settings"),
    [
        ("lightgbm", {"learner.options.leaves": [2, 4], "learner.options.rounds": [5, 20]}),
        ("logistic", {"learner.options.penalty": [0.001, 1.0]}),
        ("elastic-net", {"learner.options.strength": [0.3, 0.01], "learner.options.mix": [0.5]}),
    ],
)
def test_options_of_a_named_learner_are_searched_and_stored(task, learner, settings, tmp_path):
    cohort = tables(48, task=task)
    fitted = Tuned(Unimodal("m0", learner=learner, options=PLAIN), settings, inner_folds=2).fit(cohort)
    assert set(fitted.best_settings_) == set(settings)
    save_model(fitted, tmp_path / "m")
    np.testing.assert_array_equal(load_model(tmp_path / "m").predict_proba(cohort), fitted.predict_proba(cohort))


def test_a_learner_without_options_is_the_same_by_name_and_by_choice():
    cohort = tables(48)
    by_name, chosen, other = (
        Unimodal("m0", learner=learner, options=PLAIN).fit(cohort).predict_proba(cohort)
        for learner in ("lightgbm", LearnerChoice("lightgbm"), LearnerChoice("lightgbm", {"rounds": 20}))
    )
    np.testing.assert_array_equal(by_name, chosen)
    assert (by_name != other).any()
    for options in ({"leafs": 3}, {"leaves": 2.5}, {"rounds": 0}, {"ridge": -1}, {"ridge": "much"}):
        with pytest.raises(ConfigError, match=r"LEARNER_OPTION.*learning_rate, leaves, ridge, rounds"):
            LearnerChoice("lightgbm", options)
    with pytest.raises(ConfigError, match="LEARNER_NAME"):
        LearnerChoice("forest")


def test_what_was_chosen_is_stored_with_the_model(tmp_path):
    cohort = tables(40)
    fitted = late({"combine": ["mean", "max"], "options.hide": [0.2, 0.3]}).fit(cohort)
    save_model(fitted, tmp_path / "m")
    again = load_model(tmp_path / "m")
    assert isinstance(again, Tuned)
    assert (again.best_settings_, again.tries_) == (fitted.best_settings_, fitted.tries_)
    np.testing.assert_array_equal(again.predict_proba(cohort), fitted.predict_proba(cohort))


def test_a_cross_validation_remembers_what_each_fold_chose(tmp_path):
    models = {"late": late({"combine": ["mean", "max"]}), "plain": LateFusion(combine="mean", options=PLAIN)}
    found, again = (compare(tables(40), models, folds=2, best_single="m0", results=tmp_path) for _ in range(2))
    assert found["late"].settings == again["late"].settings
    assert set(found["late"].settings) == {(0, 0), (0, 1)}
    assert all(set(chosen) == {"combine"} for chosen in found["late"].settings.values())
    assert [len(tries) for tries in found["late"].tries.values()] == [2, 2]
    assert not any(found["plain"].settings.values())
    words = {f"late, {chosen['combine']}" for chosen in found["late"].settings.values()}
    assert set(found["late"].taxonomy.split(" or ")) == words
    assert found["late"].hide == PLAIN.hide


def test_a_holdout_keeps_its_validation_part_back_in_the_tuned_classifier():
    options = TrainingOptions(patience=3)
    tuned = Tuned(Unimodal("m0", options=options), {"options.hide": [0.1, 0.2]})
    fold = deal(scored(tables()), Scheme(validation="holdout"))[0]
    own = settings_of(tuned, fold, Scheme(validation="holdout"))
    assert own["model"].options.validation == pytest.approx(0.15 / 0.85)
    plain = settings_of(tuned, fold, Scheme())
    assert plain["model"].options == options
    assert plain["seed"] == plain["model"].seed


def test_settings_reach_every_part_of_a_classifier():
    model = changed(
        EarlyFusion(), {"options.learning_rate": 0.1, "encoders.ct": "resnet10", "learner": "logistic", "seed": 4}
    )
    assert (model.options.learning_rate, model.encoders, model.learner, model.seed) == (
        0.1,
        {"ct": "resnet10"},
        "logistic",
        4,
    )
    wide = changed(EarlyFusion(encoders={"ct": "resnet10"}), {"encoders.ct.features": 8})
    assert wide.encoders["ct"].features == 8
    late = changed(LateFusion(learners={"m0": "logistic"}), {"learners.m0.options.penalty": 0.1})
    assert late.learners == {"m0": LearnerChoice("logistic", {"penalty": 0.1})}
    joint = changed(JointFusion(), {"combine": "tensor", "combine.features": 8, "combine.options.reduce": 4})
    assert joint.combine == OperatorChoice("tensor", features=8, options={"reduce": 4})


@pytest.mark.parametrize(
    ("asked", "code", "words"),
    [
        ({"settings": {}}, "SEARCH_SETTING", "at least one"),
        ({"settings": {"combin": ["mean"]}}, "SEARCH_SETTING", "combin"),
        ({"settings": {"options.epoch": [1]}}, "SEARCH_SETTING", "epochs"),
        ({"settings": {"combin.features": [1]}}, "SEARCH_SETTING", "combine"),
        ({"settings": {"seed.low": [1]}}, "SEARCH_SETTING", "a setting of"),
        ({"settings": {"options.hide": [2.0]}}, "TRAINING_OPTION", "hide"),
        ({"settings": {"combine": "mean"}}, "SEARCH_VALUE", "a list of values"),
        ({"settings": {"options": [PLAIN]}}, "SEARCH_VALUE", "texts, numbers"),
        ({"settings": {"options.hide": Range(0.1, 0.2)}}, "SEARCH_VALUE", "a range"),
        ({"settings": {"options.epochs": [1, 2]}, "search": "halving"}, "SEARCH_VALUE", "halving"),
        ({"search": "clever"}, "SEARCH_VALUE", "grid, random, halving, optuna"),
        ({"metric": "accuracy"}, "SEARCH_VALUE", "log_loss, auroc"),
        ({"tries": 0}, "SEARCH_VALUE", "at least 1"),
    ],
)
def test_a_search_that_cannot_be_is_refused(asked, code, words):
    whole = {"settings": {"combine": ["mean"]}, **asked}
    with pytest.raises(ConfigError, match=rf"{code}.*{words}"):
        Tuned(LateFusion(options=PLAIN), whole.pop("settings"), **whole).fit(tables(24))


def test_what_cannot_be_searched_is_refused():
    with pytest.raises(ConfigError, match="SEARCH_SETTING"):
        Tuned(one(), {"metric": ["auroc"]}).fit(tables(24))
    with pytest.raises(DataError, match=r"SPLIT_CLASSES.*search of settings|search of settings.*SPLIT_CLASSES"):
        Tuned(LateFusion(options=PLAIN), {"combine": ["mean"]}, inner_folds=9).fit(tables(24))
    with pytest.raises(ConfigError, match="SEARCH_VALUE"):
        Range(1, 0)
    with pytest.raises(ConfigError, match="SEARCH_VALUE"):
        Range(0, 1, log=True)


def test_optuna_is_named_where_it_is_missing(monkeypatch):
    def absent(name):
        raise ImportError(name)

    monkeypatch.setattr(searching.importlib, "import_module", absent)
    with pytest.raises(ConfigError, match=r"SEARCH_OPTUNA.*clinfuse\[optuna\]"):
        one(search="optuna").fit(tables(24))


def test_optuna_is_left_as_quiet_or_loud_as_it_was():
    optuna = pytest.importorskip("optuna")
    before = optuna.logging.get_verbosity()
    one(search="optuna", tries=1).fit(tables(24))
    assert optuna.logging.get_verbosity() == before
