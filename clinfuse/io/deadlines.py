"""How long the process that decodes may take for a file: little for a small one, and more in proportion to its size."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from pathlib import Path

# With the start of another process behind it, a file that hangs costs less than ten seconds.
SMALL_FILE_S = 8.0
_NEXT_FILE_S = 0.1
_BYTES_PER_S = 2e6
# Cells of these are decompressed and told apart by their types, or read from XML: fewer of their bytes in a second.
_SLOWER = {".xlsx": 5e4, ".parquet": 2e5}


def seconds_for(files: Sequence[str], *, small: float = SMALL_FILE_S) -> float:
    """What the files of one record may take together, s.

    Parameters
    ----------
    files : sequence of str
        Those that are not there count as empty.
    small : float
        What a small file may take, s.

    Examples
    --------
    >>> seconds_for(["absent.edf", "absent too.eeg"])
    8.1
    """
    seconds = small + _NEXT_FILE_S * max(0, len(files) - 1)
    for name in files:
        with contextlib.suppress(OSError, ValueError):
            file = Path(name)
            seconds += file.stat().st_size / _SLOWER.get(file.suffix.lower(), _BYTES_PER_S)
    return seconds
