"""Two modalities whose labels only the pair of them tells (methods.md G45): late fusion cannot, early and joint can."""

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from clinfuse.cohort.cohort import Cohort
from clinfuse.training.early import EarlyFusion
from clinfuse.training.joint import JointFusion
from clinfuse.training.late import LateFusion
from clinfuse.training.options import TrainingOptions


def exclusive(n, seed, prefix):
    """The finding is there where exactly one of two signs is."""
    rng = np.random.default_rng(seed)
    signs = rng.integers(0, 2, (n, 2))
    arrays = {name: rng.standard_normal((n, 3)) for name in ("labs", "signs")}
    for array, sign in zip(arrays.values(), signs.T, strict=True):
        array[:, 0] += 6 * sign - 3
    ids = [f"{prefix}{k:04d}" for k in range(n)]
    kinds = dict.fromkeys(arrays, "ehr")
    return Cohort.from_arrays(arrays, labels=signs[:, 0] ^ signs[:, 1], kinds=kinds, record_ids=ids, patient_ids=ids)


def auroc(model, records=800):
    fresh = exclusive(2000, 1, "F")
    return roc_auc_score(fresh.labels, model.fit(exclusive(records, 0, "R")).predict_proba(fresh)[:, 1])


@pytest.mark.parametrize("combine", ["stacked", "evidence", "stacked by pattern"])
def test_late_fusion_is_no_better_than_chance(combine):
    assert auroc(LateFusion(combine=combine, inner_folds=2)) == pytest.approx(0.5, abs=0.06)


def test_trees_on_features_of_both_find_it():
    assert auroc(EarlyFusion(kind="I")) >= 0.95


@pytest.mark.slow
def test_a_joint_network_with_a_hidden_layer_finds_it():
    options = TrainingOptions(epochs=15)
    assert auroc(JointFusion(combine="concat-mlp", options=options), records=400) >= 0.99
