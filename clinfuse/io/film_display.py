"""From the stored numbers of a film to the grey values a viewer shows: modality, then values of interest."""

from __future__ import annotations

from typing import NoReturn

import numpy as np
from pydicom.dataset import Dataset
from pydicom.uid import ExplicitVRBigEndian

from clinfuse.errors import DataError
from clinfuse.io.dicom_file import numbers, text, transfer_syntax
from clinfuse.io.film_tables import Table, tables_of
from clinfuse.io.values import Remark

PLACE = "X-ray"
AGAIN = "Export the file again."


def refuse(code: str, rule: str, found: str, remedy: str = AGAIN) -> NoReturn:
    """Raise the `DataError` of a film."""
    raise DataError(code, place=PLACE, rule=rule, found=found, remedy=remedy) from None


def modality_values(dataset: Dataset, stored: np.ndarray) -> np.ndarray:
    """(y, x) after the modality LUT, else the rescaling: as stored where neither changes it, uint16 or float64.

    Raises
    ------
    DataError
        ``XRAY_RESCALE``, ``XRAY_WINDOW``.
    """
    tables = _tables(dataset, "ModalityLUTSequence", stored)
    if tables:
        return tables[0](stored)
    slope, intercept = numbers(dataset, "RescaleSlope", 1), numbers(dataset, "RescaleIntercept", 1)
    if slope.size != intercept.size or (slope.size and slope[0] <= 0):
        rule = "RescaleSlope above 0 with RescaleIntercept, or neither"
        refuse("XRAY_RESCALE", rule, "one alone, or a slope of 0 or less")
    if not slope.size or (slope[0] == 1 and intercept[0] == 0):
        return stored
    return stored * float(slope[0]) + float(intercept[0])


def _tables(dataset: Dataset, keyword: str, values: np.ndarray) -> tuple[Table, ...]:
    """The look-up tables for values."""
    # What is stored with a sign may be negative, even where this image is not; entries of a table have none.
    signed = values.dtype.kind == "i" or bool(values.min() < 0)
    return tables_of(dataset, keyword, signed=signed, little=transfer_syntax(dataset) != ExplicitVRBigEndian)


def shown(dataset: Dataset, values: np.ndarray, empty: np.ndarray) -> tuple[np.ndarray, list[Remark]]:
    """(y, x) float64 in [0, 1], and a remark where the file offers several ways to show it.

    The first VOI LUT; else the first window; else the smallest value that is not padding becomes 0, the largest 1.

    Raises
    ------
    DataError
        ``XRAY_WINDOW``, ``XRAY_CONSTANT``.
    """
    tables = _tables(dataset, "VOILUTSequence", values)
    centers, widths = _several(dataset, "WindowCenter"), _several(dataset, "WindowWidth")
    if centers.size != widths.size:
        refuse("XRAY_WINDOW", "a WindowWidth for each WindowCenter", "another number of them")
    ways = len(tables) + centers.size
    remarks = []
    if ways > 1:
        text_ = "The file has several windows or tables; the first table is used, else the first window."
        remarks.append(Remark("XRAY_WINDOWS", text_))
    if tables:
        # Many tables declare 16 bits and use 12: all their entries span black to white, not all that 16 bits hold.
        entries = tables[0].entries
        return _stretched(tables[0](values), float(entries.min()), float(entries.max())), remarks
    if centers.size:
        function = text(dataset, "VOILUTFunction") or "LINEAR"
        return _windowed(values.astype(np.float64), float(centers[0]), float(widths[0]), function), remarks
    image = values[~empty]
    low, high = (float(image.min()), float(image.max())) if image.size else (0.0, 0.0)
    return _stretched(values, low, high), remarks


def _several(dataset: Dataset, keyword: str) -> np.ndarray:
    written = text(dataset, keyword)
    return numbers(dataset, keyword, written.count("\\") + 1)


def _stretched(values: np.ndarray, low: float, high: float) -> np.ndarray:
    if high <= low:
        constant()
    return np.clip((values - low) / (high - low), 0.0, 1.0)


def constant() -> NoReturn:
    """Refuse an image that shows nothing."""
    refuse("XRAY_CONSTANT", "an image that shows at least two grey values", "one", "Leave the file out.")


def _windowed(values: np.ndarray, center: float, width: float, function: str) -> np.ndarray:
    if width <= 0 or (function == "LINEAR" and width < 1):
        refuse("XRAY_WINDOW", "a WindowWidth of at least 1 (LINEAR), else above 0", "a smaller one")
    if function == "SIGMOID":
        return 1.0 / (1.0 + np.exp(np.clip(-4.0 * (values - center) / width, -700.0, 700.0)))
    if function == "LINEAR_EXACT":
        return np.clip((values - center) / width + 0.5, 0.0, 1.0)
    if function != "LINEAR":
        refuse("XRAY_WINDOW", "VOILUTFunction LINEAR, LINEAR_EXACT or SIGMOID", "another function")
    if width == 1:
        return (values > center - 0.5).astype(np.float64)
    return np.clip((values - (center - 0.5)) / (width - 1.0) + 0.5, 0.0, 1.0)
