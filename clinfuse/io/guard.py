"""Files of unknown origin are decoded in a process that can be killed.

No ``except`` ends a decoder that loops, and none returns memory that the system has not got. So images, recordings and
tables of a cohort are read by ``python -m clinfuse.io.guard``, one process beside this one, kept between files and
replaced when a file hangs it, fills its memory or ends it; only that file is lost. Nothing is pickled in either
direction.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, TypeVar, final

from clinfuse.errors import ClinfuseError, DataError
from clinfuse.io.budget import MOST_BYTES
from clinfuse.io.deadlines import SMALL_FILE_S, seconds_for
from clinfuse.io.dialect import Dialect
from clinfuse.io.memory import SharedMemory
from clinfuse.io.policies import ReaderPolicy
from clinfuse.io.process import LostError, Process
from clinfuse.io.readers import FileValue
from clinfuse.io.table_cells import TextTable
from clinfuse.io.table_wire import table_of
from clinfuse.io.values import Remark
from clinfuse.io.wire import error_of, plain, value_of
from clinfuse.io.worker import serve

PROGRAM = (sys.executable, "-P", "-m", "clinfuse.io.guard")
# As stored, as numbers, and once more while they are put in order.
MOST_MEMORY = 3 * MOST_BYTES
_KEPT_BYTES = 2**29
_RESTING_BYTES = 2**26
_CAP_OFF = Remark(
    "CAP_OFF", "This system cannot limit the memory of the process that reads; its time is limited all the same."
)
_AT_ONCE = 256
Made = TypeVar("Made")


@final
class Guard:
    """A process that reads files, and the deadline it has for each.

    Parameters
    ----------
    seconds : float
        What a small file may take, s; large files and further files of a series have more.
    memory_bytes : int
        What the process may hold, bytes. Systems that cannot limit it leave `capped` False.
    program : sequence of str
        What is started; it gets `memory_bytes` as its argument and answers as `clinfuse.io.worker.serve` does.

    Examples
    --------
    >>> from pathlib import Path
    >>> from pydicom.data import get_testdata_file
    >>> from clinfuse.io.policies import CtPolicy
    >>> guard = Guard()
    >>> guard.read("ct", [Path(get_testdata_file("CT_small.dcm"))], CtPolicy()).array.shape
    (128, 128, 1)
    >>> guard.close()
    """

    def __init__(
        self, *, seconds: float = SMALL_FILE_S, memory_bytes: int = MOST_MEMORY, program: Sequence[str] = PROGRAM
    ) -> None:
        self._seconds, self._memory, self._program = seconds, memory_bytes, tuple(program)
        self._turn = threading.Lock()
        self._process: Process | None = None

    def read(self, kind: str, files: Sequence[Path], policy: ReaderPolicy) -> FileValue:
        """What `clinfuse.io.readers.read_files` gives, from the other process.

        Raises
        ------
        DataError
            The reader's; ``READ_TIMEOUT``, ``READ_MEMORY``, ``READ_DIED`` where the files took too long, needed too
            much memory or ended the process; ``READ_FAILED`` where they broke the reader in a way it does not know.
        StorageError
            ``FILE_UNREADABLE`` where a file cannot be opened, ``READ_WORKER`` where no process can be started.
        """
        names = [os.path.abspath(file) for file in files]  # noqa: PTH100 (resolving would follow links)
        item = {"kind": kind, "files": names, "policy": asdict(policy), "seconds": self._allowed(names)}
        return self._made("read", item, self._value)

    def read_table(self, file: Path, dialect: Dialect) -> TextTable:
        """What `clinfuse.io.table_cells.read_cells` gives, from the other process.

        Raises
        ------
        DataError, StorageError
            As `read`.
        """
        name = os.path.abspath(file)  # noqa: PTH100 (resolving would follow links)
        item = {"file": name, "dialect": asdict(dialect), "seconds": self._allowed([name])}
        return self._made("table", item, table_of)

    def likely_dialect(self, file: Path) -> tuple[str, tuple[str, ...]]:
        """What `clinfuse.io.likely_dialect.likely_dialect` gives, from the other process.

        Raises
        ------
        DataError, StorageError
            As `read`.
        """
        name = os.path.abspath(file)  # noqa: PTH100 (resolving would follow links)
        item = {"file": name, "seconds": self._allowed([name])}
        return self._made("table_dialect", item, lambda said, _: (str(said["delimiter"]), tuple(said["encodings"])))

    def _made(self, task: str, item: dict[str, Any], make: Callable[[dict[str, Any], SharedMemory], Made]) -> Made:
        """What `make` makes of the answer to one item, while what it speaks of lies in the shared memory."""
        with self._turn:
            (answer,) = self._answers(task, [item])
            if isinstance(answer, ClinfuseError):
                raise answer
            process = self._running()
            try:
                value = make(answer, process.shared)
            except ClinfuseError:
                raise
            # Whatever else does not fit together was not written by the worker as it is meant to be.
            except (EOFError, LookupError, TypeError, ValueError):
                self._end()
                raise _lost(LostError(late=False)) from None
            if process.shared.size > _KEPT_BYTES:
                self._end()
            return value

    def ask(self, task: str, items: Sequence[dict[str, Any]]) -> Iterator[dict[str, Any] | ClinfuseError]:
        """What a task of the other process makes of each item, in order; an error where it cannot.

        An item that hangs or ends the process costs its own answer only; those behind it get theirs.
        """
        waiting = [{"seconds": self._seconds, **item} for item in items]
        while waiting:
            with self._turn:
                answers = self._answers(task, waiting[:_AT_ONCE])
            waiting = waiting[len(answers) :]
            yield from answers

    def start(self) -> bool:
        """Start the process if there is none, and say whether its memory is capped.

        Raises
        ------
        StorageError
            ``READ_WORKER``.
        """
        with self._turn:
            return self._running().capped

    def close(self) -> None:
        """End the process; the next file starts another."""
        with self._turn:
            self._end()

    def rest(self) -> None:
        """End the process if it holds much memory: for the end of a stretch of reading."""
        with self._turn:
            if self._process is not None and self._process.shared.size > _RESTING_BYTES:
                self._end()

    def _value(self, answer: dict[str, Any], shared: SharedMemory) -> FileValue:
        if not self._running().capped:
            answer["rest"]["remarks"].append(plain(_CAP_OFF))
        return value_of(answer, shared)

    def _allowed(self, names: Sequence[str]) -> float:
        return seconds_for(names, small=self._seconds)

    def _running(self) -> Process:
        if self._process is not None and not self._process.alive:
            self._end()
        if self._process is None:
            self._process = Process([*self._program, str(self._memory)])
        return self._process

    def _answers(self, task: str, items: Sequence[dict[str, Any]]) -> list[dict[str, Any] | ClinfuseError]:
        """One answer for each item, up to the first that the process did not survive."""
        try:
            answers = self._asked(task, items)
        except LostError as lost:
            self._end()
            return [*map(_answer, lost.answers), _lost(lost)]
        except BaseException:
            # An answer that nobody took would be taken for that of the next file.
            self._end()
            raise
        found = [_answer(answer) for answer in answers]
        if any(isinstance(answer, ClinfuseError) and answer.code == "READ_MEMORY" for answer in found):
            self._end()
        return found

    def _asked(self, task: str, items: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
        try:
            return self._running().ask(task, items)
        except BrokenPipeError:
            # It ended after the last answer: no fault of these files.
            self._end()
            return self._running().ask(task, items)

    def _end(self) -> None:
        if self._process is not None:
            self._process.end()
        self._process = None


def _answer(said: dict[str, Any]) -> dict[str, Any] | ClinfuseError:
    return error_of(said) if "error" in said else said


def _lost(lost: LostError) -> DataError:
    late = lost.late
    return DataError(
        "READ_TIMEOUT" if late else "READ_DIED",
        place="file",
        rule="content that its reader comes to an end with",
        found="content that it does not within the time for its size" if late else "content that ended the reader",
        remedy="Export the file again, or leave it out.",
    )


def as_data(error: ClinfuseError) -> ClinfuseError:
    """A file that cannot be opened is that file's fault, and not the run's."""
    if error.code != "FILE_UNREADABLE":
        return error
    return DataError(error.code, place=error.place, rule=error.rule, found=error.found, remedy=error.remedy)


_SHARED: dict[int, Guard] = {}


def shared_guard() -> Guard:
    """The guard of this process; one made by fork gets another."""
    return _SHARED.setdefault(os.getpid(), Guard())


if __name__ == "__main__":
    serve()
