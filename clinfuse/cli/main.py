"""The entry point: every ending becomes an exit code, and no text of an error can hold a patient's value."""

from __future__ import annotations

import contextlib
import json
import signal
import sys
import traceback
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import FrameType
from typing import NoReturn

from clinfuse.errors import ClinfuseError

INTERRUPTED = 128 + int(signal.SIGINT)
TERMINATED = 128 + int(signal.SIGTERM)
UNEXPECTED = 70
_PACKAGE = str(Path(__file__).parent.parent)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and give its exit code.

    Parameters
    ----------
    arguments : sequence of str, optional
        Of the command line, without the program; by default those of this process.

    Returns
    -------
    int
        0 done; 1 done, but some inputs were refused; 2 input or configuration; 3 files could not be read or written;
        4 locked by another process; 5 training; 70 a fault in clinfuse; 130 and 143 interrupted and terminated.
    """
    from clinfuse.cli.app import app

    given = list(sys.argv[1:] if arguments is None else arguments)
    try:
        with _terminable():
            app(args=given, prog_name="clinfuse")
    except SystemExit as ending:
        code = ending.code if isinstance(ending.code, int) else int(ending.code is not None)
    except KeyboardInterrupt:
        code = INTERRUPTED
    except ClinfuseError as error:
        _print_refusal(error, as_json="--json" in given)
        return error.exit_code
    except Exception as error:
        _print_fault(error, as_json="--json" in given)
        return UNEXPECTED
    else:
        code = 0
    if code == INTERRUPTED:  # the command line library ends an interrupted command by itself, without a word
        sys.stderr.write("\nstopped   What was finished is kept; the same command goes on where it was.\n")
    return code


@contextlib.contextmanager
def _terminable() -> Iterator[None]:
    """End on SIGTERM as on any other exception, so that locks and worker processes are given back."""

    def stop(number: int, frame: FrameType | None) -> NoReturn:
        raise SystemExit(TERMINATED)

    try:
        before = signal.signal(signal.SIGTERM, stop)
    except ValueError:  # not the main thread of this process: whoever called keeps the signal
        yield
        return
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _print_refusal(error: ClinfuseError, *, as_json: bool) -> None:
    if as_json:
        parts = {name: getattr(error, name) for name in ("code", "place", "rule", "found", "remedy")}
        sys.stdout.write(json.dumps({"error": parts}, sort_keys=True) + "\n")
    sys.stderr.write(f"\nerror     {error.code}\n")
    for name in ("place", "rule", "found", "remedy"):
        sys.stderr.write(f"{name:<10}{getattr(error, name)}\n")


def _print_fault(error: Exception, *, as_json: bool) -> None:
    """Say what kind of fault and where, never its text: that may hold a value."""
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if frame.filename.startswith(_PACKAGE)] or list(frames)
    where = "an unknown line"
    if own:
        file = Path(own[-1].filename)
        name = file.relative_to(Path(_PACKAGE).parent).as_posix() if file.is_relative_to(_PACKAGE) else file.name
        where = f"{name}, line {own[-1].lineno}, in {own[-1].name}"
    if as_json:
        parts = {"code": "FAULT", "kind": type(error).__name__, "place": where}
        sys.stdout.write(json.dumps({"error": parts}, sort_keys=True) + "\n")
    sys.stderr.write(
        f"\nerror     FAULT\nkind      {type(error).__name__}\nplace     {where}\n"
        "remedy    This is a fault in clinfuse. Report kind and place; both are free of patient values.\n"
    )
