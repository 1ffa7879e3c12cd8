"""Which bits of a stored pixel are its value, and what the others may hold."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import numpy as np

from clinfuse.errors import DataError


@final
@dataclass(frozen=True)
class SpareBits:
    """What a header says of the bits above the stored ones.

    Parameters
    ----------
    overlay : bool
        Whether an old overlay is declared to lie in them: then they are dropped.
    padding : int or None
        A padding value that needs more bits than are stored: pixels that hold it keep it.
    """

    overlay: bool = False
    padding: int | None = None


def stored_bits(frames: np.ndarray, stored: int, spare: SpareBits = SpareBits()) -> np.ndarray:
    """The same pixels by their lowest ``stored`` bits, the sign extended over the others.

    The others are 0 or repeat the sign. A number that needs more bits than the header states would be cut to another
    one, metal to fat, and a negative one without a sign would become tissue.

    Parameters
    ----------
    frames : ndarray of integer
        Whole words, as they were decoded.
    stored : int
        ``BitsStored``.
    spare : SpareBits

    Raises
    ------
    DataError
        ``DCM_BITS`` where the other bits hold something that nothing declares.
    """
    free = frames.dtype.itemsize * 8 - stored
    if free <= 0:
        return frames
    lowest = (frames << free) >> free
    if spare.overlay or np.array_equal(lowest, frames):
        return lowest
    above = frames.view(f"u{frames.dtype.itemsize}") >> stored
    odd = (lowest != frames) & (above != 0)
    if spare.padding is not None:
        padded = frames == np.array(spare.padding).astype(frames.dtype)
        lowest[padded] = frames[padded]
        odd &= ~padded
    if odd.any():
        raise DataError(
            "DCM_BITS",
            place="DICOM file",
            rule=f"pixels of the {stored} bits that the header states",
            found="some that need more",
            remedy="Export the file again from the scanner or the archive: its header or its pixels were changed.",
        )
    return lowest


def as_signed(frames: np.ndarray, bits: int, *, signed: bool) -> np.ndarray:
    """The same bits, the lowest ``bits`` of each number, read with or without a sign."""
    size = frames.dtype.itemsize
    spare = 8 * size - bits
    return (frames.view(f"{'i' if signed else 'u'}{size}") << spare) >> spare
