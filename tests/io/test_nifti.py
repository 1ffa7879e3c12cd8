from __future__ import annotations

import gzip
import itertools
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from clinfuse.errors import DataError
from clinfuse.io.nifti import read_nifti
from clinfuse.io.policies import NiftiPolicy

PLAIN = np.diag([2.0, 3.0, 4.0, 1.0])


def written(file: Path, array: np.ndarray, affine: np.ndarray = PLAIN, **fields: object) -> Path:
    """A NIfTI-1 file with header fields set after nibabel has filled in the rest."""
    data = bytearray(nib.Nifti1Image(array, affine).to_bytes())
    header = nib.Nifti1Header(bytes(data[:348]))
    for name, value in fields.items():
        header[name] = value
    data[:348] = header.binaryblock
    file.write_bytes(gzip.compress(bytes(data)) if file.suffix == ".gz" else bytes(data))
    return file


@pytest.mark.parametrize(
    ("order", "signs"),
    list(itertools.product(itertools.permutations(range(3)), itertools.product((1, -1), repeat=3))),
)
def test_every_orientation_is_turned_to_ras(tmp_path: Path, order: tuple[int, ...], signs: tuple[int, ...]) -> None:
    array = np.arange(24, dtype=np.int16).reshape(2, 3, 4)
    affine = np.eye(4)
    affine[:3, :3] = np.eye(3)[:, order] * np.array([2.0, 3.0, 4.0])[list(order)] * signs
    affine[:3, 3] = (5, 6, 7)
    file = tmp_path / "a.nii.gz"
    nib.save(nib.Nifti1Image(array, affine), file)
    volume = read_nifti(file, unit="arbitrary")
    assert volume.array.dtype == np.float32
    assert volume.spacing_mm == pytest.approx((2.0, 3.0, 4.0))
    np.testing.assert_array_equal(np.sign(np.diag(volume.affine)), 1.0)
    for index in np.ndindex(array.shape):
        turned = np.linalg.inv(volume.affine) @ affine @ [*index, 1.0]
        assert volume.array[tuple(np.rint(turned[:3]).astype(int))] == array[index]


def test_slope_and_intercept_are_applied(tmp_path: Path) -> None:
    file = tmp_path / "a.nii"
    image = nib.Nifti1Image(np.array([[[-100.0, 0.5, 300.0]]]), PLAIN)
    image.header.set_data_dtype(np.int16)
    nib.save(image, file)
    assert nib.load(file).dataobj.slope != 1.0
    np.testing.assert_allclose(read_nifti(file, unit="HU").array.ravel(), [-100.0, 0.5, 300.0], atol=0.01)


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.float64])
def test_label_maps_keep_whole_numbers_in_the_smallest_type(tmp_path: Path, dtype: type) -> None:
    array = np.arange(8).reshape(2, 2, 2).astype(dtype)
    volume = read_nifti(written(tmp_path / "a.nii.gz", array), unit="label")
    assert volume.array.dtype == np.uint8
    np.testing.assert_array_equal(volume.array, array)
    assert volume.unit == "label"


def test_fractions_are_no_labels(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"\[NIFTI_LABELS\]"):
        read_nifti(written(tmp_path / "a.nii", np.full((2, 2, 2), 0.5)), unit="label")


def test_a_fourth_axis_of_length_one_is_dropped(tmp_path: Path) -> None:
    assert read_nifti(written(tmp_path / "a.nii", np.ones((2, 3, 4, 1))), unit="arbitrary").array.shape == (2, 3, 4)


@pytest.mark.parametrize(("code", "factor"), [(0, 1.0), (1, 1000.0), (2, 1.0), (3, 0.001)])
def test_spatial_units_are_converted_to_mm(tmp_path: Path, code: int, factor: float) -> None:
    affine = np.diag([2 / factor, 3 / factor, 4 / factor, 1.0])
    file = written(tmp_path / "a.nii", np.ones((2, 2, 2)), affine, xyzt_units=code)
    assert read_nifti(file, unit="arbitrary").spacing_mm == pytest.approx((2, 3, 4))


def test_the_sform_is_used_before_the_qform(tmp_path: Path) -> None:
    image = nib.Nifti1Image(np.ones((2, 2, 2)), None)
    image.set_qform(np.diag([2.0, 2.0, 2.0, 1.0]), code=1)
    image.to_filename(tmp_path / "q.nii")
    assert read_nifti(tmp_path / "q.nii", unit="arbitrary").spacing_mm == pytest.approx((2, 2, 2))
    image.set_sform(np.diag([3.0, 3.0, 3.0, 1.0]), code=2)
    image.to_filename(tmp_path / "s.nii")
    assert read_nifti(tmp_path / "s.nii", unit="arbitrary").spacing_mm == pytest.approx((3, 3, 3))


@pytest.mark.parametrize(
    ("code", "fields"),
    [
        ("NIFTI_ORIENTATION", {"sform_code": 0, "qform_code": 0}),
        ("NIFTI_AFFINE", {"srow_x": [0, 0, 0, 0]}),
        ("NIFTI_AFFINE", {"srow_x": [np.nan, 0, 0, 0]}),
        ("NIFTI_SPACING", {"srow_x": [2000, 0, 0, 0]}),
        ("NIFTI_FORMS", {"qform_code": 1, "quatern_d": 1.0}),
        ("NIFTI_UNITS", {"xyzt_units": 5}),
        ("NIFTI_SCALE", {"scl_slope": np.inf, "scl_inter": 0.0}),
        ("NIFTI_TRUNCATED", {"dim": [3, 200, 200, 200, 1, 1, 1, 1]}),
        ("NIFTI_DAMAGED", {"vox_offset": 0}),
        ("NIFTI_DIMS", {"dim": [3, 2, 0, 2, 1, 1, 1, 1]}),
        ("NIFTI_AXES", {"dim": [2, 2, 2, 1, 1, 1, 1, 1]}),
    ],
)
def test_a_header_that_would_have_to_be_guessed_is_refused(
    tmp_path: Path, code: str, fields: dict[str, object]
) -> None:
    with pytest.raises(DataError, match=rf"\[{code}\]"):
        read_nifti(written(tmp_path / "a.nii", np.ones((2, 2, 2)), **fields), unit="arbitrary")


def test_complex_numbers_time_series_and_nan_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"\[NIFTI_TYPE\]"):
        read_nifti(written(tmp_path / "a.nii", np.ones((2, 2, 2), np.complex64)), unit="arbitrary")
    with pytest.raises(DataError, match=r"\[NIFTI_AXES\]"):
        read_nifti(written(tmp_path / "b.nii", np.ones((2, 2, 2, 3, 3))), unit="arbitrary")
    with pytest.raises(DataError, match=r"\[VOLUME_FINITE\]"):
        read_nifti(written(tmp_path / "c.nii", np.full((2, 2, 2), np.nan)), unit="arbitrary")


def test_a_compressed_file_is_checked_to_its_last_byte(tmp_path: Path) -> None:
    whole = written(tmp_path / "a.nii.gz", np.random.default_rng(0).normal(size=(8, 8, 8))).read_bytes()
    wrong = bytearray(whole)
    wrong[-8] ^= 1
    for code, content in (
        ("NIFTI_DAMAGED", whole[:-9]),
        ("NIFTI_CHECKSUM", bytes(wrong)),
        ("NIFTI_CHECKSUM", whole + b"garbage"),
    ):
        (tmp_path / "b.nii.gz").write_bytes(content)
        with pytest.raises(DataError, match=rf"\[{code}\]"):
            read_nifti(tmp_path / "b.nii.gz", unit="arbitrary")


@pytest.mark.parametrize(
    ("code", "content"),
    [
        ("NIFTI_EMPTY", b""),
        ("NIFTI_FORMAT", b"text " * 100),
        ("NIFTI_PAIR", (348).to_bytes(4, "little") + bytes(400)),
    ],
)
def test_another_format_is_refused(tmp_path: Path, code: str, content: bytes) -> None:
    (tmp_path / "a.nii").write_bytes(content)
    with pytest.raises(DataError, match=rf"\[{code}\]"):
        read_nifti(tmp_path / "a.nii", unit="arbitrary")
    with pytest.raises(DataError, match=r"\[NIFTI_OPEN\]"):
        read_nifti(tmp_path / "absent.nii", unit="arbitrary")


def test_a_file_cut_anywhere_is_refused(tmp_path: Path) -> None:
    whole = written(tmp_path / "a.nii", np.ones((3, 3, 3), np.float32)).read_bytes()
    for length in range(0, len(whole), 7):
        (tmp_path / "b.nii").write_bytes(whole[:length])
        with pytest.raises(DataError, match=r"\[NIFTI_"):
            read_nifti(tmp_path / "b.nii", unit="arbitrary")


def test_a_real_label_map_has_the_volume_nibabel_gives(shared_data: Path) -> None:
    file = shared_data / "kits19" / "case_00061" / "segmentation.nii.gz"
    volume = read_nifti(file, unit="label")
    image = nib.load(file)
    stored = np.asanyarray(image.dataobj)
    assert nib.aff2axcodes(image.affine) == ("I", "P", "L")
    assert nib.aff2axcodes(volume.affine) == ("R", "A", "S")
    assert volume.array.shape == (stored.shape[2], stored.shape[1], stored.shape[0])
    np.testing.assert_array_equal(np.bincount(volume.array.ravel()), np.bincount(stored.ravel()))
    assert np.prod(volume.spacing_mm) == pytest.approx(abs(np.linalg.det(image.affine)))


@pytest.mark.parametrize("stored", [np.uint8, np.int16, np.uint16, np.int32, np.float32, np.float64, np.int64])
@pytest.mark.parametrize("order", ["<", ">"])
def test_numbers_are_those_of_nibabel(tmp_path: Path, stored: type, order: str) -> None:
    array = np.random.default_rng(0).uniform(0, 200, (3, 4, 5)).astype(np.dtype(stored).newbyteorder(order))
    image = nib.Nifti1Image(array, np.diag([-1.0, -1.0, 2.0, 1.0]), nib.Nifti1Header(endianness=order))
    image.header.set_data_dtype(array.dtype)
    image.header.set_slope_inter(0.37, -11.0)
    nib.save(image, tmp_path / "a.nii.gz")
    expected = nib.as_closest_canonical(nib.load(tmp_path / "a.nii.gz")).get_fdata()
    np.testing.assert_allclose(read_nifti(tmp_path / "a.nii.gz", unit="arbitrary").array, expected, rtol=1e-5)


def test_a_file_of_several_members_is_one_image(tmp_path: Path) -> None:
    whole = written(tmp_path / "a.nii", np.arange(60, dtype=np.int16).reshape(3, 4, 5)).read_bytes()
    parts = [gzip.compress(whole[start : start + 100]) for start in range(0, len(whole), 100)]
    (tmp_path / "b.nii.gz").write_bytes(b"".join(parts) + bytes(512))
    np.testing.assert_array_equal(
        read_nifti(tmp_path / "b.nii.gz", unit="label").array, read_nifti(tmp_path / "a.nii", unit="label").array
    )


def test_what_a_file_becomes_is_asked_before_it_is_inflated(tmp_path: Path) -> None:
    empty = np.zeros((256, 256, 512), np.uint8)
    file = written(tmp_path / "a.nii.gz", empty)
    with pytest.raises(DataError, match=r"\[BOMB\]"):
        read_nifti(file, unit="arbitrary")
    assert read_nifti(file, unit="label").array.shape == (256, 256, 512)


@pytest.mark.parametrize("form", ["sform", "qform"])
def test_the_declared_form_is_used(tmp_path: Path, form: str) -> None:
    image = nib.Nifti1Image(np.ones((9, 9, 9)), None)
    image.set_qform(np.diag([2.0, 2.0, 2.0, 1.0]), code=1)
    image.set_sform(np.diag([3.0, 3.0, 3.0, 1.0]), code=2)
    image.to_filename(tmp_path / "a.nii")
    volume = read_nifti(tmp_path / "a.nii", unit="arbitrary", policy=NiftiPolicy(form=form))
    assert volume.spacing_mm == pytest.approx((3, 3, 3) if form == "sform" else (2, 2, 2))
    assert "NIFTI_FORMS" in {remark.code for remark in volume.remarks}


@pytest.mark.parametrize("letters", ["RAS", "LPS", "SRA", "AIL"])
def test_a_declared_orientation_is_what_the_file_did_not_say(tmp_path: Path, letters: str) -> None:
    array = np.arange(24, dtype=np.int16).reshape(2, 3, 4)
    mute = written(tmp_path / "a.nii", array, sform_code=0, qform_code=0)
    volume = read_nifti(mute, unit="label", policy=NiftiPolicy(orientation=letters))
    turn = nib.orientations.axcodes2ornt(letters)
    np.testing.assert_array_equal(volume.array, nib.orientations.apply_orientation(array, turn))
    assert nib.aff2axcodes(volume.affine) == ("R", "A", "S")
    assert sorted(volume.spacing_mm) == pytest.approx([2, 3, 4])


def test_one_moment_of_a_series_over_time_is_read(tmp_path: Path) -> None:
    array = np.arange(48, dtype=np.int16).reshape(2, 3, 4, 2)
    file = written(tmp_path / "a.nii", array)
    np.testing.assert_array_equal(read_nifti(file, unit="label", policy=NiftiPolicy(time_point=1)).array, array[..., 1])
    with pytest.raises(DataError, match=r"more than 2 volumes; found 2 volumes"):
        read_nifti(file, unit="label", policy=NiftiPolicy(time_point=2))


def test_a_ct_in_hu_has_to_look_like_one(tmp_path: Path) -> None:
    hu = np.random.default_rng(0).uniform(-1000, 1000, (8, 8, 8)).astype(np.float32)
    assert read_nifti(written(tmp_path / "a.nii", hu), unit="HU").remarks == ()
    assert [r.code for r in read_nifti(written(tmp_path / "b.nii", np.abs(hu)), unit="HU").remarks] == ["CT_AIR"]
    with pytest.raises(DataError, match=r"\[CT_RANGE\]"):
        read_nifti(written(tmp_path / "c.nii", hu + 20000), unit="HU")


@pytest.mark.parametrize(
    ("name", "shape", "policy"),
    [
        ("001_ground_truth.nii.gz", (256, 256, 4), NiftiPolicy()),
        ("001_ground_truth_reoriented.nii.gz", (4, 256, 256), NiftiPolicy()),
        ("anatomical.nii", (33, 41, 25), NiftiPolicy()),
        ("reoriented_anat_moved.nii", (21, 26, 22), NiftiPolicy()),
        ("standard.nii.gz", (4, 5, 7), NiftiPolicy()),
        ("example4d.nii.gz", (128, 96, 24), NiftiPolicy(time_point=1)),
        ("example_nifti2.nii.gz", (32, 20, 12), NiftiPolicy(time_point=0)),
        ("functional.nii", (17, 21, 3), NiftiPolicy(time_point=19)),
    ],
)
def test_real_files_are_read_as_nibabel_reads_them(
    shared_data: Path, name: str, shape: tuple[int, ...], policy: NiftiPolicy
) -> None:
    file = shared_data / "formats" / "nifti" / name
    image = nib.as_closest_canonical(nib.load(file))
    expected = image.get_fdata(dtype=np.float32)
    if policy.time_point >= 0:
        expected = expected[..., policy.time_point]
    volume = read_nifti(file, unit="arbitrary", policy=policy)
    assert sorted(volume.array.shape) == sorted(shape)
    np.testing.assert_allclose(volume.array, expected, rtol=1e-6)
    np.testing.assert_allclose(volume.affine, image.affine, atol=1e-5)
