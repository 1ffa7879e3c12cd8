"""The frames of an enhanced CT or MR image, each with the place and the rescaling of its functional groups."""

from __future__ import annotations

from typing import NoReturn

import numpy as np
from pydicom.dataset import Dataset

from clinfuse.errors import DataError
from clinfuse.io.dicom_codecs import quiet
from clinfuse.io.dicom_elements import Elements
from clinfuse.io.dicom_file import numbers, padding_range, text
from clinfuse.io.dicom_slice import SeriesKind, Slice, grey_frames, is_computed, rescaling
from clinfuse.io.policies import SeriesPolicy

_MOST_FRAMES = 2**16


def frames_of(header: Elements, kind: SeriesKind, policy: SeriesPolicy) -> list[Slice]:
    """The slices in a file with several, localizers among its frames left out.

    Raises
    ------
    DataError
        ``CT_KIND``, ``DCM_FRAMES``, ``DCM_ENHANCED``, ``CT_GEOMETRY``, ``CT_RESCALE`` and the ``DCM_`` codes of the
        pixels.

    References
    ----------
    DICOM PS3.3, C.7.6.16 (multi-frame functional groups) and C.8.15.3 (enhanced CT).
    """
    _check_grey(header)
    count = _count(header)
    shared, own = _groups(header, count)
    pixels = grey_frames(header, policy, frames=count)
    said = text(header, "PatientID"), text(header, "SeriesInstanceUID")
    bounds = padding_range(header, pixels.dtype)
    slices = []
    for k, item in enumerate(own):
        frame = _Frame(item, shared)
        words = frame.text("FrameType").upper().split("\\")
        if "LOCALIZER" in words:
            continue
        rescaled = frame.rescaling(kind)
        slices.append(_slice(frame, pixels[k], said, rescaled, padding=bounds, computed=is_computed(words)))
    return slices


def _count(header: Elements) -> int:
    written = numbers(header, "NumberOfFrames", 1)
    if not written.size or written[0] != int(written[0]) or not 1 <= written[0] <= _MOST_FRAMES:
        _refuse("DCM_FRAMES", "a positive number of frames", "another")
    return int(written[0])


def _groups(header: Elements, count: int) -> tuple[Dataset, list[Dataset]]:
    """What holds for all frames, and what for each."""
    try:
        with quiet():
            dataset = header.dataset()
            shared = list(dataset.get("SharedFunctionalGroupsSequence") or [Dataset()])
            own = list(dataset.get("PerFrameFunctionalGroupsSequence") or [])
    # pydicom answers a damaged sequence with a dozen unrelated kinds of error.
    except Exception:
        _refuse("DCM_ENHANCED", "functional groups that can be read", "damaged ones")
    if len(own) != count:
        _refuse("DCM_FRAMES", "functional groups for every frame", f"{len(own)} for {count} frames")
    return shared[0], own


class _Frame:
    """Where the groups of one frame are looked up: its own first, then the shared ones."""

    def __init__(self, own: Dataset, shared: Dataset) -> None:
        self._groups = own, shared

    def _group(self, name: str) -> Dataset:
        try:
            with quiet():
                for groups in self._groups:
                    items = groups.get(name)
                    if items:
                        return items[0]
        except Exception:
            _refuse("DCM_ENHANCED", "functional groups that can be read", "damaged ones")
        return Dataset()

    def numbers(self, name: str, keyword: str, count: int) -> np.ndarray:
        return numbers(self._group(name), keyword, count)

    def value(self, name: str, keyword: str) -> str:
        return text(self._group(name), keyword)

    def rescaling(self, kind: SeriesKind) -> tuple[float, float]:
        group = "PixelValueTransformationSequence"
        return rescaling(
            kind,
            self.numbers(group, "RescaleSlope", 1),
            self.numbers(group, "RescaleIntercept", 1),
            self.value(group, "RescaleType"),
        )

    def text(self, keyword: str) -> str:
        return self.value("CTImageFrameTypeSequence", keyword) or self.value("MRImageFrameTypeSequence", keyword)


def _check_grey(header: Elements) -> None:
    if header.text("PhotometricInterpretation") == "MONOCHROME1":
        raise DataError(
            "CT_KIND",
            place="DICOM file",
            rule="MONOCHROME2",
            found="MONOCHROME1",
            remedy="Export the series again.",
        )


def _slice(
    frame: _Frame,
    stored: np.ndarray,
    said: tuple[str, str],
    rescaled: tuple[float, float],
    *,
    padding: tuple[int, int] | tuple[()],
    computed: bool,
) -> Slice:
    place = frame.numbers("PlanePositionSequence", "ImagePositionPatient", 3)
    plane = frame.numbers("PlaneOrientationSequence", "ImageOrientationPatient", 6)
    pixel_mm = frame.numbers("PixelMeasuresSequence", "PixelSpacing", 2)
    if not (place.size and plane.size and pixel_mm.size):
        _refuse("CT_GEOMETRY", "position, orientation and pixel spacing of every frame", "a frame without")
    if pixel_mm.min() <= 0:
        _refuse("CT_GEOMETRY", "a positive PixelSpacing", "none")
    thickness = frame.numbers("PixelMeasuresSequence", "SliceThickness", 1)
    return Slice(
        patient=said[0],
        series=said[1],
        stack=frame.value("FrameContentSequence", "StackID"),
        position=place,
        orientation=plane,
        pixel_mm=pixel_mm,
        thickness_mm=float(thickness[0]) if thickness.size else 0.0,
        stored=stored,
        slope=rescaled[0],
        intercept=rescaled[1],
        padding=padding,
        computed=computed,
    )


def _refuse(code: str, rule: str, found: str) -> NoReturn:
    remedy = "Export the series as classic CT images (dcm4che emf2sf, or a setting of the archive)."
    raise DataError(code, place="enhanced image", rule=rule, found=found, remedy=remedy) from None
