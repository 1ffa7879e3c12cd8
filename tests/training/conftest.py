"""A small cohort of radiographs with an easy signal."""

import numpy as np
import pytest

from clinfuse.cohort.cohort import Cohort


def films(n=48, *, seed=0, classes=2, patients=0):
    rng = np.random.default_rng(seed)
    labels = np.arange(n) % classes
    film = rng.random((n, 1, 16, 16)).astype(np.float32) * 0.4
    for k in range(n):
        film[k, 0, 4:9, 4:9] += 0.5 * labels[k] / (classes - 1)
    labs = rng.standard_normal((n, 2))
    labs[:, 0] += labels
    owner = np.arange(n) if not patients else np.arange(n) % patients
    return Cohort.from_arrays(
        {"film": film, "labs": labs},
        labels=labels,
        kinds={"film": "xray", "labs": "ehr"},
        classes=[f"class {k}" for k in range(classes)],
        task="binary" if classes == 2 else "multiclass",
        record_ids=[f"R{k:03d}" for k in range(n)],
        patient_ids=[f"P{k:03d}" for k in owner],
    )


@pytest.fixture(scope="session")
def make_films():
    return films
