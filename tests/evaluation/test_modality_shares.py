"""Shares of modalities in the AUROC of a cohort, withheld and trained anew."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from clinfuse.cohort.cohort import Cohort
from clinfuse.errors import ConfigError
from clinfuse.evaluation.compare import compare
from clinfuse.evaluation.modality_shares import modality_shares
from clinfuse.evaluation.robustness.regret import regret
from clinfuse.training.late import LateFusion


@pytest.fixture(scope="module")
def found():
    draw, labels = np.random.default_rng(0), np.tile([0, 1], 40)
    arrays = {"labs": 1.5 * labels[:, None] + draw.normal(size=(80, 1)), "noise": draw.normal(size=(80, 1))}
    cohort = Cohort.from_arrays(arrays, labels=labels, kinds={"labs": "ehr", "noise": "ehr"})
    late = LateFusion(combine="mean")
    models = compare(cohort, {"late": late}, folds=2, best_single="labs").models
    return models["late"], regret(models, late, model="late")


def test_shares_add_up_to_the_auroc_above_chance_and_noise_has_little(found) -> None:
    cv, own = found
    shares = modality_shares(cv, regret=own)
    for part in (shares.withheld, shares.retrained):
        assert sum(part.values()) == pytest.approx(shares.auroc - 0.5, abs=1e-12)
        assert part["labs"] > 0.2 > abs(part["noise"])
    alone = {row.kept: row.dedicated.value for row in own.rows}
    expected = (alone["labs",] - 0.5 + shares.auroc - alone["noise",]) / 2
    assert shares.retrained["labs"] == pytest.approx(expected, abs=1e-12)
    assert shares.largest_difference < 0.1
    assert "both give labs most" in shares.sentence
    assert list(shares.table()["modality"]) == ["labs", "noise"]


def test_without_a_regret_nothing_is_said_of_training_anew(found) -> None:
    shares = modality_shares(found[0])
    assert shares.retrained == {}
    assert np.isnan(shares.largest_difference)
    assert "no model was trained without them" in shares.sentence
    assert set(shares.interactions) == {("labs", "noise")}


def test_a_regret_of_another_model_or_with_gaps_is_refused(found) -> None:
    cv, own = found
    for other in (dataclasses.replace(own, model="early"), dataclasses.replace(own, rows=own.rows[:1])):
        with pytest.raises(ConfigError, match="SHARES_MODEL"):
            modality_shares(cv, regret=other)
