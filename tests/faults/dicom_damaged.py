"""Files that are cut, claim what they do not hold, or hold something else: D01 to D14."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from tests.faults.dicom_files import (
    beside,
    changed,
    encoded,
    every,
    named,
    one,
    pixels,
    series,
    slice_values,
    whole,
)
from tests.faults.dicom_reading import fault, scanned
from tests.faults.fault import NAME, NUMBER

_PIXELS = b"\xe0\x7f\x10\x00OW\0\0"


def content(*choices: bytes, name: str = "") -> Callable[[Path, int], Path]:
    """One file with these bytes."""

    def build(folder: Path, variant: int) -> Path:
        file = folder / (name or f"{NAME}{('.dcm', '', '.img', '.txt')[variant % 4]}")
        file.write_bytes(choices[variant % len(choices)])
        return file

    return build


def too_wide(folder: Path, variant: int) -> Path:
    """Metal, a sign in bits that have none, a stray bit and another padding than is declared, in a part of a series."""
    word = (5000, 0xFC18, 0x8400, 0x8000)[variant]

    def edit(k: int, count: int) -> dict[str, object]:
        words = pixels(variant, k, np.uint16)
        words[1, 1] = word if k % 2 else 7
        said = slice_values(variant, k, stored=words, BitsStored=12, HighBit=11)
        return said | ({"PixelPaddingValue": 0xC000} if variant == 3 else {})

    return series(folder, variant, edit=edit)


def foreign(*choices: tuple[str, bytes]) -> Callable[[Path, int], Path]:
    def write(folder: Path, variant: int) -> None:
        name, data = choices[variant % len(choices)]
        (folder / name).write_bytes(data)

    return beside(write)


def random_bytes(start: bytes) -> list[bytes]:
    return [start + np.random.default_rng(k).bytes(200 * (k + 1)) for k in range(4)]


def cut_before(tag: bytes) -> Callable[[bytes, int], bytes]:
    return lambda data, variant: data[: data.index(tag)]


def object_beside(*kinds: str) -> Callable[[Path, int], Path]:
    image = ("Rows", "Columns", "PixelData")

    def write(folder: Path, variant: int) -> None:
        said = slice_values(variant, 0, SOPClassUID=kinds[variant % len(kinds)], Modality="OT")
        (folder / "object").write_bytes(whole({k: v for k, v in said.items() if k not in image}))

    return beside(write)


def cut_in_export(folder: Path, variant: int) -> Path:
    file = named(series(folder, variant), 1)
    data = file.read_bytes()
    file.write_bytes(data[: (300, 500, 700, len(data) // 2)[variant]])
    return folder


def long_element(data: bytes, variant: int) -> bytes:
    head = (b"\x09\x00\x10\x10OB\0\0", b"\x09\x00\x10\x10UN\0\0", b"\x40\x00\x60\xa0SQ\0\0", _PIXELS)[variant]
    at = data.index(_PIXELS)
    return data[:at] + head + b"\xf0\xff\xff\xff" + bytes(512)


FAULTS = (
    fault("D01", "an empty file", "REJ", "DCM_EMPTY", content(b"")),
    fault("D01", "an empty file beside a series", "FIX", "DCM_SKIPPED", foreign(("a.dcm", b""), ("b", b""))),
    fault(
        "D02",
        "other files beside a series",
        "FIX",
        "DCM_SKIPPED",
        foreign(
            ("Thumbs.db", b"\xd0\xcf\x11\xe0" + bytes(512)),
            (f"{NAME}.txt", NUMBER.encode()),
            (".DS_Store", b"\0\0\0\1Bud1" + bytes(300)),
            ("report.pdf", b"%PDF-1.4 " + bytes(300)),
        ),
    ),
    fault(
        "D02",
        "a DICOMDIR beside a series",
        "FIX",
        "DCM_SKIPPED",
        foreign(("DICOMDIR", whole({"FileSetID": NAME, "DirectoryRecordSequence": [{"PatientID": NUMBER}]}))),
    ),
    fault(
        "D02",
        "a folder without DICOM",
        "REJ",
        "CT_EMPTY",
        lambda folder, variant: content(*random_bytes(b"x"))(folder, variant).parent,
    ),
    fault(
        "D03", "no preamble", "FIX", "DCM_PREAMBLE", changed(lambda data, variant: data[(132, 128 + 4)[variant % 2] :])
    ),
    fault(
        "D03",
        "no preamble and no meta group",
        "FIX",
        "DCM_PREAMBLE",
        lambda folder, variant: content(encoded(slice_values(variant, 0), implicit=variant % 2 == 1))(folder, variant),
    ),
    fault("D04", "random bytes", "REJ", "DCM_FORMAT", content(*random_bytes(b"\x1f"))),
    fault("D04", "noise behind the preamble", "REJ", "DCM_DAMAGED", content(*random_bytes(bytes(128) + b"DICM\x02\0"))),
    fault(
        "D05", "cut in the meta group", "REJ", "DCM_TRUNCATED", changed(lambda data, variant: data[: 150 + 9 * variant])
    ),
    fault(
        "D05", "cut in an element", "REJ", "DCM_TRUNCATED", changed(lambda data, variant: data[: 341 + 97 * variant])
    ),
    fault("D05", "cut in front of Rows", "REJ", "DCM_TRUNCATED", changed(cut_before(b"\x28\x00\x10\x00US"))),
    fault("D05", "cut files in an export", "FLAG", "DCM_TRUNCATED", cut_in_export, read=scanned),
    fault(
        "D06",
        "pixels cut",
        "REJ",
        "DCM_TRUNCATED",
        changed(lambda data, variant: data[: data.index(_PIXELS) + (8, 12, 30, 14)[variant]]),
    ),
    fault(
        "D06",
        "fewer pixels than rows and columns say",
        "REJ",
        "DCM_TRUNCATED",
        one({"PixelData": bytes(2)}, {"PixelData": b""}, {"Rows": 60}, {"Columns": 70}),
    ),
    fault(
        "D07",
        "more pixels than rows and columns say",
        "REJ",
        "DCM_LENGTH",
        one({"PixelData": bytes(1200)}, {"Rows": 1}, {"Columns": 1}, {"PixelData": bytes(4000)}),
    ),
    fault("D08", "an element of four gigabytes", "REJ", "DCM_TRUNCATED", changed(long_element)),
    fault(
        "D09",
        "objects without an image in a series",
        "FIX",
        "DCM_SKIPPED",
        object_beside(*(f"1.2.840.10008.5.1.4.1.1.{kind}" for kind in ("88.33", "481.3", "11.1", "88.59"))),
    ),
    fault("D09", "an image without pixels", "REJ", "DCM_PIXELS", one({"PixelData": None})),
    fault(
        "D10", "no rows or columns", "REJ", "DCM_SIZE", one({"Rows": 0}, {"Columns": 0}, {"Rows": 0, "PixelData": b""})
    ),
    fault("D10", "Columns not said", "REJ", "DCM_TAG", one({"Columns": None}, {"Columns": b""})),
    fault("D10", "Rows not said", "REJ", "DCM_TRUNCATED", one({"Rows": None})),
    fault(
        "D11",
        "frames in an image of one",
        "REJ",
        "DCM_FRAMES",
        one(*({"NumberOfFrames": said} for said in ("0", "-5", "2147483648", "2"))),
    ),
    fault(
        "D12",
        "a header that claims gigabytes",
        "REJ",
        "BOMB",
        one(
            {"Rows": 65535, "Columns": 65535},
            {"Rows": 40000, "Columns": 40000},
            {"Rows": 65535, "Columns": 65535, "BitsAllocated": 8, "BitsStored": 8, "HighBit": 7},
            {"Rows": 30000, "Columns": 30000, "BitsAllocated": 32},
        ),
    ),
    fault(
        "D13",
        "bits that do not fit together",
        "REJ",
        "DCM_BITS",
        one(
            {"BitsAllocated": 12},
            {"BitsStored": 17},
            {"HighBit": 11},
            {"BitsAllocated": 64},
            {"BitsStored": 0},
            {"PixelRepresentation": 2},
        ),
        variants=6,
    ),
    fault("D13", "values of more bits than the header states", "REJ", "DCM_BITS", too_wide),
    fault("D14", "signed or not is not said", "ASK", "DCM_SIGN", every({"PixelRepresentation": None})),
)
