"""A phantom that is a formula: whatever way its slices were cut, the volume has its value at every place."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clinfuse.errors import DataError
from clinfuse.io.dicom import read_ct
from clinfuse.io.lattice import between_planes, lattice, shifted
from clinfuse.io.policies import CtPolicy
from clinfuse.io.values import Volume

Writer = Callable[..., Path]
ROWS, COLUMNS = 40, 32
PIXEL_MM = (1.5, 2.0)
CORNER = np.array([-30.0, -25.0, 40.0])


def phantom(places: np.ndarray) -> np.ndarray:
    """HU at LPS places (..., 3): waves so long that linear interpolation between neighbours is right within 25 HU."""
    x, y, z = np.moveaxis(places, -1, 0)
    return 400 * np.sin(x / 17 + 1) + 300 * np.cos(y / 19) + 250 * np.sin((z + y) / 23) - 50


def write_phantom(
    folder: Path, slice_file: Writer, corners: Sequence[np.ndarray], *, degrees: float = 0.0, **tags: object
) -> Path:
    """Slices with their first pixels at `corners`, planes turned about x by `degrees`."""
    angle = np.radians(degrees)
    row, column = np.array([1.0, 0, 0]), np.array([0, np.cos(angle), -np.sin(angle)])
    i, j = np.mgrid[:ROWS, :COLUMNS][..., None]
    for k, corner in enumerate(corners):
        places = corner + i * PIXEL_MM[0] * column + j * PIXEL_MM[1] * row
        stored = np.rint(phantom(places) + 1024).astype(np.int16)
        values = {
            "ImagePositionPatient": corner.round(6).tolist(),
            "ImageOrientationPatient": [*row.round(9), *column.round(9)],
            "PixelSpacing": list(PIXEL_MM),
        }
        slice_file(folder / f"{(7 * k) % 101:03d}", stored, 0.0, **(values | tags))
    return folder


def errors(volume: Volume) -> np.ndarray:
    """HU beside the formula at every voxel that was not filled with air."""
    index = np.stack(np.meshgrid(*map(np.arange, volume.array.shape), indexing="ij"), axis=-1)
    ras = index @ volume.affine[:3, :3].T + volume.affine[:3, 3]
    wrong = volume.array - phantom(ras * [-1, -1, 1])
    known = inside(volume.array)
    assert known.mean() > 0.4
    return np.abs(wrong[known])


def inside(array: np.ndarray) -> np.ndarray:
    """Voxels that no air was mixed into; the formula never falls to -1024 HU."""
    known = array > -1024.0
    for axis in range(3):
        wide = np.pad(known, [(2, 2) if k == axis else (0, 0) for k in range(3)], constant_values=axis != 1)
        known = np.lib.stride_tricks.sliding_window_view(wide, 5, axis).all(axis=-1)
    return known


def upright(count: int = 18, step: float = 3.0) -> list[np.ndarray]:
    return [CORNER + np.array([0, 0, step * k]) for k in range(count)]


@pytest.mark.parametrize("degrees", [-20.0, 4.0, 12.5, 30.0])
def test_a_tilted_series_set_upright_is_the_phantom(tmp_path: Path, slice_file: Writer, degrees: float) -> None:
    folder = write_phantom(tmp_path, slice_file, upright(), degrees=degrees)
    with pytest.raises(DataError, match=rf'\[CT_TILT\].*leans by {abs(degrees):.1f} degrees.*`tilt = "correct"`'):
        read_ct(folder)
    volume = read_ct(folder, policy=CtPolicy(tilt="correct"))
    assert errors(volume).max() < 2.0
    axes = volume.affine[:3, :3] / np.array(volume.spacing_mm)
    np.testing.assert_allclose(axes.T @ axes, np.eye(3), atol=1e-9)
    assert volume.spacing_mm[2] == pytest.approx(3.0 * np.cos(np.radians(degrees)))
    assert "CT_TILT" in {remark.code for remark in volume.remarks}


def test_a_tilted_series_set_upright_equals_one_that_was_never_tilted(tmp_path: Path, slice_file: Writer) -> None:
    angle = np.radians(15.0)
    normal = np.array([0, np.sin(angle), np.cos(angle)])
    leaning = write_phantom(tmp_path / "a", slice_file, upright(), degrees=15.0)
    straight = write_phantom(
        tmp_path / "b", slice_file, [CORNER + normal * 3.0 * np.cos(angle) * k for k in range(18)], degrees=15.0
    )
    corrected, expected = read_ct(leaning, policy=CtPolicy(tilt="correct")), read_ct(straight)
    # The straight one lies in the corrected one, a whole number of rows further on.
    place = np.linalg.solve(corrected.affine, expected.affine[:, 3])[:3]
    np.testing.assert_allclose(place, place.round(), atol=1e-4)
    x, y, z = place.round().astype(int)
    cut = corrected.array[x : x + COLUMNS, y : y + ROWS, z : z + 18]
    both = inside(cut)
    assert both.mean() > 0.4
    assert np.abs(cut - expected.array)[both].max() < 2.0


@pytest.mark.parametrize("missing", [(5,), (3, 4), (2, 9)])
def test_missing_slices_are_filled_from_both_sides_if_that_is_accepted(
    tmp_path: Path, slice_file: Writer, missing: tuple[int, ...]
) -> None:
    corners = [corner for k, corner in enumerate(upright()) if k not in missing]
    folder = write_phantom(tmp_path, slice_file, corners)
    with pytest.raises(DataError, match=r"\[CT_GAP\].*`max_gap_mm = (6|9)`") as caught:
        read_ct(folder)
    accepted = float(caught.value.remedy.split("`")[1].split(" = ")[1])
    with pytest.raises(DataError, match=r"\[CT_GAP\].*or gaps up to"):
        read_ct(folder, policy=CtPolicy(max_gap_mm=accepted - 0.5))
    volume = read_ct(folder, policy=CtPolicy(max_gap_mm=accepted))
    assert volume.array.shape == (COLUMNS, ROWS, 18)
    assert volume.spacing_mm[2] == pytest.approx(3.0)
    assert errors(volume).max() < 25.0


def test_uneven_slices_are_read_at_their_true_places(tmp_path: Path, slice_file: Writer) -> None:
    heights = np.cumsum([0, 3, 3, 2.6, 3, 3.4, 3, 3, 3, 2.5, 3, 3, 3, 3.2, 3, 3])
    folder = write_phantom(tmp_path, slice_file, [CORNER + np.array([0, 0, z]) for z in heights])
    with pytest.raises(DataError, match=r'\[CT_SPACING\].*`uneven = "resample"`'):
        read_ct(folder)
    volume = read_ct(folder, policy=CtPolicy(uneven="resample"))
    assert volume.spacing_mm[2] == pytest.approx(heights[-1] / 15)
    assert errors(volume).max() < 20.0


def test_gap_tilt_and_uneven_distances_together(tmp_path: Path, slice_file: Writer) -> None:
    heights = np.cumsum([0, 3, 3, 3, 3, 3, 1.2, 3, 3, 3, 5.25, 5.25, 3, 3, 3, 3])
    folder = write_phantom(tmp_path, slice_file, [CORNER + np.array([0, 0, z]) for z in heights], degrees=10.0)
    volume = read_ct(folder, policy=CtPolicy(tilt="correct", max_gap_mm=6, uneven="resample"))
    assert [remark.code for remark in volume.remarks if remark.code in ("CT_TILT", "CT_GAP", "CT_SPACING")] == [
        "CT_TILT",
        "CT_GAP",
        "CT_SPACING",
    ]
    assert errors(volume).max() < 25.0


NORMAL = np.array([0.0, 0.0, 1.0])


def drifting(count: int, more: float) -> np.ndarray:
    """Heights 1 mm apart in the middle, closer below and wider above by as much: no distance is off by 1 %."""
    steps = np.concatenate([np.full(count, 1 - more), [1.0], np.full(count, 1 + more)])
    return np.append(0.0, np.cumsum(steps))


@pytest.mark.parametrize("order", [1, -1])
def test_many_small_differences_of_one_sign_are_no_even_stack(order: int) -> None:
    """By hand: n distances of 0.991 mm, one of 1 and n of 1.009 put slice n at 0.991 n in place of 1.0 n: 0.009 n."""
    for count, even in ((11, True), (12, False)):
        heights = drifting(count, 0.009 * order)
        positions = np.outer(heights, NORMAL)
        if even:
            found = lattice(positions, NORMAL, pixel_mm=1.0, policy=CtPolicy())
            assert not found.moved
            continue
        with pytest.raises(DataError, match=r"\[CT_SPACING\].*add up to 0\.11 mm.*`uneven = \"resample\"`"):
            lattice(positions, NORMAL, pixel_mm=1.0, policy=CtPolicy())
        found = lattice(positions, NORMAL, pixel_mm=1.0, policy=CtPolicy(uneven="resample"))
        assert [remark.code for remark in found.remarks] == ["CT_SPACING"]
        assert found.step_mm == pytest.approx(1.0)
        # A ramp that is each slice's height has, resampled, each plane's height.
        ramp = heights[:, None, None].astype(np.float32) * np.ones((1, 2, 2), np.float32)
        read = between_planes(ramp, found.heights, found.planes)
        np.testing.assert_allclose(read[:, 0, 0], np.arange(2 * count + 2), atol=1e-5)


def test_thick_slices_may_drift_by_half_a_millimetre_and_no_more() -> None:
    for more, even in ((0.0049, True), (0.0051, False)):
        heights = 10 * drifting(10, more)  # 10 slices of 10 mm off by 0.049 mm each: 0.49 mm
        policy = CtPolicy(uneven="resample")
        assert lattice(np.outer(heights, NORMAL), NORMAL, pixel_mm=1.0, policy=policy).moved == (not even)


def test_rounded_positions_are_an_even_stack_however_many_there_are() -> None:
    heights = np.round(0.6251 * np.arange(2000) + 0.2, 3)
    assert not lattice(np.outer(heights, NORMAL), NORMAL, pixel_mm=1.0, policy=CtPolicy()).moved


@given(st.lists(st.floats(0.1, 8.0), min_size=1, max_size=12), st.floats(-0.5, 0.5))
def test_a_lattice_spans_its_slices(steps: list[float], lean: float) -> None:
    heights = np.concatenate([[0.0], np.cumsum(steps)])
    positions = CORNER + heights[:, None] * np.array([0.0, lean, 1.0])
    found = lattice(positions, NORMAL, pixel_mm=0.5, policy=CtPolicy(tilt="correct", max_gap_mm=1e3, uneven="resample"))
    np.testing.assert_allclose(found.heights, heights, atol=1e-9)
    assert found.planes[0] == 0.0
    assert found.planes[-1] == pytest.approx(heights[-1])
    np.testing.assert_allclose(np.diff(found.planes), found.step_mm)


@given(st.floats(0, 5), st.floats(0, 5))
def test_shifting_moves_a_plane_by_what_it_says(down: float, right: float) -> None:
    i, j = np.mgrid[:9, :11].astype(np.float32)
    moved = shifted(2 * i - 3 * j, (down, right), (16, 18), -99.0)
    rows, columns = slice(int(np.ceil(down)), int(down) + 9), slice(int(np.ceil(right)), int(right) + 11)
    y, x = np.mgrid[:16, :18]
    np.testing.assert_allclose(moved[rows, columns], (2 * (y - down) - 3 * (x - right))[rows, columns], atol=1e-4)


def test_between_planes_is_linear() -> None:
    heights = np.array([0.0, 1.0, 4.0])
    stack = np.array([0.0, 10.0, 40.0], dtype=np.float32)[:, None, None] * np.ones((3, 2, 2), np.float32)
    planes = np.linspace(0, 4, 9)
    np.testing.assert_allclose(between_planes(stack, heights, planes)[:, 0, 0], 10 * planes)
