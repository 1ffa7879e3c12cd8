"""Slices of a CT or MR series as their files hold them: checked one by one, not yet rescaled, not yet in order."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, NoReturn, final

import numpy as np
from pydicom.uid import (
    CTImageStorage,
    EnhancedCTImageStorage,
    EnhancedMRImageStorage,
    LegacyConvertedEnhancedCTImageStorage,
    LegacyConvertedEnhancedMRImageStorage,
    MRImageStorage,
)

from clinfuse.errors import DataError
from clinfuse.io.dicom_bits import as_signed
from clinfuse.io.dicom_elements import Elements, read_elements
from clinfuse.io.dicom_file import layout, numbers, padding_range, sign_agrees, stored_frames, text
from clinfuse.io.policies import SeriesPolicy
from clinfuse.io.values import Remark

_SECONDARY_CAPTURE = "1.2.840.10008.5.1.4.1.1.7"
_COMPUTED = frozenset(
    ("SECONDARY", "MPR", "MIP", "MINIP", "REFORMATTED", "PROJECTION IMAGE", "SCREEN SAVE", "PERFUSION", "SUBTRACTION")
)
_LOSSY = ("1.2.840.10008.1.2.4.50", "1.2.840.10008.1.2.4.51", "1.2.840.10008.1.2.4.81")
LOCALIZER = Remark("CT_LOCALIZER", "A localizer was left out.")
DERIVED = Remark("CT_DERIVED", "An image computed from others, or a screenshot, was left out.")
NO_IMAGE = Remark("DCM_SKIPPED", "An object without an image was left out.")
_LOSSY_REMARK = Remark("DCM_LOSSY", "An image was compressed with losses; fine texture may be gone.")
_CHARSET = Remark("DCM_CHARSET", "A character set is named that DICOM does not know, or text is not written in it.")


@final
@dataclass(frozen=True)
class SeriesKind:
    """What may be in a series.

    Parameters
    ----------
    name : str
        For messages.
    unit : {"HU", "arbitrary"}
        Of a rescaled value; only HU needs a slope and an intercept, and has air.
    classic, enhanced : tuple of str
        SOP classes with one slice, and with several, in a file.
    empty : float
        What is written where nothing was measured.
    """

    name: str
    unit: Literal["HU", "arbitrary"]
    classic: tuple[str, ...]
    enhanced: tuple[str, ...]
    empty: float


CT = SeriesKind("CT", "HU", (CTImageStorage,), (EnhancedCTImageStorage, LegacyConvertedEnhancedCTImageStorage), -1024.0)
MR = SeriesKind(
    "MR", "arbitrary", (MRImageStorage,), (EnhancedMRImageStorage, LegacyConvertedEnhancedMRImageStorage), 0.0
)


@final
@dataclass(frozen=True, eq=False)
class Slice:
    """One slice.

    Parameters
    ----------
    patient, series, stack : str
        PatientID, SeriesInstanceUID, and what tells apart several stacks in one file.
    position : ndarray, (3,)
        Centre of the first pixel, LPS mm.
    orientation : ndarray, (6,)
    pixel_mm : ndarray, (2,)
        Distance between rows, then between columns.
    thickness_mm : float
        0 where the file does not say.
    stored : ndarray of integer, (rows, columns)
    slope, intercept : float
        From stored values to HU.
    padding : tuple of int
        Lowest and highest stored value outside the scanned field; empty where none is declared.
    computed : bool
        Whether the image was computed from others.
    image : int
        InstanceNumber, 0 where the file does not say: for people who look it up, never to put slices in order.
    """

    patient: str
    series: str
    stack: str
    position: np.ndarray
    orientation: np.ndarray
    pixel_mm: np.ndarray
    thickness_mm: float
    stored: np.ndarray
    slope: float
    intercept: float
    padding: tuple[int, int] | tuple[()]
    computed: bool = False
    image: int = 0


@final
@dataclass
class Found:
    """Slices, and how often something was noted about their files."""

    kind: SeriesKind
    slices: list[Slice] = field(default_factory=list)
    noted: Counter[Remark] = field(default_factory=Counter)

    def remarks(self) -> tuple[Remark, ...]:
        """One remark for each note, with its number."""
        return tuple(
            Remark(said.code, said.text if number == 1 else f"{said.text} ({number} times)")
            for said, number in sorted(self.noted.items(), key=lambda each: (each[0].code, each[0].text))
        )


def read_slices(files: Sequence[Path], kind: SeriesKind, policy: SeriesPolicy) -> Found:
    """Every slice in the files; what is no slice is left out and noted.

    Raises
    ------
    DataError
        The code of the first file that should be a slice and cannot be read as one.
    """
    found = Found(kind)
    for number, file in enumerate(files, start=1):
        try:
            _add(found, read_elements(file), kind, policy)
        except DataError as error:
            raise error.at(f"file {number} of {len(files)}") from None
    return found


def _add(found: Found, header: Elements, kind: SeriesKind, policy: SeriesPolicy) -> None:
    said = text(header, "SOPClassUID")
    words = text(header, "ImageType").upper().split("\\")
    left_out = _left_out(header, said, words, kind)
    if left_out is not None:
        found.noted[left_out] += 1
        return
    if said in kind.enhanced:
        # Imported here: it needs the slices of this file.
        from clinfuse.io.dicom_frames import frames_of

        made = frames_of(header, kind, policy)
    else:
        made = [classic_slice(header, kind, policy, computed=is_computed(words))]
    found.slices += made
    for remark in (*header.remarks, *_of_text(header), *_of_pixels(header)):
        found.noted[remark] += 1


def _left_out(header: Elements, said: str, words: list[str], kind: SeriesKind) -> Remark | None:
    """Why a file is no slice; None for one that is."""
    image = "Rows" in header or "PixelData" in header
    if said in kind.classic + kind.enhanced:
        if "LOCALIZER" in words:
            return LOCALIZER
        if "Rows" not in header:
            _refuse("DCM_TRUNCATED", "an image header", "one without Rows")
        return None
    if said.startswith(_SECONDARY_CAPTURE) and image:
        return DERIVED
    if image:
        _refuse("CT_KIND", f"{kind.name} images", "an image of another kind", "Select the right series with `series`.")
    if not said and "DirectoryRecordSequence" not in header:
        _refuse("DCM_TRUNCATED", "a header with SOPClassUID", "none")
    return NO_IMAGE


def is_computed(words: Sequence[str]) -> bool:
    """Whether ImageType says that an image was computed from others."""
    return not _COMPUTED.isdisjoint(words)


def _of_text(header: Elements) -> tuple[Remark, ...]:
    if not header.charset_known():
        return (_CHARSET,)
    read = text(header, "PatientID") + text(header, "SeriesDescription") + text(header, "PatientName")
    return (_CHARSET,) if "\ufffd" in read else ()


def _of_pixels(header: Elements) -> tuple[Remark, ...]:
    lossy = text(header, "LossyImageCompression") == "01" or header.syntax in _LOSSY
    return (_LOSSY_REMARK,) if lossy else ()


def classic_slice(header: Elements, kind: SeriesKind, policy: SeriesPolicy, *, computed: bool) -> Slice:
    """The slice in a file with one image."""
    if text(header, "NumberOfFrames") not in ("", "1"):
        _refuse("DCM_FRAMES", "one frame in an image of this class", "another number")
    place, plane = numbers(header, "ImagePositionPatient", 3), numbers(header, "ImageOrientationPatient", 6)
    pixel_mm = numbers(header, "PixelSpacing", 2)
    if not (place.size and plane.size and pixel_mm.size):
        missing = "ImagePositionPatient, ImageOrientationPatient and PixelSpacing"
        _refuse("CT_GEOMETRY", f"{missing} in every slice", "a slice without")
    if pixel_mm.min() <= 0:
        _refuse("CT_GEOMETRY", "a positive PixelSpacing", "none")
    thickness = numbers(header, "SliceThickness", 1)
    if text(header, "PhotometricInterpretation") == "MONOCHROME1":
        _refuse("CT_KIND", "MONOCHROME2", "MONOCHROME1")
    slope, intercept = rescaling(
        kind, numbers(header, "RescaleSlope", 1), numbers(header, "RescaleIntercept", 1), text(header, "RescaleType")
    )
    stored = grey_frames(header, policy, frames=1)[0]
    return Slice(
        patient=text(header, "PatientID"),
        series=text(header, "SeriesInstanceUID"),
        stack="",
        position=place,
        orientation=plane,
        pixel_mm=pixel_mm,
        thickness_mm=float(thickness[0]) if thickness.size else 0.0,
        stored=stored,
        slope=slope,
        intercept=intercept,
        padding=padding_range(header, stored.dtype),
        computed=computed,
        image=_image_number(header),
    )


def _image_number(header: Elements) -> int:
    written = text(header, "InstanceNumber")
    return int(written) if re.fullmatch("[0-9]{1,6}", written, re.ASCII) else 0


def rescaling(kind: SeriesKind, slope: np.ndarray, intercept: np.ndarray, said: str) -> tuple[float, float]:
    """Slope and intercept from stored values to the unit of the kind, checked; an MR image may have neither."""
    if kind.unit != "HU" and not slope.size and not intercept.size:
        return 1.0, 0.0
    if not (slope.size and intercept.size) or slope[0] <= 0:
        _refuse("CT_RESCALE", "a positive RescaleSlope and a RescaleIntercept in every slice", "none")
    if kind.unit == "HU" and said not in ("", "HU", "US"):
        _refuse("CT_RESCALE", "Hounsfield units", "another RescaleType", "Select another series with `series`.")
    return float(slope[0]), float(intercept[0])


def grey_frames(header: Elements, policy: SeriesPolicy, *, frames: int) -> np.ndarray:
    """The pixels as stored, integer, (frames, rows, columns), with the sign that header, pixels or policy say."""
    if _sign_clear(header, frames):
        return stored_frames(header, layout(header, frames=frames))
    if policy.sign == "ask":
        _refuse(
            "DCM_SIGN",
            "a header that says whether pixels have a sign, as the pixels do",
            "none, or a contradiction",
            'Write `sign = "signed"` in this modality, or "unsigned" in its place, whichever gives air near -1000 HU.',
        )
    signed = policy.sign == "signed"
    shape = layout(header, frames=frames, signed=signed)
    return as_signed(stored_frames(header, shape), shape.stored, signed=signed)


def _sign_clear(header: Elements, frames: int) -> bool:
    if not text(header, "PixelRepresentation"):
        return False
    return sign_agrees(header, layout(header, frames=frames))


def _refuse(code: str, rule: str, found: str, remedy: str = "Export the series again.") -> NoReturn:
    raise DataError(code, place="CT", rule=rule, found=found, remedy=remedy)
