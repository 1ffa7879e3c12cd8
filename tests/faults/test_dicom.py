from __future__ import annotations

from pathlib import Path

import pytest

from tests.faults.check import check_fault
from tests.faults.dicom import FAULTS
from tests.faults.fault import Fault

KINDS = [
    pytest.param(fault, variant, id=f"{fault.number}-{fault.name}-{variant}")
    for fault in FAULTS
    for variant in range(fault.variants)
]


@pytest.mark.parametrize(("fault", "variant"), KINDS)
def test_a_bad_series_gets_what_the_list_asks(tmp_path: Path, fault: Fault, variant: int) -> None:
    check_fault(fault, variant, tmp_path)
