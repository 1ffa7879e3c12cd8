"""Measures of decisions, curves, several classes and labels: each against an independent implementation."""

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as reference

import clinfuse.evaluation.metrics as m
from clinfuse.cohort.cohort import Cohort
from clinfuse.evaluation.crossval import cross_validate
from clinfuse.evaluation.scores import metric_rows
from clinfuse.evaluation.statistics.decisions import DECISIONS
from clinfuse.evaluation.statistics.intervals import bootstrap
from clinfuse.evaluation.statistics.statistic import class_statistics, statistic
from clinfuse.training.unimodal import Unimodal

SETTINGS = {
    **{name: {"threshold": 0.5} for name in (*DECISIONS, "net_benefit")},
    **{name: {"at": 0.8} for name in ("sensitivity_at_specificity", "specificity_at_sensitivity")},
    "ppv": {"threshold": 0.5, "prevalence": 0.1},
    "npv": {"threshold": 0.5, "prevalence": 0.1},
}
# The bins of the expected calibration error are those of the records as they are, so copies move them.
NAMES = [*DECISIONS, *SETTINGS, "auroc", "auprc", "brier", "scaled_brier", "log_loss", "observed_expected"]
NAMES += ["calibration_slope", "calibration_intercept"]
NAMES = sorted(set(NAMES))


def drawn(seed, n=60):
    draw = np.random.default_rng(seed)
    labels = np.concatenate([[0, 1, 0, 1], draw.integers(0, 2, n - 4)])
    return labels, np.round(1 / (1 + np.exp(-draw.normal(size=n) - labels)), 2)


@pytest.mark.parametrize("seed", range(3))
def test_decisions_agree_with_scikit_learn(seed):
    labels, p = drawn(seed)
    called = p >= 0.4
    asked = {"threshold": 0.4}
    assert m.accuracy(labels, p, **asked) == pytest.approx(reference.accuracy_score(labels, called), abs=1e-12)
    assert m.precision(labels, p, **asked) == pytest.approx(reference.precision_score(labels, called), abs=1e-12)
    assert m.recall(labels, p, **asked) == pytest.approx(reference.recall_score(labels, called), abs=1e-12)
    spared = reference.recall_score(labels, called, pos_label=0)
    assert m.specificity(labels, p, **asked) == pytest.approx(spared, abs=1e-12)
    assert m.f1(labels, p, **asked) == pytest.approx(reference.f1_score(labels, called), abs=1e-12)
    assert m.mcc(labels, p, **asked) == pytest.approx(reference.matthews_corrcoef(labels, called), abs=1e-12)
    assert np.array_equal(m.confusion_matrix(labels, p, **asked), reference.confusion_matrix(labels, called))
    assert m.scaled_brier(labels, p) == pytest.approx(reference.d2_brier_score(labels, p), abs=1e-12)
    assert m.observed_expected(labels, p) == pytest.approx(labels.sum() / p.sum(), abs=1e-12)


def test_several_classes_agree_with_scikit_learn_whole_and_one_by_one():
    draw = np.random.default_rng(0)
    labels, p = np.tile([0, 1, 2], 20), draw.dirichlet([1, 1, 1], 60)
    called, names = p.argmax(1), ("none", "mild", "severe")
    for name, theirs in (
        ("precision", reference.precision_score),
        ("recall", reference.recall_score),
        ("f1", reference.f1_score),
    ):
        each = m.per_class(name, labels, p, classes=names)
        assert list(each) == list(names)
        assert list(each.values()) == pytest.approx(theirs(labels, called, average=None), abs=1e-12)
        assert getattr(m, name)(labels, p) == pytest.approx(theirs(labels, called, average="macro"), abs=1e-12)
    assert m.accuracy(labels, p) == pytest.approx(reference.accuracy_score(labels, called), abs=1e-12)
    assert m.mcc(labels, p) == pytest.approx(reference.matthews_corrcoef(labels, called), abs=1e-12)
    expected = reference.balanced_accuracy_score(labels, called)
    assert m.balanced_accuracy(labels, p) == pytest.approx(expected, abs=1e-12)
    assert m.scaled_brier(labels, p) == pytest.approx(reference.d2_brier_score(labels, p), abs=1e-12)
    assert np.array_equal(m.confusion_matrix(labels, p), reference.confusion_matrix(labels, called))
    each = [reference.matthews_corrcoef(labels == one, called == one) for one in range(3)]
    assert list(m.per_class("mcc", labels, called).values()) == pytest.approx(each, abs=1e-12)
    # Macro average precision is the plain mean of the average precisions.
    each = [reference.average_precision_score(labels == one, p[:, one]) for one in range(3)]
    assert m.auprc(labels, p) == pytest.approx(np.mean(each), abs=1e-12)
    assert list(m.per_class("auprc", labels, p).values()) == pytest.approx(each, abs=1e-12)
    each = [reference.log_loss(labels == one, p[:, one]) for one in range(3)]
    assert list(m.per_class("log_loss", labels, p).values()) == pytest.approx(each, abs=1e-12)


def test_several_labels_are_counted_where_they_are_known():
    labels = np.array([[0, 1], [1, 0], [1, 1], [0, -1], [1, 0]])
    p = np.array([[0.2, 0.9], [0.8, 0.6], [0.3, 0.7], [0.6, 0.9], [0.9, 0.1]])
    assert m.confusion_matrix(labels, p, threshold=0.5).tolist() == [[[1, 1], [1, 2]], [[1, 1], [0, 2]]]
    assert m.recall(labels, p, threshold=0.5) == pytest.approx((2 / 3 + 1) / 2)
    assert m.recall(labels, p, threshold=[0.25, 0.95]) == pytest.approx((1 + 0) / 2)
    assert m.per_class("specificity", labels, p, threshold=0.5, classes=("a", "b")) == {"a": 0.5, "b": 0.5}


def test_records_of_different_folds_have_thresholds_of_their_own():
    labels, scores, limits = [0, 1, 0, 1], [0.1, 0.2, 0.6, 0.7], [0.15, 0.15, 0.65, 0.65]
    assert m.accuracy(labels, scores, threshold=limits) == 1.0
    assert m.accuracy(labels, scores, threshold=0.5) == 0.5


def test_what_is_called_nowhere_has_no_precision():
    assert np.isnan(m.precision([0, 1], [0, 0]))
    assert m.mcc([0, 1], [0, 0]) == 0.0
    assert m.f1([0, 1], [0, 0]) == 0.0


@pytest.mark.parametrize("metric", NAMES)
@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 10**6))
def test_a_weight_of_k_is_k_copies_of_the_record_for_every_metric(metric, seed):
    labels, p = drawn(seed, n=24)
    scores = np.log(p + 0.01) - np.log(1.01 - p) if metric.startswith("calibration") else p
    weights = np.random.default_rng(seed + 1).integers(0, 4, 24)
    weights[:4] += 1
    asked = SETTINGS.get(metric, {})
    weighted = statistic(metric, labels, scores, **asked)(weights[None].astype(float))
    copied = statistic(metric, np.repeat(labels, weights), np.repeat(scores, weights), **asked)
    assert weighted == pytest.approx(copied(np.ones((1, weights.sum()))), abs=1e-8, nan_ok=True)


@pytest.mark.parametrize("metric", NAMES)
def test_the_positive_class_is_the_one_that_was_named_whatever_the_alphabet(metric):
    labels, p = drawn(5)
    scores = np.log(p + 0.01) - np.log(1.01 - p) if metric.startswith("calibration") else p
    asked = SETTINGS.get(metric, {})
    every = np.ones((1, 60))
    expected = statistic(metric, labels, scores, **asked)(every)
    for negative, positive in (("control", "case"), ("absent", "finding")):
        words = np.where(labels == 1, positive, negative)
        assert statistic(metric, m.binary_labels(words, positive=positive), scores, **asked)(every) == expected
    # Of two classes the class statistics hold the positive one.
    assert class_statistics(metric, labels, scores, **asked)[0](every) == expected


COHORT = """
[records]
table = "records.csv"
patient_id = "patient"
record_id = "patient"

[label]
column = "finding"
positive = ["{}"]
negative = ["{}"]

[modalities.labs]
kind = "ehr"
table = "records.csv"
record_id = "patient"
columns.crp = {{ unit = "mg/L" }}
"""


def test_a_study_of_words_gives_the_numbers_of_a_study_of_zeros_and_ones(tmp_path):
    draw, labels = np.random.default_rng(0), np.tile([0, 1, 0], 20)
    crp = np.round(20 + 8 * labels + draw.normal(0, 8, 60), 2)
    found = []
    # "case" stands before "control" in the alphabet, "1" after "0".
    for names in (("0", "1"), ("control", "case")):
        folder = tmp_path / names[1]
        folder.mkdir()
        words = np.array(names)[labels]
        table = pd.DataFrame({"patient": [f"M-{k}" for k in range(60)], "finding": words, "crp": crp})
        table.to_csv(folder / "records.csv", index=False)
        (folder / "cohort.toml").write_text(COHORT.format(*reversed(names)), encoding="utf-8")
        cohort = Cohort.from_folder(folder)
        crossed = cross_validate(Unimodal("labs"), cohort, folds=2)
        best = (math.nan, math.nan)
        rows = metric_rows(crossed.predictions, taxonomy="single", modalities=("labs",), best=best, seed=0)
        assert {row.positive for row in rows} == {names[1]}
        found.append(rows)
    for one, other in zip(*found, strict=True):
        assert (one.metric, one.events) == (other.metric, other.events)
        # Records stand in the order of their keys, which every copy draws anew: sums differ in the last digit.
        limits = (other.value, other.low, other.high)
        assert (one.value, one.low, one.high) == pytest.approx(limits, abs=1e-12)


def test_predictive_values_at_a_stated_prevalence_have_an_interval():
    draw = np.random.default_rng(0)
    labels = np.repeat([0, 1], [300, 200])
    called = np.where(labels == 1, draw.random(500) < 0.85, draw.random(500) < 0.1)
    stated = statistic("ppv", labels, called, prevalence=0.1)
    found = bootstrap(labels, np.arange(500), stated, stratified=True, draws=1000)
    hit, spared = called[labels == 1].mean(), 1 - called[labels == 0].mean()
    assert found.value == pytest.approx(m.predictive_values(hit, spared, 0.1)[0], abs=1e-12)
    # Mercaldo, Lau and Zhou 2007, doi:10.1002/sim.2677: the logit interval.
    spread = (1 - hit) / hit / 200 + spared / (1 - spared) / 300
    odds = np.log(found.value / (1 - found.value))
    expected = [1 / (1 + np.exp(-(odds + side * 1.96 * np.sqrt(spread)))) for side in (-1, 1)]
    assert (found.low, found.high) == pytest.approx(expected, abs=0.02)
    unstated = statistic("ppv", labels, called)(np.ones((1, 500)))
    assert unstated[0] == pytest.approx(m.precision(labels, called), abs=1e-12)
    assert m.npv(labels, called) == pytest.approx(np.mean(labels[~called] == 0), abs=1e-12)


@pytest.mark.parametrize("seed", range(3))
def test_the_areas_below_the_curves_are_the_metrics_with_and_without_folds(seed):
    labels, p = drawn(seed)
    for folds in (None, np.arange(60) // 2 % 3):
        curve = m.roc_curve(labels, p, folds=folds)
        assert np.trapezoid(curve.y, curve.x) == pytest.approx(m.auroc(labels, p, folds=folds), abs=1e-12)
        assert (curve.x[[0, -1]].tolist(), curve.y[[0, -1]].tolist()) == ([0, 1], [0, 1])
        curve = m.precision_recall_curve(labels, p, folds=folds)
        area = np.sum(np.diff(curve.x, prepend=0) * curve.y)
        assert area == pytest.approx(m.auprc(labels, p, folds=folds), abs=1e-9)
        assert curve.prevalence == labels.mean()


def test_the_decision_curve_is_net_benefit_at_every_threshold():
    labels, p = drawn(0)
    curve = m.decision_curve(labels, p, thresholds=(0.1, 0.5), patients=np.arange(60), draws=200)
    assert curve.model.tolist() == [m.net_benefit(labels, p, one) for one in (0.1, 0.5)]
    assert curve.treat_all == pytest.approx([m.net_benefit_treat_all(labels.mean(), one) for one in (0.1, 0.5)])
    assert (curve.low < curve.model).all()
    assert (curve.model < curve.high).all()
    assert np.isnan(m.decision_curve(labels, p).low).all()


def test_calibration_by_groups_keeps_equal_probabilities_together():
    labels, p = np.tile([0, 1, 1, 0], 10), np.repeat([0.2, 0.3, 0.7, 0.9], [16, 8, 12, 4])
    curve = m.calibration_curve(labels, p, groups=4)
    assert curve.counts.tolist() == [16, 8, 12, 4]
    assert curve.predicted == pytest.approx([0.2, 0.3, 0.7, 0.9])
    assert curve.observed == pytest.approx([labels[p == one].mean() for one in (0.2, 0.3, 0.7, 0.9)])
    order = np.random.default_rng(0).permutation(40)
    again = m.calibration_curve(labels[order], p[order], groups=4)
    assert np.array_equal(again.observed, curve.observed)
    weighted = np.abs(curve.observed - curve.predicted) @ curve.counts / 40
    assert m.ece(labels, p, bins=4) == pytest.approx(weighted, abs=1e-12)


def test_the_band_of_calibration_knows_that_visits_belong_together():
    draw = np.random.default_rng(0)
    people = np.repeat(np.arange(60), 4)
    p = np.repeat(draw.random(60), 4)
    labels = np.repeat((draw.random(60) < p[::4]).astype(int), 4)
    rows, patients = m.calibration_curve(labels, p, groups=3), m.calibration_curve(labels, p, groups=3, patients=people)
    assert (patients.high - patients.low > 1.5 * (rows.high - rows.low)).all()
    alone = m.calibration_curve(labels, p, groups=3, patients=np.arange(240))
    assert np.array_equal(alone.low, rows.low)
