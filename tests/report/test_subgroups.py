"""The part of the study page about groups of patients: every number in words, nothing of a group held back."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from clinfuse.cohort.cohort import Cohort
from clinfuse.evaluation.compare import Comparison, compare
from clinfuse.evaluation.subgroups.subgroups import Subgroups, subgroups
from clinfuse.report.html import number
from clinfuse.report.study import study_page
from clinfuse.training.late import LateFusion


@pytest.fixture(scope="module")
def compared() -> Comparison:
    draw, labels = np.random.default_rng(0), np.tile([0, 1, 0], 40)
    arrays = {name: labels[:, None] * 0.8 + draw.normal(size=(120, 1)) for name in ("labs", "signs")}
    people = pd.DataFrame({"sex": np.repeat(["F", "M"], 60), "age": [44.0] * 60 + [70.0] * 53 + [93.0] * 7})
    cohort = Cohort.from_arrays(arrays, labels=labels, kinds={"labs": "ehr", "signs": "ehr"}, attributes=people)
    return compare(cohort, {"late": LateFusion(combine="mean")}, folds=2, best_single="labs")


@pytest.fixture(scope="module")
def found(compared: Comparison) -> Subgroups:
    return subgroups(compared["late"].predictions, compared.cohort, ["sex", "age"], draws=200)


def test_every_group_is_told_in_words_beside_its_picture(compared: Comparison, found: Subgroups, read) -> None:
    page = read(study_page(compared, subgroups=[found]))
    told = [alt for alt in page.values("img", "alt") if "sex F" in alt]
    assert len(told) == 1
    for group in found.groups:
        if group.column in ("all", "sex"):
            area = group.estimates["auroc"]
            name = "all all" if group.column == "all" else f"sex {group.level}"
            assert f"{name.replace('all all', 'all')}: {number(area.value)} ({number(area.low)} to" in told[0]
    assert "In groups of patients (late)" in page.words
    assert "sex, sensitivity: F minus M" in page.words
    assert "Gaps between groups (late)" in page.words


def test_a_group_held_back_stands_in_the_table_without_a_number(compared: Comparison, found: Subgroups, read) -> None:
    page = read(study_page(compared, subgroups=[found]))
    assert ("age", "90+") in found.hidden
    assert not any("90+" in alt for alt in page.values("img", "alt"))
    assert "age 90+ not shown not shown" in page.words
    assert "fewer than 20 patients" in page.words


def test_without_groups_there_is_no_such_section(compared: Comparison, read) -> None:
    assert "In groups of patients" not in read(study_page(compared)).words
