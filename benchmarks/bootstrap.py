"""How long intervals of large studies take, and how much faster than a loop over scikit-learn they are.

    python benchmarks/bootstrap.py            # about a minute
    python benchmarks/bootstrap.py --json

- statistics_s: AUROC, AUPRC, Brier score, calibration slope and intercept with patient-cluster intervals, and all
  paired differences to the reference, for 10,000 records of 5,000 patients, 10 models and 2,000 draws; median of 3.
- auroc_speed_vs_loop: time of drawing patients and calling scikit-learn's roc_auc_score for each draw, over ours for
  the same, both from predictions to an interval of one model; medians of 5 in turn. The loop makes a tenth of the draws
  and is counted ten times. The two intervals agree within what other draws change.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable
from statistics import median
from typing import Any

import numpy as np
from simulation_figures.fixed import single_set
from sklearn.metrics import roc_auc_score
from threadpoolctl import threadpool_limits

from clinfuse.evaluation.predictions import Predictions
from clinfuse.evaluation.scores import metric_interval
from clinfuse.evaluation.side_by_side import side_by_side

RECORDS, PATIENTS, MODELS, DRAWS, SHARE = 10_000, 5_000, 10, 2_000, 10
METRICS = ("auroc", "auprc", "brier", "calibration_slope", "calibration_intercept")
TARGETS = {"statistics_s": ("<=", 20.0), "auroc_speed_vs_loop": (">=", 10.0)}


def predictions(records: int, patients: int, models: int) -> dict[str, Predictions]:
    """Give predictions of several models for one held-out set of records."""
    draw = np.random.default_rng(0)
    patient = np.arange(records) % patients
    labels = (draw.random(patients) < 0.3)[patient].astype(np.int64)
    shared = draw.normal(size=patients)[patient]
    made = {}
    for number in range(models):
        logits = shared + draw.normal(size=records) + (1 + 0.1 * number) * labels - 1
        made[f"model {number}"] = single_set(labels, logits, patient, f"model {number}")
    return made


def loop(one: Predictions, draws: int, seed: int) -> tuple[float, float]:
    """Give the interval of an AUROC as a script would: draw patients, gather their rows, call scikit-learn."""
    generator = np.random.default_rng(seed)
    names, owner = np.unique(one.patient, return_inverse=True)
    rows = np.split(np.argsort(owner, kind="stable"), np.cumsum(np.bincount(owner))[:-1])
    scores = one.logits[:, 1]
    values = []
    for _ in range(draws):
        chosen = np.concatenate([rows[place] for place in generator.integers(len(names), size=len(names))])
        values.append(roc_auc_score(one.y_true[chosen], scores[chosen]))
    low, high = np.quantile(values, [0.025, 0.975])
    return float(low), float(high)


def timed(call: Callable[[], Any]) -> tuple[float, Any]:
    """Give seconds and result."""
    start = time.perf_counter()
    found = call()
    return time.perf_counter() - start, found


def measure(*, quick: bool) -> dict[str, float]:
    """Give the figures."""
    records, patients, models, draws = (400, 200, 2, 200) if quick else (RECORDS, PATIENTS, MODELS, DRAWS)
    made = predictions(records, patients, models)
    whole = [
        timed(lambda: side_by_side(made, reference="model 0", metrics=METRICS, draws=draws))[0]
        for _ in range(1 if quick else 3)
    ]
    one = made["model 0"]
    ours, theirs = [], []
    for turn in range(1 if quick else 5):
        seconds, found = timed(lambda: metric_interval(one, "auroc", draws=draws))
        ours.append(seconds)
        slow, (low, high) = timed(lambda turn=turn: loop(one, draws // SHARE, turn))
        theirs.append(slow * SHARE)
        if max(abs(low - found.low), abs(high - found.high)) > 0.3 * (found.high - found.low):
            sys.exit("The two intervals differ by more than draws can explain.")
    return {"statistics_s": median(whole), "auroc_speed_vs_loop": median(theirs) / median(ours)}


def main() -> None:
    """Print a table, or JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="a small set, to see that it runs")
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    figures = []
    with threadpool_limits(1):
        found = measure(quick=given.quick)
    for name, value in found.items():
        sign, bound = TARGETS[name]
        holds = value <= bound if sign == "<=" else value >= bound
        figures.append({"name": name, "value": value, "target": f"{sign} {bound:g}", "holds": holds})
    if given.json:
        print(json.dumps(figures))
        return
    for one in figures:
        print(f"{one['name']:24} {one['value']:8.2f}   {one['target']!s:8} {'' if one['holds'] else 'MISSED'}")


if __name__ == "__main__":
    main()
