"""What every fusion reaches of the best that is possible, on synthetic embeddings whose true posterior is known.

    python benchmarks/ceilings.py                  # about 25 minutes of one core, half of it with two
    python benchmarks/ceilings.py --quick          # one seed, fewer records: to see that it runs
    python benchmarks/ceilings.py --only noise --json
    python benchmarks/ceilings.py --only others    # what noise costs every operator, pool and learner, as long again

What each figure is stands at the head of the file in benchmarks/ceiling_figures/ that measures it. The modalities are
8 wide with one informative direction, turned at random; fresh records are of the same world as the training records.
Seeds from 0 upwards are reported; settings were chosen on seeds from 100 upwards.
"""

from __future__ import annotations

import argparse
import os
from types import ModuleType

from shared.families import THREADS, measure, show

TARGETS: dict[str, tuple[str, float]] = {
    "early_worst_subset_share": (">=", 0.97),
    "joint_worst_subset_share": (">=", 0.97),
    "late_worst_subset_share": (">=", 0.97),
    "noise_cost_early": ("<=", 0.02),
    "noise_cost_joint": ("<=", 0.02),
    "noise_cost_late": ("<=", 0.02),
    "noise_cost_hybrid": ("<=", 0.02),
    "xor_late_distance_from_half": ("<=", 0.05),
    "xor_early": (">=", 0.95),
    "xor_joint": (">=", 0.95),
    "missing_training_cost": ("<=", 0.02),
    "worst_deficit_to_best_single": ("<=", 0.02),
    "tree_withheld_mean_minus_prevalence": ("<=", 0.03),
    "retrieval_share_of_best": (">=", 0.80),
    "mismatch_share_of_best_random": (">=", 0.90),
    "mismatch_share_of_best_similar": (">=", 0.90),
    "subset_sweep_passes": ("<=", 1.5),
    "tree_withheld_auroc_deficit": ("<=", 0.02),
    "tree_withheld_differs_from_zeros": (">=", 0.001),
}


def parts() -> dict[str, ModuleType]:
    """Give the families of figures by name; a new one is a file with tasks, one and figures, and a word here."""
    from ceiling_figures import matching, noise, others, shares, sweep, trees, xor

    return {
        "matching": matching,
        "noise": noise,
        "others": others,
        "shares": shares,
        "sweep": sweep,
        "trees": trees,
        "xor": xor,
    }


def main() -> None:
    """Print the tables, or JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--only", choices=sorted(parts()), nargs="+", default=sorted(set(parts()) - {"others"}))
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    chosen = {name: parts()[name] for name in given.only}
    found = measure(chosen, quick=given.quick, workers=given.workers)
    values = {k: v for name, each in found.items() for k, v in parts()[name].figures(*each).items()}
    show(values, TARGETS, as_json=given.json)
    if given.json:
        return
    for name in [part for part in ("shares", "matching") if part in found]:
        print()
        for row in parts()[name].table(*found[name]):
            print("| " + " | ".join(row) + " |")


if __name__ == "__main__":
    # Before numpy is imported: one fit is one thread.
    for variable in THREADS:
        os.environ.setdefault(variable, "1")
    main()
