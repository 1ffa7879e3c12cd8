"""One worker of any engine: the command ``clinfuse fold`` in a process of its own, and what it said."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import final

from clinfuse.errors import ClinfuseError, ConfigError, DataError, LockedError, StorageError, TrainingError

_KINDS: dict[int, type[ClinfuseError]] = {
    DataError.exit_code: DataError,
    StorageError.exit_code: StorageError,
    LockedError.exit_code: LockedError,
    TrainingError.exit_code: TrainingError,
}
_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


@final
@dataclass(frozen=True)
class Worker:
    """How a worker of a run is started.

    Parameters
    ----------
    run : str
        Results folder, absolute.
    threads : int
        Of torch, BLAS and OpenMP; set before the process starts, so that workers do not fight over cores.
    private : str
        Where keys and secret lie; empty where that is beside ``cohort.toml``.
    agreed : bool
        Whether finished tasks of other inputs may be done again.
    """

    run: str
    threads: int
    private: str = ""
    agreed: bool = False

    def arguments(self, folds: Sequence[str] = ()) -> list[str]:
        """Give the words after ``clinfuse``; without folds the worker takes all that nobody else works on."""
        words = ["fold", self.run, "--quiet", "--json"]
        words += [word for name in folds for word in ("--fold", name)]
        words += ["--yes"] if self.agreed else []
        return words + (["--private", self.private] if self.private else [])

    def start(self, folds: Sequence[str] = ()) -> subprocess.Popen[str]:
        """Start the process; what it prints can be read from it."""
        environment = {**os.environ, **dict.fromkeys(_THREADS, str(self.threads))}
        command = [sys.executable, "-m", "clinfuse", *self.arguments(folds)]
        return subprocess.Popen(
            command,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )


@final
@dataclass(frozen=True)
class Ended:
    """How a worker ended.

    Parameters
    ----------
    code : int
        Exit status; negative where a signal ended it.
    text : str
        What it printed.
    """

    code: int
    text: str

    @property
    def killed(self) -> bool:
        """Whether the system, and not a fault of its own, ended it."""
        return self.code < 0 or self.code in (128 + 9, 128 + 15)

    def error(self) -> ClinfuseError:
        """Give the error that the worker printed, as the same kind of error."""
        try:
            said = json.loads(self.text.splitlines()[-1])["error"]
            parts = {name: str(said[name]) for name in ("place", "rule", "found", "remedy")}
            code = str(said["code"])
        except (ValueError, IndexError, KeyError, TypeError):
            return self._lost()
        configured = self.code == ConfigError.exit_code and code.startswith("CONFIG")
        return (ConfigError if configured else _KINDS.get(self.code, TrainingError))(code, **parts)

    def _lost(self) -> TrainingError:
        fault = "the end of the process by the system, as for lack of memory" if self.killed else "a fault"
        return TrainingError(
            "WORKER_LOST",
            place="worker process",
            rule="finish its folds",
            found=f"{fault} (exit code {self.code})",
            remedy="Run clinfuse fold on the results folder to see why; finished tasks are kept.",
        )


def ended(process: subprocess.Popen[str]) -> Ended:
    """Wait for a worker and give how it ended."""
    text, _ = process.communicate()
    return Ended(process.returncode, text or "")


def worker_of(run: Path, threads: int, *, private: Path | None, agreed: bool) -> Worker:
    """Give the worker of a run with absolute places, wherever it is started."""
    return Worker(str(run.absolute()), threads, "" if private is None else str(private.absolute()), agreed)
