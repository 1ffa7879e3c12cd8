import numpy as np
import pytest
from scipy import special

from clinfuse.errors import DataError
from clinfuse.evaluation.calibration.across_folds import calibrated
from clinfuse.evaluation.metrics import auroc, calibration_intercept, calibration_slope, log_loss
from clinfuse.training.calibrators import LinearCalibrator, fit_calibrator


def overconfident(seed=0, n=3000, factor=3.0, shift=1.0):
    draw = np.random.default_rng(seed)
    true = draw.normal(size=n)
    labels = (draw.random(n) < special.expit(true)).astype(int)
    return labels, factor * true + shift


def test_a_distorted_scale_is_put_right():
    labels, logits = overconfident()
    found = fit_calibrator(labels, logits, np.arange(3000).astype(str))
    assert found.slope == pytest.approx(1 / 3, rel=0.1)
    assert found.intercept == pytest.approx(-1 / 3, abs=0.1)
    assert calibration_slope(labels, found.logits(logits)) == pytest.approx(1, abs=0.01)
    assert calibration_intercept(labels, found.logits(logits)) == pytest.approx(0, abs=0.01)


def test_temperature_moves_no_logit_across_zero():
    labels, logits = overconfident(shift=0.0)
    found = fit_calibrator(labels, logits, np.arange(3000).astype(str), method="temperature")
    assert found.intercept == 0
    assert (np.sign(found.logits(logits)) == np.sign(logits)).all()


def test_records_of_one_patient_count_as_one():
    labels, logits = overconfident(n=200)
    once = fit_calibrator(labels, logits, np.arange(200).astype(str))
    copies = np.concatenate([np.arange(200), np.repeat(np.arange(20), 9)])
    again = fit_calibrator(labels[copies], logits[copies], copies.astype(str))
    assert (again.slope, again.intercept) == pytest.approx((once.slope, once.intercept), abs=1e-9)
    assert again.bound == once.bound == 1 / 402


def test_classes_that_are_parted_completely_still_get_finite_bounded_probabilities():
    labels, logits = np.array([0] * 9 + [1]), np.array([-1.0] * 9 + [1.0])
    found = fit_calibrator(labels, logits, np.arange(10).astype(str))
    p = found.probabilities([-1e9, 0.0, 1e9])
    assert np.isfinite(p).all()
    assert p.min() == pytest.approx(1 / 22)
    assert p.max() == pytest.approx(21 / 22)


def test_out_of_fold_calibration_mends_probabilities_and_keeps_the_ranks_within_a_fold(predictions_of):
    labels, logits = overconfident(n=600)
    folds = np.arange(600) % 3
    before = predictions_of(labels, logits, folds=folds)
    after = calibrated(before)
    assert log_loss(labels, after.probabilities) < log_loss(labels, before.probabilities) - 0.1
    assert auroc(labels, after.scores, folds=folds) == pytest.approx(auroc(labels, logits, folds=folds), abs=1e-3)


def test_no_record_has_a_part_in_its_own_calibration(predictions_of):
    labels, logits = overconfident(n=300)
    folds = np.arange(300) % 3
    changed = np.where(folds == 0, 1 - labels, labels)
    first = calibrated(predictions_of(labels, logits, folds=folds))
    second = calibrated(predictions_of(changed, logits, folds=folds))
    assert np.array_equal(first.logits[folds == 0], second.logits[folds == 0])
    assert not np.array_equal(first.logits[folds == 1], second.logits[folds == 1])


def test_what_cannot_be_calibrated_is_refused(predictions_of):
    with pytest.raises(DataError, match="CALIBRATION_CLASSES"):
        fit_calibrator([1, 1], [0.1, 0.2], ["a", "b"])
    with pytest.raises(DataError, match="CALIBRATION_FOLDS"):
        calibrated(predictions_of([0, 1], [0.1, 0.2]))
    with pytest.raises(DataError, match="CALIBRATION_TASK"):
        calibrated(predictions_of([0, 1], [0.1, 0.2], withheld="m1"))
    with pytest.raises(DataError, match="CALIBRATION_VALUE"):
        LinearCalibrator(float("nan"), 0, 0.1)
