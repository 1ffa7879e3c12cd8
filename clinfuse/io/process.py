"""One decoding process from the outside: started, asked, waited for no longer than allowed, and ended."""

from __future__ import annotations

import contextlib
import io
import json
import os
import queue
import subprocess
import sysconfig
import tempfile
import threading
import weakref
from collections.abc import Sequence
from pathlib import Path
from typing import Any, final

from clinfuse.errors import StorageError
from clinfuse.io.memory import SharedMemory

_START_S = 120.0
_END_S = 2.0
_LEAST_S = 0.05
_LONGEST_LINE = 2**28


class LostError(Exception):
    """The process is gone, or has not answered in time; `answers` are those it gave before."""

    def __init__(self, *, late: bool) -> None:
        super().__init__("late" if late else "gone")
        self.late = late
        self.answers: list[dict[str, Any]] = []


@final
class Process:
    """A running `clinfuse.io.worker.serve`.

    Parameters
    ----------
    command : sequence of str
        Program and arguments.

    Raises
    ------
    StorageError
        ``READ_WORKER`` where it cannot be started.
    """

    def __init__(self, command: Sequence[str]) -> None:
        self.shared = SharedMemory(_shared_file())
        try:
            self._process = subprocess.Popen(
                list(command),
                env=_environment(),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self.shared.fileno(),
            )
        except OSError:
            self.shared.close()
            raise _not_started() from None
        self.end = weakref.finalize(self, _end, self._process, self.shared, os.getpid())
        try:
            self.capped = bool(self._answers([_START_S])[0]["capped"])
        except (LostError, KeyError, IndexError):
            self.end()
            raise _not_started() from None
        except BaseException:
            self.end()
            raise

    @property
    def alive(self) -> bool:
        """Whether it still runs."""
        return self._process.poll() is None

    def ask(self, task: str, items: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
        """The answers to the items of a task, in order.

        Raises
        ------
        LostError
            Where one of them was not answered.
        BrokenPipeError
            Where it was gone before it was asked.
        """
        stream = self._process.stdin
        if stream is None:
            raise BrokenPipeError
        stream.write(json.dumps({"task": task, "items": list(items)}).encode("ascii") + b"\n")
        stream.flush()
        return self._answers([item["seconds"] for item in items])

    def _answers(self, seconds: Sequence[float]) -> list[dict[str, Any]]:
        # A read cannot be given up on every platform; the thread that waits in it can be left behind.
        lines: queue.SimpleQueue[bytes] = queue.SimpleQueue()
        reader = threading.Thread(target=_forward, args=(self._process.stdout, lines, len(seconds)), daemon=True)
        reader.start()
        answers: list[dict[str, Any]] = []
        try:
            for allowed in seconds:
                answers.append(_answer(self._line(lines, allowed)))
        except BaseException as error:
            self._process.kill()
            reader.join(_END_S)
            if isinstance(error, LostError):
                error.answers = answers
            raise
        return answers

    def _line(self, lines: queue.SimpleQueue[bytes], seconds: float) -> bytes:
        """The next line. Time in which a busy machine let the process stand in line for a processor does not count."""
        before = self._in_line_s()
        while True:
            try:
                return lines.get(timeout=seconds)
            except queue.Empty:
                now = self._in_line_s()
                seconds, before = now - before, now
                if seconds < _LEAST_S:
                    raise LostError(late=True) from None

    def _in_line_s(self) -> float:
        """How long the process has stood in line for a processor so far, s; 0 where the system does not say."""
        try:
            said = Path(f"/proc/{self._process.pid}/schedstat").read_bytes().split()
            return int(said[1]) / 1e9
        except (OSError, ValueError, IndexError):
            return 0.0


def _answer(line: bytes) -> dict[str, Any]:
    if not line.endswith(b"\n"):
        raise LostError(late=False)
    try:
        answer = json.loads(line)
    except ValueError:
        raise LostError(late=False) from None
    if not isinstance(answer, dict):
        raise LostError(late=False)
    return answer


def _forward(stream: io.BufferedReader, lines: queue.SimpleQueue[bytes], count: int) -> None:
    for _ in range(count):
        try:
            line = stream.readline(_LONGEST_LINE)
        except (OSError, ValueError):
            line = b""
        lines.put(line)
        if not line:
            return


def _shared_file() -> io.FileIO:
    """A file without a name in memory where the system has that, else a temporary one that only this user can open."""
    if hasattr(os, "memfd_create"):
        number = os.memfd_create("clinfuse", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
        # Shorter than what is mapped of it, it would end whoever looks behind its end.
        import fcntl

        fcntl.fcntl(number, fcntl.F_ADD_SEALS, fcntl.F_SEAL_SHRINK)
        return io.FileIO(number, "r+")
    temporary: Any = tempfile.TemporaryFile(buffering=0)  # noqa: SIM115 (closed with the process)
    return temporary


def _environment() -> dict[str, str]:
    """The environment of this process, one thread, and this copy of clinfuse where it is not installed."""
    found = {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
    home = str(Path(__file__).parents[2])
    if home != sysconfig.get_path("purelib"):
        before = found.get("PYTHONPATH")
        found["PYTHONPATH"] = f"{before}{os.pathsep}{home}" if before else home
    return found


def _end(process: subprocess.Popen[bytes], shared: SharedMemory, owner: int) -> None:
    # A copy of this process made by fork holds the same pipes; the worker behind them is not its own.
    if os.getpid() != owner:
        return
    process.kill()
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(_END_S)
        # One that not even the system can end keeps its pipes: closing them would wait for it.
        for stream in (process.stdin, process.stdout, shared):
            with contextlib.suppress(OSError):
                if stream is not None:
                    stream.close()


def _not_started() -> StorageError:
    return StorageError(
        "READ_WORKER",
        place="decoding process",
        rule="a second Python process, in which files of unknown origin are decoded",
        found="none that starts",
        remedy="Check that programs may be started here and that this Python has clinfuse.",
    )
