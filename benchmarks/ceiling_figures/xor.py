"""A finding that lies in no modality alone: late fusion cannot see it, early and joint fusion must.

- xor_late_distance_from_half: |AUROC - 0.5| of late fusion, the mean AUROC over seeds.
- xor_early, xor_joint: mean AUROC of early fusion under a learner that knows interactions (quadratic discriminant
  analysis of scikit-learn) and of joint fusion with a hidden layer over all modalities ("concat-mlp"). A logistic
  regression and a linear map under a linear head add modalities up, and cannot.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from sklearn.discriminant_analysis import QuadraticDiscriminantAnalysis

import clinfuse as cf
from ceiling_figures.worlds import aurocs, xor_world

RECORDS, FRESH, SEEDS = 2000, 50_000, 5
MODELS: dict[str, Callable[[int], Any]] = {
    "early": lambda seed: cf.EarlyFusion(kind="I", learner=QuadraticDiscriminantAnalysis(), seed=seed),
    "early, lightgbm": lambda seed: cf.EarlyFusion(kind="I", seed=seed),
    "joint": lambda seed: cf.JointFusion(combine="concat-mlp", seed=seed),
    "late": lambda seed: cf.LateFusion(seed=seed),
}
Task = tuple[str, int, int, int]


def tasks(*, quick: bool) -> list[Task]:
    """Give every (model, seed, training records, fresh records)."""
    seeds, records, fresh = (1, 500, 2000) if quick else (SEEDS, RECORDS, FRESH)
    return [(name, seed, records, fresh) for name in MODELS for seed in range(seeds)]


def one(task: Task) -> float:
    """Give AUROC with all modalities."""
    name, seed, records, fresh = task
    made = xor_world(seed, records=records, fresh=fresh)
    names = made.fresh.names
    return aurocs(MODELS[name](seed).fit(made.training), made.fresh, [names])[names]


def figures(listed: list[Task], found: list[float]) -> dict[str, float]:
    """Give the figures named above, and what LightGBM finds."""
    mean = {m: float(np.mean([v for (n, *_), v in zip(listed, found, strict=True) if n == m])) for m in MODELS}
    return {
        "xor_late_distance_from_half": abs(mean["late"] - 0.5),
        "xor_early": mean["early"],
        "xor_joint": mean["joint"],
        "xor_early_lightgbm": mean["early, lightgbm"],
    }
