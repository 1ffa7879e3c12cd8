"""``python -m tests.fuzz TARGET --seconds N``: feed a reader with damaged bytes until the time is over.

With atheris (``pip install 'clinfuse[fuzz]'``) by coverage; else by mutations of small seeds, of which those that lead
to another answer are kept. Ends with 1, and the input in hexadecimal, where anything but our errors came out.
"""

from __future__ import annotations

import argparse
import faulthandler
import importlib.util
import random
import resource
import signal
import sys
import time
from contextlib import suppress
from pathlib import Path
from types import FrameType
from typing import Any

SECONDS_EACH = 10
MEMORY = 4 * 2**30
# Of all that stands in memory at once, libraries included: inputs have some kilobytes.
MOST_KIB = 2**20


class LimitError(BaseException):
    """An input that took too long or too much; past every handler of exceptions."""


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz")
    parser.add_argument("target", choices=("dicom", "edf", "table"))
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--executions", type=int, default=0, help="at most so many; 0: no limit")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--plain", action="store_true", help="without atheris, even if it is there")
    given = parser.parse_args()
    if importlib.util.find_spec("atheris") is not None and not given.plain:
        return _by_coverage(given)
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    return _by_mutation(given)


def _by_mutation(given: argparse.Namespace) -> int:
    from tests.fuzz.mutate import mutated
    from tests.fuzz.seeds import SEEDS, TOKENS

    draw, pool = random.Random(given.seed), SEEDS[given.target]()
    seen: set[str] = set()
    count, end = 0, time.monotonic() + given.seconds
    first = list(pool)
    while time.monotonic() < end and (not given.executions or count < given.executions):
        data = first.pop() if first else mutated(pool, TOKENS[given.target], draw)
        count += 1
        try:
            said = _timed(given.target, data)
        except (Exception, LimitError) as error:
            return _report(given.target, data, error)
        if said not in seen:
            seen.add(said)
            pool.append(data)
    sys.stdout.write(f"{given.target}: {count} executions, {len(seen)} different answers\n")
    return 0


def _timed(target: str, data: bytes) -> str:
    """What came of it; time is that of the processor, so that a busy machine makes no hang."""
    from tests.fuzz.targets import outcome

    def stop(number: int, frame: FrameType | None) -> None:
        raise LimitError

    signal.signal(signal.SIGPROF, stop)
    signal.setitimer(signal.ITIMER_PROF, SECONDS_EACH)
    faulthandler.dump_traceback_later(60 * SECONDS_EACH, exit=True)
    try:
        said = outcome(target, data)
        if _peak_kib() > MOST_KIB:
            raise LimitError
        return said
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        faulthandler.cancel_dump_traceback_later()


def _peak_kib() -> int:
    """The most this program has held: the system's own count begins with that of the program that started it."""
    status = Path("/proc/self/status")
    lines = status.read_text(encoding="ascii").splitlines() if status.exists() else []
    peaks = [int(line.split()[1]) for line in lines if line.startswith("VmHWM:")]
    return peaks[0] if peaks else resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def _report(target: str, data: bytes, error: BaseException) -> int:
    from tests.fuzz.mutate import smaller

    def fails(less: bytes) -> bool:
        try:
            _timed(target, less)
        except type(error) as again:
            return _line(again) == _line(error)
        except (Exception, LimitError):
            return False
        return False

    least = data if isinstance(error, LimitError) else smaller(data, fails)
    sys.stdout.write(f"{target}: {type(error).__name__} in {_line(error)}: {error}\n{least.hex()}\n")
    return 1


def _line(error: BaseException) -> str:
    last = error.__traceback__
    while last is not None and last.tb_next is not None:
        last = last.tb_next
    return "" if last is None else f"{last.tb_frame.f_code.co_filename}:{last.tb_lineno}"


def _by_coverage(given: argparse.Namespace) -> int:
    import atheris  # type: ignore[import-not-found]

    with atheris.instrument_imports(include=["clinfuse.io", "pydicom"]):
        from tests.fuzz.seeds import SEEDS, TOKENS
        from tests.fuzz.targets import outcome
    from tempfile import TemporaryDirectory

    def once(data: bytes) -> None:
        outcome(given.target, data)

    with TemporaryDirectory() as folder, suppress(SystemExit):
        return _fuzzed(atheris, once, (SEEDS[given.target](), TOKENS[given.target]), folder, given)
    return 0


def _fuzzed(atheris: Any, once: Any, start: Any, folder: str, given: argparse.Namespace) -> int:
    corpus = Path(folder) / "corpus"
    corpus.mkdir()
    for number, data in enumerate(start[0]):
        (corpus / str(number)).write_bytes(data)
    words = Path(folder) / "words"
    words.write_text("\n".join('"' + "".join(f"\\x{byte:02x}" for byte in word) + '"' for word in start[1]))
    limits = [f"-max_total_time={int(given.seconds)}", f"-timeout={SECONDS_EACH}", f"-rss_limit_mb={MEMORY >> 20}"]
    options = [f"-dict={words}", f"-seed={given.seed + 1}", f"-artifact_prefix={folder}/", "-max_len=50000"]
    limits += [f"-runs={given.executions}"] if given.executions else []
    atheris.Setup([sys.argv[0], *limits, *options, str(corpus)], once)
    atheris.Fuzz()
    return 0


if __name__ == "__main__":
    sys.exit(main())
