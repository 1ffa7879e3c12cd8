"""Table 1: the numbers a statistician would write down, and no small cell among them."""

from __future__ import annotations

import json
import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clinfuse.cohort.cohort import Cohort
from clinfuse.cohort.modality import Column, Modality
from clinfuse.evaluation.characteristics import FEWEST, Characteristic, Share, characteristics


def cohort_of(
    attributes: dict[str, object],
    labels: np.ndarray,
    *,
    labs: np.ndarray | None = None,
    columns: tuple[Column, ...] = (Column("crp", unit="mg/L"),),
    **more: object,
) -> Cohort:
    values = np.arange(float(len(labels)))[:, None] if labs is None else labs
    return Cohort.from_arrays(
        {"labs": values},
        labels=labels,
        kinds={"labs": Modality("labs", "ehr", (len(columns),), columns=columns)},
        attributes=pd.DataFrame(attributes, index=range(len(labels))),
        **more,
    )


def line(found, name: str, level: str = "") -> Characteristic:
    return next(one for one in found.lines if (one.name, one.level) == (name, level))


def test_counts_shares_and_quartiles_are_those_of_each_class() -> None:
    labels = np.repeat([0, 1], [60, 40])
    sex = np.array((["F"] * 20 + ["M"] * 40) + (["F"] * 30 + ["M"] * 10))
    ages = np.concatenate([np.linspace(20, 60, 60), np.linspace(40, 89, 40)])
    found = characteristics(cohort_of({"sex": sex, "age": ages}, labels))
    assert found.records == found.patients == {"all": 100, "negative": 60, "positive": 40}
    women = line(found, "sex", "F")
    assert {name: str(cell) for name, cell in women.cells.items()} == {
        "all": "50 (50 %)",
        "negative": "20 (33 %)",
        "positive": "30 (75 %)",
    }
    first, second = 20 / 60, 30 / 40
    spread = math.sqrt((first * (1 - first) + second * (1 - second)) / 2)
    assert women.difference == pytest.approx(abs(first - second) / spread)
    assert math.isnan(line(found, "sex", "M").difference)
    old = line(found, "age")
    assert str(old.cells["negative"]) == "40 (30 to 50)"
    means = ages[:60].mean() - ages[60:].mean()
    pooled = math.sqrt((ages[:60].var(ddof=1) + ages[60:].var(ddof=1)) / 2)
    assert old.difference == pytest.approx(abs(means) / pooled)


def test_the_difference_of_three_levels_is_yang_and_dalton_s() -> None:
    """Yang and Dalton 2012 by hand: T = (.2, .3), C = (.4, .4), the mean of the two covariances inverted."""
    labels = np.repeat([0, 1], [100, 100])
    stage = np.repeat(["a", "b", "c", "a", "b", "c"], [50, 20, 30, 20, 40, 40])
    found = characteristics(cohort_of({"stage": stage}, labels))
    t, c = np.array([0.2, 0.3]), np.array([0.4, 0.4])
    covariance = sum(np.diag(share) - np.outer(share, share) for share in (t, c)) / 2
    wanted = math.sqrt((t - c) @ np.linalg.inv(covariance) @ (t - c))
    assert line(found, "stage", "a").difference == pytest.approx(wanted)


def test_nobody_is_older_than_90_and_few_have_no_quartiles() -> None:
    labels = np.repeat([0, 1], [30, 19])
    found = characteristics(cohort_of({"age": np.linspace(91, 104, 49)}, labels))
    cells = line(found, "age").cells
    assert str(cells["all"]) == "90 (90 to 90)"
    assert str(cells["positive"]) == "not shown"
    assert math.isnan(line(found, "age").difference)


def test_columns_of_tables_sites_and_modalities_are_lines_too() -> None:
    columns = (Column("crp", unit="mg/L"), Column("ward", "category", levels=("a", "b")), Column("smoker", "yes/no"))
    labels = np.arange(100) % 2
    labs = np.stack([np.arange(100.0), np.arange(100) // 2 % 2, np.arange(100) // 4 % 2], axis=1).astype(float)
    labs[:12, 0] = np.nan
    found = characteristics(cohort_of({}, labels, labs=labs, columns=columns, sites=["north", "south"] * 50))
    assert [(one.name, one.level) for one in found.lines] == [
        ("site", "site 1"),
        ("site", "site 2"),
        ("labs", "present"),
        ("labs: crp", ""),
        ("labs: ward", "a"),
        ("labs: ward", "b"),
        ("labs: smoker", "yes"),
    ]
    assert str(line(found, "labs: crp").missing) == "12 (12 %)"
    assert line(found, "labs: crp").unit == "mg/L"
    assert str(line(found, "labs", "present").cells["all"]) == "100 (100 %)"


def test_two_sites_of_which_each_has_one_class_are_shown_as_they_are() -> None:
    found = characteristics(cohort_of({}, np.arange(100) % 2, sites=["north", "south"] * 50))
    assert str(line(found, "site", "site 1").cells["positive"]) in ("0 (0 %)", "50 (100 %)")


def test_a_level_that_three_have_takes_another_with_it() -> None:
    labels = np.repeat([0, 1], [60, 60])
    sex = np.array(["F"] * 40 + ["M"] * 17 + ["X"] * 3 + ["F"] * 25 + ["M"] * 28 + ["X"] * 7)
    found = characteristics(cohort_of({"sex": sex}, labels))
    assert str(line(found, "sex", "F").cells["all"]) == "65 (54 %)"
    for level in ("M", "X"):
        assert {str(cell) for cell in line(found, "sex", level).cells.values()} == {"not shown"}
    assert math.isnan(line(found, "sex", "F").difference)
    plain = found.as_dict()
    assert json.loads(json.dumps(plain))["lines"][1]["cells"]["all"]["count"] is None


@settings(max_examples=25, deadline=None, derandomize=True)
@given(
    counts=st.lists(st.tuples(st.integers(0, 30), st.integers(0, 30)), min_size=1, max_size=5),
    gaps=st.integers(0, 12),
)
def test_no_difference_of_what_is_shown_is_a_small_cell(counts: list[tuple[int, int]], gaps: int) -> None:
    sizes = np.array(counts) + 5
    labels = np.concatenate([np.repeat([0, 1], pair) for pair in sizes])
    words = np.repeat([f"level {k}" for k in range(len(sizes))], sizes.sum(1)).astype(object)
    draw = np.random.default_rng(gaps)
    words[draw.permutation(len(words))[: min(gaps, len(words))]] = ""
    found = characteristics(cohort_of({"ward": words}, labels))
    shown = {one.level: one for one in found.lines if one.name == "ward"}
    for side in ("negative", "positive"):
        cells = [one.cells[side] for one in shown.values()]
        known = [cell.count for cell in cells if isinstance(cell, Share) and cell.count >= 0]
        assert all(count == 0 or count >= FEWEST for count in known)
        left = found.records[side] - sum(known)
        assert left == 0 or left >= FEWEST
        assert sum(isinstance(cell, Share) and cell.count < 0 for cell in cells) != 1 or len(cells) == 1


def test_a_missing_count_that_is_small_is_held_back() -> None:
    labs = np.arange(100.0)[:, None]
    labs[:3] = np.nan
    found = characteristics(cohort_of({}, np.arange(100) % 2, labs=labs))
    assert str(line(found, "labs: crp").missing) == "not shown"
    assert "not shown" in str(found)


def test_records_without_a_label_are_left_out_and_many_labels_make_no_classes() -> None:
    labels = np.array([0, 1, -1] * 20)
    assert characteristics(cohort_of({}, labels)).records == {"all": 40, "negative": 20, "positive": 20}
    several = cohort_of({}, np.ones((30, 2), dtype=int), classes=("a", "b"), task="multilabel")
    found = characteristics(several)
    assert found.classes == ()
    assert list(found.table().columns) == ["", "level", "all", "missing", "SMD"]
