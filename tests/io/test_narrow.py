"""A CT that is passed on as int16 is the CT that everyone else gets as float32."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from clinfuse.io.dicom import ct_volume, read_ct
from clinfuse.io.policies import CtPolicy

WHOLE = {
    "as scanners write it": (np.uint16, 0, 3000, {}),
    "signed": (np.int16, -1000, 2000, {"RescaleIntercept": 0}),
    "with a padding value": (np.int16, -2000, 3000, {"RescaleIntercept": -24, "PixelPaddingValue": -2000}),
    "with corners of a number that no tissue has": (np.int16, -2000, 900, {"RescaleIntercept": -1024}),
    "bytes": (np.uint8, 0, 255, {}),
    "as low and high as it goes": (np.uint16, 0, 65535, {"RescaleIntercept": -32768}),
}
BROKEN = {
    "a slope": (np.uint16, 0, 3000, {"RescaleSlope": 2}),
    "a fraction": (np.uint16, 0, 3000, {"RescaleIntercept": -1000.5}),
    "more than int16 holds": (np.uint16, 0, 65535, {"RescaleIntercept": -32767}),
    "an intercept that int16 does not hold": (np.int32, 40000, 43000, {"RescaleIntercept": -41024}),
}


def series(write: Callable[..., Path], folder: Path, how: tuple[type, int, int, dict[str, object]]) -> Path:
    dtype, low, high, tags = how
    # Mostly tissue: what lies at the ends may be implausible, but never most of a series.
    stored = (
        np.random.default_rng(4)
        .integers(max(low, 0), max(low, 0) + min(high - max(low, 0), 2000), (18, 16, 16))
        .astype(dtype)
    )
    if tags.get("RescaleIntercept") in (-32768, -32767):
        stored += 33000
    stored[:, 0, 0], stored[:, 1, 1] = low, high
    return write(folder, stored, **tags)


@pytest.mark.parametrize(("how", "dtype"), [*((w, np.int16) for w in WHOLE), *((b, np.float32) for b in BROKEN)])
def test_nothing_is_lost(tmp_path: Path, series_folder: Callable[..., Path], how: str, dtype: type) -> None:
    folder = series(series_folder, tmp_path, (WHOLE | BROKEN)[how])
    wide, narrow = read_ct(folder), ct_volume(folder, CtPolicy(), narrow=True)
    assert wide.array.dtype == np.float32
    assert narrow.array.dtype == dtype
    np.testing.assert_array_equal(narrow.array, wide.array)
    np.testing.assert_array_equal(narrow.affine, wide.affine)
    assert narrow.remarks == wide.remarks


def test_slices_that_are_moved_are_not_whole(tmp_path: Path, slice_file: Callable[..., Path]) -> None:
    for k in range(18):
        stored = np.random.default_rng(k).integers(0, 2000, (16, 16)).astype(np.uint16)
        slice_file(tmp_path / f"{k}", stored, 2.0 * k + (2.0 if k > 8 else 0.0))
    policy = CtPolicy(max_gap_mm=4.5)
    wide, narrow = read_ct(tmp_path, policy=policy), ct_volume(tmp_path, policy, narrow=True)
    assert narrow.array.dtype == np.float32
    np.testing.assert_array_equal(narrow.array, wide.array)
