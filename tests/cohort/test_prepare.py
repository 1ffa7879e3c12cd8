"""Preparation is stateless, keeps physical units, averages when it coarsens, and looks at nothing it must not see."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clinfuse.cohort.modality import Modality
from clinfuse.cohort.prepare import check_varies, prepare_ct, prepare_eeg, prepare_mask, prepare_mr, prepare_xray
from clinfuse.cohort.recording_keys import TEN_TWENTY
from clinfuse.cohort.resample import AxisGrid, canonical, grids, resampled
from clinfuse.cohort.signal import pass_band
from clinfuse.errors import DataError
from clinfuse.io.channels import electrode
from clinfuse.io.values import Radiograph, Signal, Volume


def volume(array: np.ndarray, spacing: tuple[float, float, float] = (1, 1, 1), unit: str = "HU") -> Volume:
    return Volume(array, np.diag([*spacing, 1.0]), unit)


def ct(size: tuple[int, ...], **options: object) -> Modality:
    return Modality("ct", "ct", (1, *size), window=(-1000, 1000), unit="HU", **options)


def eeg(count: int = 2, seconds: float = 2.0, rate_hz: float = 64.0, **options: object) -> Modality:
    channels = options.pop("channels", ("C3", "C4"))
    shape = (count, len(channels), round(seconds * rate_hz))
    return Modality("eeg", "eeg", shape, channels=channels, rate_hz=rate_hz, seconds=seconds, unit="µV", **options)


def recording(
    seconds: float, rate_hz: float = 128.0, channels: tuple[str, ...] = ("C3", "C4"), seed: int = 0
) -> Signal:
    draw = np.random.default_rng(seed).normal(size=(len(channels), round(seconds * rate_hz))) * 20
    return Signal(draw.astype(np.float32), rate_hz, channels)


class TestGrid:
    @given(entries=st.integers(1, 40), step=st.floats(0.2, 8), size=st.integers(1, 40))
    @settings(max_examples=150, deadline=None)
    def test_every_new_pixel_is_an_average(self, entries: int, step: float, size: int) -> None:
        grid = AxisGrid(entries, step, size)
        weights = grid.weights().toarray()
        assert weights.shape == (len(grid.kept), entries)
        assert (weights >= 0).all()
        np.testing.assert_allclose(weights.sum(axis=1), 1, atol=1e-6)
        assert sum(grid.padding) + len(grid.kept) == size
        assert abs(grid.padding[0] - grid.padding[1]) <= 1

    @given(entries=st.integers(1, 30), size=st.integers(1, 30), step=st.floats(0.3, 5))
    @settings(max_examples=100, deadline=None)
    def test_mirroring_commutes_when_both_sides_are_cut_or_padded_alike(
        self, entries: int, size: int, step: float
    ) -> None:
        grid = AxisGrid(entries, step, size)
        if (grid.full - size) % 2:
            return
        weights = grid.weights().toarray()
        np.testing.assert_allclose(weights[::-1, ::-1], weights, atol=1e-5)

    def test_equal_spacing_changes_nothing(self) -> None:
        array = np.random.default_rng(0).normal(size=(5, 6, 7)).astype(np.float32)
        np.testing.assert_array_equal(resampled(array, grids(array.shape, (5, 6, 7), (1, 1, 1))), array)

    def test_an_integer_factor_is_mean_pooling(self) -> None:
        array = np.random.default_rng(0).normal(size=(6, 8, 4)).astype(np.float32)
        pooled = array.reshape(3, 2, 4, 2, 2, 2).mean(axis=(1, 3, 5))
        np.testing.assert_allclose(resampled(array, grids(array.shape, (3, 4, 2), (2, 2, 2))), pooled, atol=1e-6)

    def test_a_finer_grid_follows_a_straight_line(self) -> None:
        ramp = np.arange(8, dtype=np.float32)[:, None, None] * np.ones((1, 1, 1), dtype=np.float32)
        fine = resampled(ramp, grids(ramp.shape, (16, 1, 1), (0.5, 1, 1)))[:, 0, 0]
        np.testing.assert_allclose(np.diff(fine[1:-1]), 0.5, atol=1e-6)


class TestVolumes:
    def test_a_fast_pattern_is_averaged_away_not_aliased(self) -> None:
        stripes = np.tile(np.array([0, 400], dtype=np.float32), 16)[:, None, None] * np.ones(
            (1, 8, 8), dtype=np.float32
        )
        made = prepare_ct(volume(stripes), ct((8, 2, 2), spacing_mm=(4.0, 4.0, 4.0)))
        assert (made.array == 200).all()

    def test_hounsfield_units_are_rounded_clipped_and_padded_with_air(self) -> None:
        array = np.full((2, 2, 2), 40.4, dtype=np.float32)
        array[0] = 3000
        made = prepare_ct(volume(array), ct((4, 2, 2), spacing_mm=(1.0, 1.0, 1.0))).array
        assert made.dtype == np.int16
        assert made[0, :, 0, 0].tolist() == [-1000, 1000, 40, -1000]

    def test_the_window_clips_after_the_average(self) -> None:
        array = np.array([-2000, 2000], dtype=np.float32).reshape(2, 1, 1)
        made = prepare_ct(volume(array), ct((1, 1, 1), spacing_mm=(2.0, 1.0, 1.0)))
        assert made.array.item() == 0

    def test_padding_is_no_lower_than_the_window(self) -> None:
        kind = Modality("ct", "ct", (1, 3, 1, 1), window=(-40, 120), spacing_mm=(1.0, 1.0, 1.0))
        made = prepare_ct(volume(np.full((1, 1, 1), 30, dtype=np.float32)), kind)
        assert made.array.ravel().tolist() == [-40, 30, -40]

    @given(order=st.permutations(range(3)), signs=st.tuples(*[st.sampled_from([-1, 1])] * 3))
    @settings(max_examples=48, deadline=None)
    def test_how_the_scanner_stored_the_axes_does_not_matter(
        self, order: list[int], signs: tuple[int, int, int]
    ) -> None:
        base = np.random.default_rng(1).normal(size=(4, 6, 8)).astype(np.float32)
        spacing = np.array([1.0, 2.0, 3.0])
        stored = base.transpose(order)
        affine = np.eye(4)
        affine[:3, :3] = 0
        for axis, world in enumerate(order):
            affine[world, axis] = spacing[world] * signs[axis]
            stored = np.flip(stored, axis) if signs[axis] < 0 else stored
        turned, found = canonical(Volume(np.ascontiguousarray(stored), affine, "HU"))
        np.testing.assert_array_equal(turned, base)
        assert found == (1.0, 2.0, 3.0)

    def test_without_spacing_the_whole_field_of_view_is_kept(self) -> None:
        array = np.arange(64, dtype=np.float32).reshape(4, 4, 4)
        made = prepare_ct(volume(array, (3, 1, 1)), ct((2, 2, 2)))
        np.testing.assert_allclose(made.array[0], array.reshape(2, 2, 2, 2, 2, 2).mean(axis=(1, 3, 5)), atol=0.51)

    def test_an_mr_image_is_normalised_by_its_own_tissue(self) -> None:
        array = np.zeros((6, 6, 6), dtype=np.float32)
        array[2:4, 2:4, 2:4] = np.random.default_rng(0).normal(500, 20, size=(2, 2, 2))
        kind = Modality("mr", "mr", (1, 6, 6, 6), spacing_mm=(1.0, 1.0, 1.0))
        made = prepare_mr(volume(array, unit="arbitrary"), kind).array
        tissue = made[0, 2:4, 2:4, 2:4]
        assert made.dtype == np.float32
        assert tissue.mean() == pytest.approx(0, abs=1e-4)
        assert tissue.std() == pytest.approx(1, abs=1e-4)
        scaled = prepare_mr(volume(array * 7, unit="arbitrary"), kind).array
        np.testing.assert_allclose(scaled, made, rtol=1e-3, atol=1e-3)

    def test_an_mr_image_of_one_intensity_is_refused(self) -> None:
        kind = Modality("mr", "mr", (1, 2, 2, 2))
        with pytest.raises(DataError, match="MR_CONSTANT"):
            prepare_mr(volume(np.ones((2, 2, 2), dtype=np.float32), unit="arbitrary"), kind)

    def test_a_label_is_never_a_mixture(self) -> None:
        labels = np.random.default_rng(0).integers(0, 3, size=(9, 9, 9)).astype(np.uint8)
        kind = Modality("kidney", "mask", (2, 6, 6, 6), channels=("kidney", "tumour"), spacing_mm=(1.5, 1.5, 1.5))
        made = prepare_mask(volume(labels, unit="label"), kind).array
        assert made.dtype == np.uint8
        assert made.shape == (2, 6, 6, 6)
        assert set(np.unique(made)) <= {0, 1}
        assert made.sum(axis=0).max() == 1

    def test_one_channel_per_label_in_order(self) -> None:
        labels = np.array([0, 1, 2, 2], dtype=np.uint8).reshape(4, 1, 1)
        kind = Modality("kidney", "mask", (2, 4, 1, 1), spacing_mm=(1.0, 1.0, 1.0))
        made = prepare_mask(volume(labels, unit="label"), kind).array
        assert made[0].ravel().tolist() == [0, 1, 0, 0]
        assert made[1].ravel().tolist() == [0, 0, 1, 1]

    def test_an_undeclared_label_is_refused(self) -> None:
        kind = Modality("kidney", "mask", (1, 1, 1, 1))
        with pytest.raises(DataError, match="MASK_LABEL"):
            prepare_mask(volume(np.full((1, 1, 1), 2, dtype=np.uint8), unit="label"), kind)


class TestRadiograph:
    def test_grey_stays_within_zero_and_one(self) -> None:
        pixels = np.random.default_rng(0).uniform(size=(10, 12)).astype(np.float32)
        made = prepare_xray(Radiograph(pixels), Modality("xray", "xray", (1, 5, 6))).array
        assert made.dtype == np.float32
        np.testing.assert_allclose(made[0], pixels.reshape(5, 2, 6, 2).mean(axis=(1, 3)), atol=1e-6)

    def test_a_declared_pixel_size_needs_one_in_the_file(self) -> None:
        kind = Modality("xray", "xray", (1, 4, 4), spacing_mm=(1.0, 1.0))
        with pytest.raises(DataError, match="XRAY_SPACING"):
            prepare_xray(Radiograph(np.zeros((4, 4), dtype=np.float32)), kind)

    def test_a_declared_pixel_size_is_kept(self) -> None:
        pixels = np.ones((4, 4), dtype=np.float32)
        kind = Modality("xray", "xray", (1, 4, 4), spacing_mm=(1.0, 1.0))
        made = prepare_xray(Radiograph(pixels, (0.5, 0.5)), kind).array
        assert made.sum() == 4


class TestRecording:
    def test_nothing_after_the_used_part_has_any_influence(self) -> None:
        long = recording(60)
        changed = long.array.copy()
        changed[:, (4 * 128) :] = 1e4
        kind = eeg()
        made = prepare_eeg(long, kind)
        np.testing.assert_array_equal(prepare_eeg(Signal(changed, 128.0, ("C3", "C4")), kind).array, made.array)
        cut = Signal(long.array[:, : (4 * 128)], 128.0, ("C3", "C4"))
        np.testing.assert_array_equal(prepare_eeg(cut, kind).array, made.array)

    def test_a_short_recording_has_a_mask_and_zeros(self) -> None:
        made = prepare_eeg(recording(3.9), eeg(count=3))
        assert made.windows.tolist() == [True, False, False]
        assert not made.array[1:].any()
        assert made.array[0].any()

    def test_a_recording_shorter_than_one_window_is_refused(self) -> None:
        with pytest.raises(DataError, match="EEG_SHORT"):
            prepare_eeg(recording(1.9), eeg())

    @pytest.mark.parametrize("rate_hz", [64.0, 100.0, 128.0, 250.0, 256.0, 499.9, 500.0])
    def test_a_tone_in_the_band_survives_any_sampling_rate(self, rate_hz: float) -> None:
        t = np.arange(round(20 * rate_hz)) / rate_hz
        tone = 20 * np.sin(2 * np.pi * 10 * t)
        signal = Signal(np.stack([tone, -tone]).astype(np.float32), rate_hz, ("C3", "C4"))
        made = prepare_eeg(signal, eeg(count=2, seconds=10)).array
        expected = 20 * np.sin(2 * np.pi * 10 * np.arange(640) / 64)
        np.testing.assert_allclose(made[0, 0, 128:-128], expected[128:-128], atol=0.6)

    def test_drift_and_mains_are_removed(self) -> None:
        t = np.arange(20 * 256) / 256
        noise = 500 + 20 * np.sin(2 * np.pi * 0.05 * t) + 30 * np.sin(2 * np.pi * 50 * t)
        tone = 10 * np.sin(2 * np.pi * 8 * t)
        signal = Signal(np.stack([noise + tone, -noise - tone]).astype(np.float32), 256.0, ("C3", "C4"))
        made = prepare_eeg(signal, eeg(count=1, seconds=20, rate_hz=128)).array
        np.testing.assert_allclose(made[0, 0, 256:-256], tone[::2][256:-256], atol=1)

    def test_the_average_reference_sums_to_zero(self) -> None:
        made = prepare_eeg(recording(8, channels=("C3", "C4", "O1")), eeg(channels=("C3", "C4", "O1")))
        np.testing.assert_allclose(made.array.sum(axis=1), 0, atol=1e-3)

    def test_a_channel_can_be_the_reference(self) -> None:
        signal = recording(8, channels=("C3", "C4", "Cz"))
        made = prepare_eeg(signal, eeg(channels=("C3", "Cz"), reference="cz"))
        assert not made.array[:, 1].any()

    def test_old_and_new_names_and_hospital_spellings_mean_one_electrode(self) -> None:
        old = recording(8, channels=("EEG T3-Ref", "t4.", "POL T5", "EEG P8-A1"))
        kind = eeg(channels=("T7", "T8", "P7", "T6"))
        made = prepare_eeg(old, kind)
        plain = Signal(old.array, old.rate_hz, ("T7", "T8", "P7", "P8"))
        np.testing.assert_array_equal(made.array, prepare_eeg(plain, kind).array)
        assert electrode("Fp1-F7") == "FP1-F7"

    def test_channels_are_found_by_name_in_any_order(self) -> None:
        signal = recording(8, channels=("O1", "C4", "C3"))
        turned = Signal(signal.array[::-1].copy(), signal.rate_hz, signal.channels[::-1])
        np.testing.assert_array_equal(prepare_eeg(signal, eeg()).array, prepare_eeg(turned, eeg()).array)

    def test_a_missing_channel_is_named(self) -> None:
        with pytest.raises(DataError, match=r"EEG_CHANNEL.*Fz"):
            prepare_eeg(recording(8), eeg(channels=("C3", "Fz")))

    def test_two_channels_for_one_electrode_are_refused(self) -> None:
        with pytest.raises(DataError, match="EEG_CHANNEL_TWICE"):
            prepare_eeg(recording(8, channels=("T3", "T7")), eeg(channels=("T7",)))

    def test_the_band_stays_below_both_nyquist_rates(self) -> None:
        assert pass_band(eeg(rate_hz=64), 500) == (0.5, pytest.approx(28.8))
        assert pass_band(eeg(rate_hz=256), 500) == (0.5, 45)
        assert pass_band(eeg(rate_hz=256), 50) == (0.5, pytest.approx(22.5))

    def test_the_ten_twenty_system_has_nineteen_electrodes(self) -> None:
        assert len({electrode(name) for name in TEN_TWENTY}) == 19


def test_an_image_that_the_window_makes_one_value_is_refused() -> None:
    high = np.random.default_rng(0).uniform(1500, 2500, (6, 6, 6)).astype(np.float32)
    made = prepare_ct(volume(high), ct((6, 6, 6)))
    with pytest.raises(DataError, match="INPUT_CONSTANT"):
        check_varies(made, "ct")
    check_varies(prepare_ct(volume(high - 1500), ct((6, 6, 6))), "ct")


def test_a_mask_may_be_empty() -> None:
    empty = volume(np.zeros((4, 4, 4), dtype=np.int16), unit="label")
    modality = Modality("kidney", "mask", (1, 4, 4, 4), channels=("kidney",), unit="label")
    check_varies(prepare_mask(empty, modality), "mask")
