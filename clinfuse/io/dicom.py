"""CT series to Hounsfield units in the patient's frame; with the other DICOM readers under one name."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn, final

import numpy as np
from pydicom.dataset import Dataset
from pydicom.uid import CTImageStorage, EnhancedCTImageStorage, LegacyConvertedEnhancedCTImageStorage

from clinfuse.errors import DataError
from clinfuse.io.dicom_file import dicom_header, looks_like_dicom, numbers, open_dicom, padding, stored_pixels, text
from clinfuse.io.dicom_index import DicomScan, DicomSeries, index_dicom, scan_dicom
from clinfuse.io.geometry import nearest_ras, slice_normal, slice_step, stack_affine, stack_order
from clinfuse.io.policies import CtPolicy
from clinfuse.io.radiograph import read_xray
from clinfuse.io.values import Volume

__all__ = [
    "DicomScan",
    "DicomSeries",
    "dicom_header",
    "index_dicom",
    "read_ct",
    "read_xray",
    "scan_dicom",
]

AIR_HU = -1024.0
_PLAUSIBLE_HU = (-2048.0, 8192.0)
_PLAUSIBLE_SHARE = 0.01
_FILLER_BAND_HU = 64.0
_SAME_PLANE = 1e-4
_TAGS = (
    *("SpecificCharacterSet", "SOPClassUID", "ImageType", "Modality", "PatientID", "SeriesInstanceUID"),
    *("ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing", "SliceThickness", "NumberOfFrames"),
    *("Rows", "Columns", "BitsAllocated", "BitsStored", "HighBit", "PixelRepresentation", "SamplesPerPixel"),
    *("PhotometricInterpretation", "PixelPaddingValue", "PixelPaddingRangeLimit"),
    *("RescaleSlope", "RescaleIntercept", "RescaleType", "PixelData"),
)


@final
@dataclass(frozen=True, eq=False)
class _Slice:
    patient: str
    series: str
    position: np.ndarray
    orientation: np.ndarray
    pixel_mm: np.ndarray
    thickness_mm: float
    hu: np.ndarray


def read_ct(source: Path | Sequence[Path], *, policy: CtPolicy = CtPolicy()) -> Volume:
    """The CT series as Hounsfield units, its axes nearest to RAS+.

    Slices are ordered by their position along the slice normal, never by file name or instance number, and each is
    rescaled by its own slope and intercept. Padding becomes air, -1024 HU: ``PixelPaddingValue`` up to
    ``PixelPaddingRangeLimit``, and one number below -2048 HU (give or take 64) that fills a part of a slice undeclared.
    Localizers and objects without an image are left out; in a folder so is every file that is not DICOM. A single
    slice takes its third spacing from ``SliceThickness``.

    Parameters
    ----------
    source : Path or sequence of Path
        A folder that holds one series (searched with its subfolders), one file, or the files of the series in
        any order.
    policy : CtPolicy
        What was decided about series that would otherwise be refused.

    Returns
    -------
    Volume
        float32 HU, (x, y, z): x to the patient's right, y to anterior, z to superior; affine to RAS+ mm.

    Raises
    ------
    DataError
        ``CT_EMPTY``, ``CT_KIND``, ``CT_SERIES``, ``CT_PATIENT_MIX``, ``CT_MIXED``, ``CT_GEOMETRY``, ``CT_ORIENTATION``,
        ``CT_DUPLICATE``, ``CT_TILT``, ``CT_SPACING``, ``CT_THICKNESS``, ``CT_RESCALE``, ``CT_RANGE``, ``DCM_ENHANCED``
        and the ``DCM_`` codes of a file that cannot be read.

    References
    ----------
    DICOM PS3.3, C.7.6.2 (image plane) and C.8.2.1 (CT image).

    Examples
    --------
    >>> from pathlib import Path
    >>> from pydicom.data import get_testdata_file
    >>> volume = read_ct(Path(get_testdata_file("CT_small.dcm")))
    >>> volume.array.shape, float(volume.array.min()), float(volume.array.max())
    ((128, 128, 1), -896.0, 1167.0)
    """
    files = _files(source)
    slices = [
        found
        for position, file in enumerate(files, start=1)
        for found in _read_slice(file, f"{position} of {len(files)}")
    ]
    if not slices:
        _refuse("CT_EMPTY", "at least one CT image", "none")
    _check_one_series(slices)
    return _assemble(slices)


def _files(source: Path | Sequence[Path]) -> list[Path]:
    if not isinstance(source, Path):
        return list(source)
    if not source.is_dir():
        return [source]
    return [file for file in sorted(source.rglob("*")) if file.is_file() and looks_like_dicom(file)]


def _read_slice(file: Path, place: str) -> list[_Slice]:
    """The slice in a file; nothing for a localizer or for an object that is not an image."""
    try:
        dataset = open_dicom(file, tags=_TAGS)
        return [_slice(dataset)] if _is_slice(dataset) else []
    except DataError as error:
        raise error.at(f"file {place}") from None


def _is_slice(dataset: Dataset) -> bool:
    kind = text(dataset, "SOPClassUID")
    if kind in (EnhancedCTImageStorage, LegacyConvertedEnhancedCTImageStorage) or _frames(dataset) not in ("", "1"):
        _refuse(
            "DCM_ENHANCED",
            "one image per file",
            "an enhanced multi-frame object",
            "Export the series as classic CT images (dcm4che emf2sf, or a setting of the archive).",
        )
    if "LOCALIZER" in text(dataset, "ImageType").split("\\"):
        return False
    if kind == CTImageStorage:
        return True
    if "Rows" in dataset or "PixelData" in dataset:
        _refuse("CT_KIND", "CT images", "an image of another kind", "Select the CT series with `series`.")
    if not kind:
        _refuse("DCM_TRUNCATED", "a header with SOPClassUID", "none", "Export the file again.")
    return False


def _frames(dataset: Dataset) -> str:
    return text(dataset, "NumberOfFrames")


def _slice(dataset: Dataset) -> _Slice:
    place, plane = numbers(dataset, "ImagePositionPatient", 3), numbers(dataset, "ImageOrientationPatient", 6)
    pixel_mm = numbers(dataset, "PixelSpacing", 2)
    if not (place.size and plane.size and pixel_mm.size):
        missing = "ImagePositionPatient, ImageOrientationPatient and PixelSpacing"
        _refuse("CT_GEOMETRY", f"{missing} in every slice", "a slice without")
    if pixel_mm.min() <= 0:
        _refuse("CT_GEOMETRY", "a positive PixelSpacing", "none")
    thickness = numbers(dataset, "SliceThickness", 1)
    return _Slice(
        patient=text(dataset, "PatientID"),
        series=text(dataset, "SeriesInstanceUID"),
        position=place,
        orientation=plane,
        pixel_mm=pixel_mm,
        thickness_mm=float(thickness[0]) if thickness.size else 0.0,
        hu=_hounsfield(dataset),
    )


def _hounsfield(dataset: Dataset) -> np.ndarray:
    """(rows, columns) float32 HU."""
    if text(dataset, "PhotometricInterpretation") == "MONOCHROME1":
        _refuse("CT_KIND", "MONOCHROME2", "MONOCHROME1")
    slope, intercept = numbers(dataset, "RescaleSlope", 1), numbers(dataset, "RescaleIntercept", 1)
    if not (slope.size and intercept.size) or slope[0] <= 0:
        _refuse("CT_RESCALE", "a positive RescaleSlope and a RescaleIntercept in every slice", "none")
    if text(dataset, "RescaleType") not in ("", "HU", "US"):
        _refuse("CT_RESCALE", "Hounsfield units", "another RescaleType", "Select another series with `series`.")
    stored = stored_pixels(dataset)
    hu = stored.astype(np.float32)
    if slope[0] != 1.0:
        hu *= np.float32(slope[0])
    hu += np.float32(intercept[0])
    if text(dataset, "PixelPaddingValue"):
        hu[padding(dataset, stored)] = AIR_HU
    return _without_filler(hu)


def _without_filler(hu: np.ndarray) -> np.ndarray:
    """Scanners fill the corners outside the scanned circle with one number, often undeclared (-2000 as stored).

    Lossy compression spreads that number a little.
    """
    low = hu < _PLAUSIBLE_HU[0]
    if low.any():
        hu[low & (np.abs(hu - np.median(hu[low])) <= _FILLER_BAND_HU)] = AIR_HU
    return hu


def _check_one_series(slices: list[_Slice]) -> None:
    if len({one.patient for one in slices}) > 1:
        _refuse("CT_PATIENT_MIX", "slices of one patient", "several PatientID", "Separate the patients.")
    if len({one.series for one in slices}) > 1:
        _refuse("CT_SERIES", "slices of one series", "several SeriesInstanceUID", "Name one series, or its files.")
    first = slices[0]
    for one in slices[1:]:
        if one.hu.shape != first.hu.shape or not np.allclose(one.pixel_mm, first.pixel_mm, rtol=1e-4):
            _refuse("CT_MIXED", "one matrix and pixel size in a series", "slices of different size")
        if np.abs(one.orientation - first.orientation).max() > _SAME_PLANE:
            _refuse("CT_MIXED", "one orientation in a series", "slices of different orientation")


def _assemble(slices: list[_Slice]) -> Volume:
    first = slices[0]
    normal = slice_normal(first.orientation)
    positions = np.array([one.position for one in slices])
    order = stack_order(positions, normal)
    positions = positions[order]
    if len(slices) == 1:
        if first.thickness_mm <= 0:
            _refuse("CT_THICKNESS", "a positive SliceThickness in a single slice", "none")
        step = normal * first.thickness_mm
    else:
        step = slice_step(positions, normal, pixel_mm=float(first.pixel_mm.min()))
    stack = np.stack([slices[i].hu for i in order])
    _check_range(stack)
    affine = stack_affine(positions[0], first.orientation, first.pixel_mm, step)
    array, affine = nearest_ras(stack.transpose(2, 1, 0), affine)
    return Volume(array, affine, "HU")


def _check_range(stack: np.ndarray) -> None:
    """Signed pixels read as unsigned, or a wrong slope, put a good part of the image where no tissue is."""
    low, high = _PLAUSIBLE_HU
    if stack.min() >= low and stack.max() <= high:
        return
    if np.count_nonzero((stack < low) | (stack > high)) > _PLAUSIBLE_SHARE * stack.size:
        _refuse("CT_RANGE", "99 % of the voxels within -2048 and 8192 HU", "more voxels outside")


def _refuse(code: str, rule: str, found: str, remedy: str = "Export the series again.") -> NoReturn:
    raise DataError(code, place="CT", rule=rule, found=found, remedy=remedy)
