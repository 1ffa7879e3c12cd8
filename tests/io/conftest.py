"""DICOM, EDF and shared files for the tests of the readers."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import UID, CTImageStorage, DigitalXRayImageStorageForPresentation, ExplicitVRLittleEndian

AXIAL = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0)
ROOT = "1.2.826.0.1.3680043.10.1"


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Third-party files, outside the project."""
    place = Path(os.environ.get("CLINFUSE_TEST_DATA", Path(__file__).parents[2] / ".." / "shared" / "data"))
    if not place.is_dir():
        pytest.skip("the third-party files of CLINFUSE_TEST_DATA are not here")
    return place


def write_dicom(file: Path, stored: np.ndarray, **tags: object) -> Path:
    """One grey image with `stored` (rows, columns) as its pixels and the given tags; a tag of None is left out."""
    meta = FileMetaDataset()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.MediaStorageSOPClassUID = UID(str(tags.get("SOPClassUID", CTImageStorage)))
    meta.MediaStorageSOPInstanceUID = UID(f"{ROOT}.9")
    dataset = FileDataset(str(file), {}, file_meta=meta, preamble=b"\0" * 128)
    values: dict[str, object] = {
        "SOPInstanceUID": f"{ROOT}.9",
        "StudyInstanceUID": f"{ROOT}.1",
        "SeriesInstanceUID": f"{ROOT}.2",
        "PatientID": "00123",
        "Rows": stored.shape[0],
        "Columns": stored.shape[1],
        "BitsAllocated": stored.dtype.itemsize * 8,
        "BitsStored": stored.dtype.itemsize * 8,
        "HighBit": stored.dtype.itemsize * 8 - 1,
        "PixelRepresentation": int(stored.dtype.kind == "i"),
        "SamplesPerPixel": 1,
        "PhotometricInterpretation": "MONOCHROME2",
        "PixelSpacing": [0.8, 0.5],
    } | tags
    for keyword, value in values.items():
        if value is not None and keyword != "PixelData":
            setattr(dataset, keyword, value)
    pixels = values.get("PixelData", stored.tobytes())
    if pixels is not None:
        dataset.PixelData = pixels
        dataset["PixelData"].VR = "OW" if stored.dtype.itemsize > 1 else "OB"
    file.parent.mkdir(parents=True, exist_ok=True)
    dataset.save_as(file, enforce_file_format=True)
    return file


def write_slice(file: Path, stored: np.ndarray, z: float, **tags: object) -> Path:
    """One CT slice at height z (mm, LPS) with slope 1 and intercept -1024."""
    values: dict[str, object] = {
        "SOPClassUID": CTImageStorage,
        "Modality": "CT",
        "ImageType": ["ORIGINAL", "PRIMARY", "AXIAL"],
        "ImagePositionPatient": [-10.0, -20.0, z],
        "ImageOrientationPatient": list(AXIAL),
        "SliceThickness": 3.0,
        "RescaleSlope": 1,
        "RescaleIntercept": -1024,
    } | tags
    return write_dicom(file, stored, **values)


def write_series(folder: Path, volume: np.ndarray, *, step: float = 2.5, **tags: object) -> Path:
    """A series from stored values (slices, rows, columns), its files named against the order of the slices."""
    for k, stored in enumerate(volume):
        write_slice(folder / f"IM{len(volume) - k:03d}", stored, 5.0 + step * k, InstanceNumber=1, **tags)
    return folder


def write_film(file: Path, stored: np.ndarray, **tags: object) -> Path:
    """One DX image."""
    values: dict[str, object] = {"SOPClassUID": DigitalXRayImageStorageForPresentation, "Modality": "DX"} | tags
    return write_dicom(file, stored, **values)


@pytest.fixture
def slice_file() -> Callable[..., Path]:
    return write_slice


@pytest.fixture
def series_folder() -> Callable[..., Path]:
    return write_series


@pytest.fixture
def film_file() -> Callable[..., Path]:
    return write_film


@pytest.fixture
def stored_volume() -> np.ndarray:
    """(slices, rows, columns) int16, every voxel another value."""
    return np.arange(5 * 4 * 6, dtype=np.int16).reshape(5, 4, 6) + 500
