"""A radiograph that was saved as PNG, JPEG or TIFF: grey values without the header that would say what they are."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import NoReturn, TypeVar

import numpy as np
from PIL import Image, ImageOps

from clinfuse.errors import DataError
from clinfuse.io.budget import check_size
from clinfuse.io.files import read_whole
from clinfuse.io.film_colour import check_colour, luma
from clinfuse.io.film_display import constant
from clinfuse.io.film_header import burned_in
from clinfuse.io.policies import XrayPolicy
from clinfuse.io.values import Radiograph, Remark

Found = TypeVar("Found")
PLACE = "picture"
_BEGINS = {"png": (b"\x89PNG\r\n",), "jpeg": (b"\xff\xd8\xff",), "tiff": (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")}
_TURN, _POLARITY, _WHITE_IS_ZERO = 0x0112, 0x0106, 0
_EIGHT, _SIXTEEN = ("L",), ("I;16", "I;16B", "I;16L", "I;16N", "I")
_COLOURS, _CLEAR = ("RGB", "P", "YCbCr"), ("LA", "PA", "RGBA", "La", "RGBa")


def read_picture(file: Path, *, policy: XrayPolicy) -> Radiograph:
    """The radiograph in a PNG, JPEG or TIFF file of 8 or 16 bits.

    8-bit values are what a screen shows, 0 to 255. Files of 16 bits seldom use them all: there the smallest value
    becomes 0 and the largest 1, as for a DICOM file without a window. A TIFF file that stores white as 0 is turned.
    Nothing else says whether bone is bright: look at the contact sheet.

    Parameters
    ----------
    file : Path
        One image, upright.
    policy : XrayPolicy
        ``format`` names the format; another one is refused.

    Returns
    -------
    Radiograph
        Pixel size unknown: dots per inch are those of paper.

    Raises
    ------
    DataError
        ``FILE_KIND``, ``PICTURE_OPEN``, ``PICTURE_EMPTY``, ``PICTURE_FORMAT``, ``PICTURE_DAMAGED``, ``PICTURE_PAGES``,
        ``PICTURE_TURNED``, ``PICTURE_TRANSPARENT``, ``PICTURE_DEPTH``, ``XRAY_COLOUR``, ``XRAY_CONSTANT``, ``BOMB``.

    Examples
    --------
    >>> from pathlib import Path
    >>> from tempfile import TemporaryDirectory
    >>> from PIL import Image
    >>> with TemporaryDirectory() as folder:
    ...     file = Path(folder) / "film.png"
    ...     Image.fromarray(np.array([[0, 51], [102, 255]], np.uint8)).save(file)
    ...     film = read_picture(file, policy=XrayPolicy(format="png"))
    >>> film.array.round(1).tolist()
    [[0.0, 0.20000000298023224], [0.4000000059604645, 1.0]]
    """
    remarks: list[Remark] = []
    with _quiet(), _opened(file, policy.format) as image:
        check_size(PLACE, image.width * image.height * 4, file.stat().st_size)
        if _tried(lambda: getattr(image, "n_frames", 1)) != 1:
            _refuse("PICTURE_PAGES", "one image in a file", "several", "Save each as a file of its own.")
        mode, inverted = image.mode, _inverted(image)
        if mode in _CLEAR or "transparency" in image.info:
            _refuse("PICTURE_TRANSPARENT", "an opaque picture", "a transparent one", "Save it without transparency.")
        if mode in _COLOURS:
            remarks.append(check_colour(policy))
        elif mode not in _EIGHT + _SIXTEEN:
            _refuse("PICTURE_DEPTH", "grey values of 8 or 16 bits", "another depth")
        remarks += _turned(image, policy)
        pixels = _pixels(image, policy.turned == "apply")
    # Pillow turns 8 bits of a white-is-zero file itself, and leaves 16 as they are.
    grey = _grey(65535 - pixels if inverted and mode in _SIXTEEN else pixels)
    if inverted:
        remarks.append(Remark("XRAY_INVERTED", "The file stores white as 0; it was inverted."))
    if policy.format == "jpeg":
        remarks.append(Remark("XRAY_LOSSY", "The image was compressed with loss."))
    if grey.min() == grey.max():
        constant()
    said, withheld = burned_in("", policy)
    return Radiograph(grey.astype(np.float32), remarks=(*remarks, *withheld), burned_in=said)


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep Pillow's warnings and messages away: they repeat the tags of the file."""
    # Its modules make their loggers when they are imported, the first time a file is opened at the latest.
    Image.init()
    loggers = [logging.getLogger(name) for name in logging.root.manager.loggerDict if name.split(".")[0] == "PIL"]
    before = [logger.disabled for logger in loggers]
    for logger in loggers:
        logger.disabled = True
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for logger, disabled in zip(loggers, before, strict=True):
            logger.disabled = disabled


def _tried(ask: Callable[[], Found]) -> Found:
    """The answer of Pillow, which meets damage with a dozen kinds of error."""
    try:
        return ask()
    except Exception:
        _refuse("PICTURE_DAMAGED", "a picture that can be read to its end", "a damaged or cut one")


def _opened(file: Path, declared: str) -> Image.Image:
    try:
        packed = read_whole(file, place=PLACE)
    except OSError:
        _refuse("PICTURE_OPEN", "a file that can be opened", "one that cannot", "Check that it may be read.")
    if not packed:
        _refuse("PICTURE_EMPTY", "a picture", "an empty file")
    if not packed.startswith(_BEGINS[declared]):
        _refuse("PICTURE_FORMAT", f"a {declared.upper()} file, as declared", "another format")
    try:
        return Image.open(BytesIO(packed), formats=[declared.upper()])
    except Image.DecompressionBombError:
        _refuse("BOMB", "a picture of at most 179 million pixels", "more")
    except Exception:
        _refuse("PICTURE_DAMAGED", "a picture that can be read", "a damaged one")


def _inverted(image: Image.Image) -> bool:
    tags = getattr(image, "tag_v2", {})
    return image.format == "TIFF" and tags.get(_POLARITY) == _WHITE_IS_ZERO


def _turned(image: Image.Image, policy: XrayPolicy) -> list[Remark]:
    turn = _tried(lambda: image.getexif().get(_TURN, 1))
    if turn == 1:
        return []
    if policy.turned != "apply":
        _refuse(
            "PICTURE_TURNED",
            "an upright picture",
            "one with a note (EXIF) to turn or mirror it",
            'Look whether the note is right, then write `turned = "apply"` in this modality to follow it.',
        )
    return [Remark("PICTURE_TURNED", "The picture was turned or mirrored as its EXIF note says, as declared.")]


def _pixels(image: Image.Image, turn: bool) -> np.ndarray:
    """(y, x) uint8 or uint16, or (y, x, 3) uint8."""
    upright = _tried(lambda: ImageOps.exif_transpose(image) if turn else image)
    pixels = _tried(lambda: np.asarray(upright.convert("RGB") if upright.mode in _COLOURS else upright))
    if pixels.dtype == np.int32 and pixels.min() >= 0 and pixels.max() <= 65535:
        pixels = pixels.astype(np.uint16)
    if pixels.dtype not in (np.uint8, np.uint16):
        _refuse("PICTURE_DEPTH", "grey values of 8 or 16 bits", "another depth")
    return pixels


def _grey(pixels: np.ndarray) -> np.ndarray:
    if pixels.ndim == 3:
        return luma(pixels)
    if pixels.dtype == np.uint8:
        return pixels / 255.0
    low, high = float(pixels.min()), float(pixels.max())
    if high <= low:
        constant()
    return (pixels - low) / (high - low)


def _refuse(code: str, rule: str, found: str, remedy: str = "Export the picture again.") -> NoReturn:
    raise DataError(code, place=PLACE, rule=rule, found=found, remedy=remedy) from None
