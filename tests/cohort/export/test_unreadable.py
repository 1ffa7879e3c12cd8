"""Files whose header cannot be read: whose they are is known by name, or not at all, and either is said."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import pydicom
import pytest

from clinfuse.cohort.folder import read_export
from clinfuse.errors import DataError

VISITS = ("V,P,Y", "1,a,1", "2,b,0", "3,c,0")
HEAD = """
[records]
table = "visits.csv"
patient_id = "P"
record_id = "V"

[label]
column = "Y"
positive = ["1"]

[modalities.m]
"""
BY_HEADER = 'kind = "ct"\nfolder = "ct"\n'
BY_NAME = 'kind = "ct"\nfiles = "ct/{record_id}_*"\n'
FILM = 'kind = "xray"\nfiles = "rx/{record_id}_*"\n'


def read(hospital, folder, modality, *, strict=False):
    return read_export(hospital.write_tables(folder, {"visits.csv": VISITS}, HEAD + modality), strict=strict)


def flat(hospital, folder: Path, *, slices: int = 4) -> Path:
    """The series of two patients side by side in one folder, under names that begin with the record."""
    for number, patient in enumerate("ab", start=1):
        hospital.write_ct(folder / patient, patient, datetime(2020, 1, number), slices=slices, series=number)
        for file in sorted((folder / patient).iterdir()):
            (folder / "ct").mkdir(exist_ok=True)
            position = int(file.name[-1])
            file.rename(folder / "ct" / f"{number}_{position}")
    return folder / "ct"


def cut(file: Path) -> None:
    """Leave so little of a file that its header cannot be read."""
    file.write_bytes(file.read_bytes()[:300])


def said(file: Path, **values: object) -> None:
    image = pydicom.dcmread(file)
    for name, value in values.items():
        setattr(image, name, value)
    image.save_as(file)


def entries(export, *, note: bool):
    return [(entry.code, entry.key) for entry in export.ledger.entries if entry.note == note]


@pytest.mark.parametrize(("lost", "incomplete"), [(0, True), (3, False), (2, False)])
def test_among_series_of_several_patients_it_may_be_anybody_s(hospital, tmp_path, lost, incomplete):
    cut(flat(hospital, tmp_path) / f"1_{lost}")
    export = read(hospital, tmp_path, BY_HEADER)
    assert [len(files) for files in export.sources["m"].files] == [3, 4, 0]
    assert export.ledger.refused == {"DCM_TRUNCATED": 1}
    first = export.records.keys[0]
    # A lost first slice shows in the numbers of the others; a lost last one shows in nothing, and every series is told.
    assert entries(export, note=True) == [
        ("SLICES_UNSURE", ""),
        *([("SERIES_INCOMPLETE", first)] if incomplete else []),
    ]
    (unsure,) = [entry.text for entry in export.ledger.entries if entry.code == "SLICES_UNSURE"]
    assert unsure.startswith("1 DICOM files that cannot be read lie beside series of several patients")
    with pytest.raises(DataError, match="DCM_TRUNCATED"):
        read(hospital, tmp_path, BY_HEADER, strict=True)


@pytest.mark.parametrize("field", ["ImagesInAcquisition", "NumberOfSeriesRelatedInstances"])
def test_a_lost_last_slice_shows_in_the_number_of_images(hospital, tmp_path, field):
    folder = flat(hospital, tmp_path)
    for number in (1, 2):
        for position in range(4):
            said(folder / f"{number}_{position}", **{field: 4})
    assert entries(read(hospital, tmp_path, BY_HEADER), note=True) == []
    cut(folder / "2_3")
    export = read(hospital, tmp_path, BY_HEADER)
    assert entries(export, note=True) == [("SLICES_UNSURE", ""), ("SERIES_INCOMPLETE", export.records.keys[1])]
    (folder / "2_3").unlink()
    # Where every file is read, an acquisition may have made other series too; the number of a series is its own.
    found = entries(read(hospital, tmp_path, BY_HEADER), note=True)
    assert [code for code, _ in found] == (["SERIES_INCOMPLETE"] if field.startswith("Number") else [])


def test_numbers_that_begin_later_are_nothing_where_every_file_is_read(hospital, tmp_path):
    folder = flat(hospital, tmp_path)
    (folder / "1_0").unlink()
    assert entries(read(hospital, tmp_path, BY_HEADER), note=True) == []


def test_by_name_it_is_a_slice_of_its_record_s_series_whoever_lies_beside(hospital, tmp_path):
    folder = flat(hospital, tmp_path)
    cut(folder / "2_3")
    export = read(hospital, tmp_path, BY_NAME)
    assert [len(files) for files in export.sources["m"].files] == [4, 4, 0]
    assert Path("ct/2_3") in export.sources["m"].files[1]  # reading it refuses the series
    assert entries(export, note=True) == []
    assert export.ledger.refused == {}
    (folder / "2_3").rename(folder / "3_0")
    export = read(hospital, tmp_path, BY_NAME)
    assert [len(files) for files in export.sources["m"].files] == [4, 3, 0]
    assert entries(export, note=False) == [("DCM_TRUNCATED", export.records.keys[2])]


def films(hospital, folder: Path) -> Path:
    for number, text in ((1, "thorax"), (2, "thorax"), (3, "hand")):
        hospital.write_ct(folder / "x", "x", datetime(2020, 1, number), slices=1, series=number, description=text)
    for file in sorted((folder / "x").iterdir()):
        said(file, Modality="DX")
        (folder / "rx").mkdir(exist_ok=True)
        file.rename(folder / "rx" / file.name)
    return folder / "rx"


@pytest.mark.parametrize("series", ["", 'series = { description = "thor*" }\n'])
def test_a_damaged_film_is_refused_under_its_record_with_a_filter_and_without(hospital, tmp_path, series):
    folder = films(hospital, tmp_path)
    cut(folder / "1_00")
    export = read(hospital, tmp_path, FILM + series)
    if series:
        # Nothing tells whether it would meet the filter, so it is refused here; else its reader refuses it.
        assert [len(files) for files in export.sources["m"].files] == [0, 1, 0]
        assert entries(export, note=False) == [("DCM_TRUNCATED", export.records.keys[0])]
        with pytest.raises(DataError, match="DCM_TRUNCATED"):
            read(hospital, tmp_path, FILM + series, strict=True)
    else:
        assert [len(files) for files in export.sources["m"].files] == [1, 1, 1]
    assert [code for code, _ in entries(export, note=True)] == (["SERIES_FILTER"] if series else [])


def test_a_damaged_film_found_by_header_is_counted_without_a_key(hospital, tmp_path):
    folder = films(hospital, tmp_path)
    said(folder / "2_00", PatientID="b")
    cut(folder / "1_00")
    source = 'kind = "xray"\nfolder = "rx"\nseries = { description = "thor*" }\n'
    export = read(hospital, tmp_path, source)
    assert [len(files) for files in export.sources["m"].files] == [0, 1, 0]
    assert entries(export, note=False) == [("DCM_TRUNCATED", "")]
