"""From element to element of a DICOM data set: a loop, not a recursion, that believes no length."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import NoReturn, TypeAlias, final

from clinfuse.errors import DataError

PIXEL_DATA = 0x7FE00010
UNDEFINED = 0xFFFFFFFF
# VR (empty where none is written), first byte and length of each element by its tag.
Places: TypeAlias = dict[int, tuple[bytes, int, int]]
BINARY = {b"US": "H", b"SS": "h", b"UL": "I", b"SL": "i", b"FL": "f", b"FD": "d", b"UV": "Q", b"SV": "q"}
# What a sequence begins with, which is all that tells it where no VR is written.
_ITEM_BYTES = b"\xfe\xff\x00\xe0"
_ITEM, _ITEM_END, _SEQUENCE_END = 0xFFFEE000, 0xFFFEE00D, 0xFFFEE0DD
_TEXT = frozenset(b"AE AS CS DA DS DT IS LO LT PN SH ST TM UI".split())
_LONG = frozenset((b"OB", b"OD", b"OF", b"OL", b"OV", b"OW", b"SQ", b"SV", b"UC", b"UN", b"UR", b"UT", b"UV"))
_SHORT = _TEXT | set(BINARY) - _LONG
# A sequence and its item count as one level each.
_DEEPEST = 2 * 32


@final
@dataclass(frozen=True, eq=False)
class Coding:
    """How numbers and VRs are written: the head of an element with and without VR, and a length of four bytes."""

    order: str
    explicit: bool

    head: struct.Struct
    long: struct.Struct


EXPLICIT = Coding("<", True, struct.Struct("<HH2sH"), struct.Struct("<I"))
IMPLICIT = Coding("<", False, struct.Struct("<HHI"), struct.Struct("<I"))
BIG = Coding(">", True, struct.Struct(">HH2sH"), struct.Struct(">I"))


class MoreNeeded(Exception):  # noqa: N818 - a signal between two files, never an error
    """The bytes at hand end inside an element; the file does not."""


def walk(data: bytes, pos: int, total: int, coding: Coding) -> Places:
    """VR, first byte and length of every element of the data set, up to the pixels."""
    places: Places = {}
    while pos < total:
        if coding.explicit:
            pos = _past_short(data, pos, coding, places)
            if pos == total:
                break
        tag, vr, start, length = head(data, pos, coding, total)
        if tag == PIXEL_DATA:
            places[tag] = vr, start, length
            break
        if length == UNDEFINED or vr == b"SQ" or data[start : start + 4] == _ITEM_BYTES:
            pos = _past_sequence(data, start, length, total, coding if vr != b"UN" else IMPLICIT)
            vr, length = b"SQ", pos - start - (8 if length == UNDEFINED else 0)
        else:
            pos = inside(start + length, len(data), total)
        places.setdefault(tag, (vr, start, length))
    return places


def _past_short(data: bytes, pos: int, coding: Coding, places: Places) -> int:
    """Where the first element begins that has no short length or ends outside; most have one, and this is quick."""
    unpack, size = coding.head.unpack_from, len(data)
    while pos + 8 <= size:
        group, number, vr, length = unpack(data, pos)
        start = pos + 8
        if vr not in _SHORT or start + length > size:
            break
        places.setdefault(group << 16 | number, (vr, start, length))
        pos = start + length
    return pos


def head(data: bytes, pos: int, coding: Coding, total: int) -> tuple[int, bytes, int, int]:
    """Tag, VR (empty where none is written), first byte and length of the element at ``pos``."""
    try:
        if not coding.explicit:
            group, number, length = coding.head.unpack_from(data, pos)
            return group << 16 | number, b"", pos + 8, length
        group, number, vr, short = coding.head.unpack_from(data, pos)
        if group == 0xFFFE:
            return group << 16 | number, b"", pos + 8, coding.long.unpack_from(data, pos + 4)[0]
        if vr in _LONG:
            return group << 16 | number, vr, pos + 12, coding.long.unpack_from(data, pos + 8)[0]
    except struct.error:
        if len(data) < total:
            raise MoreNeeded from None
        truncated()
    if not (vr.isalpha() and vr.isupper()):
        damaged()
    return group << 16 | number, vr, pos + 8, short


def inside(end: int, have: int, total: int) -> int:
    """A position that must lie inside the file."""
    if end > total:
        truncated()
    if end > have:
        raise MoreNeeded
    return end


def _past_sequence(data: bytes, start: int, length: int, total: int, coding: Coding) -> int:
    """Where the element after a sequence begins; nothing nested deeper than 32 sequences is accepted."""
    if length == UNDEFINED:
        return _past_items(data, start, UNDEFINED, total, coding)
    end = inside(start + length, len(data), total)
    try:
        _past_items(data, start, end, total, coding)
    except DataError as error:
        # What lies inside is not read; only its depth could harm, and its end is known.
        if error.code == "DCM_DEPTH":
            raise
    return end


def _past_items(data: bytes, pos: int, end: int, total: int, coding: Coding) -> int:
    ends = [end]
    while ends:
        if pos >= ends[-1]:
            pos = ends.pop()
            continue
        tag, vr, start, length = head(data, pos, coding, total)
        if tag in (_ITEM_END, _SEQUENCE_END):
            ends.pop()
            pos = start
        elif tag == PIXEL_DATA and length == UNDEFINED:
            pos = _past_fragments(data, start, total)
        elif length == UNDEFINED or tag == _ITEM or vr == b"SQ" or data[start : start + 4] == _ITEM_BYTES:
            if len(ends) >= _DEEPEST:
                _refuse("DCM_DEPTH", "sequences nested at most 32 deep", "deeper ones", "Export the file again.")
            ends.append(UNDEFINED if length == UNDEFINED else inside(start + length, len(data), total))
            pos = start
        else:
            pos = inside(start + length, len(data), total)
    return pos


def _past_fragments(data: bytes, pos: int, total: int) -> int:
    while True:
        tag, _, start, length = head(data, pos, IMPLICIT, total)
        if tag == _SEQUENCE_END:
            return start
        if tag != _ITEM:
            damaged()
        pos = inside(start + length, len(data), total)


def truncated() -> NoReturn:
    """Refuse a file whose elements do not end inside it."""
    _refuse("DCM_TRUNCATED", "elements that end inside the file", "one that is longer", "Export the file again.")


def damaged() -> NoReturn:
    """Refuse a file that does not follow the format."""
    _refuse("DCM_DAMAGED", "a DICOM file that can be read to its end", "a damaged one", "Export it again.")


def _refuse(code: str, rule: str, found: str, remedy: str) -> NoReturn:
    raise DataError(code, place="DICOM file", rule=rule, found=found, remedy=remedy) from None
