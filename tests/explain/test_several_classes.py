"""Attribution of several classes and of several labels: the log odds of one against the others."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.neighbors import KNeighborsClassifier

from clinfuse.cohort.cohort import Cohort
from clinfuse.explain.attribution import attribute
from clinfuse.training.calibrated import Calibrated
from clinfuse.training.early import EarlyFusion
from clinfuse.training.joint import JointFusion
from clinfuse.training.late import LateFusion
from clinfuse.training.options import TrainingOptions
from clinfuse.training.unimodal import Unimodal

OPTIONS = TrainingOptions(epochs=1, copies=2)
SMALL = {"film": "small-conv"}
MODELS = {
    "joint": JointFusion(encoders=SMALL, options=OPTIONS),
    "late": LateFusion(inner_folds=2, learners={"film": "logistic"}, options=OPTIONS),
    "late mean of trees": LateFusion(combine="mean", learners={"film": "lightgbm", "labs": "lightgbm"}),
    "early I": EarlyFusion(kind="I", options=OPTIONS),
    "early I logistic": EarlyFusion(kind="I", learner="logistic", options=OPTIONS),
    "early II with single heads": EarlyFusion(single_heads=True, encoders=SMALL, options=OPTIONS),
    "neighbours": Unimodal("labs", learner=KNeighborsClassifier(15)),
    "calibrated": Calibrated(Unimodal("labs"), method="temperature", inner_folds=2),
}


def made(task: str) -> Cohort:
    draw = np.random.default_rng(3)
    classes = np.arange(90) % 3
    labels = np.stack([classes == 1, classes > 0], 1).astype(int) if task == "multilabel" else classes
    film = draw.uniform(0.2, 0.5, (90, 1, 16, 16)).astype(np.float32)
    film[classes == 1, :, 2:8, 2:8] += 0.3
    labs = draw.normal(size=(90, 3)) + np.eye(3)[classes]
    names = ("effusion", "mass") if task == "multilabel" else ("none", "effusion", "mass")
    present = draw.random((90, 2)) > 0.2
    present[7] = True
    return Cohort.from_arrays(
        {"film": film, "labs": labs},
        present=present,
        labels=labels,
        kinds={"film": "xray", "labs": "ehr"},
        classes=names,
        task=task,
    )


@pytest.mark.parametrize("task", ["multiclass", "multilabel"])
@pytest.mark.parametrize("name", sorted(MODELS))
def test_one_class_or_label_is_explained(name: str, task: str) -> None:
    cohort = made(task)
    model = MODELS[name].fit(cohort)
    record = cohort[7]
    chances = model.predict_proba(record.cohort)[0]
    found = attribute(model, record, steps=8)
    assert found.positive == cohort.classes[int(chances.argmax())]
    for k, target in enumerate(cohort.classes):
        found = attribute(model, record, target=target, steps=8)
        assert (found.positive, found.probability) == (target, chances[k])
        assert found.probability == pytest.approx(1 / (1 + np.exp(-found.logit)), abs=1e-9)
        assert found.prior_probability == pytest.approx(float(model.prior_[k]), abs=1e-9)
        assert abs(found.prior_logit + sum(found.shares.values()) - found.logit) <= 1e-6
        assert found.verified, [check for check in found.checks if not check.passed]
        for part in found.parts:
            assert part.method != "share only"


def test_what_a_learner_says_of_each_class_adds_up_along_the_path() -> None:
    cohort = made("multiclass")
    model = MODELS["early I"].fit(cohort)
    for k in range(3):
        taken = model.explainable(cohort[7].cohort, target=k)
        assert set(taken.methods.values()) == {"exact contributions, along a path"}
        for name, change in taken.changes.items():
            assert taken.contributions[name].sum() == pytest.approx(change, abs=1e-9)
