"""The figures of a run are drawn from the numbers that stand in its tables."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from clinfuse.cohort.cohort import Cohort
from clinfuse.evaluation.compare import Comparison, compare
from clinfuse.report.plates import run as plates
from clinfuse.training.early import EarlyFusion


@pytest.fixture(scope="module")
def comparison() -> Comparison:
    draw, labels = np.random.default_rng(0), np.tile([0, 1, 0], 20)
    arrays = {name: labels[:, None] * 0.8 + draw.normal(size=(60, 2)) for name in ("labs", "signs")}
    kinds = dict.fromkeys(arrays, "ehr")
    cohort = Cohort.from_arrays(arrays, labels=labels, kinds=kinds, classes=("healthy", "pneumonia"))
    return compare(cohort, {"early": EarlyFusion(kind="I", learner="logistic")}, folds=3, best_single="labs")


def test_the_area_below_what_is_drawn_is_the_number_that_is_printed(comparison: Comparison) -> None:
    for name, held, _ in plates._models(comparison):
        curve = plates._curve(plates.roc_curve, held)
        area = float(np.trapezoid(curve.y, curve.x))
        said = comparison.answer.difference.values[0 if name == "early" else 1]
        assert area == pytest.approx(said, abs=1e-12)
        assert plates._value(held, "auroc") == f"{said:.2f}"


def test_the_figures_of_a_binary_study_and_none_left_from_before(comparison: Comparison, tmp_path: Path) -> None:
    (tmp_path / "old-85mm.png").write_bytes(b"")
    found = plates.write_run_plates(comparison, tmp_path, forms=("svg",), threshold=0.5, seed=0)
    names = {"roc", "precision-recall", "calibration", "decision", "confusion", "comparisons"}
    assert {file.name.removesuffix("-85mm.svg").removesuffix("-170mm.svg") for file in found} == names
    assert {file.name for file in tmp_path.iterdir()} == {file.name for file in found}
    assert plates.write_run_plates(comparison, tmp_path, forms=(), threshold=0.5, seed=0) == ()
    assert list(tmp_path.iterdir()) == []
