"""A tree that was trained on complete records and then lacks a modality: absence must not read as a value.

Every modality is withheld in turn from LightGBM on all features; 2,000 training records, mean over seeds, the worst
modality.

- tree_withheld_mean_minus_prevalence: |mean prediction - prevalence of the fresh records|.
- tree_withheld_auroc_deficit: AUROC of the same learner trained without that modality, less that of the one that lacks
  it.
- tree_withheld_differs_from_zeros: the smallest mean |difference| between the prediction without the modality and with
  zeros in its place.
"""

from __future__ import annotations

import numpy as np

import clinfuse as cf
from ceiling_figures.worlds import NAMES, aurocs, subset_mask, world

RECORDS, FRESH, SEEDS = 2000, 50_000, 5
Task = tuple[int, int, int]


def tasks(*, quick: bool) -> list[Task]:
    """Give every (seed, training records, fresh records)."""
    seeds, records, fresh = (1, 500, 5000) if quick else (SEEDS, RECORDS, FRESH)
    return [(seed, records, fresh) for seed in range(seeds)]


def one(task: Task) -> dict[str, tuple[float, float, float]]:
    """Give, by withheld modality: mean minus prevalence, AUROC deficit, and difference from zeros."""
    seed, records, fresh = task
    made = world(seed, records=records, fresh=fresh)
    model = cf.EarlyFusion(kind="I", seed=seed).fit(made.training)
    encoded = model.encode(made.fresh)
    return {name: _withheld(model, encoded, made, name, seed) for name in NAMES}


def _withheld(model, encoded, made, name, seed):
    rest = tuple(other for other in NAMES if other != name)
    without = made.training.without(name)
    logits = model.decide(encoded, subset_mask(made.fresh, rest))
    said = model.probabilities(logits)[:, 1]
    own = aurocs(cf.EarlyFusion(kind="I", seed=seed).fit(without), made.fresh.without(name), [rest])[rest]
    zeros = cf.Cohort.from_arrays(
        {m: np.zeros_like(made.fresh.arrays(m)) if m == name else made.fresh.arrays(m) for m in NAMES},
        labels=made.fresh.labels,
        kinds=dict.fromkeys(NAMES, "ehr"),
    )
    as_zeros = model.predict_proba(zeros)[:, 1]
    return (
        float(abs(said.mean() - made.fresh.labels.mean())),
        own - aurocs(model, made.fresh, [rest])[rest],
        float(np.abs(said - as_zeros).mean()),
    )


def figures(listed: list[Task], found: list[dict[str, tuple[float, float, float]]]) -> dict[str, float]:
    """Give the worst modality of each."""
    del listed
    mean = np.mean([[each[name] for name in NAMES] for each in found], axis=0)
    return {
        "tree_withheld_mean_minus_prevalence": float(mean[:, 0].max()),
        "tree_withheld_auroc_deficit": float(mean[:, 1].max()),
        "tree_withheld_differs_from_zeros": float(mean[:, 2].min()),
    }
