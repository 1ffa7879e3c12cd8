"""What each operator of joint fusion can learn from a few hundred records, at the level of embeddings.

    python benchmarks/operators.py                          # every operator, about ten minutes on one core
    python benchmarks/operators.py --names gated --seeds 3  # some of them, on several cohorts
    python benchmarks/operators.py --sweep                  # what deciding for every set of modalities costs

Trained on 800 records of four tables with 15 epochs, scored on 5,000 fresh and complete records of the same world.

- xor: AUROC on a cohort where no modality alone tells anything, and the best possible reader has 1.00. An operator that
  adds what modalities say cannot be better than a guess there.
- share: how much of the best possible (AUROC - 0.5) is reached where the modalities only add up.

- passes (with --sweep): cost of encoding 48 rendered records once and deciding for all 15 sets of their four
  modalities, in prediction passes; the best of three, in processor time.

Nothing has a target: which operator suits is a question for each cohort.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Sequence
from itertools import product
from typing import Any

import numpy as np

RECORDS, FRESH, EPOCHS = 800, 5000, 15


def scored(kind: str, name: str, seed: int) -> tuple[float, float]:
    """AUROC of the model and of the best possible reader, on the same fresh records."""
    import clinfuse as cf
    from clinfuse.synthetic.embedding import embedding_world
    from clinfuse.synthetic.settings import preset

    world = embedding_world(preset(kind, records=RECORDS, seed=seed), fresh=FRESH)
    options = {"reduce": 8} if name == "tensor" else {}
    choice = cf.OperatorChoice(name, options=options)
    model = cf.JointFusion(combine=choice, options=cf.TrainingOptions(epochs=EPOCHS), seed=seed).fit(world.training)
    logits = model.decide(model.encode(world.fresh))
    best = world.posterior(list(world.fresh.names))
    auroc = cf.metrics.auroc
    return auroc(world.fresh.labels, logits[:, 1] - logits[:, 0]), auroc(world.fresh.labels, best)


def measure(names: Sequence[str], seeds: Sequence[int]) -> list[dict[str, object]]:
    """Give the figures, each a mean over the seeds."""
    found: list[dict[str, object]] = []
    for name in names:
        xor = [scored("xor", name, seed)[0] for seed in seeds]
        pairs = [scored("embedding", name, seed) for seed in seeds]
        share = [(model - 0.5) / (best - 0.5) for model, best in pairs]
        for key, values in (("xor", xor), ("share", share)):
            found.append({"name": f"{key}_{name}", "value": sum(values) / len(values), "target": "", "holds": True})
    return found


def passes(names: Sequence[str]) -> list[dict[str, object]]:
    """Give the cost of a sweep over every set of modalities, in prediction passes."""
    import clinfuse as cf

    with tempfile.TemporaryDirectory() as folder:
        cohort = cf.make_cohort("demo", records=48, seed=11, out=folder)
        options = cf.TrainingOptions(epochs=1)
        found: list[dict[str, object]] = []
        for name in names:
            choice = cf.OperatorChoice(name, options={"reduce": 4} if name == "tensor" else {})
            model = cf.JointFusion(combine=choice, options=options).fit(cohort)
            value = min(one_sweep(model, cohort) for _ in range(3))
            found.append({"name": f"passes_{name}", "value": value, "target": "", "holds": True})
        return found


def one_sweep(model: Any, cohort: Any) -> float:
    """Processor time of one sweep over that of one prediction."""
    start = time.process_time()
    model.predict_proba(cohort)
    between = time.process_time()
    encoded = model.encode(cohort)
    for kept in product([False, True], repeat=encoded.present.shape[1]):
        model.decide(encoded, encoded.present & np.array(kept))
    return (time.process_time() - between) / (between - start)


def main() -> None:
    """Print the table, or JSON."""
    from clinfuse.fusion.choice import operator_names

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--names", nargs="*", default=[])
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--first-seed", type=int, default=11)
    parser.add_argument("--sweep", action="store_true")
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    names = given.names or operator_names()
    seeds = range(given.first_seed, given.first_seed + given.seeds)
    figures = passes(names) if given.sweep else measure(names, seeds)
    if given.json:
        print(json.dumps(figures))
        return
    for figure in figures:
        print(f"{figure['name']:26} {figure['value']:.3f}")


if __name__ == "__main__":
    main()
