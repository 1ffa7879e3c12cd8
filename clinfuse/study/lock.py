"""One process at a time in one place of a run; the lock goes with the process, however it ends."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from clinfuse.errors import LockedError, StorageError


@contextmanager
def locked(file: Path) -> Iterator[None]:
    """Hold a lock while inside.

    Parameters
    ----------
    file : Path
        Lock file, made where it is missing; its content means nothing.

    Raises
    ------
    LockedError
        ``RUN_LOCKED``: another process holds it.
    StorageError
        ``RUN_WRITE``: the file cannot be made.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder, locked(Path(folder, "lock")):
    ...     pass
    """
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        handle = os.open(file, os.O_RDWR | os.O_CREAT, 0o600)
    except OSError:
        raise StorageError(
            "RUN_WRITE",
            place="results folder",
            rule="a folder that can be written",
            found="one that cannot",
            remedy="Choose another results folder.",
        ) from None
    try:
        if not _take(handle):
            raise LockedError(
                "RUN_LOCKED",
                place=file.stem,
                rule="one process at a time",
                found="another process at work",
                remedy="Wait for it, or stop it; the lock goes with its process.",
            )
        yield
    finally:
        os.close(handle)


def _take(handle: int) -> bool:
    """Ask the operating system for the lock, which it takes back when the process ends."""
    try:
        if sys.platform == "win32":
            import msvcrt

            msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True
