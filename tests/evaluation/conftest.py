"""Small cohorts of tables and a small fusion that follows the interface of classifiers without training networks."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy import special

from clinfuse.cohort.cohort import Cohort
from clinfuse.evaluation.predictions import Predictions
from clinfuse.training.late import LateFusion


def _make_cohort(
    records: int = 120,
    *,
    strengths: tuple[float, ...] = (1.5, 0.8),
    missing: float = 0.15,
    seed: int = 0,
    visits: int = 1,
    order: np.ndarray | None = None,
) -> Cohort:
    """Tables of one column each, shifted by the label; the first record has nothing missing."""
    draw = np.random.default_rng(seed)
    labels = (np.arange(records) // visits % 5 < 2).astype(int)
    names = [f"m{number}" for number in range(len(strengths))]
    arrays = {
        name: (labels * strength + draw.normal(size=records))[:, None]
        for name, strength in zip(names, strengths, strict=True)
    }
    present = draw.random((records, len(names))) >= missing
    present[:, 0] |= ~present.any(1)
    take = np.arange(records) if order is None else order
    return Cohort.from_arrays(
        {name: values[take] for name, values in arrays.items()},
        labels=labels[take],
        present=present[take],
        kinds=dict.fromkeys(names, "ehr"),
        record_ids=[f"r{number:04d}" for number in take],
        patient_ids=[f"p{number // visits:04d}" for number in take],
        sites=[("east", "west")[number % 2] for number in take],
    )


def _make_predictions(
    labels: Any,
    scores: Any,
    *,
    model: str = "late",
    folds: Any = 0,
    patients: Any = None,
    withheld: str = "",
    present: Any = None,
    modalities: tuple[str, ...] = ("m0", "m1"),
) -> Predictions:
    """Binary predictions with these log odds, one record each."""
    labels, scores = np.asarray(labels), np.asarray(scores, dtype=float)
    n = len(labels)
    p = special.expit(scores)
    return Predictions(
        model=np.full(n, model),
        repeat=np.zeros(n),
        fold=np.broadcast_to(folds, n),
        record=np.array([f"R-{number:05d}" for number in range(n)]),
        patient=np.array([f"P-{number:05d}" for number in range(n)]) if patients is None else np.asarray(patients),
        site=np.full(n, ""),
        withheld=np.full(n, withheld),
        y_true=labels,
        logits=np.stack([np.zeros(n), scores], axis=1),
        probabilities=np.stack([1 - p, p], axis=1),
        present=np.ones((n, 2), dtype=bool) if present is None else present,
        classes=("absent", "finding"),
        task="binary",
        modalities=modalities,
    )


@pytest.fixture(scope="session")
def cohort_of():
    return _make_cohort


@pytest.fixture(scope="session")
def predictions_of():
    return _make_predictions


@pytest.fixture(scope="session")
def cohort() -> Cohort:
    return _make_cohort()


@pytest.fixture
def fusion() -> LateFusion:
    return LateFusion(combine="logit mean")
