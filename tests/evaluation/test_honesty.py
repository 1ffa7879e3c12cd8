"""Where nothing can be known, nothing may be found; where the best possible is known, it stands beside the result."""

import inspect
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from sklearn.neighbors import KNeighborsClassifier

from clinfuse.cohort.cohort import Cohort
from clinfuse.evaluation.compare import compare
from clinfuse.evaluation.crossval import cross_validate
from clinfuse.evaluation.scores import predicted_statistic
from clinfuse.evaluation.statistics.intervals import bootstrap
from clinfuse.synthetic.make import make_cohort
from clinfuse.synthetic.truth import read_truth
from clinfuse.training.late import LateFusion
from clinfuse.training.unimodal import Unimodal


def area(predictions, seed=0):
    return bootstrap(predictions.y_true, predictions.patient, predicted_statistic(predictions, "auroc"), seed=seed)


def test_a_learner_that_knows_patients_by_heart_gains_nothing_by_it():
    """G44: five records of each patient, labels at random by patient; who divides by record finds them.

    Saeb et al. 2017, doi:10.1093/gigascience/gix019.
    """
    draw = np.random.default_rng(0)
    people = np.repeat(np.arange(100), 5)
    labels = np.repeat(draw.permutation(np.arange(100) % 2), 5)
    values = draw.normal(size=(100, 3))[people] + 0.01 * draw.normal(size=(500, 3))
    cohort = Cohort.from_arrays(
        {"labs": values}, labels=labels, kinds={"labs": "ehr"}, patient_ids=[f"p{one}" for one in people]
    )
    model = Unimodal("labs", learner=KNeighborsClassifier(1))
    found = area(cross_validate(model, cohort, folds=5).predictions)
    assert found.low < 0.5 < found.high
    as_if_people = Cohort.from_arrays({"labs": values}, labels=labels, kinds={"labs": "ehr"})
    assert area(cross_validate(model, as_if_people, folds=5).predictions).value > 0.95


def test_permuted_labels_are_not_predicted(cohort_of):
    """G47: labels at random, the whole pipeline, 12 cohorts: Ojala and Garriga 2010, doi:10.1109/ICDM.2009.108.

    95 % intervals, so that more than 3 of 12 misses have a chance of 2 in 1,000.
    """
    missed = 0
    for seed in range(12):
        cohort = cohort_of(100, strengths=(0.0, 0.0), seed=seed)
        found = area(cross_validate(LateFusion(combine="mean"), cohort, folds=3, seed=seed).predictions, seed)
        missed += not found.low <= 0.5 <= found.high
    assert missed <= 3


@pytest.mark.slow
def test_the_best_possible_stands_beside_what_was_reached(tmp_path):
    cohort = make_cohort("small", records=60, out=tmp_path / "cohort")
    only = cohort.without("ct", "xray", "eeg")
    found = compare(only, {"again": Unimodal("labs")}, folds=2, best_single="labs", primary="again")
    row = next(row for row in found.rows if row.metric == "auroc" and row.model == "labs")
    here = cohort.present[:, cohort.names.index("labs")]
    assert row.ceiling == pytest.approx(read_truth(tmp_path / "cohort").ceiling_of(cohort[here], ["labs"]))
    assert 0.5 < row.oracle <= 1
    assert "best possible" in found.table().columns


def study(results, **running):
    draw, labels = np.random.default_rng(0), np.tile([0, 1], 30)
    arrays = {name: labels[:, None] + draw.normal(size=(60, 1)) for name in ("labs", "signs")}
    cohort = Cohort.from_arrays(arrays, labels=labels, kinds={"labs": "ehr", "signs": "ehr"})
    compare(cohort, {"late": LateFusion()}, folds=4, results=results, best_single="labs", **running)


SCRIPT = f"""
import numpy as np
from clinfuse.cohort.cohort import Cohort
from clinfuse.evaluation.compare import compare
from clinfuse.training.late import LateFusion
{inspect.getsource(study)}
"""


@pytest.mark.slow
def test_a_killed_process_loses_at_most_the_task_it_was_at(tmp_path):
    root = Path(__file__).parents[2]

    called = f"{SCRIPT}\nstudy({str(tmp_path / 'killed')!r}, progress=lambda *said: print(said[0], flush=True))"
    process = subprocess.Popen([sys.executable, "-c", called], cwd=root, stdout=subprocess.PIPE, text=True)
    with process:
        for line in process.stdout:
            if int(line) == 4:
                break
        process.kill()
    kept = {path: path.stat().st_mtime_ns for path in (tmp_path / "killed").rglob("DONE")}
    assert len(kept) >= 4
    study(tmp_path / "whole")
    study(tmp_path / "killed")
    assert all(path.stat().st_mtime_ns == when for path, when in kept.items())

    def content(folder):
        return {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}

    assert content(tmp_path / "killed") == content(tmp_path / "whole")
