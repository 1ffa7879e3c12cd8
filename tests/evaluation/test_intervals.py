import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clinfuse.errors import DataError, DataWarning
from clinfuse.evaluation.statistics.intervals import (
    Estimate,
    auroc_interval,
    auroc_score_interval,
    bootstrap_interval,
    bootstrap_p,
    mean_interval,
    over_draws,
    patient_weights,
    percentile_estimate,
    proportion_interval,
)
from clinfuse.evaluation.statistics.significance import adjusted_p, delong, mcnemar, nadeau_bengio
from clinfuse.evaluation.statistics.statistic import statistic

# Albumin, total protein, K-G score, outcome of the 43 complete records of DeLong, DeLong and Clarke-Pearson 1988
# (doi:10.2307/2531595) as printed in the SAS/STAT manual, LOGISTIC procedure.
OBSTRUCTION = """
3.0 5.8 10 0  3.2 6.3 5 1  3.9 6.8 3 1  2.8 4.8 6 0  3.2 5.8 3 1  0.9 4.0 5 0  2.5 5.7 8 0  1.6 5.6 5 1
3.8 5.7 5 1  3.7 6.7 6 1  3.2 5.4 4 1  3.8 6.6 6 1  4.1 6.6 5 1  3.6 5.7 5 1  4.3 7.0 4 1  3.6 6.7 4 0
2.3 4.4 6 1  4.2 7.6 4 0  4.0 6.6 6 0  3.5 5.8 6 1  3.8 6.8 7 1  3.0 4.7 8 0  4.5 7.4 5 1  3.7 7.4 5 1
3.1 6.6 6 1  4.1 8.2 6 1  4.3 7.0 5 1  4.3 6.5 4 1  3.2 5.1 5 1  2.6 4.7 6 1  3.3 6.8 6 0  1.7 4.0 7 0
3.7 6.1 5 1  3.3 6.3 7 1  4.2 7.7 6 1  3.5 6.2 5 1  2.9 5.7 9 0  2.1 4.8 7 1  2.8 6.2 8 0  4.0 7.0 7 1
3.3 5.7 6 1  3.7 6.9 5 1  3.6 6.6 5 1
"""


@pytest.fixture(scope="module")
def obstruction():
    table = np.array(OBSTRUCTION.split(), dtype=float).reshape(-1, 4)
    return delong(table[:, 3].astype(int), 10 - table[:, 2], table[:, 0], table[:, 1])


def test_delong_reproduces_the_published_example(obstruction):
    assert obstruction.values == pytest.approx([0.725806, 0.736559, 0.647849], abs=1e-6)
    assert np.sqrt(np.diag(obstruction.covariance)) == pytest.approx([0.1028, 0.0927, 0.1000], abs=5e-5)
    interval = obstruction.interval(0)
    assert (interval.low, interval.high) == pytest.approx((0.5243, 0.9273), abs=5e-5)
    every = obstruction.compare_all()
    assert (every.statistic, every.p) == pytest.approx((2.5340, 0.2817), abs=5e-5)
    one = obstruction.compare(0, 1)
    assert (abs(one.statistic), one.p) == pytest.approx((0.11278, 0.91021), abs=5e-6)
    other = obstruction.compare(1, 2)
    assert (other.statistic, other.p) == pytest.approx((1.59003, 0.11183), abs=5e-6)


def test_delong_by_hand():
    found = delong([0, 0, 1, 1], [0.1, 0.4, 0.35, 0.8])
    assert found.values[0] == 0.75
    assert found.covariance[0, 0] == pytest.approx(0.125, abs=1e-12)
    assert np.sqrt(found.covariance[0, 0]) == pytest.approx(0.35355, abs=5e-6)


def test_the_logit_interval_stays_within_zero_and_one():
    found = delong([0, 0, 0, 1, 1, 1], [0.1, 0.2, 0.5, 0.4, 0.8, 0.9])
    interval = found.interval(0, scale="logit")
    assert 0 < interval.low < found.values[0] < interval.high < 1


def test_a_difference_that_cannot_vary_has_p_of_one_and_a_warning():
    scores = [0.1, 0.4, 0.35, 0.8]
    with pytest.warns(DataWarning, match="do not vary"):
        assert delong([0, 0, 1, 1], scores, scores).compare().p == 1.0
    with pytest.warns(DataWarning, match="do not vary"):
        assert nadeau_bengio([0.02, 0.02], train=9, test=1).p == 1.0


def test_nadeau_bengio():
    # methods.md G03.
    d = [0.03, 0.01, 0.04, -0.01, 0.02, 0.05, 0, 0.02, 0.03, 0.01]
    found = nadeau_bengio(d, train=90, test=10)
    assert (found.statistic, found.p) == pytest.approx((2.38416, 0.04095), abs=5e-6)


def test_nadeau_bengio_reproduces_the_scikit_learn_example():
    # methods.md G04: example "Statistical comparison of models using grid search" of scikit-learn.
    from sklearn.datasets import make_moons
    from sklearn.model_selection import RepeatedStratifiedKFold, cross_val_score
    from sklearn.svm import SVC

    X, y = make_moons(noise=0.352, random_state=1, n_samples=100)
    folds = RepeatedStratifiedKFold(n_splits=10, n_repeats=10, random_state=0)
    rbf, linear = (
        cross_val_score(SVC(kernel=kernel, random_state=0), X, y, scoring="roc_auc", cv=folds)
        for kernel in ("rbf", "linear")
    )
    found = nadeau_bengio(rbf - linear, train=90, test=10)
    assert found.statistic == pytest.approx(0.750, abs=1e-3)
    assert found.p / 2 == pytest.approx(0.227, abs=1e-3)


def test_mcnemar_with_correction_and_exact():
    # methods.md G05.
    corrected, exact = mcnemar([[101, 121], [59, 33]]), mcnemar([[59, 6], [16, 80]])
    assert (corrected.statistic, corrected.p) == pytest.approx((20.6722, 5.45e-6), rel=1e-3)
    assert exact.statistic == 6
    assert exact.p == pytest.approx(0.05248, abs=5e-6)


def test_adjusted_p_values():
    # methods.md G06.
    p = (0.01, 0.04, 0.03, 0.005)
    assert adjusted_p(p) == pytest.approx([0.03, 0.06, 0.06, 0.02], abs=1e-12)
    assert adjusted_p(p, method="bh") == pytest.approx([0.02, 0.04, 0.04, 0.02], abs=1e-12)


def test_proportions():
    # methods.md G07.
    none, most = proportion_interval(0, 20), proportion_interval(9, 10)
    assert (none.low, none.high) == pytest.approx((0, 0.16113), abs=5e-6)
    assert (most.low, most.high) == pytest.approx((0.59585, 0.98212), abs=5e-6)
    assert proportion_interval(0, 20, method="exact").high == pytest.approx(0.16843, abs=5e-6)


def test_hanley_and_mcneil():
    # methods.md G15.
    error, interval = auroc_interval(0.947, 110, 80)
    assert error == pytest.approx(0.01600, abs=5e-6)
    assert (interval.low, interval.high) == pytest.approx((0.9156, 0.9784), abs=5e-5)


@pytest.mark.parametrize(("value", "each"), [(0.8, 6), (0.5, 10), (1.0, 4), (0.0, 4), (0.97, 200)])
def test_the_limits_of_few_records_are_where_the_value_would_lie_just_within_reach(value, each):
    interval = auroc_score_interval(value, [each], [each])
    for limit in {interval.low, interval.high} - {0.0, 1.0}:
        assert abs(value - limit) == pytest.approx(1.959964 * auroc_interval(limit, each, each)[0], rel=1e-5)
    assert 0 <= interval.low <= value <= interval.high <= 1
    assert interval.low < interval.high
    mirrored = auroc_score_interval(1 - value, [each], [each])
    assert (1 - mirrored.high, 1 - mirrored.low) == pytest.approx((interval.low, interval.high), abs=1e-8)


def test_pairs_that_are_compared_within_folds_only_say_less():
    together, apart = auroc_score_interval(1.0, [8], [8]), auroc_score_interval(1.0, [2] * 4, [2] * 4)
    assert apart.low < together.low < 0.9
    with pytest.raises(DataError, match="PROPORTION_COUNTS"):
        auroc_score_interval(1.0, [3, 0], [0, 3])


def test_mean_interval_is_students():
    interval = mean_interval([1.0, 2.0, 3.0])
    assert (interval.value, interval.high - 2) == pytest.approx((2.0, 4.302653 / np.sqrt(3)), abs=1e-5)


def clustered(copies, seed=0, patients=100):
    draw = np.random.default_rng(seed)
    labels = (np.arange(patients) % 2).astype(int)
    scores = draw.normal(size=patients) + 1.2 * labels
    names = np.array([f"P-{number:04d}" for number in range(patients)])
    return tuple(np.repeat(one, copies) for one in (labels, scores, names))


def width(labels, scores, patients):
    weights = patient_weights(patients, labels, draws=2000)
    return over_draws(statistic("auroc", labels, scores), weights).std()


def test_copies_of_a_patient_do_not_narrow_the_interval_unless_taken_for_people():
    # methods.md G48.
    once, four = clustered(1), clustered(4)
    assert width(*four) == pytest.approx(width(*once), abs=1e-12)
    naive = np.arange(len(four[0])).astype(str)
    assert width(four[0], four[1], naive) == pytest.approx(width(*once) / 2, rel=0.1)


def test_the_bootstrap_spread_of_an_auroc_is_about_that_of_delong():
    labels, scores, patients = clustered(1, patients=200)
    expected = float(np.sqrt(delong(labels, scores).covariance[0, 0]))
    assert width(labels, scores, patients) == pytest.approx(expected, rel=0.08)


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10**6), patients=st.integers(3, 12))
def test_patients_are_drawn_whole_and_every_draw_holds_the_classes_it_can(seed, patients):
    draw = np.random.default_rng(seed)
    owner = np.concatenate([np.arange(patients), draw.integers(0, patients, 15)])
    labels = np.concatenate([np.arange(patients) % 2, draw.integers(0, 2, 15)])
    weights = patient_weights(owner.astype(str), labels, draws=50, seed=seed)
    for one in range(patients):
        assert np.ptp(weights[:, owner == one], axis=1).max() == 0
    drawn = weights[:, np.unique(owner, return_index=True)[1]].sum(1)
    assert (drawn == patients).all()
    common, rare = np.argsort(-np.bincount(labels), kind="stable")
    assert (weights[:, labels == rare].sum(1) > 0).all()
    # Where everybody has a record of the rarer class, those who have it alone may be all that is drawn.
    if set(owner[labels == rare]) != set(owner):
        assert (weights[:, labels == common].sum(1) > 0).all()


def test_weights_follow_the_record_and_not_its_place():
    labels, _, patients = clustered(2, patients=20)
    order = np.random.default_rng(1).permutation(40)
    assert np.array_equal(patient_weights(patients, labels)[:, order], patient_weights(patients[order], labels[order]))


def test_draws_in_pieces_are_the_same_draws(monkeypatch):
    labels, scores, patients = clustered(1)
    weights = patient_weights(patients, labels, draws=300)
    metric = statistic("auroc", labels, scores)
    whole = over_draws(metric, weights)
    monkeypatch.setattr("clinfuse.evaluation.statistics.intervals._CELLS", 700)
    assert np.array_equal(over_draws(metric, weights), whole)


def test_bootstrap_interval_holds_the_value_and_the_seed_decides():
    labels, scores, patients = clustered(1)
    metric = statistic("auroc", labels, scores)
    first = bootstrap_interval(metric, patient_weights(patients, labels, seed=0))
    again = bootstrap_interval(metric, patient_weights(patients, labels, seed=0))
    other = bootstrap_interval(metric, patient_weights(patients, labels, seed=1))
    assert first == again
    assert first != other
    assert first.low < first.value < first.high
    assert first.value == float(delong(labels, scores).values[0])


def test_a_p_value_is_never_zero_and_one_where_both_sides_are_alike():
    assert bootstrap_p(np.ones(1999)) == pytest.approx(0.001)
    assert bootstrap_p(np.array([-1.0, 1.0] * 50)) == 1.0


@pytest.mark.parametrize(
    ("code", "call"),
    [
        ("ESTIMATE_NAN", lambda: Estimate(float("nan"), 0, 1)),
        ("ESTIMATE_ORDER", lambda: Estimate(0.5, 0.6, 0.4)),
        ("BOOTSTRAP_UNDEFINED", lambda: percentile_estimate(0.5, np.array([0.5, np.nan, np.nan]))),
        ("PROPORTION_COUNTS", lambda: proportion_interval(3, 2)),
        ("TEST_INPUT", lambda: delong([0, 1], [0.1, 0.2])),
        ("TEST_INPUT", lambda: nadeau_bengio([0.1], train=9, test=1)),
        ("TEST_INPUT", lambda: mcnemar([[1, 2, 3]])),
        ("TEST_INPUT", lambda: adjusted_p([1.2])),
    ],
)
def test_what_has_no_answer_is_refused(code, call):
    with pytest.raises(DataError, match=code):
        call()
