"""The folds of a run as tasks of a Dask cluster: one that stands, or one on this machine."""

from __future__ import annotations

import subprocess
import time
from contextlib import ExitStack
from typing import Any

from clinfuse.errors import ConfigError, LockedError, TrainingError
from clinfuse.study.engines.pool import MOST_LOST, Advance, end, seen
from clinfuse.study.engines.worker import Ended, Worker, ended
from clinfuse.study.work import Work

_POLL = 0.2
_PATIENCE = "30s"
_here: set[subprocess.Popen[str]] = set()


def run_cluster(work: Work, worker: Worker, count: int, *, address: str, advance: Advance) -> None:
    """Fit what is left of a run as tasks of a Dask cluster, a fold each; the results are the same bits as elsewhere.

    Every task is the command ``clinfuse fold`` in a process of its own, so that a worker of the cluster needs nothing
    but the same versions and the same folders: cohort and results lie where every machine sees them, under one path.

    Parameters
    ----------
    work : Work
        Whose ``run.json`` stands.
    worker : Worker
    count : int
        Processes of a cluster on this machine; a cluster that stands has its own.
    address : str
        Of a scheduler that runs, as ``tcp://host:8786``; empty for a cluster on this machine.
    advance : callable
        Told the number of finished tasks and of all tasks.

    Raises
    ------
    ConfigError
        ``ENGINE_MISSING``: Dask is not installed. ``ENGINE_ADDRESS``: nothing answers there.
    ClinfuseError
        What the first failing task said; finished tasks are kept.
    TrainingError
        ``WORKER_LOST`` where the cluster could not finish a fold in three attempts.

    References
    ----------
    Rocklin 2015, Dask: parallel computation with blocked algorithms and task scheduling,
    doi:10.25080/Majora-7b98e3ed-013.
    """
    names = [job.fold.name for job in work.jobs if any(task.state() != "done" for task in job.tasks.values())]
    with ExitStack() as stack:
        client = _client(stack, min(count, len(names)), address)
        futures = [client.submit(fit_fold, worker, name, pure=False, retries=MOST_LOST) for name in names]
        # Cancelled tasks first, so that none is tried again; then the processes that a cluster on this machine started.
        stack.callback(lambda: end(list(_here)))
        stack.callback(client.cancel, futures, force=True)
        while not all(future.done() for future in futures):
            _refuse_failed(futures)
            advance(seen(work), len(work.tasks))
            time.sleep(_POLL)
        _refuse_failed(futures)


class FoldLostError(Exception):
    """The process of a fold was ended by the system: the task is worth another attempt."""


def fit_fold(worker: Worker, name: str) -> tuple[int, str]:
    """Fit one fold in a process of its own, waiting for one that still works on it; give exit status and words.

    Raises
    ------
    FoldLostError
        The system ended the process; Dask then tries the task again, here or elsewhere.
    """
    while True:
        process = worker.start([name])
        _here.add(process)
        try:
            how = ended(process)
        finally:
            _here.discard(process)
        if how.killed:
            raise FoldLostError(str(how.code))
        # A worker of the cluster that died may have left its process behind, which then finishes the fold.
        if how.code != LockedError.exit_code:
            return how.code, how.text
        time.sleep(_POLL)


def _client(stack: ExitStack, count: int, address: str) -> Any:
    try:
        from distributed import Client, LocalCluster
    except ImportError:
        raise ConfigError(
            "ENGINE_MISSING",
            place="engine dask",
            rule="the package distributed is installed",
            found="none",
            remedy="Install it with pip install 'clinfuse[dask]', or leave --engine out.",
        ) from None
    if not address:
        # Threads suffice here: each of them waits for a process of its own.
        settings = {"processes": False, "threads_per_worker": 1, "dashboard_address": "127.0.0.1:0", "silence_logs": 50}
        cluster = stack.enter_context(LocalCluster(n_workers=max(1, count), **settings))
        return stack.enter_context(Client(cluster))
    try:
        return stack.enter_context(Client(address, timeout=_PATIENCE))
    except (OSError, ValueError):
        raise ConfigError(
            "ENGINE_ADDRESS",
            place="--address",
            rule="a Dask scheduler answers there",
            found="none",
            remedy="Start it with dask scheduler, or correct the address.",
        ) from None


def _refuse_failed(futures: list[Any]) -> None:
    for future in futures:
        if future.status == "finished":
            how = Ended(*future.result())
            if how.code != 0:
                raise how.error()
        elif future.done():
            raise TrainingError(
                "WORKER_LOST",
                place="Dask cluster",
                rule="finish every fold in at most three attempts",
                found="a fold whose process or worker was ended each time",
                remedy="Give the workers more memory, check that they see the same folders and versions, and run "
                "again; finished tasks are kept.",
            )
