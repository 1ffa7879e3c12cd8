"""The bytes of a NIfTI file, read and inflated no further than its header says they go."""

from __future__ import annotations

import os
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

from clinfuse.errors import DataError
from clinfuse.io.budget import check_size
from clinfuse.io.files import open_regular

PLACE = "NIfTI image"
# Of the longer of the two headers; an image may be shorter than that.
HEAD = 540
_GZIP = b"\x1f\x8b"
# One piece inflates to a thousand times its size at most, so that nothing grows by more than 16 MB unseen.
_PIECE = 2**14
# Some writers pad to a block; whatever goes further hides something.
_SURPLUS = 2**20


def read_bytes(file: Path, size_of: Callable[[bytes, int], int]) -> tuple[bytearray, bool]:
    """Header and data of an image, and whether more bytes followed.

    A compressed file is read to its end, all its members, and every checksum is verified.

    Parameters
    ----------
    file : Path
        ``.nii`` or ``.nii.gz``: which, its first bytes say.
    size_of : callable, (first bytes, bytes on disk if compressed else 0) -> int
        How long the image is with its header; refuses what would be too long.

    Raises
    ------
    DataError
        ``FILE_KIND``, ``NIFTI_OPEN``, ``NIFTI_EMPTY``, ``NIFTI_TRUNCATED``, ``NIFTI_DAMAGED``, ``NIFTI_CHECKSUM``,
        ``BOMB``.
    """
    try:
        with open_regular(file) as stream:
            stored = os.fstat(stream.fileno()).st_size
            head = stream.read(HEAD)
            if not head:
                refuse("NIFTI_EMPTY", "an image", "an empty file")
            if head[:2] == _GZIP:
                check_size(PLACE, stored)
                return _inflated(head + stream.read(), size_of)
            size = size_of(head, 0)
            if stored < size:
                _cut()
            data = bytearray(size)
            stream.seek(0)
            if stream.readinto(data) < size:
                _cut()
            return data, stored > size
    except OSError:
        refuse("NIFTI_OPEN", "a file that can be opened", "one that cannot", "Check that it exists and may be read.")


def _inflated(packed: bytes, size_of: Callable[[bytes, int], int]) -> tuple[bytearray, bool]:
    data, rest, size = bytearray(), memoryview(packed), 0
    while rest[:2] == _GZIP:
        member = zlib.decompressobj(wbits=31)
        while not member.eof:
            if not rest:
                refuse("NIFTI_DAMAGED", "a compressed file that can be read to its end", "a cut one")
            piece, rest = rest[:_PIECE], rest[_PIECE:]
            data += _part(member, piece)
            if not size and len(data) >= HEAD:
                size = size_of(bytes(data[:HEAD]), len(packed))
            if len(data) > max(size, HEAD) + _SURPLUS:
                refuse("BOMB", "as many bytes as the header of the image declares", "far more")
        rest = memoryview(packed)[len(packed) - len(rest) - len(member.unused_data) :]
    if any(rest):
        refuse("NIFTI_CHECKSUM", "nothing behind the end of the compressed data", "other bytes")
    size = size or size_of(bytes(data[:HEAD]), len(packed))
    if len(data) < size:
        _cut()
    return data, len(data) > size


def _part(member: zlib._Decompress, piece: memoryview) -> bytes:
    try:
        return member.decompress(piece)
    except zlib.error as error:
        # The text of zlib is the only place that says which; both are fixed words.
        wrong_sum = "check" in str(error)
    if wrong_sum:
        refuse("NIFTI_CHECKSUM", "a compressed file whose checksum holds", "a wrong checksum")
    refuse("NIFTI_DAMAGED", "compressed data that can be inflated", "damaged ones")


def _cut() -> NoReturn:
    refuse("NIFTI_TRUNCATED", "data for every voxel", "fewer bytes than voxels")


def refuse(code: str, rule: str, found: str, remedy: str = "Export or convert the image again.") -> NoReturn:
    """Raise the `DataError` of an image."""
    raise DataError(code, place=PLACE, rule=rule, found=found, remedy=remedy) from None
