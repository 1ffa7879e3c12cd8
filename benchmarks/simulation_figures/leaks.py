"""Whether leaks are found where they are planted, and nothing where nothing is wrong.

- data_leaks_found: of the seven ways in which a label or a person gets into the files of a hospital (planted.py).
- procedure_leaks_found: of three classifiers that look at held-out records: a scaler, an imputer, and early stopping.
- false_alarm_rate: share of 200 clean cohorts (clean.py) on which the audit says anything.
- shipped_classifiers_with_alarm: how many classes, learners and pools the audit of a classifier says anything of.
- audit_power_<what>_<records>_<AUROC>: share of cohorts of which an association of this strength is told; no target.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from scipy import stats

import clinfuse as cf
from clinfuse.evaluation.audit.checks import audit
from clinfuse.evaluation.audit.procedure import audit_procedure
from clinfuse.fusion.pooling import pool_names
from simulation_figures import leaky, planted
from simulation_figures.clean import clean_cohort

CLEAN, SIZES, AREAS, REPEATS = 200, (100, 200, 400), (0.65, 0.7, 0.75, 0.8, 0.85), 40
BRIEF = cf.TrainingOptions(epochs=1, batch_size=16, copies=1)
POWER = {"presence": "PRESENCE_PREDICTS", "empty_cells": "MISSING_PREDICTS", "order": "ORDER_PREDICTS"}
Task = tuple[str, Any]


def shipped() -> dict[str, Any]:
    """Give a classifier of every class, learner and pool that is shipped, unfitted and trained briefly."""
    learners = dict.fromkeys(("labs", "vitals"), "logistic")
    made: dict[str, Any] = {
        "single": cf.Unimodal("labs", options=BRIEF),
        "early II": cf.EarlyFusion(options=BRIEF),
        "joint": cf.JointFusion(options=BRIEF),
        "hybrid": cf.HybridFusion(options=BRIEF),
    }
    for learner in ("lightgbm", "logistic", "elastic-net"):
        made[f"single {learner}"] = cf.Unimodal("labs", learner=learner, options=BRIEF)
        made[f"early {learner}"] = cf.EarlyFusion(kind="I", learner=learner, options=BRIEF)
    for pool in pool_names():
        made[f"late {pool}"] = cf.LateFusion(combine=pool, learners=learners, inner_folds=2, options=BRIEF)
    return made


def tasks(*, quick: bool) -> list[Task]:
    """Give everything to be tried, by family."""
    clean = [("clean", seed) for seed in range(4 if quick else CLEAN)]
    data = [("data", name) for name in list(planted.PLANTED)[: 1 if quick else None]]
    procedures = [("procedure", name) for name in leaky.COUNTED]
    every = [("shipped", name) for name in list(shipped())[: 2 if quick else None]]
    power = [("power", (what, n, area)) for what in POWER for n in SIZES for area in AREAS][: 1 if quick else None]
    return [*clean, *data, *procedures, *every, *power]


def one(task: Task) -> float:
    """Give 1 where something is said, else 0; of power the share of cohorts."""
    family, what = task
    if family == "clean":
        return float(bool(audit(clean_cohort(what)).findings))
    if family == "data":
        return float(planted.found(what))
    if family == "procedure":
        cohort = leaky.table_cohort()
        said = {finding.code for finding in audit_procedure(leaky.COUNTED[what](cohort), cohort).findings}
        return float("PROCEDURE_SEES_TEST" in said)
    if family == "shipped":
        return float(bool(audit_procedure(shipped()[what], leaky.table_cohort(records=60, columns=4)).findings))
    return power_of(*what, range(REPEATS))


def power_of(what: str, records: int, area: float, seeds: Iterable[int]) -> float:
    """Give the share of cohorts in which an association of this AUROC is told; one in three has the finding."""
    told = [POWER[what] in {one.code for one in audit(_spoiled(what, records, area, seed)).findings} for seed in seeds]
    return float(np.mean(told))


def _spoiled(what: str, records: int, area: float, seed: int) -> cf.Cohort:
    draw = np.random.default_rng([seed, records])
    labels = draw.permutation(np.arange(records) % 3 == 0)
    labs = draw.normal(size=(records, 10))
    present = np.ones((records, 2), dtype=bool)
    # A yes or no that is as much more frequent among those with the finding has the AUROC (1 + difference) / 2.
    has = draw.random(records) < np.where(labels, 0.5, -0.5) * (2 * area - 1) + 0.5
    if what == "presence":
        present[:, 1] = has
    if what == "empty_cells":
        labs[~has, 3] = np.nan
    order = np.arange(records)
    if what == "order":
        order = np.argsort(draw.normal(size=records) + np.sqrt(2) * stats.norm.ppf(area) * labels)
    arrays = {"labs": labs[order], "signs": draw.normal(size=(records, 4))}
    kinds = dict.fromkeys(arrays, "ehr")
    return cf.Cohort.from_arrays(arrays, labels=labels[order].astype(int), present=present[order], kinds=kinds)


def figures(listed: list[Task], found: list[float]) -> dict[str, float]:
    """Give the figures named above."""
    by = {name: [v for (f, _), v in zip(listed, found, strict=True) if f == name] for name in ("data", "procedure")}
    quiet = {name: [v for (f, _), v in zip(listed, found, strict=True) if f == name] for name in ("clean", "shipped")}
    power = {
        f"audit_power_{what[0]}_{what[1]}_{what[2]}": value
        for (family, what), value in zip(listed, found, strict=True)
        if family == "power"
    }
    return {
        "data_leaks_found": sum(by["data"]),
        "procedure_leaks_found": sum(by["procedure"]),
        "false_alarm_rate": float(np.mean(quiet["clean"])),
        "shipped_classifiers_with_alarm": sum(quiet["shipped"]),
        **power,
    }
