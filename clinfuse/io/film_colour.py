"""The luma of a film that was saved in colours."""

from __future__ import annotations

import numpy as np
from pydicom.dataset import Dataset
from pydicom.pixels import apply_color_lut, pixel_array

from clinfuse.io.budget import check_size
from clinfuse.io.dicom_codecs import Layout, check_compressed, quiet
from clinfuse.io.dicom_file import text, transfer_syntax, whole
from clinfuse.io.film_display import PLACE, refuse
from clinfuse.io.policies import XrayPolicy
from clinfuse.io.values import Remark

GREY = ("MONOCHROME1", "MONOCHROME2")
# ITU-R BT.601, the luma of JPEG and of YBR_FULL: the weights of red, green and blue.
LUMA = np.array([0.299, 0.587, 0.114])


def is_colour(dataset: Dataset) -> bool:
    """Whether the pixels are something else than one grey value each."""
    return text(dataset, "PhotometricInterpretation") not in GREY or whole(dataset, "SamplesPerPixel") != 1


def check_colour(policy: XrayPolicy) -> Remark:
    """Refuse colours unless they were declared to become grey.

    Raises
    ------
    DataError
        ``XRAY_COLOUR``.
    """
    if policy.colour != "grey":
        refuse(
            "XRAY_COLOUR",
            "grey pixels",
            "colours: often a screenshot",
            'Export the original, or write `colour = "grey"` in this modality to read the brightness of the colours.',
        )
    return Remark("XRAY_COLOUR", "The image has colours; their brightness (BT.601 luma) is used, as declared.")


def dicom_luma(dataset: Dataset) -> np.ndarray:
    """(y, x) float64 in [0, 1]: no window applies to colours.

    Raises
    ------
    DataError
        ``DCM_PIXELS``, ``DCM_FRAMES``, ``DCM_TAG``, ``DCM_DAMAGED``, ``BOMB``, and what `check_compressed` raises.
    """
    if "PixelData" not in dataset:
        refuse("DCM_PIXELS", "an image", "a file without pixel data", "Leave it out.")
    if (text(dataset, "NumberOfFrames") or "1") != "1":
        refuse("DCM_FRAMES", "one frame", "another number of frames", "Export single images.")
    rows, columns, bits = (whole(dataset, keyword) for keyword in ("Rows", "Columns", "BitsAllocated"))
    shape = Layout(rows, columns, 1, bits * max(whole(dataset, "SamplesPerPixel"), 1), bits, False)
    check_size(PLACE, shape.size)
    syntax = transfer_syntax(dataset)
    if syntax.is_compressed:
        check_compressed(bytes(dataset.PixelData), syntax, shape)
    try:
        with quiet():
            colours = pixel_array(dataset)
            if text(dataset, "PhotometricInterpretation") == "PALETTE COLOR":
                colours = apply_color_lut(colours, dataset)
    # Every codec and palette fails in its own way.
    except Exception:
        refuse("DCM_DAMAGED", "colours that can be decoded", "damaged ones")
    if colours.ndim != 3 or colours.shape[2] != 3 or colours.dtype not in (np.uint8, np.uint16):
        refuse("DCM_DAMAGED", "red, green and blue of 8 or 16 bits", "something else")
    return luma(colours)


def luma(colours: np.ndarray) -> np.ndarray:
    """Brightness (y, x) float64 in [0, 1] of colours (y, x, 3) uint8 or uint16."""
    return np.clip(colours @ LUMA / np.iinfo(colours.dtype).max, 0.0, 1.0)
