"""A projection X-ray as grey values in [0, 1], the way it would be shown."""

from __future__ import annotations

from pathlib import Path
from typing import NoReturn

import numpy as np
from pydicom.dataset import Dataset
from pydicom.pixels import apply_modality_lut, apply_voi

from clinfuse.errors import DataError
from clinfuse.io.dicom_file import numbers, open_dicom, padding, quiet, stored_pixels, text
from clinfuse.io.policies import XrayPolicy
from clinfuse.io.values import Radiograph

MODALITIES = ("CR", "DX", "MG")


def read_xray(file: Path, *, policy: XrayPolicy = XrayPolicy()) -> Radiograph:
    """The projection image of one DICOM file (CR, DX or MG), bone bright, as float32 in [0, 1].

    Stored values pass through the modality LUT or rescaling, then through the first VOI LUT, else the first window
    (functions LINEAR, LINEAR_EXACT and SIGMOID); where the file has neither, the smallest value of the image becomes
    0 and the largest 1. ``MONOCHROME1`` is then inverted, once (``PresentationLUTShape`` repeats it and is not
    read). Padding becomes 0.

    Parameters
    ----------
    file : Path
        One single-frame file.
    policy : XrayPolicy
        What was decided about files that would otherwise be refused.

    Returns
    -------
    Radiograph
        float32 (y, x), first row on top. ``spacing_mm`` (y, x) from ``PixelSpacing``, else ``ImagerPixelSpacing``
        (at the detector: the patient is magnified), else (0, 0).

    Raises
    ------
    DataError
        ``XRAY_KIND``, ``XRAY_RESCALE``, ``XRAY_WINDOW``, ``XRAY_CONSTANT``, ``XRAY_SPACING``, ``DCM_COLOUR`` and the
        other ``DCM_`` codes of a file that cannot be read.

    References
    ----------
    DICOM PS3.3, C.11.1 (modality LUT) and C.11.2 (VOI LUT and window functions).

    Examples
    --------
    >>> from pathlib import Path
    >>> from pydicom.data import get_testdata_file
    >>> from clinfuse.errors import DataError
    >>> try:
    ...     read_xray(Path(get_testdata_file("CT_small.dcm")))
    ... except DataError as error:
    ...     print(error.code)
    XRAY_KIND
    """
    dataset = open_dicom(file)
    if text(dataset, "Modality") not in MODALITIES:
        _refuse("XRAY_KIND", "modality CR, DX or MG", "another modality", "Select the X-ray files in cohort.toml.")
    spacing = _spacing(dataset)
    stored = stored_pixels(dataset)
    empty = padding(dataset, stored)
    grey = _shown(dataset, _modality_values(dataset, stored), empty)
    if text(dataset, "PhotometricInterpretation") == "MONOCHROME1":
        grey = 1.0 - grey
    grey[empty] = 0.0
    return Radiograph(grey.astype(np.float32), spacing)


def _spacing(dataset: Dataset) -> tuple[float, float]:
    for keyword in ("PixelSpacing", "ImagerPixelSpacing"):
        size = numbers(dataset, keyword, 2)
        if size.size and size.min() <= 0:
            _refuse("XRAY_SPACING", f"a positive {keyword}", "none", "Export the file again.")
        if size.size:
            return float(size[0]), float(size[1])
    return 0.0, 0.0


def _modality_values(dataset: Dataset, stored: np.ndarray) -> np.ndarray:
    """(y, x) after the modality LUT: integer from a table, else float64."""
    if dataset.get("ModalityLUTSequence"):
        return _through_table(apply_modality_lut, stored, dataset)
    slope, intercept = numbers(dataset, "RescaleSlope", 1), numbers(dataset, "RescaleIntercept", 1)
    if slope.size != intercept.size or (slope.size and slope[0] == 0):
        _refuse("XRAY_RESCALE", "both RescaleSlope and RescaleIntercept, or neither", "one, or slope 0", _AGAIN)
    if not slope.size or (slope[0] == 1 and intercept[0] == 0):
        return stored
    return stored * float(slope[0]) + float(intercept[0])


def _through_table(function: object, values: np.ndarray, dataset: Dataset) -> np.ndarray:
    try:
        with quiet():
            return np.asarray(function(values, dataset))  # type: ignore[operator]
    # pydicom reports a malformed table by whichever operation on it fails first.
    except Exception:
        _refuse("XRAY_WINDOW", "a complete look-up table", "a damaged one", _AGAIN)


def _shown(dataset: Dataset, values: np.ndarray, empty: np.ndarray) -> np.ndarray:
    """(y, x) float64 in [0, 1]."""
    if dataset.get("VOILUTSequence"):
        # A table maps whole numbers, and a rescaling before it may have left fractions.
        whole = np.rint(values).astype(np.int64)
        return _stretched(_through_table(apply_voi, whole, dataset), *_table_range(dataset.VOILUTSequence[0]))
    if text(dataset, "WindowCenter") and text(dataset, "WindowWidth"):
        return _windowed(dataset, values.astype(np.float64))
    image = values[~empty]
    return _stretched(values, float(image.min()), float(image.max())) if image.size else _stretched(values, 0, 0)


def _table_range(table: Dataset) -> tuple[float, float]:
    """Smallest and largest entry: many tables declare 16 bits and use 12, and would show a dark image."""
    data, entries = table.get("LUTData", b""), numbers(table, "LUTDescriptor", 3)
    if isinstance(data, bytes):
        size = int(entries[0]) or 2**16 if entries.size else 0
        data = np.frombuffer(data, dtype="<u2" if len(data) >= 2 * size else "u1")
    array = np.asarray(data)
    return (float(array.min()), float(array.max())) if array.size else (0.0, 0.0)


def _stretched(values: np.ndarray, low: float, high: float) -> np.ndarray:
    if high <= low:
        _refuse("XRAY_CONSTANT", "an image with at least two grey values", "one", "Leave the file out.")
    return np.clip((values - low) / (high - low), 0.0, 1.0)


def _windowed(dataset: Dataset, values: np.ndarray) -> np.ndarray:
    center, width = (_first(dataset, keyword) for keyword in ("WindowCenter", "WindowWidth"))
    function = text(dataset, "VOILUTFunction") or "LINEAR"
    if width <= 0 or (function == "LINEAR" and width < 1):
        _refuse("XRAY_WINDOW", "a WindowWidth of at least 1 (LINEAR), else above 0", "a smaller one", _AGAIN)
    if function == "SIGMOID":
        return 1.0 / (1.0 + np.exp(np.clip(-4.0 * (values - center) / width, -700.0, 700.0)))
    if function == "LINEAR_EXACT":
        return np.clip((values - center) / width + 0.5, 0.0, 1.0)
    if function != "LINEAR":
        _refuse("XRAY_WINDOW", "VOILUTFunction LINEAR, LINEAR_EXACT or SIGMOID", "another function", _AGAIN)
    if width == 1:
        return (values > center - 0.5).astype(np.float64)
    return np.clip((values - (center - 0.5)) / (width - 1.0) + 0.5, 0.0, 1.0)


def _first(dataset: Dataset, keyword: str) -> float:
    written = text(dataset, keyword)
    return float(numbers(dataset, keyword, written.count("\\") + 1)[0])


_AGAIN = "Export the file again."


def _refuse(code: str, rule: str, found: str, remedy: str) -> NoReturn:
    raise DataError(code, place="X-ray", rule=rule, found=found, remedy=remedy) from None
