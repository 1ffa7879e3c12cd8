"""A volume as a page shows it: what is drawn of it, on which grid, and where in the patient that is."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import final

import numpy as np
from scipy.ndimage import gaussian_filter

from clinfuse.cohort.modality import Modality
from clinfuse.cohort.placement import onto, prepared_affine, upright
from clinfuse.cohort.resample import turns
from clinfuse.io.values import Volume

PLANES = (
    ("axial", 2, (0, 1), ("R", "L", "A", "P")),
    ("coronal", 1, (0, 2), ("R", "L", "S", "I")),
    ("sagittal", 0, (1, 2), ("A", "P", "S", "I")),
)


@final
@dataclass(frozen=True, eq=False)
class View:
    """An image in RAS+ order with an attribution in its own place.

    Parameters
    ----------
    modality : Modality
    array : ndarray, (x, y, z)
    affine : ndarray of float64, (4, 4)
        Of `array`, to mm.
    map : ndarray of float64, (x, y, z)
        Attribution on the prepared grid, all channels added up and blurred by one element; zeros where none is shown.
    map_affine : ndarray of float64, (4, 4)
    images : tuple of int
        Image numbers of the files along the third axis; empty where unknown.
    original : bool
        Whether this is the series as it was scanned, or its prepared form.
    measured : bool
        Whether the distances between voxels are known.
    """

    modality: Modality
    array: np.ndarray
    affine: np.ndarray
    map: np.ndarray
    map_affine: np.ndarray
    images: tuple[int, ...] = ()
    original: bool = False
    measured: bool = True

    @cached_property
    def strongest(self) -> float:
        """The largest absolute attribution."""
        return max(float(np.abs(self.map).max()), 1e-12)

    @property
    def mapped(self) -> bool:
        """Whether there is an attribution to show."""
        return bool(np.any(self.map))

    @property
    def spacing(self) -> tuple[float, float, float]:
        """Distance between voxels, mm."""
        x, y, z = np.linalg.norm(self.affine[:3, :3], axis=0)
        return float(x), float(y), float(z)

    @cached_property
    def centre(self) -> tuple[int, int, int]:
        """Voxel nearest to the strongest attribution, the middle one where none is shown."""
        shape = self.array.shape
        if not self.mapped:
            return shape[0] // 2, shape[1] // 2, shape[2] // 2
        at = np.unravel_index(int(np.abs(self.map).argmax()), self.map.shape)
        place = np.linalg.solve(self.affine, self.map_affine @ np.array([*at, 1.0]))
        x, y, z = (int(np.clip(round(float(p)), 0, n - 1)) for p, n in zip(place, shape, strict=False))
        return x, y, z

    @cached_property
    def window(self) -> tuple[float, float]:
        """Lowest and highest value of the grey scale: what the model was given, or nearly all there is."""
        low, high = self.modality.window
        if self.modality.kind == "mask":
            low, high = 0.0, float(max(self.modality.shape[0], 1))
        if low >= high:
            low, high = (float(v) for v in np.percentile(self.array, (0.5, 99.5)))
        return low, max(high, low + 1e-6)

    def cut(self, axis: int, at: int, step: int = 1) -> np.ndarray:
        """One slice, (across, up), every `step` voxels averaged."""
        slice_ = np.take(self.array, at, axis)
        return _averaged(slice_, step) if step > 1 else slice_.astype(np.float32)

    def map_cut(self, axis: int, at: int, step: int = 1) -> np.ndarray:
        """The attribution in the same places, in parts of the strongest, -1 to 1."""
        others = [k for k in range(3) if k != axis]
        shape, own = [1, 1, 1], np.eye(4)
        own[axis, 3] = at
        for k in others:
            shape[k] = max(1, self.array.shape[k] // step)
            own[k, k], own[k, 3] = step, (step - 1) / 2
        found = onto(self.map, self.map_affine, shape, self.affine @ own)
        return found.reshape([shape[k] for k in others]) / self.strongest

    def place_mm(self, axis: int, at: int) -> float:
        """Where a slice lies along its axis, mm."""
        index = np.array([length / 2 - 0.5 for length in self.array.shape])
        index[axis] = at
        return float((self.affine[:3, :3] @ index + self.affine[:3, 3])[axis])


def prepared_view(modality: Modality, data: np.ndarray, map_: np.ndarray | None) -> View:
    """The image as the model was given it, millimetres counted from its corner."""
    labels = np.arange(1, len(data) + 1).reshape(-1, *[1] * (data.ndim - 1))
    array = (data * labels).max(0) if modality.kind == "mask" else data[0]
    measured = bool(modality.spacing_mm) and min(modality.spacing_mm) > 0
    affine = np.diag([*(modality.spacing_mm if measured else (1.0, 1.0, 1.0)), 1.0])
    return View(modality, np.asarray(array), affine, _smooth(map_, array.shape), affine, measured=measured)


def original_view(modality: Modality, volume: Volume, map_: np.ndarray | None) -> View:
    """The series as it was scanned, with the attribution of its prepared form in the same places."""
    array, affine = upright(volume)
    own = prepared_affine(volume, modality)
    # Readers give volumes upright; of one that was turned here the numbers would lie along another axis.
    images = volume.images if turns(volume.affine) == ((0, 1, 2), (False, False, False)) else ()
    return View(modality, array, affine, _smooth(map_, modality.shape[1:]), own, images, original=True)


def _smooth(map_: np.ndarray | None, shape: tuple[int, ...]) -> np.ndarray:
    if map_ is None:
        return np.zeros(shape)
    return np.asarray(gaussian_filter(np.asarray(map_, np.float64).sum(0), 1.0))


def _averaged(image: np.ndarray, step: int) -> np.ndarray:
    rows, columns = max(1, image.shape[0] // step), max(1, image.shape[1] // step)
    high, wide = min(step, image.shape[0]), min(step, image.shape[1])
    cut = image[: rows * high, : columns * wide].astype(np.float32)
    return cut.reshape(rows, high, columns, wide).mean((1, 3))
