"""Absent and bad channels: masked where few, refused where many, never part of the average."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from clinfuse.cohort.bad_channels import bad_channel
from clinfuse.cohort.features import eeg_features, eeg_names
from clinfuse.cohort.modality import Modality
from clinfuse.cohort.prepare import prepare_eeg
from clinfuse.errors import DataError
from clinfuse.io.values import Signal

NAMES = ("Fp1", "Fp2", "C3", "C4", "Cz", "O1", "O2", "P3", "P4", "Pz")
RATE = 128.0


def modality(**options: object) -> Modality:
    shape = (2, len(NAMES), 640)
    return Modality("eeg", "eeg", shape, channels=NAMES, rate_hz=RATE, seconds=5.0, unit="µV", **options)


def signal(names: tuple[str, ...] = NAMES, **options: object) -> Signal:
    draw = np.random.default_rng(0).normal(scale=20, size=(len(names), int(10 * RATE)))
    return Signal(draw.astype(np.float32), RATE, names, **options)


def with_row(value: Signal, row: int, samples: np.ndarray) -> Signal:
    array = value.array.copy()
    array[row] = samples
    return replace(value, array=array)


def test_an_absent_channel_is_zero_and_named_and_leaves_the_others_as_if_never_wanted() -> None:
    kept = tuple(name for name in NAMES if name != "Cz")
    part = signal(kept)
    made = prepare_eeg(part, modality())
    assert not made.array[:, NAMES.index("Cz")].any()
    assert [remark.code for remark in made.remarks] == ["EEG_CHANNEL_ABSENT"]
    assert "Cz" in made.remarks[0].text
    alone = prepare_eeg(part, replace(modality(), channels=kept, shape=(2, len(kept), 640)))
    np.testing.assert_array_equal(np.delete(made.array, NAMES.index("Cz"), axis=1), alone.array)


def test_a_bad_channel_never_matters() -> None:
    value, row = signal(), NAMES.index("C4")
    made = prepare_eeg(with_row(value, row, np.full(1280, 7.0)), modality())
    other = prepare_eeg(with_row(value, row, np.full(1280, -4000.0)), modality())
    np.testing.assert_array_equal(made.array, other.array)
    assert not made.array[:, row].any()
    assert [(remark.code, "C4" in remark.text) for remark in made.remarks] == [("EEG_FLAT", True)]


def railed(samples: np.ndarray, share: float) -> np.ndarray:
    changed = samples.copy()
    changed[: int(share * len(samples))] = 400.0
    return changed


def test_the_kinds_of_bad_channel_and_their_limits() -> None:
    value = signal(limits=((-399.9, 399.9),) * len(NAMES))
    clean = value.array[0]
    time = np.arange(1280) / RATE
    mains = 50 * np.sin(2 * np.pi * 50 * time).astype(np.float32)
    still = np.where(np.arange(1280) < 700, np.float32(3), clean)
    cases = [(clean, ""), (clean * 0 + 8, "flat"), (still, "flat"), (mains, "mains only"), (mains + clean, "")]
    cases += [(railed(clean, 0.02), "railed"), (railed(clean, 0.005), ""), (0.001 * clean, "flat")]
    found = [bad_channel(with_row(value, 0, samples), 0) for samples, _ in cases]
    assert found == [wanted for _, wanted in cases]
    spikes = clean.copy()
    spikes[::50] = 400.0
    assert bad_channel(with_row(value, 0, spikes), 0) == ""


def test_too_few_good_channels_are_refused_until_the_user_accepts_them() -> None:
    value = signal(limits=((-399.9, 399.9),) * len(NAMES))
    for row in range(4):
        value = with_row(value, row, np.zeros(1280))
    with pytest.raises(DataError, match=r"\[EEG_BAD_CHANNELS\].*6 of 10.*`least_channels = 0.6`"):
        prepare_eeg(value, modality())
    assert prepare_eeg(value, modality(least_channels=0.6)).array.any()
    with pytest.raises(DataError, match=r"\[EEG_CHANNELS\].*10 channels; found 9"):
        prepare_eeg(signal(NAMES[:9]), replace(modality(), channels=()))
    few = signal(NAMES[:6])
    with pytest.raises(DataError, match=r"\[EEG_CHANNEL\].*O2.*`least_channels = 0.6`"):
        prepare_eeg(few, modality())
    assert prepare_eeg(few, modality(least_channels=0.6)).array.any()
    with pytest.raises(DataError, match=r"\[EEG_CHANNEL\]"):
        prepare_eeg(signal(("Nz", "Iz")), modality(least_channels=0.01))


def test_linked_ears_and_a_reference_that_is_not_there() -> None:
    value = signal((*NAMES, "A1", "M2", "A2"))
    made = prepare_eeg(value, modality(reference="linked ears", band_hz=(1.0, 40.0)))
    ears = value.array[[10, 12]].mean(axis=0)
    by_hand = replace(value, array=np.concatenate([value.array[:10] - ears, value.array[10:]]))
    expected = prepare_eeg(by_hand, modality(reference="as recorded", band_hz=(1.0, 40.0)))
    np.testing.assert_allclose(made.array, expected.array, atol=1e-3)
    for reference in ("linked ears", "A1"):
        with pytest.raises(DataError, match=r"\[EEG_REFERENCE\].*`reference = \"average\"`"):
            prepare_eeg(signal(), modality(reference=reference))
    with pytest.raises(DataError, match=r"\[EEG_REFERENCE\].*without a signal"):
        prepare_eeg(with_row(value, 10, np.zeros(1280)), modality(reference="A1"))


@pytest.mark.parametrize(("rate", "seconds", "count"), [(125.0, 1.5, 3), (173.61, 2.0, 5), (173.61, 30.0, 1)])
def test_windows_that_end_between_two_samples_are_all_there(rate: float, seconds: float, count: int) -> None:
    whole = np.random.default_rng(5).normal(scale=20, size=(2, int(60 * rate))).astype(np.float32)
    wanted = Modality(
        "eeg", "eeg", (count, 2, round(64 * seconds)), channels=("C3", "C4"), rate_hz=64.0, seconds=seconds
    )
    # A reader gives what the windows need, to the nearest sample.
    cut = whole[:, : round(count * seconds * rate)]
    made, expected = (prepare_eeg(Signal(part, rate, ("C3", "C4")), wanted) for part in (cut, whole))
    assert made.windows.all()
    np.testing.assert_array_equal(made.array, expected.array)


def test_windows_stay_inside_the_pieces_of_an_interrupted_recording() -> None:
    value = replace(signal(), breaks=(100, 800))
    made = prepare_eeg(value, modality(reference="as recorded"))
    assert made.windows.tolist() == [True, False]
    alone = replace(value, array=value.array[:, 100:740], breaks=())
    np.testing.assert_array_equal(made.array[0], prepare_eeg(alone, modality(reference="as recorded")).array[0])
    with pytest.raises(DataError, match=r"\[EEG_SHORT\]"):
        prepare_eeg(replace(signal(), breaks=(500, 1000)), modality())


def test_a_ten_hertz_sine_of_20_microvolt_has_200_square_microvolt_of_alpha() -> None:
    """A²/2 = 2.0e-10 V², by definition of the mean square of a sine."""
    time = np.arange(1280) / RATE
    tone = 20 * np.sin(2 * np.pi * 10 * time)
    channels = ("C3", "C4", "O1")
    kind = Modality("eeg", "eeg", (2, 3, 640), channels=channels, rate_hz=RATE, seconds=5.0, reference="as recorded")
    kind = replace(kind, least_channels=0.5, band_hz=(0.5, 40.0))
    value = Signal(np.stack([tone, 0 * tone, 2 * tone]).astype(np.float32), RATE, channels)
    made = prepare_eeg(value, kind)
    features = dict(zip(eeg_names(kind)[0], eeg_features(made.array, made.windows, kind), strict=True))
    # The filter has its edges within half of the ten seconds: a hundredth of the power is lost there.
    assert np.exp(features["alpha C3"]) == pytest.approx(200.0, rel=0.02)
    assert np.exp(features["alpha O1"]) == pytest.approx(800.0, rel=0.02)
    # A masked channel has no power, and its region is that of the others.
    assert np.isnan(features["alpha C4"])
    assert features["alpha central"] == features["alpha C3"]
