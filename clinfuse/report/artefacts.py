"""What lies in a finished run: values by file and key, and the digest of every file that is named as evidence."""

from __future__ import annotations

import hashlib
import json
import math
from functools import lru_cache
from pathlib import Path
from typing import Any, final

SHOWN_DIGITS = 12


@final
class Artefacts:
    """The files of a run, read when they are asked for.

    Parameters
    ----------
    folder : Path
        Of the run.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._json = lru_cache(maxsize=None)(self._read)
        self.digest = lru_cache(maxsize=None)(self._digest)

    def value(self, file: str, *keys: str) -> Any:
        """Give what a JSON file of the run says under some keys; None where file or key is missing or says nothing."""
        found = self._json(file)
        for key in keys:
            found = found.get(key) if isinstance(found, dict) else None
        return None if found in ("", [], {}) else found

    def has(self, file: str) -> bool:
        """Whether a file lies in the run."""
        return (self.folder / file).is_file()

    def _digest(self, file: str) -> str:
        """SHA-256 of a file as 64 hexadecimal digits."""
        with (self.folder / file).open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()

    def named(self, file: str) -> str:
        """Give a file as evidence names it: its place in the run and the first 12 digits of its SHA-256."""
        return f"{file} {self.digest(file)[:SHOWN_DIGITS]}"

    def matching(self, pattern: str) -> tuple[str, ...]:
        """Give the files of the run that a pattern such as ``"folds/*/late/key.json"`` matches, sorted."""
        found = (one for one in self.folder.glob(pattern) if one.is_file())
        return tuple(sorted(one.relative_to(self.folder).as_posix() for one in found))

    def weights(self, file: str) -> int:
        """Give how many weights of networks a safetensors file holds, read from its header alone; 0 for none.

        References
        ----------
        The format: eight bytes with the length of the header, little-endian, then the header as JSON.
        """
        try:
            with (self.folder / file).open("rb") as stream:
                header = json.loads(stream.read(int.from_bytes(stream.read(8), "little")))
        except (OSError, ValueError):
            return 0
        return sum(math.prod(one["shape"]) for name, one in header.items() if "/weights/" in name)

    def _read(self, file: str) -> Any:
        try:
            return json.loads((self.folder / file).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
