from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from pydicom import dcmread, dcmwrite
from pydicom.data import get_testdata_file
from pydicom.uid import (
    EnhancedCTImageStorage,
    ExplicitVRBigEndian,
    MRImageStorage,
    RLELossless,
    SecondaryCaptureImageStorage,
)

from clinfuse.errors import DataError
from clinfuse.io.dicom import dicom_header, read_ct
from clinfuse.io.policies import CtPolicy

Writer = Callable[..., Path]


def test_ct_small_has_its_known_numbers() -> None:
    # pydicom's bundled CT_small: stored int16 128..2191, intercept -1024, slope 1.
    volume = read_ct(Path(get_testdata_file("CT_small.dcm")))
    assert volume.unit == "HU"
    assert volume.array.dtype == np.float32
    assert (volume.array.min(), volume.array.max()) == (-896.0, 1167.0)
    assert volume.array.mean(dtype=np.float64) == pytest.approx(-119.07385, abs=5e-6)
    assert volume.spacing_mm == pytest.approx((0.661468, 0.661468, 5.0))


def test_slices_are_ordered_by_position_and_axes_run_to_right_anterior_superior(
    tmp_path: Path, series_folder: Writer, stored_volume: np.ndarray
) -> None:
    volume = read_ct(series_folder(tmp_path, stored_volume))
    # DICOM rows run to posterior, columns to the left: both are turned round; slices already run to superior.
    expected = stored_volume[:, ::-1, ::-1].transpose(2, 1, 0) - 1024.0
    np.testing.assert_array_equal(volume.array, expected)
    # PixelSpacing is (between rows, between columns) = (0.8, 0.5); corner in LPS (-10, -20, 5) is RAS (10, 20, 5).
    np.testing.assert_allclose(np.diag(volume.affine), [0.5, 0.8, 2.5, 1.0])
    np.testing.assert_allclose(volume.affine @ [5, 3, 0, 1], [10.0, 20.0, 5.0, 1.0])


@pytest.mark.parametrize(
    ("plane", "direction"),
    [
        ((1.0, 0, 0, 0, 1.0, 0), (0, 0, 1.0)),
        ((0, 1.0, 0, 0, 0, -1.0), (-1.0, 0, 0)),
        ((1.0, 0, 0, 0, 0, -1.0), (0, 1.0, 0)),
        ((-1.0, 0, 0, 0, -1.0, 0), (0, 0, -2.0)),
        ((0.8, 0.6, 0, -0.6, 0.8, 0), (0, 0, 1.0)),
    ],
)
def test_every_voxel_keeps_its_place_in_the_patient(
    tmp_path: Path, slice_file: Writer, plane: tuple[float, ...], direction: tuple[float, ...]
) -> None:
    stored = np.arange(3 * 4 * 6, dtype=np.int16).reshape(3, 4, 6)
    row, column, step = np.array(plane[:3]), np.array(plane[3:]), np.array(direction)
    places = {}
    for k in range(3):
        corner = np.array([1.0, 2.0, 3.0]) + k * step
        slice_file(
            tmp_path / f"{k}.dcm",
            stored[k],
            0.0,
            ImagePositionPatient=list(corner),
            ImageOrientationPatient=list(plane),
        )
        for i in range(4):
            for j in range(6):
                left, posterior, superior = corner + j * 0.5 * row + i * 0.8 * column
                places[float(stored[k, i, j])] = (-left, -posterior, superior)
    volume = read_ct(tmp_path)
    for index in np.ndindex(volume.array.shape):
        place = (volume.affine @ [*index, 1.0])[:3]
        np.testing.assert_allclose(place, places[float(volume.array[index]) + 1024.0], atol=1e-9)
    strongest = np.abs(volume.affine[:3, :3]).argmax(axis=0)
    assert strongest.tolist() == [0, 1, 2]
    assert (np.diag(volume.affine[:3, :3]) > 0).all()


def test_each_slice_is_rescaled_by_its_own_slope_and_intercept(tmp_path: Path, slice_file: Writer) -> None:
    stored = np.full((2, 2), 100, dtype=np.uint16)
    slice_file(tmp_path / "a", stored, 0.0, RescaleSlope=2, RescaleIntercept=-1000)
    slice_file(tmp_path / "b", stored, 1.0, RescaleSlope="0.5", RescaleIntercept=10)
    assert read_ct(tmp_path).array[0, 0].tolist() == [-800.0, 60.0]


def test_padding_becomes_air(tmp_path: Path, slice_file: Writer) -> None:
    stored = np.array([[-2000, -1990, 1024, 0]], dtype=np.int16)
    single = slice_file(tmp_path / "one", stored, 0.0, PixelPaddingValue=-2000)
    assert read_ct(single).array.ravel().tolist()[::-1] == [-1024.0, -1024.0, 0.0, -1024.0]
    ranged = slice_file(tmp_path / "two", stored + 10, 0.0, PixelPaddingValue=0, PixelPaddingRangeLimit=1024)
    assert read_ct(ranged).array.ravel().tolist()[::-1][2:] == [10.0, -1024.0]


def test_a_padding_value_written_with_the_wrong_sign_means_its_bits(tmp_path: Path, slice_file: Writer) -> None:
    stored = np.array([[-100, 1024]], dtype=np.int16)
    file = slice_file(tmp_path / "one", stored, 0.0, PixelPaddingValue=None)
    dataset = dcmread(file)
    dataset.add_new("PixelPaddingValue", "US", 65436)
    dataset.save_as(file)
    assert sorted(read_ct(file).array.ravel().tolist()) == [-1024.0, 0.0]


@pytest.mark.parametrize("syntax", [RLELossless, ExplicitVRBigEndian])
def test_another_transfer_syntax_gives_the_same_numbers(
    tmp_path: Path, slice_file: Writer, stored_volume: np.ndarray, syntax: str
) -> None:
    file = slice_file(tmp_path / "plain", stored_volume[0], 0.0)
    expected = read_ct(file).array
    dataset = dcmread(file)
    if syntax == RLELossless:
        dataset.compress(RLELossless)
        dataset.save_as(tmp_path / "other")
    else:
        dataset.PixelData = stored_volume[0].astype(">i2").tobytes()
        dataset.file_meta.TransferSyntaxUID = ExplicitVRBigEndian
        dcmwrite(tmp_path / "other", dataset, implicit_vr=False, little_endian=False, force_encoding=True)
    np.testing.assert_array_equal(read_ct(tmp_path / "other").array, expected)


def test_localizers_reports_and_other_files_in_the_folder_are_left_out(
    tmp_path: Path, series_folder: Writer, slice_file: Writer, stored_volume: np.ndarray
) -> None:
    expected = read_ct(series_folder(tmp_path / "a", stored_volume)).array
    folder = series_folder(tmp_path / "b", stored_volume)
    slice_file(folder / "scout", stored_volume[0], 99.0, ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"])
    report = {"SOPClassUID": "1.2.840.10008.5.1.4.1.1.88.11", "Modality": "SR", "Rows": None, "Columns": None}
    slice_file(folder / "report", stored_volume[0], 0.0, PixelData=None, **report)
    (folder / "Thumbs.db").write_bytes(b"\xd0\xcf\x11\xe0 not an image")
    np.testing.assert_array_equal(read_ct(folder).array, expected)


def test_a_file_without_preamble_is_read(tmp_path: Path, slice_file: Writer, stored_volume: np.ndarray) -> None:
    file = slice_file(tmp_path / "whole", stored_volume[0], 0.0)
    bare = tmp_path / "bare"
    bare.write_bytes(file.read_bytes()[132:])
    np.testing.assert_array_equal(read_ct(bare).array, read_ct(file).array)


def spoilt(folder: Path, series: Writer, volume: np.ndarray, **tags: object) -> Path:
    """A good series whose lowest slice but one has other tags."""
    series(folder, volume)
    file = folder / f"IM{len(volume) - 1:03d}"
    dataset = dcmread(file)
    for keyword, value in tags.items():
        if value is None:
            del dataset[keyword]
        else:
            setattr(dataset, keyword, value)
    dataset.save_as(file)
    return folder


@pytest.mark.parametrize(
    ("code", "tags"),
    [
        ("CT_PATIENT_MIX", {"PatientID": "another"}),
        ("CT_SERIES", {"SeriesInstanceUID": "1.2.3"}),
        ("CT_MIXED", {"ImageOrientationPatient": [0, 1, 0, 1, 0, 0]}),
        ("CT_MIXED", {"PixelSpacing": [0.9, 0.5]}),
        ("CT_DUPLICATE", {"ImagePositionPatient": [-10, -20, 5.0]}),
        ("CT_SPACING", {"ImagePositionPatient": [-10, -20, 7.6]}),
        ("CT_OFFSET", {"ImagePositionPatient": [-10, -18, 7.5]}),
        ("CT_GEOMETRY", {"ImagePositionPatient": None}),
        ("CT_GEOMETRY", {"PixelSpacing": [0, 0.5]}),
        ("DCM_TAG", {"PixelSpacing": "0.8"}),
        ("CT_RESCALE", {"RescaleSlope": None}),
        ("CT_RESCALE", {"RescaleIntercept": None}),
        ("CT_RESCALE", {"RescaleSlope": -1}),
        ("CT_RESCALE", {"RescaleType": "OD"}),
        ("CT_GAP", {"SOPClassUID": SecondaryCaptureImageStorage}),
        ("CT_KIND", {"SOPClassUID": MRImageStorage}),
        ("CT_KIND", {"PhotometricInterpretation": "MONOCHROME1"}),
        ("DCM_FRAMES", {"SOPClassUID": EnhancedCTImageStorage}),
        ("DCM_FRAMES", {"NumberOfFrames": 2}),
        ("DCM_COLOUR", {"PhotometricInterpretation": "RGB"}),
        ("DCM_PIXELS", {"PixelData": None}),
        ("DCM_TRUNCATED", {"PixelData": b"\0\0"}),
        ("DCM_LENGTH", {"PixelData": b"\0" * 200}),
        ("DCM_BITS", {"BitsStored": 17}),
        ("DCM_BITS", {"HighBit": 11}),
        ("DCM_SIZE", {"Rows": 0}),
        ("DCM_SIGN", {"PixelRepresentation": None}),
    ],
)
def test_a_series_that_would_have_to_be_guessed_is_refused(
    tmp_path: Path, series_folder: Writer, stored_volume: np.ndarray, code: str, tags: dict[str, object]
) -> None:
    folder = spoilt(tmp_path, series_folder, stored_volume, **tags)
    with pytest.raises(DataError, match=rf"\[{code}\]") as caught:
        read_ct(folder)
    assert "00123" not in str(caught.value)
    assert str(tmp_path) not in str(caught.value)


def test_uneven_spacing_names_the_slices(tmp_path: Path, series_folder: Writer, stored_volume: np.ndarray) -> None:
    folder = series_folder(tmp_path, stored_volume)
    (folder / "IM003").unlink()
    with pytest.raises(DataError, match=r"between slices 2-3 \(2\.00 x the usual distance\)"):
        read_ct(folder)


def test_spacing_that_differs_by_half_a_percent_is_even(tmp_path: Path, slice_file: Writer) -> None:
    for k, z in enumerate((0.0, 1.0, 2.004, 3.0)):
        slice_file(tmp_path / str(k), np.full((2, 2), 1024 + k, np.int16), z)
    assert read_ct(tmp_path).spacing_mm[2] == pytest.approx(1.0)


def test_a_leaning_stack_is_refused_in_degrees(tmp_path: Path, slice_file: Writer, stored_volume: np.ndarray) -> None:
    for k, stored in enumerate(stored_volume):
        slice_file(
            tmp_path / str(k), stored, 0.0, ImagePositionPatient=[0.0, k * np.tan(np.radians(20.0)) * 3, k * 3.0]
        )
    with pytest.raises(DataError, match=r"\[CT_TILT\].*leans by 20\.0 degrees"):
        read_ct(tmp_path)


def test_signed_pixels_flagged_unsigned_are_refused(tmp_path: Path, slice_file: Writer) -> None:
    stored = np.full((4, 4), -1000, dtype=np.int16)
    with pytest.raises(DataError, match=r"\[CT_RANGE\]"):
        read_ct(slice_file(tmp_path / "a", stored, 0.0, PixelRepresentation=0, RescaleIntercept=0))


def test_a_single_slice_needs_a_thickness(tmp_path: Path, slice_file: Writer, stored_volume: np.ndarray) -> None:
    assert read_ct(slice_file(tmp_path / "a", stored_volume[0], 0.0)).spacing_mm == pytest.approx((0.5, 0.8, 3.0))
    with pytest.raises(DataError, match=r"\[CT_GEOMETRY\]"):
        read_ct(slice_file(tmp_path / "b", stored_volume[0], 0.0, SliceThickness=None))


@pytest.mark.parametrize(
    ("code", "content"),
    [("DCM_EMPTY", b""), ("DCM_FORMAT", b"a letter"), ("DCM_TRUNCATED", b"\0" * 128 + b"DICM" + b"\7" * 40)],
)
def test_a_file_that_is_no_image_is_refused(tmp_path: Path, code: str, content: bytes) -> None:
    file = tmp_path / "x.dcm"
    file.write_bytes(content)
    with pytest.raises(DataError, match=rf"\[{code}\]|\[DCM_DAMAGED\]"):
        read_ct([file])


def test_a_file_cut_anywhere_is_refused(tmp_path: Path, slice_file: Writer, stored_volume: np.ndarray) -> None:
    whole = slice_file(tmp_path / "whole", stored_volume[0], 0.0).read_bytes()
    cut = tmp_path / "cut"
    for length in range(0, len(whole), 13):
        cut.write_bytes(whole[:length])
        with pytest.raises(DataError, match=r"\[(DCM|CT)_"):
            read_ct([cut])


def test_a_missing_file_and_an_empty_folder_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"\[DCM_OPEN\]"):
        read_ct(tmp_path / "absent")
    with pytest.raises(DataError, match=r"\[CT_EMPTY\]"):
        read_ct(tmp_path)


def test_header_fields_are_text(tmp_path: Path, slice_file: Writer, stored_volume: np.ndarray) -> None:
    file = slice_file(tmp_path / "a", stored_volume[0], 0.0)
    assert dicom_header(file, "PatientID") == "00123"
    assert dicom_header(file, "ImageType") == r"ORIGINAL\PRIMARY\AXIAL"
    assert dicom_header(file, "AccessionNumber") == ""
    with pytest.raises(ValueError, match=r"\[DCM_KEYWORD\]"):
        dicom_header(file, "PatientNumber")


def test_a_real_tilted_series_is_read_with_the_lines_its_refusals_print(shared_data: Path) -> None:
    folder = shared_data / "formats" / "dicom" / "ct_ge_tilt_variable"
    with pytest.raises(DataError, match=r'\[CT_TILT\].*18\.5 degrees.*`tilt = "correct"`'):
        read_ct(folder)
    with pytest.raises(DataError, match=r"\[CT_GAP\].*`max_gap_mm = 7`"):
        read_ct(folder, policy=CtPolicy(tilt="correct"))
    found = r"\[CT_SPACING\].*1\.08 mm \(1 x\), 4\.00 mm \(13 x\), 7\.00 mm \(13 x\)"
    with pytest.raises(DataError, match=found + r'.*`uneven = "resample"`'):
        read_ct(folder, policy=CtPolicy(tilt="correct", max_gap_mm=7))
    volume = read_ct(folder, policy=CtPolicy(tilt="correct", max_gap_mm=7, uneven="resample"))
    assert [remark.code for remark in volume.remarks] == ["CT_TILT", "CT_GAP", "CT_SPACING"]
    # 512 rows lean over 144 mm by tan 18.5 degrees, 48 mm or 98.9 rows; 144.09 mm hold 36 steps of about 4 mm.
    assert volume.array.shape == (512, 611, 37)
    assert volume.spacing_mm == pytest.approx((0.48828, 0.48828, 144.0883 / 36), rel=1e-5)
    axes = volume.affine[:3, :3] / np.array(volume.spacing_mm)
    np.testing.assert_allclose(axes.T @ axes, np.eye(3), atol=1e-6)


def test_one_ct_in_seven_lossless_syntaxes_has_one_set_of_numbers(shared_data: Path) -> None:
    folder = shared_data / "formats" / "dicom" / "transfer_syntaxes"
    expected = read_ct(folder / "CTImage.dcm").array
    # The corners are filled with -2000 as stored, undeclared (the file declares -32768): -3024 HU would be no tissue.
    assert (expected.min(), expected.max()) == (-1024.0, 1378.0)
    for syntax in ("1.2", "1.2.1", "1.2.1.99", "1.2.2", "1.2.4.80", "1.2.4.90", "1.2.5"):
        (file,) = folder.glob(f"CTImage.dcm_*_1.2.840.10008.{syntax}.dcm")
        np.testing.assert_array_equal(read_ct(file).array, expected)


def test_a_syntax_without_decoder_is_named(shared_data: Path) -> None:
    (file,) = (shared_data / "formats" / "dicom" / "transfer_syntaxes").glob("*1.2.840.10008.1.2.4.70.dcm")
    with pytest.raises(DataError, match=r"\[DCM_CODEC\].*JPEG Lossless"):
        read_ct(file)


def test_inverted_grey_is_no_hounsfield_in_an_enhanced_image_either(tmp_path: Path) -> None:
    from tests.faults.dicom_enhanced import enhanced

    assert read_ct(enhanced()(tmp_path, 0)).array.ndim == 3
    file = enhanced(PhotometricInterpretation="MONOCHROME1")(tmp_path, 0)
    with pytest.raises(DataError, match=r"CT_KIND.*MONOCHROME2"):
        read_ct(file)
