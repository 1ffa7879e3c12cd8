"""Where words stand in what a program left behind, packed, compressed or coded as it may be."""

from __future__ import annotations

import base64
import binascii
import gzip
import io
import re
import zipfile
from collections.abc import Iterable, Iterator
from pathlib import Path

import pyarrow.parquet as pq

_DATA = re.compile(rb"base64,([A-Za-z0-9+/=\s]+)")


def found_words(words: Iterable[str], files: Iterable[Path], root: Path) -> list[tuple[str, str]]:
    """Every (file, word) where the word stands in the file or in its name below `root`, letters small or capital."""
    wanted = [word.lower().encode() for word in words]
    hits = []
    for file in files:
        name = file.relative_to(root).as_posix()
        pieces = [name.encode(), *readable(file.read_bytes())] if file.is_file() else [name.encode()]
        text = b"\0".join(pieces).lower()
        hits += [(name, word.decode()) for word in wanted if word in text]
    return hits


def readable(data: bytes) -> Iterator[bytes]:
    """The bytes themselves, and what comes out where they are packed."""
    yield data
    # UTF-16, as Windows and pickled text have it.
    yield data.replace(b"\0", b"")
    if data[:2] == b"\x1f\x8b":
        yield from readable(gzip.decompress(data))
    if data[:2] == b"PK":
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            for member in archive.namelist():
                yield member.encode()
                yield from readable(archive.read(member))
    if data[:4] == b"PAR1":
        table = pq.read_table(io.BytesIO(data))
        yield f"{table.schema.metadata} {table.column_names} {table.to_pydict()}".encode()
    for coded in _DATA.findall(data):
        try:
            yield from readable(base64.b64decode(coded))
        except binascii.Error:
            continue
