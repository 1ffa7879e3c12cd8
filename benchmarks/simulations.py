"""How often intervals hold the truth and tests cry wolf, on simulated cohorts whose truth is known.

    python benchmarks/simulations.py               # about two hours of one core, half of it with two
    python benchmarks/simulations.py --quick       # a few cohorts: to see that it runs
    python benchmarks/simulations.py --only fixed --json
    python benchmarks/simulations.py --keep FOLDER # what is found is kept there, and a stopped run goes on where it was

What each figure is stands at the head of the file in benchmarks/simulation_figures/ that measures it; the tables are in
docs/statistics.md. Every cohort has a seed of its own, from 0 upwards.
"""

from __future__ import annotations

import argparse
import os
from types import ModuleType

from shared.families import THREADS, measure, show

TABLES = ("fixed", "pipeline", "errors")
TARGETS: dict[str, tuple[str, float]] = {
    "coverage_fixed_min": (">=", 0.93),
    "coverage_fixed_max": ("<=", 0.97),
    "coverage_pipeline_min": (">=", 0.92),
    "type_1_error_max": ("<=", 0.07),
    "data_leaks_found": (">=", 7),
    "procedure_leaks_found": (">=", 3),
    "false_alarm_rate": ("<=", 0.01),
}


def parts() -> dict[str, ModuleType]:
    """Give the families of figures by name; a new one is a file with tasks, one and figures, and a word here."""
    from simulation_figures import errors, fixed, leaks, pipeline

    return {"errors": errors, "fixed": fixed, "leaks": leaks, "pipeline": pipeline}


def main() -> None:
    """Print the figures and tables, or JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--only", choices=sorted(parts()), nargs="+", default=sorted(parts()))
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--keep", default="", metavar="FOLDER")
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    chosen = {name: parts()[name] for name in given.only}
    found = measure(chosen, quick=given.quick, workers=given.workers, keep=given.keep)
    values = {k: v for name, each in found.items() for k, v in parts()[name].figures(*each).items()}
    show(values, TARGETS, as_json=given.json)
    if given.json:
        return
    for name in TABLES:
        if name not in found:
            continue
        print()
        for row in parts()[name].rows(*found[name]):
            print("| " + " | ".join(row) + " |")


if __name__ == "__main__":
    # Before numpy is imported: one simulation is one thread.
    for variable in THREADS:
        os.environ.setdefault(variable, "1")
    main()
