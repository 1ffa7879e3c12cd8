"""One DICOM file: opened once, its tags read with a type, its pixels decoded as stored."""

from __future__ import annotations

import re
import stat
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import NoReturn, TypeAlias

import numpy as np
from pydicom.datadict import tag_for_keyword
from pydicom.dataset import Dataset
from pydicom.uid import (
    UID,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000TransferSyntaxes,
)

from clinfuse.errors import ConfigError, DataError
from clinfuse.io.budget import check_size
from clinfuse.io.dicom_bits import SpareBits, stored_bits
from clinfuse.io.dicom_codecs import Layout, codestream_signed, decoded, quiet
from clinfuse.io.dicom_elements import PREAMBLE, Elements, looks_bare, read_elements

Header: TypeAlias = Dataset | Elements
NATIVE = (ImplicitVRLittleEndian, ExplicitVRLittleEndian, DeflatedExplicitVRLittleEndian, ExplicitVRBigEndian)
# Of an overlay: the bit of the pixels it lies in, and data of its own.
_BIT, _DATA = 0x0102, 0x3000
_NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?", re.ASCII)


def looks_like_dicom(file: Path) -> bool:
    """Whether the first bytes are those of a DICOM file, with or without the 128-byte preamble.

    Raises
    ------
    DataError
        ``DCM_OPEN`` where the file cannot be opened.
    """
    try:
        # Opening a pipe would wait for somebody to write into it.
        if not stat.S_ISREG(file.stat().st_mode):
            return False
        with file.open("rb", buffering=0) as stream:
            head = stream.read(PREAMBLE + 4)
    except OSError:
        _refuse("DCM_OPEN", "a file that can be opened", "one that cannot", "Check that it exists and may be read.")
    return head[PREAMBLE:] == b"DICM" or looks_bare(head)


def open_dicom(file: Path) -> Dataset:
    """The data set of one file, for what only pydicom can read: sequences and look-up tables.

    Raises
    ------
    DataError
        ``DCM_OPEN``, ``DCM_EMPTY``, ``DCM_FORMAT``, ``DCM_TRUNCATED``, ``DCM_DAMAGED``, ``DCM_DEPTH``, ``BOMB``.
    """
    elements = read_elements(file)
    try:
        with quiet():
            return elements.dataset()
    except Exception:
        _refuse("DCM_DAMAGED", "a DICOM file that can be read to its end", "a damaged one", "Export it again.")


def text(header: Header, keyword: str) -> str:
    """The value of a tag as text without surrounding blanks, several values joined by a backslash; "" if absent."""
    if isinstance(header, Elements):
        return header.text(keyword)
    try:
        with quiet():
            return _written(header.get(keyword))
    except Exception:
        _refuse("DCM_TAG", f"a readable {keyword}", "a value that cannot be read", "Export the file again.")


def _written(value: object) -> str:
    """A value of pydicom as text; names of persons are decoded only now."""
    if value is None:
        return ""
    if isinstance(value, str | bytes | int | float) or not isinstance(value, Sequence):
        return str(value).strip()
    return "\\".join(str(part).strip() for part in value)


def numbers(header: Header, keyword: str, count: int) -> np.ndarray:
    """The value of a tag as ``count`` finite float64 numbers; an empty array if the tag is absent or empty.

    Raises
    ------
    DataError
        ``DCM_TAG`` where the value is not ``count`` finite numbers.
    """
    written = text(header, keyword)
    if not written:
        return np.empty(0)
    parts = written.split("\\")
    if len(parts) != count or not all(_NUMBER.fullmatch(part) for part in parts):
        _refuse("DCM_TAG", f"{keyword} with {count} decimal number(s)", "something else", "Export the file again.")
    values = np.array([float(part) for part in parts])
    if not np.isfinite(values).all():
        _refuse("DCM_TAG", f"{keyword} with finite numbers", "an overflow", "Export the file again.")
    return values


def stored_pixels(header: Header) -> np.ndarray:
    """One grey frame as stored, integer, (rows, columns): no rescaling, no window, sign as the header declares it.

    Raises
    ------
    DataError
        ``DCM_FRAMES``, ``DCM_SIGN``, and what `layout` and `stored_frames` raise.
    """
    if (text(header, "NumberOfFrames") or "1") != "1":
        _refuse("DCM_FRAMES", "one frame", "another number of frames", "Export the series as single-frame images.")
    shape = layout(header)
    if not sign_agrees(header, shape):
        remedy = "Ask for an uncompressed export."
        _refuse("DCM_SIGN", "a header that gives the pixels the sign they have", "a contradiction", remedy)
    return stored_frames(header, shape)[0]


def sign_agrees(header: Header, shape: Layout) -> bool:
    """Whether the pixels have the sign that the header states: those of JPEG 2000 say of themselves."""
    if transfer_syntax(header) not in JPEG2000TransferSyntaxes:
        return True
    return codestream_signed(bytes(_bytes(header)), shape) == shape.signed


def stored_frames(header: Header, shape: Layout) -> np.ndarray:
    """Grey frames as stored, integer, (frames, rows, columns); see `stored_bits` for bits that are not in use.

    Raises
    ------
    DataError
        ``DCM_BITS``, ``DCM_TRUNCATED``, ``DCM_LENGTH``, ``DCM_CODEC``, ``CODEC_MISSING``, ``DCM_FRAGMENTS``,
        ``DCM_DAMAGED``, ``BOMB``.
    """
    check_size("DICOM image", shape.size)
    syntax, data = transfer_syntax(header), _bytes(header)
    if syntax not in NATIVE:
        frames = decoded(bytes(data), syntax, shape)
    else:
        frames = _native(data, shape, swapped=syntax == ExplicitVRBigEndian)
    if shape.stored == frames.dtype.itemsize * 8:
        return frames
    return stored_bits(frames, shape.stored, _spare_bits(header, shape))


def _spare_bits(header: Header, shape: Layout) -> SpareBits:
    tags = {int(tag) for tag in (header.places if isinstance(header, Elements) else header.keys())}
    # Each overlay is a group of its own, 6000 to 60FE; one without data lies in the pixels.
    overlay = any(tag >> 24 == 0x60 and tag & 0xFFFF == _BIT and tag - _BIT + _DATA not in tags for tag in tags)
    written = numbers(header, "PixelPaddingValue", 1)
    wide = written.size and not -(1 << shape.stored - 1) <= written[0] < 1 << shape.stored
    return SpareBits(overlay, int(written[0]) if wide else None)


def _native(data: memoryview, shape: Layout, *, swapped: bool) -> np.ndarray:
    if len(data) < shape.size:
        _refuse("DCM_TRUNCATED", "pixel data for every pixel", "fewer bytes than pixels", "Export the file again.")
    if len(data) > shape.size + shape.size % 2:
        _refuse("DCM_LENGTH", "pixel data of the declared frames", "more bytes than pixels", "Export the file again.")
    kind = f"{'i' if shape.signed else 'u'}{shape.allocated // 8}"
    if swapped and shape.allocated == 8:
        # Bytes written as words of two, each turned round; the last of an odd number has a partner.
        pairs = np.frombuffer(data, dtype=kind)
        found = pairs[: len(pairs) // 2 * 2].reshape(-1, 2)[:, ::-1].ravel()[: shape.size]
    else:
        count = shape.size * 8 // shape.allocated
        found = np.frombuffer(data, dtype=f"{'>' if swapped else '<'}{kind}", count=count)
    return found.reshape(shape.frames, shape.rows, shape.columns)


def layout(header: Header, *, frames: int = 1, signed: bool | None = None) -> Layout:
    """How the pixels are written, checked; ``signed`` overrules what the header says or does not say.

    Raises
    ------
    DataError
        ``DCM_PIXELS``, ``DCM_COLOUR``, ``DCM_SIZE``, ``DCM_BITS``, ``DCM_TAG``.
    """
    if "PixelData" not in header:
        _refuse("DCM_PIXELS", "an image", "a file without pixel data", "Leave it out of the series.")
    photometric = text(header, "PhotometricInterpretation")
    if photometric not in ("MONOCHROME1", "MONOCHROME2") or whole(header, "SamplesPerPixel") != 1:
        _refuse("DCM_COLOUR", "grey pixels", "colour pixels", "Export the original, not a screenshot.")
    rows, columns = whole(header, "Rows"), whole(header, "Columns")
    if rows < 1 or columns < 1:
        _refuse("DCM_SIZE", "at least one row and one column", "none", "Export the file again.")
    allocated, stored = whole(header, "BitsAllocated"), whole(header, "BitsStored")
    high = whole(header, "HighBit") if "HighBit" in header else stored - 1
    if allocated not in (8, 16, 32) or not 1 <= stored <= allocated or high != stored - 1:
        _refuse(
            "DCM_BITS", "8, 16 or 32 bits, the lowest in use", "another layout of the bits", "Export the file again."
        )
    if signed is None:
        sign = whole(header, "PixelRepresentation")
        if sign not in (0, 1):
            _refuse("DCM_BITS", "PixelRepresentation 0 or 1", "another value", "Export the file again.")
        signed = sign == 1
    return Layout(rows, columns, frames, allocated, stored, signed, photometric)


def padding(header: Header, stored: np.ndarray) -> np.ndarray:
    """Which stored pixels are padding, bool of the same shape; none where no padding value is declared."""
    ends = padding_range(header, stored.dtype)
    if not ends:
        return np.zeros(stored.shape, dtype=bool)
    return (stored >= ends[0]) & (stored <= ends[1])


def padding_range(header: Header, dtype: np.dtype) -> tuple[int, int] | tuple[()]:
    """Lowest and highest stored value that is padding; empty where none is declared."""
    ends = [numbers(header, key, 1) for key in ("PixelPaddingValue", "PixelPaddingRangeLimit")]
    # Scanners write the padding value with the wrong sign type: -2000 as 63536. The bits are what is meant.
    bits = [int(np.array(int(end[0])).astype(dtype)) for end in ends if end.size]
    return (min(bits), max(bits)) if bits else ()


def whole(header: Header, keyword: str) -> int:
    """The value of a tag that must hold one whole number.

    Raises
    ------
    DataError
        ``DCM_TAG`` where it is absent or something else.
    """
    value = numbers(header, keyword, 1)
    if value.size == 0 or value[0] != round(value[0]):
        _refuse("DCM_TAG", f"one whole number in {keyword}", "none", "Export the file again.")
    return int(value[0])


def transfer_syntax(header: Header) -> UID:
    """The transfer syntax of a file.

    Raises
    ------
    DataError
        ``DCM_CODEC`` where it is none.
    """
    written = header.syntax if isinstance(header, Elements) else header.file_meta.TransferSyntaxUID
    syntax = _uid(str(written))
    if not syntax.is_transfer_syntax:
        _refuse("DCM_CODEC", "a known transfer syntax", "an unknown one", "Ask for an uncompressed export.")
    return syntax


@cache
def _uid(written: str) -> UID:
    with quiet():
        return UID(written)


def _bytes(header: Header) -> memoryview:
    if isinstance(header, Elements):
        return header.raw("PixelData")
    try:
        with quiet():
            return memoryview(header.PixelData)
    except Exception:
        _refuse("DCM_DAMAGED", "pixel data that can be read", "damaged ones", "Export the file again.")


def dicom_header(file: Path, keyword: str) -> str:
    """The value of one header field as text.

    Parameters
    ----------
    file : Path
        A DICOM file; its pixels are not read.
    keyword : str
        Standard keyword, e.g. ``"PatientID"``.

    Returns
    -------
    str
        Without surrounding blanks; several values joined by a backslash; empty where the file does not say.

    Raises
    ------
    ConfigError
        ``DCM_KEYWORD`` where DICOM knows no such keyword.
    DataError
        ``DCM_OPEN``, ``DCM_EMPTY``, ``DCM_FORMAT``, ``DCM_DAMAGED``, ``DCM_TAG``.

    Examples
    --------
    >>> from pathlib import Path
    >>> from pydicom.data import get_testdata_file
    >>> dicom_header(Path(get_testdata_file("CT_small.dcm")), "Modality")
    'CT'
    """
    if tag_for_keyword(keyword) is None:
        raise ConfigError(
            "DCM_KEYWORD",
            place=f"header {keyword!r}",
            rule="a keyword of the DICOM dictionary",
            found="an unknown one",
            remedy='Write for example "PatientID" or "AccessionNumber".',
        )
    return text(read_elements(file, pixels=False), keyword)


def _refuse(code: str, rule: str, found: str, remedy: str) -> NoReturn:
    raise DataError(code, place="DICOM file", rule=rule, found=found, remedy=remedy) from None
