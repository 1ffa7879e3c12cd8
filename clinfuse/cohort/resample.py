"""One grid to another: area averages where the grid gets coarser, straight lines where it gets finer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import permutations
from typing import final

import numpy as np
from scipy import sparse

from clinfuse.cohort.modality import Modality
from clinfuse.io.values import Volume
from clinfuse.shapes import Affine, Voxels


@final
@dataclass(frozen=True)
class AxisGrid:
    """How one axis of an image meets the axis it is prepared on, both centred on the same point.

    Parameters
    ----------
    entries : int
        Pixels of the source along this axis.
    step : float
        Width of a new pixel in source pixels; above 1 the grid gets coarser.
    size : int
        Pixels wanted: what lies beyond is cut off, what is missing is padded, both evenly.
    """

    entries: int
    step: float
    size: int

    @property
    def full(self) -> int:
        """New pixels that cover the whole source."""
        return max(1, round(self.entries / self.step))

    @property
    def kept(self) -> range:
        """Those of the ``full`` new pixels that survive the cut, in order."""
        first = max(0, (self.full - self.size) // 2)
        return range(first, first + min(self.full, self.size))

    @property
    def padding(self) -> tuple[int, int]:
        """New pixels to add before and after."""
        missing = self.size - len(self.kept)
        return missing // 2, missing - missing // 2

    @property
    def edges(self) -> np.ndarray:
        """Lower edge of every kept pixel in source pixels, float64, (kept,)."""
        start = self.entries / 2 - self.full * self.step / 2
        return start + np.asarray(self.kept, dtype=np.float64) * self.step

    def nearest(self) -> np.ndarray:
        """Source pixel under the centre of every kept pixel, int64, (kept,)."""
        below = np.floor(self.edges + self.step / 2 + 1e-9).astype(np.int64)
        return np.clip(below, 0, self.entries - 1)

    def weights(self) -> sparse.csr_array:
        """Weight of every source pixel in every kept pixel, float32, (kept, entries); each row sums to one."""
        matrix = self._areas() if self.step >= 1 else self._lines()
        matrix = sparse.diags_array(1 / np.asarray(matrix.sum(axis=1)).ravel()) @ matrix
        return sparse.csr_array(matrix, dtype=np.float32)

    def _areas(self) -> sparse.csr_array:
        low = np.clip(self.edges, 0, self.entries)
        high = np.clip(self.edges + self.step, 0, self.entries)
        reach = int(np.ceil(self.step)) + 1
        columns = np.floor(low).astype(np.int64)[:, None] + np.arange(reach)
        overlap = np.minimum(high[:, None], columns + 1) - np.maximum(low[:, None], columns)
        overlap = np.where(columns < self.entries, np.maximum(overlap, 0), 0)
        overlap[overlap < 1e-9] = 0
        return self._matrix(columns, overlap)

    def _lines(self) -> sparse.csr_array:
        at = np.clip(self.edges + self.step / 2 - 0.5, 0, self.entries - 1)
        below = np.floor(at).astype(np.int64)
        share = at - below
        return self._matrix(np.stack([below, below + 1], axis=1), np.stack([1 - share, share], axis=1))

    def _matrix(self, columns: np.ndarray, values: np.ndarray) -> sparse.csr_array:
        rows = np.broadcast_to(np.arange(len(columns))[:, None], columns.shape)
        used = values > 0
        shape = (len(columns), self.entries)
        return sparse.csr_array((values[used], (rows[used], columns[used])), shape=shape)


def grids(shape: Sequence[int], sizes: Sequence[int], steps: Sequence[float]) -> tuple[AxisGrid, ...]:
    """One grid per axis; a step of 0 takes the whole field of view into ``size`` pixels."""
    return tuple(
        AxisGrid(entries, step if step > 0 else entries / size, size)
        for entries, size, step in zip(shape, sizes, steps, strict=True)
    )


def resampled(array: np.ndarray, axes: Sequence[AxisGrid]) -> np.ndarray:
    """The image on the new grid before padding, float32, (kept, ...).

    Sparse products in a fixed order on one thread: the same bits whatever the number of threads. The axis that
    shrinks most goes first, so that a large volume is touched once.
    """
    for axis in sorted(range(array.ndim), key=lambda k: len(axes[k].kept) / axes[k].entries):
        weights = axes[axis].weights()
        front = np.moveaxis(array, axis, 0)
        flat = np.ascontiguousarray(front, dtype=np.float32).reshape(len(front), -1)
        array = np.moveaxis((weights @ flat).reshape(weights.shape[0], *front.shape[1:]), 0, axis)
    return np.ascontiguousarray(array, dtype=np.float32)


def padded(array: np.ndarray, axes: Sequence[AxisGrid], fill: float) -> np.ndarray:
    """The image with ``fill`` evenly around it, in the size the grids ask for, same dtype."""
    return np.pad(array, [grid.padding for grid in axes], constant_values=fill)


def axis_grids(shape: Sequence[int], spacing: Sequence[float], modality: Modality) -> tuple[AxisGrid, ...]:
    """How the axes of an image of this spacing meet those that its modality is prepared on."""
    wanted = modality.spacing_mm or (0.0,) * len(shape)
    steps = [want / have if want else 0.0 for want, have in zip(wanted, spacing, strict=True)]
    return grids(shape, modality.shape[1:], steps)


def turns(affine: Affine) -> tuple[tuple[int, ...], tuple[bool, ...]]:
    """Which axis of a volume is nearest to right, anterior and superior, and whether it points the other way."""
    cosines = affine[:3, :3] / np.linalg.norm(affine[:3, :3], axis=0)
    order = max(permutations(range(3)), key=lambda axes: float(np.prod([abs(cosines[k, axes[k]]) for k in range(3)])))
    return order, tuple(bool(cosines[k, order[k]] < 0) for k in range(3))


def canonical(volume: Volume) -> tuple[Voxels, tuple[float, float, float]]:
    """The voxels with axes turned and flipped to the nearest of right, anterior, superior, and their spacing in mm.

    An oblique volume keeps its own axes: nothing is interpolated here.
    """
    order, turned = turns(volume.affine)
    x, y, z = (float(volume.spacing_mm[k]) for k in order)
    return volume.array.transpose(order)[tuple(slice(None, None, -1 if one else 1) for one in turned)], (x, y, z)
