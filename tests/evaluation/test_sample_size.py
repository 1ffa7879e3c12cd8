"""Sample sizes against published examples, and the warning that a cohort is too small for its question."""

from __future__ import annotations

import math
import re

import numpy as np
import pytest
import statsmodels.api as sm
from scipy import stats

from clinfuse.cohort.cohort import Cohort
from clinfuse.cohort.modality import Column, Modality
from clinfuse.errors import ConfigError
from clinfuse.evaluation import sample_size
from clinfuse.evaluation.audit.finding import Audit, Finding
from clinfuse.evaluation.sample_size import candidates, cox_snell, development_size, sized, validation_size

NORMAL = 1.96


def test_the_published_example_of_a_new_model() -> None:
    """G11: Riley et al. 2020, doi:10.1136/bmj.m441, as in `pmsampsize`: 24 parameters, R² 0.288, prevalence 0.174."""
    found = development_size(24, 0.174, r2=0.288, shrinkage=0.9)
    assert (found.by_shrinkage, found.by_optimism, found.by_prevalence) == (623, 662, 221)
    assert (found.patients, found.events) == (662, 116)
    assert str(found) == "662 patients with 116 events for 24 candidate parameters"


@pytest.mark.parametrize(("auroc", "prevalence"), [(0.89, 0.174), (0.81, 0.77), (0.6, 0.4)])
def test_r2_is_that_of_the_simulation_it_replaces(auroc: float, prevalence: float) -> None:
    """Riley, Van Calster and Collins 2021, doi:10.1002/sim.8806: two normal classes, a logistic regression on them."""
    n = 100_000
    labels = (np.arange(n) < prevalence * n).astype(int)
    # Quantiles in place of draws: the simulation without its noise.
    places = [(np.arange(size) + 0.5) / size for size in (labels.sum(), n - labels.sum())]
    scores = np.concatenate(
        [stats.norm.ppf(places[0]) + math.sqrt(2) * stats.norm.ppf(auroc), stats.norm.ppf(places[1])]
    )
    fitted = sm.Logit(labels, sm.add_constant(scores)).fit(disp=0)
    simulated = 1 - math.exp(-2 * (fitted.llf - fitted.llnull) / n)
    assert cox_snell(auroc, prevalence) == pytest.approx(simulated, abs=5e-4)


def test_the_auroc_of_a_validation_as_published() -> None:
    """Riley et al. 2021, doi:10.1002/sim.9025: the authors' program prints 400 and 1025 for these standard errors."""
    for auroc, prevalence, error, patients in ((0.72, 0.45, 0.0255, 400), (0.53, 0.10, 0.03, 1025)):
        found = validation_size(auroc, prevalence, auroc_width=2 * NORMAL * error)
        assert found.by_auroc - 1 <= patients <= found.by_auroc


def test_observed_to_expected_of_a_validation_as_published() -> None:
    """The same: 470 patients at prevalence 0.45 and an error of 0.051 of the logarithm, 865 at 0.10 and 0.102."""
    for prevalence, error, patients in ((0.45, 0.051, 470), (0.10, 0.102, 865)):
        found = validation_size(0.7, prevalence, ratio_width=2 * math.sinh(NORMAL * error))
        assert found.by_ratio - 1 <= patients <= found.by_ratio


def test_the_slope_of_a_validation_as_published() -> None:
    """The same, by draws: 1518 and 1542 for log odds N(0.02, 0.9²) and N(-0.33, 0.9²), an error of 0.072."""
    points, weights = np.polynomial.hermite_e.hermegauss(100)
    for middle, patients in ((0.02, 1518), (-0.33, 1542)):
        found = sample_size._for_slope(middle + 0.9 * points, weights / weights.sum(), error=0.072)
        assert found == pytest.approx(patients, rel=0.003)


def test_more_is_needed_where_more_is_asked_or_less_is_known() -> None:
    base = development_size(20, 0.3, r2=0.2)
    assert development_size(40, 0.3, r2=0.2).patients > base.patients
    assert development_size(20, 0.3, r2=0.1).patients > base.patients
    whole = validation_size(0.75, 0.2)
    assert whole.patients == max(whole.by_ratio, whole.by_slope, whole.by_auroc)
    assert validation_size(0.75, 0.2, slope_width=0.1).by_slope == pytest.approx(4 * whole.by_slope, abs=4)
    assert whole.events == math.ceil(0.2 * whole.patients)


@pytest.mark.parametrize(
    "asked",
    [
        lambda: cox_snell(0.5, 0.3),
        lambda: cox_snell(0.8, 0.0),
        lambda: development_size(0, 0.3, r2=0.1),
        lambda: development_size(10, 1.0, r2=0.1),
        lambda: development_size(10, 0.1, r2=0.6),
        lambda: development_size(10, 0.4, r2=0.5, shrinkage=0.4),
        lambda: validation_size(1.0, 0.3),
        lambda: validation_size(0.8, 0.3, auroc_width=0.0),
    ],
)
def test_numbers_that_cannot_be_are_refused(asked) -> None:
    with pytest.raises(ConfigError, match="SAMPLE_SIZE_VALUE"):
        asked()


def cohort_of(patients: int, columns: int, *, visits: int = 1, classes: tuple[str, ...] = ("no", "yes")) -> Cohort:
    rows = np.arange(patients * visits)
    values = np.random.default_rng(0).normal(size=(len(rows), columns))
    return Cohort.from_arrays(
        {"labs": values},
        labels=rows // visits % len(classes),
        kinds={"labs": "ehr"},
        patient_ids=[f"p{one}" for one in rows // visits],
        classes=classes,
        task="binary" if len(classes) == 2 else "multiclass",
    )


def test_a_category_counts_its_levels_less_one() -> None:
    columns = (Column("crp"), Column("ward", "category", levels=("a", "b", "c")), Column("smoker", "yes/no"))
    table = Modality("labs", "ehr", (3,), columns=columns)
    cohort = Cohort.from_arrays({"labs": np.zeros((4, 3))}, labels=[0, 1, 0, 1], kinds={"labs": table})
    assert candidates(cohort) == {"labs": 4}


def test_what_is_no_table_counts_its_summary_features() -> None:
    cohort = Cohort.from_arrays({"film": np.zeros((4, 16, 16))}, labels=[0, 1, 0, 1], kinds={"film": "xray"})
    assert candidates(cohort) == {"film": len(cohort.features("film").names)}


def test_a_study_that_is_too_small_is_told_how_many_it_needs() -> None:
    found = sized(Audit((), ()), cohort_of(100, 30))
    (warning,) = found.findings
    assert (warning.code, warning.severity) == ("SAMPLE_SMALL", "warning")
    needed = development_size(30, 0.5, r2=cox_snell(0.8, 0.5))
    assert f"100 patients with 50 events are few: {needed} (labs 30)" in warning.text
    assert "AUROC of 0.80 and a prevalence of 50 %" in warning.text
    assert found.checks == 1


def test_a_study_that_is_large_enough_is_only_measured() -> None:
    found = sized(Audit((), ()), cohort_of(700, 2))
    assert found.findings == ()
    assert "700 with 350 events" in found.facts[0][1]


def test_patients_count_and_not_their_visits() -> None:
    assert "100 patients with 50 events" in sized(Audit((), ()), cohort_of(100, 30, visits=8)).findings[0].text


def test_the_warning_stands_after_what_stops_and_before_notes() -> None:
    before = Audit((Finding("LEAK_SUBJECT", "stop", "one"), Finding("SITE_PREVALENCE", "note", "two")), ())
    assert [one.severity for one in sized(before, cohort_of(60, 5)).findings] == ["stop", "warning", "note"]


def test_of_several_classes_nothing_is_said() -> None:
    before = Audit((), ())
    assert sized(before, cohort_of(60, 5, classes=("a", "b", "c"))) is before


def test_what_intervals_of_few_events_were_worth_is_quoted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sample_size, "COVERAGE_60_5", 0.876)
    monkeypatch.setattr(sample_size, "WIDTH_60_5", 0.42)
    said = sized(Audit((), ()), cohort_of(60, 5)).findings[0].text
    assert re.search("held the truth in 88 % and were 0.4 wide", said)


def test_patients_who_have_records_of_both_classes_are_counted_too():
    labels = np.tile([0, 1], 18)
    people = [f"P{k}" for k in np.arange(36) // 2]
    labs = {"labs": np.arange(36.0)[:, None] % 5}
    cohort = Cohort.from_arrays(labs, labels=labels, kinds={"labs": "ehr"}, patient_ids=people)
    (found,) = sized(Audit((), ()), cohort).findings
    assert found.code == "SAMPLE_SMALL"
    assert "18 patients with 18 events" in found.text
    assert "prevalence of 50 %" in found.text
