"""How many kinds of bad input were tried, and what each got.

    python benchmarks/faults.py             # every kind and file, then a cohort of 1,000 records with damaged files
    python benchmarks/faults.py --records 120
    python benchmarks/faults.py --each      # one line for each kind as well

- bad_input_kinds, bad_input_files: made by code in tests/faults, each with its number in the list of situations.
- tracebacks: files after which something else than an error of clinfuse came out.
- wrong_codes: files that did not get what is expected of them; where a refusal prints the line that accepts the file,
  that line has to do so.
- leaked_values: messages that name the person a file is about, or its place.
- slowest_s: the slowest of them.
- format_files_read_or_listed: 1 if every file of the third-party formats manifest is read as stated there, or stands in
  docs/formats.md with a reason (at most 12).
- damaged_cohort_equal: 1 if a cohort with a tenth of its files damaged is read to its end, its counts reconcile, and
  every prediction equals that of the same cohort without those files.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path
from tempfile import TemporaryDirectory

ROOT = Path(__file__).parent.parent
TARGETS: dict[str, tuple[str, float]] = {
    "bad_input_kinds": (">=", 150),
    "bad_input_files": (">=", 600),
    "tracebacks": ("<=", 0),
    "wrong_codes": ("<=", 0),
    "leaked_values": ("<=", 0),
    "slowest_s": ("<=", 10),
    "format_files_read_or_listed": (">=", 1),
    "damaged_cohort_equal": (">=", 1),
}
HARMS = ("empty", "cut", "text", "zeros")


def fault_figures(*, each: bool) -> dict[str, float]:
    """Try every bad input."""
    from tests.faults.tally import all_faults, verdicts

    faults = all_faults()
    found = list(verdicts(faults))
    for fault in faults if each else ():
        own = [verdict for verdict in found if verdict.fault is fault]
        got = ", ".join(f"{code} x {count}" for code, count in Counter(verdict.got for verdict in own).items())
        print(f"{fault.number:5}{fault.action:6}{fault.name[:70]:72}{got}")
    for verdict in found:
        if not verdict.right or verdict.traceback or verdict.leaked:
            print(f"NOT RIGHT {verdict.fault.number} {verdict.fault.name}: got {verdict.got}", file=sys.stderr)
    return {
        "bad_input_kinds": len(faults),
        "bad_input_files": len(found),
        "tracebacks": sum(verdict.traceback for verdict in found),
        "wrong_codes": sum(not verdict.right for verdict in found),
        "leaked_values": sum(verdict.leaked for verdict in found),
        "slowest_s": max(verdict.seconds for verdict in found),
    }


def format_figures() -> dict[str, float]:
    """Read the third-party files, by the tests that do; without the files there is no figure."""
    data = Path(os.environ.get("CLINFUSE_TEST_DATA", ROOT.parent / "shared" / "data"))
    if not data.is_dir():
        return {}
    tests = sorted(str(file) for file in (ROOT / "tests" / "io").glob("test_formats*.py"))
    done = subprocess.run([sys.executable, "-m", "pytest", "-q", *tests], cwd=ROOT, stdout=subprocess.DEVNULL)
    return {"format_files_read_or_listed": float(done.returncode == 0)}


def damaged_figures(records: int) -> dict[str, float]:
    """Compare a cohort with damaged files with the same cohort without them."""
    import numpy as np

    import clinfuse as cf

    with TemporaryDirectory() as place:
        whole, without = Path(place) / "whole", Path(place) / "without"
        cf.make_cohort("small", records=records, seed=0, out=whole)
        shutil.copytree(whole, without, ignore=shutil.ignore_patterns(".clinfuse"))
        shutil.rmtree(whole / ".clinfuse", ignore_errors=True)
        harmed = harm(whole, without, 0)
        first, second = cf.Cohort.from_folder(whole), cf.Cohort.from_folder(without)
        refused = sum(first.ledger.refused.values()) - sum(second.ledger.refused.values())
        reconciled = first.ledger.records_in == first.ledger.records_used + first.ledger.records_excluded
        learners = dict.fromkeys(first.names, "logistic")
        models = {"early": cf.EarlyFusion(kind="I", learner="logistic"), "late": cf.LateFusion(learners=learners)}
        said = [cf.compare(cohort, models, folds=3, best_single="labs") for cohort in (first, second)]
        logits = [[one[name].predictions.logits for name in models] for one in said]
        same = all(map(np.array_equal, *logits)) and said[0].table().equals(said[1].table())
    print(f"damaged cohort: {records} records, {harmed} files damaged, {refused} refused", file=sys.stderr)
    return {"damaged_cohort_equal": float(same and reconciled and refused == harmed)}


def harm(whole: Path, without: Path, seed: int) -> int:
    """Damage one file of a tenth of the records in one folder, and remove it and its series from the other."""
    import numpy as np

    generator = np.random.default_rng(seed)
    sources = [[file] for kind in ("xray", "eeg") for file in sorted((whole / kind).iterdir())]
    sources += [sorted(folder.iterdir()) for folder in sorted((whole / "ct").iterdir())]
    chosen = generator.choice(len(sources), size=len(sources) // 10, replace=False)
    for place in chosen.tolist():
        files = sources[place]
        file = files[int(generator.integers(len(files)))]
        content = file.read_bytes()
        damaged = {
            "empty": b"",
            "cut": content[: len(content) // 2],
            "text": b"The export was interrupted.\n" * 40,
            "zeros": bytes(len(content)),
        }
        file.write_bytes(damaged[HARMS[place % len(HARMS)]])
        for gone in files:
            (without / gone.relative_to(whole)).unlink()
    return len(chosen)


def measure(records: int, *, each: bool) -> list[dict[str, object]]:
    """Give every figure with its target."""
    values = {**fault_figures(each=each), **format_figures(), **damaged_figures(records)}
    return [figure(name, value) for name, value in values.items()]


def figure(name: str, value: float) -> dict[str, object]:
    """Give a figure and whether it holds."""
    sign, bound = TARGETS[name]
    holds = value <= bound if sign == "<=" else value >= bound
    return {"name": name, "value": value, "target": f"{sign} {bound:g}", "holds": holds}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--records", type=int, default=1000)
    parser.add_argument("--each", action="store_true")
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ.setdefault(name, "1")
    sys.path.insert(0, str(ROOT))
    figures = measure(given.records, each=given.each)
    if given.json:
        print(json.dumps(figures))
        return
    for one in figures:
        print(f"{one['name']:32} {one['value']:10.3f}   {one['target']!s:8} {'' if one['holds'] else 'MISSED'}")


if __name__ == "__main__":
    main()
