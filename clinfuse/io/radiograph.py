"""A projection X-ray as grey values in [0, 1], the way it would be shown."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from pydicom.dataset import Dataset

from clinfuse.io.dicom_file import open_dicom, padding, stored_pixels, text
from clinfuse.io.film_colour import check_colour, dicom_luma, is_colour
from clinfuse.io.film_display import constant, modality_values, shown
from clinfuse.io.film_header import burned_in, check_film, spacing_of, view_of
from clinfuse.io.policies import XrayPolicy
from clinfuse.io.values import Radiograph, Remark


def read_xray(file: Path, *, policy: XrayPolicy = XrayPolicy()) -> Radiograph:
    """The projection image of one file (DICOM CR, DX or MG; PNG, JPEG or TIFF when declared), bone bright.

    Stored values of a DICOM file pass through the modality LUT or rescaling, then through the first VOI LUT, else the
    first window (functions LINEAR, LINEAR_EXACT and SIGMOID); where the file has neither, the smallest value of the
    image becomes 0 and the largest 1. ``MONOCHROME1`` is then inverted, once (``PresentationLUTShape`` repeats it and
    is not read). Padding becomes 0. For pictures see `clinfuse.io.picture.read_picture`.

    Parameters
    ----------
    file : Path
        One single-frame file.
    policy : XrayPolicy
        What was decided about files that would otherwise be refused.

    Returns
    -------
    Radiograph
        float32 (y, x) in [0, 1], first row on top. ``spacing_mm`` (y, x) from ``PixelSpacing``, else
        ``ImagerPixelSpacing`` (at the detector: the patient is magnified), else (0, 0).

    Raises
    ------
    DataError
        ``XRAY_KIND``, ``XRAY_DERIVED``, ``XRAY_VIEW``, ``XRAY_BODY_PART``, ``XRAY_COLOUR``, ``XRAY_RESCALE``,
        ``XRAY_WINDOW``, ``XRAY_CONSTANT``, ``XRAY_SPACING``, the ``DCM_`` codes of a file that cannot be read and
        the ``PICTURE_`` codes of one that is no DICOM.

    References
    ----------
    DICOM PS3.3, C.11.1 (modality LUT) and C.11.2 (VOI LUT and window functions).

    Examples
    --------
    >>> from pathlib import Path
    >>> from pydicom.data import get_testdata_file
    >>> from clinfuse.errors import DataError
    >>> try:
    ...     read_xray(Path(get_testdata_file("CT_small.dcm")))
    ... except DataError as error:
    ...     print(error.code)
    XRAY_KIND
    """
    if policy.format != "dicom":
        # The decoder of pictures is not needed where there are none.
        from clinfuse.io.picture import read_picture

        return read_picture(file, policy=policy)
    dataset = open_dicom(file)
    remarks = check_film(dataset, policy)
    spacing, detector = spacing_of(dataset)
    text_inside, withheld = burned_in(text(dataset, "BurnedInAnnotation"), policy)
    grey, seen = _grey(dataset, policy)
    return Radiograph(
        grey.astype(np.float32),
        spacing,
        (*remarks, *detector, *seen, *withheld),
        burned_in=text_inside,
        view=view_of(dataset),
    )


def _grey(dataset: Dataset, policy: XrayPolicy) -> tuple[np.ndarray, list[Remark]]:
    """(y, x) float64 in [0, 1]."""
    if is_colour(dataset):
        declared = check_colour(policy)
        return _seen(dicom_luma(dataset)), [declared]
    stored = stored_pixels(dataset)
    empty = padding(dataset, stored)
    grey, remarks = shown(dataset, modality_values(dataset, stored), empty)
    if text(dataset, "PhotometricInterpretation") == "MONOCHROME1":
        grey = 1.0 - grey
        remarks.append(Remark("XRAY_INVERTED", "The file stores bone dark (MONOCHROME1); it was inverted."))
    _seen(grey[~empty])
    grey[empty] = 0.0
    return grey, remarks


def _seen(grey: np.ndarray) -> np.ndarray:
    """The same values, if anything can be seen in them; padding does not count."""
    if grey.size == 0 or grey.min() == grey.max():
        constant()
    return grey
