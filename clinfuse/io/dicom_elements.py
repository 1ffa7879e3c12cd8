"""The bytes of a DICOM file as a table of its elements: nothing is decoded, no length is believed.

The walk over the elements is a loop, not a recursion, holds every declared length against the bytes that are there, and
inflates a deflated file piece by piece against a budget. What it lets through is safe to hand to other libraries.
"""

from __future__ import annotations

import io
import os
import struct
import zlib
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import NoReturn, final

from pydicom.charset import python_encoding
from pydicom.datadict import dictionary_VR, tag_for_keyword
from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.tag import BaseTag
from pydicom.uid import (
    UID,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
)

from clinfuse.errors import DataError
from clinfuse.io.budget import check_size
from clinfuse.io.dicom_walk import (
    BIG,
    BINARY,
    EXPLICIT,
    IMPLICIT,
    PIXEL_DATA,
    UNDEFINED,
    Coding,
    MoreNeeded,
    Places,
    damaged,
    head,
    inside,
    truncated,
    walk,
)
from clinfuse.io.files import open_regular, read_whole
from clinfuse.io.values import Remark

PREAMBLE = 128
_CHARSET, _CLASS, _SYNTAX = 0x00080005, 0x00080016, 0x00020010
_NO_TEXT = (b"OB", b"OD", b"OF", b"OL", b"OV", b"OW", b"SQ", b"UN", b"AT")
_FIRST_READ = 2**16
_LONGEST_HEADER = 2**26
_PIECE = 2**20
_ENDLESS = 2**62
_BARE = (Remark("DCM_PREAMBLE", "A file without the DICOM preamble was read all the same."),)
_OTHER_VR = (Remark("DCM_VR", "A file is written with the other kind of VR than it declares; it was read as written."),)
_BIG_ENDIAN = (Remark("DCM_BIG_ENDIAN", "A file is written in the retired big endian order; it was read."),)


@final
@dataclass(frozen=True, eq=False)
class Elements:
    """The elements of one file up to its pixels.

    Parameters
    ----------
    data : bytes
        The data set, inflated if it was deflated, with everything in front of it.
    syntax : str
        UID of the transfer syntax as declared.
    little : bool
        Whether numbers are written with the lowest byte first.
    places : dict of int to (bytes, int, int)
        VR (empty where the file does not say), first byte and length of each element by its tag.
    remarks : tuple of Remark
        What is unusual about the way the file is written.
    """

    data: bytes
    syntax: str
    little: bool
    places: Places
    remarks: tuple[Remark, ...] = ()

    def __contains__(self, keyword: str) -> bool:
        return _tag(keyword) in self.places

    def raw(self, keyword: str) -> memoryview:
        """The bytes of an element, empty where it is absent; of encapsulated pixels everything to the end."""
        _, start, length = self.places.get(_tag(keyword), (b"", 0, 0))
        end = len(self.data) if length == UNDEFINED else start + length
        return memoryview(self.data)[start:end]

    def text(self, keyword: str) -> str:
        """The value as text, several values joined by a backslash, without blanks around each; "" where absent."""
        tag = _tag(keyword)
        if tag not in self.places:
            return ""
        written, start, length = self.places[tag]
        kind = written if written not in (b"", b"UN") else _dictionary_vr(tag)
        if kind in _NO_TEXT or length == UNDEFINED:
            return ""
        raw = self.data[start : start + length]
        if kind in BINARY:
            form = BINARY[kind]
            count = length // struct.calcsize(form)
            values = struct.unpack_from(f"{'<' if self.little else '>'}{count}{form}", raw)
            return "\\".join(map(str, values))
        whole = raw.decode("ascii") if raw.isascii() else raw.decode(self.encoding, errors="replace")
        return "\\".join([part.strip(" \0") for part in whole.split("\\")])

    @property
    def encoding(self) -> str:
        """Name of the Python codec of the text; latin-1, which reads every byte, where the file names an unknown."""
        names = [name.strip() for name in self._charset().split("\\") if name.strip()]
        known = [python_encoding[name] for name in names if name in python_encoding]
        return known[-1] if known and len(known) == len(names) else "latin-1"

    def charset_known(self) -> bool:
        """Whether every character set that the file names exists."""
        return all(name.strip() in python_encoding for name in self._charset().split("\\"))

    def _charset(self) -> str:
        _, start, length = self.places.get(_CHARSET, (b"", 0, 0))
        return "" if length == UNDEFINED else self.data[start : start + length].decode("latin-1").strip(" \0")

    def dataset(self) -> Dataset:
        """The same elements for pydicom, each decoded when it is asked for."""
        explicit = any(vr for vr, _, _ in self.places.values())
        raw = {
            BaseTag(tag): RawDataElement(
                BaseTag(tag), vr.decode() or None, length, self._value(start, length), start, not explicit, self.little
            )
            for tag, (vr, start, length) in self.places.items()
        }
        made = Dataset(raw)
        made.file_meta = FileMetaDataset()
        made.file_meta.TransferSyntaxUID = UID(self.syntax)
        made.set_original_encoding(not explicit, self.little, [self.encoding])
        return made

    def _value(self, start: int, length: int) -> bytes:
        return self.data[start:] if length == UNDEFINED else self.data[start : start + length]


@cache
def _tag(keyword: str) -> int:
    return tag_for_keyword(keyword) or 0


@cache
def _dictionary_vr(tag: int) -> bytes:
    try:
        # "US or SS": whoever needs the sign asks for the bits.
        return dictionary_VR(tag)[:2].encode()
    except KeyError:
        return b"UN"


def read_elements(file: Path, *, pixels: bool = True) -> Elements:
    """The elements of a file; without ``pixels`` only its beginning is read, as far as they go.

    Raises
    ------
    DataError
        ``DCM_OPEN``, ``DCM_EMPTY``, ``DCM_FORMAT``, ``DCM_TRUNCATED``, ``DCM_DAMAGED``, ``DCM_DEPTH``, ``BOMB``,
        ``FILE_KIND`` and what `clinfuse.io.files.read_whole` raises.
    """
    try:
        if pixels:
            data = read_whole(file, place="DICOM file")
            return _parsed(data, len(data), pixels=True)
        with open_regular(file) as stream:
            return _beginning(stream, os.fstat(stream.fileno()).st_size)
    except OSError:
        _refuse("DCM_OPEN", "a file that can be opened", "one that cannot", "Check that it exists and may be read.")


def _beginning(stream: io.BufferedReader, total: int) -> Elements:
    data = stream.read(_FIRST_READ)
    while True:
        try:
            return _parsed(data, total, pixels=False)
        except MoreNeeded:
            data = _longer(data, stream)


def _longer(data: bytes, stream: io.BufferedReader) -> bytes:
    if len(data) > _LONGEST_HEADER:
        _refuse("BOMB", f"a header of at most {_LONGEST_HEADER >> 20} MB", "a longer one", "Check what wrote it.")
    more = stream.read(3 * len(data))
    if not more:
        truncated()
    return data + more


def _parsed(data: bytes, total: int, *, pixels: bool) -> Elements:
    """The elements in the first bytes of a file of ``total`` bytes."""
    if not data:
        _refuse("DCM_EMPTY", "a DICOM file", "an empty file", "Export the image again as DICOM.")
    bare = data[PREAMBLE : PREAMBLE + 4] != b"DICM"
    if bare and not looks_bare(data):
        _refuse("DCM_FORMAT", "a DICOM file", "another kind of file", "Export the image again as DICOM.")
    meta, start = _meta(data, 0 if bare else PREAMBLE + 4, total)
    syntax = _declared_syntax(data, meta, start)
    if syntax == DeflatedExplicitVRLittleEndian:
        found = _inflated(data, start, total, pixels=pixels)
    else:
        found = _data_set(data, start, total, syntax)
    if bare and _CLASS not in found.places:
        _refuse("DCM_FORMAT", "a DICOM file", "another kind of file", "Export the image again as DICOM.")
    if pixels:
        _check_pixels(found)
    return replace(found, remarks=found.remarks + _BARE) if bare else found


def _check_pixels(found: Elements) -> None:
    """Pixels that end inside the file. A header alone need not have them: it still says whose slice was cut."""
    _, start, length = found.places.get(PIXEL_DATA, (b"", 0, 0))
    if length != UNDEFINED and start + length > len(found.data):
        truncated()


def _data_set(data: bytes, start: int, total: int, syntax: str) -> Elements:
    coding = _coding(syntax, data, start)
    remarks: tuple[Remark, ...] = _BIG_ENDIAN if coding is BIG else ()
    if coding.explicit == (syntax == ImplicitVRLittleEndian):
        remarks += _OTHER_VR
    return Elements(data, syntax, coding.order == "<", walk(data, start, total, coding), remarks)


def _inflated(data: bytes, start: int, stored: int, *, pixels: bool) -> Elements:
    """The elements of a deflated file; the budget is asked after every piece."""
    syntax = str(DeflatedExplicitVRLittleEndian)
    if len(data) < stored:
        raise MoreNeeded
    inflate = zlib.decompressobj(-zlib.MAX_WBITS)
    out, feed = bytearray(data[:start]), data[start:]
    try:
        while feed and not inflate.eof:
            out += inflate.decompress(feed, _PIECE)
            check_size("deflated DICOM file", len(out), stored)
            feed = inflate.unconsumed_tail
            if not pixels:
                # The header of an ordinary file is in the first piece.
                with suppress(MoreNeeded):
                    return _data_set(bytes(out), start, _ENDLESS, syntax)
    except zlib.error:
        damaged()
    if not inflate.eof:
        truncated()
    return _data_set(bytes(out), start, len(out), syntax)


def looks_bare(head: bytes) -> bool:
    """Group 0002 or 0008 at byte 0 and a two-letter VR or a short length: a data set written without preamble."""
    return len(head) > 8 and head[:2] in (b"\x02\x00", b"\x08\x00") and head[3] == 0


def _meta(data: bytes, pos: int, total: int) -> tuple[Places, int]:
    """The elements of group 0002, always explicit little endian, and where the data set begins."""
    places: Places = {}
    while data[pos : pos + 2] == b"\x02\x00":
        tag, vr, start, length = head(data, pos, EXPLICIT, total)
        if length == UNDEFINED:
            damaged()
        pos = inside(start + length, len(data), total)
        places[tag] = vr, start, length
    return places, pos


def _declared_syntax(data: bytes, meta: Places, start: int) -> str:
    if _SYNTAX in meta:
        _, first, length = meta[_SYNTAX]
        return data[first : first + length].decode("latin-1").strip(" \0")
    return str(ExplicitVRLittleEndian if not meta and _has_vr(data, start) else ImplicitVRLittleEndian)


def _coding(syntax: str, data: bytes, start: int) -> Coding:
    """What the first element shows, whatever the file declares."""
    if syntax == ExplicitVRBigEndian and data[start : start + 1] == b"\0":
        return BIG
    return EXPLICIT if _has_vr(data, start) else IMPLICIT


def _has_vr(data: bytes, start: int) -> bool:
    vr = data[start + 4 : start + 6]
    return len(vr) == 2 and vr.isalpha() and vr.isupper()


def _refuse(code: str, rule: str, found: str, remedy: str) -> NoReturn:
    raise DataError(code, place="DICOM file", rule=rule, found=found, remedy=remedy) from None
