"""Slices of a volume: never too many or too large, each where it says, and one grey scale for every window."""

from __future__ import annotations

import base64
import io

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from clinfuse.cohort.modality import Modality
from clinfuse.io.values import Volume
from clinfuse.report.record.slices import HOUNSFIELD, LEVELS, MOST_SLICES, chosen_slices, viewer
from clinfuse.report.record.views import View, original_view, prepared_view

CT = Modality("ct", "ct", (1, 8, 8, 8), spacing_mm=(4.0, 4.0, 4.0), window=(0.0, 100.0))


def made(shape: tuple[int, int, int] = (16, 20, 12), map_: np.ndarray | None = None) -> View:
    affine = np.diag([2.0, 1.6, 2.5, 1.0])
    affine[:3, 3] = (-16, -14, 30)
    array = np.random.default_rng(0).normal(0, 300, shape).astype(np.float32)
    return original_view(CT, Volume(array, affine, "HU"), map_)


def pixels(encoded: str) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(encoded))).convert("RGBA"))


@given(st.integers(1, 2000), st.floats(0, 1))
def test_at_most_48_slices_one_of_them_the_one_asked_for(length: int, share: float) -> None:
    through = min(int(share * length), length - 1)
    found = chosen_slices(length, through)
    assert len(found) <= MOST_SLICES
    assert through in found
    assert found == sorted(set(found))
    assert found[0] >= 0
    assert found[-1] < length
    assert max(np.diff(found), default=1) <= 2 * -(-length // MOST_SLICES) + 1


def test_the_chosen_slices_meet_at_the_strongest_attribution() -> None:
    map_ = np.zeros((1, 8, 8, 8), np.float32)
    map_[0, 2, 5, 6] = -2.0
    view = made(map_=map_)
    shown = viewer(view, 10**6)
    for axis, plane in zip((2, 1, 0), shown.planes, strict=True):
        chosen = plane.slices[plane.chosen]
        assert chosen.number == view.centre[axis] + 1
        assert chosen.over
        assert chosen.place == pytest.approx(view.place_mm(axis, view.centre[axis]), abs=0.05)
    assert [plane.of for plane in shown.planes] == [12, 20, 16]


def test_an_attribution_away_from_the_finding_is_blue_and_lies_over_its_place() -> None:
    map_ = np.zeros((1, 8, 8, 8), np.float32)
    map_[0, 1, 6, 4] = -1.0
    view = made(map_=map_)
    over = pixels(viewer(view, 10**6).planes[0].slices[view.centre[2]].over)
    y, x = np.unravel_index(int(over[..., 3].argmax()), over.shape[:2])
    across, up, _ = view.centre
    assert (over.shape[1] - 1 - x, over.shape[0] - 1 - y) == (across, up)
    assert over[y, x, :3].tolist() == [63, 155, 255]
    assert over[0, 0, 3] == 0


@pytest.mark.parametrize("hounsfield", [-1000.0, -50.0, 0.0, 37.0, 80.0, 249.0, 900.0])
def test_every_window_shows_a_voxel_as_grey_as_it_should(hounsfield: float) -> None:
    array = np.full((4, 4, 4), hounsfield, np.float32)
    shown = viewer(original_view(CT, Volume(array, np.eye(4), "HU"), None), 10**6)
    level = int(pixels(shown.planes[0].slices[0].base)[0, 0, 0])
    width = np.diff(HOUNSFIELD) / np.diff(LEVELS)
    finest = float(width[1] if HOUNSFIELD[1] <= hounsfield <= HOUNSFIELD[2] else width.max())
    for preset in shown.presets:
        exact = np.clip((hounsfield - preset.low) / (preset.high - preset.low), 0, 1)
        assert preset.table[level] == pytest.approx(exact, abs=0.51 * finest / (preset.high - preset.low) + 0.002)
    assert shown.presets[0].name == "as the model saw it"
    assert (shown.presets[0].low, shown.presets[0].high) == CT.window


def test_a_lung_window_is_offered_where_there_is_lung() -> None:
    assert "lung" not in [one.name for one in viewer(original_view(CT, _flat(40.0), None), 10**6).presets]
    assert "lung" in [one.name for one in viewer(original_view(CT, _flat(-800.0), None), 10**6).presets]


def _flat(hounsfield: float) -> Volume:
    return Volume(np.full((8, 8, 8), hounsfield, np.float32), np.eye(4), "HU")


def test_slices_keep_to_the_room_they_have() -> None:
    view = made((300, 280, 60), np.ones((1, 8, 8, 8), np.float32))
    wide, narrow = viewer(view, 10**8), viewer(view, 1_500_000)

    def size(shown) -> int:
        return sum(len(one.base) + len(one.over) for plane in shown.planes for one in plane.slices)

    assert size(wide) > 1_500_000 > size(narrow)
    for plane in narrow.planes:
        assert (
            plane.slices[plane.chosen].number
            == view.centre["xyz".index({"a": "z", "c": "y"}.get(plane.name[0], "x"))] + 1
        )
        assert (plane.width, plane.height) == (wide.planes[0].width, wide.planes[0].height) or plane.name != "axial"


@pytest.mark.parametrize("kind", ["mr", "mask"])
def test_other_volumes_are_shown_as_they_are(kind: str) -> None:
    modality = Modality("scan", kind, (2 if kind == "mask" else 1, 6, 6, 6))
    data = np.random.default_rng(0).random((modality.shape[0], 6, 6, 6)).round().astype(np.float32)
    shown = viewer(prepared_view(modality, data, None), 10**6)
    assert shown.presets == ()
    assert not shown.original
    assert not any(one.over for plane in shown.planes for one in plane.slices)
    assert pixels(shown.planes[0].slices[2].base)[..., 0].max() == 255


def test_image_numbers_stand_at_axial_slices_of_an_upright_volume_only() -> None:
    volume = Volume(np.zeros((4, 4, 3), np.float32), np.eye(4), "HU", images=(9, 0, 7))
    axial, *others = viewer(original_view(CT, volume, None), 10**6).planes
    assert [one.image for one in axial.slices] == [9, 0, 7]
    assert not any(one.image for plane in others for one in plane.slices)
    turned = Volume(volume.array, np.diag([1.0, 1.0, -1.0, 1.0]), "HU", images=(9, 0, 7))
    assert not any(one.image for one in viewer(original_view(CT, turned, None), 10**6).planes[0].slices)
