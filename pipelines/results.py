"""The tables of docs/results.md, made anew: the demonstration for five seeds, and the variant with nothing to gain.

python pipelines/results.py            # about five minutes a seed on two cores; stopped, it goes on where it was
python pipelines/results.py --seeds 0 1
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

MODELS = ("labs", "ct", "eeg", "xray", "early", "joint", "late")


def outcome(folder: Path, seed: int, *extra: str) -> dict[str, Any]:
    """What ``clinfuse demo --json`` says of one seed, kept beside its results with the wall time of the first run."""
    kept = folder / "said.json"
    if kept.exists():
        return dict(json.loads(kept.read_text(encoding="utf-8")))
    start = time.monotonic()
    command = [sys.executable, "-m", "clinfuse", "demo", "--json", "--out", str(folder), "--seed", str(seed), *extra]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    said = {**json.loads(done.stdout.splitlines()[-1]), "seconds": round(time.monotonic() - start)}
    kept.write_text(json.dumps(said, indent=1), encoding="utf-8")
    return said


def model_table(said: dict[str, Any]) -> str:
    """One run: every model with its interval beside what could be reached."""
    lines = [
        "| model | fusion | records | patients | events | AUROC (95 % CI) | best possible | oracle | Brier |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    brier = {row["model"]: row["value"] for row in said["metrics"] if row["metric"] == "brier"}
    for row in (row for row in said["metrics"] if row["metric"] == "auroc"):
        counts = f"{row['records']} | {row['patients']} | {row['events']}"
        reach = f"{row['ceiling']:.2f} | {row['oracle']:.2f}"
        area = f"{row['value']:.2f} ({row['low']:.2f} to {row['high']:.2f})"
        lines.append(
            f"| {row['model']} | {row['taxonomy']} | {counts} | {area} | {reach} | {brier[row['model']]:.3f} |"
        )
    return "\n".join(lines)


def seed_table(runs: dict[int, dict[str, Any]]) -> str:
    """All seeds: AUROC of every model, and what the declared comparison said."""
    head = [*MODELS, "declared fusion against labs", "p", "answer", "wall time"]
    lines = ["| seed | " + " | ".join(head) + " |", "|---" * (len(head) + 1) + "|"]
    for seed, said in runs.items():
        area = {row["model"]: row["value"] for row in said["metrics"] if row["metric"] == "auroc"}
        answer = said["answer"]
        gain = f"{answer['difference']:+.3f} ({answer['low']:+.3f} to {answer['high']:+.3f})"
        values = " | ".join(f"{area[model]:.3f}" for model in MODELS)
        lines.append(f"| {seed} | {values} | {gain} | {answer['p']:.3f} | {answer['verdict']} | {said['seconds']} s |")
    return "\n".join(lines)


def main(seeds: list[int], out: Path, extra: list[str]) -> None:
    """Run what is not there yet, and print Markdown."""
    runs = {seed: outcome(out / f"seed-{seed}", seed, *extra) for seed in seeds}
    nothing = {seed: outcome(out / f"nothing-{seed}", seed, "--nothing-to-gain", *extra) for seed in seeds[:1]}
    print(f"### Seed {seeds[0]}\n\n{model_table(runs[seeds[0]])}\n")
    print(f"### All seeds\n\n{seed_table(runs)}\n")
    print(f"### Nothing to gain\n\n{seed_table(nothing)}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2, 3, 4])
    parser.add_argument("--out", type=Path, default=Path("results/demo-seeds"))
    parser.add_argument("--workers", default="2")
    arguments = parser.parse_args()
    main(arguments.seeds, arguments.out, ["--quiet", "--workers", arguments.workers])
