"""Inputs of one modality as they lie on disk: written whole, and opened as they were written."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, final

import numpy as np
import pandas as pd

from clinfuse.errors import ClinfuseError, DataError, StorageError
from clinfuse.io.values import Remark

ARRAY_FILE = "array.npy"
_FILES = (ARRAY_FILE, "windows.npy", "features.npy", "records.json")
_INDEX = "index.json"
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


def synced(path: Path) -> None:
    """Have a file or folder on the disk, where the system can promise that."""
    with contextlib.suppress(OSError):
        handle = os.open(path, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def _checksum(path: Path) -> str:
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


def write(folder: Path, draft: Draft) -> None:
    """Write a finished draft into a folder, its hashes last."""
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
        synced(folder / name)
    files = {name: {"stamp": _stamp_of(folder / name), "sha256": _checksum(folder / name)} for name in _FILES}
    (folder / _INDEX).write_text(json.dumps({"files": files}), encoding="utf-8")
    synced(folder / _INDEX)
    synced(folder)


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
