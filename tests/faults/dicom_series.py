"""Series whose slices are whole, and whose places or values are not: D15 to D36, D50."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from tests.faults.dicom_files import (
    NUMBER,
    every,
    named,
    one,
    pixels,
    placed,
    series,
    slice_values,
    whole,
)
from tests.faults.dicom_reading import fault

_LEAN = (0.1, 0.2, -0.15, 0.35)


def _without(folder: Path, variant: int) -> Path:
    series(folder, variant)
    for k in ((2,), (3,), (2, 3), (1, 2, 4))[variant]:
        named(folder, k).unlink()
    return folder


def _wrong_sign(folder: Path, variant: int) -> Path:
    def edit(k: int, count: int) -> dict[str, object]:
        said = slice_values(variant, k, stored=pixels(variant, k) - 1024)
        return said | {"PixelRepresentation": 0, "RescaleIntercept": ("0", "-1024", "1", "-8")[variant]}

    return series(folder, variant, edit=edit)


def _numbers(folder: Path, variant: int) -> Path:
    said = (None, "1", "", "-7")[variant]
    return series(folder, variant, edit=lambda k, count: {"InstanceNumber": said if k % 2 else str(count - k)})


def _constant(folder: Path, variant: int) -> Path:
    flat = np.full((4, 5), (0, 1024, -5, 500)[variant], np.int16)
    return series(folder, variant, edit=lambda k, count: slice_values(variant, k, stored=flat))


def _warm(folder: Path, variant: int) -> Path:
    def edit(k: int, count: int) -> dict[str, object]:
        return slice_values(variant, k, stored=np.maximum(pixels(variant, k), 800 + variant))

    return series(folder, variant, edit=edit)


def _slopes(folder: Path, variant: int) -> Path:
    return series(folder, variant, edit=lambda k, count: {"RescaleSlope": f"{1 + 0.01 * (k % (variant + 2)):g}"})


def _drifting(folder: Path, variant: int) -> Path:
    """Twelve distances a little too short and twelve a little too long: none is off by 1 %, their sum is."""
    steps = np.concatenate([np.full(12 + variant, 1.983), [2.0], np.full(12 + variant, 2.017)])
    for k, height in enumerate(np.append(0.0, np.cumsum(steps))):
        said = slice_values(variant, k, ImagePositionPatient=[-10.0, -20.0, round(30.0 + float(height), 6)])
        named(folder, k).write_bytes(whole(said))
    return folder


PLACES = (
    fault("D28", "slices are missing", "ASK", "CT_GAP", _without),
    fault(
        "D29",
        "slices at uneven distances",
        "ASK",
        "CT_SPACING",
        placed(lambda k, variant: (0, 0, 2 * k + (0.3, -0.4, 0.9, 0.06)[variant] * (k == 3))),
    ),
    fault("D29", "slices at distances whose small differences add up", "ASK", "CT_SPACING", _drifting),
    fault("D30", "instance numbers missing, equal or against the slices", "FIX", "", _numbers),
    fault(
        "D32",
        "the gantry was tilted",
        "ASK",
        "CT_TILT",
        placed(lambda k, variant: (_LEAN[variant] * k * 2 * (variant % 2), _LEAN[variant] * k * 2, 2 * k)),
    ),
    fault(
        "D32",
        "slices shifted to and fro",
        "REJ",
        "CT_OFFSET",
        placed(lambda k, variant: (3 * (k % 2), (variant + 1) * (k % 3), 2 * k)),
    ),
    fault(
        "D33",
        "directions that are none",
        "REJ",
        "CT_ORIENTATION",
        every(
            {"ImageOrientationPatient": "1\\0\\0\\1\\0\\0"},
            {"ImageOrientationPatient": "0\\0\\0\\0\\0\\0"},
            {"ImageOrientationPatient": "2\\0\\0\\0\\1\\0"},
            {"ImageOrientationPatient": "1\\0\\0\\0.1\\1\\0"},
        ),
    ),
    fault(
        "D33",
        "directions that are not numbers",
        "REJ",
        "DCM_TAG",
        one(
            {"ImageOrientationPatient": "nan\\0\\0\\0\\1\\0"},
            {"ImageOrientationPatient": f"{NUMBER}x\\0\\0\\0\\1\\0"},
            {"ImageOrientationPatient": "1\\0\\0\\0\\1"},
            {"ImagePositionPatient": "inf\\0\\0"},
        ),
    ),
    fault(
        "D33",
        "no direction or place",
        "REJ",
        "CT_GEOMETRY",
        one(
            {"ImageOrientationPatient": None},
            {"ImageOrientationPatient": ""},
            {"ImagePositionPatient": None},
            {"ImagePositionPatient": ""},
        ),
    ),
    fault(
        "D33",
        "directions rounded too much",
        "FIX",
        "CT_ORIENTATION",
        every(
            {"ImageOrientationPatient": "0.9995\\0\\0\\0\\1\\0"},
            {"ImageOrientationPatient": "1\\0.0004\\0\\0\\1\\0"},
            {"ImageOrientationPatient": "1\\0\\0\\0\\1.0008\\0"},
            {"ImageOrientationPatient": "0.9992\\0\\0\\0\\0.9992\\0"},
        ),
    ),
    fault(
        "D34",
        "images seen from the head",
        "FLAG",
        "CT_SIDE",
        every(
            {"ImageOrientationPatient": "-1\\0\\0\\0\\1\\0"},
            {"ImageOrientationPatient": "1\\0\\0\\0\\-1\\0"},
            {"ImageOrientationPatient": "0\\1\\0\\1\\0\\0"},
            {"ImageOrientationPatient": "0\\-1\\0\\-1\\0\\0"},
        ),
    ),
    fault(
        "D35",
        "no pixel size, or none above 0",
        "REJ",
        "CT_GEOMETRY",
        one({"PixelSpacing": None}, {"PixelSpacing": "0\\0.7"}, {"PixelSpacing": "0.7\\-0.7"}, {"PixelSpacing": ""}),
    ),
    # Rows and columns exchanged cannot be told from pixels that are not square: no action is taken on that.
    fault(
        "D35",
        "pixel size with a comma, or one number",
        "REJ",
        "DCM_TAG",
        one(
            {"PixelSpacing": "0,7\\0,7"},
            {"PixelSpacing": "0.7"},
            {"PixelSpacing": "0.7\\x"},
            {"PixelSpacing": "1\\1\\1"},
        ),
    ),
    fault(
        "D36",
        "SliceThickness is not the distance of the slices",
        "FLAG",
        "CT_THICKNESS",
        every({"SliceThickness": "4"}, {"SliceThickness": "1"}, {"SliceThickness": "2.2"}, {"SliceThickness": "10"}),
    ),
)

VALUES = (
    fault("D15", "signed pixels said to be unsigned", "REJ", "CT_RANGE", _wrong_sign),
    fault(
        "D16",
        "no rescaling",
        "REJ",
        "CT_RESCALE",
        one({"RescaleSlope": None, "RescaleIntercept": None}, {"RescaleSlope": "", "RescaleIntercept": ""}),
    ),
    fault(
        "D17",
        "slope or intercept alone",
        "REJ",
        "CT_RESCALE",
        one({"RescaleSlope": None}, {"RescaleIntercept": None}, {"RescaleSlope": ""}, {"RescaleIntercept": ""}),
    ),
    fault("D18", "slope 0 or below", "REJ", "CT_RESCALE", one({"RescaleSlope": "0"}, {"RescaleSlope": "-1"})),
    fault(
        "D18",
        "a slope that is no number",
        "REJ",
        "DCM_TAG",
        one({"RescaleSlope": "nan"}, {"RescaleSlope": "1,0"}, {"RescaleIntercept": "inf"}, {"RescaleSlope": "1\\1"}),
    ),
    fault("D18", "values that are not HU", "REJ", "CT_RESCALE", one({"RescaleType": "OD"}, {"RescaleType": "US\\HU"})),
    fault("D19", "a slope of its own in every slice", "FLAG", "CT_SLOPES", _slopes),
    fault(
        "D20",
        "padding of every kind",
        "FIX",
        "",
        every(
            {"PixelPaddingValue": 20},
            {"PixelPaddingValue": 900, "PixelPaddingRangeLimit": 1000},
            {"PixelPaddingValue": 65535},
            {"PixelPaddingValue": b""},
        ),
    ),
    fault("D50", "one value everywhere", "REJ", "CT_CONSTANT", _constant),
    fault("D50", "no air", "FLAG", "CT_AIR", _warm),
    fault("D50", "few slices", "FLAG", "CT_FEW", series),
)

FAULTS = (*PLACES, *VALUES)
