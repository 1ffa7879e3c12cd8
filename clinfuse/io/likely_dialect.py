"""How a text table seems to be written: its delimiter, and the encodings that read it."""

from __future__ import annotations

import codecs
import csv
import io
from collections.abc import Sequence
from pathlib import Path

from clinfuse.errors import DataError
from clinfuse.io.files import read_whole

_ENCODINGS = ("cp1252", "latin-1", "cp1250", "cp1251")
_DELIMITERS = ",;\t|"
_UTF16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


def likely_dialect(file: Path) -> tuple[str, tuple[str, ...]]:
    """How a text table seems to be written.

    Parameters
    ----------
    file : Path

    Returns
    -------
    (str, tuple of str)
        Delimiter, and the encodings that read every byte of it, the likeliest first.

    Raises
    ------
    DataError
        ``TABLE_OPEN``, ``FILE_KIND``, ``FILE_CHANGED``, ``BOMB``.
    """
    try:
        data = read_whole(file, place="table")
    except OSError:
        raise DataError(
            "TABLE_OPEN",
            place="table",
            rule="a file that can be opened",
            found="one that cannot",
            remedy="Check the rights of the file.",
        ) from None
    encodings = _encodings(data)
    text = data[: 2**20].decode("utf-16" if data[:2] in _UTF16 else encodings[0], errors="replace")
    return _delimiter(text, "\t" if file.suffix.lower() == ".tsv" else ""), encodings


def _encodings(data: bytes) -> tuple[str, ...]:
    if data.startswith(codecs.BOM_UTF8) or data[:2] in _UTF16 or data.isascii():
        return ("utf-8", *_ENCODINGS)  # the mark wins over what is declared, and plain letters are the same in all
    found = tuple(name for name in ("utf-8", *_ENCODINGS) if _decodes(data, name))
    return found[:1] if "utf-8" in found else found


def _decodes(data: bytes, encoding: str) -> bool:
    try:
        data.decode(encoding)
    except UnicodeDecodeError:
        return False
    return True


def _delimiter(text: str, known: str) -> str:
    """The sign that gives the most columns, the same number in every line looked at, else the most in the first."""
    if known:
        return known
    lines = text.splitlines()[:200]
    ranks = {sign: _columns_by(sign, lines) for sign in _DELIMITERS}
    return max(_DELIMITERS, key=lambda sign: ranks[sign])


def _columns_by(sign: str, lines: Sequence[str]) -> tuple[int, int]:
    """Columns that a delimiter gives in every line, 0 where their number differs, and in the first."""
    try:
        widths = [len(row) for row in csv.reader(io.StringIO("\n".join(lines)), delimiter=sign) if row]
    except csv.Error:
        return 0, 0
    same = len(set(widths)) == 1 and widths[0] > 1
    return (widths[0] if same else 0), (widths[0] if widths else 0)
