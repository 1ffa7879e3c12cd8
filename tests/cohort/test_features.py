"""Summary features measure what their names and units say, and nothing a file says of itself."""

from __future__ import annotations

import numpy as np
import pytest

from clinfuse.cohort import features
from clinfuse.cohort.kinds import feature_names, kind_of
from clinfuse.cohort.modality import Column, Modality
from clinfuse.cohort.prepare import Prepared, prepare_mask
from clinfuse.errors import ConfigError
from clinfuse.io.values import Volume

MODALITIES = (
    Modality("ct", "ct", (1, 4, 4, 4), window=(0.0, 400.0)),
    Modality("plain", "ct", (1, 4, 4, 4)),
    Modality("mr", "mr", (1, 4, 4, 4)),
    Modality("xray", "xray", (1, 6, 6)),
    Modality("mask", "mask", (2, 4, 4, 4), channels=("kidney", "tumour")),
    Modality("eeg", "eeg", (2, 3, 640), channels=("C3", "T3", "O1"), rate_hz=128.0, seconds=5.0),
)


def by_name(modality: Modality, values: np.ndarray) -> dict[str, float]:
    return dict(zip(feature_names(modality)[0], values.tolist(), strict=True))


@pytest.mark.parametrize("modality", MODALITIES, ids=lambda m: m.name)
def test_every_feature_has_one_name_and_one_finite_value(modality: Modality) -> None:
    draw = np.random.default_rng(0).uniform(0, 1, size=modality.shape)
    array = (draw > 0.5).astype(np.uint8) if modality.kind == "mask" else draw.astype(np.float32)
    kind = kind_of(modality)
    windows = np.ones(modality.shape[0] if modality.windowed else 1, dtype=bool)
    prepared = features_input(array, windows)
    value = kind.wrap(array, windows, modality)
    names, units = feature_names(modality)
    found = kind.summarise(value, prepared, modality)
    assert found.shape == (len(names),) == (len(units),)
    assert len(set(names)) == len(names)
    assert np.isfinite(found).all()


def features_input(array: np.ndarray, windows: np.ndarray) -> Prepared:
    return Prepared(array, windows)


def test_a_sine_has_half_its_squared_amplitude_as_alpha_power() -> None:
    """Golden number G39: 10 Hz, 20 µV, alpha 8 to 13 Hz: A²/2 = 200 µV²."""
    t = np.arange(640) / 128
    windows = np.broadcast_to(20 * np.sin(2 * np.pi * 10 * t), (2, 3, 640)).astype(np.float32)
    found = by_name(MODALITIES[5], features.eeg_features(windows, np.array([True, True]), MODALITIES[5]))
    assert np.exp(found["alpha C3"]) == pytest.approx(200, rel=1e-5)
    assert np.exp(found["alpha occipital"]) == pytest.approx(200, rel=1e-5)
    assert found["theta C3"] < np.log(1e-2)


def test_band_powers_of_white_noise_add_up_to_its_variance() -> None:
    noise = np.random.default_rng(0).normal(0, 3, size=(400, 1, 256))
    whole = features.band_power(noise, 128.0, (0.0, 65.0)).mean()
    assert whole == pytest.approx(9, rel=0.02)
    parts = sum(features.band_power(noise, 128.0, (low, low + 8.0)).mean() for low in range(0, 72, 8))
    assert parts == pytest.approx(whole, rel=1e-9)


def test_windows_that_are_not_there_do_not_count() -> None:
    draw = np.random.default_rng(0).normal(size=(2, 3, 640)).astype(np.float32)
    other = draw.copy()
    other[1] = 1e6
    mask = np.array([True, False])
    np.testing.assert_array_equal(
        features.eeg_features(draw, mask, MODALITIES[5]), features.eeg_features(other, mask, MODALITIES[5])
    )


def test_a_band_above_the_sampling_rate_is_left_out_of_the_names() -> None:
    slow = Modality("eeg", "eeg", (1, 1, 64), channels=("C3",), rate_hz=32.0, seconds=2.0)
    bands = {name.split()[0] for name in feature_names(slow)[0]}
    assert bands == {"delta", "theta", "alpha", "beta"}


def test_a_signal_too_slow_for_any_band_has_its_power() -> None:
    slow = Modality("eeg", "eeg", (1, 1, 64), channels=("Fp1",), rate_hz=1.0, seconds=64.0)
    assert feature_names(slow)[0] == ("power Fp1", "power frontal")
    draw = np.random.default_rng(0).normal(size=(1, 1, 64))
    assert np.isfinite(features.eeg_features(draw, np.array([True]), slow)).all()


def test_hounsfield_shares_are_of_the_voxels_inside_the_window() -> None:
    array = np.full((1, 4, 4, 4), 0, dtype=np.int16)
    array[0, 0] = 60
    array[0, 1] = 300
    found = by_name(MODALITIES[0], features.ct_features(array, MODALITIES[0]))
    assert found["share inside the window"] == 0.5
    assert found["share soft tissue"] == 0.5
    assert found["share bone"] == 0.5
    assert found["share 50 to 100 HU"] == 0.5
    assert found["mean"] == 180
    assert "share air" not in found


def test_a_volume_outside_the_window_still_has_finite_features() -> None:
    found = features.ct_features(np.zeros((1, 4, 4, 4), dtype=np.int16), MODALITIES[0])
    assert np.isfinite(found).all()


def test_volume_and_extent_respect_the_spacing() -> None:
    labels = np.zeros((10, 10, 10), dtype=np.uint8)
    labels[1:3, 1:4, 1:5] = 1
    labels[8, 8, 8] = 1
    found = by_name(MODALITIES[4], features.mask_features(labels, (1.0, 2.0, 5.0), MODALITIES[4]))
    assert found["kidney volume"] == pytest.approx(25 * 10 / 1000)
    assert (found["kidney extent x"], found["kidney extent y"], found["kidney extent z"]) == (8, 16, 40)
    assert found["kidney count"] == 2
    assert found["tumour volume"] == found["tumour count"] == 0


def test_the_same_body_in_thinner_slices_has_the_same_volume() -> None:
    coarse = np.zeros((6, 6, 6), dtype=np.uint8)
    coarse[2:4, 2:4, 2:4] = 2
    fine = np.repeat(coarse, 4, axis=2)
    modality = MODALITIES[4]
    kind = kind_of(modality)
    found = []
    for labels, step in ((coarse, 4.0), (fine, 1.0)):
        value = Volume(labels, np.diag([1.0, 1.0, step, 1.0]), "label")
        found.append(kind.summarise(value, prepare_mask(value, modality), modality))
    np.testing.assert_allclose(found[0], found[1])


def test_quadrants_are_where_they_say() -> None:
    pixels = np.zeros((1, 6, 6), dtype=np.float32)
    pixels[0, :3, 3:] = 1
    found = by_name(MODALITIES[3], features.xray_features(pixels, MODALITIES[3]))
    assert found["mean, upper right of the image"] == 1
    assert found["mean, lower right of the image"] == 0
    assert found["mean"] == 0.25


def test_a_table_is_its_own_summary() -> None:
    labs = Modality("labs", "ehr", (2,), columns=(Column("CRP", unit="mg/L"), Column("age", unit="a")))
    assert feature_names(labs) == (("CRP", "age"), ("mg/L", "a"))
    with pytest.raises(ConfigError, match="KIND_FILES"):
        kind_of(labs)
