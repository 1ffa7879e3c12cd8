"""Fixtures that several rooms' tests share."""

import os

import numpy as np
import pytest
import torch
from hypothesis import settings

os.environ.setdefault("MPLBACKEND", "Agg")
# The same examples on every machine: what passed once passes again.
settings.register_profile("same everywhere", derandomize=True, deadline=None)
settings.load_profile("same everywhere")


@pytest.fixture(autouse=True)
def one_thread_and_seed():
    """Another number of threads gives other bits, and so does another seed: every test runs with one of each."""
    torch.manual_seed(0)
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def embedding_arrays(n, *, widths, strength, seed, patients=0):
    """Arrays of features with a binormal signal in the first column of each modality, labels and patient ids."""
    rng = np.random.default_rng(seed)
    labels = np.tile([0, 1], n)[:n]
    arrays = {}
    for (name, width), d in zip(widths.items(), strength, strict=True):
        x = rng.standard_normal((n, width))
        x[:, 0] += d * (labels - 0.5)
        arrays[name] = x
    groups = np.arange(n) if not patients else (np.arange(n) // 2 * 2 + labels) % patients
    return arrays, labels, np.array([f"P{g:04d}" for g in groups])


@pytest.fixture(scope="session")
def make_embedding_cohort():
    """Make a cohort of feature tables with a known signal: make(n, d, missing, seed)."""
    from clinfuse.cohort.cohort import Cohort

    def make(n=120, *, d=(1.5, 1.5), width=3, missing=0.2, seed=0, prefix="R"):
        names = [f"source{k + 1}" for k in range(len(d))]
        arrays, labels, patients = embedding_arrays(n, widths=dict.fromkeys(names, width), strength=d, seed=seed)
        present = np.random.default_rng(seed + 1).random((n, len(d))) >= missing
        present[~present.any(1), 0] = True
        return Cohort.from_arrays(
            arrays,
            present=present,
            labels=labels,
            record_ids=np.array([f"{prefix}{k:04d}" for k in range(n)]),
            patient_ids=patients,
            kinds=dict.fromkeys(names, "ehr"),
        )

    return make
