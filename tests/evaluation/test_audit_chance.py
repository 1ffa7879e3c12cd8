"""What an audit tells is beyond chance: for all its questions together, whoever has several records."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from clinfuse.cohort.cohort import Cohort
from clinfuse.evaluation.audit.checks import audit
from clinfuse.evaluation.audit.columns import reach_p
from clinfuse.evaluation.audit.family import dealt, family_p
from clinfuse.evaluation.audit.rows import shared_rows


def alone(records):
    return np.array([f"P{k:04d}" for k in range(records)])


def test_the_share_of_draws_is_that_of_all_ways_to_deal_the_labels():
    """Three of six patients, all above the rest: 2 of the 20 ways are as far out (exact rank-sum test, p = 0.1)."""
    values, labels = np.arange(6.0)[:, None], np.array([0, 0, 0, 1, 1, 1.0])[:, None]
    exact = stats.mannwhitneyu(values[3:, 0], values[:3, 0], method="exact").pvalue
    assert exact == pytest.approx(0.1)
    assert family_p([values], labels, alone(6), draws=9999)[0] == pytest.approx(exact, abs=0.01)


def test_one_family_in_twenty_has_a_p_below_a_twentieth_however_many_questions_it_has():
    draw, hits = np.random.default_rng(0), 0
    for seed in range(100):
        labels = (draw.random((60, 1)) < 0.2).astype(float)
        rare = (draw.random((60, 5)) < 0.08).astype(float)
        questions = [draw.normal(size=(60, 1)) for _ in range(10)] + [rare[:, [k]] for k in range(4)] + [rare]
        hits += family_p(questions, labels, alone(60), seed=seed, draws=199).min() < 0.05
    assert 1 <= hits <= 11


def test_records_of_one_patient_count_as_one():
    """Twelve people with ten records each, all alike: ten records are no more to go by than one."""
    draw = np.random.default_rng(3)
    values, labels = draw.normal(size=(12, 1)), np.tile([0.0, 1.0], 6)[:, None]
    values[labels == 1] += 0.7
    people = np.repeat(alone(12), 10)
    ten = family_p([np.repeat(values, 10, axis=0)], np.repeat(labels, 10, axis=0), people)[0]
    assert ten == pytest.approx(family_p([values], labels, alone(12))[0], abs=0.03)
    assert family_p([np.repeat(values, 10, axis=0)], np.repeat(labels, 10, axis=0), alone(120))[0] < 0.005 < ten


def test_labels_change_places_by_patient_among_those_with_as_many_records():
    people = np.array(["a"] * 2 + [f"b{k}" for k in range(30)] + ["c"] * 2)
    people = np.concatenate([people, np.repeat([f"d{k}" for k in range(25)], 2)])
    givers = dealt(people, seed=0, draws=50)
    assert (people[givers[:, 0]] == people[givers[:, 1]]).all()
    assert (givers[:, 1] == givers[:, 0] + 1).all()
    assert {str(name)[0] for name in people[givers[:, 2]]} == {"b"}
    assert (np.sort(givers, axis=1) == np.arange(len(people))).all()


def test_unknown_labels_and_empty_numbers_are_left_out_and_nothing_that_varies_is_certain_chance():
    labels = np.array([0, 1] * 20 + [np.nan] * 10)[:, None]
    values = np.where(np.arange(50) < 40, labels[:, 0], 7.0)[:, None]
    values[:3] = np.nan
    found = family_p([values, np.ones((50, 1)), np.full((50, 2), np.nan)], labels, alone(50), draws=999)
    assert found.tolist() == [0.001, 1.0, 1.0]


@pytest.mark.parametrize(("positives", "negatives", "reached"), [(5, 60, 0.99), (15, 85, 0.95)])
def test_an_honest_column_reaches_as_much_as_often_as_is_said(positives, negatives, reached):
    draw = np.random.default_rng(9)
    values = draw.normal(size=(4000, positives + negatives))
    values[:, :positives] += np.sqrt(2) * stats.norm.ppf(0.85)
    ranks = stats.rankdata(values, axis=1)[:, :positives].sum(1)
    areas = (ranks - positives * (positives + 1) / 2) / (positives * negatives)
    share = (areas >= reached).mean()
    assert reach_p(reached, positives, negatives) == pytest.approx(share, abs=0.008)
    assert reach_p(0.95, 60, 140) < 0.002 < reach_p(0.88, 60, 140)


def test_a_good_column_of_few_patients_is_no_finding_and_a_copy_is():
    labels = np.arange(60) % 20 == 0
    values = np.random.default_rng(1).normal(size=(60, 2))
    values[labels, 0] = values[:, 0].max() + 1.0 + np.arange(3)
    honest = Cohort.from_arrays({"labs": values}, labels=labels.astype(int), kinds={"labs": "ehr"})
    assert dict(audit(honest).facts)["largest single column"] == "labs, column labs 1: AUROC 1.00"
    assert audit(honest).findings == ()
    values[:, 1] = 3.0 - labels
    copied = Cohort.from_arrays({"labs": values}, labels=labels.astype(int), kinds={"labs": "ehr"})
    assert [one.code for one in audit(copied).findings] == ["COLUMN_IS_LABEL"]


def test_rows_that_agree_but_for_a_value_or_two_are_found():
    draw = np.random.default_rng(0)
    values = draw.normal(size=(150, 12)).round(1)
    values[draw.random(values.shape) < 0.1] = np.nan
    assert shared_rows(values, alone(150)) == set()
    values[7] = values[90]
    values[7, [2, 5]] = 9.5
    assert shared_rows(values, alone(150)) == {("P0007", "P0090")}
    people = alone(150)
    people[7] = people[90]
    assert shared_rows(values, people) == set()


def test_rows_of_few_coarse_columns_repeat_and_are_no_finding():
    coarse = np.random.default_rng(0).integers(0, 4, size=(200, 5)).astype(float)
    assert len(np.unique(coarse, axis=0)) < 200
    assert shared_rows(coarse, alone(200)) == set()


def test_columns_that_say_the_same_thrice_and_panels_nobody_had_make_no_rows_alike():
    draw = np.random.default_rng(2)
    pressure = draw.normal(120, 15, size=(120, 1)).round()
    derived = np.concatenate([pressure, pressure / 2, pressure > 140, draw.normal(size=(120, 6))], axis=1)
    derived[draw.random(120) < 0.5, 3:] = np.nan
    assert shared_rows(derived, alone(120)) == set()


def test_of_very_many_rows_equal_ones_are_found():
    values = np.random.default_rng(0).normal(size=(4300, 5))
    values[4299] = values[17]
    assert shared_rows(values, alone(4300)) == {("P0017", "P4299")}


def test_recordings_that_follow_each_other_closely_meet_by_chance(monkeypatch):
    draw = np.random.default_rng(4)
    windows = draw.normal(size=(80, 1, 2, 16)).astype(np.float32)
    cohort = Cohort.from_arrays({"eeg": windows}, labels=draw.permutation(80) % 2, kinds={"eeg": "eeg"})
    made = draw.integers(0, 5 * 28800, 80).astype(float)
    frames = [pd.DataFrame({"time made": made, "duration_s": 1200.0})]
    monkeypatch.setattr(Cohort, "properties", lambda self, name: frames[-1].iloc[self.rows].reset_index(drop=True))
    made[5] = made[9] + 1200
    frames.append(pd.DataFrame({"time made": made, "duration_s": 1200.0}))
    assert audit(cohort).findings == ()
    frames.append(pd.DataFrame({"time made": made * 50, "duration_s": 1200.0}))
    frames[-1].loc[5, "time made"] = frames[-1].loc[9, "time made"] + 1200
    assert [one.code for one in audit(cohort).findings] == ["CONTENT_CONTINUES"]
