"""A stack of slices as it was exported, and the upright even lattice that a volume needs.

Nothing is straightened unasked: a leaning stack, a gap and uneven distances are measured, and refused with the line
that would accept them.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from math import ceil
from typing import NoReturn, final

import numpy as np

from clinfuse.errors import DataError
from clinfuse.io.policies import SeriesPolicy
from clinfuse.io.values import Remark

SPACING_TOLERANCE = 0.01
SPACING_TOLERANCE_MM = 0.05
DRIFT_TOLERANCE = 0.1
DRIFT_TOLERANCE_MM = 0.5
SAME_PLACE_MM = 1e-3
_GAP = 1.5


@final
@dataclass(frozen=True, eq=False)
class Lattice:
    """Where sorted slices lie, and where a regular volume has its planes.

    Parameters
    ----------
    heights : ndarray of float64, (slices,)
        Along the slice normal from the first slice, mm, rising.
    offsets : ndarray of float64, (slices, 3)
        How far each slice lies beside the normal through the first one, LPS mm; zero where the stack is upright.
    planes : ndarray of float64, (planes,)
        Heights of the planes of the volume, even; `heights` where the slices are even already.
    remarks : tuple of Remark
    """

    heights: np.ndarray
    offsets: np.ndarray
    planes: np.ndarray
    remarks: tuple[Remark, ...] = ()

    @property
    def step_mm(self) -> float:
        """Distance between planes, mm."""
        return float((self.planes[-1] - self.planes[0]) / (len(self.planes) - 1))

    @property
    def moved(self) -> bool:
        """Whether the slices have to be resampled in any direction."""
        return self.planes is not self.heights or bool(self.offsets.any())


def lattice(positions: np.ndarray, normal: np.ndarray, *, pixel_mm: float, policy: SeriesPolicy) -> Lattice:
    """The lattice for two or more slices in order.

    Parameters
    ----------
    positions : ndarray, (slices, 3)
        ImagePositionPatient, LPS mm, sorted along the normal, no two at one height.
    normal : ndarray, (3,)
        Of the slice planes.
    pixel_mm : float
        A slice that lies less than half of it beside the normal is upright.
    policy : SeriesPolicy

    Raises
    ------
    DataError
        ``CT_TILT`` the stack leans, as with a tilted gantry; ``CT_OFFSET`` slices are shifted against each other
        without one direction; ``CT_GAP`` slices are missing; ``CT_SPACING`` distances differ from their median by more
        than 1 % or 0.05 mm, or small differences add up until a slice lies more than a tenth of the distance, or 0.5
        mm, from its place in an even stack.
    """
    travel = positions - positions[0]
    heights = travel @ normal
    offsets = travel - np.outer(heights, normal)
    remarks: tuple[Remark, ...] = ()
    if np.linalg.norm(offsets, axis=1).max() > pixel_mm / 2:
        remarks += _tilt(heights, offsets, pixel_mm, policy)
    else:
        offsets = np.zeros_like(offsets)
    steps = np.diff(heights)
    usual = float(np.median(steps))
    gaps = steps > _GAP * usual
    if gaps.any():
        remarks += _gaps(steps, gaps, policy)
    wanted = np.where(gaps, np.rint(steps / usual) * usual, usual)
    uneven = np.abs(steps - wanted) > min(SPACING_TOLERANCE * usual, SPACING_TOLERANCE_MM)
    if uneven.any():
        remarks += _uneven(steps, _described(steps, uneven), policy)
    if not gaps.any() and not uneven.any():
        drift = _drift(heights)
        if drift <= min(DRIFT_TOLERANCE * usual, DRIFT_TOLERANCE_MM):
            return Lattice(heights, offsets, heights, remarks)
        found = f"small differences that add up to {drift:.2f} mm along the stack; {_distances(steps)}"
        remarks += _uneven(steps, found, policy)
    planes = np.linspace(0.0, heights[-1], round(heights[-1] / usual) + 1)
    return Lattice(heights, offsets, planes, remarks)


def _tilt(heights: np.ndarray, offsets: np.ndarray, pixel_mm: float, policy: SeriesPolicy) -> tuple[Remark, ...]:
    lean = heights @ offsets / (heights @ heights)
    if np.linalg.norm(offsets - np.outer(heights, lean), axis=1).max() > pixel_mm / 2:
        _refuse(
            "CT_OFFSET",
            "slices stacked in one direction",
            "slices shifted against each other",
            "Export the series again; slices of two acquisitions may be mixed.",
        )
    degrees = np.degrees(np.arctan(np.linalg.norm(lean)))
    if policy.tilt != "correct":
        _refuse(
            "CT_TILT",
            "slices stacked along their normal",
            f"a stack that leans by {degrees:.1f} degrees (a tilted gantry)",
            'Write `tilt = "correct"` in this modality to shift the slices upright in their planes.',
        )
    return (Remark("CT_TILT", f"The stack leaned by {degrees:.1f} degrees and was set upright."),)


def _gaps(steps: np.ndarray, gaps: np.ndarray, policy: SeriesPolicy) -> tuple[Remark, ...]:
    largest = float(steps[gaps].max())
    if largest > policy.max_gap_mm:
        _refuse(
            "CT_GAP",
            f"no slice missing, or gaps up to {policy.max_gap_mm:g} mm" if policy.max_gap_mm else "no slice missing",
            _described(steps, gaps),
            f"Write `max_gap_mm = {ceil(largest)}` in this modality to accept gaps up to {ceil(largest)} mm.",
        )
    text = f"{int(gaps.sum())} gaps of up to {largest:.2f} mm between slices were filled from both sides."
    return (Remark("CT_GAP", text),)


def _drift(heights: np.ndarray) -> float:
    """How far the slice that lies worst is from its place between the first and the last, were all distances equal."""
    return float(np.abs(heights - np.linspace(heights[0], heights[-1], len(heights))).max())


def _uneven(steps: np.ndarray, found: str, policy: SeriesPolicy) -> tuple[Remark, ...]:
    if policy.uneven != "resample":
        _refuse(
            "CT_SPACING",
            "even distances between slices, within 1 % and 0.05 mm, and a tenth of one distance in their sum",
            found,
            'Write `uneven = "resample"` in this modality to resample to even distances.',
        )
    return (Remark("CT_SPACING", f"Slices were resampled to even distances; {_distances(steps)} as found."),)


def _described(steps: np.ndarray, odd: np.ndarray) -> str:
    usual = float(np.median(steps))
    named = ", ".join(f"{i + 1}-{i + 2} ({steps[i] / usual:.2f} x the usual distance)" for i in np.flatnonzero(odd)[:3])
    return f"{int(odd.sum())} of {len(steps)} distances: between slices {named}, along the stack; {_distances(steps)}"


def _distances(steps: np.ndarray) -> str:
    common = Counter(np.round(steps, 2).tolist()).most_common(4)
    return "distances " + ", ".join(f"{size:.2f} mm ({number} x)" for size, number in sorted(common))


def _refuse(code: str, rule: str, found: str, remedy: str) -> NoReturn:
    raise DataError(code, place="series", rule=rule, found=found, remedy=remedy)


def shifted(image: np.ndarray, by: tuple[float, float], shape: tuple[int, int], fill: float) -> np.ndarray:
    """An image moved by a part of a pixel, linear in between, ``fill`` where nothing lies.

    Parameters
    ----------
    image : ndarray of float32, (rows, columns)
    by : tuple of float
        Where the first pixel goes to, in rows and columns, each at least 0.
    shape : tuple of int
        Rows and columns of the result.
    fill : float
    """
    for axis in (0, 1):
        whole = int(np.floor(by[axis]))
        part = np.float32(by[axis] - whole)
        size = list(image.shape)
        size[axis] = shape[axis] + 1
        # One row in front, so that a pixel between two places is shared by both.
        placed = np.full(size, fill, dtype=np.float32)
        placed[_along(axis, whole + 1, whole + 1 + image.shape[axis])] = image
        image = (1 - part) * placed[_along(axis, 1, None)] + part * placed[_along(axis, 0, -1)]
    return image


def _along(axis: int, start: int, stop: int | None) -> tuple[slice, slice]:
    cut, whole = slice(start, stop), slice(None)
    return (cut, whole) if axis == 0 else (whole, cut)


def between_planes(stack: np.ndarray, heights: np.ndarray, planes: np.ndarray) -> np.ndarray:
    """Slices (slices, rows, columns) at ``heights`` read at ``planes``, linear between the two neighbours."""
    upper = np.clip(np.searchsorted(heights, planes), 1, len(heights) - 1)
    share = (planes - heights[upper - 1]) / (heights[upper] - heights[upper - 1])
    made = np.empty((len(planes), *stack.shape[1:]), dtype=np.float32)
    for k, (above, weight) in enumerate(zip(upper.tolist(), np.clip(share, 0.0, 1.0).astype(np.float32), strict=True)):
        np.multiply(stack[above - 1], 1 - weight, out=made[k])
        made[k] += weight * stack[above]
    return made
