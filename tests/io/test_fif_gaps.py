"""Where a FIF recording was interrupted, by MNE's own reckoning: with and without a date, and after a crop."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import mne
import numpy as np
import pytest

from clinfuse.io.eeg import read_eeg
from clinfuse.io.policies import EegPolicy

RATE = 100.0
VOLT = np.random.default_rng(0).normal(scale=20e-6, size=(2, 3000))
SKIP = "BAD_ACQ_SKIP"
GAPS = {
    "a skip": ([(5.0, 3.0, SKIP)], (500,)),
    "a boundary inside a skip": ([(5.0, 3.0, SKIP), (6.0, 0.0, "boundary")], (500,)),
    "two skips that overlap": ([(5.0, 3.0, SKIP), (7.0, 4.0, SKIP)], (500,)),
    "a skip and a boundary behind it": ([(5.0, 3.0, SKIP), (20.0, 0.0, "boundary")], (500, 1700)),
}


@pytest.mark.filterwarnings("ignore:.*annotation.*:RuntimeWarning")
@pytest.mark.parametrize("date", [None, datetime(2020, 1, 1, tzinfo=UTC)], ids=["undated", "dated"])
@pytest.mark.parametrize("first", [0, 777])
@pytest.mark.parametrize("how", GAPS)
def test_nothing_of_a_gap_is_read_and_nothing_else_is_lost(
    tmp_path: Path, how: str, first: int, date: datetime | None
) -> None:
    gaps, breaks = GAPS[how]
    raw = mne.io.RawArray(VOLT, mne.create_info(["C3", "C4"], RATE, "eeg"), first_samp=first, verbose="ERROR")
    raw.set_meas_date(date)
    raw.set_annotations(mne.Annotations(*map(list, zip(*gaps, strict=True))))
    file = tmp_path / "a_raw.fif"
    raw.save(file, fmt="double", verbose="ERROR")
    signal = read_eeg(file, policy=EegPolicy(gaps="segment"))
    kept = np.ones(3000, dtype=bool)
    for onset, seconds, _ in gaps:
        kept[int(onset * RATE) : int((onset + seconds) * RATE)] = False
    np.testing.assert_allclose(signal.array, VOLT[:, kept] * 1e6, atol=1e-3)
    assert signal.breaks == breaks
