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
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, final

import numpy as np
import pandas as pd

from clinfuse.cohort.modality import Modality
from clinfuse.errors import ClinfuseError, DataError, StorageError
from clinfuse.io.policies import ReaderPolicy
from clinfuse.io.values import Remark

PREPARATION = 3
_FILES = ("array.npy", "windows.npy", "features.npy", "records.json")
_INDEX = "index.json"
_UNSEEN = ("mirror", "centre", "spread", "columns")
_DAY_S = 86400
_ATTEMPTS = 5
# How a refusal ends that says as much about the moment and the machine as about the file.
_PASSING = ("_OPEN", "READ_TIMEOUT", "READ_DIED")


@final
@dataclass(frozen=True)
class Refusal:
    """A file that could not become an input.

    Parameters
    ----------
    row : int
        Position of its record.
    code, place, rule, found, remedy : str
        Of the error, without any patient value.
    passing : bool
        Whether another try could go well (a network drive that did not answer): never kept.
    """

    row: int
    code: str
    place: str
    rule: str
    found: str
    remedy: str
    passing: bool = False

    @classmethod
    def of(cls, row: int, error: ClinfuseError) -> Refusal:
        """The refusal of one record's files for this reason."""
        passing = isinstance(error, StorageError) or error.code.endswith(_PASSING)
        return cls(row, error.code, error.place, error.rule, error.found, error.remedy, passing)

    @property
    def error(self) -> DataError:
        """The same as an error to raise."""
        return DataError(self.code, place=self.place, rule=self.rule, found=self.found, remedy=self.remedy)


@final
@dataclass(frozen=True, eq=False)
class PreparedSource:
    """Everything prepared from one modality of an export, one row per record.

    Parameters
    ----------
    array : ndarray, (records, *shape)
        Read-only, memory-mapped; zeros where absent.
    windows : ndarray of bool, (records, windows)
    features : ndarray of float64, (records, features)
        NaN where absent.
    properties : DataFrame
        What the files say of themselves; NaN where absent.
    digests : tuple of str
        Of each prepared input; empty text where absent.
    refusals : tuple of Refusal
    remarks : tuple of (int, Remark)
        What was seen or done while a row was read and prepared.
    """

    array: np.ndarray
    windows: np.ndarray
    features: np.ndarray
    properties: pd.DataFrame
    digests: tuple[str, ...]
    refusals: tuple[Refusal, ...]
    remarks: tuple[tuple[int, Remark], ...]


@final
@dataclass
class Draft:
    """The rows of a cache while they are being made; see `PreparedSource` for their meaning."""

    array: np.ndarray
    windows: np.ndarray
    features: np.ndarray
    digests: list[str]
    facts: dict[int, Mapping[str, float]] = field(default_factory=dict)
    refusals: list[Refusal] = field(default_factory=list)
    remarks: list[tuple[int, Remark]] = field(default_factory=list)

    def put(self, row: int, array: np.ndarray, windows: np.ndarray, features: np.ndarray) -> None:
        """Keep one input."""
        self.array[row], self.windows[row], self.features[row] = array, windows, features
        self.digests[row] = digest(self.array[row], windows)


def digest(*arrays: np.ndarray) -> str:
    """A hash of the contents, shape and type of arrays: 32 hexadecimal digits."""
    found = hashlib.sha256()
    for array in arrays:
        found.update(f"{array.dtype.str} {array.shape};".encode())
        found.update(np.ascontiguousarray(array).data)
    return found.hexdigest()[:32]


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
    return [file.as_posix(), facts.st_size, facts.st_mtime_ns]


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
            array = np.lib.format.open_memmap(temporary / _FILES[0], mode="w+", dtype=dtype, shape=shape)
            draft = Draft(
                array=array,
                windows=np.zeros((records, modality.shape[0] if modality.windowed else 1), dtype=bool),
                features=np.full((records, features), np.nan),
                digests=[""] * records,
            )
            fill(draft)
            array.flush()
            _write(temporary, draft)
            del array, draft
            return self._publish(temporary, place, modality)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)

    def _publish(self, temporary: Path, place: Path, modality: Modality) -> PreparedSource:
        for _ in range(_ATTEMPTS):
            with contextlib.suppress(OSError):
                temporary.rename(place)
                _synced(self.base)
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


def _synced(path: Path) -> None:
    with contextlib.suppress(OSError):
        handle = os.open(path, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def _checksum(path: Path) -> str:
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


def _write(folder: Path, draft: Draft) -> None:
    np.save(folder / "windows.npy", draft.windows)
    np.save(folder / "features.npy", draft.features)
    columns = {name: None for facts in draft.facts.values() for name in facts}
    rows = range(len(draft.digests))
    records = {
        "digests": draft.digests,
        "refusals": [asdict(refusal) for refusal in draft.refusals],
        "remarks": [[row, remark.code, remark.text] for row, remark in draft.remarks],
        "properties": {name: [draft.facts.get(row, {}).get(name) for row in rows] for name in columns},
    }
    (folder / "records.json").write_text(json.dumps(records), encoding="utf-8")
    for name in _FILES:
        _synced(folder / name)
    files = {name: {"stamp": _stamp_of(folder / name), "sha256": _checksum(folder / name)} for name in _FILES}
    (folder / _INDEX).write_text(json.dumps({"files": files}), encoding="utf-8")
    _synced(folder / _INDEX)
    _synced(folder)


def load(place: Path) -> PreparedSource:
    """A finished cache, every file as it was written.

    A file whose size, times and place on the disk are those it was written with is taken as it is; any other, in a
    cache that was copied for instance, is compared with the hash it was written with.

    Parameters
    ----------
    place : Path
        Folder of one cache.

    Raises
    ------
    StorageError
        ``CACHE_DAMAGED`` where a file is not what was written.
    """
    try:
        index = json.loads((place / _INDEX).read_text(encoding="utf-8"))
        said: dict[str, Any] = index["files"]
        written = (place / _INDEX).stat().st_mtime_ns
        for name in _FILES:
            if not _untouched(place / name, said[name], written) and _checksum(place / name) != said[name]["sha256"]:
                raise _damaged()
        records = json.loads((place / "records.json").read_text(encoding="utf-8"))
        array, windows, features = (np.load(place / name, mmap_mode="r", allow_pickle=False) for name in _FILES[:3])
    except (OSError, ValueError, KeyError, TypeError):
        raise _damaged() from None
    return PreparedSource(
        array=array,
        windows=windows,
        features=features,
        properties=pd.DataFrame(records["properties"], index=range(len(records["digests"])), dtype=np.float64),
        digests=tuple(records["digests"]),
        refusals=tuple(Refusal(**refusal) for refusal in records["refusals"]),
        remarks=tuple((row, Remark(code, text)) for row, code, text in records["remarks"]),
    )


def _stamp_of(file: Path) -> list[int]:
    facts = file.stat()
    return [facts.st_size, facts.st_mtime_ns, facts.st_ctime_ns, facts.st_ino]


def _untouched(file: Path, said: Mapping[str, Any], index_written: int) -> bool:
    """Whether nobody can have written to a file since its hash was taken.

    A file of the same tick as the index could have been changed behind it without another time.
    """
    stamp = _stamp_of(file)
    return stamp == said["stamp"] and max(stamp[1:3]) < index_written


def _damaged() -> StorageError:
    return StorageError(
        "CACHE_DAMAGED",
        place="prepared inputs",
        rule="every file as it was written",
        found="another size or content",
        remedy="It is made again by itself.",
    )
