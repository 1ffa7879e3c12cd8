"""A small cohort whose answer lies in one corner of an image and one column of a table, and models fitted on it."""

from __future__ import annotations

import numpy as np
import pytest

from clinfuse.cohort.cohort import Cohort
from clinfuse.training.early import EarlyFusion
from clinfuse.training.joint import JointFusion
from clinfuse.training.late import LateFusion
from clinfuse.training.options import TrainingOptions
from clinfuse.training.unimodal import Unimodal

RECORDS = 48
MODELS = {
    "joint": JointFusion(options=TrainingOptions(epochs=2)),
    "late": LateFusion(options=TrainingOptions(epochs=2)),
    "early": EarlyFusion(options=TrainingOptions(epochs=2)),
    "early I": EarlyFusion(kind="I", options=TrainingOptions(epochs=2)),
    "labs": Unimodal("labs", options=TrainingOptions(epochs=2)),
}


@pytest.fixture(scope="session")
def cohort() -> Cohort:
    draw = np.random.default_rng(7)
    labels = np.arange(RECORDS) % 2
    images = draw.uniform(0.2, 0.6, (RECORDS, 1, 16, 16)).astype(np.float32)
    images[labels == 1, :, 3:8, 3:8] += 0.3
    labs = draw.normal(size=(RECORDS, 3)) + labels[:, None] * [1.5, 0, 0]
    labs[5, 1] = np.nan
    present = np.ones((RECORDS, 2), bool)
    present[0:8:2, 0] = False
    present[1:9:2, 1] = False
    return Cohort.from_arrays(
        {"xray": images, "labs": labs}, present=present, labels=labels, kinds={"xray": "xray", "labs": "ehr"}
    )


@pytest.fixture(scope="session", params=sorted(MODELS))
def fitted(request: pytest.FixtureRequest, cohort: Cohort):
    return MODELS[request.param].fit(cohort)
