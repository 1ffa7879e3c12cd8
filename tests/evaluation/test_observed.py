from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy import special

from clinfuse.cohort.cohort import Cohort
from clinfuse.evaluation.crossval import cross_validate
from clinfuse.evaluation.metrics import auroc
from clinfuse.evaluation.robustness.complete_case import complete_case
from clinfuse.evaluation.robustness.observed import observed_patterns, presence_alone
from clinfuse.evaluation.scores import Counts
from clinfuse.training.late import LateFusion


def ordered(records, strength, seed=0):
    """A cohort whose second modality is ordered more often in those with the finding, by so many log odds."""
    draw = np.random.default_rng(seed)
    labels = np.arange(records) % 5 < 2
    arrays = {name: (labels + draw.normal(size=records))[:, None] for name in ("m0", "m1")}
    seen = draw.random(records) < special.expit(strength * (labels - 0.5))
    return Cohort.from_arrays(
        arrays,
        labels=labels.astype(int),
        kinds=dict.fromkeys(arrays, "ehr"),
        present=np.stack([np.ones(records, bool), seen], axis=1),
    )


def crossed(cohort):
    return cross_validate(LateFusion(combine="mean"), cohort, folds=2)


@pytest.fixture(scope="module")
def fair():
    return crossed(ordered(300, 0.0))


def test_presence_that_knows_nothing_is_worth_nothing(fair):
    found = observed_patterns(fair)
    assert found.presence.low < 0.5 < found.presence.high or abs(found.presence.value - 0.5) < 0.05
    assert not found.shortcut
    assert "no sign of a test-ordering shortcut" in found.sentence


def test_presence_that_tells_the_classes_apart_raises_the_flag():
    cv = crossed(ordered(600, 2.0))
    found = observed_patterns(cv)
    # AUROC of one yes/no: a half plus half the difference of the shares, expit(1) - expit(-1) = 0.46.
    assert found.presence.value == pytest.approx(0.5 + 0.462 / 2, abs=0.04)
    assert found.shortcut
    assert found.sentence.startswith("Red flag, test-ordering shortcut")
    alone = presence_alone(cv)
    assert alone.models == ("presence alone",)
    assert found.presence.value == pytest.approx(auroc(alone.y_true, alone.scores, folds=alone.fold))
    for fold in (0, 1):  # nothing but presence: two scores in a fold
        assert len(np.unique(alone.scores[alone.fold == fold].round(9))) == 2


def test_patterns_are_those_of_the_cohort(fair):
    found = observed_patterns(fair)
    assert [row.present for row in found.rows] == sorted(
        [("m0", "m1"), ("m0",)], key=lambda one: -next(r.counts.records for r in found.rows if r.present == one)
    )
    assert sum(row.counts.records for row in found.rows) == 300
    row = next(row for row in found.rows if row.present == ("m0",))
    held = fair.predictions.rows(~fair.predictions.present[:, 1])
    assert row.metrics["auroc"].value == pytest.approx(auroc(held.y_true, held.scores, folds=held.fold))
    assert set(row.metrics) == {"auroc", "calibration_slope", "brier"}
    assert len(found.table()) == 2


def test_patterns_of_few_stand_together_and_small_counts_are_not_told():
    cohort = ordered(100, 0.0)
    present = np.array(cohort.present)
    present[:, 1] = True
    present[:3, 1], present[3:5, 0] = False, False
    found = observed_patterns(crossed(cohort.withhold(np.ones_like(present)).withhold(present)))
    last = found.rows[-1]
    assert last.rest
    assert last.name == "patterns of fewer than 5 records"
    # Those that lacked m1 from the start are a pattern of their own.
    assert last.counts.records < 5
    assert last.records == "< 5"
    assert last.metrics == {}
    assert last.as_dict()["records"] == "< 5"
    few = replace(found.rows[0], counts=Counts(30, 30, 3, "finding"))
    assert few.events == "< 5"
    assert replace(few, counts=Counts(30, 30, 28, "finding")).events == "> 25"


def people(records=200):
    draw = np.random.default_rng(3)
    labels = np.arange(records) % 2
    lacking = draw.random(records) < np.where(labels == 1, 0.15, 0.45)
    return Cohort.from_arrays(
        {"m0": np.ones((records, 1)), "m1": np.ones((records, 1))},
        labels=labels,
        kinds={"m0": "ehr", "m1": "ehr"},
        present=np.stack([np.ones(records, bool), ~lacking], axis=1),
        sites=["east"] * (records - 2) + ["west"] * 2,
        attributes=pd.DataFrame({"age": 50 + 20 * lacking + draw.normal(size=records), "sex": ["F", "M"] * 100}),
    )


def test_who_would_be_left_out_is_counted_and_compared():
    cohort = people()
    found = complete_case(cohort, seed=1)
    lacking = ~cohort.present[:, 1]
    assert (found.records, found.kept, found.excluded) == (200, int((~lacking).sum()), int(lacking.sum()))
    assert found.lacking == (("m0", 0), ("m1", int(lacking.sum())))
    outcome, age = found.contrasts[0], next(one for one in found.contrasts if one.name == "age")
    assert outcome.kind == "outcome"
    assert outcome.excluded == pytest.approx(cohort.labels[lacking].mean())
    assert outcome.kept == pytest.approx(cohort.labels[~lacking].mean())
    assert outcome.difference.high < 0
    assert age.difference.value == pytest.approx(20, abs=0.5)
    assert age.difference.low < 20 < age.difference.high + 0.5
    assert age.standardised > 5
    assert "would leave out" in found.sentence
    assert "age" in found.sentence
    # Two records of a site are too few to be told.
    assert not any(one.name.startswith("site") for one in found.contrasts)
    assert len(found.table()) == len(found.contrasts)


def test_the_order_of_records_does_not_matter():
    cohort = people()
    back = cohort[np.arange(len(cohort))[::-1]]
    assert complete_case(cohort).as_dict() == complete_case(back).as_dict()


def test_where_everything_is_there_nobody_is_left_out(fair):
    cohort = ordered(60, 0.0).without("m1")
    assert complete_case(cohort).contrasts == ()
    assert complete_case(cohort).sentence.endswith("would leave nobody out.")


def test_sites_are_numbered_and_a_level_needs_five_patients_on_every_side():
    cohort = people()
    named = Cohort.from_arrays(
        {"m0": np.ones((200, 1)), "m1": np.ones((200, 1))},
        labels=np.asarray(cohort.labels),
        kinds={"m0": "ehr", "m1": "ehr"},
        present=np.array(cohort.present),
        sites=["ST ELSEWHERE" if k % 3 else "COUNTY GENERAL" for k in range(200)],
        patient_ids=[f"p{k // 2}" if k >= 20 else "p0" for k in range(200)],
        attributes=pd.DataFrame({"ward": ["A" if k < 20 else "B" for k in range(200)]}),
    )
    names = [one.name for one in complete_case(named).contrasts]
    assert names == ["positive", "site 1", "site 2"]  # ward A is twenty records of one patient
