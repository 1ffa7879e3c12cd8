"""Where the folds of a run are fitted: processes of this machine, or a Dask cluster; the results are the same."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, final, get_args

from clinfuse.errors import ConfigError
from clinfuse.study.engines.cluster import run_cluster
from clinfuse.study.engines.pool import Advance, run_pool
from clinfuse.study.engines.worker import worker_of
from clinfuse.study.work import Work

Name = Literal["local", "dask"]


@final
@dataclass(frozen=True)
class Engine:
    """Who fits the folds of a run; no part of the study, and without a trace in its results.

    Parameters
    ----------
    name : {"local", "dask"}
    workers : int
        Processes on this machine; 0 takes two, or one where there is one core.
    address : str
        Of a Dask scheduler that runs; empty for a cluster on this machine.

    Raises
    ------
    ConfigError
        ``ENGINE_NAME``: an unknown name, or an address without Dask.

    Examples
    --------
    >>> Engine("dask", workers=4).count
    4
    """

    name: Name = "local"
    workers: int = 0
    address: str = ""

    def __post_init__(self) -> None:
        if self.name not in get_args(Name) or (self.address and self.name != "dask"):
            raise ConfigError(
                "ENGINE_NAME",
                place="engine",
                rule=f"one of {', '.join(get_args(Name))}, and an address with dask only",
                found="another",
                remedy="Use --engine dask --address tcp://HOST:8786, or leave both out.",
            )

    @property
    def count(self) -> int:
        """Processes on this machine."""
        return self.workers or min(2, os.cpu_count() or 1)

    def run(self, work: Work, *, private: Path | None, agreed: bool, advance: Advance) -> None:
        """Fit what is left of a run.

        Parameters
        ----------
        work : Work
            Whose ``run.json`` stands.
        private : Path or None
            Passed on to every worker.
        agreed : bool
            Whether finished tasks of other inputs may be done again.
        advance : callable
            Told the number of finished tasks and of all tasks.

        Raises
        ------
        ClinfuseError
            What the first failing worker said.
        """
        total = len(work.tasks)
        if work.finished < total:
            worker = worker_of(work.run.path, work.study.options().threads, private=private, agreed=agreed)
            if self.name == "dask":
                run_cluster(work, worker, self.count, address=self.address, advance=advance)
            else:
                run_pool(work, worker, self.count, advance=advance)
        advance(work.finished, total)
