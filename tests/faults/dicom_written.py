"""Files written or packed in ways that harm, or that are only unusual: D38 to D49, D51."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
from openjpeg.utils import encode_array
from pydicom import dcmread
from pydicom.uid import JPEGLSLossless, RLELossless

from tests.faults.dicom_damaged import content
from tests.faults.dicom_files import (
    BIG,
    DEFLATED,
    EXPLICIT,
    IMPLICIT,
    J2K,
    compressed,
    count_of,
    element,
    encapsulated,
    encoded,
    every,
    meta,
    named,
    pixels,
    series,
    slice_values,
    whole,
)
from tests.faults.dicom_reading import fault, read_without_codecs
from tests.faults.fault import NAME, NUMBER

_PIXELS = b"\xe0\x7f\x10\x00OW\0\0"


def compressed_file(*makers: Callable[[np.ndarray], bytes], **said: object) -> Callable[[Path, int], Path]:
    """One file with J2K pixel data that the maker of the variant gives."""

    def build(folder: Path, variant: int) -> Path:
        maker = makers[variant % len(makers)]
        stored = np.tile(pixels(variant, 0, np.uint16), (32, 32))
        file = named(folder, 0)
        file.write_bytes(compressed(slice_values(variant, 0, stored=stored) | said, J2K, maker(stored)))
        return file

    return build


def j2k(stored: np.ndarray) -> bytes:
    return bytes(encode_array(stored, bits_stored=16, photometric_interpretation=2))


def in_boxes(length: int, kind: bytes = b"ftyp", before: int = 0) -> Callable[[np.ndarray], bytes]:
    box = struct.pack(">I", 12) + b"free1234"
    boxes = b"\0\0\0\x0cjP  \r\n\x87\n" + box * before + struct.pack(">I", length) + kind + bytes(16)
    return lambda stored: encapsulated(boxes + j2k(stored))


def nested(depth: int, way: int) -> bytes:
    """Sequences in sequences, with and without lengths, explicit and implicit."""
    inner = b""
    for _ in range(depth):
        if way == 0:
            item = b"\xfe\xff\x00\xe0\xff\xff\xff\xff" + inner + b"\xfe\xff\x0d\xe0\0\0\0\0"
            inner = b"\x40\x00\x60\xa0SQ\0\0\xff\xff\xff\xff" + item + b"\xfe\xff\xdd\xe0\0\0\0\0"
        else:
            item = b"\xfe\xff\x00\xe0" + struct.pack("<I", len(inner)) + inner
            inner = element(0x0040A060, "SQ", item, implicit=way == 1)
    return inner


def deep(folder: Path, variant: int) -> Path:
    syntax = IMPLICIT if variant == 1 else EXPLICIT
    data = whole(slice_values(variant, 0), syntax)
    at = data.index(_PIXELS if syntax == EXPLICIT else b"\xe0\x7f\x10\x00")
    file = named(folder, 0)
    file.write_bytes(data[:at] + nested((200, 200, 200, 60)[variant], variant % 3) + data[at:])
    return file


def bomb(folder: Path, variant: int) -> Path:
    """A deflated file that is a thousandth of what it becomes."""
    size = 2**20 * (48, 64, 96, 128)[variant]
    values = slice_values(variant, 0) | {"PixelData": None}
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    parts = [packer.compress(encoded(values if variant % 2 else {"SOPClassUID": values["SOPClassUID"]}))]
    tag = _PIXELS if variant % 2 else b"\x09\x00\x10\x10OB\0\0"
    parts += [packer.compress(tag + struct.pack("<I", size))]
    parts += [packer.compress(bytes(2**20)) for _ in range(size >> 20)]
    file = named(folder, 0)
    file.write_bytes(bytes(128) + b"DICM" + meta(DEFLATED) + b"".join(parts) + packer.flush())
    return file


def packed(folder: Path, variant: int) -> Path:
    """A series in a lossless syntax, by pydicom."""
    series(folder, variant)
    for k in range(count_of(variant)):
        dataset = dcmread(named(folder, k))
        dataset.compress((RLELossless, JPEGLSLossless)[variant % 2])
        dataset.save_as(named(folder, k))
    return folder


def transfer_syntax(*syntaxes: str, **said: object) -> Callable[[Path, int], Path]:
    def build(folder: Path, variant: int) -> Path:
        syntax = syntaxes[variant % len(syntaxes)]
        file = named(folder, 0)
        file.write_bytes(compressed(slice_values(variant, 0) | said, syntax, encapsulated(b"\xff\xd8" + bytes(30))))
        return file

    return build


def lying(written: str, said: str) -> Callable[[Path, int], Path]:
    return lambda folder, variant: series(folder, variant, syntax=said, written=written)


FAULTS = (
    fault(
        "D14",
        "signed or not is said in two ways",
        "ASK",
        "DCM_SIGN",
        compressed_file(lambda stored: encapsulated(j2k(stored)), PixelRepresentation=1),
    ),
    fault("D38", "big endian", "FLAG", "DCM_BIG_ENDIAN", lying(BIG, BIG)),
    fault("D38", "without VR, as declared", "FIX", "", lying(IMPLICIT, IMPLICIT)),
    fault("D38", "without VR, against its declaration", "FLAG", "DCM_VR", lying(IMPLICIT, EXPLICIT)),
    fault("D38", "with VR, against its declaration", "FLAG", "DCM_VR", lying(EXPLICIT, IMPLICIT)),
    fault("D39", "deflated", "FIX", "", lying(DEFLATED, DEFLATED)),
    fault(
        "D39",
        "deflated and cut",
        "REJ",
        "DCM_TRUNCATED",
        lambda folder, variant: content(whole(slice_values(variant, 0), DEFLATED)[: -20 - 30 * variant])(
            folder, variant
        ),
    ),
    fault(
        "D39",
        "deflated and damaged",
        "REJ",
        "DCM_DAMAGED",
        lambda folder, variant: content(bytes(128) + b"DICM" + meta(DEFLATED) + b"\xff" * (40 + variant))(
            folder, variant
        ),
    ),
    fault("D40", "a deflated bomb", "REJ", "BOMB", bomb),
    fault(
        "D41",
        "JPEG 2000 and JPEG-LS without their package",
        "REJ",
        "CODEC_MISSING",
        transfer_syntax(*(f"1.2.840.10008.1.2.4.{n}" for n in (90, 91, 80, 201))),
        read=read_without_codecs,
    ),
    fault(
        "D42",
        "JPEG of twelve bits",
        "REJ",
        "DCM_CODEC",
        transfer_syntax("1.2.840.10008.1.2.4.51", BitsStored=12, HighBit=11),
    ),
    fault("D43", "run lengths and JPEG-LS", "FIX", "", packed),
    fault(
        "D43",
        "films and retired syntaxes",
        "REJ",
        "DCM_CODEC",
        transfer_syntax(
            *(f"1.2.840.10008.1.2.4.{n}" for n in (100, 102, 53, 55)), "1.2.3.4", "1.2.840.10008.1.2.4.107"
        ),
        variants=6,
    ),
    fault(
        "D44",
        "a JPEG 2000 box without length",
        "REJ",
        "DCM_DAMAGED",
        compressed_file(in_boxes(0), in_boxes(0, b"jp2h", 1), in_boxes(7, b"free", 3), in_boxes(1)),
    ),
    fault("D45", "sequences nested too deep", "REJ", "DCM_DEPTH", deep),
    fault(
        "D46",
        "compressed pixels without their end",
        "REJ",
        "DCM_FRAGMENTS",
        compressed_file(
            lambda stored: encapsulated(j2k(stored), end=False),
            lambda stored: encapsulated(),
            lambda stored: encapsulated(j2k(stored))[:-30],
            lambda stored: b"",
        ),
    ),
    fault(
        "D46",
        "an offset table that points nowhere",
        "REJ",
        "DCM_FRAGMENTS",
        compressed_file(
            *(lambda stored, at=at: encapsulated(j2k(stored), offsets=[at]) for at in (4, 77, 10**6, 2**32 - 1))
        ),
    ),
    fault(
        "D46",
        "a frame of another size than the header says",
        "REJ",
        "DCM_LENGTH",
        compressed_file(
            lambda stored: encapsulated(j2k(stored[:-5])), lambda stored: encapsulated(j2k(np.tile(stored, 2)))
        ),
    ),
    fault(
        "D46",
        "a damaged frame",
        "REJ",
        "DCM_DAMAGED",
        compressed_file(
            lambda stored: encapsulated(bytes(40)),
            lambda stored: encapsulated(j2k(stored)[:60]),
            lambda stored: encapsulated(NAME.encode()),
            lambda stored: encapsulated(b"\xff" * 64),
        ),
    ),
    fault(
        "D47",
        "an unknown character set",
        "FLAG",
        "DCM_CHARSET",
        every(*({"SpecificCharacterSet": said} for said in ("ISO_IR 999", NAME, "\\KOI8", "UTF8"))),
    ),
    fault(
        "D47",
        "text in another character set",
        "FLAG",
        "DCM_CHARSET",
        every(
            {"SpecificCharacterSet": "ISO_IR 192", "SeriesDescription": b"Sch\xe4del "},
            {"SpecificCharacterSet": "ISO_IR 192", "PatientName": b"M\xfcller\xff"},
            {"SpecificCharacterSet": "ISO_IR 192", "PatientID": b"7\xb5"},
            {"SpecificCharacterSet": "ISO_IR 192", "SeriesDescription": b"\xc3\x28"},
        ),
    ),
    fault(
        "D48",
        "values that do not fit their type in fields nobody reads",
        "FIX",
        "",
        every(
            {"InstanceNumber": "1.5", "StudyDate": "1970-13-45"},
            {"PatientAge": NAME, "PatientWeight": "7" * 40},
            {"StudyTime": "99:99", "SeriesNumber": "x" * 20},
            {"AcquisitionDateTime": NUMBER, "KVP": "-" * 30},
        ),
    ),
    fault(
        "D49",
        "a number that is a path",
        "FIX",
        "",
        every(*({"SOPInstanceUID": said} for said in ("../../etc/passwd", "/dev/zero", "C:\\x", "a" * 200))),
    ),
    fault(
        "D51",
        "compressed with losses",
        "FLAG",
        "DCM_LOSSY",
        every({"LossyImageCompression": "01"}, {"LossyImageCompression": "01", "LossyImageCompressionRatio": "20"}),
    ),
)
