"""What a useless modality costs every operator, pool and learner, so that nobody chooses blindly; without a target.

- noise_cost_joint_<operator>, noise_cost_late_<pool>, noise_cost_early_<learner>: as the figures of noise.py, mean over
  3 seeds, on which means of less than 0.005 are nothing.
"""

from __future__ import annotations

from typing import Any

import clinfuse as cf
from ceiling_figures import noise
from clinfuse.fusion.choice import operator_names
from clinfuse.fusion.pooling import pool_names

FRESH, SEEDS = 10_000, 3
LEARNERS = ("lightgbm", "logistic")
Task = tuple[str, str, int, int]


def tasks(*, quick: bool) -> list[Task]:
    """Give every (fusion, what it combines with, seed, fresh records)."""
    seeds, fresh = (1, 2000) if quick else (SEEDS, FRESH)
    named = {"joint": operator_names(), "late": pool_names(), "early": LEARNERS}
    return [(fusion, name, seed, fresh) for fusion, names in named.items() for name in names for seed in range(seeds)]


def built(fusion: str, name: str, seed: int) -> Any:
    """Give an unfitted classifier."""
    if fusion == "early":
        return cf.EarlyFusion(kind="I", learner=name, seed=seed)
    return {"joint": cf.JointFusion, "late": cf.LateFusion}[fusion](combine=name, seed=seed)


def one(task: Task) -> tuple[float, float]:
    """Give AUROC without and with the noise."""
    fusion, name, seed, fresh = task
    return noise.without_and_with(lambda: built(fusion, name, seed), seed, fresh)


def figures(listed: list[Task], found: list[tuple[float, float]]) -> dict[str, float]:
    """Give the mean loss of each."""
    names = [f"noise_cost_{fusion}_{name.replace(' ', '_')}" for fusion, name, *_ in listed]
    return noise.mean_losses(names, found)
