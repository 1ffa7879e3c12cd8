"""The one way to open what an export holds: ordinary files only, none of them twice as long as when it was measured.

A pipe nobody writes to would be waited for, a device read without end, and a link followed to where nobody asked to
look. What lies below a folder is listed by one rule, too: links that leave the folder are refused and counted, links to
folders inside are not followed because what they lead to is met where it lies.
"""

from __future__ import annotations

import errno
import io
import os
import stat
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import final

from clinfuse.errors import DataError
from clinfuse.io.budget import check_size

_FLAGS = os.O_RDONLY | sum(getattr(os, name, 0) for name in ("O_NONBLOCK", "O_NOCTTY", "O_CLOEXEC", "O_BINARY"))
_KINDS = {stat.S_IFDIR: "a folder", stat.S_IFIFO: "a pipe", stat.S_IFSOCK: "a socket"}


def open_regular(file: Path) -> io.BufferedReader:
    """A file, open for reading.

    Parameters
    ----------
    file : Path
        Links are followed: whether they may be is decided where files are listed.

    Raises
    ------
    DataError
        ``FILE_KIND`` for anything but an ordinary file.
    OSError
        Where it cannot be opened. Its text holds the path; every reader answers it with a code of its own.

    Examples
    --------
    >>> with open_regular(Path(__file__)) as stream:
    ...     stream.read(3)
    b'\"\"\"'
    """
    try:
        # Asked before it is opened, too: some devices do something when they are.
        _check_kind(file.stat())
        number = os.open(file, _FLAGS)
    except DataError:
        raise
    except ValueError:
        raise FileNotFoundError(errno.ENOENT, "a name no file can have") from None
    try:
        _check_kind(os.fstat(number))
        return os.fdopen(number, "rb")
    except BaseException:
        os.close(number)
        raise


def check_regular(file: Path) -> None:
    """Refuse what is there and is no ordinary file; what cannot be asked is left to whoever opens it.

    Raises
    ------
    DataError
        ``FILE_KIND``.
    """
    try:
        found = file.stat()
    except (OSError, ValueError):
        return
    _check_kind(found)


def read_whole(file: Path, *, place: str = "file") -> bytes:
    """Everything a file holds; an error of the disk and a change while it is read are given a second try.

    Parameters
    ----------
    file : Path
    place : str
        Kind of file, for the message.

    Raises
    ------
    DataError
        ``FILE_KIND``; ``FILE_CHANGED`` where it changes the second time as well; ``BOMB`` where it is too large.
    OSError
        Where it cannot be opened or read.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     _ = (Path(folder) / "notes.txt").write_text("no image")
    ...     read_whole(Path(folder) / "notes.txt")
    b'no image'
    """
    try:
        data, steady = _read_once(file, place)
    except OSError:
        steady = False
    if not steady:
        data, steady = _read_once(file, place)
    if not steady:
        raise DataError(
            "FILE_CHANGED",
            place=place,
            rule="a file that stays as it is while it is read",
            found="one that is being written",
            remedy="Wait until the export is complete.",
        )
    return data


def _read_once(file: Path, place: str) -> tuple[bytes, bool]:
    """The content, and whether size and time of the file are still what they were."""
    with open_regular(file) as stream:
        before = os.fstat(stream.fileno())
        check_size(place, before.st_size)
        data = stream.read(before.st_size + 1)
        after = os.fstat(stream.fileno())
    same = (before.st_size, before.st_mtime_ns) == (after.st_size, after.st_mtime_ns)
    return data, same and len(data) == before.st_size


def _check_kind(found: os.stat_result) -> None:
    if not stat.S_ISREG(found.st_mode):
        raise DataError(
            "FILE_KIND",
            place="file",
            rule="an ordinary file",
            found=_KINDS.get(stat.S_IFMT(found.st_mode), "a device"),
            remedy="Name the file itself, or take this out of the export.",
        )


@final
@dataclass(frozen=True)
class Listing:
    """What lies below a folder.

    Parameters
    ----------
    files : tuple of Path
        Everything that is not a folder, those of a folder before those of its subfolders, each sorted by name.
    refused : tuple of DataError
        One ``LINK_OUTSIDE`` for every link that leads out of the export or nowhere, one ``FOLDER_UNREADABLE`` for
        every folder that cannot be looked into.
    """

    files: tuple[Path, ...]
    refused: tuple[DataError, ...] = ()


def list_files(folder: Path, *, root: Path | None = None, without: Collection[Path] = ()) -> Listing:
    """Everything below a folder that may be opened. Folders whose name begins with a dot are passed over.

    Parameters
    ----------
    folder : Path
        In `root`, and written as it is.
    root : Path, optional
        Resolved; links that lead out of it are refused. Without it, a link to a file may lead anywhere.
    without : collection of Path
        Folders that are passed over.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     _ = (Path(folder) / "b").write_text(""), (Path(folder) / "a").write_text("")
    ...     [file.name for file in list_files(Path(folder)).files]
    ['a', 'b']
    """
    files: list[Path] = []
    refused: list[DataError] = []
    waiting = [folder]
    while waiting:
        place = waiting.pop()
        try:
            with os.scandir(place) as entries:
                found = sorted(entries, key=lambda entry: entry.name)
        except OSError:
            refused.append(_unreadable())
            continue
        below = []
        for entry in found:
            path = place / entry.name
            if entry.is_symlink() and root is not None and not leads_inside(root, path):
                refused.append(outside())
            elif not _is_folder(entry):
                files.append(path)
            elif not entry.is_symlink() and entry.name[0] != "." and path not in without:
                below.append(path)
        waiting += reversed(below)
    return Listing(tuple(files), tuple(refused))


def leads_inside(root: Path, path: Path) -> bool:
    """Whether a path, links followed, is one below a resolved folder."""
    try:
        return path.resolve().is_relative_to(root)
    # A loop of links, or a name no file can have.
    except (OSError, RuntimeError, ValueError):
        return False


def outside() -> DataError:
    """The error for a link that leads out of the export."""
    return DataError(
        "LINK_OUTSIDE",
        place="a file of the export",
        rule="links that stay inside the cohort folder",
        found="one that leads out of it, or nowhere",
        remedy="Copy what it leads to into the folder.",
    )


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:
        return False


def _unreadable() -> DataError:
    return DataError(
        "FOLDER_UNREADABLE",
        place="a folder of the export",
        rule="folders that can be looked into",
        found="one that cannot",
        remedy="Ask for the right to read it, or take it out of the export.",
    )
