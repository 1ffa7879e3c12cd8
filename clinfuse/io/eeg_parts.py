"""Which files beside a recording belong to it: a header names them, and they lie nowhere else."""

from __future__ import annotations

import re
from pathlib import Path

from clinfuse.errors import DataError
from clinfuse.io.files import open_regular

_MOST_HEADER = 1 << 22
_LONGEST_NAME = 255
# Blanks are stripped afterwards: a pattern that leaves them out looks at a long run of them from every place in it.
_NAMED = re.compile(r"(?m)^[ \t]*(DataFile|MarkerFile)[ \t]*=([^\r\n]*)")


def content(file: Path) -> bytes:
    """The bytes of a small file, up to 4 MB; none of what cannot be opened."""
    try:
        with open_regular(file) as stream:
            return stream.read(_MOST_HEADER)
    except (DataError, OSError):
        return b""


def decoded(written: str) -> str:
    """Text that was read as latin-1 and may be UTF-8."""
    try:
        return written.encode("latin-1").decode("utf-8")
    except UnicodeDecodeError:
        return written


def named_files(text: str, file: Path) -> dict[str, str]:
    r"""What a BrainVision header calls its ``DataFile`` and ``MarkerFile``, as written there.

    Parameters
    ----------
    text : str
        Of the header, read as latin-1.
    file : Path
        The header: ``$b`` stands for its own name.

    Examples
    --------
    >>> named_files("DataFile=$b.eeg\nMarkerFile=a.vmrk\n", Path("rest.vhdr"))
    {'DataFile': 'rest.eeg', 'MarkerFile': 'a.vmrk'}
    """
    return {key: decoded(name.strip(" \t")).replace("$b", file.stem) for key, name in _NAMED.findall(text)}


def is_plain(name: str) -> bool:
    """Whether a name is that of a file in the same folder, with no way out of it, and short enough to be one.

    Examples
    --------
    >>> is_plain("rest.eeg"), is_plain("../rest.eeg"), is_plain("C:rest.eeg"), is_plain("")
    (True, False, False, False)
    """
    short = 0 < len(name.encode("utf-8", "replace")) <= _LONGEST_NAME
    return short and not re.search(r"[/\\:\0]", name) and name not in (".", "..")


def recording_parts(file: Path) -> tuple[str, ...]:
    """Names of the files beside a recording that belong to it, sorted; none for a format of one file.

    A recording is read by its first file alone; what depends on all of its bytes has to know the others.

    Parameters
    ----------
    file : Path
        Known by its ending: ``.vhdr`` (BrainVision) or ``.set`` (EEGLAB).
    """
    names: set[str] = set()
    if file.suffix.lower() == ".vhdr":
        names = set(named_files(content(file).decode("latin-1"), file).values())
    elif file.suffix.lower() == ".set":
        names = {f"{file.stem}.fdt"}
    return tuple(sorted(name for name in names if is_plain(name) and (file.parent / name).is_file()))
