"""DICOM files written byte by byte, so that they can be wrong in every way; each names its patient where it can."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TypeAlias

import numpy as np
from pydicom.datadict import dictionary_VR, tag_for_keyword

from tests.faults.fault import NAME, NUMBER

Values: TypeAlias = Mapping[str, object]
CT, ENHANCED = "1.2.840.10008.5.1.4.1.1.2", "1.2.840.10008.5.1.4.1.1.2.1"
IMPLICIT, EXPLICIT, BIG = "1.2.840.10008.1.2", "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.2"
DEFLATED, RLE, J2K = "1.2.840.10008.1.2.1.99", "1.2.840.10008.1.2.5", "1.2.840.10008.1.2.4.90"
SHAPES = ((6, 5), (4, 8), (7, 7), (10, 3), (5, 6), (3, 4))
_LONG = ("OB", "OW", "SQ", "UN", "UT", "UC", "UR")
_BINARY = {"US": "H", "SS": "h", "UL": "I", "FD": "d"}


def element(tag: int, vr: str, value: bytes, *, order: str = "<", implicit: bool = False) -> bytes:
    value += b"\0" * (len(value) % 2) if vr in (*_LONG, "UI") else b" " * (len(value) % 2)
    head = struct.pack(order + "HH", tag >> 16, tag & 0xFFFF)
    if implicit:
        return head + struct.pack("<I", len(value)) + value
    if vr in _LONG:
        return head + vr.encode() + struct.pack(order + "HI", 0, len(value)) + value
    return head + vr.encode() + struct.pack(order + "H", len(value)) + value


def encoded(values: Values, *, order: str = "<", implicit: bool = False) -> bytes:
    """A data set; a value may be text, numbers, bytes as they are, or a list of items."""
    parts = []
    for keyword, value in sorted(values.items(), key=lambda each: tag_for_keyword(each[0]) or 0):
        if value is None:
            continue
        tag = tag_for_keyword(keyword)
        assert tag is not None
        vr = "OW" if keyword == "PixelData" else dictionary_VR(tag)[:2]
        parts.append(element(tag, vr, _value(value, vr, order, implicit), order=order, implicit=implicit))
    return b"".join(parts)


def _value(value: object, vr: str, order: str, implicit: bool) -> bytes:
    if isinstance(value, bytes):
        return value
    if vr == "SQ":
        assert isinstance(value, Sequence)
        items = [encoded(item, order=order, implicit=implicit) for item in value]
        return b"".join(struct.pack(order + "HHI", 0xFFFE, 0xE000, len(item)) + item for item in items)
    parts = value if isinstance(value, (list, tuple)) else [value]
    if vr in _BINARY:
        return struct.pack(f"{order}{len(parts)}{_BINARY[vr]}", *parts)
    return "\\".join(map(str, parts)).encode("latin-1")


def meta(syntax: str, kind: str = CT) -> bytes:
    group = encoded(
        {
            "MediaStorageSOPClassUID": kind,
            "MediaStorageSOPInstanceUID": f"1.2.{NUMBER}",
            "TransferSyntaxUID": syntax,
            "SourceApplicationEntityTitle": NAME[:16],
        }
    )
    return element(0x00020000, "UL", struct.pack("<I", len(group))) + group


def whole(values: Values, syntax: str = EXPLICIT, *, written: str = "") -> bytes:
    """A file; ``written`` is the syntax it is really written in, where it lies."""
    real = written or syntax
    stored = values.get("PixelData")
    if real == BIG and isinstance(stored, bytes):
        values = dict(values) | {"PixelData": np.frombuffer(stored, "<u2").byteswap().tobytes()}
    body = encoded(values, order=">" if real == BIG else "<", implicit=real == IMPLICIT)
    if real == DEFLATED:
        packer = zlib.compressobj(9, zlib.DEFLATED, -15)
        body = packer.compress(body) + packer.flush()
    return f"{NAME} {NUMBER}".encode().ljust(128, b"\0") + b"DICM" + meta(syntax) + body


def pixels(variant: int, k: int, dtype: type = np.int16) -> np.ndarray:
    """Stored values of air, tissue and bone, other ones in every slice and variant."""
    rng = np.random.default_rng([variant, k])
    image = rng.integers(900, 2000, SHAPES[variant % len(SHAPES)])
    image[0] = 20
    return image.astype(dtype)


def slice_values(variant: int, k: int, **said: object) -> dict[str, object]:
    """A good slice of a series, 2 mm from its neighbours, as `encoded` wants it."""
    stored = said.pop("stored", pixels(variant, k))
    assert isinstance(stored, np.ndarray)
    bits = stored.dtype.itemsize * 8
    values: dict[str, object] = {
        "SpecificCharacterSet": "ISO_IR 100",
        "ImageType": "ORIGINAL\\PRIMARY\\AXIAL",
        "SOPClassUID": CT,
        "SOPInstanceUID": f"1.2.{NUMBER}.{k}",
        "StudyDate": "20240102",
        "AccessionNumber": NUMBER,
        "Modality": "CT",
        "ReferringPhysicianName": NAME,
        "SeriesDescription": NAME,
        "PatientName": f"{NAME}^{NAME}",
        "PatientID": NUMBER,
        "PatientComments": f"{NAME} {NUMBER}",
        "SliceThickness": "2",
        "StudyInstanceUID": f"1.2.{NUMBER}",
        "SeriesInstanceUID": f"1.2.{NUMBER}.5",
        "InstanceNumber": str(k + 1),
        "ImagePositionPatient": [-10.0, -20.0, 30.0 + 2 * k],
        "ImageOrientationPatient": "1\\0\\0\\0\\1\\0",
        "SamplesPerPixel": 1,
        "PhotometricInterpretation": "MONOCHROME2",
        "Rows": stored.shape[0],
        "Columns": stored.shape[1],
        "PixelSpacing": "0.7\\0.7",
        "BitsAllocated": bits,
        "BitsStored": bits,
        "HighBit": bits - 1,
        "PixelRepresentation": int(stored.dtype.kind == "i"),
        "RescaleIntercept": "-1024",
        "RescaleSlope": "1",
        "PixelData": stored.tobytes(),
    }
    return values | said


def count_of(variant: int) -> int:
    return 6 + variant


def named(folder: Path, k: int) -> Path:
    return folder / f"{NAME}_{NUMBER}_{k:02d}.dcm"


def series(
    folder: Path,
    variant: int,
    *,
    edit: Callable[[int, int], Values] = lambda k, count: {},
    syntax: str = EXPLICIT,
    written: str = "",
) -> Path:
    """A series in a folder; ``edit`` says for each slice, of so many, what it says otherwise."""
    folder.mkdir(exist_ok=True, parents=True)
    count = count_of(variant)
    for k in range(count):
        named(folder, k).write_bytes(whole(slice_values(variant, k, **edit(k, count)), syntax, written=written))
    return folder


def every(*choices: Values, **how: str) -> Callable[[Path, int], Path]:
    """A series in every slice of which the choice of the variant is said."""
    return lambda folder, variant: series(folder, variant, edit=lambda k, count: choices[variant % len(choices)], **how)


def one(*choices: Values) -> Callable[[Path, int], Path]:
    """A series in one slice of which, another one in every variant, the choice of the variant is said."""
    return lambda folder, variant: series(
        folder,
        variant,
        edit=lambda k, count: choices[variant % len(choices)] if k == (3 * variant + 1) % count else {},
    )


def placed(places: Callable[[int, int], Sequence[float]]) -> Callable[[Path, int], Path]:
    """A series whose slices lie where the function of their number and the variant says."""
    return lambda folder, variant: series(
        folder, variant, edit=lambda k, count: {"ImagePositionPatient": list(places(k, variant))}
    )


def changed(change: Callable[[bytes, int], bytes], **said: object) -> Callable[[Path, int], Path]:
    """One file whose bytes were changed by a function of them and the variant."""

    def build(folder: Path, variant: int) -> Path:
        file = named(folder, variant)
        file.write_bytes(change(whole(slice_values(variant, 0, **said)), variant))
        return file

    return build


def beside(extra: Callable[[Path, int], None]) -> Callable[[Path, int], Path]:
    """A good series, and what the function writes beside it."""

    def build(folder: Path, variant: int) -> Path:
        extra(series(folder, variant), variant)
        return folder

    return build


def encapsulated(*pieces: bytes, offsets: Sequence[int] = (), end: bool = True) -> bytes:
    """Compressed pixels as the value of an element of undefined length, its tag and length left out."""
    table = struct.pack(f"<{len(offsets)}I", *offsets)
    items = b"".join(b"\xfe\xff\x00\xe0" + struct.pack("<I", len(piece)) + piece for piece in (table, *pieces))
    return items + (b"\xfe\xff\xdd\xe0\0\0\0\0" if end else b"")


def compressed(values: Values, syntax: str, content: bytes) -> bytes:
    """A file with encapsulated pixel data."""
    head = whole(dict(values) | {"PixelData": None}, syntax)
    return head + b"\xe0\x7f\x10\x00OB\0\0\xff\xff\xff\xff" + content
