"""Lines and steps from log odds to calibrated log odds: they rise, stay finite, and put a distorted scale right."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import special

from clinfuse.errors import DataError, DataWarning
from clinfuse.evaluation.metrics import calibration_intercept, calibration_slope
from clinfuse.training.calibration import Unseen, calibration_from_state, cross_calibrated, fit_calibration
from clinfuse.training.calibrators import (
    SMALLEST_SLOPE,
    IsotonicCalibrator,
    LinearCalibrator,
    calibrator_from_state,
    fit_calibrator,
    fit_temperature,
    mixed,
)

METHODS = ("temperature", "platt", "isotonic")


def overconfident(n=3000, factor=3.0, shift=1.0, seed=0):
    draw = np.random.default_rng(seed)
    true = draw.normal(size=n)
    return (draw.random(n) < special.expit(true)).astype(int), factor * true + shift


# The outermost steps hold few records, all of one class: steps remain a little too sure of themselves.
@pytest.mark.parametrize(("method", "slack"), [("platt", 0.05), ("isotonic", 0.15)])
def test_a_distorted_scale_is_right_for_new_patients(method, slack):
    found = fit_calibrator(*overconfident(), np.arange(3000), method=method)
    labels, logits = overconfident(seed=1, n=20000)
    assert calibration_slope(labels, logits) == pytest.approx(1 / 3, abs=0.03)
    assert calibration_slope(labels, found.logits(logits)) == pytest.approx(1, abs=slack)
    assert calibration_intercept(labels, found.logits(logits)) == pytest.approx(0, abs=0.1)


@pytest.mark.parametrize("method", ["temperature", "platt"])
def test_twice_the_logits_have_half_the_slope(method):
    """G12: slope(2 l) = slope(l) / 2; platt's intercept(l + 1) = intercept(l) - slope."""
    labels, logits = overconfident(500)
    once, twice, moved = (
        fit_calibrator(labels, one, np.arange(500), method=method) for one in (logits, 2 * logits, logits + 1)
    )
    assert twice.slope == pytest.approx(once.slope / 2, abs=1e-6)
    if method == "platt":
        assert moved.intercept == pytest.approx(once.intercept - once.slope, abs=1e-6)


cases = st.lists(st.tuples(st.integers(0, 1), st.floats(-50, 50)), min_size=2, max_size=15)


@given(cases, st.lists(st.floats(-1e6, 1e6), min_size=2, max_size=20))
def test_every_calibrator_rises_and_stays_within_its_bound(pairs, asked):
    labels, logits = np.array([0, 1, *(one for one, _ in pairs)]), np.array([0.0, 0.0, *(z for _, z in pairs)])
    asked = np.sort(asked)
    bound = 1 / (2 * len(labels) + 2)
    for method in METHODS:
        found = fit_calibrator(labels, logits, np.arange(len(labels)), method=method)
        after = found.logits(asked)
        assert np.isfinite(after).all()
        assert (np.diff(after) >= -1e-12).all()
        assert np.abs(after).max() <= special.logit(1 - bound) + 1e-9


@given(st.lists(st.integers(-3000, 3000), min_size=2, max_size=30, unique=True))
def test_a_line_makes_no_ties_even_at_its_bound(asked):
    after = LinearCalibrator(1.0, 0.0, 0.01).logits(np.sort(asked) / 10)
    assert (np.diff(after) > 0).all()


def test_steps_are_the_shares_of_pooled_neighbours():
    """By hand: events 0, 1, 0, 1, 1 at rising scores; the pair out of order is pooled to one half."""
    found = fit_calibrator([0, 1, 0, 1, 1], [-2.0, -1.0, 0.0, 1.0, 2.0], np.arange(5), method="isotonic")
    assert found.probabilities([-2.0, -1.0, -0.5, 0.0, 1.0, 9.0]).tolist() == pytest.approx(
        [1 / 12, 0.5, 0.5, 0.5, 11 / 12, 11 / 12]
    )


def test_what_says_nothing_or_the_contrary_keeps_its_ranks():
    labels, logits = overconfident(400)
    found = fit_calibrator(labels, -logits, np.arange(400))
    assert found.slope == SMALLEST_SLOPE
    assert found.probabilities(-logits).mean() == pytest.approx(labels.mean(), abs=0.01)


def test_one_temperature_for_several_classes_moves_none_before_another():
    draw = np.random.default_rng(0)
    true = draw.normal(size=(4000, 3))
    labels = (draw.random((4000, 1)) > np.cumsum(special.softmax(true, axis=1), axis=1)).sum(1)
    found = fit_temperature(labels, 4 * true + 7, np.arange(4000))
    assert found.slope == pytest.approx(0.25, abs=0.02)
    assert (found.logits(4 * true).argmax(1) == true.argmax(1)).all()
    # Of classes that are told apart without an error, too, the best slope is finite.
    assert fit_temperature(np.arange(30) % 3, np.eye(3)[np.arange(30) % 3], np.arange(30)).slope < 5
    with pytest.raises(DataError, match="CALIBRATION_CLASSES"):
        fit_temperature(np.zeros(5, int), np.zeros((5, 3)), np.arange(5))


def unseen_of(labels, logits, present, folds=3):
    n = len(labels)
    return Unseen(np.stack([np.zeros(n), logits], axis=1), labels, np.arange(n), present, np.arange(n) % folds)


def test_a_pattern_has_its_own_line_as_far_as_its_patients_carry_it():
    labels, logits = overconfident(2000)
    present = np.stack([np.arange(2000) % 4 > 0, np.ones(2000, bool)], axis=1)
    logits[~present[:, 0]] *= -0.5  # a pattern whose scale is another
    unseen = unseen_of(labels, logits, present)
    pooled = fit_calibration(unseen, method="platt", by="all", multilabel=False).outputs[0]
    found = fit_calibration(unseen, method="platt", by="pattern", multilabel=False).outputs[0]
    assert pooled.patterns == {}
    here = ~present[:, 0]
    fewest = min(labels[here].sum(), (1 - labels[here]).sum())
    own = fit_calibrator(labels[here], logits[here], np.flatnonzero(here))
    share = fewest / (fewest + 20)
    assert found.of("01").slope == pytest.approx(share * own.slope + (1 - share) * found.pooled.slope)
    assert found.of("10") is found.pooled
    assert found.of("11").slope > 0.3


@pytest.mark.parametrize(("events", "own"), [(9, False), (10, True)])
def test_a_pattern_with_too_few_patients_of_a_class_is_calibrated_by_all(events, own):
    labels = np.array([0] * 100 + [1] * 100 + [0] * 30 + [1] * events)
    present = np.ones((len(labels), 2), bool)
    present[200:, 0] = False
    logits = np.random.default_rng(0).normal(size=len(labels)) + labels
    found = fit_calibration(unseen_of(labels, logits, present), method="isotonic", by="pattern", multilabel=False)
    assert ("01" in found.outputs[0].patterns) == own


def test_every_label_is_calibrated_by_those_of_whom_it_is_known():
    labels, logits = overconfident(600)
    columns = np.stack([labels, np.where(np.arange(600) < 300, labels, -1)], axis=1)
    unseen = Unseen(np.stack([logits, logits], 1), columns, np.arange(600), np.ones((600, 1), bool), np.arange(600) % 2)
    found = fit_calibration(unseen, method="platt", by="all", multilabel=True)
    half = fit_calibrator(labels[:300], logits[:300], np.arange(300))
    assert found.outputs[1].pooled == half
    again = calibration_from_state(found.to_state())
    assert np.array_equal(again.logits(unseen.logits, unseen.present), found.logits(unseen.logits, unseen.present))


def test_a_label_of_one_class_is_left_as_it_is_with_a_word():
    unseen = unseen_of(np.zeros(6, int), np.arange(6.0), np.ones((6, 1), bool))
    with pytest.warns(DataWarning, match="CALIBRATION_FEW"):
        found = fit_calibration(unseen, method="platt", by="all", multilabel=False)
    assert np.array_equal(found.logits(unseen.logits, unseen.present), unseen.logits)


def test_no_inner_fold_calibrates_itself():
    labels, logits = overconfident(300)
    unseen = unseen_of(labels, logits, np.ones((300, 1), bool))
    turned = unseen_of(np.where(unseen.folds == 0, 1 - labels, labels), logits, np.ones((300, 1), bool))
    first, second = (cross_calibrated(u, method="platt", by="all", multilabel=False) for u in (unseen, turned))
    assert np.array_equal(first.logits[unseen.folds == 0], second.logits[unseen.folds == 0])
    assert not np.array_equal(first.logits[unseen.folds == 1], second.logits[unseen.folds == 1])


def test_what_lies_between_two_calibrators_is_a_calibrator_of_their_method():
    first, second = (
        IsotonicCalibrator(np.array([0.0, 1.0]), np.array([0.0, 2.0])),
        IsotonicCalibrator(np.array([0.5, 2.0]), np.array([0.0, 1.0])),
    )
    between = mixed(first, second, 0.25)
    x = np.linspace(-1, 3, 41)
    assert between.logits(x) == pytest.approx(0.25 * first.logits(x) + 0.75 * second.logits(x))
    assert np.array_equal(calibrator_from_state(between.to_state()).logits(x), between.logits(x))
    with pytest.raises(DataError, match="CALIBRATION_VALUE"):
        mixed(first, LinearCalibrator(1.0, 0.0), 0.5)
    with pytest.raises(DataError, match="CALIBRATION_VALUE"):
        IsotonicCalibrator(np.array([1.0, 0.0]), np.array([0.0, 1.0]))
