"""How often a study says more than it may, over many synthetic cohorts whose answer is known.

    python benchmarks/honesty.py                 # 40 cohorts with a gain and 40 without, about 20 minutes on 2 cores
    python benchmarks/honesty.py --seeds 4       # a short form

Cohorts are made at the level of features (four sources, 240 records, 15 % of each missing), so that no rendering or
network stands between what was planted and what is said of it.

- above_ceiling_share: pairs of model and cohort whose lower 95 % limit lies above the best possible AUROC.
- false_yes_share: cohorts with nothing to gain for which the declared comparison says "Yes".
- true_yes_share: cohorts with something to gain for which it says "Yes" (no target: it is the power of this design).
"""

from __future__ import annotations

import argparse
import json
import os
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

RECORDS = 240
FOLDS = 3
TARGETS = {"above_ceiling_share": 0.05, "false_yes_share": 0.05}


def one_cohort(arguments: tuple[int, bool]) -> dict[str, float]:
    """Run the whole comparison on one cohort; 1 and 0 for what it said."""
    seed, gain = arguments
    import clinfuse as cf
    from clinfuse.synthetic.embedding import embedding_cohort
    from clinfuse.synthetic.settings import preset
    from clinfuse.synthetic.truth import truth_of

    separations = (1.0, 0.8, 0.8, 1.5) if gain else (0.0, 0.0, 0.0, 1.5)
    settings = preset("embedding", records=RECORDS, seed=seed, separations=separations)
    cohort, truth = embedding_cohort(settings), truth_of(settings)
    models = {"early": cf.EarlyFusion(), "joint": cf.JointFusion(), "late": cf.LateFusion()}
    result = cf.compare(cohort, models, folds=FOLDS, seed=seed, primary="early", best_single="labs")
    above = pairs = 0
    for row in result.rows:
        if row.metric != "auroc":
            continue
        single = row.model in cohort.names
        tested = cohort[cohort.present[:, cohort.names.index(row.model)]] if single else cohort
        pairs += 1
        above += row.low > truth.ceiling_of(tested, row.modalities)
    return {"pairs": pairs, "above": above, "yes": float(result.answer.verdict == "yes")}


def measure(seeds: int, workers: int) -> list[dict[str, object]]:
    """Give the figures with their targets."""
    tasks = [(seed, gain) for gain in (True, False) for seed in range(seeds)]
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        said = list(pool.map(one_cohort, tasks))
    with_gain, without = said[:seeds], said[seeds:]
    values = {
        "above_ceiling_share": sum(s["above"] for s in said) / sum(s["pairs"] for s in said),
        "false_yes_share": sum(s["yes"] for s in without) / seeds,
        "true_yes_share": sum(s["yes"] for s in with_gain) / seeds,
    }
    figures: list[dict[str, object]] = []
    for name, value in values.items():
        target = TARGETS.get(name)
        text = "" if target is None else f"<= {target}"
        figures.append({"name": name, "value": value, "target": text, "holds": target is None or value <= target})
    return figures


def main() -> None:
    """Print the table, or JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=40)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ.setdefault(name, "1")
    figures = measure(given.seeds, given.workers)
    if given.json:
        print(json.dumps(figures))
        return
    for figure in figures:
        print(f"{figure['name']:24} {figure['value']:.3f}   {figure['target']!s:8} {figure['holds']}")


if __name__ == "__main__":
    main()
