"""How much of what the true posterior knows a fusion knows, for every subset; what missing training data cost it.

- early, joint and late_worst_subset_share: (AUROC - 0.5) of the model over that of the true posterior on the same
  fresh records, mean over seeds, the worst subset of seven. Trained on 2,000 complete records with modality dropout.
- missing_training_cost: AUROC on complete fresh records that a model loses when 30 % of each modality were missing at
  random from its training records; mean over seeds, the worst of early, joint, late and hybrid.
- worst_deficit_to_best_single: by how much a model does worse on a subset than the best single-modality model of that
  subset; mean over seeds, the worst subset and model.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

import clinfuse as cf
from ceiling_figures.worlds import NAMES, SUBSETS, aurocs, world
from clinfuse.synthetic.ceiling import area

RECORDS, FRESH, SEEDS = 2000, 50_000, 5
MISSING = 0.3
MODELS: dict[str, Callable[[int], Any]] = {
    "early": lambda seed: cf.EarlyFusion(seed=seed),
    "joint": lambda seed: cf.JointFusion(seed=seed),
    "late": lambda seed: cf.LateFusion(seed=seed),
    "hybrid": lambda seed: cf.HybridFusion(seed=seed),
}
BEST_POSSIBLE, SINGLE = "best possible", "single"
Task = tuple[str, int, float, int, int]


def tasks(*, quick: bool) -> list[Task]:
    """Give every (model, seed, share missing in training, training records, fresh records)."""
    seeds, records, fresh = (1, 500, 5000) if quick else (SEEDS, RECORDS, FRESH)
    listed = [(BEST_POSSIBLE, 0.0), (SINGLE, 0.0), *((name, m) for name in MODELS for m in (0.0, MISSING))]
    return [(name, seed, missing, records, fresh) for name, missing in listed for seed in range(seeds)]


def one(task: Task) -> dict[tuple[str, ...], float]:
    """Give AUROC by subset of one model, of the true posterior, or of the single-modality models."""
    name, seed, missing, records, fresh = task
    made = world(seed, records=records, fresh=fresh, missing=missing)
    if name == BEST_POSSIBLE:
        return {names: area(made.fresh.labels, made.posterior(names)) for names in SUBSETS}
    if name == SINGLE:
        fitted = {m: cf.Unimodal(m, seed=seed).fit(made.training) for m in NAMES}
        single = {m: aurocs(model, made.fresh.without(*set(NAMES) - {m}), [(m,)])[m,] for m, model in fitted.items()}
        return {names: max(single[m] for m in names) for names in SUBSETS}
    # Nothing is asked of subsets where training data are missing.
    subsets = SUBSETS if missing == 0 else [NAMES]
    return aurocs(MODELS[name](seed).fit(made.training), made.fresh, subsets)


def by_model(listed: list[Task], found: list[dict[tuple[str, ...], float]]) -> dict[tuple[str, float], np.ndarray]:
    """Give AUROC of each model and share missing, float64 (seeds, subsets)."""
    grouped: dict[tuple[str, float], list[list[float]]] = {}
    for (name, _, missing, *_), each in zip(listed, found, strict=True):
        grouped.setdefault((name, missing), []).append(list(each.values()))
    return {key: np.array(rows) for key, rows in grouped.items()}


def figures(listed: list[Task], found: list[dict[tuple[str, ...], float]]) -> dict[str, float]:
    """Give the figures named above."""
    each = by_model(listed, found)
    best, single = each[BEST_POSSIBLE, 0.0], each[SINGLE, 0.0]
    shares = {name: ((each[name, 0.0] - 0.5) / (best - 0.5)).mean(0) for name in MODELS}
    deficits = [(single - each[name, 0.0]).mean(0).max() for name in MODELS]
    costs = [(each[name, 0.0][:, -1:] - each[name, MISSING]).mean() for name in MODELS]
    return {
        **{f"{name}_worst_subset_share": float(share.min()) for name, share in shares.items()},
        "missing_training_cost": float(max(costs)),
        "worst_deficit_to_best_single": float(max(deficits)),
    }


def table(listed: list[Task], found: list[dict[tuple[str, ...], float]]) -> list[list[str]]:
    """Give the mean AUROC over seeds of every subset and model, with its share of the best possible."""
    each = {name: rows.mean(0) for (name, missing), rows in by_model(listed, found).items() if missing == 0}
    best = each[BEST_POSSIBLE]
    rows = [["subset", "true posterior", *MODELS]]
    for k, names in enumerate(SUBSETS):
        cells = [f"{each[m][k]:.4f} ({(each[m][k] - 0.5) / (best[k] - 0.5):.1%})" for m in MODELS]
        rows.append([" + ".join(names), f"{best[k]:.4f}", *cells])
    return rows
