import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as reference

import clinfuse.evaluation.metrics as m
from clinfuse.errors import DataError
from clinfuse.evaluation.statistics.statistic import statistic

LABELS, SCORES = [0, 0, 1, 1], [0.1, 0.4, 0.35, 0.8]


def random_scores(seed, n=60, ties=True):
    draw = np.random.default_rng(seed)
    labels = np.concatenate([[0, 1], draw.integers(0, 2, n - 2)])
    scores = draw.normal(size=n) + labels
    return labels, np.round(scores, 1) if ties else scores


@pytest.mark.parametrize("seed", range(5))
def test_ranks_and_losses_agree_with_scikit_learn_ties_included(seed):
    labels, scores = random_scores(seed)
    p = 1 / (1 + np.exp(-scores))
    assert m.auroc(labels, scores) == pytest.approx(reference.roc_auc_score(labels, scores), abs=1e-12)
    assert m.auprc(labels, scores) == pytest.approx(reference.average_precision_score(labels, scores), abs=1e-12)
    assert m.brier(labels, p) == pytest.approx(reference.brier_score_loss(labels, p), abs=1e-12)
    assert m.log_loss(labels, p) == pytest.approx(reference.log_loss(labels, p), abs=1e-12)
    assert m.mcc(labels, scores > 0) == pytest.approx(reference.matthews_corrcoef(labels, scores > 0), abs=1e-12)
    expected = reference.balanced_accuracy_score(labels, scores > 0)
    assert m.balanced_accuracy(labels, scores > 0) == pytest.approx(expected, abs=1e-12)


def test_several_classes_and_several_labels_average_over_columns():
    draw = np.random.default_rng(0)
    labels = np.tile([0, 1, 2], 20)
    p = draw.dirichlet([1, 1, 1], 60)
    expected = reference.roc_auc_score(labels, p, multi_class="ovr", average="macro")
    assert m.auroc(labels, p) == pytest.approx(expected, abs=1e-12)
    assert m.brier(labels, p) == pytest.approx(np.mean(((np.eye(3)[labels] - p) ** 2).sum(1)), abs=1e-12)
    assert m.log_loss(labels, p) == pytest.approx(reference.log_loss(labels, p), abs=1e-12)
    several = np.stack([labels == 0, labels == 1], axis=1).astype(int)
    several[0, 1] = -1
    known = several[:, 1] >= 0
    both = (
        reference.roc_auc_score(several[:, 0], p[:, 0]) + reference.roc_auc_score(several[known, 1], p[known, 1])
    ) / 2
    assert m.auroc(several, p[:, :2]) == pytest.approx(both, abs=1e-12)


def test_two_columns_are_one_question():
    labels, scores = random_scores(0)
    assert m.auroc(labels, np.stack([np.zeros(60), scores], axis=1)) == m.auroc(labels, scores)
    p = 1 / (1 + np.exp(-scores))
    assert m.brier(labels, np.stack([1 - p, p], axis=1)) == m.brier(labels, p)


def test_only_pairs_of_one_fold_count():
    # Every fold ranks perfectly, on scales that lie apart.
    labels, scores, folds = [0, 1, 0, 1], [0.1, 0.2, 10.1, 10.2], [0, 0, 1, 1]
    assert m.auroc(labels, scores, folds=folds) == 1.0
    assert m.auroc(labels, scores) == 0.75
    assert m.auprc(labels, scores, folds=folds) == 1.0


@settings(max_examples=50, deadline=None)
@given(seed=st.integers(0, 10**6), shift=st.floats(-50, 50), scale=st.floats(0.1, 10))
def test_shifting_and_scaling_the_scores_of_a_fold_changes_no_stratified_rank_metric(seed, shift, scale):
    labels, scores = random_scores(seed, ties=False)
    folds = np.arange(60) % 3
    moved = np.where(folds == 1, scale * scores + shift, scores)
    before = m.auroc(labels, scores, folds=folds), m.auprc(labels, scores, folds=folds)
    after = m.auroc(labels, moved, folds=folds), m.auprc(labels, moved, folds=folds)
    assert after == pytest.approx(before, abs=1e-12)


@settings(max_examples=50, deadline=None)
@given(seed=st.integers(0, 10**6))
def test_a_weight_of_k_is_k_copies_of_the_record(seed):
    labels, scores = random_scores(seed, n=30)
    weights = np.random.default_rng(seed + 1).integers(0, 4, 30)
    weights[:2] += 1
    p = 1 / (1 + np.exp(-scores))
    for metric, given_scores in (("auroc", scores), ("auprc", scores), ("brier", p), ("log_loss", p)):
        weighted = statistic(metric, labels, given_scores)(weights[None].astype(float))[0]
        copied = getattr(m, metric)(np.repeat(labels, weights), np.repeat(given_scores, weights))
        assert weighted == pytest.approx(copied, abs=1e-12)


def test_calibration_slope_is_that_of_an_independent_logistic_regression():
    from statsmodels.api import GLM, families

    labels, logits = random_scores(4, n=300)
    fit = GLM(labels, np.stack([np.ones(300), logits], axis=1), family=families.Binomial()).fit()
    assert m.calibration_slope(labels, logits) == pytest.approx(fit.params[1], abs=1e-6)
    offset = GLM(labels, np.ones(300), family=families.Binomial(), offset=logits).fit()
    assert m.calibration_intercept(labels, logits) == pytest.approx(offset.params[0], abs=1e-6)


def test_a_slope_that_does_not_exist_is_not_invented():
    assert np.isnan(m.calibration_slope([0, 0, 1, 1], [-2.0, -1.0, 1.0, 2.0]))


def test_expected_calibration_error_of_a_perfect_forecast_is_zero():
    labels = np.tile([0, 0, 0, 1], 50)
    assert m.ece(labels, np.full(200, 0.25)) == pytest.approx(0, abs=1e-12)


@settings(max_examples=50, deadline=None)
@given(seed=st.integers(0, 10**6), specificity=st.floats(0.05, 1))
def test_the_threshold_keeps_the_specificity_that_was_asked_for(seed, specificity):
    labels, scores = random_scores(seed)
    threshold = m.threshold_at_specificity(labels, scores, specificity)
    assert m.specificity(labels, scores, threshold=threshold) >= specificity - 1e-9
    spared = scores[(labels == 0) & (scores < threshold)]
    if len(spared):
        assert m.specificity(labels, scores, threshold=spared.max()) < specificity
    expected = m.recall(labels, scores, threshold=threshold)
    assert m.sensitivity_at_specificity(labels, scores, specificity) == pytest.approx(expected)
    # And the reverse.
    threshold = m.threshold_at_sensitivity(labels, scores, specificity)
    assert m.recall(labels, scores, threshold=threshold) >= specificity - 1e-9
    assert m.recall(labels, scores, threshold=np.nextafter(threshold, np.inf)) < specificity
    expected = m.specificity(labels, scores, threshold=threshold)
    assert m.specificity_at_sensitivity(labels, scores, specificity) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("code", "call"),
    [
        ("METRIC_CLASSES", lambda: m.auroc([1, 1], [0.1, 0.2])),
        ("METRIC_NAN", lambda: m.auroc([0, 1], [np.nan, 0.2])),
        ("METRIC_SHAPE", lambda: m.auroc([0, 1, 1], [0.1, 0.2])),
        ("METRIC_SHAPE", lambda: m.auroc([], [])),
        ("METRIC_LABELS", lambda: m.brier([0, 2], [0.1, 0.2])),
        ("METRIC_LABELS", lambda: m.log_loss([0, 5], np.full((2, 3), 1 / 3))),
        ("METRIC_NAME", lambda: statistic("goodness", [0, 1], [0, 1])),
        ("METRIC_THRESHOLD", lambda: m.accuracy([0, 1], [0.1, 0.9])),
        ("METRIC_THRESHOLD", lambda: m.accuracy([0, 1], [0.1, 0.9], threshold=[0.5, 0.5, 0.5])),
        ("METRIC_THRESHOLD", lambda: m.accuracy([0, 1, 2], np.eye(3), threshold=0.5)),
        ("METRIC_THRESHOLD", lambda: statistic("sensitivity_at_specificity", [0, 1], [0.1, 0.9])),
        ("METRIC_THRESHOLD", lambda: m.sensitivity_at_specificity([0, 1], [0.1, 0.9], 1.5)),
        ("METRIC_THRESHOLD", lambda: m.ppv([0, 1], [0, 1], prevalence=1.0)),
        ("METRIC_LABELS", lambda: m.accuracy([0.5, 1], [0, 1])),
        ("METRIC_LABELS", lambda: m.binary_labels(["a", "b"], positive="c")),
        ("METRIC_CLASSES", lambda: m.recall([0, 0], [0, 1])),
        ("METRIC_CLASSES", lambda: m.roc_curve([0, 1], [0.1, 0.9], folds=[0, 1])),
        ("METRIC_CLASSES", lambda: m.threshold_at_sensitivity([0, 0], [0.1, 0.9], 0.5)),
        ("METRIC_SHAPE", lambda: m.confusion_matrix([0, 1], [0])),
        ("METRIC_SHAPE", lambda: m.accuracy(np.eye(2, dtype=int), [0, 1])),
        ("METRIC_THRESHOLD", lambda: m.net_benefit([0, 1], [0.1, 0.9], 1.0)),
        ("METRIC_CLASSES", lambda: m.predictive_values(0.0, 1.0, 0.5)),
    ],
)
def test_what_has_no_value_is_refused(code, call):
    with pytest.raises(DataError, match=code):
        call()
