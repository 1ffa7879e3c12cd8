"""CT series and chest films as DICOM files that any viewer opens."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import final

import numpy as np
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.filewriter import dcmwrite
from pydicom.uid import ComputedRadiographyImageStorage, CTImageStorage, ExplicitVRLittleEndian, generate_uid

from clinfuse.synthetic.render_ct import EXTENT_MM as CT_MM
from clinfuse.synthetic.render_ct import axes_mm
from clinfuse.synthetic.render_xray import EXTENT_MM as XRAY_MM
from clinfuse.synthetic.render_xray import HIGHEST_GREY
from clinfuse.synthetic.settings import SyntheticSettings

_INTERCEPT = -1024


@final
@dataclass(frozen=True)
class Visit:
    """What a DICOM header says of the person and the examination.

    Parameters
    ----------
    patient_id : str
    sex : str
    time : datetime64[s]
    study : str
        Any text; the same text gives the same DICOM study.
    seed : int
        Of the cohort; unique identifiers are derived from it.
    """

    patient_id: str
    sex: str
    time: np.datetime64
    study: str
    seed: int

    def uid(self, *parts: str | int) -> str:
        """Unique identifier of a part of the examination, the same for the same seed and parts."""
        return generate_uid(entropy_srcs=["clinfuse synthetic", str(self.seed), self.study, *map(str, parts)])


@final
@dataclass(frozen=True)
class SeriesHeader:
    """What tells one CT series of an examination from another.

    Parameters
    ----------
    number : int
    description : str
    contrast : str
        Name of the contrast agent, empty for none.
    """

    number: int = 2
    description: str = "Thorax venous"
    contrast: str = "Iopromide"


def write_ct(
    files: Sequence[Path], hu: np.ndarray, visit: Visit, settings: SyntheticSettings, series: SeriesHeader
) -> None:
    """Write one CT series, one file per slice.

    Parameters
    ----------
    files : sequence of Path
        One per slice, from the feet upwards; their folders exist.
    hu : ndarray of float32, (left, posterior, superior)
        HU; rounded to whole numbers, stored as int16 with intercept -1024.
    visit : Visit
    settings : SyntheticSettings
        For the grid of the scan.
    series : SeriesHeader
    """
    left, posterior, superior = axes_mm(settings)
    dataset = _common(visit, "CT", CTImageStorage)
    dataset.SeriesInstanceUID = visit.uid("ct", series.number)
    dataset.FrameOfReferenceUID = visit.uid("ct", "frame")
    dataset.SeriesNumber = series.number
    dataset.SeriesDescription = series.description
    dataset.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"]
    if series.contrast:
        dataset.ContrastBolusAgent = series.contrast
    spacing = [extent / count for extent, count in zip(CT_MM, settings.ct_size, strict=True)]
    dataset.PixelSpacing = [round(spacing[1], 6), round(spacing[0], 6)]
    dataset.SliceThickness = round(spacing[2], 6)
    dataset.KVP = 120
    dataset.PatientPosition = "HFS"
    dataset.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
    dataset.RescaleIntercept, dataset.RescaleSlope, dataset.RescaleType = _INTERCEPT, 1, "HU"
    _pixel_description(dataset, (settings.ct_size[1], settings.ct_size[0]), bits=16, signed=True)
    stored = np.rint(hu - _INTERCEPT).astype("<i2")
    for position, file in enumerate(files):
        dataset.SOPInstanceUID = visit.uid("ct", series.number, position)
        dataset.InstanceNumber = position + 1
        place = (left[0], posterior[0], superior[position])
        dataset.ImagePositionPatient = [round(float(number), 6) for number in place]
        dataset.SliceLocation = dataset.ImagePositionPatient[2]
        dataset.PixelData = np.ascontiguousarray(stored[:, :, position].T).tobytes()
        _write(file, dataset)


def write_xray(file: Path, grey: np.ndarray, visit: Visit, settings: SyntheticSettings) -> None:
    """Write one chest film.

    Parameters
    ----------
    file : Path
        Its folder exists.
    grey : ndarray of float32, (y, x)
        Grey values in [0, 2800]; rounded to whole numbers.
    visit : Visit
    settings : SyntheticSettings
        For the pixel size.
    """
    dataset = _common(visit, "CR", ComputedRadiographyImageStorage)
    dataset.SeriesInstanceUID = visit.uid("xray")
    dataset.SOPInstanceUID = visit.uid("xray", 0)
    dataset.SeriesNumber, dataset.InstanceNumber = 1, 1
    dataset.SeriesDescription = "Thorax pa"
    dataset.ViewPosition, dataset.BodyPartExamined = "PA", "CHEST"
    dataset.ImageType = ["ORIGINAL", "PRIMARY"]
    dataset.BurnedInAnnotation = "NO"
    dataset.PixelSpacing = [round(XRAY_MM / settings.xray_size, 6)] * 2
    dataset.ImagerPixelSpacing = dataset.PixelSpacing
    dataset.WindowCenter, dataset.WindowWidth = HIGHEST_GREY // 2, HIGHEST_GREY
    dataset.RescaleIntercept, dataset.RescaleSlope, dataset.RescaleType = 0, 1, "US"
    _pixel_description(dataset, (settings.xray_size, settings.xray_size), bits=12, signed=False)
    dataset.PixelData = np.rint(grey).astype("<u2").tobytes()
    _write(file, dataset)


def _common(visit: Visit, modality: str, sop_class: str) -> Dataset:
    dataset = Dataset()
    day, clock = str(visit.time.astype("datetime64[s]")).split("T")
    dataset.SOPClassUID = sop_class
    dataset.StudyDate = dataset.SeriesDate = dataset.AcquisitionDate = day.replace("-", "")
    dataset.StudyTime = dataset.SeriesTime = dataset.AcquisitionTime = clock.replace(":", "")
    dataset.Modality = modality
    dataset.Manufacturer = "clinfuse synthetic"
    dataset.PatientName = f"Synthetic^{visit.patient_id}"
    dataset.PatientID = visit.patient_id
    dataset.PatientSex = visit.sex.upper()
    dataset.PatientBirthDate = ""
    dataset.AccessionNumber = ""
    dataset.ReferringPhysicianName = ""
    dataset.StudyID = ""
    dataset.StudyInstanceUID = visit.uid("study")
    return dataset


def _pixel_description(dataset: Dataset, shape: tuple[int, int], *, bits: int, signed: bool) -> None:
    dataset.SamplesPerPixel = 1
    dataset.PhotometricInterpretation = "MONOCHROME2"
    dataset.Rows, dataset.Columns = shape
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = 16, bits, bits - 1
    dataset.PixelRepresentation = int(signed)


def _write(file: Path, dataset: Dataset) -> None:
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dcmwrite(file, dataset, enforce_file_format=True)
