"""From the stored numbers of a film to the grey values a viewer shows: modality, then values of interest."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NoReturn

import numpy as np
from pydicom.dataset import Dataset
from pydicom.pixels import apply_modality_lut, apply_voi

from clinfuse.errors import DataError
from clinfuse.io.dicom_codecs import quiet
from clinfuse.io.dicom_file import numbers, text
from clinfuse.io.values import Remark

PLACE = "X-ray"
AGAIN = "Export the file again."


def refuse(code: str, rule: str, found: str, remedy: str = AGAIN) -> NoReturn:
    """Raise the `DataError` of a film."""
    raise DataError(code, place=PLACE, rule=rule, found=found, remedy=remedy) from None


def modality_values(dataset: Dataset, stored: np.ndarray) -> np.ndarray:
    """(y, x) after the modality LUT, else the rescaling: integer from a table, else float64.

    Raises
    ------
    DataError
        ``XRAY_RESCALE``, ``XRAY_WINDOW``.
    """
    if _tables(dataset, "ModalityLUTSequence"):
        return _through_table(apply_modality_lut, stored, dataset)
    slope, intercept = numbers(dataset, "RescaleSlope", 1), numbers(dataset, "RescaleIntercept", 1)
    if slope.size != intercept.size or (slope.size and slope[0] <= 0):
        rule = "RescaleSlope above 0 with RescaleIntercept, or neither"
        refuse("XRAY_RESCALE", rule, "one alone, or a slope of 0 or less")
    if not slope.size or (slope[0] == 1 and intercept[0] == 0):
        return stored
    return stored * float(slope[0]) + float(intercept[0])


def _through_table(function: Callable[..., np.ndarray], values: np.ndarray, dataset: Dataset) -> np.ndarray:
    # pydicom reports a malformed table by whichever operation on it fails first.
    try:
        with quiet():
            return np.asarray(function(values, dataset))
    except Exception:
        refuse("XRAY_WINDOW", "a complete look-up table", "a damaged one")


def shown(dataset: Dataset, values: np.ndarray, empty: np.ndarray) -> tuple[np.ndarray, list[Remark]]:
    """(y, x) float64 in [0, 1], and a remark where the file offers several ways to show it.

    The first VOI LUT; else the first window; else the smallest value that is not padding becomes 0, the largest 1.

    Raises
    ------
    DataError
        ``XRAY_WINDOW``, ``XRAY_CONSTANT``.
    """
    tables = _tables(dataset, "VOILUTSequence")
    centers, widths = _several(dataset, "WindowCenter"), _several(dataset, "WindowWidth")
    if centers.size != widths.size:
        refuse("XRAY_WINDOW", "a WindowWidth for each WindowCenter", "another number of them")
    ways = len(tables) + centers.size
    remarks = []
    if ways > 1:
        text_ = "The file has several windows or tables; the first table is used, else the first window."
        remarks.append(Remark("XRAY_WINDOWS", text_))
    if tables:
        # A table maps whole numbers, and a rescaling before it may have left fractions.
        mapped = _through_table(apply_voi, np.rint(values).astype(np.int64), dataset)
        return _stretched(mapped, *_table_range(tables[0])), remarks
    if centers.size:
        function = text(dataset, "VOILUTFunction") or "LINEAR"
        return _windowed(values.astype(np.float64), float(centers[0]), float(widths[0]), function), remarks
    image = values[~empty]
    low, high = (float(image.min()), float(image.max())) if image.size else (0.0, 0.0)
    return _stretched(values, low, high), remarks


def _tables(dataset: Dataset, keyword: str) -> Sequence[Dataset]:
    """The items of a sequence of tables; none where there is no such sequence, or an empty one."""
    try:
        with quiet():
            return list(dataset.get(keyword) or ())
    # A sequence is taken apart when it is asked for, and damage shows only then.
    except Exception:
        refuse("XRAY_WINDOW", "a complete look-up table", "a damaged one")


def _several(dataset: Dataset, keyword: str) -> np.ndarray:
    written = text(dataset, keyword)
    return numbers(dataset, keyword, written.count("\\") + 1)


def _table_range(table: Dataset) -> tuple[float, float]:
    """Smallest and largest entry: many tables declare 16 bits and use 12, and would show a dark image."""
    entries = numbers(table, "LUTDescriptor", 3)
    with quiet():
        data = table.get("LUTData", b"")
    if isinstance(data, bytes):
        size = max(int(entries[0]) or 2**16, 0) if entries.size else 0
        wide = len(data) >= 2 * size
        data = np.frombuffer(data, dtype="<u2" if wide else "u1", count=size if wide else min(size, len(data)))
    array = np.asarray(data)
    return (float(array.min()), float(array.max())) if array.size else (0.0, 0.0)


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
