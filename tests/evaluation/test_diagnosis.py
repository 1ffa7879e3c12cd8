import json
from dataclasses import replace

import numpy as np
import pytest

from clinfuse.cohort.cohort import Cohort
from clinfuse.errors import ConfigError
from clinfuse.evaluation.compare import compare
from clinfuse.evaluation.crossval import cross_validate
from clinfuse.evaluation.diagnosis.diagnose import diagnose, gradient_shares
from clinfuse.evaluation.metrics import auroc
from clinfuse.evaluation.statistics.intervals import Estimate
from clinfuse.training.early import EarlyFusion
from clinfuse.training.joint import JointFusion
from clinfuse.training.late import LateFusion
from clinfuse.training.options import TrainingOptions
from clinfuse.training.unimodal import Unimodal


def exclusive_or(records=300, seed=0):
    """Nothing in either table alone: the label is whether their signs differ."""
    draw = np.random.default_rng(seed)
    first, second = draw.integers(0, 2, size=(2, records))
    arrays = {
        name: (2.0 * bit - 1 + 0.2 * draw.normal(size=records))[:, None]
        for name, bit in (("labs", first), ("signs", second))
    }
    return Cohort.from_arrays(arrays, labels=first ^ second, kinds={"labs": "ehr", "signs": "ehr"})


@pytest.fixture(scope="module")
def either():
    models = {"early": EarlyFusion(kind="I"), "late": LateFusion(combine="logit mean")}
    return compare(exclusive_or(), models, folds=2, best_single="labs")


@pytest.fixture(scope="module")
def additive(cohort_of):
    cohort = cohort_of(200, strengths=(2.0, 1.0, 0.0), missing=0.1)
    models = {"early": EarlyFusion(kind="I", learner="logistic"), "late": LateFusion(combine="logit mean")}
    return compare(cohort, models, folds=3, best_single="m0")


def test_an_interaction_is_found_where_there_is_nothing_else(either):
    found = diagnose(either, "early")
    assert found.interaction.present
    assert found.interaction.whole > 0.75
    assert abs(found.interaction.added - 0.5) < 0.15
    assert "Interaction present in early" in str(found)
    assert all(role.shuffled.low > 0.2 for role in found.roles)


def test_a_model_that_adds_up_is_not_asked_for_an_interaction(either):
    found = diagnose(either, "late")
    assert found.interaction.additive
    assert not found.interaction.present
    assert found.interaction.gain == replace(found.interaction.gain, value=0, low=0, high=0)
    assert "ask early fusion with trees" in found.sentences[-1]


def test_no_interaction_is_found_where_each_modality_speaks_for_itself(cohort_of):
    cohort = cohort_of(300, strengths=(1.0, 1.0), missing=0.0)
    found = diagnose(compare(cohort, {"early": EarlyFusion(kind="I")}, folds=2, best_single="m0"))
    assert not found.interaction.additive
    assert not found.interaction.present
    assert "No interaction found in early, late fusion would do" in found.sentences[-1]


def test_an_interval_too_wide_for_either_says_so(either):
    found = diagnose(either, "early")
    wide = replace(found, interaction=replace(found.interaction, gain=Estimate(0.04, -0.02, 0.10)))
    assert wide.sentences[-1].startswith("Cannot tell whether modalities interact in early")
    narrow = replace(found, interaction=replace(found.interaction, gain=Estimate(0.01, -0.02, 0.05)))
    assert narrow.sentences[-1].startswith("No interaction found in early")


def test_what_is_used_costs_when_it_is_exchanged_and_what_is_useless_does_not(additive):
    roles = {role.modality: role for role in diagnose(additive).roles}
    assert roles["m0"].shuffled.low > 0.05
    assert roles["m0"].shuffled.value > roles["m1"].shuffled.value > roles["m2"].shuffled.value
    assert roles["m2"].shuffled.high < 0.05


def test_a_useless_modality_is_said_to_be_one(cohort_of):
    cohort = cohort_of(200, strengths=(2.0, 0.0), missing=0.0, seed=1)
    found = diagnose(compare(cohort, {"late": LateFusion(combine="logit mean")}, folds=2, best_single="m0"))
    assert found.sentences[0].startswith("late does not beat m0 alone: AUROC 0.")
    assert found.sentences[1].startswith("late gains nothing that can be shown from m1")
    assert "alone it says nothing that can be shown" in found.sentences[1]


class Ignoring:
    """Stands before a classifier and lets one modality into no decision."""

    def __init__(self, classifier, column):
        self.inner, self.column = classifier, column

    def __getattr__(self, name):
        return getattr(self.inner, name)

    def decide(self, encoded, present=None):
        mask = (encoded.present if present is None else present).copy()
        mask[:, self.column] = False
        return self.inner.decide(encoded, mask)


def test_exchanging_an_ignored_modality_costs_exactly_nothing(cohort_of):
    cohort = cohort_of(80, strengths=(1.0, 1.0), missing=0.0)
    result = compare(cohort, {"late": LateFusion(combine="logit mean")}, folds=2, best_single="m0")
    cv = result["late"]
    cv.classifiers = {place: Ignoring(one, 1) for place, one in cv.classifiers.items()}
    blind = cv.withheld.select(withheld="m1")
    cv.predictions = replace(blind, withheld=np.full(len(blind), ""))
    lost = {role.modality: role.shuffled for role in diagnose(result).roles}
    assert (lost["m1"].value, lost["m1"].low, lost["m1"].high) == (0, 0, 0)
    assert lost["m0"].value > 0


def test_the_numbers_are_the_metrics_they_are_called(additive):
    found = diagnose(additive, "early")
    role = next(role for role in found.roles if role.modality == "m1")
    cv, single = additive["early"], additive["m1"].predictions
    has = single.present[:, 1]
    assert role.records == has.sum()
    assert role.alone.value == pytest.approx(auroc(single.y_true[has], single.scores[has], folds=single.fold[has]))
    kept = cv.withheld.select(withheld="m0+m2").rows(has)
    assert role.kept.value == pytest.approx(auroc(kept.y_true, kept.scores, folds=kept.fold))
    assert role.gap.value == pytest.approx(role.alone.value - role.kept.value)
    assert found.difference == additive.differences["early"]


def test_a_modality_that_the_fusion_cannot_read_is_named(additive):
    result = additive
    cv = result["late"]
    held = cv.withheld
    wrong = np.where((held.withheld == "m1+m2")[:, None], -held.logits, held.logits)
    cv.withheld = replace(held, logits=wrong)
    said = diagnose(result, "late").sentences
    cv.withheld = held
    assert any(one.startswith("late reads m0 worse than a model of its own") for one in said)
    assert not any("reads" in one for one in diagnose(result, "late").sentences)


def test_of_several_models_of_a_modality_the_one_with_its_name_is_held_against_the_fusion(cohort_of):
    cohort = cohort_of(60, strengths=(2.0, 1.0))
    names = {"m0 by trees": Unimodal("m0", learner="lightgbm"), "m0": Unimodal("m0", learner="logistic")}
    models = {**names, "late": LateFusion(combine="mean")}
    found = diagnose(compare(cohort, models, folds=2, best_single="m1"), "late")
    alone = {role.modality: role.alone.value for role in found.roles}
    compared = compare(cohort, models, folds=2, best_single="m1")
    values = {row.model: row.value for row in compared.rows if row.metric == "auroc"}
    assert values["m0"] != values["m0 by trees"]
    assert alone["m0"] == values["m0"]


def test_a_diagnosis_is_json_and_the_same_again(additive):
    first, second = (json.dumps(diagnose(additive).as_dict(), allow_nan=False) for _ in range(2))
    assert first == second
    assert len(diagnose(additive).table()) == 3


def test_a_single_modality_has_nothing_to_diagnose(additive):
    with pytest.raises(ConfigError, match="DIAGNOSE_SINGLE"):
        diagnose(additive, "m0")
    with pytest.raises(ConfigError, match="MODEL_UNKNOWN"):
        diagnose(additive, "nobody")


def test_the_gradient_of_every_encoder_is_recorded_and_shared_out():
    cohort = exclusive_or(40)
    cv = cross_validate(JointFusion(options=TrainingOptions(epochs=2)), cohort, folds=2)
    shares = gradient_shares(cv)
    assert set(shares) == {"labs", "signs"}
    assert sum(shares.values()) == pytest.approx(1)
    assert all(share > 0 for share in shares.values())
    assert gradient_shares(cross_validate(LateFusion(combine="mean"), cohort, folds=2)) == {}


@pytest.mark.filterwarnings("ignore:.MODALITY_RARE")
def test_a_modality_hardly_anybody_has_is_left_out(cohort_of):
    cohort = cohort_of(60, strengths=(1.0, 1.0, 1.0), missing=0.0)
    rare = np.ones((60, 3), bool)
    rare[:, 2] = np.isin(np.arange(60), [0, 1, 2, 3, 5, 6, 7])
    result = compare(cohort.withhold(rare), {"late": LateFusion(combine="mean")}, folds=2, best_single="m0")
    assert [role.modality for role in diagnose(result).roles] == ["m0", "m1"]
