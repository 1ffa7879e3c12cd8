"""Where slices and voxels lie: directions of a plane, the order of a stack, and the nearest RAS+ orientation."""

from __future__ import annotations

from typing import NoReturn

import numpy as np
from nibabel.orientations import apply_orientation, inv_ornt_aff, io_orientation

from clinfuse.errors import DataError
from clinfuse.shapes import Affine, Voxels

_UNIT_TOLERANCE = 1e-3
_LPS_TO_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])


def plane_axes(orientation: np.ndarray) -> np.ndarray:
    """Directions of an image plane, (3, 3) float64 LPS, orthonormal: along a row, along a column, normal.

    Parameters
    ----------
    orientation : ndarray, (6,)
        ImageOrientationPatient; rounding is put right.

    Raises
    ------
    DataError
        ``CT_ORIENTATION`` where the six numbers are not two orthogonal unit vectors (tolerance 0.001).
    """
    row, column = orientation[:3], orientation[3:]
    lengths = np.linalg.norm(row), np.linalg.norm(column)
    if max(abs(lengths[0] - 1), abs(lengths[1] - 1), abs(row @ column)) > _UNIT_TOLERANCE:
        _refuse("CT_ORIENTATION", "two orthogonal unit vectors in ImageOrientationPatient", "other vectors")
    row = row / lengths[0]
    column = column - (column @ row) * row
    column = column / np.linalg.norm(column)
    return np.array([row, column, np.cross(row, column)])


def stack_order(positions: np.ndarray, normal: np.ndarray) -> np.ndarray:
    """Indices that sort slices along the normal, (slices,) int, from positions (slices, 3) in mm."""
    return np.argsort(positions @ normal, kind="stable")


def stack_affine(first: np.ndarray, axes: np.ndarray, spacing_mm: tuple[float, float, float]) -> Affine:
    """Affine (4, 4) float64 from (column, row, slice) index to RAS+ mm.

    Parameters
    ----------
    first : ndarray, (3,)
        Centre of the first voxel, LPS mm.
    axes : ndarray, (3, 3)
        Directions along a row, along a column and from slice to slice, LPS.
    spacing_mm : tuple of float
        Distance between columns, between rows and between slices.
    """
    lps = np.eye(4)
    lps[:3, :3] = axes.T * spacing_mm
    lps[:3, 3] = first
    return _LPS_TO_RAS @ lps


def nearest_ras(array: Voxels, affine: Affine) -> tuple[Voxels, Affine]:
    """The same image with axes permuted and flipped so that x runs to the right, y to anterior, z to superior.

    Nothing is resampled; the array is a view. The affine is float64 (4, 4), voxel index to RAS+ mm.
    Only for an affine that can be inverted, as the readers make sure of.
    """
    turn = io_orientation(affine)
    return apply_orientation(array, turn), affine @ inv_ornt_aff(turn, array.shape)


def _refuse(code: str, rule: str, found: str, remedy: str = "Export the series again.") -> NoReturn:
    raise DataError(code, place="series", rule=rule, found=found, remedy=remedy)
