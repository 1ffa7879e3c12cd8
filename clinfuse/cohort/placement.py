"""Where a prepared image lies in the original: the way back from the grid of a network to the one of the scanner."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy import ndimage

from clinfuse.cohort.modality import Modality
from clinfuse.cohort.resample import axis_grids, canonical, turns
from clinfuse.io.values import Volume
from clinfuse.shapes import Affine


def upright(volume: Volume) -> tuple[np.ndarray, Affine]:
    """The voxels with axes turned to the nearest of right, anterior, superior, and the affine of the turned array."""
    order, flipped = turns(volume.affine)
    array, _ = canonical(volume)
    steps = volume.affine[:3, list(order)] * np.where(flipped, -1.0, 1.0)
    last = np.array([length - 1 if flip else 0 for length, flip in zip(array.shape, flipped, strict=True)])
    affine = np.eye(4)
    affine[:3, :3] = steps
    affine[:3, 3] = volume.affine[:3, 3] - steps @ last
    return array, affine


def prepared_affine(volume: Volume, modality: Modality) -> Affine:
    """Give the affine of the prepared form of a volume: voxel index to RAS+ mm in the same patient.

    Parameters
    ----------
    volume : Volume
        As it was read.
    modality : Modality
        Of kind ct, mr or mask.

    Examples
    --------
    >>> volume = Volume(np.zeros((4, 4, 4), np.float32), np.eye(4), "HU")
    >>> prepared_affine(volume, Modality("ct", "ct", (1, 2, 2, 2), spacing_mm=(2.0, 2.0, 2.0)))[:3, 3].tolist()
    [0.5, 0.5, 0.5]
    """
    array, affine = upright(volume)
    spacing = np.linalg.norm(affine[:3, :3], axis=0)
    made = np.eye(4)
    for k, grid in enumerate(axis_grids(array.shape, spacing.tolist(), modality)):
        made[k, k] = grid.step
        made[k, 3] = float(grid.edges[0]) + grid.step / 2 - 0.5 - grid.padding[0] * grid.step
    return affine @ made


def onto(map_: np.ndarray, own: Affine, shape: Sequence[int], wanted: Affine) -> np.ndarray:
    """Give a map on another grid of the same patient, trilinear between voxel centres and 0 where it ends.

    Parameters
    ----------
    map_ : ndarray, (x, y, z)
    own : ndarray, (4, 4)
        Its affine.
    shape, wanted : tuple of int, ndarray (4, 4)
        The other grid.

    Returns
    -------
    ndarray of float32

    Examples
    --------
    >>> onto(np.ones((2, 2, 2)), np.diag([2.0, 2, 2, 1]), (3, 1, 1), np.eye(4)).ravel().tolist()
    [1.0, 1.0, 1.0]
    """
    way = np.linalg.inv(own) @ wanted
    found = ndimage.affine_transform(
        np.asarray(map_, np.float32), way[:3, :3], way[:3, 3], output_shape=tuple(shape), order=1, mode="grid-constant"
    )
    return np.asarray(found, dtype=np.float32)


def onto_film(map_: np.ndarray, shape: Sequence[int], spacing: Sequence[float], modality: Modality) -> np.ndarray:
    """Give a map of a prepared radiograph on the original one, bilinear; float32, (y, x)."""
    axes = axis_grids(shape, spacing if min(spacing) > 0 else (1.0,) * len(shape), modality)
    own = np.diag([grid.step for grid in axes])
    start = np.array([g.edges[0] + g.step / 2 - 0.5 - g.padding[0] * g.step for g in axes])
    way = np.linalg.inv(own)
    found = ndimage.affine_transform(
        np.asarray(map_, np.float32), way, -way @ start, output_shape=tuple(shape), order=1, mode="grid-constant"
    )
    return np.asarray(found, dtype=np.float32)
