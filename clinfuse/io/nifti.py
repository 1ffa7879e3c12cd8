"""NIfTI-1 and -2 images, turned to RAS+."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np

from clinfuse.io.geometry import nearest_ras
from clinfuse.io.nifti_bytes import HEAD, read_bytes, refuse
from clinfuse.io.nifti_header import NiftiHeader, read_header
from clinfuse.io.nifti_place import place_of
from clinfuse.io.policies import NiftiPolicy
from clinfuse.io.values import Remark, Volume

_LARGEST_LABEL = 2**31 - 1
# Twice the range of HU that scanners give; implants reach 30,000 with an extended scale, in few voxels.
_LOWEST_HU, _HIGHEST_HU = -2048, 8192
_AIR_HU = -500


def read_nifti(file: Path, *, unit: Literal["HU", "label", "arbitrary"], policy: NiftiPolicy = NiftiPolicy()) -> Volume:
    """The image of a ``.nii`` or ``.nii.gz`` file, its axes nearest to RAS+, slope and intercept applied.

    The affine is the sform where one is coded, else the qform. Spatial units other than mm are converted; a file
    that names none is taken to be in mm. How large it will become is asked of the header before anything is inflated;
    a compressed file is read to its end and its checksum verified.

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
        ``NIFTI_OPEN``, ``NIFTI_EMPTY``, ``NIFTI_FORMAT``, ``NIFTI_PAIR``, ``NIFTI_DAMAGED``, ``NIFTI_CHECKSUM``,
        ``NIFTI_TRUNCATED``, ``NIFTI_DIMS``, ``NIFTI_AXES``, ``NIFTI_TYPE``, ``NIFTI_UNITS``, ``NIFTI_SCALE``,
        ``NIFTI_AFFINE``, ``NIFTI_SPACING``, ``NIFTI_ORIENTATION``, ``NIFTI_FORMS``, ``NIFTI_TIME``, ``NIFTI_NAN``,
        ``NIFTI_LABELS``, ``CT_RANGE``, ``VOLUME_FINITE``, ``BOMB``.

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
    data, surplus = read_bytes(file, partial(_size, unit=unit))
    # What overflows on the way is refused where a finite number has to stand.
    with np.errstate(all="ignore"):
        return _read(data, surplus, unit, policy)


def _read(data: bytearray, surplus: bool, unit: Literal["HU", "label", "arbitrary"], policy: NiftiPolicy) -> Volume:
    header = read_header(bytes(data[:HEAD]), 0)
    affine, remarks = place_of(header, policy)
    stored, chosen = _volume(data, header, policy.time_point)
    whole, filled = _filled(_scaled(stored, header, unit), policy.nan_voxels)
    array, affine = nearest_ras(_labels(whole) if unit == "label" else whole, affine)
    notes = [*remarks, *chosen, *filled]
    if header.unscaled:
        notes.append(Remark("NIFTI_SLOPE", "The slope is 0 or not a number; the stored numbers are used as they are."))
    if surplus:
        notes.append(Remark("NIFTI_SURPLUS", "Bytes behind the last voxel are passed over."))
    if unit == "HU":
        notes += _plausible(array)
    return Volume(array, affine, unit, tuple(notes))


def _size(head: bytes, stored: int, *, unit: str) -> int:
    # A label map is nearly all background: real ones shrink a thousandfold, which is all that gzip can do.
    return read_header(head, 0 if unit == "label" else stored).size


def _volume(data: bytearray, header: NiftiHeader, time_point: int) -> tuple[np.ndarray, list[Remark]]:
    """(x, y, z) as stored, a view of the bytes, of one moment where there are several."""
    count = int(np.prod(header.shape, dtype=np.int64))
    stored = np.frombuffer(data, dtype=header.dtype, count=count, offset=header.offset)
    stored = stored.reshape(header.shape, order="F")
    if stored.ndim == 3:
        return stored, []
    moments = stored.shape[3]
    if not 0 <= time_point < moments:
        rule = "one volume" if time_point < 0 else f"more than {time_point} volumes"
        remedy = "Write `time_point = 0` in this modality to read the first, or the number of another, counted from 0."
        refuse("NIFTI_TIME", rule, f"{moments} volumes that follow each other", remedy)
    text = "Several volumes follow each other; one of them is used, as declared."
    return stored[..., time_point], [Remark("NIFTI_TIME", text)]


def _scaled(stored: np.ndarray, header: NiftiHeader, unit: str) -> np.ndarray:
    """Slope and intercept applied: float32, or labels in a type that keeps them exact."""
    plain = header.slope == 1 and header.intercept == 0
    if unit == "label" and plain:
        return stored
    if plain:
        return stored.astype(np.float32)
    # 24 bits of float32 hold every 16-bit number; a longer one is scaled in twice as many.
    scaled: np.ndarray[Any, np.dtype[np.float64]] = stored.astype(
        np.float64 if unit == "label" or stored.dtype.itemsize > 2 else np.float32
    )
    scaled *= header.slope
    scaled += header.intercept
    return scaled if unit == "label" else scaled.astype(np.float32, copy=False)


def _filled(array: np.ndarray, answer: str) -> tuple[np.ndarray, list[Remark]]:
    if array.dtype.kind != "f":
        return array, []
    empty = np.isnan(array)
    if not empty.any():
        return array, []
    if empty.all():
        refuse("VOLUME_FINITE", "voxels that are numbers", "none")
    if answer != "lowest":
        refuse(
            "NIFTI_NAN",
            "every voxel a number",
            f"{empty.mean():.0%} that are not" if empty.mean() >= 0.01 else "some that are not",
            'Write `nan_voxels = "lowest"` in this modality to give them the lowest number of the image.',
        )
    text = "Voxels that are not a number get the lowest number of the image, as declared."
    return np.where(empty, array[~empty].min(), array), [Remark("NIFTI_NAN", text)]


def _labels(array: np.ndarray) -> np.ndarray:
    """The same labels in the smallest integer type."""
    low, high = array.min(), array.max()
    if array.dtype.kind == "f" and not (np.isfinite(low) and np.isfinite(high) and (array == np.rint(array)).all()):
        remedy = "Resample label maps by nearest neighbour."
        refuse("NIFTI_LABELS", "whole numbers in a label map", "fractions", remedy)
    if low < -_LARGEST_LABEL or high > _LARGEST_LABEL:
        refuse("NIFTI_LABELS", f"label numbers up to {_LARGEST_LABEL}", "a larger one")
    smallest = np.result_type(np.min_scalar_type(int(low)), np.min_scalar_type(int(high)))
    return array.astype(smallest, copy=False)


def _plausible(array: np.ndarray) -> list[Remark]:
    """Refuse what cannot be HU; note what hardly is."""
    outside = float(np.mean((array < _LOWEST_HU) | (array > _HIGHEST_HU)))
    if outside > 0.01:
        rule = f"99 % of the voxels from {_LOWEST_HU} to {_HIGHEST_HU} HU"
        refuse("CT_RANGE", rule, f"{outside:.0%} outside", "Convert the series again, with its rescaling.")
    if array.min() > _AIR_HU:
        return [Remark("CT_AIR", f"No voxel is below {_AIR_HU} HU: no air, so the numbers may not be HU.")]
    return []
