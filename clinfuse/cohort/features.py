"""Named summary features of one input: what a clinician would measure, never what a file says of itself.

Nothing here depends on duration, number of slices, spacing or size of the file: intensities are read on the prepared
grid, which is the same for every record, and volumes and extents are in millilitres and millimetres.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import final

import numpy as np
from scipy import ndimage

from clinfuse.cohort.modality import Modality
from clinfuse.io.channels import electrode
from clinfuse.shapes import Table, Voxels

PERCENTILES = (1, 5, 25, 50, 75, 95, 99)
TISSUES_HU = (
    ("air", -np.inf, -200.0),
    ("fat", -200.0, -30.0),
    ("soft tissue", -30.0, 90.0),
    ("enhancing tissue", 90.0, 250.0),
    ("bone", 250.0, np.inf),
)
BINS = 8
BANDS_HZ = {"delta": (1.0, 4.0), "theta": (4.0, 8.0), "alpha": (8.0, 13.0), "beta": (13.0, 30.0), "gamma": (30.0, 45.0)}
REGIONS = {
    "frontal": ("FP1", "FP2", "F7", "F3", "FZ", "F4", "F8"),
    "central": ("C3", "CZ", "C4"),
    "temporal left": ("T7", "P7"),
    "temporal right": ("T8", "P8"),
    "parietal": ("P3", "PZ", "P4"),
    "occipital": ("O1", "O2"),
}
LEAST_POWER = 1e-4

Names = tuple[tuple[str, ...], tuple[str, ...]]


@final
@dataclass(frozen=True, eq=False)
class SummaryFeatures:
    """The summary features of one modality of a cohort.

    Parameters
    ----------
    values : ndarray of float64, (records, features)
        NaN in every column where the modality is absent; for a health-record table also where a cell is empty.
    names, units : tuple of str
        One per column; an empty unit is a pure number.
    """

    values: Table
    names: tuple[str, ...]
    units: tuple[str, ...]


def _grey_names(unit: str) -> list[tuple[str, str]]:
    return [("mean", unit), ("sd", unit), *((f"percentile {p}", unit) for p in PERCENTILES)]


def _greys(values: np.ndarray) -> list[float]:
    return [float(values.mean()), float(values.std()), *np.percentile(values, PERCENTILES).tolist()]


def _split(pairs: list[tuple[str, str]]) -> Names:
    return tuple(name for name, _ in pairs), tuple(unit for _, unit in pairs)


# --- CT ---


def _tissues(modality: Modality) -> list[tuple[str, float, float]]:
    low, high = modality.window
    return [part for part in TISSUES_HU if high > low and part[1] < high and part[2] > low]


def _bins(modality: Modality) -> list[tuple[float, float]]:
    low, high = modality.window
    return list(pairwise(np.linspace(low, high, BINS + 1).tolist())) if high > low else []


def ct_names(modality: Modality) -> Names:
    """Names and units of `ct_features`."""
    shares = [(f"share {name}", "") for name, _, _ in _tissues(modality)]
    bins = [(f"share {low:g} to {high:g} HU", "") for low, high in _bins(modality)]
    return _split([*_grey_names("HU"), *([("share inside the window", "")] if bins else []), *shares, *bins])


def ct_features(array: np.ndarray, modality: Modality) -> np.ndarray:
    """HU of one prepared CT.

    Mean, sd and percentiles are over the voxels strictly inside the window (those at its ends were clipped); shares
    are of those voxels, the share inside the window of all voxels.

    Parameters
    ----------
    array : ndarray, (1, x, y, z)
        HU.
    modality : Modality

    Returns
    -------
    ndarray of float64, (features,)
    """
    values = array.astype(np.float64).ravel()
    if not _bins(modality):
        return np.array(_greys(values))
    low, high = modality.window
    inside = values[(values > low) & (values < high)]
    share = inside.size / values.size
    inside = inside if inside.size else np.array([low])
    tissues = [float(((inside >= start) & (inside < end)).mean()) for _, start, end in _tissues(modality)]
    bins = [float(((inside >= start) & (inside < end)).mean()) for start, end in _bins(modality)]
    return np.array([*_greys(inside), share, *tissues, *bins])


# --- MR and radiograph ---


def mr_names(modality: Modality) -> Names:
    """Names and units of `mr_features`."""
    return _split([*_grey_names("sd of the tissue"), ("skewness", "")])


def mr_features(array: np.ndarray, modality: Modality) -> np.ndarray:
    """Distribution of the normalised intensities of one prepared MR image, float64, (features,)."""
    values = array.astype(np.float64).ravel()
    spread = values.std()
    skewness = float((((values - values.mean()) / spread) ** 3).mean()) if spread > 0 else 0.0
    return np.array([*_greys(values), skewness])


_QUADRANTS = (
    "upper left of the image",
    "upper right of the image",
    "lower left of the image",
    "lower right of the image",
)


def xray_names(modality: Modality) -> Names:
    """Names and units of `xray_features`."""
    return _split([*_grey_names("grey"), *((f"mean, {quadrant}", "grey") for quadrant in _QUADRANTS)])


def xray_features(array: np.ndarray, modality: Modality) -> np.ndarray:
    """Grey values of one prepared radiograph, whole and by quadrant, float64, (features,)."""
    pixels = array.astype(np.float64)
    middle, centre = (max(1, size // 2) for size in pixels.shape[1:])
    parts = [pixels[:, rows, columns] for rows in _halves(middle) for columns in _halves(centre)]
    quadrants = [float(part.mean()) if part.size else float(pixels.mean()) for part in parts]
    return np.array([*_greys(pixels.ravel()), *quadrants])


def _halves(middle: int) -> tuple[slice, slice]:
    return slice(None, middle), slice(middle, None)


# --- Label map ---


def mask_names(modality: Modality) -> Names:
    """Names and units of `mask_features`."""
    labels = modality.channels or tuple(f"label {k + 1}" for k in range(modality.shape[0]))
    parts = (("volume", "ml"), ("extent x", "mm"), ("extent y", "mm"), ("extent z", "mm"), ("count", ""))
    return _split([(f"{label} {name}", unit) for label in labels for name, unit in parts])


def mask_features(labels: Voxels, spacing_mm: tuple[float, float, float], modality: Modality) -> np.ndarray:
    """Volume, extent and number of separate parts of every label.

    Parameters
    ----------
    labels : ndarray of int, (x, y, z)
        Label map in full resolution; 0 is background.
    spacing_mm : tuple of float
        Along x, y, z; a volume in voxels would be a statement about the scanner.
    modality : Modality

    Returns
    -------
    ndarray of float64, (5 labels,)
        Per label: volume (ml), extent along x, y and z (mm), number of parts that touch neither by face, edge nor
        corner. Zeros for a label that does not occur.
    """
    wanted = modality.shape[0]
    whole = labels if np.issubdtype(labels.dtype, np.integer) else labels.astype(np.int32)
    boxes = ndimage.find_objects(whole, max_label=wanted)
    found = np.zeros((wanted, 5))
    for row, box in enumerate(boxes):
        if box is not None:
            part = whole[box] == row + 1
            count = ndimage.label(part, structure=np.ones((3, 3, 3)))[1]
            volume = float(part.sum()) * float(np.prod(spacing_mm)) / 1000
            found[row] = [volume, *(size * step for size, step in zip(part.shape, spacing_mm, strict=True)), count]
    return found.ravel()


# --- EEG ---


def _bands(modality: Modality) -> dict[str, tuple[float, float]]:
    top = 0.9 * modality.rate_hz / 2
    heard = {name: (low, min(high, top)) for name, (low, high) in BANDS_HZ.items() if low < top}
    return heard or {"power": (0.0, np.inf)}


def _regions(modality: Modality) -> dict[str, list[int]]:
    names = [electrode(channel) for channel in modality.channels]
    rows = {region: [k for k, name in enumerate(names) if name in members] for region, members in REGIONS.items()}
    return {region: found for region, found in rows.items() if found}


def eeg_names(modality: Modality) -> Names:
    """Names and units of `eeg_features`."""
    channels = modality.channels or tuple(f"channel {k + 1}" for k in range(modality.shape[1]))
    places = (*channels, *_regions(modality))
    return _split([(f"{band} {place}", "ln µV²") for band in _bands(modality) for place in places])


def band_power(windows: np.ndarray, rate_hz: float, band_hz: tuple[float, float]) -> np.ndarray:
    """Power of each channel within a band, from Hann-tapered spectra.

    A sine of amplitude A within the band has the power A²/2.

    Parameters
    ----------
    windows : ndarray, (windows, channel, time)
        µV.
    rate_hz : float
        Samples per second.
    band_hz : tuple of float
        Lower edge included, upper edge excluded.

    Returns
    -------
    ndarray of float64, (windows, channel)
        µV².

    Examples
    --------
    >>> import numpy as np
    >>> sine = 20 * np.sin(2 * np.pi * 10 * np.arange(1280) / 128)
    >>> band_power(sine[None, None], 128.0, (8.0, 13.0)).round(6).tolist()
    [[200.0]]
    """
    samples = windows.shape[-1]
    taper = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(samples) / samples)
    density = np.abs(np.fft.rfft(windows.astype(np.float64) * taper, axis=-1)) ** 2
    frequencies = np.fft.rfftfreq(samples, 1 / rate_hz)
    twice = np.where((frequencies > 0) & (frequencies < rate_hz / 2), 2.0, 1.0)
    chosen = (frequencies >= band_hz[0]) & (frequencies < band_hz[1])
    return (density * twice)[..., chosen].sum(axis=-1) / (samples * (taper**2).sum())


def eeg_features(array: np.ndarray, windows: np.ndarray, modality: Modality) -> np.ndarray:
    """Log band power of every channel and region, averaged over the windows that are there.

    Parameters
    ----------
    array : ndarray, (windows, channel, time)
        µV.
    windows : ndarray of bool, (windows,)
        Windows the recording covers.
    modality : Modality

    Returns
    -------
    ndarray of float64, (features,)
        ln µV² of the mean power over windows; a region is the mean of its channels' logarithms. NaN for a channel
        that is masked (zero throughout while others are not), which enters no region.
    """
    covered = array[windows]
    regions = _regions(modality)
    heard = covered.any(axis=(0, 2))
    masked = ~heard & heard.any()
    found: list[float] = []
    for band in _bands(modality).values():
        power = band_power(covered, modality.rate_hz, band).mean(axis=0)
        logs = np.where(masked, np.nan, np.log(np.maximum(power, LEAST_POWER)))
        parts = [logs[[row for row in rows if not masked[row]]] for rows in regions.values()]
        found += [*logs.tolist(), *(float(part.mean()) if part.size else float("nan") for part in parts)]
    return np.array(found)


# --- Health records ---


def ehr_names(modality: Modality) -> Names:
    """The declared columns and their units: a table is its own summary."""
    return _split([(column.name, column.unit) for column in modality.columns])
