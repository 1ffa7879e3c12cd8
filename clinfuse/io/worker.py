"""The process that decodes: it takes requests, one line of JSON each, and lives no longer than whoever sends them.

Standard input brings requests, standard output takes answers, and what is opened as standard error is the file that
arrays are written to. A decoder that prints reaches none of them.
"""

from __future__ import annotations

import faulthandler
import importlib
import io
import json
import os
import signal
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from clinfuse.errors import ClinfuseError, DataError, StorageError
from clinfuse.io.dialect import Dialect
from clinfuse.io.files import check_regular
from clinfuse.io.memory import SharedMemory
from clinfuse.io.policies import POLICIES, ReaderPolicy
from clinfuse.io.readers import read_files
from clinfuse.io.wire import error_head, fields_head, plain, value_head

Task = Callable[[dict[str, Any], SharedMemory], dict[str, Any]]
# The process that asks gives up first; this is for one that is no longer there to do so.
_LONGER = 10
_READERS = ("clinfuse.io.dicom", "clinfuse.io.nifti", "clinfuse.io.eeg", "clinfuse.io.table_wire")


def read(item: dict[str, Any], shared: SharedMemory) -> dict[str, Any]:
    """Read the files of one record."""
    files = [_regular(file) for file in item["files"]]
    policy = policy_of(item["kind"], item["policy"])
    return value_head(read_files(item["kind"], files, policy, narrow=True), shared)


def _regular(name: str) -> Path:
    check_regular(Path(name))
    return Path(name)


def policy_of(kind: str, head: dict[str, Any]) -> ReaderPolicy:
    """The policy whose fields were sent; an empty one for a kind that has none."""
    if kind not in POLICIES:
        return ReaderPolicy()
    return POLICIES[kind](**{name: _tuples(said) for name, said in head.items()})


def _tuples(said: Any) -> Any:
    return tuple(_tuples(part) for part in said) if isinstance(said, list) else said


# Readers are imported by the first file that needs them.
def dicom_header(item: dict[str, Any], shared: SharedMemory) -> dict[str, Any]:
    """Read the header of a DICOM file for the index of a folder; nothing where it is no image."""
    from clinfuse.io.dicom_index import image_header

    header = image_header(_regular(item["file"]))
    return {"header": None if header is None else fields_head(header)}


def dicom_field(item: dict[str, Any], shared: SharedMemory) -> dict[str, Any]:
    """Read one field of a DICOM header."""
    from clinfuse.io.dicom_file import dicom_header

    return {"text": dicom_header(_regular(item["file"]), item["keyword"])}


def dicom_time(item: dict[str, Any], shared: SharedMemory) -> dict[str, Any]:
    """Read when an image was made."""
    from clinfuse.io.dicom_elements import read_elements
    from clinfuse.io.dicom_index import acquisition_time

    return {"time": plain(acquisition_time(read_elements(_regular(item["file"]), pixels=False)))}


def eeg_header(item: dict[str, Any], shared: SharedMemory) -> dict[str, Any]:
    """Read what a recording says of itself."""
    from clinfuse.io.eeg import eeg_header

    given: Any = policy_of("eeg", item["policy"])
    return {"header": fields_head(eeg_header(_regular(item["file"]), policy=given))}


def table(item: dict[str, Any], shared: SharedMemory) -> dict[str, Any]:
    """Read every cell of a table."""
    from clinfuse.io.table_cells import read_cells
    from clinfuse.io.table_wire import table_head

    dialect = Dialect(**{name: _tuples(said) for name, said in item["dialect"].items()})
    return table_head(read_cells(_regular(item["file"]), dialect), shared)


def table_dialect(item: dict[str, Any], shared: SharedMemory) -> dict[str, Any]:
    """Look how a text table seems to be written."""
    from clinfuse.io.likely_dialect import likely_dialect

    delimiter, encodings = likely_dialect(_regular(item["file"]))
    return {"delimiter": delimiter, "encodings": encodings}


TASKS: dict[str, Task] = {
    "read": read,
    "dicom_header": dicom_header,
    "dicom_field": dicom_field,
    "dicom_time": dicom_time,
    "eeg_header": eeg_header,
    "table": table,
    "table_dialect": table_dialect,
}


def serve(tasks: Mapping[str, Task] = TASKS) -> None:
    """Answer requests until there are no more.

    A request is ``{"task": name, "items": [...]}``; every item has a deadline, ``seconds``, and is answered by one
    line. The first line, unasked, says whether memory is capped. The one argument of the program is that cap, bytes.
    """
    requests, answers, shared = _streams()
    # Loaded before the first deadline runs: on a slow drive that takes longer than many a file.
    for name in _READERS:
        importlib.import_module(name)
    _tell(answers, {"capped": _capped(int(sys.argv[1]))})
    with Path(os.devnull).open("w") as nowhere:
        for line in requests:
            request = json.loads(line)
            for item in request["items"]:
                faulthandler.dump_traceback_later(_LONGER * item["seconds"], exit=True, file=nowhere)
                answer = answered(tasks[request["task"]], item, shared)
                faulthandler.cancel_dump_traceback_later()
                _tell(answers, answer)
    os._exit(0)


def answered(task: Task, item: dict[str, Any], shared: SharedMemory) -> dict[str, Any]:
    """What a task makes of an item; whatever breaks it becomes an error of clinfuse."""
    try:
        return task(item, shared)
    except Exception as error:
        return error_head(coded(error))


def coded(error: Exception) -> ClinfuseError:
    """An error without a path or value in it for whatever a reader raised."""
    if _out_of_memory(error):
        return DataError(
            "READ_MEMORY",
            place="file",
            rule="content that fits in the memory one file may take",
            found="content that needs more",
            remedy="Export an image at a lower resolution, or a table with the patients and columns of the study only.",
        )
    if isinstance(error, ClinfuseError):
        return error
    if isinstance(error, OSError):
        return StorageError(
            "FILE_UNREADABLE",
            place="file",
            rule="a file that can be opened",
            found=f"an error of the file system ({type(error).__name__})",
            remedy="Check that the file is there and may be read.",
        )
    return DataError(
        "READ_FAILED",
        place="file",
        rule="content that its reader understands",
        found=f"content it does not ({type(error).__name__})",
        remedy="Export the file again.",
    )


def _out_of_memory(error: BaseException | None) -> bool:
    """Readers answer every exception of a decoder with an error of their own; this one is behind it then."""
    while error is not None and not isinstance(error, MemoryError):
        error = error.__cause__ or error.__context__
    return error is not None


def _streams() -> tuple[io.TextIOWrapper, int, SharedMemory]:
    """Requests, answers and the shared file, taken from the standard streams."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    requests, answers, shared = (os.dup(number) for number in range(3))
    nowhere = os.open(os.devnull, os.O_RDWR)
    for number in range(3):
        os.dup2(nowhere, number)
    return os.fdopen(requests, encoding="ascii"), answers, SharedMemory(io.FileIO(shared, "r+"))


def _tell(answers: int, answer: dict[str, Any]) -> None:
    left = json.dumps(answer).encode("ascii") + b"\n"
    while left:
        left = left[os.write(answers, left) :]


def _capped(limit: int) -> bool:
    """Whether the system refuses this process more memory than `limit` bytes."""
    try:
        import resource

        hard = resource.getrlimit(resource.RLIMIT_AS)[1]
        least = limit if hard == resource.RLIM_INFINITY else min(limit, hard)
        resource.setrlimit(resource.RLIMIT_AS, (least, least))
    except (ImportError, AttributeError, OSError, ValueError):
        return False
    return True
