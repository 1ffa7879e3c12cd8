import numpy as np
import pytest

from clinfuse.errors import ConfigError, DataError
from clinfuse.evaluation.compare import compare
from clinfuse.evaluation.crossval import cross_validate
from clinfuse.evaluation.metrics import auroc, calibration_slope
from clinfuse.evaluation.robustness.subsets import robustness
from clinfuse.training.late import LateFusion


@pytest.fixture(scope="module")
def three(cohort_of):
    cohort = cohort_of(200, strengths=(2.0, 1.0, 0.0), missing=0.2)
    return cohort, cross_validate(LateFusion(combine="logit mean"), cohort, folds=3)


def test_every_subset_on_the_same_patients(three):
    cohort, cv = three
    found = robustness(cv, cohort)
    complete, everyone = found.of("complete"), found.of("all")
    assert len(complete) == len(everyone) == 7
    assert {row.kept for row in complete} == {row.kept for row in everyone}
    assert [len(row.kept) for row in everyone] == [3, 2, 2, 2, 1, 1, 1]
    assert {row.counts.records for row in complete} == {int(cohort.present.all(1).sum())}
    assert {row.counts.records for row in everyone} == {200}


def test_a_row_is_the_metric_of_a_cohort_with_modalities_withheld(three):
    cohort, cv = three
    row = next(row for row in robustness(cv, cohort).of("all") if row.withheld == ("m0",))
    one = cv.withheld.select(withheld="m0")
    assert row.auroc.value == pytest.approx(auroc(one.y_true, one.scores, folds=one.fold), abs=1e-12)
    full = cv.predictions
    whole = auroc(full.y_true, full.scores, folds=full.fold)
    assert row.delta.value == pytest.approx(row.auroc.value - whole, abs=1e-12)


def test_a_whole_comparison_is_refused_with_the_line_that_works(cohort_of):
    cohort = cohort_of(60)
    found = compare(cohort, {"late": LateFusion(combine="mean")}, folds=2, best_single="m0")
    with pytest.raises(ConfigError, match=r'ROBUSTNESS_MODEL.*robustness\(result\["late"\], cohort\)'):
        robustness(found, cohort)


def test_a_number_has_the_same_interval_on_every_page(cohort_of):
    cohort = cohort_of(100, missing=0.1)
    found = compare(cohort, {"late": LateFusion(combine="mean")}, folds=2, seed=4, best_single="m0")
    row = next(row for row in found.rows if row.model == "late" and row.metric == "auroc")
    assert robustness(found["late"], cohort).of("all")[0].auroc == row.estimate


def test_losing_the_strongest_costs_most_and_nothing_withheld_costs_nothing(three):
    cohort, cv = three
    found = robustness(cv, cohort)
    assert next(iter(found.without)) == "m0"
    assert next(iter(found.without.values())).high < 0
    assert found.rows[0].delta.value == found.rows[0].delta.low == found.rows[0].delta.high == 0
    table = found.table()
    assert table["withheld"].tolist()[0] == "nothing"
    assert len(table) == 14
    assert "m0" in str(found)


def test_every_subset_has_a_calibration_where_it_is_asked_for(three):
    cohort, cv = three
    found = robustness(cv, cohort, calibration=True)
    one = cv.withheld.select(withheld="m0")
    row = next(row for row in found.of("all") if row.withheld == ("m0",))
    assert row.calibration["calibration_slope"].value == pytest.approx(calibration_slope(one.y_true, one.scores))
    assert row.calibration["calibration_intercept"].low < row.calibration["calibration_intercept"].high
    assert {"slope (95 % CI)", "in the large (95 % CI)"} < set(found.table().columns)
    assert robustness(cv, cohort).rows[0].calibration == {}
    slope = found.of("all")[0].as_dict()["calibration_slope"]
    assert slope["low"] < slope["value"] < slope["high"]


def test_sentences_say_what_the_interval_allows(three):
    cohort, cv = three
    said = robustness(cv, cohort).sentences
    assert len(said) == 3
    assert said[0].startswith("Without m0 the AUROC of LateFusion falls by 0.")
    assert said[0].endswith(f"on the same {int(cohort.present.all(1).sum())} records that have every source.")
    assert "no change of the AUROC of LateFusion is shown" in next(one for one in said if one.startswith("Without m2"))


@pytest.mark.filterwarnings("ignore:.MODALITY_RARE")
def test_too_few_complete_records_give_no_row_of_their_own(cohort_of):
    cohort = cohort_of(60, strengths=(1.0, 1.0), missing=0.0)
    rare = cohort.withhold(np.stack([np.ones(60, bool), np.arange(60) < 8], axis=1))
    found = robustness(cross_validate(LateFusion(combine="mean"), rare, folds=2), rare)
    assert found.of("complete") == ()
    assert len(found.of("all")) == 3
    assert set(found.without) == {"m0", "m1"}


def test_another_cohort_is_refused(three, cohort_of):
    _, cv = three
    with pytest.raises(DataError, match="ROBUSTNESS_COHORT"):
        robustness(cv, cohort_of(30, strengths=(1.0, 1.0, 1.0)))
