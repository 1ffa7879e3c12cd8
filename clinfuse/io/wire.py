"""How a value or an error travels from the process that decodes to the one that asked: never as code.

Everything but the pixels or samples is one line of JSON. They lie in a file that both processes hold open, in the
order of the memory they had, so that the array on the other side has the same strides and a sum over it the same bits.
A CT, whose Hounsfield units are whole numbers more often than not, takes half the space as int16.
"""

from __future__ import annotations

import io
import math
import os
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np

from clinfuse.errors import ClinfuseError, ConfigError, DataError, StorageError
from clinfuse.io.readers import FileValue
from clinfuse.io.values import Radiograph, Remark, Signal, Volume

_VALUES: dict[str, type[FileValue]] = {kind.__name__: kind for kind in (Volume, Radiograph, Signal)}
_ERRORS: dict[str, type[ClinfuseError]] = {kind.__name__: kind for kind in (DataError, ConfigError, StorageError)}
_PARTS = ("code", "place", "rule", "found", "remedy")


def error_head(error: ClinfuseError) -> dict[str, Any]:
    """An error as JSON."""
    return {"error": type(error).__name__, **{part: getattr(error, part) for part in _PARTS}}


def error_of(head: dict[str, Any]) -> ClinfuseError:
    """The error that `error_head` described."""
    return _ERRORS[head["error"]](head["code"], **{part: head[part] for part in _PARTS[1:]})


def value_head(value: FileValue, shared: io.FileIO) -> dict[str, Any]:
    """A value as JSON, its array written to the shared file."""
    rest = fields_head(value, without="array")
    halved = isinstance(value, Volume) and value.unit == "HU"
    return {"value": type(value).__name__, "array": write_array(value.array, shared, halve=halved), "rest": rest}


def value_of(head: dict[str, Any], shared: io.FileIO) -> FileValue:
    """The value that `value_head` described.

    Raises
    ------
    DataError
        As its constructor.
    """
    kind: Callable[..., FileValue] = _VALUES[head["value"]]
    return kind(array=read_array(head["array"], shared), **fields_of(head["rest"]))


def plain(value: object) -> Any:
    """A value of a field as JSON: numbers, texts, dates, paths, arrays of few numbers, and tuples of them."""
    if isinstance(value, tuple):
        return [plain(part) for part in value]
    if isinstance(value, Remark):
        return {"remark": [value.code, value.text]}
    if isinstance(value, np.datetime64 | np.ndarray):
        array = np.asarray(value)
        numbers = array.view(np.int64) if array.dtype.kind == "M" else array
        return {"dtype": array.dtype.str, "values": numbers.tolist()}
    if isinstance(value, Path):
        return {"path": str(value)}
    return value.item() if isinstance(value, np.generic) else value


def unplain(written: Any) -> Any:
    """The value that `plain` described."""
    if isinstance(written, list):
        return tuple(unplain(part) for part in written)
    if not isinstance(written, dict):
        return written
    if "remark" in written:
        return Remark(*written["remark"])
    if "path" in written:
        return Path(written["path"])
    kind = np.dtype(written["dtype"])
    if kind.kind == "M":
        return np.array(written["values"], dtype=np.int64).view(kind)[()]
    return np.array(written["values"], dtype=kind)


def fields_head(value: Any, *, without: str = "") -> dict[str, Any]:
    """The fields of a dataclass as JSON, one of them left out."""
    return {field.name: plain(getattr(value, field.name)) for field in fields(value) if field.name != without}


def fields_of(head: dict[str, Any]) -> dict[str, Any]:
    """The fields that `fields_head` described."""
    return {name: unplain(written) for name, written in head.items()}


def write_array(array: np.ndarray, shared: io.FileIO, *, halve: bool = False) -> dict[str, Any]:
    """Write an array to the shared file and say how to read it again.

    Parameters
    ----------
    array : ndarray of integers or floats
    shared : FileIO
        Written from its start; what lies behind the end of the array stays.
    halve : bool
        Whether float32 may travel as int16 where that loses nothing.
    """
    flips = tuple(axis for axis in range(array.ndim) if array.strides[axis] < 0)
    axes = sorted(range(array.ndim), key=lambda axis: -abs(array.strides[axis]))
    ordered = np.flip(array, flips).transpose(axes)
    head = {"dtype": array.dtype.str, "shape": ordered.shape, "axes": axes, "flips": flips}
    if halve and array.ndim > 1 and array.dtype == np.float32 and _wrote_halved(ordered, shared):
        return {**head, "wire": "<i2"}
    shared.seek(0)
    _write(shared, np.ascontiguousarray(ordered))
    return {**head, "wire": array.dtype.str}


def read_array(head: dict[str, Any], shared: io.FileIO) -> np.ndarray:
    """The array that `write_array` described, in memory of its own.

    Raises
    ------
    EOFError
        Where the shared file does not hold it.
    """
    if array_bytes(head) > os.fstat(shared.fileno()).st_size:
        raise EOFError
    array = np.empty(tuple(head["shape"]), dtype=np.dtype(head["dtype"]))
    shared.seek(0)
    if head["wire"] == head["dtype"]:
        _read(shared, array)
    else:
        part = np.empty(array.shape[1:], dtype=np.dtype(head["wire"]))
        for row in array:
            _read(shared, part)
            row[...] = part
    return np.flip(array.transpose(np.argsort(head["axes"])), tuple(head["flips"]))


def _wrote_halved(array: np.ndarray, shared: io.FileIO) -> bool:
    # One plane at a time, so that it is compared while it is still in the processor's cache.
    shared.seek(0)
    with np.errstate(invalid="ignore"):
        for row in array:
            whole = row.astype(np.int16, order="C")
            if not np.array_equal(whole, row):
                return False
            _write(shared, whole)
    return True


def _write(shared: io.FileIO, array: np.ndarray) -> None:
    left = array.reshape(-1).view(np.uint8).data
    while left:
        left = left[shared.write(left) :]


def _read(shared: io.FileIO, array: np.ndarray) -> None:
    left = array.reshape(-1).view(np.uint8).data
    while left:
        got = shared.readinto(left)
        if not got:
            raise EOFError
        left = left[got:]


def array_bytes(head: dict[str, Any]) -> int:
    """How many bytes the array takes in the shared file."""
    return math.prod(head["shape"]) * np.dtype(head["wire"]).itemsize
