"""Prepared inputs on disk: written once and whole, checked when opened, shared by every process that asks.

A cache lies in ``.clinfuse`` beside the files it was made from, or in the user's own cache folder where that cannot be
written. It holds no id: records are rows, in the order of the records table.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np

from clinfuse.cohort.modality import Modality
from clinfuse.cohort.prepared_source import ARRAY_FILE, Draft, PreparedSource, load, synced, write
from clinfuse.errors import ClinfuseError, StorageError
from clinfuse.io.policies import ReaderPolicy

PREPARATION = 3
_UNSEEN = ("mirror", "centre", "spread", "columns")
_DAY_S = 86400
_ATTEMPTS = 5
# How a refusal ends that says as much about the moment and the machine as about the file.


def source_key(
    modality: Modality, folder: Path, files: Sequence[Sequence[Path]], policy: ReaderPolicy = ReaderPolicy()
) -> str:
    """Names a cache: a hash of the preparation settings and of the name, size and time of every file.

    Parameters
    ----------
    modality : Modality
        What does not change a prepared input (how a network sees it, ``mirror``) does not enter.
    folder : Path
        The cohort folder; where it lies does not enter.
    files : sequence of sequence of Path
        For every record, relative to ``folder``.
    policy : ReaderPolicy
        How its files are read.

    Returns
    -------
    str
        16 hexadecimal digits.
    """
    settings = {name: value for name, value in asdict(modality).items() if name not in _UNSEEN}
    found = hashlib.sha256(json.dumps([PREPARATION, settings, asdict(policy)], sort_keys=True).encode())
    for group in files:
        found.update(json.dumps([_stamp(folder, file) for file in group]).encode())
    return found.hexdigest()[:16]


def _stamp(folder: Path, file: Path) -> list[str | int]:
    try:
        facts = (folder / file).stat()
    except OSError:
        return [file.as_posix(), -1, 0]
    return [file.as_posix(), facts.st_size, facts.st_mtime_ns, facts.st_ctime_ns]


def _user_base(folder: Path) -> Path:
    name = hashlib.sha256(str(folder.resolve()).encode()).hexdigest()[:16]
    said = os.environ.get("XDG_CACHE_HOME") or os.environ.get("LOCALAPPDATA")
    try:
        return (Path(said) if said else Path.home() / ".cache") / "clinfuse" / name
    except RuntimeError:
        return Path(tempfile.gettempdir()) / f"clinfuse-{os.getuid() if hasattr(os, 'getuid') else 0}" / name


def cache_base(folder: Path) -> Path:
    """The folder caches of this cohort go to: made if need be, for its owner's eyes only, surely writable.

    Raises
    ------
    StorageError
        ``CACHE_PLACE`` where neither the cohort folder nor the user's cache folder can be written.
    """
    for base in (folder / ".clinfuse", _user_base(folder)):
        with contextlib.suppress(OSError):
            base.mkdir(mode=0o700, parents=True, exist_ok=True)
            if not base.is_symlink():
                Path(tempfile.mkdtemp(prefix=".try-", dir=base)).rmdir()
                return base
    raise StorageError(
        "CACHE_PLACE",
        place="prepared inputs",
        rule="a folder that can be written: the cohort folder, or the user's cache folder",
        found="neither",
        remedy="Set XDG_CACHE_HOME to a folder you may write.",
    )


class Cache:
    """The caches of one cohort folder.

    Parameters
    ----------
    folder : Path
        The folder that holds ``cohort.toml``.
    retry : bool
        Whether files refused for a passing reason are tried again.
    """

    def __init__(self, folder: Path, *, retry: bool = True) -> None:
        self.base = cache_base(folder)
        self.retry = retry

    def obtain(
        self,
        modality: Modality,
        key: str,
        records: int,
        features: int,
        dtype: np.dtype,
        *,
        fill: Callable[[Draft], None],
    ) -> PreparedSource:
        """The prepared inputs under this key, from disk when they are there and whole, made anew when not.

        Parameters
        ----------
        modality : Modality
        key : str
            Of `source_key`.
        records, features : int
            Rows, and columns of the summary features.
        dtype : dtype
            Of a stored input.
        fill : callable, draft -> None
            Makes every row; called only when they are not on disk.

        Raises
        ------
        StorageError
            ``CACHE_WRITE``.
        """
        place = self.base / f"{_plain(modality.name)}-{key}"
        if place.exists():
            with contextlib.suppress(StorageError):
                source = load(place)
                if not (self.retry and any(refusal.passing for refusal in source.refusals)):
                    return source
                self._put_away(place)
        self._clear_leftovers()
        try:
            return self._make(place, modality, records, features, dtype, fill)
        except OSError as error:
            if isinstance(error, ClinfuseError):
                raise
            raise _unwritten(modality) from None

    def _make(
        self,
        place: Path,
        modality: Modality,
        records: int,
        features: int,
        dtype: np.dtype,
        fill: Callable[[Draft], None],
    ) -> PreparedSource:
        temporary = Path(tempfile.mkdtemp(prefix=".new-", dir=self.base))
        try:
            shape = (records, *modality.shape)
            array = np.lib.format.open_memmap(temporary / ARRAY_FILE, mode="w+", dtype=dtype, shape=shape)
            draft = Draft(
                array=array,
                windows=np.zeros((records, modality.shape[0] if modality.windowed else 1), dtype=bool),
                features=np.full((records, features), np.nan),
                digests=[""] * records,
            )
            fill(draft)
            array.flush()
            write(temporary, draft)
            del array, draft
            return self._publish(temporary, place, modality)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)

    def _publish(self, temporary: Path, place: Path, modality: Modality) -> PreparedSource:
        for _ in range(_ATTEMPTS):
            with contextlib.suppress(OSError):
                temporary.rename(place)
                synced(self.base)
            try:
                return load(place)
            except StorageError:
                self._put_away(place)
        raise _unwritten(modality)

    def _put_away(self, place: Path) -> None:
        aside = Path(tempfile.mkdtemp(prefix=".new-", dir=self.base))
        with contextlib.suppress(OSError):
            place.rename(aside / "old")
        shutil.rmtree(aside, ignore_errors=True)

    def _clear_leftovers(self) -> None:
        for left in self.base.glob(".new-*"):
            with contextlib.suppress(OSError):
                if time.time() - left.stat().st_mtime > _DAY_S:
                    shutil.rmtree(left, ignore_errors=True)


def _unwritten(modality: Modality) -> StorageError:
    return StorageError(
        "CACHE_WRITE",
        place=f"modality {modality.name}",
        rule="prepared inputs can be written to disk",
        found="an error of the file system",
        remedy="Free some space beside cohort.toml, or set XDG_CACHE_HOME to a folder with more.",
    )


def _plain(name: str) -> str:
    return "".join(letter if letter.isalnum() and letter.isascii() else "_" for letter in name)[:40]
