"""Groups of patients: the right numbers in each, honest gaps between them, and nothing small that could be read."""

from __future__ import annotations

from itertools import chain, combinations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

from clinfuse.cohort.cohort import Cohort
from clinfuse.errors import ConfigError, DataError
from clinfuse.evaluation.robustness.complete_case import complete_case
from clinfuse.evaluation.subgroups.groups import OTHER, UNKNOWN, grouping
from clinfuse.evaluation.subgroups.measures import Measured, gap
from clinfuse.evaluation.subgroups.subgroups import MEASURES, subgroups
from clinfuse.evaluation.subgroups.suppression import FEWEST_EVENTS, FEWEST_PATIENTS, People, Suppression


def people_of(attributes: dict[str, object], *, records: int, sites: object = None) -> Cohort:
    return Cohort.from_arrays(
        {"labs": np.arange(records)[:, None] * 1.0},
        labels=np.arange(records) % 2,
        kinds={"labs": "ehr"},
        attributes=pd.DataFrame(attributes, index=range(records)),
        sites=sites,
    )


def example(predictions_of, *, records: int = 240, seed: int = 0, **attributes: object):
    """A cohort, predictions of it, labels and scores: every second record has the finding."""
    cohort = people_of(attributes, records=records)
    labels = np.arange(records) % 2
    scores = 1.2 * (2 * labels - 1) + np.random.default_rng(seed).normal(size=records)
    held = predictions_of(labels, scores)
    keys = {"record": np.asarray(cohort.keys), "patient": np.asarray(cohort.patient_keys)}
    return cohort, type(held)(**{**vars(held), **keys}), labels, scores


# --- Groups ---


def test_ages_are_banded_and_nobody_above_90_is_told_apart() -> None:
    ages = [3, 17, 18, 39.5, 40, 59, 60, 74, 75, 89.9, 90, 104, np.nan]
    found = grouping(people_of({"age": ages}, records=13), "age")
    bands = ("under 18", "18 to 39", "40 to 59", "60 to 74", "75 to 89", "90+", UNKNOWN)
    assert found.levels == bands
    assert found.codes.tolist() == [0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6]


def test_declared_bands_of_an_age_end_at_90() -> None:
    cohort = people_of({"age_at_visit": [20, 65, 92, 101]}, records=4)
    assert grouping(cohort, "age_at_visit", edges=(65, 95, 100)).levels == ("under 65", "65 to 89", "90+")


def test_an_age_written_as_text_is_banded_as_well() -> None:
    assert grouping(people_of({"age": ["44", "97", "unknown"]}, records=3), "age").levels == (
        "40 to 59",
        "90+",
        UNKNOWN,
    )


def test_other_numbers_take_the_bands_declared_or_are_few() -> None:
    cohort = people_of({"crp": np.arange(20.0), "grade": np.tile([1.0, 2.0, 3.0, np.nan], 5)}, records=20)
    assert grouping(cohort, "crp", edges=(5, 10.5)).levels == ("under 5", "5 to under 10.5", "10.5+")
    assert grouping(cohort, "grade").levels == ("1", "2", "3", UNKNOWN)
    with pytest.raises(ConfigError, match="SUBGROUP_BANDS") as refused:
        grouping(cohort, "crp")
    assert "[report.bands] crp" in refused.value.remedy
    with pytest.raises(ConfigError, match="SUBGROUP_BANDS"):
        grouping(cohort, "crp", edges=(10, 5))
    with pytest.raises(ConfigError, match="SUBGROUP_BANDS"):
        grouping(people_of({"sex": ["F", "M"]}, records=2), "sex", edges=(1,))


def test_levels_of_a_few_people_have_no_name() -> None:
    words = ["F"] * 10 + ["M"] * 9 + ["Jane's own word", "another", "", "nan"]
    found = grouping(people_of({"sex": words}, records=23), "sex")
    assert found.levels == ("F", "M", OTHER, UNKNOWN)
    assert np.bincount(found.codes).tolist() == [10, 9, 2, 2]


def test_sites_have_numbers_the_largest_first() -> None:
    sites = ["St Mary"] * 3 + ["North"] * 12 + ["East"] * 5 + [""] * 2
    found = grouping(people_of({}, records=22, sites=sites), "site")
    assert found.levels == ("site 1", "site 2", "site 3", UNKNOWN)
    assert np.bincount(found.codes).tolist() == [12, 5, 3, 2]


@pytest.mark.parametrize("column", ["sex", "site"])
def test_a_column_that_nobody_declared_is_refused(column: str) -> None:
    with pytest.raises(ConfigError, match="SUBGROUP_COLUMN") as refused:
        grouping(people_of({"age": [1.0, 2.0]}, records=2), column)
    assert "age" in refused.value.rule
    assert "[records]" in refused.value.remedy


# --- Nothing small ---


@settings(max_examples=30, deadline=None, derandomize=True)
@given(
    sizes=st.lists(st.integers(0, 60), min_size=1, max_size=6),
    other=st.lists(st.integers(0, 60), min_size=1, max_size=4),
    share=st.floats(0.02, 0.98),
    visits=st.integers(1, 3),
    seed=st.integers(0, 9),
)
def test_no_subtraction_from_the_total_leaves_a_small_group(
    sizes: list[int], other: list[int], share: float, visits: int, seed: int
) -> None:
    draw = np.random.default_rng(seed)
    rows = max(sum(sizes), 1)
    people = People((np.arange(rows) // visits).astype(str), draw.random(rows) < share)
    suppression = Suppression(people)
    first = np.repeat(np.arange(len(sizes)), sizes) if sum(sizes) else np.zeros(1, dtype=int)
    second = draw.integers(len(other), size=rows)
    for codes, groups in ((first, len(sizes)), (second, len(other))):
        shown = suppression.shown(codes, groups)
        listed = [codes == group for group in range(groups) if shown[group] and (codes == group).any()]
        subsets = chain.from_iterable(combinations(listed, k) for k in range(1, len(listed) + 1))
        for chosen in subsets:
            left = ~np.any(chosen, axis=0)
            assert not people.small(left)
        assert not any(people.small(one) for one in listed)
        held = [codes == group for group in range(groups) if not shown[group] and (codes == group).any()]
        assert len(held) != 1 or not listed


def test_a_single_small_group_takes_the_smallest_other_with_it() -> None:
    rows = np.arange(200)
    people = People(rows.astype(str), rows % 2 == 0)
    codes = np.repeat([0, 1, 2, 3], [100, 50, 40, 10])
    assert Suppression(people).shown(codes, 4) == (True, True, False, False)


def test_a_group_of_few_events_is_small_however_many_patients() -> None:
    rows = np.arange(300)
    events = np.concatenate([rows[:100] % 2 == 0, rows[100:200] % 2 == 0, rows[200:] % 25 == 0])
    people = People(rows.astype(str), events)
    assert people.small(rows >= 200)
    assert Suppression(people).shown(np.repeat([0, 1, 2], 100), 3) == (False, True, False)


def test_many_records_of_few_patients_are_small() -> None:
    people = People(np.repeat(np.arange(FEWEST_PATIENTS - 1).astype(str), 10), np.arange(190) % 2 == 0)
    assert people.small(np.ones(190, dtype=bool))
    assert not People(np.arange(20).astype(str), np.arange(20) < FEWEST_EVENTS).small(np.ones(20, dtype=bool))


def test_two_columns_that_differ_in_three_people_do_not_tell_them_apart() -> None:
    rows = np.arange(200)
    people = People(rows.astype(str), rows % 2 == 0)
    suppression = Suppression(people)
    assert suppression.shown((rows < 100).astype(int), 2) == (True, True)
    assert suppression.shown((rows < 97).astype(int), 2) == (False, False)
    assert suppression.shown((rows < 60).astype(int), 2) == (True, True)


# --- Numbers ---


def test_every_measure_of_a_group_is_that_of_its_records_alone(predictions_of) -> None:
    cohort, held, labels, scores = example(predictions_of, sex=np.repeat(["F", "M"], 120))
    found = subgroups(held, cohort, ["sex"], threshold=0.4, draws=300)
    everyone, women, men = found.groups
    assert (everyone.level, women.level, men.level) == ("all", "F", "M")
    assert (women.records, women.patients, women.events) == (120, 120, 60)
    half = slice(0, 120)
    called = 1 / (1 + np.exp(-scores[half])) >= 0.4
    assert women.estimates["auroc"].value == pytest.approx(roc_auc_score(labels[half], scores[half]), abs=1e-12)
    assert women.estimates["sensitivity"].value == pytest.approx(called[labels[half] == 1].mean())
    assert women.estimates["specificity"].value == pytest.approx(1 - called[labels[half] == 0].mean())
    p = 1 / (1 + np.exp(-scores[half]))
    assert women.estimates["brier"].value == pytest.approx(((p - labels[half]) ** 2).mean())
    assert list(women.estimates) == list(MEASURES)
    for one in found.gaps:
        assert (one.first, one.second, one.pairs) == ("F", "M", 1)
    area = next(one for one in found.gaps if one.measure == "auroc")
    difference = women.estimates["auroc"].value - men.estimates["auroc"].value
    assert area.estimate.value == pytest.approx(difference, abs=1e-12)
    false = next(one for one in found.gaps if one.measure == "false_positive_rate")
    apart = men.estimates["specificity"].value - women.estimates["specificity"].value
    assert false.estimate.value == pytest.approx(apart, abs=1e-12)


def test_a_planted_gap_is_found_and_a_fair_model_has_none(predictions_of) -> None:
    sexes = np.repeat(["F", "M"], 200)
    cohort, held, labels, scores = example(predictions_of, records=400, sex=sexes)
    fair = subgroups(held, cohort, ["sex"], draws=400)
    assert all(one.estimate.low <= 0 <= one.estimate.high for one in fair.gaps)
    spoiled = np.where(sexes == "M", scores - 2.5, scores)
    worse = predictions_of(labels, spoiled)
    worse = type(held)(**{**vars(held), "logits": worse.logits, "probabilities": worse.probabilities})
    found = subgroups(worse, cohort, ["sex"], draws=400)
    missed = next(one for one in found.worst if one.measure == "sensitivity")
    assert missed.estimate.low > 0.3
    assert "an interval without zero" in next(one for one in found.sentences if "sensitivity" in one)


def test_the_worst_pair_is_the_one_furthest_apart(predictions_of) -> None:
    ward = np.repeat(["a", "b", "c"], 80)
    cohort, held, _, _ = example(predictions_of, ward=ward, seed=3)
    found = subgroups(held, cohort, ["ward"], draws=200)
    areas = {one.level: one.estimates["auroc"].value for one in found.groups[1:]}
    worst = next(one for one in found.worst if one.measure == "auroc")
    assert abs(worst.estimate.value) == pytest.approx(max(areas.values()) - min(areas.values()))
    assert worst.pairs == 3
    assert "the largest of 3 pairs" in found.sentences[0]


def test_a_group_held_back_has_no_number_anywhere(predictions_of) -> None:
    sexes = np.array(["F"] * 150 + ["M"] * 75 + ["X"] * 15)
    cohort, held, _, _ = example(predictions_of, sex=sexes)
    found = subgroups(held, cohort, ["sex"], draws=100)
    assert found.hidden == (("sex", "M"), ("sex", "X"))
    table = found.table()
    assert table["group"].tolist() == ["all", "F", "M", "X"]
    assert set(table.loc[table["group"].isin(["M", "X"])].drop(columns=["column", "group"]).to_numpy().ravel()) == {
        "not shown"
    }
    assert found.gaps == ()
    assert "2 groups are not shown" in found.sentences[-1]
    assert found.as_dict()["hidden"] == [["sex", "M"], ["sex", "X"]]


def test_a_whole_cohort_that_is_small_shows_nothing(predictions_of) -> None:
    cohort, held, _, _ = example(predictions_of, records=16, sex=["F", "M"] * 8)
    found = subgroups(held, cohort, ["sex"], draws=50)
    assert found.groups == ()
    assert found.hidden == (("all", "all"), ("sex", "F"), ("sex", "M"))


def test_order_of_records_and_secret_keys_change_no_bit(predictions_of) -> None:
    cohort, held, _, _ = example(predictions_of, sex=np.repeat(["F", "M"], 120))
    turned = held.rows(np.arange(len(held))[::-1])
    first, second = (subgroups(one, cohort, ["sex"], draws=100, seed=4) for one in (held, turned))
    assert first.table().equals(second.table())
    assert first.gap_table().equals(second.gap_table())
    assert not first.table().equals(subgroups(held, cohort, ["sex"], draws=100, seed=5).table())


def test_where_all_are_called_rightly_the_gap_is_not_without_width(predictions_of) -> None:
    cohort, held, labels, _ = example(predictions_of, records=80, sex=np.repeat(["F", "M"], 40))
    perfect = predictions_of(labels, 9.0 * (2 * labels - 1))
    held = type(held)(**{**vars(held), "logits": perfect.logits, "probabilities": perfect.probabilities})
    found = subgroups(held, cohort, ["sex"], draws=100)
    for one in found.gaps:
        assert one.measure != "calibration_slope"  # no line has a finite best slope through classes that are parted
        assert one.estimate.low < -0.05
        assert one.estimate.high > 0.05


def test_square_and_add_gives_the_published_interval() -> None:
    """Newcombe 1998, doi:10.1002/(SICI)1097-0258(19980430)17:8<873::AID-SIM779>3.0.CO;2-I, table II, method 10.

    56/70 against 48/80: 0.2000 (0.0524 to 0.3339).
    """
    from clinfuse.evaluation.statistics.intervals import proportion_interval

    none = np.empty(0)
    first, second = (
        {"sensitivity": Measured(proportion_interval(*counts), none, by_draws=False)} for counts in ((56, 70), (48, 80))
    )
    (found,) = gap("sensitivity", first, second)
    assert (round(found.value, 4), round(found.low, 4), round(found.high, 4)) == (0.2, 0.0524, 0.3339)
    assert gap("auroc", first, second) == []


def test_what_cannot_be_grouped_is_refused(predictions_of) -> None:
    cohort, held, labels, scores = example(predictions_of, records=40, sex=["F", "M"] * 20)
    with pytest.raises(ConfigError, match="SUBGROUP_THRESHOLD"):
        subgroups(held, cohort, ["sex"], threshold=1.0)
    with pytest.raises(DataError, match="SUBGROUP_PREDICTIONS"):
        subgroups(predictions_of(labels, scores), cohort, ["sex"])
    several = Cohort.from_arrays(
        {"labs": np.eye(4)}, labels=[0, 1, 2, 0], kinds={"labs": "ehr"}, classes=("a", "b", "c"), task="multiclass"
    )
    with pytest.raises(ConfigError, match="SUBGROUP_TASK"):
        subgroups(held, several, ["site"])


def test_complete_records_number_sites_alike() -> None:
    sites = ["St Mary"] * 30 + ["North"] * 50
    draw = np.random.default_rng(0)
    present = np.stack([np.ones(80, bool), draw.random(80) < 0.6], axis=1)
    cohort = Cohort.from_arrays(
        {"labs": np.eye(80), "signs": np.eye(80)},
        labels=np.arange(80) % 2,
        kinds={"labs": "ehr", "signs": "ehr"},
        present=present,
        sites=sites,
    )
    assert {"site 1", "site 2"} <= {one.name for one in complete_case(cohort).contrasts}
