import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clinfuse.errors import DataError
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
from clinfuse.evaluation.statistics.significance import adjusted_p, delong
from clinfuse.evaluation.statistics.statistic import statistic


def test_the_logit_interval_stays_within_zero_and_one():
    found = delong([0, 0, 0, 1, 1, 1], [0.1, 0.2, 0.5, 0.4, 0.8, 0.9])
    interval = found.interval(0)
    assert 0 < interval.low < found.values[0] < interval.high < 1


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
    """G48: by hand. Four copies of every patient: the same error by patient, half of it where rows are drawn.

    Field and Welsh 2007, doi:10.1111/j.1467-9868.2007.00593.x.
    """
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
        ("TEST_INPUT", lambda: adjusted_p([1.2])),
    ],
)
def test_what_has_no_answer_is_refused(code, call):
    with pytest.raises(DataError, match=code):
        call()
