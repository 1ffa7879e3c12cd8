"""A modality too rare to learn from costs nothing but itself."""

import warnings

import numpy as np
import pytest

from clinfuse.cohort.cohort import Cohort
from clinfuse.errors import DataWarning
from clinfuse.training.early import EarlyFusion
from clinfuse.training.joint import HybridFusion, JointFusion
from clinfuse.training.late import LateFusion
from clinfuse.training.options import TrainingOptions
from clinfuse.training.store import load_model, save_model
from clinfuse.training.unimodal import Unimodal

QUICK = TrainingOptions(epochs=2, copies=2)


def rare_cohort(classes=2, *, only_events=False, n=90):
    rng = np.random.default_rng(0)
    labels = np.arange(n) % classes
    film = rng.random((n, 1, 12, 12)).astype(np.float32)
    labs = rng.standard_normal((n, 2)) + labels[:, None]
    scan = rng.standard_normal((n, 2))
    present = np.ones((n, 3), dtype=bool)
    # The film exists for few records, of one class only or never of the last one.
    present[:, 0] = (labels == 0) & (np.arange(n) < 30) if not only_events else (labels == classes - 1)
    present[:, 2] = np.arange(n) % 5 == 0
    return Cohort.from_arrays(
        {"film": film, "labs": labs, "scan": scan},
        present=present,
        labels=labels,
        kinds={"film": "xray", "labs": "ehr", "scan": "ehr"},
        classes=[f"class {k}" for k in range(classes)],
        task="binary" if classes == 2 else "multiclass",
    )


@pytest.mark.parametrize("classes", [2, 3])
@pytest.mark.parametrize("only_events", [False, True])
@pytest.mark.parametrize(
    "model",
    [
        EarlyFusion(options=QUICK),
        EarlyFusion(kind="I", options=QUICK),
        JointFusion(options=QUICK),
        HybridFusion(options=QUICK),
        LateFusion(inner_folds=2, options=QUICK),
        LateFusion(combine="evidence", options=QUICK),
    ],
    ids=lambda m: m.taxonomy(),
)
def test_fusion_goes_on_without_it(model, classes, only_events, tmp_path):
    cohort = rare_cohort(classes, only_events=only_events)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DataWarning)
        chances = model.fit(cohort).predict_proba(cohort)
    assert np.isfinite(chances).all()
    save_model(model, tmp_path / "model")
    np.testing.assert_array_equal(load_model(tmp_path / "model").predict_proba(cohort), chances)
    model.explainable(cohort[:1])


def test_alone_it_answers_with_the_prior_and_says_so():
    cohort = rare_cohort()
    with pytest.warns(DataWarning, match=r"MODALITY_RARE.*film"):
        model = Unimodal("film", options=QUICK).fit(cohort)
    np.testing.assert_allclose(model.predict_proba(cohort), 0.5)
    assert not model.explainable(cohort[:1]).contributions


def test_a_table_that_is_the_same_for_everyone_answers_with_the_prior():
    labels = np.arange(40) % 2
    cohort = Cohort.from_arrays({"labs": np.ones((40, 2))}, labels=labels, kinds={"labs": "ehr"})
    np.testing.assert_allclose(Unimodal("labs").fit(cohort).predict_proba(cohort), 0.5)
