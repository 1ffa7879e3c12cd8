"""Bad radiographs that were saved as pictures: cut, changed, turned, transparent, of gigabytes, in colours."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image, PngImagePlugin

from tests.faults.fault import NAME, NUMBER, Fault
from tests.faults.image_reading import reading

SIZE = {"size": [4, 4]}
read_png = reading("xray", **SIZE, format="png")
read_jpeg = reading("xray", **SIZE, format="jpeg")
read_tiff = reading("xray", **SIZE, format="tiff")
Build = Callable[[Path, int], Path]


def stored(variant: int, dtype: type = np.uint8) -> np.ndarray:
    """An image of another shape for every variant."""
    shape = [(6, 8), (5, 5), (16, 4), (9, 12)][variant % 4]
    return np.random.default_rng(variant).integers(0, 200, shape).astype(dtype)


def picture(folder: Path, array: np.ndarray, kind: str = "png", **options: object) -> Path:
    file = folder / f"{NUMBER}_{NAME}.{kind}"
    Image.fromarray(array).save(file, **options)
    return file


def of_bytes(kind: str, *contents: bytes) -> Build:
    def build(folder: Path, variant: int) -> Path:
        file = folder / f"{NUMBER}_{NAME}.{kind}"
        file.write_bytes(contents[variant])
        return file

    return build


def named_png(folder: Path, array: np.ndarray) -> bytes:
    """A PNG with the patient's name in a text chunk."""
    notes = PngImagePlugin.PngInfo()
    notes.add_text("Patient", f"{NAME} {NUMBER}")
    return picture(folder, array, pnginfo=notes).read_bytes()


def cut_png(folder: Path, variant: int) -> Path:
    noise = np.random.default_rng(variant).integers(0, 256, (32, 32)).astype(np.uint8)
    data = named_png(folder, noise)
    return of_bytes("png", *[data[: int(len(data) * share)] for share in (0.3, 0.5, 0.7, 0.9)])(folder, variant)


def changed_png(folder: Path, variant: int) -> Path:
    noise = np.random.default_rng(variant).integers(0, 256, (32, 32)).astype(np.uint8)
    data = bytearray(named_png(folder, noise))
    data[data.index(b"IDAT") + (10, 100, 300, 600)[variant]] ^= 0x10
    return of_bytes("png", *[bytes(data)] * 4)(folder, variant)


def cut_jpeg(folder: Path, variant: int) -> Path:
    noise = np.random.default_rng(variant).integers(0, 256, (64, 64)).astype(np.uint8)
    data = picture(folder, noise, "jpeg", comment=NAME).read_bytes()
    return of_bytes("jpeg", *[data[: int(len(data) * share)] for share in (0.4, 0.5, 0.7, 0.9)])(folder, variant)


def cut_tiff(folder: Path, variant: int) -> Path:
    noise = np.random.default_rng(variant).integers(0, 256, (32, 32)).astype(np.uint8)
    options = {} if variant < 2 else {"compression": "tiff_deflate"}
    data = picture(folder, noise, "tiff", **options).read_bytes()
    # The directory lies before the pixels of an uncompressed file.
    return of_bytes("tiff", *[data[: int(len(data) * share)] for share in (0.5, 0.9, 0.4, 0.8)])(folder, variant)


def declared_bomb(folder: Path, variant: int) -> Path:
    """A PNG whose header claims far more than its bytes can hold."""
    data = bytearray(named_png(folder, np.zeros((4, 4), np.uint8)))
    start = data.index(b"IHDR")
    width, height = ((2**31 - 1, 2**31 - 1), (60000, 60000), (13000, 13000), (2**20, 160))[variant]
    data[start + 4 : start + 12] = width.to_bytes(4, "big") + height.to_bytes(4, "big")
    data[start + 17 : start + 21] = zlib.crc32(data[start : start + 17]).to_bytes(4, "big")
    return of_bytes("png", *[bytes(data)] * 4)(folder, variant)


def several_pages(folder: Path, variant: int) -> Path:
    pages = [Image.fromarray(stored(k, np.uint8)) for k in range(variant + 2)]
    file = folder / f"{NUMBER}.tiff"
    pages[0].save(file, save_all=True, append_images=pages[1:])
    return file


def turned(folder: Path, variant: int) -> Path:
    exif = Image.Exif()
    exif[0x0112] = (3, 6, 8, 2)[variant]
    exif[0x013B] = NAME
    return picture(folder, stored(variant, np.uint8), "jpeg", exif=exif)


def transparent(folder: Path, variant: int) -> Path:
    rng = np.random.default_rng(variant)
    if variant < 2:
        return picture(folder, rng.integers(0, 256, (6, 6, (2, 4)[variant])).astype(np.uint8))
    array = rng.integers(0, 256, (6, 6) if variant == 2 else (6, 6, 3)).astype(np.uint8)
    return picture(folder, array, transparency=5 if variant == 2 else (1, 2, 3))


def other_depth(folder: Path, variant: int) -> Path:
    if variant == 0:
        return picture(folder, np.eye(6, dtype=bool), "tiff")
    array = stored(variant, (np.float32, np.float32, np.int32)[variant - 1]) * (1 if variant < 3 else -70000)
    return picture(folder, array, "tiff")


def colour_picture(folder: Path, variant: int) -> Path:
    array = np.random.default_rng(variant).integers(0, 256, (6, 6, 3)).astype(np.uint8)
    if variant % 2 == 0:
        return picture(folder, array)
    file = folder / f"{NUMBER}.png"
    Image.fromarray(array).convert("P", palette=Image.Palette.ADAPTIVE).save(file)
    return file


PNG_OF_TEXT = f"{NAME} {NUMBER}".encode() * 20
FAULTS = (
    Fault(
        "D02",
        "picture that is another format",
        "REJ",
        "PICTURE_FORMAT",
        of_bytes(
            "png", PNG_OF_TEXT, b"\xff\xd8\xff\xe0" + PNG_OF_TEXT, b"II*\0" + PNG_OF_TEXT, b"\x89PNG" + PNG_OF_TEXT
        ),
        read_png,
    ),
    Fault("D01", "picture without a byte", "REJ", "PICTURE_EMPTY", of_bytes("png", b""), read_png, 1),
    Fault("D06", "png that is cut", "REJ", "PICTURE_DAMAGED", cut_png, read_png),
    Fault("D06", "png with a changed byte", "REJ", "PICTURE_DAMAGED", changed_png, read_png),
    Fault("D06", "jpeg that is cut", "REJ", "PICTURE_DAMAGED", cut_jpeg, read_jpeg),
    Fault("D06", "tiff that is cut", "REJ", "PICTURE_DAMAGED", cut_tiff, read_tiff),
    Fault("D12", "picture of gigabytes", "REJ", "BOMB", declared_bomb, read_png),
    Fault("D11", "tiff of several pages", "REJ", "PICTURE_PAGES", several_pages, read_tiff),
    Fault("D34", "picture with a note that turns it", "ASK", "PICTURE_TURNED", turned, read_jpeg),
    Fault("D22", "picture in colours", "ASK", "XRAY_COLOUR", colour_picture, read_png),
    Fault("D22", "transparent picture", "REJ", "PICTURE_TRANSPARENT", transparent, read_png),
    Fault("D13", "picture of another depth", "REJ", "PICTURE_DEPTH", other_depth, read_tiff),
    Fault(
        "D51",
        "jpeg film",
        "FLAG",
        "XRAY_LOSSY",
        lambda folder, variant: picture(folder, stored(variant, np.uint8), "jpeg"),
        read_jpeg,
    ),
    Fault(
        "S14",
        "picture of one grey value",
        "REJ",
        "XRAY_CONSTANT",
        lambda folder, variant: picture(
            folder, np.full((5, 5), (0, 255, 9, 300)[variant], np.uint8 if variant < 3 else np.uint16)
        ),
        read_png,
    ),
)
