"""Prediction sets: their rank, their coverage, and who is shown."""

import sys

import numpy as np
import pytest

from clinfuse.cohort.cohort import Cohort
from clinfuse.errors import ConfigError, DataError
from clinfuse.evaluation.calibration import conformal
from clinfuse.evaluation.calibration.conformal import conformal_rank, conformal_sets, label_sets
from clinfuse.evaluation.crossval import cross_validate
from clinfuse.training.calibrated import Calibrated
from clinfuse.training.calibration import Unseen
from clinfuse.training.unimodal import Unimodal

pytest.importorskip("mapie")


@pytest.mark.parametrize(
    ("n", "level", "rank"), [(9, 0.9, 9), (19, 0.9, 18), (99, 0.9, 90), (100, 0.95, 96), (8, 0.9, np.inf)]
)
def test_the_rank_is_that_of_the_formula(n, level, rank):
    """G13: by the formula, ceil((n + 1)(1 - a)); 8 patients are too few for 90 %."""
    assert conformal_rank(n, level) == rank


@pytest.mark.parametrize("n", [11, 19, 99])
def test_mapie_bounds_the_sets_by_the_score_of_that_rank(n):
    draw = np.random.default_rng(n)
    p = draw.random(n)
    labels = (draw.random(n) < p).astype(int)
    logits = np.stack([np.zeros(n), np.log(p / (1 - p))], 1)
    learned = Unseen(logits, labels, np.arange(n), np.ones((n, 1), bool), np.zeros(n, int))
    asked = draw.random((50, 1)) * [[-1, 1]] + [[1, 0]]
    found = conformal._sets(conformal._mapie(), learned, asked, 0.9)
    bound = np.sort(1 - np.where(labels == 1, p, 1 - p))[int(conformal_rank(n, 0.9)) - 1]
    assert np.array_equal(found, 1 - asked <= bound + 1e-12)


@pytest.fixture(scope="module")
def crossed(cohort_of):
    return cross_validate(Calibrated(Unimodal("m0"), method="none"), cohort_of(400, missing=0.1, visits=2), folds=2)


def test_sets_hold_the_truth_about_as_often_as_asked(crossed):
    found = conformal_sets(crossed, 0.8)
    total = found.coverage[0]
    assert total.group == "all"
    assert total.covered[0].value == pytest.approx(0.8, abs=0.06)
    held = found.predictions
    inside = found.sets[np.arange(len(held)), held.y_true]
    assert total.covered[0].value == pytest.approx(inside.mean())
    assert {one.name for one in found.coverage if one.group == "class"} == set(held.classes)
    table = found.table()
    assert list(table) == ["record", "repeat", "fold", "set"]
    assert table["record"].str.startswith("R-").all()
    assert np.array_equal(conformal_sets(crossed, 0.8).sets, found.sets)


def test_every_label_has_sets_learned_from_who_is_known(cohort_of):
    draw = np.random.default_rng(0)
    truth = draw.integers(0, 2, (160, 2))
    inputs = truth[:, :1] * 2.0 + draw.normal(size=(160, 1))
    truth[::5, 1] = -1
    cohort = Cohort.from_arrays(
        {"m0": inputs}, labels=truth, kinds={"m0": "ehr"}, classes=("a", "b"), task="multilabel"
    )
    cv = cross_validate(Calibrated(Unimodal("m0"), method="none"), cohort, folds=2)
    first, second = label_sets(cv, 0.8)
    assert (first.label, first.predictions.classes) == ("a", ("not a", "a"))
    assert first.coverage[0].covered[0].value == pytest.approx(0.8, abs=0.1)
    assert [one.records for one in (first.coverage[0], second.coverage[0])] == [160, 128]
    # The inputs know one label only: of the other, nearly every set has to hold both.
    assert first.coverage[0].size < 1.3 < second.coverage[0].size
    assert list(second.table()) == ["record", "repeat", "fold", "label", "set"]
    with pytest.raises(ConfigError, match="CONFORMAL_MODEL"):
        conformal_sets(cv, 0.8)


def test_small_groups_are_not_shown(crossed):
    held = crossed.predictions
    few = held.present[:, 1] == 0
    found = conformal._coverage(held.rows(np.flatnonzero(few)[:12]), np.ones((12, 2), bool))
    assert all(one.covered == () for one in found)


def test_what_cannot_be_done_is_refused(crossed, cohort_of, monkeypatch):
    with pytest.raises(DataError, match="CONFORMAL_FEW"):
        conformal_sets(crossed, 0.999)
    with pytest.raises(ConfigError, match="CONFORMAL_MODEL"):
        conformal_sets(crossed, 1.0)
    with pytest.raises(ConfigError, match="CONFORMAL_MODEL"):
        conformal_sets(cross_validate(Unimodal("m0"), cohort_of(40), folds=2))
    with pytest.raises(ConfigError, match="CONFORMAL_MODEL"):
        label_sets(crossed, 0.8)
    monkeypatch.setitem(sys.modules, "mapie.classification", None)
    with pytest.raises(ConfigError, match=r"CONFORMAL_EXTRA.*clinfuse\[conformal\]"):
        conformal_sets(crossed, 0.8)
