import numpy as np
import pytest

from clinfuse.cohort.cohort import Cohort
from clinfuse.errors import ConfigError, StorageError
from clinfuse.evaluation.compare import compare
from clinfuse.evaluation.crossval import cross_validate
from clinfuse.evaluation.metrics import auroc
from clinfuse.evaluation.robustness.cost import sweep_cost
from clinfuse.evaluation.robustness.regret import plan_regret, regret
from clinfuse.training.early import EarlyFusion
from clinfuse.training.late import LateFusion
from clinfuse.training.options import TrainingOptions


@pytest.fixture(scope="module")
def compared(cohort_of):
    cohort = cohort_of(150, strengths=(1.5, 1.0, 0.5), missing=0.15)
    early = EarlyFusion(kind="I", learner="logistic", options=TrainingOptions(hide=0.0))
    models = {"early": early, "late": LateFusion(combine="logit mean")}
    return cohort, models, compare(cohort, models, folds=3, best_single="m0", seed=2).models


def test_regret_is_the_dedicated_model_minus_the_fusion_left_with_as_much(compared, tmp_path):
    cohort, models, crossed = compared
    done = []
    found = regret(crossed, models["early"], model="early", results=tmp_path, progress=lambda *said: done.append(said))
    assert [row.kept for row in found.rows][:3] == [("m0", "m1"), ("m0", "m2"), ("m1", "m2")]
    assert len(found.rows) == len(done) == 6
    row = found.rows[0]
    own = cross_validate(models["early"], cohort.without("m2"), folds=3, seed=2).predictions
    fusion = crossed["early"].withheld.select(withheld="m2")
    dedicated = auroc(own.y_true, own.scores, folds=own.fold)
    assert row.dedicated.value == pytest.approx(dedicated, abs=1e-12)
    assert row.regret.value == pytest.approx(dedicated - auroc(fusion.y_true, fusion.scores, folds=fusion.fold))
    assert row.regret.low <= row.regret.value <= row.regret.high
    assert row.counts.records == 150
    single = crossed["m0"].predictions
    assert found.rows[3].dedicated.value == pytest.approx(auroc(single.y_true, single.scores, folds=single.fold))
    again = regret(crossed, models["early"], model="early", results=tmp_path)
    assert again.as_dict() == found.as_dict()
    other = EarlyFusion(kind="I", learner="logistic", options=TrainingOptions(hide=0.5))
    with pytest.raises(StorageError, match="TASK_FOREIGN"):
        regret(crossed, other, model="early", results=tmp_path)
    assert regret(crossed, other, model="early", results=tmp_path, redo=True).as_dict() != found.as_dict()
    assert len(found.table()) == 6


def test_late_fusion_left_with_one_modality_regrets_nothing(compared):
    _, models, crossed = compared
    found = regret(crossed, models["late"], model="late")
    for row in found.rows[3:]:
        assert row.regret.value == pytest.approx(0, abs=1e-9)
    assert "gives something away" in found.sentence or "gives away" in found.sentence


def test_a_regret_is_planned_before_it_is_paid_for(compared):
    _, models, crossed = compared
    plan = plan_regret(crossed["early"], models["early"])
    assert (plan.sets, plan.fits) == (3, 9)
    assert plan.seconds > 0


def test_what_is_no_fusion_is_refused(compared):
    _, models, crossed = compared
    with pytest.raises(ConfigError, match="ROBUSTNESS_MODEL"):
        regret(crossed, models["late"], model="m0")


def test_a_sweep_encodes_once_and_decides_for_every_subset(monkeypatch):
    labels = np.tile([0, 1], 20)
    names = ("m0", "m1", "m2")
    cohort = Cohort.from_arrays(
        dict.fromkeys(names, labels[:, None] + 0.1), labels=labels, kinds=dict.fromkeys(names, "ehr")
    )
    fitted = LateFusion(combine="mean").fit(cohort)
    asked = {"encode": 0, "decide": 0}
    for name in asked:
        method = getattr(type(fitted), name)

        def counting(self, *given, _name=name, _method=method):
            asked[_name] += 1
            return _method(self, *given)

        monkeypatch.setattr(LateFusion, name, counting, raising=False)
    found = sweep_cost(fitted, cohort, rounds=2)
    assert asked == {"encode": 3 + 3, "decide": 3 + 3 * 7}
    assert found.subsets == 7
    assert found.passes > 0
    assert "7 subsets for" in str(found)
