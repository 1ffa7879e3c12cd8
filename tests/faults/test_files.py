"""No file of an export does more than lose itself."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from clinfuse.errors import DataError
from tests.faults.check import check_fault
from tests.faults.fault import NAME, Fault
from tests.faults.files import (
    AWAY,
    BY_COLUMN,
    BY_NAME,
    FAULTS,
    film_folder,
    instead,
    link_out,
    link_to_system,
    named,
    read_hostile,
    table_says,
)

KINDS = [
    pytest.param(fault, variant, id=f"{fault.number}-{fault.name}-{variant}")
    for fault in FAULTS
    for variant in range(fault.variants)
]


@pytest.mark.parametrize(("fault", "variant"), KINDS)
def test_a_bad_file_gets_what_the_list_asks(tmp_path: Path, fault: Fault, variant: int) -> None:
    check_fault(fault, variant, tmp_path)


@pytest.mark.parametrize(
    ("word", "seconds", "code"),
    [("hang", 2.0, "READ_TIMEOUT"), ("die", 60.0, "READ_DIED"), ("swell", 60.0, "READ_MEMORY")],
)
def test_a_table_of_records_that_harms_its_reader_stops_with_its_code(
    tmp_path: Path, word: str, seconds: float, code: str
) -> None:
    with pytest.raises(DataError, match=rf"^\[{code}\] \[records\] table, file: ") as stopped:
        read_hostile(table_says(word)(tmp_path, 3), seconds=seconds)
    assert NAME not in str(stopped.value)


# Both processes tell what they open; the worker is started through the same program, so that it is watched from its
# first line on.
_WATCHED = """
import json, os, sys
log = os.open(sys.argv[1], os.O_WRONLY | os.O_CREAT | os.O_APPEND)
def watch(event, given):
    if event == "open" and isinstance(given[0], (str, bytes, os.PathLike)):
        os.write(log, json.dumps(os.path.realpath(os.fsdecode(given[0]))).encode() + b"\\n")
sys.addaudithook(watch)
if sys.argv[2] == "worker":
    sys.argv = ["worker", sys.argv[3]]
    from clinfuse.io.worker import serve
    serve()
from clinfuse.cohort.cohort import Cohort
from clinfuse.io import guard
made = guard.Guard(program=(sys.executable, "-c", open(sys.argv[3]).read(), sys.argv[1], "worker"))
guard._SHARED[os.getpid()] = made
Cohort.from_folder(sys.argv[2])
made.close()
"""


@pytest.mark.parametrize(
    ("build", "variant"),
    [
        *((instead(BY_NAME, link_out), variant) for variant in range(4)),
        (instead(BY_NAME, link_to_system), 2),
        (instead(BY_COLUMN, link_out), 3),
        (film_folder(link_out), 1),
        (film_folder(link_to_system), 0),
        (named(AWAY), 1),
    ],
)
def test_nothing_outside_the_export_is_opened(tmp_path: Path, build: Callable[[Path, int], Path], variant: int) -> None:
    root = build(tmp_path / "data", variant)
    program, log = tmp_path / "watched.py", tmp_path / "log"
    program.write_text(_WATCHED)
    subprocess.run([sys.executable, str(program), str(log), str(root), str(program)], check=True, capture_output=True)
    opened = {json.loads(line) for line in log.read_bytes().splitlines()}
    assert any(path.endswith("records.csv") for path in opened)
    assert any(path.endswith((".nii", "/0", "/1")) for path in opened)
    data = str(tmp_path.resolve() / "data")
    inside = [path for path in opened if path.startswith(data) and not path.startswith(str(root.resolve()))]
    assert inside == []
    assert not opened & {"/dev/zero", "/dev/urandom", "/etc/passwd"}
    assert not any(path.startswith("/proc/") and path.endswith("/mem") for path in opened)


def test_every_fault_has_a_name_of_its_own() -> None:
    assert len({fault.name for fault in FAULTS}) == len(FAULTS)
