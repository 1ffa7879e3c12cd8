"""A program: commands one after the other in one process, everything logged, some with a part of a reader broken.

``python -m tests.contracts.commands_at_debug OUT.json [WORD]``; standard input holds a JSON list of
``{"arguments": [...], "site": "", "error": ""}``. With a word the process that decodes breaks at each call somewhere
else, always with that word in its error. What came of it is written to ``OUT.json``.
"""

from __future__ import annotations

import errno
import io
import json
import logging
import os
import sys
from collections.abc import Callable, Iterator
from itertools import chain, cycle, product, repeat
from pathlib import Path
from typing import Any
from unittest.mock import patch

ERRORS: dict[str, Callable[[str], Exception]] = {
    "OSError": lambda word: OSError(errno.EIO, word, f"/{word}"),
    "KeyError": KeyError,
    "ValueError": ValueError,
}
# Where readers call what reads, in the process that decodes.
_ALWAYS = ("clinfuse.io.worker.policy_of", "clinfuse.io.worker._regular")
_DICOM = tuple(f"clinfuse.io.dicom_elements.{name}" for name in ("read_whole", "walk", "_parsed"))
_SITES_OF = {
    "ct": _DICOM,
    "xray": _DICOM,
    "mr": ("clinfuse.io.nifti_bytes.open_regular", *_ALWAYS),
    "eeg": ("clinfuse.io.edf_header._channels", "clinfuse.io.edf_header._start"),
    "table": tuple(f"clinfuse.io.table_cells.{name}" for name in ("_bytes", "_tidy", "read_text")),
}
SITES = frozenset(site for sites in _SITES_OF.values() for site in sites)
Plans = dict[str, Iterator[tuple[str, str]]]


def _task(title: str, task: Any, plans: Plans, word: str, log: Path) -> Any:
    """The task, each time with another part broken; what was reached is written down."""

    def broken(item: dict[str, Any], shared: Any) -> dict[str, Any]:
        site, name = next(plans.get(item.get("kind", title), cycle([("", "")])))
        if not site:
            return task(item, shared)

        def fail(*given: object, **more: object) -> None:
            with log.open("a") as stream:
                stream.write(f"{site} {name}\n")
            raise ERRORS[name](word)

        with patch(site, fail):
            return task(item, shared)

    return broken


def serve_broken(word: str, log: Path) -> None:
    """Be the process that decodes, and break."""
    from clinfuse.io import worker

    for name in worker._READERS:
        __import__(name)
    # The first of each kind is spared: where no file can be read a command stops.
    plans: Plans = {kind: cycle([("", ""), *product(sites, ERRORS)]) for kind, sites in _SITES_OF.items()}
    # A command ends with the first table that cannot be read; the last one has to get further.
    plans["table"] = chain([("", "")], product(_SITES_OF["table"], ERRORS), repeat(("", "")))
    worker.serve({name: _task(name, task, plans, word, log) for name, task in worker.TASKS.items()})


def _install(word: str, log: Path) -> None:
    from clinfuse.io import guard

    code = (
        f"from tests.contracts.commands_at_debug import serve_broken, Path; serve_broken({word!r}, Path({str(log)!r}))"
    )
    guard._SHARED[os.getpid()] = guard.Guard(program=(sys.executable, "-c", code))


def main() -> None:
    logging.basicConfig(level=logging.DEBUG, stream=sys.stderr, force=True)
    from clinfuse.cli.main import main as clinfuse

    out, word = Path(sys.argv[1]), "".join(sys.argv[2:])
    if word:
        _install(word, out.with_suffix(".reached"))
    codes = []
    for one in json.load(io.TextIOWrapper(sys.stdin.buffer, encoding="utf-8")):
        if one.get("site"):
            with patch(one["site"], side_effect=ERRORS[one["error"]](word)) as broken:
                codes.append([clinfuse(one["arguments"]), broken.called])
        else:
            codes.append([clinfuse(one["arguments"]), True])
        sys.stdout.flush()
    out.write_text(json.dumps(codes), encoding="utf-8")


if __name__ == "__main__":
    main()
