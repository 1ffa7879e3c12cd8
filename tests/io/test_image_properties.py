"""Whatever an image holds, its reader gives a value or our error; and it does not matter how the image was stored."""

from __future__ import annotations

import gzip
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from clinfuse.errors import DataError
from clinfuse.io.nifti import read_nifti
from clinfuse.io.policies import NiftiPolicy, XrayPolicy
from clinfuse.io.radiograph import read_xray
from tests.io.conftest import write_film

OPEN = NiftiPolicy(orientation="RAS", form="sform", time_point=0, nan_voxels="lowest")
ANY = settings(
    derandomize=True, deadline=None, max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
PLAIN = np.arange(60, dtype=np.int16).reshape(3, 4, 5)
CHANGES = st.lists(st.tuples(st.integers(0, 400), st.integers(0, 255)), min_size=1, max_size=6)


def outcome(file: Path, policy: NiftiPolicy) -> str:
    try:
        return read_nifti(file, unit="arbitrary", policy=policy).unit
    except DataError as error:
        return error.code


@ANY
@given(changes=CHANGES, two=st.booleans(), packed=st.booleans(), answered=st.booleans())
def test_any_bytes_of_a_header_give_an_image_or_our_error(
    tmp_path: Path, changes: list[tuple[int, int]], two: bool, packed: bool, answered: bool
) -> None:
    data = bytearray((nib.Nifti2Image if two else nib.Nifti1Image)(PLAIN, np.diag([2.0, 3.0, 4.0, 1.0])).to_bytes())
    for place, byte in changes:
        data[place] = byte
    file = tmp_path / "a.nii"
    file.write_bytes(gzip.compress(bytes(data), mtime=0) if packed else bytes(data))
    found = outcome(file, OPEN if answered else NiftiPolicy())
    assert found.startswith(("arbitrary", "NIFTI_", "VOLUME_", "IMAGE_", "BOMB"))


@ANY
@given(changes=CHANGES)
def test_any_bytes_of_a_compressed_file_give_an_image_or_our_error(
    tmp_path: Path, changes: list[tuple[int, int]]
) -> None:
    data = bytearray(gzip.compress(nib.Nifti1Image(PLAIN, np.eye(4)).to_bytes(), mtime=0))
    for place, byte in changes:
        data[place % len(data)] = byte
    (tmp_path / "a.nii.gz").write_bytes(data)
    found = outcome(tmp_path / "a.nii.gz", OPEN)
    assert found.startswith(("arbitrary", "NIFTI_", "VOLUME_", "IMAGE_", "BOMB"))


@ANY
@given(turns=st.permutations(range(3)), flips=st.tuples(*[st.booleans()] * 3), scale=st.floats(0.1, 9.0))
def test_a_volume_does_not_depend_on_how_it_was_stored(
    tmp_path: Path, turns: list[int], flips: tuple[bool, bool, bool], scale: float
) -> None:
    affine = np.diag([scale, 2.0, 3.0, 1.0])
    nib.save(nib.Nifti1Image(PLAIN, affine), tmp_path / "a.nii")
    wanted = read_nifti(tmp_path / "a.nii", unit="label")
    turn = np.array([[axis, -1 if flip else 1] for axis, flip in zip(turns, flips, strict=True)])
    stored = nib.orientations.apply_orientation(PLAIN, turn)
    placed = affine @ nib.orientations.inv_ornt_aff(turn, PLAIN.shape)
    nib.save(nib.Nifti1Image(stored, placed), tmp_path / "b.nii")
    found = read_nifti(tmp_path / "b.nii", unit="label")
    np.testing.assert_array_equal(found.array, wanted.array)
    np.testing.assert_allclose(found.affine, wanted.affine, atol=1e-4)


TAGS = st.fixed_dictionaries(
    {},
    optional={
        "WindowCenter": st.integers(-5000, 5000),
        "WindowWidth": st.integers(-5, 5000),
        "RescaleSlope": st.sampled_from([-1, 0, 0.5, 1, 2]),
        "RescaleIntercept": st.integers(-1024, 1024),
        "PixelPaddingValue": st.integers(0, 255),
        "VOILUTFunction": st.sampled_from(["LINEAR", "LINEAR_EXACT", "SIGMOID", "OTHER"]),
        "ViewPosition": st.sampled_from(["PA", "LL", "OTHERWISE"]),
        "PixelSpacing": st.lists(st.floats(-1, 20, allow_nan=False).map(lambda v: round(v, 3)), min_size=2, max_size=2),
    },
)


@ANY
@given(stored=arrays(np.uint8, (4, 6)), tags=TAGS)
def test_a_film_and_its_negative_are_one_film(tmp_path: Path, stored: np.ndarray, tags: dict[str, object]) -> None:
    plain = write_film(tmp_path / "a", stored, **tags)
    dark = write_film(tmp_path / "b", stored, **{**tags, "PhotometricInterpretation": "MONOCHROME1"})
    answers = XrayPolicy(view=("PA", "LL", "other", "unknown"))
    try:
        shown = read_xray(plain, policy=answers).array
    except DataError as error:
        # Refused for the same reason, unless inverting is what leaves padding alone to be told from the rest.
        with pytest.raises(DataError, match=rf"^\[{error.code}\]"):
            read_xray(dark, policy=answers)
        return
    padded = stored == tags.get("PixelPaddingValue", -1)
    negative = read_xray(dark, policy=answers).array
    np.testing.assert_allclose(negative[~padded], 1 - shown[~padded], atol=1e-6)
    assert not negative[padded].any()
    assert not shown[padded].any()
