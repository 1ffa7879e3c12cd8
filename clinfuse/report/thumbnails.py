"""Small pictures of prepared inputs, many to a page: grey pixels without a figure around them."""

from __future__ import annotations

import io
from typing import Any

import matplotlib.image
import numpy as np

from clinfuse.cohort.modality import Modality
from clinfuse.report.canvas import Picture
from clinfuse.report.html import DataUri, clean

SIDE = 112
_GAP = 3
_TRACE_WIDTH, _TRACE_HEIGHT = 560, 11
_SECONDS = 10.0
_NO_SOFTWARE: Any = {"Software": None}


def thumbnail(modality: Modality, data: np.ndarray, covered: np.ndarray | None = None) -> Picture:
    """One prepared input as a small picture.

    Parameters
    ----------
    modality : Modality
        Of any kind but ehr.
    data : ndarray
        As `Cohort.arrays` gives it.
    covered : ndarray of bool, (windows,), optional
        Of a signal: the windows that hold samples.

    Returns
    -------
    Picture
        A volume: its middle slices, axial, coronal and sagittal, patient's right on the left. A radiograph: itself. A
        signal: its first ten seconds, one line per channel.

    Examples
    --------
    >>> thumbnail(Modality("xray", "xray", (1, 4, 4)), np.eye(4)[None]).alt
    'xray'
    """
    if modality.windowed:
        chosen = data if covered is None else data[covered]
        return _picture(_traces(modality, chosen), modality.name, (0.0, 1.0), inverted=True)
    image = _grey(modality, data)
    if image.ndim == 2:
        return _picture(_small(image, SIDE + SIDE // 2), modality.name, _window(modality, image))
    x, y, z = (length // 2 for length in image.shape)
    mm = modality.spacing_mm or (1.0, 1.0, 1.0)
    axial = _stretched(image[::-1, :, z].T[::-1], mm[1], mm[0])
    coronal = _stretched(image[::-1, y, :].T[::-1], mm[2], mm[0])
    sagittal = _stretched(image[x, ::-1, :].T[::-1], mm[2], mm[1])
    window = _window(modality, image)
    return _picture(_beside([axial, coronal, sagittal], window[0]), modality.name, window)


def _grey(modality: Modality, data: np.ndarray) -> np.ndarray:
    if modality.kind == "mask":
        labels = np.arange(1, len(data) + 1).reshape(-1, *[1] * (data.ndim - 1))
        return np.asarray((data * labels).max(axis=0), dtype=np.float64)
    return np.asarray(data[0], dtype=np.float64)


def _window(modality: Modality, image: np.ndarray) -> tuple[float, float]:
    low, high = modality.window
    if modality.kind == "xray":
        low, high = 0.0, 1.0
    if low >= high:
        low, high = (float(one) for one in np.percentile(image, (0.5, 99.5)))
    return low, max(high, low + 1e-6)


def _small(image: np.ndarray, side: int) -> np.ndarray:
    """Every n-th pixel, so that the longer side has at most `side`; of a much smaller image every pixel n times."""
    step = max(1, -(-max(image.shape) // side))
    times = max(1, side // max(image.shape))
    return image[::step, ::step].repeat(times, axis=0).repeat(times, axis=1)


def _stretched(image: np.ndarray, down_mm: float, across_mm: float) -> np.ndarray:
    """A slice with square pixels, the longer side `SIDE`, by nearest neighbour."""
    down, across = image.shape[0] * down_mm, image.shape[1] * across_mm
    scale = SIDE / max(down, across)
    rows = (np.arange(max(1, round(down * scale))) * image.shape[0] / max(1, round(down * scale))).astype(int)
    columns = (np.arange(max(1, round(across * scale))) * image.shape[1] / max(1, round(across * scale))).astype(int)
    return image[rows][:, columns]


def _beside(images: list[np.ndarray], low: float) -> np.ndarray:
    height = max(len(image) for image in images)
    width = sum(image.shape[1] for image in images) + _GAP * (len(images) - 1)
    page, left = np.full((height, width), low), 0
    for image in images:
        top = (height - len(image)) // 2
        page[top : top + len(image), left : left + image.shape[1]] = image
        left += image.shape[1] + _GAP
    return page


def _traces(modality: Modality, windows: np.ndarray) -> np.ndarray:
    """Ink of one line per channel, (y, x) in [0, 1], all channels on one scale; drawn twice as large and averaged."""
    samples = np.concatenate(list(windows), axis=1) if len(windows) else np.zeros((modality.shape[1], 2))
    samples = samples[:, : max(2, round(_SECONDS * (modality.rate_hz or 1.0)))].astype(np.float64)
    spread = float(np.percentile(np.abs(samples), 98)) or 1.0
    width, height = 2 * _TRACE_WIDTH, 2 * _TRACE_HEIGHT
    page = np.zeros((len(samples) * height, width))
    lines = np.arange(len(page))[:, None]
    for number, row in enumerate(samples):
        lowest, highest = _reach(np.clip(row / spread, -1, 1), width)
        middle = (number + 0.5) * height
        top = np.round(middle - 0.6 * height * highest)
        page[(lines >= top) & (lines <= np.maximum(top + 1, np.round(middle - 0.6 * height * lowest)))] = 1.0
    return page.reshape(len(page) // 2, 2, _TRACE_WIDTH, 2).mean(axis=(1, 3))


def _reach(row: np.ndarray, width: int) -> tuple[np.ndarray, np.ndarray]:
    """Lowest and highest value of a line in each column, from where it left the last one."""
    at = np.linspace(0, len(row) - 1, max(width + 1, len(row)))
    line = np.interp(at, np.arange(len(row)), row)
    starts = np.arange(width) * (len(line) - 1) // width
    ends = np.append(starts[1:], len(line) - 1)
    lowest = np.minimum(np.minimum.reduceat(line, starts), line[ends])
    highest = np.maximum(np.maximum.reduceat(line, starts), line[ends])
    return lowest, highest


def _picture(image: np.ndarray, alt: str, window: tuple[float, float], *, inverted: bool = False) -> Picture:
    buffer = io.BytesIO()
    grey: Any = "gray_r" if inverted else "gray"
    shown = np.clip((image - window[0]) / (window[1] - window[0]), 0, 1)
    matplotlib.image.imsave(
        buffer,
        shown,
        cmap=grey,
        vmin=0,
        vmax=1,
        format="png",
        metadata=_NO_SOFTWARE,
        pil_kwargs={"optimize": True},
    )
    return Picture(DataUri.of(buffer.getvalue(), "png"), clean(alt), image.shape[1], image.shape[0])
