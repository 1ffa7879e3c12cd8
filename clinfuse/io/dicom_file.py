"""One DICOM file: opened once, its tags read with a type, its pixels decoded as stored."""

from __future__ import annotations

import logging
import re
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn

import numpy as np
import pydicom
from pydicom.datadict import tag_for_keyword
from pydicom.dataset import Dataset, FileDataset
from pydicom.pixels import get_decoder
from pydicom.uid import (
    UID,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEGExtended12Bit,
)

from clinfuse.errors import ConfigError, DataError

NATIVE_LITTLE_ENDIAN = (ImplicitVRLittleEndian, ExplicitVRLittleEndian, DeflatedExplicitVRLittleEndian)
_PREAMBLE = 128
_NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?", re.ASCII)
# pydicom logs and warns with the value it stumbled over, which may identify a patient.
_PYDICOM_LOG = logging.getLogger("pydicom")


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


def looks_like_dicom(file: Path) -> bool:
    """Whether the first bytes are those of a DICOM file, with or without the 128-byte preamble.

    Raises
    ------
    DataError
        ``DCM_OPEN`` where the file cannot be opened.
    """
    try:
        with file.open("rb") as stream:
            head = stream.read(_PREAMBLE + 4)
    except OSError:
        _refuse("DCM_OPEN", "a file that can be opened", "one that cannot", "Check that it exists and may be read.")
    return head[_PREAMBLE:] == b"DICM" or _bare(head)


def _bare(head: bytes) -> bool:
    """Group 0002 or 0008 at byte 0 and a two-letter VR or a short length: a data set written without preamble."""
    return len(head) > 8 and head[:2] in (b"\x02\x00", b"\x08\x00") and head[3] == 0


def open_dicom(file: Path, *, tags: Sequence[str] | None = None, pixels: bool = True) -> FileDataset:
    """The data set of one file; with ``tags`` only these keywords, without ``pixels`` nothing from the pixels on.

    Raises
    ------
    DataError
        ``DCM_OPEN``, ``DCM_EMPTY``, ``DCM_FORMAT``, ``DCM_DAMAGED``.
    """
    if not looks_like_dicom(file):
        empty = file.stat().st_size == 0
        code, found = ("DCM_EMPTY", "an empty file") if empty else ("DCM_FORMAT", "another kind of file")
        _refuse(code, "a DICOM file", found, "Export the image again as DICOM.")
    try:
        with quiet():
            return pydicom.dcmread(
                file, force=True, stop_before_pixels=not pixels, specific_tags=None if tags is None else list(tags)
            )
    # pydicom answers damaged bytes with a dozen unrelated kinds of error, RecursionError among them.
    except Exception:
        _refuse("DCM_DAMAGED", "a DICOM file that can be read to its end", "a damaged one", "Export it again.")


def text(dataset: Dataset, keyword: str) -> str:
    """The value of a tag as text without surrounding blanks, several values joined by a backslash; "" if absent."""
    try:
        with quiet():
            value = dataset.get(keyword)
    except Exception:
        _refuse("DCM_TAG", f"a readable {keyword}", "a value that cannot be read", "Export the file again.")
    if value is None:
        return ""
    if isinstance(value, str | bytes | int | float) or not isinstance(value, Sequence):
        return str(value).strip()
    return "\\".join(str(part).strip() for part in value)


def numbers(dataset: Dataset, keyword: str, count: int) -> np.ndarray:
    """The value of a tag as ``count`` finite float64 numbers; an empty array if the tag is absent or empty.

    Raises
    ------
    DataError
        ``DCM_TAG`` where the value is not ``count`` finite numbers.
    """
    written = text(dataset, keyword)
    if not written:
        return np.empty(0)
    parts = written.split("\\")
    if len(parts) != count or not all(_NUMBER.fullmatch(part) for part in parts):
        _refuse("DCM_TAG", f"{keyword} with {count} decimal number(s)", "something else", "Export the file again.")
    values = np.array([float(part) for part in parts])
    if not np.isfinite(values).all():
        _refuse("DCM_TAG", f"{keyword} with finite numbers", "an overflow", "Export the file again.")
    return values


def stored_pixels(dataset: Dataset) -> np.ndarray:
    """One grey frame as stored, integer, (rows, columns): no rescaling, no window, sign as the header declares it.

    Bits above ``BitsStored`` (old overlays) are dropped and the sign bit is extended over them.

    Raises
    ------
    DataError
        ``DCM_PIXELS``, ``DCM_FRAMES``, ``DCM_COLOUR``, ``DCM_SIZE``, ``DCM_BITS``, ``DCM_TRUNCATED``, ``DCM_LENGTH``,
        ``DCM_CODEC``, ``DCM_DAMAGED``.
    """
    rows, columns, allocated, stored, signed = _layout(dataset)
    syntax = _syntax(dataset)
    if syntax not in NATIVE_LITTLE_ENDIAN:
        return _decoded(dataset, syntax, (rows, columns))
    data = _bytes(dataset)
    expected = rows * columns * allocated // 8
    if len(data) < expected:
        _refuse("DCM_TRUNCATED", "pixel data for every pixel", "fewer bytes than pixels", "Export the file again.")
    if len(data) > expected + expected % 2:
        _refuse("DCM_LENGTH", "pixel data of one frame", "more bytes than pixels", "Export the file again.")
    kind = "i" if signed else "u"
    image = np.frombuffer(data, dtype=f"<{kind}{allocated // 8}", count=rows * columns).reshape(rows, columns)
    spare = allocated - stored
    return image if spare == 0 else (image << spare) >> spare


def _layout(dataset: Dataset) -> tuple[int, int, int, int, bool]:
    """Rows, columns, bits allocated, bits stored, signed."""
    if "PixelData" not in dataset:
        _refuse("DCM_PIXELS", "an image", "a file without pixel data", "Leave it out of the series.")
    if (text(dataset, "NumberOfFrames") or "1") != "1":
        _refuse("DCM_FRAMES", "one frame", "another number of frames", "Export the series as single-frame images.")
    grey = text(dataset, "PhotometricInterpretation") in ("MONOCHROME1", "MONOCHROME2")
    if not grey or whole(dataset, "SamplesPerPixel") != 1:
        _refuse("DCM_COLOUR", "grey pixels", "colour pixels", "Export the original, not a screenshot.")
    rows, columns = whole(dataset, "Rows"), whole(dataset, "Columns")
    if rows < 1 or columns < 1:
        _refuse("DCM_SIZE", "at least one row and one column", "none", "Export the file again.")
    allocated, stored = whole(dataset, "BitsAllocated"), whole(dataset, "BitsStored")
    high = whole(dataset, "HighBit") if "HighBit" in dataset else stored - 1
    if allocated not in (8, 16, 32) or not 1 <= stored <= allocated or high != stored - 1:
        _refuse(
            "DCM_BITS", "8, 16 or 32 bits, the lowest in use", "another layout of the bits", "Export the file again."
        )
    sign = whole(dataset, "PixelRepresentation")
    if sign not in (0, 1):
        _refuse("DCM_BITS", "PixelRepresentation 0 or 1", "another value", "Export the file again.")
    return rows, columns, allocated, stored, sign == 1


def padding(dataset: Dataset, stored: np.ndarray) -> np.ndarray:
    """Which stored pixels are padding, bool of the same shape; none where no padding value is declared."""
    ends = [numbers(dataset, key, 1) for key in ("PixelPaddingValue", "PixelPaddingRangeLimit")]
    # Scanners write the padding value with the wrong sign type: -2000 as 63536. The bits are what is meant.
    bits = [np.array(int(end[0])).astype(stored.dtype) for end in ends if end.size]
    if not bits:
        return np.zeros(stored.shape, dtype=bool)
    return (stored >= min(bits)) & (stored <= max(bits))


def whole(dataset: Dataset, keyword: str) -> int:
    """The value of a tag that must hold one whole number.

    Raises
    ------
    DataError
        ``DCM_TAG`` where it is absent or something else.
    """
    value = numbers(dataset, keyword, 1)
    if value.size == 0 or value[0] != round(value[0]):
        _refuse("DCM_TAG", f"one whole number in {keyword}", "none", "Export the file again.")
    return int(value[0])


def _syntax(dataset: Dataset) -> UID:
    written = getattr(dataset, "file_meta", Dataset()).get("TransferSyntaxUID", ImplicitVRLittleEndian)
    with quiet():
        syntax = UID(str(written))
    if not syntax.is_transfer_syntax:
        _refuse("DCM_CODEC", "a known transfer syntax", "an unknown one", "Ask for an uncompressed export.")
    return syntax


def _bytes(dataset: Dataset) -> bytes:
    try:
        with quiet():
            return bytes(dataset.PixelData)
    except Exception:
        _refuse("DCM_DAMAGED", "pixel data that can be read", "damaged ones", "Export the file again.")


def _decoded(dataset: Dataset, syntax: UID, shape: tuple[int, int]) -> np.ndarray:
    # The decoder of extended JPEG stops at 8 bits, and says so only after it has tried.
    too_deep = syntax == JPEGExtended12Bit and whole(dataset, "BitsStored") > 8
    if too_deep or (syntax.is_compressed and not _has_codec(syntax)):
        _refuse(
            "DCM_CODEC",
            "a transfer syntax that can be decoded here",
            syntax.name,
            "Decompress the file in the archive (or with dcmdjpeg), or ask for an uncompressed export.",
        )
    try:
        with quiet():
            image = np.asarray(dataset.pixel_array)
    except Exception:
        _refuse("DCM_DAMAGED", "pixel data that can be decoded", f"damaged {syntax.name}", "Export the file again.")
    if image.shape != shape:
        _refuse("DCM_LENGTH", "one frame of the declared size", "another size", "Export the file again.")
    return image


def _has_codec(syntax: UID) -> bool:
    try:
        return bool(get_decoder(syntax).is_available)
    except NotImplementedError:
        return False


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
    return text(open_dicom(file, tags=("SpecificCharacterSet", keyword), pixels=False), keyword)


def _refuse(code: str, rule: str, found: str, remedy: str) -> NoReturn:
    raise DataError(code, place="DICOM file", rule=rule, found=found, remedy=remedy) from None
