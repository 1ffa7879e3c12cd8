"""What a useless modality costs: the law of every fusion without arguments.

- noise_cost_early, _joint, _late and _hybrid: AUROC on fresh records that a fusion of three modalities loses when a
  fourth of pure noise is added; 250 training records, mean over 20 seeds.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

import clinfuse as cf
from ceiling_figures.worlds import NAMES, aurocs, noise_world

RECORDS, FRESH, SEEDS = 250, 10_000, 20
MODELS: dict[str, Callable[[int], Any]] = {
    "early": lambda seed: cf.EarlyFusion(seed=seed),
    "joint": lambda seed: cf.JointFusion(seed=seed),
    "late": lambda seed: cf.LateFusion(seed=seed),
    "hybrid": lambda seed: cf.HybridFusion(seed=seed),
}
Task = tuple[str, int, int]


def tasks(*, quick: bool) -> list[Task]:
    """Give every (model, seed, fresh records)."""
    seeds, fresh = (2, 2000) if quick else (SEEDS, FRESH)
    return [(name, seed, fresh) for name in MODELS for seed in range(seeds)]


def one(task: Task) -> tuple[float, float]:
    """Give AUROC without and with the noise."""
    name, seed, fresh = task
    return without_and_with(lambda: MODELS[name](seed), seed, fresh)


def without_and_with(make: Callable[[], Any], seed: int, fresh: int) -> tuple[float, float]:
    """Give AUROC of a classifier without the useless modality and with it, on the same fresh records."""
    made = noise_world(seed, records=RECORDS, fresh=fresh)
    others = [m for m in made.fresh.names if m not in NAMES]
    pairs = [(made.training.without(*others), made.fresh.without(*others)), (made.training, made.fresh)]
    without, with_noise = (
        aurocs(make().fit(training), records, [records.names])[records.names] for training, records in pairs
    )
    return without, with_noise


def figures(listed: list[Task], found: list[tuple[float, float]]) -> dict[str, float]:
    """Give the mean loss of every model."""
    return mean_losses([f"noise_cost_{name}" for name, *_ in listed], found)


def mean_losses(names: list[str], found: list[tuple[float, float]]) -> dict[str, float]:
    """Give the mean loss by name, in the order of first mention."""
    losses: dict[str, list[float]] = {}
    for name, (without, with_noise) in zip(names, found, strict=True):
        losses.setdefault(name, []).append(without - with_noise)
    return {name: float(np.mean(each)) for name, each in losses.items()}
