"""One phantom in many exports: whatever order, company, syntax or class its slices have, the volume is the same."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pydicom
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clinfuse.errors import ClinfuseError, DataError
from clinfuse.io.dicom import read_ct, read_mr, read_xray, scan_dicom
from clinfuse.io.dicom_elements import read_elements
from clinfuse.io.policies import CtPolicy, MrPolicy
from tests.faults.dicom_enhanced import enhanced_values
from tests.faults.dicom_files import (
    DEFLATED,
    EXPLICIT,
    IMPLICIT,
    count_of,
    named,
    pixels,
    series,
    slice_values,
    whole,
)
from tests.faults.dicom_written import bomb

Writer = Callable[..., Path]


def hu(variant: int) -> np.ndarray:
    """What every export of the series of a variant must give, (x, y, z)."""
    stored = np.stack([pixels(variant, k) for k in range(count_of(variant))])
    return stored[:, ::-1, ::-1].transpose(2, 1, 0) - 1024.0


@pytest.mark.parametrize("own", [False, True])
@pytest.mark.parametrize("syntax", [EXPLICIT, IMPLICIT, DEFLATED])
def test_an_enhanced_image_is_the_series_it_was_made_from(tmp_path: Path, own: bool, syntax: str) -> None:
    expected = read_ct(series(tmp_path / "classic", 1))
    file = tmp_path / "enhanced.dcm"
    count = count_of(1)
    file.write_bytes(whole(enhanced_values(1, own=own, order=lambda k: 3 * k % count), syntax))
    volume = read_ct(file)
    np.testing.assert_array_equal(volume.array, expected.array)
    np.testing.assert_array_equal(volume.array, hu(1))
    np.testing.assert_allclose(volume.affine, expected.affine)
    (found,) = scan_dicom(file.parent / "classic").series
    assert len(found.files) == count


def test_damaged_groups_of_frames_are_refused(tmp_path: Path) -> None:
    sound = whole(enhanced_values(0))
    # The kind of value of PixelValueTransformationSequence, which all frames share, is no kind.
    damaged = sound.replace(b"\x28\x00\x45\x91SQ", b"\x28\x00\x45\x91S\xff")
    assert damaged != sound
    (tmp_path / "enhanced.dcm").write_bytes(damaged)
    with pytest.raises(DataError, match=r"\[DCM_ENHANCED\]"):
        read_ct(tmp_path / "enhanced.dcm")


def test_every_frame_is_rescaled_by_its_own_slope(tmp_path: Path) -> None:
    def edit(k: int, count: int) -> dict[str, object]:
        return {"PixelValueTransformationSequence": [{"RescaleSlope": f"{1 + k}", "RescaleIntercept": "-1000"}]}

    file = tmp_path / "enhanced.dcm"
    stored = np.full((count_of(0), 2, 2), 10, np.int16)
    said = {"PixelData": stored.tobytes(), "Rows": 2, "Columns": 2}
    file.write_bytes(whole(enhanced_values(0, edit=edit, **said)))
    assert read_ct(file).array[0, 0].tolist() == [10.0 * (1 + k) - 1000 for k in range(count_of(0))]


@pytest.mark.parametrize("variant", range(6))
def test_every_axial_slice_keeps_the_number_of_its_image(tmp_path: Path, variant: int) -> None:
    for k in range(6):
        (tmp_path / f"{k}.dcm").write_bytes(whole(slice_values(variant, k, InstanceNumber=str(30 + k)), EXPLICIT))
    volume = read_ct(tmp_path)
    if volume.images:
        for z, number in enumerate(volume.images):
            one = tmp_path / f"one{number}"
            one.mkdir()
            (one / "a.dcm").write_bytes(
                whole(slice_values(variant, number - 30, InstanceNumber="1", SliceThickness="3"), EXPLICIT)
            )
            np.testing.assert_array_equal(read_ct(one).array[:, :, 0], volume.array[:, :, z])
    assert (len(volume.images) == 6) == (volume.array.shape[2] == 6)


@given(
    variant=st.integers(0, 5),
    names=st.permutations(range(6)),
    instances=st.lists(st.integers(-5, 5), min_size=6, max_size=6),
    twice=st.lists(st.integers(0, 5), max_size=2, unique=True),
    syntaxes=st.lists(st.sampled_from([EXPLICIT, IMPLICIT, DEFLATED]), min_size=6, max_size=6),
)
def test_nothing_depends_on_names_numbers_copies_or_syntax(
    tmp_path_factory: pytest.TempPathFactory,
    variant: int,
    names: list[int],
    instances: list[int],
    twice: list[int],
    syntaxes: list[str],
) -> None:
    folder = tmp_path_factory.mktemp("series")
    for k in range(6):
        data = whole(slice_values(variant, k, InstanceNumber=str(instances[k])), syntaxes[k])
        for copy in range(2 if k in twice else 1):
            (folder / f"{copy}{names[k]}.dcm").write_bytes(data)
    volume = read_ct(folder)
    np.testing.assert_array_equal(volume.array, hu(variant)[:, :, :6])
    assert ("CT_DUPLICATE" in {remark.code for remark in volume.remarks}) == bool(twice)
    (found,) = scan_dicom(folder).series
    np.testing.assert_array_equal(read_ct(found.files).array, volume.array)


@given(
    missing=st.sets(st.integers(1, 7), min_size=1, max_size=3),
    lean=st.sampled_from([0.0, 0.2, -0.3]),
)
def test_what_is_missing_is_asked_for_and_what_is_there_keeps_its_place(
    tmp_path_factory: pytest.TempPathFactory, missing: set[int], lean: float
) -> None:
    folder = tmp_path_factory.mktemp("series")
    kept = [k for k in range(9) if k not in missing]
    for k in kept:
        place = [-10.0, -20.0 + 2 * lean * k, 30.0 + 2 * k]
        named(folder, k).write_bytes(whole(slice_values(0, k, ImagePositionPatient=place)))
    codes, answers = [], CtPolicy()
    for _ in range(4):
        try:
            volume = read_ct(folder, policy=answers)
            break
        except DataError as error:
            codes.append(error.code)
            key, value = error.remedy.split("`")[1].split(" = ")
            given_value: object = float(value) if key == "max_gap_mm" else value.strip('"')
            answers = CtPolicy(**(vars(answers) | {key: given_value}))
    assert set(codes) <= {"CT_TILT", "CT_GAP", "CT_SPACING"}
    assert ("CT_TILT" in codes) == bool(lean)
    if lean == 0 and volume.spacing_mm[2] == pytest.approx(2.0):
        for k in kept:
            np.testing.assert_array_equal(volume.array[:, :, k], hu(0)[:, :, :1][:, :, 0] if k == 0 else _slice(k))


def _slice(k: int) -> np.ndarray:
    return pixels(0, k)[::-1, ::-1].T - 1024.0


@pytest.mark.parametrize("pixels_wanted", [True, False])
def test_a_bomb_is_refused_before_it_has_grown(tmp_path: Path, pixels_wanted: bool) -> None:
    file = bomb(tmp_path, 2)
    tracemalloc.start()
    try:
        with pytest.raises(DataError, match=r"\[BOMB\]"):
            read_elements(file, pixels=pixels_wanted)
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    # 96 MB are promised by a file of a tenth of a megabyte; it is stopped at 200 times its size.
    assert most < 64 * 2**20


def test_an_mr_series_needs_no_rescaling(tmp_path: Path) -> None:
    said = {"SOPClassUID": "1.2.840.10008.5.1.4.1.1.4", "Modality": "MR"}
    free = {"RescaleSlope": None, "RescaleIntercept": None}
    folder = series(tmp_path / "mr", 0, edit=lambda k, count: said | free)
    volume = read_mr(folder)
    assert volume.unit == "arbitrary"
    np.testing.assert_array_equal(volume.array, hu(0) + 1024.0)
    with pytest.raises(DataError, match=r"\[CT_KIND\]"):
        read_ct(folder)
    scaled = series(tmp_path / "scaled", 0, edit=lambda k, count: said | {"RescaleSlope": "2"})
    np.testing.assert_array_equal(read_mr(scaled).array, 2 * (hu(0) + 1024.0) - 1024.0)


def pydicom_files() -> list[Path]:
    root = Path(pydicom.data.__file__).parent / "test_files"
    return sorted(file for file in root.rglob("*") if file.is_file())


def test_every_test_file_of_pydicom_is_a_value_or_a_code() -> None:
    files = pydicom_files()
    read, told = {}, []
    for file in files:
        for reader in (read_ct, read_mr, read_xray):
            try:
                read[file.name] = reader(file).array.shape
            except ClinfuseError as error:
                told.append((file.name, str(error)))
    assert len(files) > 150
    assert read["CT_small.dcm"] == (128, 128, 1)
    assert not [text for name, text in told if name in text]


def test_one_mr_image_in_seven_syntaxes_has_one_set_of_numbers() -> None:
    names = ("", "_RLE", "_bigendian", "_expb", "_implicit", "_jp2klossless", "_jpeg_ls_lossless")
    found = {file.name: file for file in pydicom_files()}
    arrays = [read_mr(found[f"MR_small{name}.dcm"], policy=MrPolicy(derived="accept")).array for name in names]
    for array in arrays[1:]:
        np.testing.assert_array_equal(array, arrays[0])


MR_FOLDERS = {
    "siemens/anatomical/001": 4,
    "generic/compressed_j2k/001": 4,
    "generic/compressed_jpegls/001": 4,
    "generic/compressed_rle/001": 4,
    "philips_enhanced/anatomical/001": 8,
}


@pytest.mark.parametrize("name", MR_FOLDERS)
def test_real_mr_series_are_read(shared_data: Path, name: str) -> None:
    folder = shared_data / "formats" / "dicom" / "mr_small" / name
    volume = read_mr(folder)
    assert sorted(volume.array.shape) == sorted((256, 256, MR_FOLDERS[name]))
