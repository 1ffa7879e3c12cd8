"""Whether a study says the same whoever fits its folds: a pool, a Dask cluster or an array, with workers killed.

    python benchmarks/engines.py               # about two minutes
    python benchmarks/engines.py --json

A study on two tables, a network among its models, is run once with one process. Every other way of running it must
leave the same bytes in every file of the results folder but the journal.

- identical_across_engines: two processes, four processes, a Dask cluster on this machine, and one with a scheduler and
  workers of its own that is given by its address.
- identical_after_killed_worker: a process of the pool, a process of a Dask task and a worker of the Dask cluster are
  killed while they fit.
- identical_as_array: the scripts of ``clinfuse slurm``, their tasks run as processes at the same time, one of them
  killed and handed in again.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pandas as pd
import psutil
from shared.families import THREADS, show

TARGETS: dict[str, tuple[str, float]] = {
    "identical_across_engines": (">=", 1),
    "identical_after_killed_worker": (">=", 1),
    "identical_as_array": (">=", 1),
}
COHORT = """
[records]
table = "visits.csv"
patient_id = "patient"
record_id = "record"

[label]
column = "finding"
positive = ["yes"]

[modalities.labs]
kind = "ehr"
table = "visits.csv"
columns.crp = { unit = "mg/L" }

[modalities.signs]
kind = "ehr"
table = "visits.csv"
columns.pulse = { unit = "1/min" }
"""
STUDY = """
cohort = "cohort/cohort.toml"
results = "RESULTS"

[question]
primary = ["joint", "labs"]

[validation]
folds = FOLDS

[networks]
labs = "mlp"

[models]
joint = { fusion = "joint" }

[training]
epochs = 3

[report]
patients = 1
"""


def write_study(folder: Path, *, folds: int) -> Path:
    """Write a small cohort of two tables and a study on it; give the study's file."""
    draw = np.random.default_rng(5)
    finding = np.tile([0, 1], 30)
    table = {
        "patient": [f"P{k:02d}" for k in range(60)],
        "record": [f"V{k:02d}" for k in range(60)],
        "finding": np.where(finding, "yes", "no"),
        "crp": np.round(10 + 6 * finding + draw.normal(0, 6, 60), 2),
        "pulse": np.round(80 + 9 * finding + draw.normal(0, 12, 60), 1),
    }
    (folder / "cohort").mkdir(parents=True)
    pd.DataFrame(table).to_csv(folder / "cohort" / "visits.csv", index=False)
    (folder / "cohort" / "cohort.toml").write_text(COHORT, encoding="utf-8")
    study = folder / "study.toml"
    study.write_text(STUDY.replace("FOLDS", str(folds)), encoding="utf-8")
    return study


def results_of(study: Path, name: str) -> Path:
    """Give a copy of the study that writes into results of this name; its file."""
    copy = study.with_name(f"{name}.toml")
    copy.write_text(study.read_text(encoding="utf-8").replace("RESULTS", name), encoding="utf-8")
    return copy


def clinfuse(*words: object) -> list[str]:
    """Give a command that runs clinfuse."""
    return [sys.executable, "-m", "clinfuse", *map(str, words)]


def contents(results: Path) -> dict[str, str]:
    """Give the hash of every file of a run but its journal."""
    files = [file for file in sorted(results.rglob("*")) if file.is_file() and "journal" not in file.parts]
    return {file.relative_to(results).as_posix(): hashlib.sha256(file.read_bytes()).hexdigest() for file in files}


def ran(study: Path, name: str, *words: object, during: Callable[[subprocess.Popen[str]], None] | None = None) -> Path:
    """Run the study into results of this name, doing something meanwhile; give the folder."""
    file = results_of(study, name)
    command = clinfuse("run", file, "--quiet", *words)
    with subprocess.Popen(command, text=True) as process:
        if during is not None:
            during(process)
        if process.wait() != 0:
            raise SystemExit(f"a run ended with exit status {process.returncode}")
    return file.parent / name


def kill_a_fold(process: subprocess.Popen[str]) -> None:
    """Kill the first process that fits a fold for this one."""
    above = psutil.Process(process.pid)
    while process.poll() is None:
        for child in above.children(recursive=True):
            if "fold" in _words(child):
                # It is let work for a while, so that something is lost.
                time.sleep(2)
                os.kill(child.pid, signal.SIGKILL)
                return
        time.sleep(0.05)
    raise SystemExit("no process was there to be killed")


def _words(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except psutil.Error:
        return []


@contextmanager
def cluster(folder: Path, workers: int) -> Iterator[tuple[str, list[subprocess.Popen[bytes]]]]:
    """Run a Dask scheduler and workers as processes of their own; give the address and the workers."""
    file = folder / "scheduler.json"
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    words = ["scheduler", "--host", "127.0.0.1", "--port", "0", "--no-dashboard", "--scheduler-file", str(file)]
    scheduler = subprocess.Popen([sys.executable, "-m", "dask", *words], cwd=folder, **quiet)  # type: ignore[call-overload]
    while not file.exists():
        time.sleep(0.1)
    address = json.loads(file.read_text(encoding="utf-8"))["address"]
    words = ["worker", address, "--no-nanny", "--nthreads", "1", "--no-dashboard"]
    made = [
        subprocess.Popen([sys.executable, "-m", "dask", *words], cwd=folder, **quiet)  # type: ignore[call-overload]
        for _ in range(workers)
    ]
    try:
        yield address, made
    finally:
        for process in [*made, scheduler]:
            process.terminate()
        for process in [*made, scheduler]:
            process.wait()


def as_array(study: Path, name: str) -> Path:
    """Run the tasks of an array as processes at the same time, kill one and hand it in again, then report."""
    file, scripts = results_of(study, name), study.parent / f"{name}-scripts"
    subprocess.run(clinfuse("slurm", file, "--out", scripts, "--sbatch=--mem=4G", "--quiet"), check=True)
    (scripts / "clinfuse").write_text(f'#!/bin/sh\nexec "{sys.executable}" -m clinfuse "$@"\n', encoding="utf-8")
    (scripts / "clinfuse").chmod(0o755)
    path = f"{scripts}{os.pathsep}{os.environ['PATH']}"
    asked = next(line for line in (scripts / "folds.sh").read_text().splitlines() if "--array=" in line)
    last = int(asked.split("-")[-1])

    def start(number: int) -> subprocess.Popen[bytes]:
        environment = {**os.environ, "PATH": path, "SLURM_ARRAY_TASK_ID": str(number)}
        return subprocess.Popen(["sh", scripts / "folds.sh"], env=environment, stdout=subprocess.DEVNULL)

    running = [start(number) for number in range(last + 1)]
    time.sleep(4)
    running[0].kill()
    running[0].wait()
    again = start(0)
    if any(process.wait() != 0 for process in [*running[1:], again]):
        raise SystemExit("a task of the array failed")
    environment = {**os.environ, "PATH": path}
    subprocess.run(["sh", scripts / "report.sh"], env=environment, check=True, stdout=subprocess.DEVNULL)
    return file.parent / name


def measure(folder: Path, *, folds: int) -> dict[str, float]:
    """Run the study every way and give what is equal to the run with one process."""
    study = write_study(folder, folds=folds)
    expected = contents(ran(study, "alone", "--workers", 1))
    with cluster(folder, 2) as (address, _):
        across = [
            ran(study, "pool-2", "--workers", 2),
            ran(study, "pool-4", "--workers", 4),
            ran(study, "dask", "--engine", "dask"),
            ran(study, "dask-by-address", "--engine", "dask", "--address", address),
        ]
    killed = [
        ran(study, "pool-killed", "--workers", 2, during=kill_a_fold),
        ran(study, "dask-killed", "--engine", "dask", during=kill_a_fold),
    ]
    with cluster(folder, 2) as (address, workers):

        def kill_a_worker(process: subprocess.Popen[str]) -> None:
            while not any("fold" in _words(child) for child in psutil.Process(workers[0].pid).children()):
                time.sleep(0.05)
            workers[0].kill()

        words = ("--engine", "dask", "--address", address)
        killed.append(ran(study, "dask-worker-killed", *words, during=kill_a_worker))
    array = [as_array(study, "array")]
    return {
        "identical_across_engines": float(all(contents(one) == expected for one in across)),
        "identical_after_killed_worker": float(all(contents(one) == expected for one in killed)),
        "identical_as_array": float(all(contents(one) == expected for one in array)),
    }


def main() -> None:
    """Print the figures, or JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--folds", type=int, default=4)
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        values = measure(Path(folder), folds=given.folds)
    show(values, TARGETS, as_json=given.json)


if __name__ == "__main__":
    for variable in THREADS:
        os.environ.setdefault(variable, "1")
    main()
