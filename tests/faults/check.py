"""What every bad input has to become, whatever it is."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from clinfuse.errors import ClinfuseError
from tests.faults.fault import NAME, NUMBER, Fault


def check_fault(fault: Fault, variant: int, folder: Path) -> None:
    """Build one variant, read it, and hold it to its action; an accepted line has to clear the refusal."""
    path = fault.build(folder, variant)
    if fault.action in ("FIX", "FLAG"):
        codes = fault.read(path, "")
        assert fault.code in codes or not fault.code
        return
    with pytest.raises(ClinfuseError, match=rf"^\[{fault.code}\]") as refused:
        fault.read(path, "")
    told = "".join(map(str, refused.value.args))
    assert NAME.casefold() not in told.casefold()
    assert NUMBER not in told
    assert str(folder) not in told
    if fault.action == "ASK":
        (line,) = re.findall(r"`([^`]*=[^`]*)`", refused.value.remedy)
        fault.read(path, line)
