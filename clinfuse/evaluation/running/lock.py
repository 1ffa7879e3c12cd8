"""One process at a time on one fold, on any system and without leaving locks that nobody holds."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from clinfuse.errors import LockedError, StorageError

_held: set[Path] = set()


@contextmanager
def locked(file: Path) -> Iterator[None]:
    """Hold a lock file while the block runs; a lock whose process has ended on this machine is taken over.

    Raises
    ------
    LockedError
        ``FOLD_LOCKED``: another process holds it, or one on another machine does.
    StorageError
        ``LOCK_WRITE``.
    """
    file = file.absolute()
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        if not _create(file) and not (_abandoned(file) and _create(file)):
            raise LockedError(
                "FOLD_LOCKED",
                place=f"fold {file.parent.name}",
                rule="one process works on a fold",
                found="a lock of another",
                remedy="Wait for it; if none runs, delete the file LOCK in the fold's folder.",
            )
    except OSError:
        raise StorageError(
            "LOCK_WRITE",
            place=f"fold {file.parent.name}",
            rule="the results folder must be writable",
            found="a failed write",
            remedy="Check the disk and its permissions.",
        ) from None
    _held.add(file)
    try:
        yield
    finally:
        _held.discard(file)
        file.unlink(missing_ok=True)


def _create(file: Path) -> bool:
    try:
        handle = os.open(file, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o644)
    except FileExistsError:
        return False
    with os.fdopen(handle, "w", encoding="ascii") as stream:
        json.dump(_self(), stream)
    return True


def _self() -> dict[str, str | int]:
    return {"host": platform.node(), "pid": os.getpid(), "started": _started(os.getpid())}


def _started(pid: int) -> str:
    """When a process started, in the system's own words: a number used again belongs to another process."""
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace").rpartition(")")[2].split()[19]
    except (OSError, IndexError):
        return ""


def _abandoned(file: Path) -> bool:
    """Whether the lock was left by a process that has ended; it is then out of the way."""
    try:
        text = file.read_text(encoding="ascii")
        owner = json.loads(text)
        if file in _held or owner["host"] != platform.node() or _alive(int(owner["pid"]), str(owner["started"])):
            return False
        aside = file.with_name(f"{file.name}.{os.getpid()}")
        file.rename(aside)
        if aside.read_text(encoding="ascii") != text:
            aside.rename(file)
            return False
        aside.unlink()
    except FileNotFoundError:
        return True
    except (ValueError, KeyError, TypeError):
        return False
    return True


def _alive(pid: int, started: str) -> bool:
    if os.name == "nt":
        # There, signal 0 is a key press and not a question: a lock is never taken over.
        return True
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return started == "" or _started(pid) == started
