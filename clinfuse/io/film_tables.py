"""Look-up tables of a film: what a header writes of them, and values looked up in whole numbers of any size."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

import numpy as np
from pydicom.dataset import Dataset

from clinfuse.errors import DataError
from clinfuse.io.dicom_codecs import quiet

_DEPTHS = range(8, 17)
_MOST = 2**16


@final
@dataclass(frozen=True, eq=False)
class Table:
    """A look-up table.

    Parameters
    ----------
    first : int
        The value that the first entry is for.
    entries : ndarray of uint16, (entries,)
    """

    first: int
    entries: np.ndarray

    def __call__(self, values: np.ndarray) -> np.ndarray:
        """The entry of each value, uint16; below the first value the first entry, behind the last the last."""
        # A rescaling before a table may have left fractions.
        steps = np.rint(values).astype(np.int64) - self.first
        found: np.ndarray = self.entries[np.clip(steps, 0, len(self.entries) - 1)]
        return found


def tables_of(dataset: Dataset, keyword: str, *, signed: bool, little: bool) -> tuple[Table, ...]:
    """The tables of a sequence, in order; none where there is no such sequence, or an empty one.

    pydicom looks values up in as few bits as the entries have, so that a table from 12 to 8 bits is met modulo 256.

    Parameters
    ----------
    dataset : Dataset
    keyword : str
        ``ModalityLUTSequence`` or ``VOILUTSequence``.
    signed : bool
        Whether what is looked up may be negative: the first value is then read with a sign, however it is written.
    little : bool
        Whether words are written with the lowest byte first.

    Raises
    ------
    DataError
        ``XRAY_WINDOW``.

    References
    ----------
    DICOM PS3.3, C.11.1.1 and C.11.2.1.1 (LUT descriptor).
    """
    # A sequence is taken apart when it is asked for, and damage shows only then, in a dozen kinds of error.
    try:
        with quiet():
            return tuple(_table(item, signed=signed, little=little) for item in dataset.get(keyword) or ())
    except Exception:
        raise DataError(
            "XRAY_WINDOW",
            place="X-ray",
            rule="a complete look-up table",
            found="a damaged one",
            remedy="Export the file again.",
        ) from None


def _table(item: Dataset, *, signed: bool, little: bool) -> Table:
    count, first, depth = (int(number) & 0xFFFF for number in item.LUTDescriptor)
    # A signed 16-bit number is -1 where its bits are 65535.
    first -= _MOST if signed and first >= _MOST // 2 else 0
    count = count or _MOST
    entries = _entries(item.LUTData, count, depth, "<u2" if little else ">u2")
    if depth not in _DEPTHS or len(entries) < count or (depth == 8 and entries.max() > 255):
        raise ValueError
    return Table(first, entries[:count].astype(np.uint16))


def _entries(data: bytes | int | Sequence[int], count: int, depth: int, word: str) -> np.ndarray:
    """The entries, or some more: one to a word, or where all are bytes perhaps two."""
    if not isinstance(data, bytes):
        words = np.atleast_1d(np.asarray(data, dtype=np.int64)) & 0xFFFF
        data, word = words.astype("<u2").tobytes(), "<u2"
    if depth == 8 and count <= len(data) < 2 * count:
        packed = np.frombuffer(data[: len(data) // 2 * 2], dtype=word).astype("<u2")
        return packed.view("u1")
    return np.frombuffer(data, dtype=word, count=len(data) // 2)
