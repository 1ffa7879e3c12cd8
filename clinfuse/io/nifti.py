"""NIfTI-1 and -2 images, turned to RAS+."""

from __future__ import annotations

import gzip
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal, NoReturn

import nibabel as nib
import numpy as np
from nibabel import imageglobals

from clinfuse.errors import DataError
from clinfuse.io.geometry import nearest_ras
from clinfuse.io.policies import NiftiPolicy
from clinfuse.io.values import Volume

_GZIP = b"\x1f\x8b"
_KINDS = {348: nib.Nifti1Image, 540: nib.Nifti2Image}
_MAGIC = {348: (344, b"n+1\0"), 540: (4, b"n+2\0")}
_LARGEST_LABEL = 2**31 - 1
_TO_MM = {0: 1.0, 1: 1000.0, 2: 1.0, 3: 0.001}


def read_nifti(file: Path, *, unit: Literal["HU", "label", "arbitrary"], policy: NiftiPolicy = NiftiPolicy()) -> Volume:
    """The image of a ``.nii`` or ``.nii.gz`` file, its axes nearest to RAS+, slope and intercept applied.

    The affine is the sform where one is coded, else the qform. Spatial units other than mm are converted; a file
    that names none is taken to be in mm. A compressed file is read to its end and its checksum verified.

    Parameters
    ----------
    file : Path
        What it is, is decided from its bytes, not from its name.
    unit : {"HU", "label", "arbitrary"}
        What the numbers mean; NIfTI cannot say.
    policy : NiftiPolicy
        What was decided about files that would otherwise be refused.

    Returns
    -------
    Volume
        (x, y, z): x to the patient's right, y to anterior, z to superior. float32; a label map the smallest
        integer type that holds its labels.

    Raises
    ------
    DataError
        ``NIFTI_OPEN``, ``NIFTI_FORMAT``, ``NIFTI_DAMAGED``, ``NIFTI_CHECKSUM``, ``NIFTI_TRUNCATED``, ``NIFTI_AXES``,
        ``NIFTI_TYPE``, ``NIFTI_ORIENTATION``, ``NIFTI_FORMS``, ``NIFTI_SCALE``, ``NIFTI_LABELS``, ``IMAGE_AXES``,
        ``VOLUME_FINITE``.

    References
    ----------
    Cox RW et al. A (sort of) new image data format standard: NIfTI-1. NeuroImage 2004;22:e1440.

    Examples
    --------
    >>> from pathlib import Path
    >>> from tempfile import TemporaryDirectory
    >>> import nibabel, numpy
    >>> with TemporaryDirectory() as folder:
    ...     file = Path(folder) / "labels.nii.gz"
    ...     image = nibabel.Nifti1Image(numpy.ones((2, 3, 4), numpy.uint8), numpy.diag([-2.0, 1.0, 1.0, 1.0]))
    ...     nibabel.save(image, file)
    ...     volume = read_nifti(file, unit="label")
    >>> volume.array.shape, volume.spacing_mm
    ((2, 3, 4), (2.0, 1.0, 1.0))
    """
    data = _bytes(file)
    with _quiet():
        image = _image(data)
        affine = _affine(image)
        array, affine = nearest_ras(_array(image, len(data), unit), affine)
    return Volume(array, affine, unit)


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


def _bytes(file: Path) -> bytes:
    try:
        data = file.read_bytes()
    except OSError:
        _refuse("NIFTI_OPEN", "a file that can be opened", "one that cannot", "Check that it exists and may be read.")
    if data[:2] != _GZIP:
        return data
    try:
        return gzip.decompress(data)
    except (EOFError, zlib.error):
        _refuse("NIFTI_DAMAGED", "a compressed file that can be read to its end", "a damaged or cut one")
    except gzip.BadGzipFile:
        _refuse("NIFTI_CHECKSUM", "a compressed file whose checksum holds", "a wrong checksum or bytes behind its end")


def _image(data: bytes) -> nib.Nifti1Image:
    size = next((n for n in _KINDS for order in ("little", "big") if data[:4] == n.to_bytes(4, order)), 0)
    if not size:
        _refuse("NIFTI_FORMAT", "a NIfTI-1 or NIfTI-2 image in one file", "another format")
    start, magic = _MAGIC[size]
    if data[start : start + 4] != magic:
        _refuse("NIFTI_FORMAT", "header and image in one file (.nii)", "another format", "Convert the pair to .nii.")
    try:
        raw = _KINDS[size].header_class(data[:size], check=False)
        slope, intercept = float(raw["scl_slope"]), float(raw["scl_inter"])
        image = _KINDS[size].from_bytes(data)
    # nibabel checks the header with many kinds of error, and some print what they found.
    except Exception:
        _refuse("NIFTI_DAMAGED", "a header that can be read", "a damaged one")
    # The standard lets a slope of 0 mean "no scaling", and nibabel reads NaN so; it reads infinity so too.
    if np.isinf(slope) or (np.isfinite(slope) and slope != 0 and not np.isfinite(intercept)):
        _refuse("NIFTI_SCALE", "finite scl_slope and scl_inter", "others")
    return image


def _affine(image: nib.Nifti1Image) -> np.ndarray:
    """(4, 4) float64 voxel index to RAS+ mm, from the sform, else the qform."""
    header = image.header
    try:
        sform, sform_code = header.get_sform(coded=True)
        qform, qform_code = header.get_qform(coded=True)
    # A quaternion that is none raises; so does an unknown code.
    except Exception:
        _refuse("NIFTI_ORIENTATION", "readable sform and qform", "a damaged one")
    chosen = sform if sform_code else qform
    if chosen is None:
        _refuse(
            "NIFTI_ORIENTATION",
            "an sform or qform with a code above 0",
            "neither: left and right are unknown",
            "Convert the image again from DICOM.",
        )
    if not np.isfinite(chosen).all() or abs(np.linalg.det(chosen[:3, :3])) < 1e-9:
        _refuse("NIFTI_ORIENTATION", "a finite affine that can be inverted", "another one")
    if sform_code and qform_code and nib.aff2axcodes(sform) != nib.aff2axcodes(qform):
        _refuse("NIFTI_FORMS", "sform and qform with the same orientation", "different ones")
    scale = _TO_MM.get(int(header["xyzt_units"]) & 0x07, 0.0)
    if not scale:
        _refuse("NIFTI_AXES", "spatial units mm, m or micron", "another unit")
    return np.diag([scale, scale, scale, 1.0]) @ chosen


def _array(image: nib.Nifti1Image, size: int, unit: str) -> np.ndarray:
    shape, stored = image.shape, image.header.get_data_dtype()
    if len(shape) == 4 and shape[3] == 1:
        shape = shape[:3]
    if len(shape) != 3 or min(shape) < 1:
        _refuse("NIFTI_AXES", "three axes, none empty", f"{len(shape)} axes", "Select one volume and save it alone.")
    if stored.kind not in "iuf":
        _refuse("NIFTI_TYPE", "real numbers", "colours or complex numbers")
    # nibabel clears offset, slope and intercept in the header of an image it has opened; the array proxy keeps them.
    start = int(image.dataobj.offset)
    if start < int(image.header["sizeof_hdr"]):
        _refuse("NIFTI_DAMAGED", "data that begin behind the header", "data inside the header")
    if start + stored.itemsize * int(np.prod(shape, dtype=np.int64)) > size:
        _refuse("NIFTI_TRUNCATED", "data for every voxel", "fewer bytes than voxels")
    try:
        array = (
            np.asanyarray(image.dataobj) if unit == "label" else image.get_fdata(dtype=np.float32, caching="unchanged")
        )
    except Exception:
        _refuse("NIFTI_DAMAGED", "image data that can be read", "damaged ones")
    array = array.reshape(shape, order="A")
    return _labels(array) if unit == "label" else array


def _labels(array: np.ndarray) -> np.ndarray:
    """The same labels in the smallest integer type."""
    low, high = array.min(), array.max()
    if array.dtype.kind == "f" and not (np.isfinite(low) and np.isfinite(high) and (array == np.rint(array)).all()):
        _refuse(
            "NIFTI_LABELS", "whole numbers in a label map", "fractions", "Resample label maps by nearest neighbour."
        )
    if low < -_LARGEST_LABEL or high > _LARGEST_LABEL:
        _refuse("NIFTI_LABELS", f"label numbers up to {_LARGEST_LABEL}", "a larger one")
    smallest = np.result_type(np.min_scalar_type(int(low)), np.min_scalar_type(int(high)))
    return array.astype(smallest, copy=False)


def _refuse(code: str, rule: str, found: str, remedy: str = "Export or convert the image again.") -> NoReturn:
    raise DataError(code, place="NIfTI image", rule=rule, found=found, remedy=remedy) from None
