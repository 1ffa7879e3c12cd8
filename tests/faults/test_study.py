"""No study is trained on what cannot be believed, and what can be left out is left out."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.faults.check import check_fault
from tests.faults.fault import Fault
from tests.faults.study import FAULTS, Clinic, until_training

KINDS = [
    pytest.param(fault, variant, id=f"{fault.number}-{fault.name}-{variant}")
    for fault in FAULTS
    for variant in range(fault.variants)
]


@pytest.mark.parametrize(("fault", "variant"), KINDS)
def test_a_bad_study_gets_what_the_list_asks(tmp_path: Path, fault: Fault, variant: int) -> None:
    check_fault(fault, variant, tmp_path)


def test_nothing_is_wrong_with_the_clinic_itself(tmp_path: Path) -> None:
    assert until_training(Clinic().write(tmp_path), "") == ("UNDATED",)


def test_every_fault_has_a_name_of_its_own() -> None:
    names = [fault.name for fault in FAULTS]
    assert len(set(names)) == len(names)
