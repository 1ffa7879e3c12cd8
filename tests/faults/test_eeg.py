from __future__ import annotations

import tracemalloc
from pathlib import Path

import pytest

from clinfuse.io.eeg import read_eeg
from clinfuse.io.policies import EegPolicy
from tests.faults import eeg, eeg_by_mne, eeg_cohort
from tests.faults.check import check_fault
from tests.faults.fault import Fault

FAULTS = (*eeg.FAULTS, *eeg_by_mne.FAULTS, *eeg_cohort.FAULTS)
KINDS = [
    pytest.param(fault, variant, id=f"{fault.number}-{fault.name}-{variant}")
    for fault in FAULTS
    for variant in range(fault.variants)
]


@pytest.mark.parametrize(("fault", "variant"), KINDS)
def test_a_bad_recording_gets_what_the_list_asks(tmp_path: Path, fault: Fault, variant: int) -> None:
    check_fault(fault, variant, tmp_path)


def test_two_days_need_no_more_memory_than_the_windows(tmp_path: Path) -> None:
    (two_days,) = (fault for fault in FAULTS if fault.number == "E25")
    file = two_days.build(tmp_path, 0)
    tracemalloc.start()
    try:
        signal = read_eeg(file, policy=EegPolicy(window_seconds=2.0, windows=3))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert (signal.seconds, signal.whole_seconds) == (6.0, 48 * 3600.0)
    assert peak < 2**24
