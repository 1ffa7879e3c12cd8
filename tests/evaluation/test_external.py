"""A frozen model in a second cohort: asked only where it may be, unchanged, and honest about what moved."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import special

from clinfuse.cohort.cohort import Cohort
from clinfuse.cohort.modality import Column, Modality
from clinfuse.errors import ConfigError, DataError
from clinfuse.evaluation.crossval import CrossValidation, cross_validate
from clinfuse.evaluation.external.case_mix import case_mix
from clinfuse.evaluation.external.frozen import frozen
from clinfuse.evaluation.external.recalibration import Recalibration, cross_fitted, learned
from clinfuse.evaluation.external.validate import validate_externally
from clinfuse.training.early import EarlyFusion
from clinfuse.training.late import LateFusion
from clinfuse.training.store import train_final

DRAWS = 200


def clinic(
    seed: int,
    *,
    records: int = 300,
    gain: float = 1.0,
    offset: float = 0.0,
    prevalence: float = 0.5,
    prefix: str = "",
    visits: int = 1,
    unit: str = "mg/L",
) -> Cohort:
    """Two tables of one column; another clinic's devices multiply and shift them, and more or fewer are ill."""
    draw = np.random.default_rng(seed)
    labels = (np.arange(records) // visits % 100 < 100 * prevalence).astype(int)
    kinds = {
        "labs": Modality("labs", "ehr", (1,), columns=(Column("crp", unit=unit),)),
        "signs": Modality("signs", "ehr", (1,), columns=(Column("pulse"),)),
    }
    arrays = {name: gain * (1.2 * labels + draw.normal(size=records))[:, None] + offset for name in kinds}
    return Cohort.from_arrays(
        arrays,
        labels=labels,
        kinds=kinds,
        patient_ids=[f"{prefix}{one // visits}" for one in range(records)],
        attributes=pd.DataFrame({"age": 50 + 5 * draw.normal(size=records) + 20 * seed}),
    )


def fusion() -> EarlyFusion:
    return EarlyFusion(kind="I", learner="logistic")


@pytest.fixture(scope="module")
def inside() -> CrossValidation:
    return cross_validate(fusion(), clinic(0), folds=3)


def test_a_second_clinic_of_the_same_kind_gives_the_same_numbers(inside: CrossValidation) -> None:
    found = validate_externally(inside, clinic(1, prefix="b"), draws=DRAWS)
    near, far = found.estimates["internal"], found.estimates["external"]
    assert far["auroc"].low < near["auroc"].value < far["auroc"].high
    assert far["calibration_slope"].low < 1 < far["calibration_slope"].high
    assert far["observed_expected"].low < 1 < far["observed_expected"].high
    assert (found.averaged, found.shared, found.compared) == (3, 0, True)
    assert "models of 3 folds were averaged" in str(found)


def test_devices_that_read_high_spoil_calibration_and_recalibration_restores_it(inside: CrossValidation) -> None:
    found = validate_externally(inside, clinic(1, prefix="b", records=600, gain=2.0, offset=1.0), draws=DRAWS)
    before = found.estimates["external"]
    shifted = found.estimates["external, intercept refitted"]
    moved = found.estimates["external, intercept and slope refitted"]
    assert before["calibration_slope"].high < 0.8
    assert before["observed_expected"].high < 1
    assert shifted["calibration_slope"].high < 0.8
    assert shifted["observed_expected"].value == pytest.approx(1, abs=0.02)
    assert moved["calibration_slope"].value == pytest.approx(1, abs=0.05)
    assert moved["calibration_intercept"].value == pytest.approx(0, abs=0.05)
    assert moved["brier"].value < shifted["brier"].value < before["brier"].value
    steps = {one.form: one for one in found.recalibrations}
    assert steps["intercept"].slope == 1
    assert steps["intercept and slope"].slope == pytest.approx(before["calibration_slope"].value, abs=1e-6)
    table = found.table().set_index("metric")
    assert table.loc["calibration slope", "external"] == str(before["calibration_slope"])
    assert table.loc["AUROC", "external, intercept refitted"] == ""
    assert table.loc["records", "internal"] == "300"


def test_fewer_ill_people_are_a_matter_of_the_intercept(inside: CrossValidation) -> None:
    found = validate_externally(inside, clinic(2, prefix="b", records=600, prevalence=0.2), draws=DRAWS)
    assert found.estimates["external"]["observed_expected"].high < 1
    assert (
        found.estimates["external"]["calibration_slope"].low < 1 < found.estimates["external"]["calibration_slope"].high
    )
    assert found.recalibrations[0].intercept < -0.5


def test_a_stored_model_is_asked_as_it_is(tmp_path: Path, inside: CrossValidation) -> None:
    far = clinic(1, prefix="b")
    model = train_final(fusion(), clinic(0), tmp_path / "model")
    found = validate_externally(tmp_path / "model", far, draws=DRAWS)
    order = np.argsort(far.record_ids.astype(str), kind="stable")
    assert np.array_equal(found.predictions.probabilities, model.predict_proba(far)[order])
    assert (found.averaged, found.compared, found.case_mix) == (1, False, ())
    assert "could not be looked up" in str(found)
    beside = validate_externally(model, far, internal=inside, draws=DRAWS)
    assert set(beside.counts) == {"internal", "external"}
    assert beside.estimates["external"] == found.estimates["external"]


def test_several_models_answer_by_the_mean_of_their_logits(inside: CrossValidation) -> None:
    far = clinic(1, prefix="b")
    ordered = far.sorted_by_id()
    wanted = np.mean([one.decide(one.encode(ordered)) for one in inside.classifiers.values()], axis=0)
    assert np.array_equal(frozen(inside).predictions(ordered).logits, wanted)


def test_patients_of_both_cohorts_are_refused_left_out_or_declared_others(inside: CrossValidation) -> None:
    both = clinic(1, records=320, visits=2)
    with pytest.raises(DataError, match="EXTERNAL_SHARED") as refused:
        validate_externally(inside, both, draws=DRAWS)
    assert "160 patients" in refused.value.found
    some = Cohort.from_arrays(
        {name: both.arrays(name) for name in both.names},
        labels=both.labels,
        kinds={one.name: one for one in both.modalities},
        patient_ids=[one if int(one) < 40 else f"b{one}" for one in both.patient_ids],
    )
    found = validate_externally(inside, some, shared="leave out", draws=DRAWS)
    assert (found.shared, found.counts["external"].patients, found.counts["external"].records) == (40, 120, 240)
    assert "40 patients are in both cohorts and were left out" in str(found)
    others = validate_externally(inside, both, shared="other people", draws=DRAWS)
    assert (others.shared, others.counts["external"].patients) == (0, 160)


def test_what_the_model_did_not_learn_is_refused(inside: CrossValidation) -> None:
    far = clinic(1, prefix="b")
    with pytest.raises(DataError, match="MODALITY_CHANGED"):
        validate_externally(inside, clinic(1, prefix="b", unit="mg/dL"))
    with pytest.raises(DataError, match="EXTERNAL_MODALITY") as refused:
        validate_externally(inside, far.without("signs"))
    assert "absent=('signs',)" in refused.value.remedy
    accepted = validate_externally(inside, far.without("signs"), absent=("signs",), draws=DRAWS)
    assert accepted.estimates["external"]["auroc"].value < 0.9
    with pytest.raises(DataError, match="EXTERNAL_LABELS"):
        validate_externally(inside, far[np.flatnonzero(far.labels == 1)])
    turned = Cohort.from_arrays(
        {name: far.arrays(name) for name in far.names},
        labels=1 - far.labels,
        kinds={one.name: one for one in far.modalities},
        classes=("positive", "negative"),
    )
    with pytest.raises(DataError, match="EXTERNAL_CLASSES"):
        validate_externally(inside, turned)


@pytest.mark.parametrize("model", [LateFusion(), 3])
def test_only_a_finished_model_can_be_asked(model) -> None:
    with pytest.raises(ConfigError, match="EXTERNAL_MODEL"):
        frozen(model)


def test_the_order_of_records_changes_nothing(inside: CrossValidation) -> None:
    far = clinic(1, prefix="b", records=120)
    turned = far[np.arange(len(far))[::-1]]
    one, other = (validate_externally(inside, cohort, draws=100) for cohort in (far, turned))
    assert one.estimates == other.estimates
    assert one.recalibrations == other.recalibrations


def test_nobody_is_recalibrated_by_a_line_that_knows_him(predictions_of) -> None:
    labels = np.arange(80) // 2 % 2
    scores = 2.0 * labels - 1 + np.random.default_rng(0).normal(size=80)
    people = np.array([f"P-{one // 2}" for one in range(80)])
    held = predictions_of(labels, scores, patients=people)
    (before,) = cross_fitted(held, "intercept and slope", folds=4, seed=0)
    changed = labels.copy()
    changed[:2] = 1 - changed[:2]
    (after,) = cross_fitted(predictions_of(changed, scores, patients=people), "intercept and slope", folds=4, seed=0)
    moved = before.scores != after.scores
    if np.array_equal(before.fold, after.fold):
        assert moved[2:].any()
    line = learned(held, "intercept and slope")[0]
    assert isinstance(line, Recalibration)


def test_a_line_refitted_to_many_is_the_one_that_was_planted(predictions_of) -> None:
    """log odds = -1 + 0.5 x: Steyerberg et al. 2004, doi:10.1002/sim.1844, method 2 must find both numbers."""
    draw = np.random.default_rng(3)
    scores = draw.normal(scale=2, size=20_000)
    labels = (draw.random(20_000) < special.expit(-1 + 0.5 * scores)).astype(int)
    (line,) = learned(predictions_of(labels, scores), "intercept and slope")
    assert (line.intercept, line.slope) == (pytest.approx(-1, abs=0.06), pytest.approx(0.5, abs=0.03))
    assert learned(predictions_of(np.arange(40) % 2, 10.0 * (np.arange(40) % 2) - 5), "intercept and slope") == []


def test_too_few_patients_are_not_recalibrated(inside: CrossValidation) -> None:
    far = clinic(1, prefix="b", records=200)
    rows = np.concatenate([np.flatnonzero(far.labels == 1)[:3], np.flatnonzero(far.labels == 0)])
    found = validate_externally(inside, far[rows], draws=50)
    assert list(found.estimates) == ["internal", "external"]


def test_case_mix_says_in_what_two_cohorts_differ() -> None:
    first, second = clinic(0), clinic(1, prefix="b", prevalence=0.2)
    found = case_mix(first, second)
    assert found.classes == ("internal", "external")
    assert found.records == {"all": 600, "internal": 300, "external": 300}
    outcome, age = found.lines[0], next(one for one in found.lines if one.name == "age")
    assert (outcome.name, str(outcome.cells["internal"]), str(outcome.cells["external"])) == (
        "positive",
        "150 (50 %)",
        "60 (20 %)",
    )
    assert age.difference > 2
    spread = np.sqrt((0.5 * 0.5 + 0.2 * 0.8) / 2)
    assert outcome.difference == pytest.approx(0.3 / spread)


def test_the_same_ids_in_two_clinics_are_two_people_in_the_case_mix() -> None:
    found = case_mix(clinic(0, records=60), clinic(1, records=60))
    assert found.patients["all"] == 120
