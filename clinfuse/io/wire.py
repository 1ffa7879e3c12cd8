"""How a value or an error travels from the process that decodes to the one that asked: never as code.

Everything but the pixels or samples is one line of JSON. They lie in memory that both processes share, in the order
they had, so that the array on the other side has the same strides and a sum over it the same bits. A CT, whose
Hounsfield units are whole numbers more often than not, comes as int16.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np

from clinfuse.errors import ClinfuseError, ConfigError, DataError, StorageError
from clinfuse.io.memory import SharedMemory, in_memory_order, laid_out
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


def value_head(value: FileValue, shared: SharedMemory) -> dict[str, Any]:
    """A value as JSON, its array written to the shared memory."""
    rest = fields_head(value, without="array")
    return {"value": type(value).__name__, "array": write_array(value.array, shared), "rest": rest}


def value_of(head: dict[str, Any], shared: SharedMemory) -> FileValue:
    """The value that `value_head` described, in memory of its own; Hounsfield units as float32.

    Raises
    ------
    DataError
        As its constructor.
    """
    array, rest = shared_array(head["array"], shared), fields_of(head["rest"])
    if head["value"] == "Volume" and rest["unit"] == "HU" and array.dtype.kind == "i":
        return Volume(array, **rest).in_float32()
    ordered, axes, flips = in_memory_order(array)
    kind: Callable[..., FileValue] = _VALUES[head["value"]]
    return kind(array=laid_out(ordered.copy(), axes, flips), **rest)


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


def write_array(array: np.ndarray, shared: SharedMemory) -> dict[str, Any]:
    """Write an array of integers or floats to the shared memory and say how to read it again."""
    ordered, axes, flips = in_memory_order(array)
    shared.write(ordered)
    return {"dtype": array.dtype.str, "shape": ordered.shape, "axes": axes, "flips": flips}


def shared_array(head: dict[str, Any], shared: SharedMemory) -> np.ndarray:
    """The array that `write_array` described, where it lies: it changes with the next.

    Raises
    ------
    EOFError
        Where the shared memory does not hold it.
    """
    ordered = shared.read(np.dtype(head["dtype"]), tuple(head["shape"]))
    return laid_out(ordered, head["axes"], tuple(head["flips"]))
