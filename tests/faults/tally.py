"""All bad inputs of this folder, and what became of each: for the count that the README prints."""

from __future__ import annotations

import importlib
import re
import time
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from clinfuse.errors import ClinfuseError, DataWarning
from tests.faults.fault import NAME, NUMBER, Fault


@dataclass(frozen=True)
class Verdict:
    """What one bad input got.

    Parameters
    ----------
    fault : Fault
    got : str
        Code of the error, or ``"read"``.
    right : bool
        Whether that is what is expected, the accepted line included where there is one.
    traceback : bool
        Whether something else than an error of clinfuse came out.
    leaked : bool
        Whether a message names the person or the place.
    seconds : float
    """

    fault: Fault
    got: str
    right: bool
    traceback: bool
    leaked: bool
    seconds: float


def all_faults() -> tuple[Fault, ...]:
    """Every kind of every module beside this one."""
    found: list[Fault] = []
    for file in sorted(Path(__file__).parent.glob("*.py")):
        if not file.stem.startswith(("test_", "__")):
            module = importlib.import_module(f"tests.faults.{file.stem}")
            found += [fault for fault in getattr(module, "FAULTS", ()) if fault not in found]
    return tuple(found)


def verdicts(faults: tuple[Fault, ...]) -> Iterator[Verdict]:
    """Make and read every variant of every kind."""
    for fault in faults:
        for variant in range(fault.variants):
            with TemporaryDirectory(prefix="clinfuse-") as place:
                yield judged(fault, variant, Path(place))


def judged(fault: Fault, variant: int, folder: Path) -> Verdict:
    """Make and read one variant in an empty folder."""
    path = fault.build(folder, variant)
    began = time.perf_counter()
    texts, right, traceback = "", False, False
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DataWarning)
            codes = fault.read(path, "")
        texts, got = " ".join(codes), "read"
        right = fault.action in ("FIX", "FLAG") and (not fault.code or fault.code in codes)
    except ClinfuseError as error:
        texts, got = f"{error} {error.args}", error.code
        right = fault.action in ("REJ", "FAIL", "ASK") and error.code == fault.code
    except Exception as error:
        got, traceback = type(error).__name__, True
    seconds = time.perf_counter() - began
    if right and fault.action == "ASK":
        right = _accepts(fault, path, texts)
    leaked = any(secret.casefold() in texts.casefold() for secret in (NAME, NUMBER, str(folder)))
    return Verdict(fault, got, right, traceback, leaked, seconds)


def _accepts(fault: Fault, path: Path, text: str) -> bool:
    """Whether the line that a refusal prints clears it."""
    lines = re.findall(r"`([^`]*=[^`]*)`", text)
    if not lines:
        return False
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DataWarning)
            fault.read(path, lines[0])
    except ClinfuseError:
        return False
    return True
