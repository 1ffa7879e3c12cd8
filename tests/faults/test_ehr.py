"""Every bad table gets what it has to get, names nobody, and says how to go on where there is a choice."""

from __future__ import annotations

import re
import warnings
from pathlib import Path

import pytest

from clinfuse.errors import ClinfuseError, DataWarning
from tests.faults import ehr, ehr_files
from tests.faults.fault import NAME, NUMBER, Fault

FAULTS = (*ehr_files.FAULTS, *ehr.FAULTS)
CASES = [
    pytest.param(fault, k, id=f"{fault.number}-{fault.name}-{k}") for fault in FAULTS for k in range(fault.variants)
]


def says_nobody(*texts: str) -> bool:
    return not any(secret in text for secret in (NAME, NUMBER) for text in texts)


@pytest.mark.parametrize(("fault", "variant"), CASES)
def test_a_bad_table_gets_what_it_has_to_get(fault: Fault, variant: int, tmp_path: Path) -> None:
    path = fault.build(tmp_path, variant)
    if fault.action in ("FIX", "FLAG"):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DataWarning)
            told = fault.read(path, "")
        assert not fault.code or fault.code in told
        assert says_nobody(*told)
        return
    with pytest.raises(ClinfuseError, match=rf"^\[{fault.code}\]") as caught:
        fault.read(path, "")
    assert says_nobody(str(caught.value), repr(caught.value))
    assert caught.value.__cause__ is None
    if fault.action == "ASK":
        line = re.findall(r"`([^`]+)`", caught.value.remedy)[0]
        fault.read(path, line)


def test_every_fault_has_a_name_of_its_own() -> None:
    names = [fault.name for fault in FAULTS]
    assert len(set(names)) == len(names)
