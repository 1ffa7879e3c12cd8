"""Where slices and voxels lie: order, even spacing, tilt, and the nearest RAS+ orientation."""

from __future__ import annotations

from typing import NoReturn

import numpy as np
from nibabel.orientations import apply_orientation, inv_ornt_aff, io_orientation

from clinfuse.errors import DataError
from clinfuse.shapes import Affine, Voxels

SPACING_TOLERANCE = 0.01
_UNIT_TOLERANCE = 1e-3
_SAME_PLACE_MM = 1e-3
_LPS_TO_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])


def slice_normal(orientation: np.ndarray) -> np.ndarray:
    """Unit normal of an image plane, (3,) float64 LPS, from ImageOrientationPatient.

    Raises
    ------
    DataError
        ``CT_ORIENTATION`` where the six numbers are not two orthogonal unit vectors (tolerance 0.001).
    """
    row, column = orientation[:3], orientation[3:]
    lengths = np.linalg.norm(row), np.linalg.norm(column)
    if max(abs(lengths[0] - 1), abs(lengths[1] - 1), abs(row @ column)) > _UNIT_TOLERANCE:
        _refuse("CT_ORIENTATION", "two orthogonal unit vectors in ImageOrientationPatient", "other vectors")
    normal = np.cross(row, column)
    return normal / np.linalg.norm(normal)


def stack_order(positions: np.ndarray, normal: np.ndarray) -> np.ndarray:
    """Indices that sort slices along the normal, (slices,) int, from positions (slices, 3) in mm."""
    return np.argsort(positions @ normal, kind="stable")


def slice_step(positions: np.ndarray, normal: np.ndarray, *, pixel_mm: float) -> np.ndarray:
    """Vector from one slice to the next, (3,) float64 mm LPS, of sorted positions (slices, 3).

    Raises
    ------
    DataError
        ``CT_DUPLICATE`` two slices at one place; ``CT_TILT`` the stack leans, as with a tilted gantry, by more than
        half a pixel; ``CT_SPACING`` distances differ from their median by more than 1 %.
    """
    along = positions @ normal
    steps = np.diff(along)
    _check_duplicates(steps)
    travel = positions - positions[0]
    sideways = np.linalg.norm(travel - np.outer(travel @ normal, normal), axis=1)
    if sideways.max() > pixel_mm / 2:
        degrees = np.degrees(np.arctan2(sideways[-1], along[-1] - along[0]))
        _refuse(
            "CT_TILT",
            "slices stacked along their normal",
            f"a stack that leans by {degrees:.1f} degrees (a tilted gantry)",
            "Ask for a reconstruction without tilt; resampling a leaning stack would move anatomy.",
        )
    _check_even(steps)
    return normal * float((along[-1] - along[0]) / len(steps))


def _check_duplicates(steps: np.ndarray) -> None:
    same = np.flatnonzero(steps < _SAME_PLACE_MM)
    if same.size:
        _refuse(
            "CT_DUPLICATE",
            "every slice at a place of its own",
            f"slices {same[0] + 1} and {same[0] + 2} of {len(steps) + 1} at one place ({same.size} such pairs)",
            "Keep one acquisition or reconstruction per series.",
        )


def _check_even(steps: np.ndarray) -> None:
    usual = float(np.median(steps))
    uneven = np.flatnonzero(np.abs(steps - usual) > SPACING_TOLERANCE * usual)
    if uneven.size:
        named = ", ".join(f"{i + 1}-{i + 2} ({steps[i] / usual:.2f} x the usual distance)" for i in uneven[:3])
        _refuse(
            "CT_SPACING",
            "even distances between slices, within 1 %",
            f"{uneven.size} uneven of {len(steps)}: between slices {named}, counted along the stack",
            "Look for missing slices, or export the series again.",
        )


def stack_affine(first: np.ndarray, orientation: np.ndarray, pixel_mm: np.ndarray, step: np.ndarray) -> Affine:
    """Affine (4, 4) float64 from (column, row, slice) index to RAS+ mm.

    Parameters
    ----------
    first : ndarray, (3,)
        ImagePositionPatient of the first slice, LPS mm.
    orientation : ndarray, (6,)
        ImageOrientationPatient: direction along a row, then along a column.
    pixel_mm : ndarray, (2,)
        PixelSpacing: distance between rows, then between columns.
    step : ndarray, (3,)
        From one slice to the next, LPS mm.
    """
    lps = np.eye(4)
    lps[:3, 0] = orientation[:3] * pixel_mm[1]
    lps[:3, 1] = orientation[3:] * pixel_mm[0]
    lps[:3, 2] = step
    lps[:3, 3] = first
    return _LPS_TO_RAS @ lps


def nearest_ras(array: Voxels, affine: Affine) -> tuple[Voxels, Affine]:
    """The same image with axes permuted and flipped so that x runs to the right, y to anterior, z to superior.

    Nothing is resampled; the array is a view. The affine is float64 (4, 4), voxel index to RAS+ mm.

    Raises
    ------
    DataError
        ``IMAGE_AXES`` where two axes of the image have one nearest direction.
    """
    turn = io_orientation(affine)
    if np.isnan(turn).any():
        _refuse("IMAGE_AXES", "three axes in three directions", "axes that cannot be told apart")
    return apply_orientation(array, turn), affine @ inv_ornt_aff(turn, array.shape)


def _refuse(code: str, rule: str, found: str, remedy: str = "Export the series again.") -> NoReturn:
    raise DataError(code, place="series", rule=rule, found=found, remedy=remedy)
