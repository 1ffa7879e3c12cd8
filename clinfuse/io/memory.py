"""Arrays in the order their numbers have in memory, and memory that two processes share."""

from __future__ import annotations

import io
import mmap
import os
from typing import final

import numpy as np

_STEP = 2**24


def in_memory_order(array: np.ndarray) -> tuple[np.ndarray, list[int], tuple[int, ...]]:
    """The array with its axes as they lie in memory, the order they are taken in, and the axes that run backwards.

    Examples
    --------
    >>> ordered, axes, flips = in_memory_order(np.arange(6).reshape(2, 3).T[::-1])
    >>> ordered.tolist(), axes, flips
    ([[0, 1, 2], [3, 4, 5]], [1, 0], (0,))
    """
    flips = tuple(axis for axis in range(array.ndim) if array.strides[axis] < 0)
    axes = sorted(range(array.ndim), key=lambda axis: -abs(array.strides[axis]))
    return np.flip(array, flips).transpose(axes), axes, flips


def laid_out(ordered: np.ndarray, axes: list[int], flips: tuple[int, ...]) -> np.ndarray:
    """The array that `in_memory_order` took apart."""
    return np.flip(ordered.transpose(np.argsort(axes)), flips)


@final
class SharedMemory:
    """A file in memory, or on disk where the system has no such thing, mapped as far as it is needed.

    Parameters
    ----------
    file : FileIO
        Open for reading and writing; closed with this.
    """

    def __init__(self, file: io.FileIO) -> None:
        self._file = file
        self._map: mmap.mmap | None = None

    def write(self, array: np.ndarray) -> None:
        """Put the numbers of an array at the start."""
        needed = array.nbytes
        if needed > self.size:
            self._map = None
            os.ftruncate(self._file.fileno(), -(-needed // _STEP) * _STEP)
        np.copyto(self._start(needed).view(array.dtype).reshape(array.shape), array)

    def read(self, dtype: np.dtype, shape: tuple[int, ...]) -> np.ndarray:
        """The numbers at the start; they change with the next that are written.

        Raises
        ------
        EOFError
            Where there are not so many.
        """
        count = 1
        for length in shape:
            count *= length
        if count * dtype.itemsize > self.size:
            raise EOFError
        return self._start(count * dtype.itemsize).view(dtype).reshape(shape)

    @property
    def size(self) -> int:
        """Bytes it takes, whether they are in use or not."""
        return os.fstat(self._file.fileno()).st_size

    def fileno(self) -> int:
        """Of the file."""
        return self._file.fileno()

    def close(self) -> None:
        """Let go of it; the file goes when the other process has let go as well."""
        self._map = None
        self._file.close()

    def _start(self, size: int) -> np.ndarray:
        if self._map is None or len(self._map) < size:
            self._map = mmap.mmap(self._file.fileno(), self.size)
        return np.frombuffer(self._map, dtype=np.uint8, count=size)
