"""A pool of processes on this machine, each the command ``clinfuse fold``; never forked, one thread each."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable, Iterable

from clinfuse.study.engines.worker import Worker, ended
from clinfuse.study.work import Work

Advance = Callable[[int, int], None]
MOST_LOST = 2
_POLL = 0.2


def run_pool(work: Work, worker: Worker, count: int, *, advance: Advance) -> None:
    """Fit what is left of a run in worker processes; which of them did it leaves no trace in the results.

    A worker that the system ends, as for lack of memory, is started again; what it had finished is kept.

    Parameters
    ----------
    work : Work
        Whose ``run.json`` stands.
    worker : Worker
    count : int
        Processes; no more than there are folds are started.
    advance : callable
        Told the number of finished tasks and of all tasks.

    Raises
    ------
    ClinfuseError
        What the first failing worker said; the others are ended, and what they finished is kept.
    TrainingError
        ``WORKER_LOST`` where a third worker is ended by the system.
    """
    total = len(work.tasks)
    running = [worker.start() for _ in range(min(count, len(work.jobs)))]
    lost = 0
    try:
        while running:
            for process in [one for one in running if one.poll() is not None]:
                running.remove(process)
                how = ended(process)
                if how.killed and lost < MOST_LOST:
                    lost += 1
                    work.run.note("worker lost", code=how.code)
                    running.append(worker.start())
                elif how.code != 0:
                    raise how.error()
            advance(seen(work), total)
            time.sleep(_POLL)
    finally:
        end(running)


def seen(work: Work) -> int:
    """Finished tasks, told by their lists of digests alone: cheap enough to ask several times a second."""
    return sum((task.folder / "DONE").is_file() for task in work.tasks)


def end(processes: Iterable[subprocess.Popen[str]]) -> None:
    """End processes, by force where they do not listen."""
    processes = list(processes)
    for process in processes:
        process.terminate()
    for process in processes:
        try:
            process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        if process.stdout is not None:
            process.stdout.close()
