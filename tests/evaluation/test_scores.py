from dataclasses import replace

import numpy as np
import pytest
from scipy import special

from clinfuse.evaluation.answer import paired_difference
from clinfuse.evaluation.scores import METRICS, few_events, metric_draws, metric_interval, predicted_statistic
from clinfuse.evaluation.statistics.intervals import over_draws


def drawn(seed, records=160):
    """Outcomes drawn from the very probabilities that are predicted."""
    draw = np.random.default_rng(seed)
    logits = draw.normal(-1.2, 1.0, size=records)
    return (draw.random(records) < special.expit(logits)).astype(int), logits


def test_calibration_in_the_large_of_a_constant_is_as_unsure_as_the_prevalence(predictions_of):
    labels = (np.arange(200) < 30).astype(int)
    found = metric_interval(predictions_of(labels, np.full(200, special.logit(0.15))), "calibration_intercept")
    assert found.value == pytest.approx(0, abs=1e-9)
    assert (found.high - found.low) / 2 == pytest.approx(1.96 / np.sqrt(200 * 0.15 * 0.85), rel=0.1)


def test_the_brier_score_of_a_constant_is_as_unsure_as_a_proportion(predictions_of):
    labels = (np.arange(200) < 60).astype(int)
    found = metric_interval(predictions_of(labels, np.full(200, special.logit(0.1))), "brier")
    # p**2 + (1 - 2 p) times the share of events.
    assert (found.high - found.low) / 2 == pytest.approx(0.8 * 1.96 * np.sqrt(0.3 * 0.7 / 200), rel=0.1)


@pytest.mark.parametrize("metric", ["brier", "calibration_intercept"])
def test_intervals_hold_the_truth_as_often_as_they_say(predictions_of, metric):
    # 95 of 100 expected; 87 or fewer have a chance below 1 in 500. Draws within classes hold it 82 and 51 times.
    p = special.expit(np.random.default_rng(99).normal(-1.2, 1.0, size=400_000))
    truth = float(np.mean(p * (1 - p))) if metric == "brier" else 0.0
    held = 0
    for seed in range(100):
        labels, logits = drawn(seed)
        one = predictions_of(labels, logits)
        values = over_draws(predicted_statistic(one, metric), metric_draws(metric, one, seed=seed, draws=300).weights)
        low, high = np.nanquantile(values, [0.025, 0.975])
        held += low <= truth <= high
    assert held >= 88


def test_a_draw_of_one_class_has_no_average_precision(predictions_of):
    measured = predicted_statistic(predictions_of([1, 1, 0], [2.0, 1.0, 0.0]), "auprc")
    found = measured(np.array([[1.0, 1, 1], [2, 1, 0], [0, 0, 3]]))
    assert found[0] == 1
    assert np.isnan(found[1:]).all()


@pytest.mark.parametrize("metric", METRICS)
def test_keys_of_patients_and_records_have_no_part_in_an_interval(predictions_of, metric):
    labels = np.arange(90) % 3 // 2
    scores = np.random.default_rng(0).normal(size=90) + labels
    owners = np.array([f"P-{one:03d}" for one in np.arange(90) // 9 * 3 + np.arange(90) % 3])
    one = predictions_of(labels, scores, folds=np.arange(90) // 9 % 3, patients=owners)
    other = predictions_of(labels, scores[::-1].copy(), folds=np.arange(90) // 9 % 3, patients=owners, model="m0")
    order = np.random.default_rng(1).permutation(90)

    def rekeyed(before):
        names = dict(zip(sorted(set(owners)), np.random.default_rng(2).permutation(sorted(set(owners))), strict=True))
        return replace(before.rows(order), patient=np.array([names[name] for name in owners[order]]), record=one.record)

    before, after = metric_interval(one, metric), metric_interval(rekeyed(one), metric)
    assert (after.low, after.value, after.high) == pytest.approx((before.low, before.value, before.high), abs=1e-9)
    apart, again = (
        paired_difference(*pair, metric=metric).estimate for pair in ((one, other), (rekeyed(one), rekeyed(other)))
    )
    assert (again.low, again.high) == pytest.approx((apart.low, apart.high), abs=1e-9)


@pytest.mark.parametrize(("events", "others"), [(4, 5), (5, 200), (40, 40)])
def test_an_auroc_without_an_error_is_not_certain(predictions_of, events, others):
    labels = np.repeat([1, 0], [events, others])
    found = metric_interval(predictions_of(labels, 5.0 * labels), "auroc")
    assert found.value == found.high == 1
    assert found.low < 0.97
    worst = metric_interval(predictions_of(labels, -5.0 * labels), "auroc")
    assert worst.low == 0
    assert worst.high == pytest.approx(1 - found.low, abs=1e-8)


def test_few_events_are_counted_in_patients(predictions_of):
    labels = np.arange(60) % 2
    people = np.array([f"P-{one}" for one in np.arange(60) // 6])
    assert not few_events(predictions_of(labels, labels))
    assert few_events(predictions_of(labels[:19], labels[:19]))
    assert not few_events(predictions_of(labels, labels, patients=people))
    assert few_events(predictions_of(labels[:54], labels[:54], patients=people[:54]))


def test_repeats_add_nothing_to_what_few_records_say(predictions_of):
    labels = np.arange(12) % 2
    once = predictions_of(labels, 5.0 * labels)
    twice = type(once).concat([once, replace(once, repeat=np.ones(12, dtype=int))])
    assert metric_interval(twice, "auroc") == metric_interval(once, "auroc")
