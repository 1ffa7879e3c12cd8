"""A tiny cohort with an image, a signal and a table, and every classifier on it."""

import numpy as np
import pytest

from clinfuse.cohort.cohort import Cohort
from clinfuse.cohort.modality import Column, Modality
from clinfuse.fusion.choice import OperatorChoice
from clinfuse.training.calibrated import Calibrated
from clinfuse.training.early import EarlyFusion
from clinfuse.training.joint import HybridFusion, JointFusion
from clinfuse.training.late import LateFusion
from clinfuse.training.options import TrainingOptions
from clinfuse.training.tuned import Tuned
from clinfuse.training.unimodal import Unimodal

OPTIONS = TrainingOptions(epochs=2, batch_size=8, copies=2)
# Pools are under the same laws whatever stands before them: learners cost least.
LEARNERS = {"film": "logistic", "eeg": "logistic"}


def late(**settings):
    return LateFusion(learners=LEARNERS, inner_folds=2, options=OPTIONS, **settings)


CLASSIFIERS = {
    "single network": lambda: Unimodal("film", options=OPTIONS),
    "single signal": lambda: Unimodal("eeg", options=OPTIONS),
    "single table": lambda: Unimodal("labs", options=OPTIONS),
    "single trees": lambda: Unimodal("labs", learner="lightgbm", options=OPTIONS),
    "early I": lambda: EarlyFusion(kind="I", options=OPTIONS),
    "early I logistic": lambda: EarlyFusion(kind="I", learner="logistic", options=OPTIONS),
    "early II": lambda: EarlyFusion(options=OPTIONS),
    "early I filled with zeros": lambda: EarlyFusion(kind="I", fill="zero", options=OPTIONS),
    "early I filled with means": lambda: EarlyFusion(kind="I", learner="logistic", fill="mean", options=OPTIONS),
    "early I filled by regression": lambda: EarlyFusion(
        kind="I", learner="elastic-net", fill="regression", options=OPTIONS
    ),
    "early I cells by neighbours": lambda: EarlyFusion(kind="I", learner="logistic", cells="knn", options=OPTIONS),
    "early I cells by iteration": lambda: EarlyFusion(kind="I", learner="logistic", cells="iterative", options=OPTIONS),
    "early II with single heads": lambda: EarlyFusion(single_heads=True, options=OPTIONS),
    "early I per pattern": lambda: EarlyFusion(kind="I", learner="logistic", fill="per pattern", options=OPTIONS),
    "early II filled by neighbours": lambda: EarlyFusion(fill="knn", options=OPTIONS),
    "joint concat": lambda: JointFusion(options=OPTIONS),
    "joint mean": lambda: JointFusion(combine="mean", options=OPTIONS),
    "joint transformer": lambda: JointFusion(combine=OperatorChoice("transformer", 8), options=OPTIONS),
    "joint tokens": lambda: JointFusion(
        combine=OperatorChoice("token-transformer", 8, normalise=True, options={"layers": 1}), options=OPTIONS
    ),
    "joint gated II": lambda: JointFusion(combine="gated", kind="II", options=OPTIONS),
    "joint mean with tokens": lambda: JointFusion(combine="mean", fill="token", options=OPTIONS),
    "hybrid gated with generator": lambda: HybridFusion(combine="gated", fill="generator", options=OPTIONS),
    "late stacked": lambda: LateFusion(inner_folds=2, options=OPTIONS),
    "late mean": lambda: LateFusion(combine="mean", options=OPTIONS),
    "late weighted": lambda: LateFusion(combine="weighted", inner_folds=2, options=OPTIONS),
    "late logit mean": lambda: LateFusion(combine="logit mean", options=OPTIONS),
    "late evidence": lambda: LateFusion(combine="evidence", options=OPTIONS),
    "late majority vote": lambda: LateFusion(combine="majority vote", options=OPTIONS),
    "late max": lambda: late(combine="max"),
    "late min": lambda: late(combine="min"),
    "late noisy or": lambda: late(combine="noisy or"),
    "late calibrated mean": lambda: late(combine="calibrated mean"),
    "late per pattern": lambda: late(combine="per pattern"),
    "late stacked by pattern": lambda: late(combine="stacked by pattern"),
    "late declared": lambda: late(combine="weighted", weights={"film": 2, "eeg": 1, "labs": 1}),
    "late filled": lambda: late(combine="mean", fill="regression"),
    "calibrated table by steps": lambda: Calibrated(Unimodal("labs", options=OPTIONS), method="isotonic"),
    "calibrated late by pattern": lambda: Calibrated(late(combine="stacked"), by="pattern"),
    "calibrated joint": lambda: Calibrated(JointFusion(options=OPTIONS), method="temperature", inner_folds=2),
    "late tuned": lambda: Tuned(late(combine="mean"), {"combine": ["mean", "max"]}, inner_folds=2),
    "hybrid": lambda: HybridFusion(options=OPTIONS),
    "hybrid tokens": lambda: HybridFusion(combine=OperatorChoice("token-transformer", 8), options=OPTIONS),
}


def tiny_arrays(n, seed=0):
    rng = np.random.default_rng(seed)
    labels = np.tile([0, 1], n)[:n]
    film = rng.random((n, 1, 16, 16)).astype(np.float32) * 0.5
    film[:, 0, 4:9, 4:9] += 0.3 * labels[:, None, None].astype(np.float32)
    eeg = rng.standard_normal((n, 2, 3, 32)).astype(np.float32) * 10
    eeg *= (1 + 0.8 * labels)[:, None, None, None]
    labs = rng.standard_normal((n, 3))
    labs[:, 0] += 1.5 * labels
    labs[:, 2] = rng.integers(0, 3, n)
    labs[rng.random((n, 3)) < 0.05] = np.nan
    present = rng.random((n, 3)) > 0.2
    present[~present.any(1), 1] = True
    return {"film": film, "eeg": eeg, "labs": labs}, labels, present


MODALITIES = {
    "film": Modality("film", "xray", (1, 16, 16), unit="grey", centre=0.5, spread=0.5),
    "eeg": Modality("eeg", "eeg", (2, 3, 32), channels=("C3", "Cz", "C4"), rate_hz=32, seconds=1, unit="µV", spread=20),
    "labs": Modality(
        "labs", "ehr", (3,), columns=(Column("CRP"), Column("Na"), Column("ward", "category", levels=("a", "b", "c")))
    ),
}


def tiny_cohort(n=36, seed=0, *, order=None, arrays=None):
    made, labels, present = tiny_arrays(n, seed)
    made = made if arrays is None else arrays
    order = np.arange(n) if order is None else order
    return Cohort.from_arrays(
        {name: array[order] for name, array in made.items()},
        present=present[order],
        labels=labels[order],
        record_ids=[f"R{k:03d}" for k in order],
        patient_ids=[f"P{k // 3:03d}-{labels[k]}" for k in order],
        kinds=MODALITIES,
    )


def with_others(cohort, others=15):
    """The same records in another order, among others of other patients, which a fold may have held out."""
    arrays, labels, present = tiny_arrays(others, seed=9)
    order = np.random.default_rng(3).permutation(len(cohort) + others)
    both = {name: np.concatenate([cohort.arrays(name), 3 * array])[order] for name, array in arrays.items()}
    both["labs"][:, 2] %= 3
    return Cohort.from_arrays(
        both,
        present=np.concatenate([cohort.present, present])[order],
        labels=np.concatenate([cohort.labels, 1 - labels])[order],
        record_ids=np.array([*cohort.record_ids, *(f"A{k:03d}" for k in range(others))])[order].tolist(),
        patient_ids=np.array([*cohort.patient_ids, *(f"B{k:03d}" for k in range(others))])[order].tolist(),
        kinds=MODALITIES,
    )


@pytest.fixture(scope="session")
def cohort():
    return tiny_cohort()


@pytest.fixture(scope="session")
def fitted(cohort):
    """Every classifier, fitted once."""
    return {name: make().fit(cohort) for name, make in CLASSIFIERS.items()}
