"""Every bad input gets what the list of situations expects, or stands among the exceptions with a reason."""

from __future__ import annotations

import re

from tests.faults.expected import DEVIATIONS, EXPECTED
from tests.faults.fault import Fault
from tests.faults.tally import all_faults

FAULTS = all_faults()
# Situations of a whole run, not of a file or table: its folder, its processes, its machine, its report.
ELSEWHERE = {"S06", "S08", "S09", "S10", "S13", "S15", "S17", "S18", "S19", "S20", "S21", "S22"}


def numbers(fault: Fault) -> list[str]:
    return re.findall(r"[DNEHS]\d\d", fault.number)


def test_every_situation_of_a_file_or_table_has_a_kind() -> None:
    assert len(EXPECTED) == 152
    assert set(EXPECTED) - {number for fault in FAULTS for number in numbers(fault)} == ELSEWHERE


def test_another_action_than_expected_has_a_reason() -> None:
    other = {
        (number, fault.name)
        for fault in FAULTS
        for number in numbers(fault)
        if EXPECTED[number] and fault.action not in EXPECTED[number]
    }
    assert sorted(other) == sorted(DEVIATIONS)
    assert all(len(reason) > 20 for reason in DEVIATIONS.values())


def test_every_kind_has_a_name_of_its_own() -> None:
    names = [fault.name for fault in FAULTS]
    assert sorted(name for name in set(names) if names.count(name) > 1) == []
