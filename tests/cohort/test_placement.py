"""What is prepared lies in the patient where it was taken from."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest

from clinfuse.cohort.modality import Modality
from clinfuse.cohort.placement import onto, onto_film, prepared_affine, upright
from clinfuse.cohort.prepare import prepare_ct, prepare_xray
from clinfuse.io.values import Radiograph, Volume

GRIDS = (
    Modality("ct", "ct", (1, 8, 8, 8), spacing_mm=(4.0, 5.0, 6.0)),
    Modality("ct", "ct", (1, 5, 9, 7), spacing_mm=(2.0, 2.0, 2.0)),
    Modality("ct", "ct", (1, 7, 6, 5)),
    Modality("ct", "ct", (1, 24, 20, 30), spacing_mm=(1.5, 1.5, 1.5)),
)
TURNS = [(order, signs) for order in permutations(range(3)) for signs in ((1, 1, 1), (-1, 1, -1))]


def slope(affine: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """HU that say where a voxel lies: 10 for each mm to the right, 20 to the front, 30 upwards."""
    index = np.stack(np.meshgrid(*(np.arange(n) for n in shape), indexing="ij"), axis=-1)
    return (index @ affine[:3, :3].T + affine[:3, 3]) @ np.array([10.0, 20.0, 30.0])


@pytest.mark.parametrize("modality", GRIDS, ids=lambda m: "x".join(map(str, m.shape[1:])))
@pytest.mark.parametrize(("order", "signs"), TURNS)
def test_a_prepared_voxel_holds_what_the_scanner_saw_at_its_place(modality, order, signs) -> None:
    affine = np.eye(4)
    affine[:3, :3] = np.diag(np.array([1.9, 2.3, 3.1]) * signs)[:, list(order)]
    affine[:3, 3] = (7.0, -11.0, 13.0)
    volume = Volume(slope(affine, (17, 14, 12)).astype(np.float32), affine, "HU")
    prepared = prepare_ct(volume, modality).array[0]
    place = slope(prepared_affine(volume, modality), prepared.shape)
    inside = tuple(slice(n // 2 - 1, n // 2 + 1) for n in prepared.shape)
    # Where a coarse voxel begins inside one of the scanner's, its mean is not quite the value at its centre.
    coarse = min(modality.spacing_mm or (9.0,)) > 2
    assert np.abs(prepared[inside] - place[inside]).max() <= (5.0 if coarse else 0.51)
    array, turned = upright(volume)
    assert np.abs(array - slope(turned, array.shape)).max() < 1e-3
    assert (np.diag(turned)[:3] > 0).all()


@pytest.mark.parametrize("steps", [(1.0, 1.0, 1.0), (2.0, 0.5, 1.5)])
def test_a_straight_slope_stays_one_on_another_grid(steps: tuple[float, float, float]) -> None:
    own = np.diag([2.0, 2.0, 2.0, 1.0])
    own[:3, 3] = (-5.0, 1.0, 0.5)
    wanted = np.diag([*steps, 1.0])
    wanted[:3, 3] = (-2.0, 4.0, 3.0)
    found = onto(slope(own, (9, 9, 9)), own, (4, 5, 3), wanted)
    assert found == pytest.approx(slope(wanted, (4, 5, 3)), abs=1e-3)


def test_nothing_is_attributed_where_the_model_saw_nothing() -> None:
    found = onto(np.ones((2, 2, 2)), np.eye(4), (9, 2, 2), np.eye(4))
    assert found[:2].min() == 1
    assert not found[2:].any()


@pytest.mark.parametrize(("spacing", "wanted"), [((0.0, 0.0), ()), ((0.7, 1.1), ()), ((0.7, 1.1), (2.0, 2.0))])
def test_a_mark_on_a_prepared_film_comes_back_to_its_place(spacing, wanted) -> None:
    film = np.zeros((60, 40), np.float32)
    film[30:36, 12:16] = 1.0
    modality = Modality("xray", "xray", (1, 24, 24), spacing_mm=wanted)
    prepared = prepare_xray(Radiograph(film, spacing), modality).array[0]
    back = onto_film(prepared, film.shape, spacing, modality)
    y, x = (np.array(np.nonzero(film)).mean(1), (np.indices(film.shape) * back).sum((1, 2)) / back.sum())
    assert x == pytest.approx(y, abs=0.6)
