"""What the header of a NIfTI image says, checked field by field before any voxel is read."""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import final

import nibabel as nib
import numpy as np
from nibabel import imageglobals

from clinfuse.io.budget import check_size
from clinfuse.io.nifti_bytes import PLACE, refuse

_KINDS = {348: nib.Nifti1Header, 540: nib.Nifti2Header}
_MAGIC = {348: (344, b"n+1\0"), 540: (4, b"n+2\0")}
# Codes of the standard for real numbers: NIfTI also knows bits, colours, complex and 128-bit numbers.
_TYPES = {2: "u1", 4: "i2", 8: "i4", 16: "f4", 64: "f8", 256: "i1", 512: "u2", 768: "u4", 1024: "i8", 1280: "u8"}
_TO_MM = {0: 1.0, 1: 1000.0, 2: 1.0, 3: 0.001}
_LARGEST_OFFSET = 2**28


@final
@dataclass(frozen=True, eq=False)
class NiftiHeader:
    """A header whose every field can be used.

    Parameters
    ----------
    shape : tuple of int
        Three axes, or four where volumes follow each other in time; none empty.
    dtype : dtype
        Of a stored voxel, byte order included.
    offset : int
        Where the voxels begin, bytes.
    slope, intercept : float
        Of the stored numbers, 1 and 0 where the file scales nothing.
    unscaled : bool
        Whether the slope was 0 or not a number, which the standard reads as "no scaling".
    sform, qform : ndarray (4, 4) float64, or None
        Voxel index to RAS+ mm, where the file has them.
    voxel_mm : ndarray (3,) float64
        ``pixdim``: what the header says of the size of a voxel, apart from its affines.
    """

    shape: tuple[int, ...]
    dtype: np.dtype
    offset: int
    slope: float
    intercept: float
    unscaled: bool
    sform: np.ndarray | None
    qform: np.ndarray | None
    voxel_mm: np.ndarray

    @property
    def size(self) -> int:
        """Bytes of header and voxels."""
        return self.offset + math.prod(self.shape) * self.dtype.itemsize


def read_header(head: bytes, stored: int) -> NiftiHeader:
    """The header in the first bytes of an image.

    Parameters
    ----------
    head : bytes
        540, or all there are.
    stored : int
        Bytes on disk where the file is compressed and has to be in proportion to what it becomes, else 0.

    Raises
    ------
    DataError
        ``NIFTI_FORMAT``, ``NIFTI_PAIR``, ``NIFTI_TRUNCATED``, ``NIFTI_DAMAGED``, ``NIFTI_DIMS``, ``NIFTI_AXES``,
        ``NIFTI_TYPE``, ``NIFTI_SCALE``, ``NIFTI_UNITS``, ``NIFTI_AFFINE``, ``BOMB``.
    """
    length = _length(head)
    with _quiet():
        try:
            header = _KINDS[length](head[:length], check=False)
        except Exception:  # nibabel checks the header with many kinds of error
            refuse("NIFTI_DAMAGED", "a header that can be read", "a damaged one")
        shape, dtype = _shape(header), _dtype(header)
        check_size(PLACE, math.prod(shape) * max(dtype.itemsize, 4), stored)
        slope, intercept, unscaled = _scale(header)
        scale = _TO_MM.get(int(header["xyzt_units"]) & 0x07, 0.0)
        if not scale:
            refuse("NIFTI_UNITS", "spatial units mm, m or micron", "another unit")
        sform, qform = (_form(header, name, scale) for name in ("sform", "qform"))
        voxel_mm = np.abs(np.asarray(header["pixdim"][1:4], dtype=np.float64)) * scale
        offset = _offset(header, length)
    return NiftiHeader(shape, dtype, offset, slope, intercept, unscaled, sform, qform, voxel_mm)


def _length(head: bytes) -> int:
    length = next((n for n in _KINDS for order in ("little", "big") if head[:4] == n.to_bytes(4, order)), 0)
    if not length:
        refuse("NIFTI_FORMAT", "a NIfTI-1 or NIfTI-2 image", "another format")
    if len(head) < length:
        refuse("NIFTI_TRUNCATED", "a whole header", "the beginning of one")
    start, magic = _MAGIC[length]
    if head[start : start + 4] != magic:
        remedy = "Convert the pair (.hdr and .img) to one .nii file, and check left and right: Analyze does not say."
        refuse("NIFTI_PAIR", "header and voxels in one file", "the header of a pair, or of Analyze 7.5", remedy)
    return length


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep nibabel's messages away: it prints numbers of the header to the console, and repairs them unasked."""
    disabled = imageglobals.logger.disabled
    imageglobals.logger.disabled = True
    try:
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            yield
    finally:
        imageglobals.logger.disabled = disabled


def _shape(header: nib.Nifti1Header) -> tuple[int, ...]:
    count, *sizes = (int(size) for size in header["dim"])
    if not 1 <= count <= 7 or min(sizes[:count]) < 1:
        refuse("NIFTI_DIMS", "1 to 7 axes, none empty or negative", "another number, or an empty one")
    shape = sizes[:count]
    while len(shape) > 3 and shape[-1] == 1:
        shape.pop()
    if len(shape) not in (3, 4):
        found = f"{len(shape)} axes"
        refuse("NIFTI_AXES", "three axes, and at most one of time", found, "Select one volume and save it alone.")
    return tuple(shape)


def _dtype(header: nib.Nifti1Header) -> np.dtype:
    code = int(header["datatype"])
    if code not in _TYPES:
        refuse("NIFTI_TYPE", "real numbers of 8 to 64 bits", "colours, complex or other numbers")
    dtype = np.dtype(_TYPES[code])
    if int(header["bitpix"]) != dtype.itemsize * 8:
        refuse("NIFTI_TYPE", "a bitpix that fits the data type", "another one")
    return dtype.newbyteorder(header.endianness)


def _offset(header: nib.Nifti1Header, length: int) -> int:
    offset = float(header["vox_offset"])
    if not (length <= offset <= _LARGEST_OFFSET and offset.is_integer()):
        refuse("NIFTI_DAMAGED", "voxels that begin behind the header", "another vox_offset")
    return int(offset)


def _scale(header: nib.Nifti1Header) -> tuple[float, float, bool]:
    slope, intercept = float(header["scl_slope"]), float(header["scl_inter"])
    if np.isinf(slope) or (np.isfinite(slope) and slope != 0 and not np.isfinite(intercept)):
        refuse("NIFTI_SCALE", "finite scl_slope and scl_inter", "others")
    if slope == 0 or np.isnan(slope):
        return 1.0, 0.0, True
    return slope, intercept, False


def _form(header: nib.Nifti1Header, name: str, scale: float) -> np.ndarray | None:
    """(4, 4) float64 voxel index to RAS+ mm; None where the code says that there is none."""
    try:
        found, code = getattr(header, f"get_{name}")(coded=True)
    except Exception:  # a quaternion that is none raises, and so does an unknown code
        refuse("NIFTI_AFFINE", f"a readable {name}", "a damaged one")
    return None if found is None or not code else np.diag([scale, scale, scale, 1.0]) @ found
