"""What it costs to ask about every subset of four modalities, on rendered files.

- subset_sweep_passes: the largest cost, in prediction passes, of the 15 subsets of CT, film, EEG and laboratory values,
  over the classifiers that have an image or EEG encoder: early, late, joint with every operator, and hybrid, with
  concatenation and with every operator on tokens; subset_sweep_passes_NAME: that of one of them.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import clinfuse as cf
from clinfuse.evaluation.robustness.cost import sweep_cost
from clinfuse.fusion.choice import operator_class, operator_names

RECORDS, ROUNDS = 120, 5
SHORT = cf.TrainingOptions(epochs=1, augment=False)
REDUCED = {"tensor": {"reduce": 4}}


def models() -> dict[str, Callable[[], Any]]:
    """Give what makes each classifier, by its name in the figures."""
    made: dict[str, Callable[[], Any]] = {
        "early": partial(cf.EarlyFusion, options=SHORT),
        "joint": partial(cf.JointFusion, options=SHORT),
        "late": partial(cf.LateFusion, options=SHORT),
        "hybrid": partial(cf.HybridFusion, options=SHORT),
    }
    for name in operator_names():
        choice = cf.OperatorChoice(name, options=REDUCED.get(name, {}))
        made[f"joint_{name.replace('-', '_')}"] = partial(cf.JointFusion, combine=choice, options=SHORT)
        if operator_class(name).needs == "tokens":
            made[f"hybrid_{name.replace('-', '_')}"] = partial(cf.HybridFusion, combine=choice, options=SHORT)
    return made


MODELS = models()


def tasks(*, quick: bool) -> list[tuple[int, int, int]]:
    """Give records, and which share of the classifiers: two processes are as many as do not disturb each other."""
    return [(40, 0, 1)] if quick else [(RECORDS, 0, 2), (RECORDS, 1, 2)]


def one(task: tuple[int, int, int]) -> dict[str, float]:
    """Give the passes of each of these classifiers; networks are as slow after one epoch as after many."""
    records, first, step = task
    with tempfile.TemporaryDirectory() as folder:
        cohort = cf.make_cohort("demo", records=records, out=Path(folder) / "cohort")
        return {
            name: sweep_cost(MODELS[name]().fit(cohort), cohort, rounds=ROUNDS).passes
            for name in list(MODELS)[first::step]
        }


def figures(listed: list[tuple[int, int, int]], found: list[dict[str, float]]) -> dict[str, float]:
    """Give the largest, and each."""
    del listed
    passes = {name: value for each in found for name, value in each.items()}
    return {"subset_sweep_passes": max(passes.values())} | {f"subset_sweep_passes_{n}": passes[n] for n in MODELS}
