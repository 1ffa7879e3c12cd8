"""Errors are counted once, shown only where nobody can be found out by them, and named by key."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import special

from clinfuse.cohort.cohort import Cohort
from clinfuse.errors import DataError
from clinfuse.evaluation.calls import FoldThreshold, FoldThresholds
from clinfuse.evaluation.predictions import Predictions
from clinfuse.evaluation.wrong_calls import CONFIDENCE, HELD_BACK, PRESENT, find_errors, shown_counts

N = 120


@pytest.fixture(scope="module")
def cohort() -> Cohort:
    labels = np.tile([0, 1], N // 2)
    arrays = {name: np.zeros((N, 1)) for name in ("labs", "signs")}
    present = np.ones((N, 2), dtype=bool)
    present[:30, 1] = False
    sex = np.where(np.arange(N) < 60, "f", "m").astype(object)
    ward = np.where(np.arange(N) < 6, "small", np.where(np.arange(N) < 70, "a", "b")).astype(object)
    attributes = pd.DataFrame({"sex": sex, "ward": ward})
    kinds = dict.fromkeys(arrays, "ehr")
    return Cohort.from_arrays(arrays, labels=labels, present=present, kinds=kinds, attributes=attributes)


def predicted(cohort: Cohort, risk: np.ndarray) -> Predictions:
    text, n = np.array([""] * len(cohort)), len(cohort)
    p = np.stack([1 - risk, risk], axis=1)
    return Predictions(
        model=np.array(["late"] * n),
        repeat=np.zeros(n, int),
        fold=np.zeros(n, int),
        record=cohort.keys,
        patient=cohort.patient_keys,
        site=text,
        withheld=text,
        y_true=cohort.labels,
        logits=np.log(p),
        probabilities=p,
        present=cohort.present,
        classes=("healthy", "ill"),
        task="binary",
        modalities=("labs", "signs"),
    )


def risks(cohort: Cohort) -> np.ndarray:
    """Right with 0.85, but for the first ten ill and the last seven healthy records."""
    ill = np.asarray(cohort.labels) == 1
    risk = np.where(ill, 0.85, 0.15)
    risk[np.flatnonzero(ill)[:10]] = 0.35
    risk[np.flatnonzero(~ill)[-7:]] = 0.95
    return risk


def test_all_errors_are_counted_and_the_surest_stands_first(cohort: Cohort) -> None:
    found = find_errors(predicted(cohort, risks(cohort)), cohort)
    whole = found.groups[0]
    assert (whole.positives, whole.missed, whole.negatives, whole.alarms) == ("60", "10", "60", "7")
    assert [one.missed for one in found.wrong] == [False] * 7 + [True] * 10
    assert found.wrong[0].probability == 0.95
    ill = dict(zip(cohort.keys.tolist(), np.asarray(cohort.labels).tolist(), strict=True))
    assert all(ill[one.record] == one.missed for one in found.wrong)


def test_another_threshold_calls_others(cohort: Cohort) -> None:
    found = find_errors(predicted(cohort, risks(cohort)), cohort, threshold=0.3)
    assert (found.groups[0].missed, found.groups[0].alarms) == ("0", "7")
    assert "under 50 %" in [one.group for one in found.groups if one.column == CONFIDENCE]


def test_every_fold_calls_by_the_threshold_of_its_own_model(cohort: Cohort) -> None:
    held = replace(predicted(cohort, risks(cohort)), fold=np.repeat([0, 1], N // 2))
    learned = FoldThresholds(0.9, (FoldThreshold(0, 0, special.logit(0.3)), FoldThreshold(0, 1, special.logit(0.96))))
    found = find_errors(held, cohort, threshold=learned)
    # The ten ill of low risk are in the first fold; in the second nobody reaches the threshold.
    assert (found.groups[0].missed, found.groups[0].alarms) == ("30", "0")
    assert learned.probabilities == pytest.approx((0.3, 0.96))
    with pytest.raises(DataError, match="CALLS_FOLD"):
        find_errors(held, cohort, threshold=FoldThresholds(0.9, learned.folds[:1]))


def test_groups_by_column_presence_and_confidence(cohort: Cohort) -> None:
    found = find_errors(predicted(cohort, risks(cohort)), cohort, ["sex"])
    by = {(one.column, one.group): one for one in found.groups}
    assert (by["sex", "f"].positives, by["sex", "f"].missed, by["sex", "m"].missed) == ("30", "10", "0")
    assert (by[PRESENT, "labs"].positives, by[PRESENT, "labs + signs"].positives) == ("15", "45")
    assert by[CONFIDENCE, "60 to 70 %"].missed == "10"
    assert by[CONFIDENCE, "90 to 100 %"].alarms == "7"


def test_a_small_group_of_patients_is_held_back_as_in_the_tables_of_subgroups(cohort: Cohort) -> None:
    found = find_errors(predicted(cohort, risks(cohort)), cohort, ["ward"])
    by = {one.group: one for one in found.groups if one.column == "ward"}
    assert {by["small"].positives, by["small"].missed, by["small"].alarms} == {HELD_BACK}
    # One group alone could be told from the sum of all: a second one goes with it.
    assert sum(one.positives == HELD_BACK for one in by.values()) == 2


@given(st.lists(st.integers(0, 60), min_size=1, max_size=6))
def test_no_small_count_is_shown_or_follows_from_the_sum(counts: list[int]) -> None:
    shown = shown_counts(counts)
    exact = [count for count, text in zip(counts, shown, strict=True) if text == str(count)]
    assert not [count for count in exact if 0 < count < 5]
    hidden = [(count, int(text[1:])) for count, text in zip(counts, shown, strict=True) if text.startswith("<")]
    assert all(count < limit for count, limit in hidden)
    if len(counts) > 1 and any(count >= 5 for count in counts):
        assert len(hidden) != 1


def test_several_classes_have_no_misses(cohort: Cohort) -> None:
    one = predicted(cohort, risks(cohort))
    several = Predictions(
        **{name: getattr(one, name) for name in ("model", "repeat", "fold", "record", "patient", "site", "withheld")},
        y_true=one.y_true,
        logits=np.zeros((N, 3)),
        probabilities=np.full((N, 3), 1 / 3),
        present=one.present,
        classes=("a", "b", "c"),
        task="multiclass",
        modalities=one.modalities,
    )
    with pytest.raises(DataError, match="ERRORS_TASK"):
        find_errors(several, cohort)
