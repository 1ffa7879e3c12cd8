"""A pool of processes on this machine, each the command ``clinfuse fold``; never forked, one thread each."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from clinfuse.errors import (
    ClinfuseError,
    ConfigError,
    DataError,
    LockedError,
    StorageError,
    TrainingError,
)
from clinfuse.study.folder import RunFolder
from clinfuse.study.work import Work

Advance = Callable[[int, int], None]
_POLL = 0.2
_KINDS: dict[int, type[ClinfuseError]] = {
    DataError.exit_code: DataError,
    StorageError.exit_code: StorageError,
    LockedError.exit_code: LockedError,
    TrainingError.exit_code: TrainingError,
}
_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


def default_workers() -> int:
    """Processes that a run takes on this machine: two, or one where there is one core."""
    return min(2, os.cpu_count() or 1)


def run_pool(work: Work, workers: int, *, private: Path | None, agreed: bool, advance: Advance) -> None:
    """Fit what is left of a run in worker processes; which of them did it leaves no trace in the results.

    Parameters
    ----------
    work : Work
        Whose ``run.json`` stands.
    workers : int
        Processes; no more than there are folds are started.
    private : Path or None
        Passed on to every worker.
    agreed : bool
        Whether finished tasks of other inputs may be done again.
    advance : callable
        Told the number of finished tasks and of all tasks.

    Raises
    ------
    ClinfuseError
        What the first failing worker said; the others are ended, and what they finished is kept.
    """
    total = len(work.tasks)
    if work.finished == total:
        advance(total, total)
        return
    threads = str(work.study.options().threads)
    environment = {**os.environ, **dict.fromkeys(_THREADS, threads)}
    processes = [
        _start(work.run, environment, private=private, agreed=agreed) for _ in range(min(workers, len(work.jobs)))
    ]
    try:
        while any(process.poll() is None for process in processes):
            _check(processes)
            advance(_seen(work), total)
            time.sleep(_POLL)
        _check(processes)
    finally:
        _end(processes)
    advance(work.finished, total)


def _start(run: RunFolder, environment: dict[str, str], *, private: Path | None, agreed: bool) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "clinfuse", "fold", str(run.path), "--quiet", "--json"]
    command += ["--yes"] if agreed else []
    command += [] if private is None else ["--private", str(private)]
    return subprocess.Popen(
        command, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )


def _seen(work: Work) -> int:
    """Finished tasks, told by their lists of digests alone: cheap enough to ask several times a second."""
    return sum((task.folder / "DONE").is_file() for task in work.tasks)


def _check(processes: list[subprocess.Popen[str]]) -> None:
    for process in processes:
        if process.poll() not in (None, 0):
            raise _said(process)


def _said(process: subprocess.Popen[str]) -> ClinfuseError:
    """The error a worker printed, as the same kind of error."""
    text = process.stdout.read() if process.stdout is not None else ""
    code = process.returncode
    try:
        said = json.loads(text.splitlines()[-1])["error"]
        parts = {name: str(said[name]) for name in ("place", "rule", "found", "remedy")}
        kind = ConfigError if code == ConfigError.exit_code and str(said["code"]).startswith("CONFIG") else None
        return (kind or _KINDS.get(code, TrainingError))(str(said["code"]), **parts)
    except (ValueError, IndexError, KeyError, TypeError):
        fault = "a fault" if code >= 0 else "the end of the process by the system, as for lack of memory"
        return TrainingError(
            "WORKER_LOST",
            place="worker process",
            rule="finish its folds",
            found=f"{fault} (exit code {code})",
            remedy="Run clinfuse fold on the results folder to see why; finished tasks are kept.",
        )


def _end(processes: list[subprocess.Popen[str]]) -> None:
    for process in processes:
        if process.poll() is None:
            process.terminate()
    for process in processes:
        try:
            process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        if process.stdout is not None:
            process.stdout.close()
