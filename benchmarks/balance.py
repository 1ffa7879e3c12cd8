"""What is done against imbalance of modalities and of classes, and what it changes, on synthetic embeddings.

    python benchmarks/balance.py                 # 5 seeds, about 10 minutes on 2 cores
    python benchmarks/balance.py --quick         # 1 seed, fewer records: to see that it runs

Modalities: joint fusion of ct, eeg and labs (separations 1.0, 0.8, 1.5; 8 columns each, one informative direction
turned at random) with nothing done, with modalities hidden while training, with losses of single heads, and with both.
Printed is the share of the best possible, (AUROC - 0.5) over that of the true posterior, with everything there and for
the worst subset, and the AUROC that labs alone lose against a network of their own (the under-training gap).

Classes: a network on labs where one record in twelve has the finding, with the classes as they are, weighed, drawn
equally, or the focal loss; calibration before and after the weighing is undone.

None of these figures has a target; settings were not chosen by them.
"""

from __future__ import annotations

import argparse
import json
import os
from concurrent.futures import ProcessPoolExecutor
from itertools import combinations
from multiprocessing import get_context
from typing import Any

import numpy as np

THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
NAMES = ("ct", "eeg", "labs")
AGAINST: dict[str, dict[str, float]] = {
    "nothing": {"hide": 0.0, "auxiliary": 0.0},
    "hiding": {"hide": 0.3, "auxiliary": 0.0},
    "single heads": {"hide": 0.0, "auxiliary": 0.3},
    "both": {"hide": 0.3, "auxiliary": 0.3},
}
CLASSES: dict[str, dict[str, Any]] = {
    "as they are": {},
    "weighed": {"class_weight": "balanced"},
    "drawn equally": {"class_weight": "sampled"},
    "focal loss": {"loss": "focal"},
}
RARE = 1 / 12


def modalities(task: tuple[str, int, int, int]) -> dict[str, float]:
    """Train joint fusion with one remedy; give shares of the best possible, and the gap of labs."""
    import clinfuse as cf
    from clinfuse.evaluation.metrics import auroc
    from clinfuse.synthetic.embedding import embedding_world
    from clinfuse.synthetic.settings import preset

    remedy, seed, records, fresh = task
    world = embedding_world(preset("embedding", seed=seed, records=records, width=8), fresh=fresh, names=NAMES)
    options = cf.TrainingOptions(**AGAINST[remedy])
    model = cf.JointFusion(options=options, seed=seed).fit(world.training)
    encoded, y = model.encode(world.fresh), world.fresh.labels
    areas, shares = {}, {}
    for size in (3, 2, 1):
        for kept in combinations(NAMES, size):
            logits = model.decide(encoded, encoded.present & np.isin(NAMES, kept))
            areas[kept] = auroc(y, logits[:, 1] - logits[:, 0])
            shares[kept] = (areas[kept] - 0.5) / (auroc(y, world.posterior(kept)) - 0.5)
    own = cf.Unimodal("labs", encoder="mlp", options=options, seed=seed).fit(world.training)
    alone = own.decide(own.encode(world.fresh))
    gap = auroc(y, alone[:, 1] - alone[:, 0]) - areas[("labs",)]
    return {"whole": shares[NAMES], "worst subset": min(shares.values()), "gap of labs": gap}


def classes(task: tuple[str, int, int, int]) -> dict[str, float]:
    """Train a network on rare findings with one remedy; give AUROC, and calibration before and after correction."""
    import clinfuse as cf
    from clinfuse.evaluation.metrics import auroc, brier, calibration_intercept, calibration_slope
    from clinfuse.synthetic.embedding import embedding_world
    from clinfuse.synthetic.settings import preset

    remedy, seed, records, fresh = task
    settings = preset("embedding", seed=seed, records=records, width=8, prevalence=RARE)
    world = embedding_world(settings, fresh=fresh, names=("labs",))
    options = cf.TrainingOptions(**CLASSES[remedy])
    model = cf.Unimodal("labs", encoder="mlp", options=options, seed=seed).fit(world.training)
    logits, y = model.decide(model.encode(world.fresh)), world.fresh.labels
    found = {}
    for word, added in (("before", model.weighing_), ("after", np.zeros(2))):
        score = (logits - added)[:, 1] - (logits - added)[:, 0]
        found |= {
            f"slope {word}": calibration_slope(y, score),
            f"in the large {word}": calibration_intercept(y, score),
            f"Brier {word}": brier(y, 1 / (1 + np.exp(-score))),
        }
    return {"AUROC": auroc(y, score), **found}


def do(work: tuple[str, tuple[str, int, int, int]]) -> dict[str, float]:
    """Do one task in a process of its own."""
    part, task = work
    return {"modalities": modalities, "classes": classes}[part](task)


def main() -> None:
    """Print both tables, or JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    seeds, records, fresh = (1, 300, 2000) if given.quick else (5, 1000, 20_000)
    parts = {"modalities": AGAINST, "classes": CLASSES}
    works = [(part, (one, k, records, fresh)) for part, all_of in parts.items() for one in all_of for k in range(seeds)]
    os.environ.update(dict.fromkeys(THREADS, "1"))
    with ProcessPoolExecutor(given.workers, mp_context=get_context("spawn")) as pool:
        said = list(pool.map(do, works))
    figures = []
    for part, all_of in parts.items():
        for one in all_of:
            each = [found for (p, task), found in zip(works, said, strict=True) if (p, task[0]) == (part, one)]
            means = {word: float(np.mean([found[word] for found in each])) for word in each[0]}
            figures += [
                {"name": f"{part}, {one}, {word}", "value": value, "target": "", "holds": True}
                for word, value in means.items()
            ]
            if not given.json:
                print(f"{part:12}{one:16}" + "  ".join(f"{word} {value:.3f}" for word, value in means.items()))
    if given.json:
        print(json.dumps(figures))


if __name__ == "__main__":
    main()
