import numpy as np
import pytest

from clinfuse.cohort.cohort import Cohort
from clinfuse.evaluation.calibration.before_after import (
    PREDICTED,
    RECALIBRATED,
    WEIGHED,
    calibration_forms,
    uncorrected,
)
from clinfuse.evaluation.compare import compare
from clinfuse.evaluation.crossval import cross_validate
from clinfuse.evaluation.metrics import calibration_intercept, calibration_slope
from clinfuse.training.joint import JointFusion
from clinfuse.training.late import LateFusion
from clinfuse.training.options import TrainingOptions
from clinfuse.training.unimodal import Unimodal


def rare(records=150, seed=0):
    """One record in ten has the finding."""
    draw = np.random.default_rng(seed)
    labels = (np.arange(records) % 10 == 0).astype(int)
    arrays = {name: 1.2 * labels[:, None] + draw.normal(size=(records, 1)) for name in ("labs", "signs")}
    present = draw.random((records, 2)) < 0.9
    return Cohort.from_arrays(arrays, labels=labels, present=present, kinds=dict.fromkeys(arrays, "ehr"))


@pytest.mark.parametrize("weighing", ["balanced", "sampled"])
@pytest.mark.parametrize(
    "model",
    [lambda options: JointFusion(options=options), lambda options: Unimodal("labs", encoder="mlp", options=options)],
)
def test_what_the_correction_undoes_can_be_seen(weighing, model):
    cv = cross_validate(model(TrainingOptions(epochs=3, class_weight=weighing)), rare(), folds=2)
    raw, forms = uncorrected(cv), calibration_forms(cv)
    assert list(forms) == [WEIGHED, PREDICTED, RECALIBRATED]
    usable = raw.present[:, [raw.modalities.index(name) for name in cv.modalities]].any(1)
    expected = sum(added[1] - added[0] for added in cv.weighing.values()) / 2
    assert (cv.predictions.scores - raw.scores)[usable].mean() == pytest.approx(expected, abs=0.05)
    np.testing.assert_array_equal(raw.logits[~usable], cv.predictions.logits[~usable])
    before, after = (one.probabilities[usable, 1].mean() for one in (raw, cv.predictions))
    assert before > after + 0.1
    assert abs(after - 0.1) < abs(before - 0.1)


def test_the_table_says_so_for_every_model():
    options = TrainingOptions(epochs=2, class_weight="balanced")
    models = {"joint": JointFusion(options=options), "late": LateFusion(combine="mean")}
    result = compare(rare(), models, folds=2, best_single="labs")
    table = result.calibration_table().set_index(["model", "probabilities"])
    assert [form for name, form in table.index if name == "joint"] == [WEIGHED, PREDICTED, RECALIBRATED]
    assert [form for name, form in table.index if name == "late"] == [PREDICTED, RECALIBRATED]
    one = result["late"].predictions
    found = calibration_slope(one.y_true, one.scores), calibration_intercept(one.y_true, one.scores)
    row = table.loc[("late", PREDICTED)]
    assert (row["slope"], row["in the large"]) == (f"{found[0]:.2f}", f"{found[1]:.2f}")
    assert float(table.loc[("joint", WEIGHED)]["Brier"]) > float(table.loc[("joint", PREDICTED)]["Brier"])
    assert float(table.loc[("joint", WEIGHED)]["in the large"]) < -0.5
