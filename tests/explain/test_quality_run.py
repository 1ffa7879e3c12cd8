"""Checks of the maps of a cross-validated model, and what is kept of them."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from clinfuse.cohort.cohort import Cohort
from clinfuse.errors import StorageError
from clinfuse.evaluation.crossval import cross_validate
from clinfuse.explain.quality.findings import NO_MAPS, MapChecks, from_dict
from clinfuse.explain.quality.measure import check_maps
from clinfuse.explain.quality.registry import CHECKS
from clinfuse.training.early import EarlyFusion
from clinfuse.training.joint import JointFusion
from clinfuse.training.options import TrainingOptions


@pytest.fixture(scope="module")
def joint(cohort: Cohort) -> Any:
    return cross_validate(JointFusion(options=TrainingOptions(epochs=2)), cohort, folds=2, seed=3)


@pytest.fixture(scope="module")
def found(joint: Any) -> MapChecks:
    return check_maps(joint, seed=1)


def test_every_check_but_that_of_labels_is_asked_of_every_modality_with_a_map(found: MapChecks) -> None:
    asked = {(one.modality, one.check) for one in found.findings}
    names = [check.name for check in CHECKS if check.name != "needs true labels"]
    assert asked == {(modality, name) for modality in ("xray", "labs") for name in names}
    assert all(np.isfinite(one.values).all() for one in found.findings)


def test_records_are_few_drawn_by_key_and_of_both_classes(joint: Any, found: MapChecks) -> None:
    cohort = joint.cohort
    rows = [list(cohort.keys).index(key) for key in found.keys]
    assert len(set(rows)) == 6
    assert sorted(cohort.labels[rows]) == [0, 0, 0, 1, 1, 1]
    assert check_maps(joint, seed=1) == found
    assert check_maps(joint, seed=2).keys != found.keys


def test_full_checks_train_once_more_and_take_more_records(joint: Any) -> None:
    full = check_maps(joint, seed=1, full=True)
    assert len(full.keys) == 20
    labels = [one for one in full.findings if one.check == "needs true labels"]
    assert {one.modality for one in labels} == {"xray", "labs"}
    assert all(0 < one.records < 20 for one in labels)  # of one fold only


def test_a_method_that_ignores_the_weights_fails_in_plain_words(joint: Any) -> None:
    def blind(explainable: Any) -> dict[str, np.ndarray]:
        return {name: np.asarray(explainable.inputs[name][0]) for name in explainable.order}

    found = check_maps(joint, seed=1, explain=blind)
    assert "a network that has learned nothing gives much the same map" in found.failures("xray")
    assert found.text.startswith("Not to be read: the maps of ")
    badge = next(one for one in found.badges(["xray"]) if one.name == "needs what was learned")
    assert (badge.passed, badge.modality) == (False, "xray")
    assert "1.00 over" in badge.text


def test_a_learner_on_features_has_no_map_and_the_text_says_so(cohort: Cohort) -> None:
    early = cross_validate(EarlyFusion(kind="I", options=TrainingOptions(epochs=2)), cohort, folds=2, seed=3)
    found = check_maps(early, seed=1)
    assert found.findings == ()
    assert found.text == NO_MAPS


def test_findings_come_back_from_json_as_they_were(found: MapChecks) -> None:
    assert from_dict(json.loads(json.dumps(found.as_dict()))) == found


@pytest.mark.parametrize("spoilt", [{}, {"format": 2}, {"findings": [{"check": "x"}]}, {"seed": "no number"}])
def test_findings_that_say_something_else_are_refused(found: MapChecks, spoilt: dict[str, Any]) -> None:
    said = {**found.as_dict(), **spoilt} if spoilt else {}
    with pytest.raises(StorageError, match="MAP_CHECKS_READ"):
        from_dict(said)
