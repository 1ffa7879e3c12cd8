from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from pydicom.dataset import Dataset

from clinfuse.errors import DataError
from clinfuse.io.dicom import index_dicom, read_ct, scan_dicom
from clinfuse.io.dicom_index import acquisition_time

Writer = Callable[..., Path]
HEAD = {"SeriesInstanceUID": "1.2.3.1", "SeriesDescription": "head", "AcquisitionDate": "20240501"}


@pytest.fixture
def export(
    tmp_path: Path, series_folder: Writer, film_file: Writer, slice_file: Writer, stored_volume: np.ndarray
) -> Path:
    """Two CT series of one visit mixed in one folder, a film elsewhere, and what else lies in an export."""
    series_folder(tmp_path / "a", stored_volume, **HEAD, ContrastBolusAgent="IOHEXOL", AcquisitionTime="093000.5")
    for k, stored in enumerate(stored_volume[:3]):
        tags = {"SeriesInstanceUID": "1.2.3.2", "SeriesDate": "20240501", "SeriesTime": "1015"}
        slice_file(tmp_path / "a" / f"x{k}", stored, 9.0 - k, SliceThickness=None, **tags)
    slice_file(tmp_path / "a" / "scout", stored_volume[0], 0.0, ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"])
    film_file(tmp_path / "b c" / "ä" / "1", np.eye(8, dtype=np.uint16), PatientID="7", StudyDate="20230101")
    (tmp_path / "DICOMDIR.txt").write_text("no image")
    (tmp_path / "empty").write_bytes(b"")
    return tmp_path


def test_series_are_found_wherever_they_lie(export: Path) -> None:
    head, body, film = index_dicom(export)
    assert [len(series.files) for series in (head, body, film)] == [5, 3, 1]
    assert (head.patient_id, head.series_uid, head.modality, head.description) == ("00123", "1.2.3.1", "CT", "head")
    assert (head.contrast, body.contrast) == (True, False)
    assert (head.thickness_mm, np.isnan(body.thickness_mm)) == (3.0, True)
    assert (head.rows, head.columns) == (4, 6)
    assert head.time == np.datetime64("2024-05-01T09:30:00")
    assert body.time == np.datetime64("2024-05-01T10:15:00")
    assert (film.patient_id, film.modality, film.time) == ("7", "DX", np.datetime64("2023-01-01T00:00:00"))


def test_files_are_in_slice_order_and_can_be_read(export: Path, stored_volume: np.ndarray) -> None:
    head, body, _ = index_dicom(export)
    assert [file.name for file in head.files] == ["IM005", "IM004", "IM003", "IM002", "IM001"]
    assert [file.name for file in body.files] == ["x2", "x1", "x0"]
    expected = stored_volume[:, ::-1, ::-1].transpose(2, 1, 0) - 1024.0
    np.testing.assert_array_equal(read_ct(head.files).array, expected)


def test_what_is_left_out_is_counted(export: Path) -> None:
    whole = (export / "a" / "IM001").read_bytes()
    (export / "cut").write_bytes(whole[:500])
    (export / "note.dcm").write_text("The export was interrupted.")
    scan = scan_dicom(export)
    assert {file.name: error.code for file, error in scan.errors.items()} == {
        "cut": "DCM_TRUNCATED",
        "empty": "DCM_EMPTY",
        "note.dcm": "DCM_FORMAT",
    }
    assert scan.other == 2
    assert len(scan.series) == 3


def test_a_damaged_file_may_belong_to_every_series_of_its_study(
    tmp_path: Path, slice_file: Writer, stored_volume: np.ndarray
) -> None:
    for number in range(4):
        slice_file(tmp_path / "study" / f"{number}", stored_volume[number], float(number))
        slice_file(tmp_path / "flat" / f"{number}", stored_volume[number], float(number), PatientID="1")
    slice_file(tmp_path / "study" / "thin", stored_volume[0], 0.0, SeriesInstanceUID="1.2.4")
    slice_file(tmp_path / "flat" / "other", stored_volume[0], 0.0, PatientID="2")
    for place in ("study", "flat"):
        (tmp_path / place / "4").write_bytes((tmp_path / place / "3").read_bytes()[:400])
    scan = scan_dicom(tmp_path)
    damaged = {series.files[0].parent.name: [file.name for file in series.damaged] for series in scan.series}
    assert damaged == {"study": ["4"], "flat": []}
    flat = [series for series in scan.series if series.files[0].parent.name == "flat"]
    assert [[file.name for file in series.doubtful] for series in flat] == [["4"], ["4"]]
    assert not any(series.doubtful for series in scan.series if series not in flat)
    assert [len(series.damaged) for series in scan.series if series.files[0].parent.name == "study"] == [1, 1]


def test_a_time_with_an_offset_is_brought_to_the_clock_of_the_file(
    tmp_path: Path, slice_file: Writer, stored_volume: np.ndarray
) -> None:
    said = {"AcquisitionDateTime": "20240502093000+0000", "TimezoneOffsetFromUTC": "+0200"}
    slice_file(tmp_path / "slice", stored_volume[0], 0.0, **said)
    (series,) = index_dicom(tmp_path)
    assert series.time == np.datetime64("2024-05-02T11:30:00")


def test_two_patients_are_never_one_series(tmp_path: Path, slice_file: Writer, stored_volume: np.ndarray) -> None:
    slice_file(tmp_path / "1", stored_volume[0], 0.0, PatientID="1")
    slice_file(tmp_path / "2", stored_volume[1], 1.0, PatientID="2")
    assert [(series.patient_id, len(series.files)) for series in index_dicom(tmp_path)] == [("1", 1), ("2", 1)]


def test_without_positions_the_instance_number_orders(tmp_path: Path, film_file: Writer) -> None:
    for name, number in (("a", 10), ("b", 9), ("c", 1)):
        film_file(tmp_path / name, np.eye(4, dtype=np.uint8), InstanceNumber=number)
    assert [file.name for file in index_dicom(tmp_path)[0].files] == ["c", "b", "a"]


@pytest.mark.parametrize(
    ("tags", "expected"),
    [
        ({"AcquisitionDateTime": "20240102030405.6+0100", "StudyDate": "20200101"}, "2024-01-02T03:04:05"),
        ({"AcquisitionDate": "20240102", "AcquisitionTime": "0304"}, "2024-01-02T03:04:00"),
        ({"AcquisitionDate": "20240102", "SeriesDate": "20240102", "SeriesTime": "05"}, "2024-01-02T05:00:00"),
        ({"AcquisitionDate": "2024.01.02", "AcquisitionTime": "03:04:05"}, "2024-01-02T03:04:05"),
        ({"AcquisitionDate": "20240230", "AcquisitionTime": "0304", "StudyDate": "20240301"}, "2024-03-01T00:00:00"),
        ({"AcquisitionTime": "0304"}, "NaT"),
        ({}, "NaT"),
    ],
)
def test_the_time_of_an_image(tags: dict[str, str], expected: str) -> None:
    dataset = Dataset()
    dataset.update({})
    for keyword, value in tags.items():
        dataset.add_new(keyword, "LO", value)
    assert str(acquisition_time(dataset)) == expected


def test_an_absent_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"\[DCM_FOLDER\]"):
        index_dicom(tmp_path / "absent")


def test_real_exports_are_indexed(shared_data: Path) -> None:
    scan = scan_dicom(shared_data / "formats" / "dicom")
    assert sorted((series.modality, len(series.files)) for series in scan.series if len(series.files) > 2) == [
        ("CT", 16),
        ("CT", 28),
        ("MR", 4),
        ("MR", 12),
    ]
    tilted = next(series for series in scan.series if len(series.files) == 28)
    assert sorted(file.name for file in tilted.files) == [f"{k:02d}.dcm" for k in range(1, 29)]


@pytest.mark.parametrize("name", ["DONE", "complete.ok", ".keep", "Thumbs.db"])
def test_an_empty_mark_beside_numbered_slices_is_no_slice(
    tmp_path: Path, slice_file: Writer, stored_volume: np.ndarray, name: str
) -> None:
    for number in range(4):
        slice_file(tmp_path / f"IM{number}", stored_volume[number], float(number))
    (tmp_path / name).touch()
    scan = scan_dicom(tmp_path)
    assert (scan.damaged, scan.marks, scan.other, len(scan.refused)) == ((), 1, 1, 0)
    assert scan.series[0].damaged == ()


@pytest.mark.parametrize("name", ["IM9", "lost.dcm", "LOST.IMA", "1.2.840"])
def test_an_empty_file_that_may_be_a_slice_is_damaged(
    tmp_path: Path, slice_file: Writer, stored_volume: np.ndarray, name: str
) -> None:
    for number in range(4):
        slice_file(tmp_path / f"IM{number}", stored_volume[number], float(number))
    (tmp_path / name).touch()
    scan = scan_dicom(tmp_path)
    assert [file.name for file in scan.series[0].damaged] == [name]
    assert scan.marks == 0


def test_beside_slices_without_numbers_nothing_tells_a_mark_from_a_slice(
    tmp_path: Path, slice_file: Writer, stored_volume: np.ndarray
) -> None:
    for number, name in enumerate(("first", "2", "third")):
        slice_file(tmp_path / name, stored_volume[number], float(number))
    (tmp_path / "DONE").touch()
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "DONE").touch()
    scan = scan_dicom(tmp_path)
    assert (len(scan.damaged), scan.marks) == (2, 0)
