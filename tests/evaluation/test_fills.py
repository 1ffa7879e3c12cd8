import pytest

from clinfuse.errors import ConfigError
from clinfuse.evaluation.crossval import cross_validate
from clinfuse.evaluation.robustness.fills import fill_rates
from clinfuse.evaluation.robustness.rates import drop_rates
from clinfuse.fusion.missing import fill_names
from clinfuse.training.early import EarlyFusion
from clinfuse.training.joint import JointFusion
from clinfuse.training.options import TrainingOptions
from clinfuse.training.unimodal import Unimodal


@pytest.fixture(scope="module")
def filled(cohort_of):
    cohort = cohort_of(100, strengths=(1.5, 1.0), missing=0.15)
    estimator = EarlyFusion(kind="I", learner="logistic")
    return cohort, estimator, fill_rates(estimator, cohort, rates=(0.0, 0.5), folds=2, seed=1)


def test_every_fill_there_is_has_a_line_and_every_rate_a_column(filled):
    _, _, found = filled
    table = found.table()
    assert table["fill"].tolist() == ["skip", *fill_names()]
    assert {"0 %", "50 %", "mean", "minus skip at 50 %"} < set(table.columns)
    assert table["minus skip at 50 %"][0] == ""


def test_a_line_is_the_curve_of_a_model_with_this_fill(filled):
    cohort, estimator, found = filled
    with_mean = EarlyFusion(kind="I", learner="logistic", fill="mean")
    alone = drop_rates({"mean": cross_validate(with_mean, cohort, folds=2, seed=1)}, rates=(0.0, 0.5), seed=1)
    line = next(curve for curve in found.curves if curve.model == "mean")
    for mine, other in zip(line.points, alone.of()[0].points, strict=True):
        assert mine.expected.value == pytest.approx(other.expected.value, abs=1e-12)
    assert estimator.fill == "skip"


def test_fills_differ_where_something_is_missing(filled):
    _, _, found = filled
    values = {round(curve.points[1].expected.value, 6) for curve in found.curves}
    assert len(values) > 1
    assert found.as_dict()["baseline"] == "skip"


def test_a_classifier_that_takes_no_fill_is_refused(filled):
    with pytest.raises(ConfigError, match="FILL_NONE"):
        fill_rates(Unimodal("m0"), filled[0])


def test_a_network_is_tried_with_the_fills_it_learns_itself(filled):
    joint = JointFusion(options=TrainingOptions(epochs=1, batch_size=32))
    found = fill_rates(joint, filled[0], folds=2, rates=(0.0, 0.5))
    assert [curve.model for curve in found.curves] == ["skip", "generator", "token"]
