"""What cross-validation adds to what a bootstrap of held-out predictions knows."""

from dataclasses import replace

import numpy as np
import pytest

from clinfuse.evaluation.predictions import Predictions
from clinfuse.evaluation.scores import METRICS, metric_draws, metric_interval, predicted_statistic
from clinfuse.evaluation.statistics.intervals import patient_weights, percentile_estimate
from clinfuse.evaluation.statistics.resampling import Resampling, corrected_variance, small_sample
from clinfuse.evaluation.statistics.statistic import statistic
from clinfuse.evaluation.statistics.weighted import weighted_mean


def design(patients, folds, repeats, records=1):
    """Repeat, fold and patient of every row."""
    owner = np.repeat(np.arange(patients), records)
    repeat = np.repeat(np.arange(repeats), len(owner))
    return repeat, np.concatenate([(owner + one) % folds for one in range(repeats)]), np.tile(owner, repeats)


@pytest.mark.parametrize(
    ("folds", "repeats", "expected"), [(5, 1, 2.25), (5, 5, 1.45), (2, 1, 3.0), (10, 10, 1.2111111)]
)
def test_the_variance_is_that_of_nadeau_and_bengio(folds, repeats, expected):
    # Their (1/J + test/train) times the variance between folds, which is `folds` times that of the mean of one repeat.
    assert corrected_variance(*design(100, folds, repeats)) == pytest.approx(expected)


def test_patients_count_and_not_their_records():
    assert corrected_variance(*design(100, 5, 1, records=4)) == pytest.approx(2.25)


def test_folds_of_unequal_size_count_by_their_own_shares():
    fold = np.repeat([0, 1, 2], [50, 30, 20])
    by_hand = 1 + 3 * np.mean([50 / 50, 30 / 70, 20 / 80])
    assert corrected_variance(np.zeros(100, int), fold, np.arange(100)) == pytest.approx(by_hand)


def test_few_patients_widen_a_bootstrap_as_students_t_does():
    # Of ten numbers: t of 9 degrees of freedom, and a variance with n - 1.
    assert small_sample(10) == pytest.approx(2.262157 / 1.959964 * np.sqrt(10 / 9), abs=1e-6)
    assert small_sample(1) == 1.0


def test_an_interval_of_a_mean_is_students():
    values = np.random.default_rng(4).normal(size=12)
    weights = patient_weights(np.arange(12), np.zeros(12, int), draws=40_000)
    found = Resampling.of(weights, np.zeros(12, int), 1.0, 12).estimate(weighted_mean(values))
    reach = 2.200985 * values.std(ddof=1) / np.sqrt(12)
    assert (found.high - found.low) / 2 == pytest.approx(reach, rel=0.04)


def test_one_fold_is_not_corrected():
    assert corrected_variance(*design(50, 1, 1)) == 1


def test_an_interval_of_one_fold_is_the_percentile_bootstrap():
    labels, scores = np.tile([0, 1], 30), np.random.default_rng(0).normal(size=60)
    weights = patient_weights(np.arange(60), labels, draws=500)
    measured = statistic("brier", labels, 1 / (1 + np.exp(-scores)))
    found = Resampling.of(weights, np.zeros(60, int), 1.0, 10**6).estimate(measured)
    expected = percentile_estimate(float(measured(np.ones((1, 60)))[0]), measured(weights))
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high), abs=1e-5)


def test_of_independent_numbers_the_spread_is_that_of_the_formula():
    repeat, fold, patient = design(400, 5, 1)
    values = np.random.default_rng(1).normal(size=400)
    weights = patient_weights(patient, np.zeros(400, int), draws=4000)
    drawn = Resampling.of(weights, repeat, corrected_variance(repeat, fold, patient), 400).draws(weighted_mean(values))
    assert drawn.std() == pytest.approx(values.std() / 20 * 1.5, rel=0.05)


def test_every_draw_is_of_one_repeat_and_centred_on_all():
    repeat, fold, patient = design(60, 3, 4)
    values = np.random.default_rng(2).normal(size=240) + 5.0 * repeat
    weights = patient_weights(patient, np.zeros(240, int), draws=2000)
    found = Resampling.of(weights, repeat, corrected_variance(repeat, fold, patient), 60)
    used = (found.weights > 0)[:, :, None] & (repeat[:, None] == np.arange(4))
    assert (used.any(1).sum(1) == 1).all()
    drawn = found.draws(weighted_mean(values))
    assert abs(drawn.mean() - values.mean()) < 0.05
    assert drawn.std() < 1


@pytest.mark.parametrize("metric", METRICS)
def test_a_repeat_weighed_alone_has_the_value_of_its_rows_alone(predictions_of, metric):
    draw = np.random.default_rng(3)
    labels, logits = np.tile([0, 1], 40), draw.normal(size=80)
    first, second = (
        predictions_of(labels, scores, folds=np.arange(80) // 2 % 4) for scores in (logits, draw.normal(size=80))
    )
    one = Predictions.concat([first, replace(second, repeat=np.ones(80))])
    alone = one.rows(one.repeat == 1)
    masked = predicted_statistic(one, metric)(metric_draws(metric, one, draws=4).singles)[1]
    assert masked == pytest.approx(predicted_statistic(alone, metric)(np.ones((1, 80)))[0])


@pytest.mark.parametrize("metric", METRICS)
def test_an_interval_holds_its_value_and_stays_in_the_range_of_its_metric(predictions_of, metric):
    draw = np.random.default_rng(5)
    labels = np.tile([0, 1], 60)
    one = predictions_of(labels, draw.normal(size=120) + 2 * labels, folds=np.arange(120) // 2 % 5)
    found = metric_interval(one, metric, draws=400)
    assert found.low < found.value < found.high
    if metric in ("auroc", "auprc", "brier"):
        assert found.low > 0
        assert found.high < 1


def test_folds_make_an_interval_wider_than_one_held_out_set_does(predictions_of):
    draw = np.random.default_rng(7)
    labels, logits = np.tile([0, 1], 60), draw.normal(size=120)
    apart, once = (predictions_of(labels, logits, folds=folds) for folds in (np.arange(120) // 2 % 5, 0))
    widths = [metric_interval(one, "brier", draws=400) for one in (apart, once)]
    assert widths[0].high - widths[0].low == pytest.approx(1.5 * (widths[1].high - widths[1].low), rel=0.02)
