"""What is hidden together when a map is tested, and the same classifier with weights drawn anew."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from clinfuse.cohort.cohort import Cohort
from clinfuse.cohort.modality import Column, Modality
from clinfuse.explain.quality.units import summed, units
from clinfuse.explain.quality.weights import networks, redrawn


@given(st.lists(st.integers(1, 12), min_size=2, max_size=3), st.integers(1, 70))
def test_blocks_of_an_image_fill_it_without_gaps(space: list[int], most: int) -> None:
    shape = (1, *space)
    spacing = tuple(1.0 for _ in space)
    found = units(Modality("image", "xray" if len(space) == 2 else "ct", shape, spacing_mm=spacing), shape, most=most)
    assert found.shape == shape
    assert sorted(set(found.ravel())) == list(range(found.max() + 1))
    assert found.max() < most
    for number in range(found.max() + 1):
        corners = np.argwhere(found == number)
        assert len(corners) == np.prod(np.ptp(corners, axis=0) + 1)


def test_a_stretch_of_a_signal_is_of_one_channel_and_one_window() -> None:
    eeg = Modality("eeg", "eeg", (3, 4, 20), channels=("F3", "F4", "C3", "C4"), rate_hz=64)
    found = units(eeg, (3, 4, 20), most=24)
    assert found.max() + 1 == 24
    for number in range(24):
        window, channel, _ = np.argwhere(found == number).T
        assert len(set(window)) == len(set(channel)) == 1
    assert units(eeg, (3, 4, 20), most=2).max() + 1 == 12


def test_a_map_is_summed_by_unit() -> None:
    labs = Modality("labs", "ehr", (3,), columns=(Column("a"), Column("b"), Column("c")))
    assert summed(np.array([1.0, 2.0, 4.0]), units(labs, (3,))).tolist() == [1.0, 2.0, 4.0]
    assert summed(np.ones((1, 2, 2)), np.array([[[0, 0], [1, 0]]])).tolist() == [3.0, 1.0]


def test_every_network_of_a_classifier_is_found(fitted) -> None:
    # Joint fusion decides with a second copy of its network in double precision; early fusion has two halves.
    expected = {"JointFusion": 2, "LateFusion": 1, "EarlyFusion": 2, "Unimodal": 0}
    assert len(networks(fitted)) == (expected[type(fitted).__name__] if fitted.loss_curves_ else 0)


def test_weights_are_drawn_anew_in_a_copy_only(fitted, cohort: Cohort) -> None:
    before = fitted.predict_proba(cohort)
    changed = redrawn(fitted, seed=1)
    np.testing.assert_array_equal(fitted.predict_proba(cohort), before)
    assert np.allclose(changed.predict_proba(cohort), before) == (not networks(fitted))
    np.testing.assert_array_equal(changed.predict_proba(cohort), redrawn(fitted, seed=1).predict_proba(cohort))


def test_a_small_share_of_the_layers_leaves_the_first_ones(fitted, cohort: Cohort) -> None:
    for old, new in zip(networks(fitted), networks(redrawn(fitted, share=0.01)), strict=True):
        kept, changed = list(old.parameters()), list(new.parameters())
        assert bool((kept[0] == changed[0]).all())
        assert not bool((kept[-1] == changed[-1]).all())
