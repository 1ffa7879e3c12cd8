"""Compressed DICOM pixels: looked at from outside before a decoder may touch them."""

from __future__ import annotations

import logging
import struct
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import NoReturn, final

import numpy as np
from pydicom.pixels import get_decoder
from pydicom.pixels.utils import get_j2k_parameters
from pydicom.uid import (
    UID,
    JPEG2000TransferSyntaxes,
    JPEGBaseline8Bit,
    JPEGExtended12Bit,
    JPEGLSTransferSyntaxes,
    RLELossless,
)

from clinfuse.errors import DataError
from clinfuse.io.budget import check_size

# pydicom logs and warns with the value it stumbled over, which may identify a patient.
_PYDICOM_LOG = logging.getLogger("pydicom")
_ITEM, _DELIMITER = b"\xfe\xff\x00\xe0", b"\xfe\xff\xdd\xe0"
_JP2 = b"\x00\x00\x00\x0cjP  "
_PACKAGES = (
    (JPEG2000TransferSyntaxes, "pylibjpeg-openjpeg"),
    ([UID(f"1.2.840.10008.1.2.4.{n}") for n in (201, 202, 203)], "pylibjpeg-openjpeg"),
    (JPEGLSTransferSyntaxes, "pyjpegls"),
    ([JPEGBaseline8Bit, JPEGExtended12Bit], "pillow"),
)


@final
@dataclass(frozen=True)
class Layout:
    """How the pixels of an image are written.

    Parameters
    ----------
    rows, columns, frames : int
    allocated, stored : int
        Bits of a pixel, and how many of them, the lowest, are in use.
    signed : bool
    photometric : str
        ``MONOCHROME1`` or ``MONOCHROME2``.
    """

    rows: int
    columns: int
    frames: int
    allocated: int
    stored: int
    signed: bool
    photometric: str = "MONOCHROME2"

    @property
    def size(self) -> int:
        """Bytes of all frames."""
        return self.rows * self.columns * self.frames * self.allocated // 8


@contextmanager
def quiet() -> Iterator[None]:
    """Keep warnings of the decoders away: their text holds values of the file."""
    disabled = _PYDICOM_LOG.disabled
    _PYDICOM_LOG.disabled = True
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        _PYDICOM_LOG.disabled = disabled


def decoded(data: bytes, syntax: UID, layout: Layout) -> np.ndarray:
    """The frames in encapsulated pixel data, integer, (frames, rows, columns).

    Raises
    ------
    DataError
        ``DCM_CODEC``, ``CODEC_MISSING``, ``DCM_FRAGMENTS``, ``DCM_LENGTH``, ``DCM_DAMAGED``, ``BOMB``.
    """
    check_compressed(data, syntax, layout)
    try:
        with quiet():
            image, _ = get_decoder(syntax).as_array(
                data,
                raw=True,
                allow_excess_frames=False,
                rows=layout.rows,
                columns=layout.columns,
                number_of_frames=layout.frames,
                samples_per_pixel=1,
                photometric_interpretation=layout.photometric,
                bits_allocated=layout.allocated,
                # The decoder of run lengths would drop the bits above without a look at them.
                bits_stored=layout.allocated if syntax == RLELossless else layout.stored,
                pixel_representation=int(layout.signed),
                pixel_keyword="PixelData",
            )
    # Decoders answer damaged bytes with whatever error they happen to run into.
    except Exception:
        _refuse("DCM_DAMAGED", "pixel data that can be decoded", f"damaged {syntax.name}")
    if image.size != layout.frames * layout.rows * layout.columns:
        _refuse("DCM_LENGTH", "frames of the declared number and size", "others")
    return np.asarray(image).reshape(layout.frames, layout.rows, layout.columns)


def check_compressed(data: bytes, syntax: UID, layout: Layout) -> None:
    """Refuse what no decoder here can read, or what one would not come back from.

    Raises
    ------
    DataError
        ``DCM_CODEC``, ``CODEC_MISSING``, ``DCM_FRAGMENTS``, ``DCM_LENGTH``, ``DCM_DAMAGED``, ``BOMB``.
    """
    _check_codec(syntax, layout)
    pieces = fragments(data)
    check_size("compressed DICOM image", layout.size, sum(map(len, pieces)))
    for piece in pieces:
        _check_piece(piece, syntax, layout)


def _check_codec(syntax: UID, layout: Layout) -> None:
    # The decoder of extended JPEG stops at 8 bits, and says so only after it has tried.
    too_deep = syntax == JPEGExtended12Bit and layout.stored > 8
    if not too_deep and (not syntax.is_compressed or has_codec(syntax)):
        return
    package = next((name for kinds, name in _PACKAGES if syntax in kinds), "")
    if package and not too_deep:
        _refuse("CODEC_MISSING", "a decoder for this transfer syntax", "none", f"Install the package `{package}`.")
    _refuse(
        "DCM_CODEC",
        "a transfer syntax that can be decoded here",
        syntax.name,
        "Decompress the file in the archive (or with dcmdjpeg), or ask for an uncompressed export.",
    )


def has_codec(syntax: UID) -> bool:
    """Whether a decoder of this transfer syntax is installed."""
    try:
        return bool(get_decoder(syntax).is_available)
    except NotImplementedError:
        return False


def fragments(data: bytes) -> list[bytes]:
    """The fragments of encapsulated pixel data without the offset table.

    Raises
    ------
    DataError
        ``DCM_FRAGMENTS`` where there are none, one ends outside, the end is not marked, or the offset table points
        to no fragment.
    """
    found, starts, pos = [], [], 0
    while data[pos : pos + 4] == _ITEM and pos + 8 <= len(data):
        (length,) = struct.unpack_from("<I", data, pos + 4)
        if pos + 8 + length > len(data):
            break
        starts.append(pos)
        found.append(data[pos + 8 : pos + 8 + length])
        pos += 8 + length
    if data[pos : pos + 4] != _DELIMITER or len(found) < 2:
        _refuse("DCM_FRAGMENTS", "compressed pixel data in whole fragments", "missing or cut ones")
    offsets = np.frombuffer(found[0], dtype="<u4", count=len(found[0]) // 4)
    if not {start - starts[1] for start in starts[1:]}.issuperset(offsets.tolist()):
        _refuse("DCM_FRAGMENTS", "an offset table that points to fragments", "another one")
    return found[1:]


def codestream_signed(data: bytes, layout: Layout) -> bool:
    """Whether JPEG 2000 pixel data say of themselves that they are signed; what the header says where they do not."""
    first = fragments(data)[0]
    _check_boxes(first)
    with quiet():
        found = get_j2k_parameters(first)
    return bool(found.get("is_signed", layout.signed))


def _check_piece(piece: bytes, syntax: UID, layout: Layout) -> None:
    """A frame that declares another size than the header would be decoded at that size."""
    if syntax == RLELossless:
        return
    _check_boxes(piece)
    size = _codestream_size(piece) or _jpeg_size(piece)
    if size and size != (layout.rows, layout.columns):
        _refuse("DCM_LENGTH", "frames of the declared size", "another size")


def _check_boxes(piece: bytes) -> None:
    """The boxes in front of a JPEG 2000 codestream; decoders go round for ever at one without length."""
    pos = 0 if piece.startswith(_JP2) else len(piece)
    while pos < len(piece):
        length = int.from_bytes(piece[pos : pos + 4], "big")
        if piece[pos + 4 : pos + 8] == b"jp2c":
            return
        if length < 8:
            _refuse("DCM_DAMAGED", "JPEG 2000 boxes that have a length", "one without")
        pos += length


def _codestream_size(piece: bytes) -> tuple[int, int] | None:
    """Rows and columns that a JPEG 2000 codestream declares; None for anything else."""
    start = piece.find(b"\xff\x4f\xff\x51", 0, 2**12)
    if start < 0 or len(piece) < start + 24 or piece[:2] == b"\xff\xd8":
        return None
    x, y, left, top = struct.unpack_from(">4I", piece, start + 8)
    return y - top, x - left


def _jpeg_size(piece: bytes) -> tuple[int, int] | None:
    """Rows and columns that a JPEG or JPEG-LS frame declares; None for anything else."""
    pos = 2 if piece[:2] == b"\xff\xd8" else len(piece)
    while pos + 9 <= len(piece) and piece[pos] == 0xFF:
        marker = piece[pos + 1]
        if marker == 0xF7 or (0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC)):
            rows, columns = struct.unpack_from(">HH", piece, pos + 5)
            return rows, columns
        pos += 2 + int.from_bytes(piece[pos + 2 : pos + 4], "big")
    return None


def _refuse(code: str, rule: str, found: str, remedy: str = "Export the file again.") -> NoReturn:
    raise DataError(code, place="DICOM file", rule=rule, found=found, remedy=remedy) from None
