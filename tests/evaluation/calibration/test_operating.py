"""Sensitivity at a declared specificity, and what follows at a stated prevalence."""

import numpy as np
import pytest

from clinfuse.errors import DataError
from clinfuse.evaluation.calibration.operating import (
    fold_thresholds,
    held_out_of,
    operating_points,
    operating_table,
)
from clinfuse.evaluation.crossval import cross_validate
from clinfuse.evaluation.metrics import predictive_values
from clinfuse.evaluation.subgroups.subgroups import subgroups
from clinfuse.training.calibrated import Calibrated
from clinfuse.training.unimodal import Unimodal


@pytest.fixture(scope="module")
def crossed(cohort_of):
    cohort = cohort_of(300, missing=0.1)
    return {
        "m0": cross_validate(
            Calibrated(Unimodal("m0"), method="none", threshold_at={"specificity": 0.8}), cohort, folds=2
        ),
        "plain": cross_validate(Unimodal("m0"), cohort, folds=2),
    }


def test_the_table_is_counted_by_hand(crossed):
    (point,) = operating_points(crossed, 0.8, prevalence=0.1)
    cv = crossed["m0"]
    held = cv.predictions.rows(cv.predictions.present[:, 0])
    limits = np.array([cv.classifiers[0, int(fold)].thresholds_["specificity"][0] for fold in held.fold])
    called, event = held.scores >= limits, held.y_true == 1
    sensitivity, specificity = called[event].mean(), (~called)[~event].mean()
    found = point.estimates
    assert found["sensitivity"].value == pytest.approx(sensitivity)
    assert found["specificity"].value == pytest.approx(specificity)
    assert specificity == pytest.approx(0.8, abs=0.1)
    positive, negative = predictive_values(sensitivity, specificity, 0.1)
    assert (found["ppv"].value, found["npv"].value) == pytest.approx((positive, negative))
    odds = point.risk / (1 - point.risk)
    assert found["net_benefit"].value == pytest.approx(0.1 * sensitivity - 0.9 * odds * (1 - specificity))
    assert point.treat_all == pytest.approx(0.1 - 0.9 * odds)
    assert point.confusion == (
        (called & ~event).sum(),
        (~called & ~event).sum(),
        (called & event).sum(),
        (~called & event).sum(),
    )
    table = operating_table((point,))
    assert table["specificity asked"].tolist() == ["0.80"]
    assert table["records"].tolist() == [len(held)]


def test_the_threshold_is_that_of_training_patients_alone(crossed):
    cv = crossed["m0"]
    every = fold_thresholds(cv, 0.8).of(cv.predictions)
    for fold in (0, 1):
        (limit,) = np.unique(every[cv.predictions.fold == fold])
        assert limit == cv.classifiers[0, fold].thresholds_["specificity"][0]
        scores = cv.predictions.scores[(cv.predictions.fold == fold) & (cv.predictions.y_true == 0)]
        assert not np.isin(np.nextafter(limit, -np.inf), scores)


def test_groups_are_called_by_the_same_thresholds(crossed):
    cv = crossed["m0"]
    (point,) = operating_points({"m0": cv}, 0.8)
    held = held_out_of(cv)
    everyone = subgroups(held, cv.cohort, [], threshold=fold_thresholds(cv, 0.8), draws=50).groups[0]
    for name in ("sensitivity", "specificity"):
        assert everyone.estimates[name].value == pytest.approx(point.estimates[name].value)
    fixed = subgroups(held, cv.cohort, [], draws=50).groups[0]
    assert fixed.estimates["specificity"].value != pytest.approx(point.estimates["specificity"].value)


def test_without_a_prevalence_nothing_is_said_that_needs_one(crossed):
    (point,) = operating_points(crossed, 0.8)
    assert set(point.estimates) == {"sensitivity", "specificity"}
    assert "PPV" not in operating_table((point,))
    with pytest.raises(DataError, match="OPERATING_PREVALENCE"):
        operating_points(crossed, 0.8, prevalence=1.0)
