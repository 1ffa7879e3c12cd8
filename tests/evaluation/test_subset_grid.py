"""What every fusion reaches with every set of modalities."""

import numpy as np
import pytest

from clinfuse.cohort.cohort import Cohort
from clinfuse.evaluation.compare import compare
from clinfuse.evaluation.robustness.grid import subset_grid
from clinfuse.evaluation.robustness.subsets import robustness
from clinfuse.training.early import EarlyFusion
from clinfuse.training.late import LateFusion


@pytest.fixture(scope="module")
def comparison():
    draw, labels = np.random.default_rng(0), np.tile([0, 1, 0], 30)
    arrays = {name: labels[:, None] * 0.8 + draw.normal(size=(90, 2)) for name in ("labs", "signs")}
    present = np.ones((90, 2), dtype=bool)
    present[:20, 1] = False
    cohort = Cohort.from_arrays(arrays, labels=labels, kinds=dict.fromkeys(arrays, "ehr"), present=present)
    models = {"early": EarlyFusion(kind="I", learner="logistic"), "late": LateFusion(combine="mean")}
    return compare(cohort, models, folds=3, best_single="labs")


def test_every_cell_is_the_number_of_the_robustness_study(comparison):
    grid = subset_grid(comparison.models)
    assert grid.kept == (("labs", "signs"), ("labs",), ("signs",))
    assert (grid.models, grid.records) == (("early", "late"), 70)
    for column, name in enumerate(grid.models):
        rows = robustness(comparison[name], comparison.cohort).of("complete")
        assert {row.kept: row.auroc.value for row in rows} == dict(zip(grid.kept, grid.values[:, column], strict=True))
    assert grid.table()["sources kept"].tolist() == ["labs + signs", "labs", "signs"]


def test_single_modalities_and_few_complete_records_have_no_grid(comparison):
    singles = {name: one for name, one in comparison.models.items() if not one.multimodal}
    assert subset_grid(singles).kept == ()
    draw, labels = np.random.default_rng(0), np.tile([0, 1], 15)
    arrays = {name: labels[:, None] + draw.normal(size=(30, 1)) for name in ("labs", "signs")}
    present = np.ones((30, 2), dtype=bool)
    present[12:, 1] = False
    cohort = Cohort.from_arrays(arrays, labels=labels, kinds=dict.fromkeys(arrays, "ehr"), present=present)
    few = compare(cohort, {"late": LateFusion(combine="mean")}, folds=3, best_single="labs")
    assert subset_grid(few.models).kept == ()
