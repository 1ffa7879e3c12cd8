"""What it costs to ask about every subset of four modalities, on rendered files.

- subset_sweep_passes: the largest cost, in prediction passes, of the 15 subsets of CT, film, EEG and laboratory values,
  over the classifiers that have an image or EEG encoder; subset_sweep_passes_NAME: that of one of them.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import clinfuse as cf
from clinfuse.evaluation.robustness.cost import sweep_cost

RECORDS, ROUNDS = 120, 7
SHORT = cf.TrainingOptions(epochs=1, augment=False)
MODELS: dict[str, Callable[[], Any]] = {
    "early": lambda: cf.EarlyFusion(options=SHORT),
    "joint": lambda: cf.JointFusion(options=SHORT),
    "late": lambda: cf.LateFusion(options=SHORT),
    "hybrid": lambda: cf.HybridFusion(options=SHORT),
}


def tasks(*, quick: bool) -> list[int]:
    """Give the numbers of records: each cohort is for all classifiers, so that all are timed alike."""
    return [40] if quick else [RECORDS // 2, RECORDS]


def one(records: int) -> dict[str, float]:
    """Give the passes of every classifier; networks are as slow after one epoch as after many."""
    with tempfile.TemporaryDirectory() as folder:
        cohort = cf.make_cohort("demo", records=records, out=Path(folder) / "cohort")
        return {name: sweep_cost(make().fit(cohort), cohort, rounds=ROUNDS).passes for name, make in MODELS.items()}


def figures(listed: list[int], found: list[dict[str, float]]) -> dict[str, float]:
    """Give the largest, and each."""
    passes = {name: max(each[name] for each in found) for name in MODELS}
    return {"subset_sweep_passes": max(passes.values())} | {f"subset_sweep_passes_{n}": v for n, v in passes.items()}
