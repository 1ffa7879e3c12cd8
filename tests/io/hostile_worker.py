"""A decoding process with readers that do what no reader may: started by the tests as a program of its own."""

from __future__ import annotations

import os
import sys
import time
from io import FileIO
from pathlib import Path
from typing import Any, NoReturn

import numpy as np

from clinfuse.errors import DataError
from clinfuse.io.worker import TASKS, Task, serve


def hang(item: dict[str, Any], shared: object) -> NoReturn:
    """Never comes back."""
    while True:
        time.sleep(0.01)


def die(item: dict[str, Any], shared: object) -> NoReturn:
    """Ends the process without a word, as a crash in compiled code does."""
    os._exit(1)


def swell(item: dict[str, Any], shared: object) -> dict[str, Any]:
    """Takes more memory than there is, and calls it damage, as readers do."""
    try:
        np.ones(2**45, dtype=np.uint8)
    except MemoryError:
        raise DataError("NIFTI_DAMAGED", place="file", rule="a rule", found="damage", remedy="None.") from None
    return {}


def take(item: dict[str, Any], shared: object) -> dict[str, Any]:
    """Takes half a gigabyte."""
    return {"taken": np.empty(2**29, dtype=np.uint8).nbytes}


def chatter(item: dict[str, Any], shared: object) -> dict[str, Any]:
    """Prints what it reads, as some decoders do."""
    print(item["word"])
    sys.stderr.write(item["word"])
    os.write(1, item["word"].encode())
    return {"said": sys.stdin.read()}


def fail(item: dict[str, Any], shared: object) -> NoReturn:
    """Raises with a value of the file in its text, or hangs."""
    if item["how"] == "hang":
        hang(item, shared)
    raise {"key": KeyError, "file": PermissionError}[item["how"]](item["word"])


def lie(item: dict[str, Any], shared: object) -> dict[str, Any]:
    """Says that there is an array, and that it is larger than all there is."""
    array = {"dtype": "<f4", "wire": "<f4", "shape": [2**20] * 3, "axes": [0, 1, 2], "flips": []}
    return {"value": "Volume", "array": array, "rest": {"remarks": [], "unit": "HU"}}


def chosen(task: str) -> Task:
    """Does what the file says, else what the task is."""

    def do(item: dict[str, Any], shared: FileIO) -> dict[str, Any]:
        says = Path(item.get("file") or item["files"][0]).read_bytes()[:8].strip()
        return {b"hang": hang, b"die": die, b"swell": swell, b"lie": lie}.get(says, TASKS[task])(item, shared)

    return do


if __name__ == "__main__":
    serve(
        {"hang": hang, "die": die, "swell": swell, "take": take, "chatter": chatter, "fail": fail}
        | {task: chosen(task) for task in TASKS}
    )
