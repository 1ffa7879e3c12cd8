"""Slices of one series to one stack of HU: one group, in order, none twice, on an even upright lattice."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NoReturn

import numpy as np

from clinfuse.errors import DataError
from clinfuse.io.budget import check_size
from clinfuse.io.dicom_slice import LOCALIZER, Found, SeriesKind, Slice
from clinfuse.io.geometry import nearest_ras, plane_axes, stack_affine, stack_order
from clinfuse.io.lattice import (
    SAME_PLACE_MM,
    SPACING_TOLERANCE,
    SPACING_TOLERANCE_MM,
    Lattice,
    between_planes,
    lattice,
    shifted,
)
from clinfuse.io.policies import SeriesPolicy
from clinfuse.io.values import Remark, Volume
from clinfuse.shapes import Affine

_INT16 = np.iinfo(np.int16)
_PLAUSIBLE_HU = (-2048.0, 8192.0)
_PLAUSIBLE_SHARE = 0.01
_FILLER_BAND_HU = 64.0
_AIR_AT_MOST_HU = -500.0
_FEW = 16
_SAME_PLANE = 1e-4
_LOCALIZERS_AT_MOST = 3
_OTHER_PLANE = np.cos(np.radians(30.0))


def volume_of(found: Found, policy: SeriesPolicy, *, narrow: bool = False) -> Volume:
    """The volume that the slices make, its axes nearest to RAS+; int16 if it may be and nothing is lost."""
    slices = _one_stack(found, policy)
    axes = plane_axes(slices[0].orientation)
    slices, positions = _in_order(slices, axes[2], found)
    first = slices[0]
    if len(slices) == 1:
        if first.thickness_mm <= 0:
            _refuse("CT_GEOMETRY", "a positive SliceThickness in a single slice", "none")
        heights = np.array([0.0, first.thickness_mm])
        places = Lattice(heights, np.zeros((1, 3)), heights)
    else:
        places = lattice(positions, axes[2], pixel_mm=float(first.pixel_mm.min()), policy=policy)
    stack, corner = _filled(found.kind, slices, places, axes, narrow=narrow)
    spacing = float(first.pixel_mm[1]), float(first.pixel_mm[0]), places.step_mm
    scanned = stack_affine(positions[0] + corner, axes, spacing)
    array, affine = nearest_ras(stack.transpose(2, 1, 0), scanned)
    remarks = (*found.remarks(), *places.remarks, *_seen(slices, axes, places), *_air(stack, found.kind))
    images = _images(slices, scanned, affine) if places.planes is places.heights else ()
    return Volume(array, affine, found.kind.unit, remarks, images)


def _images(slices: Sequence[Slice], scanned: Affine, upright: Affine) -> tuple[int, ...]:
    """Image numbers from the feet up; none where the slices are not axial, or no file says its number."""
    numbers = tuple(one.image for one in slices)
    along, up = scanned[:3, 2], upright[:3, 2]
    if not any(numbers) or not (np.array_equal(along, up) or np.array_equal(along, -up)):
        return ()
    return numbers if np.array_equal(along, up) else numbers[::-1]


def _one_stack(found: Found, policy: SeriesPolicy) -> list[Slice]:
    """The slices of one patient, series, orientation and size."""
    if len({one.patient for one in found.slices}) > 1:
        _refuse("CT_PATIENT_MIX", "slices of one patient", "several PatientID", "Separate the patients.")
    groups = _without_localizers(_groups(_primary(found, policy)), found)
    if len(groups) == 1:
        return groups[0]
    sizes = sorted((len(group) for group in groups), reverse=True)
    if policy.stacks == "largest" and sizes[0] > sizes[1]:
        text = f"Of {len(groups)} stacks the largest was taken ({sizes[0]} of {sum(sizes)} slices)."
        found.noted[Remark("CT_SERIES", text)] += 1
        return next(group for group in groups if len(group) == sizes[0])
    equal = policy.stacks == "largest"
    series = len({group[0].series for group in groups}) > 1
    _refuse(
        "CT_SERIES" if series else "CT_MIXED",
        "slices of one series, one orientation and one size",
        f"{len(groups)} stacks" + (", the largest equally large" if equal else ""),
        "Name one series, or its files."
        if equal
        else 'Write `stacks = "largest"` in this modality to take the one with the most slices, or name one series.',
    )


def _primary(found: Found, policy: SeriesPolicy) -> list[Slice]:
    """The slices that were not computed from others; where there are none, the others if they are accepted."""
    primary = [one for one in found.slices if not one.computed]
    if primary:
        if len(primary) < len(found.slices):
            text = "An image computed from others, or a screenshot, was left out."
            found.noted[Remark("CT_DERIVED", text)] += len(found.slices) - len(primary)
        return primary
    if policy.derived != "accept":
        _refuse(
            "CT_DERIVED",
            "images as the scanner made them",
            "only images computed from others",
            'Write `derived = "accept"` in this modality to use them.',
        )
    found.noted[Remark("CT_DERIVED", "An image computed from others was used, as there is no other.")] += len(
        found.slices
    )
    return found.slices


def _groups(slices: Sequence[Slice]) -> list[list[Slice]]:
    groups: list[list[Slice]] = []
    for one in slices:
        for group in groups:
            if _alike(one, group[0]):
                group.append(one)
                break
        else:
            groups.append([one])
    return groups


def _alike(one: Slice, other: Slice) -> bool:
    return (
        one.series == other.series
        and one.stack == other.stack
        and one.stored.shape == other.stored.shape
        and bool(np.abs(one.pixel_mm - other.pixel_mm).max() <= 1e-4 * other.pixel_mm.max())
        and bool(np.abs(one.orientation - other.orientation).max() <= _SAME_PLANE)
    )


def _without_localizers(groups: list[list[Slice]], found: Found) -> list[list[Slice]]:
    """A few images across the plane of a stack show where it was planned, whether they say so or not."""
    largest = max(groups, key=len)
    normal = plane_axes(largest[0].orientation)[2]
    kept = []
    for group in groups:
        across = abs(plane_axes(group[0].orientation)[2] @ normal) < _OTHER_PLANE
        if across and len(group) <= min(_LOCALIZERS_AT_MOST, len(largest) - 1):
            found.noted[LOCALIZER] += len(group)
        else:
            kept.append(group)
    return kept


def _in_order(slices: list[Slice], normal: np.ndarray, found: Found) -> tuple[list[Slice], np.ndarray]:
    """The slices along the normal, (slices, 3) where they lie; of two with the same place and pixels one."""
    positions = np.array([one.position for one in slices])
    order = stack_order(positions, normal)
    kept = [int(order[0])]
    for k in order[1:].tolist():
        if (positions[k] - positions[kept[-1]]) @ normal >= SAME_PLACE_MM:
            kept.append(k)
        elif _same_image(slices[k], slices[kept[-1]]):
            found.noted[Remark("CT_DUPLICATE", "A slice was there twice with the same pixels; one was used.")] += 1
        else:
            _refuse(
                "CT_DUPLICATE",
                "every slice at a place of its own",
                f"two different slices at one place, number {len(kept)} along the stack",
                "Keep one acquisition or reconstruction per series.",
            )
    return [slices[k] for k in kept], positions[kept]


def _same_image(one: Slice, other: Slice) -> bool:
    same = (one.slope, one.intercept) == (other.slope, other.intercept)
    return (
        same
        and bool(np.abs(one.position - other.position).max() < SAME_PLACE_MM)
        and np.array_equal(one.stored, other.stored)
    )


def _filled(
    kind: SeriesKind, slices: list[Slice], places: Lattice, axes: np.ndarray, *, narrow: bool
) -> tuple[np.ndarray, np.ndarray]:
    """Rescaled (planes, rows, columns), and where its first voxel lies from that of the first slice, LPS mm.

    float32; int16 where that may be (``narrow``) and holds every value.
    """
    rows, columns = slices[0].stored.shape
    pixel_mm = slices[0].pixel_mm
    # Where each slice goes to, in rows and columns, on a canvas that holds all of them.
    by = places.offsets @ np.stack([axes[1] / pixel_mm[0], axes[0] / pixel_mm[1]], axis=1)
    start = np.floor(by.min(axis=0) + 1e-9)
    more = np.ceil(by.max(axis=0) - 1e-9) - start
    shape = rows + int(more[0]), columns + int(more[1])
    check_size(f"{kind.name} series", max(len(slices), len(places.planes)) * shape[0] * shape[1] * 4)
    as_stored = not places.offsets.any() and places.planes is places.heights
    whole = narrow and as_stored and all(_stays_whole(one) for one in slices)
    stack = np.empty((len(slices), *shape), dtype=np.int16 if whole else np.float32)
    image = np.empty((rows, columns), dtype=np.float32)
    ranges = []
    for k, one in enumerate(slices):
        upright = not places.offsets[k].any() and shape == image.shape
        ranges.append(_rescaled(one, stack[k] if upright else image, kind))
        if not upright:
            stack[k] = shifted(image, (float(by[k, 0] - start[0]), float(by[k, 1] - start[1])), shape, kind.empty)
    _check_values(stack, min(low for low, _ in ranges), max(high for _, high in ranges), kind)
    if places.planes is not places.heights:
        stack = between_planes(stack, places.heights, places.planes)
    return stack, start[0] * pixel_mm[0] * axes[1] + start[1] * pixel_mm[1] * axes[0]


def _stays_whole(one: Slice) -> bool:
    """Whether int16 holds every value of a slice in HU, and what has to be added to come to them."""
    if one.slope != 1.0 or not float(one.intercept).is_integer():
        return False
    low, high = int(one.stored.min()) + one.intercept, int(one.stored.max()) + one.intercept
    return min(low, one.intercept) >= _INT16.min and max(high, one.intercept) <= _INT16.max


def _rescaled(one: Slice, out: np.ndarray, kind: SeriesKind) -> tuple[float, float]:
    """Write the slice as HU or as it is, padding as air or nothing; the lowest and the highest value."""
    out[...] = one.stored
    if one.slope != 1.0:
        out *= np.float32(one.slope)
    out += out.dtype.type(one.intercept)
    low, high = int(one.stored.min()), int(one.stored.max())
    padded = bool(one.padding and low <= one.padding[1])
    if one.padding and padded:
        out[(one.stored >= one.padding[0]) & (one.stored <= one.padding[1])] = kind.empty
    if kind.unit == "HU" and low * one.slope + one.intercept < _PLAUSIBLE_HU[0]:
        _fill_corners(out, kind.empty)
        padded = True
    if padded:
        return float(out.min()), float(out.max())
    return low * one.slope + one.intercept, high * one.slope + one.intercept


def _fill_corners(hu: np.ndarray, air: float) -> None:
    """Scanners fill the corners outside the scanned circle with one number, often undeclared (-2000 as stored).

    Lossy compression spreads that number a little.
    """
    low = hu < _PLAUSIBLE_HU[0]
    if low.any():
        hu[low & (np.abs(hu - np.median(hu[low])) <= _FILLER_BAND_HU)] = air


def _check_values(stack: np.ndarray, lowest: float, highest: float, kind: SeriesKind) -> None:
    """Signed pixels read as unsigned, or a wrong slope, put a good part of the image where no tissue is."""
    low, high = _PLAUSIBLE_HU
    if kind.unit == "HU" and (lowest < low or highest > high):
        outside = np.count_nonzero((stack < low) | (stack > high))
        if outside > _PLAUSIBLE_SHARE * stack.size:
            _refuse("CT_RANGE", "99 % of the voxels within -2048 and 8192 HU", "more voxels outside")
    if lowest == highest:
        _refuse("CT_CONSTANT", "an image with at least two values", "one value everywhere", "Leave the series out.")


def _seen(slices: list[Slice], axes: np.ndarray, places: Lattice) -> tuple[Remark, ...]:
    """What is unusual about a series that was read."""
    seen = []
    first = slices[0]
    if len(slices) < _FEW:
        seen.append(Remark("CT_FEW", f"The series has fewer than {_FEW} slices."))
    if len({one.slope for one in slices}) > 1:
        seen.append(Remark("CT_SLOPES", "Slices have slopes of their own; each was rescaled by its own."))
    wrong = abs(first.thickness_mm - places.step_mm)
    tolerance = max(SPACING_TOLERANCE * places.step_mm, SPACING_TOLERANCE_MM)
    if len(slices) > 1 and first.thickness_mm > 0 and wrong > tolerance:
        text = (
            f"SliceThickness is {first.thickness_mm / places.step_mm:.2f} x the distance of the slices, which is used."
        )
        seen.append(Remark("CT_THICKNESS", text))
    if axes[2, 2] < -_OTHER_PLANE:
        text = "The slices are written as seen from the head, which is unusual; check left and right."
        seen.append(Remark("CT_SIDE", text))
    rounded = np.concatenate([axes[0], axes[1]]) - first.orientation
    if np.abs(rounded).max() > _SAME_PLANE:
        seen.append(Remark("CT_ORIENTATION", "ImageOrientationPatient was made orthonormal."))
    return tuple(seen)


def _air(stack: np.ndarray, kind: SeriesKind) -> tuple[Remark, ...]:
    """A look at every eighth row and column: air round or in the patient is never rarer than that."""
    if kind.unit != "HU" or stack[:, ::8, ::8].min() <= _AIR_AT_MOST_HU or stack.min() <= _AIR_AT_MOST_HU:
        return ()
    return (Remark("CT_AIR", "No voxel is as low as air; the rescaling, or the field of view, is unusual."),)


def _refuse(code: str, rule: str, found: str, remedy: str = "Export the series again.") -> NoReturn:
    raise DataError(code, place="CT", rule=rule, found=found, remedy=remedy)
