"""Enhanced CT images: many slices in one file, their places in functional groups."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from tests.faults.dicom_files import ENHANCED, Values, count_of, named, pixels, slice_values, whole

_ORIENTATION = [{"ImageOrientationPatient": "1\\0\\0\\0\\1\\0"}]
_MEASURES = [{"PixelSpacing": "0.7\\0.7", "SliceThickness": "2"}]
_VALUES = [{"RescaleIntercept": "-1024", "RescaleSlope": "1", "RescaleType": "HU"}]


def frame(k: int, **groups: object) -> dict[str, object]:
    """What is said of one frame alone."""
    return {
        "FrameContentSequence": [{"StackID": "1", "InStackPositionNumber": k + 1}],
        "PlanePositionSequence": [{"ImagePositionPatient": [-10.0, -20.0, 30.0 + 2 * k]}],
        **groups,
    }


def enhanced_values(
    variant: int,
    *,
    order: Callable[[int], int] = lambda k: k,
    edit: Callable[[int, int], Values] = lambda k, count: {},
    own: bool = False,
    **said: object,
) -> dict[str, object]:
    """An enhanced image; ``own`` repeats for each frame what is otherwise shared."""
    count = count_of(variant)
    places = [order(k) for k in range(count)]
    stored = np.stack([pixels(variant, k) for k in places])
    shared: dict[str, object] = {
        "PlaneOrientationSequence": _ORIENTATION,
        "PixelMeasuresSequence": _MEASURES,
        "PixelValueTransformationSequence": _VALUES,
    }
    frames = [frame(k) | (shared if own else {}) | dict(edit(k, count)) for k in places]
    values = slice_values(variant, 0) | {
        "SOPClassUID": ENHANCED,
        "NumberOfFrames": str(count),
        "PixelData": stored.tobytes(),
        "SharedFunctionalGroupsSequence": [{} if own else shared],
        "PerFrameFunctionalGroupsSequence": frames,
    }
    for keyword in ("ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing", "SliceThickness"):
        values[keyword] = None
    return values | {"RescaleSlope": None, "RescaleIntercept": None} | said


def enhanced(**how: object) -> Callable[[Path, int], Path]:
    """One file; callables among the settings are given the variant."""

    def build(folder: Path, variant: int) -> Path:
        said = {name: value[variant % len(value)] if isinstance(value, tuple) else value for name, value in how.items()}
        file = named(folder, 0)
        file.write_bytes(whole(enhanced_values(variant, **said)))  # type: ignore[arg-type]
        return file

    return build
