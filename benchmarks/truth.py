"""Whether explanations find what was planted, in cohorts whose truth is known.

    python benchmarks/truth.py               # about ten minutes on two cores
    python benchmarks/truth.py --quick       # a few records: to see that it runs
    python benchmarks/truth.py --json
    python benchmarks/truth.py --keep FOLDER # what is found is kept there, and a stopped run goes on where it was

What each figure is stands at the head of benchmarks/truth_figures/planted.py; the table is in docs/results.md. The
method, the model and the way of counting were fixed on seeds 11 and 12, which are not reported.
"""

from __future__ import annotations

import argparse
import os

from shared.families import THREADS, measure, show

TARGETS: dict[str, tuple[str, float]] = {
    "ct_share_over_area": (">=", 5),
    "ct_over_untrained": (">=", 2),
    "ct_over_edge_map": (">=", 2),
    "ct_lesion_over_distractor": (">=", 1),
    "eeg_planted_channels_first": (">=", 1),
    "ehr_true_columns_first": (">=", 1),
    "complete_share": (">=", 0.95),
    "shares_max_error": ("<=", 1e-6),
}


def main() -> None:
    """Print the figures and the table, or JSON."""
    from truth_figures import planted

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--keep", default="", metavar="FOLDER")
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    found = measure({"planted": planted}, quick=given.quick, workers=given.workers, keep=given.keep)["planted"]
    show(planted.figures(*found), TARGETS, as_json=given.json)
    if given.json:
        return
    print()
    for row in planted.rows(*found):
        print("| " + " | ".join(row) + " |")


if __name__ == "__main__":
    # Before numpy is imported: one cohort is one thread.
    for variable in THREADS:
        os.environ.setdefault(variable, "1")
    main()
