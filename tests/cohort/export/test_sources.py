"""Files by path column, pattern and header; wide tables with and without dates."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import numpy as np
import pytest

from clinfuse.cohort.folder import read_export
from clinfuse.errors import ConfigError, DataError

VISITS = (
    "ID,PATIENT,AT,SIDE,Y,FILM,SCAN",
    "1,a,2020-01-10 12:00,train,1,films/one.dcm,scans/s1",
    "2,b,2020-01-10 12:00,test,0,films/none.dcm,scans/s2/1_00",
    "3,c,2020-01-10 12:00,,0,../out.dcm,",
)
HEAD = """
[records]
table = "visits.csv"
patient_id = "PATIENT"
record_id = "ID"
index_time = "AT"

[label]
column = "Y"
positive = ["1"]
"""


def read(hospital, folder, modality, visits=VISITS, head=HEAD, **tables):
    written = {"visits.csv": visits, **{f"{name}.csv": rows for name, rows in tables.items()}}
    return read_export(hospital.write_tables(folder, written, head + "[modalities.m]\n" + modality))


def touch(folder: Path, *names: str) -> Path:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"nothing that a header could be read from")
    return folder


def test_a_path_column_names_files_inside_the_folder_only(hospital, tmp_path):
    touch(tmp_path, "out.dcm", "x/films/one.dcm")
    export = read(hospital, tmp_path / "x", 'kind = "xray"\ncolumn = "FILM"\n')
    assert export.sources["m"].files == ((Path("films/one.dcm"),), (), ())
    assert export.ledger.refused == {"FILE_ABSENT": 1, "FILE_OUTSIDE": 1}
    assert export.modalities[0].shape == (1, 224, 224)
    with pytest.raises(DataError, match="FILE_"):
        read_export(tmp_path / "x", strict=True)


def test_a_path_column_may_name_the_folder_of_a_series(hospital, tmp_path):
    hospital.write_ct(tmp_path / "scans" / "s1", "anyone", datetime(2020, 1, 9))
    hospital.write_ct(tmp_path / "scans" / "s2", "anyone", datetime(2020, 1, 9))
    export = read(hospital, tmp_path, 'kind = "ct"\ncolumn = "SCAN"\n')
    assert [len(files) for files in export.sources["m"].files] == [3, 1, 0]
    assert export.ledger.matches[0].matched == 2


def test_a_file_that_two_patients_are_said_to_have_is_neither_s(hospital, tmp_path):
    hospital.write_ct(tmp_path / "scans" / "s1", "anyone", datetime(2020, 1, 9))
    visits = tuple(line.replace("scans/s2/1_00", "scans/s1") for line in VISITS)
    export = read(hospital, tmp_path, 'kind = "ct"\ncolumn = "SCAN"\n', visits=visits)
    assert [len(files) for files in export.sources["m"].files] == [0, 0, 0]
    assert export.ledger.refused == {"FILE_SHARED": 2}


def test_slices_of_one_series_under_the_names_of_two_are_neither_s(hospital, tmp_path):
    hospital.write_ct(tmp_path / "ct", "anyone", datetime(2020, 1, 9), slices=4)
    for number, file in enumerate(sorted((tmp_path / "ct").iterdir())):
        file.rename(file.with_name(f"{1 + number // 2}_{number}"))
    export = read(hospital, tmp_path, 'kind = "ct"\nfiles = "ct/{record_id}_*"\n')
    assert [len(files) for files in export.sources["m"].files] == [0, 0, 0]
    assert export.ledger.refused == {"ID_MISMATCH": 2}


def test_another_patient_s_damaged_file_costs_only_that_patient(hospital, tmp_path):
    hospital.write_ct(tmp_path / "ct", "anyone", datetime(2020, 1, 9), slices=4)
    for number, file in enumerate(sorted((tmp_path / "ct").iterdir())):
        file.rename(file.with_name(f"1_{number}"))
    (tmp_path / "ct" / "2_0").write_bytes(b"")
    export = read(hospital, tmp_path, 'kind = "ct"\nfiles = "ct/{record_id}_*"\n')
    assert [len(files) for files in export.sources["m"].files] == [4, 0, 0]
    (entry,) = [entry for entry in export.ledger.entries if not entry.note]
    assert (entry.code, entry.key) == ("DCM_EMPTY", export.records.keys[1])


@pytest.mark.parametrize("how", ['folder = "ct"\n', 'files = "ct/{record_id}/*"\n'])
def test_an_empty_mark_of_the_export_costs_no_series(hospital, tmp_path, how):
    hospital.write_ct(tmp_path / "ct" / "1", "a", datetime(2020, 1, 9), slices=4)
    (tmp_path / "ct" / "1" / "DONE").write_bytes(b"")
    export = read(hospital, tmp_path, f'kind = "ct"\n{how}')
    assert [len(files) for files in export.sources["m"].files] == [4, 0, 0]
    assert not export.ledger.refused
    told = {entry.code: entry.text for entry in export.ledger.entries if entry.note}
    assert told["DCM_SKIPPED"].startswith("1 empty files with a name unlike those of the images beside them")


def test_every_slice_is_asked_for_its_number(hospital, tmp_path):
    import pydicom

    hospital.write_ct(tmp_path / "ct", "anyone", datetime(2020, 1, 9), slices=4)
    for number, file in enumerate(sorted((tmp_path / "ct").iterdir())):
        image = pydicom.dcmread(file)
        image.AccessionNumber = "a" if number < 2 else "b"
        image.save_as(file)
    modality = 'kind = "ct"\nfolder = "ct"\nid = { header = "AccessionNumber" }\n'
    export = read(hospital, tmp_path, modality)
    assert [len(files) for files in export.sources["m"].files] == [0, 0, 0]
    assert export.ledger.refused == {"PATIENT_MIX": 1}


def test_slices_that_lie_in_the_folder_of_their_record(hospital, tmp_path):
    hospital.write_ct(tmp_path / "ct" / "1", "x", datetime(2020, 1, 9))
    hospital.write_ct(tmp_path / "ct" / "2" / "deeper", "x", datetime(2020, 1, 9), slices=5)
    hospital.write_ct(tmp_path / "ct" / "9", "x", datetime(2020, 1, 9))
    hospital.write_ct(tmp_path / "ct" / "3", "x", datetime(2020, 1, 11))
    export = read(hospital, tmp_path, 'kind = "ct"\nfiles = "ct/{record_id}/"\n')
    assert [len(files) for files in export.sources["m"].files] == [3, 5, 0]
    assert export.ledger.matches[0].unmatched == 1
    assert [(entry.code, entry.text[0]) for entry in export.ledger.entries] == [("AFTER_INDEX", "1")]


@pytest.mark.parametrize("how", ["first", "last", "nearest", "most slices"])
def test_several_series(hospital, tmp_path, how):
    top = tmp_path / "ct" / "1"
    for number, (day, slices) in enumerate([(1, 2), (2, 6), (9, 2), (9, 1)], start=1):
        hospital.write_ct(top, "x", datetime(2020, 1, day), slices=slices, series=number)
    export = read(hospital, tmp_path, f'kind = "ct"\nfiles = "ct/{{record_id}}/"\nseveral = "{how}"\n')
    chosen = export.sources["m"].files[0]
    expected = {"first": ("1_", 2), "most slices": ("2_", 6)}.get(how, ("3_", 2))
    assert ({path.name[:2] for path in chosen}, len(chosen)) == ({expected[0]}, expected[1])


def test_two_series_that_nothing_tells_apart_are_refused(hospital, tmp_path):
    for number in (1, 2):
        hospital.write_ct(tmp_path / "ct" / "1", "x", datetime(2020, 1, 9), series=number)
    export = read(hospital, tmp_path, 'kind = "ct"\nfiles = "ct/{record_id}/"\nseveral = "nearest"\n')
    assert export.sources["m"].files[0] == ()
    assert export.ledger.refused == {"SEVERAL_TIE": 1}
    assert export.ledger.entries[0].key == export.records.keys[0]


def test_masks_by_pattern_have_one_channel_for_each_label(hospital, tmp_path):
    touch(tmp_path, "m/a/seg.nii.gz", "m/b/seg.nii.gz", "m/z/seg.nii.gz")
    labels = 'labels = { 2 = "tumour", 1 = "kidney" }\nsize = [4, 5, 6]\nspacing_mm = [1, 2, 3]\n'
    export = read(hospital, tmp_path, 'kind = "mask"\nfiles = "m/{patient_id}/seg.nii.gz"\n' + labels)
    assert export.sources["m"].files == ((Path("m/a/seg.nii.gz"),), (Path("m/b/seg.nii.gz"),), ())
    mask = export.modalities[0]
    assert (mask.shape, mask.channels, mask.spacing_mm) == ((2, 4, 5, 6), ("kidney", "tumour"), (1, 2, 3))


def test_the_private_folder_is_never_searched(hospital, tmp_path):
    visits = (*VISITS[:3], "private,c,2020-01-10 12:00,,0,,")
    touch(tmp_path, "1/x.nii")
    read(hospital, tmp_path, 'kind = "mr"\nfiles = "{record_id}/*"\n', visits)
    export = read(hospital, tmp_path, 'kind = "mr"\nfiles = "{record_id}/*"\n', visits)
    assert export.sources["m"].files == ((Path("1/x.nii"),), (), ())


def test_an_id_that_holds_the_separator_of_the_pattern_is_refused(hospital, tmp_path):
    visits = (VISITS[0], VISITS[1].replace("1,a", "1_1,a"), VISITS[2])
    touch(tmp_path, "1_1_x.edf")
    with pytest.raises(DataError, match="FILES_AMBIGUOUS"):
        read(hospital, tmp_path, 'kind = "eeg"\nfiles = "{record_id}_*.edf"\n', visits)


def test_wide_table_of_patients_repeats_are_one_and_conflicts_none(hospital, tmp_path):
    rows = ("PATIENT,X,S", "a,1.5,f", "a,1.5,f", "b,2,m", "b,3,m", "z,9,q")
    modality = 'kind = "ehr"\ntable = "wide.csv"\ncolumns.X = "number"\ncolumns.S = "category"\n'
    export = read(hospital, tmp_path, modality, wide=rows)
    np.testing.assert_array_equal(export.sources["m"].values, [[1.5, 0], [np.nan] * 2, [np.nan] * 2])
    assert export.modalities[0].columns[1].levels == ("f", "m", "q")
    assert export.ledger.refused == {"ROWS_CONFLICT": 1}
    assert export.ledger.matches[0].twice == 0


def test_dated_wide_table_takes_the_last_before_the_index_time(hospital, tmp_path):
    rows = (
        "PATIENT,T,X,S",
        "a,2020-01-09 12:00,1,f",
        "a,2020-01-10 11:00,,m",
        "a,2020-01-10 13:00,7,f",
        "b,2020-01-11 12:00,2,m",
        "c,,3,f",
    )
    modality = 'kind = "ehr"\ntable = "wide.csv"\ntime = "T"\ncolumns.X = { take = ["last", "count"] }\n'
    export = read(hospital, tmp_path, modality + 'columns.S = "category"\n', wide=rows)
    assert [column.name for column in export.modalities[0].columns] == ["X last", "X count", "S last"]
    np.testing.assert_array_equal(export.sources["m"].values, [[1, 1, 1], [np.nan] * 3, [np.nan] * 3])
    codes = {entry.code: entry.text.split()[0] for entry in export.ledger.entries}
    assert codes == {"TIME_UNKNOWN": "1", "AFTER_INDEX": "2"}


def test_values_outside_the_range_are_missing_and_bounds_are_declared(hospital, tmp_path):
    rows = ("PATIENT,X", "a,>=90", "b,999", "c,50")
    modality = 'kind = "ehr"\ntable = "wide.csv"\ncolumns.X = { range = [0, 200], censored = "limit" }\n'
    export = read(hospital, tmp_path / "a", modality, wide=rows)
    np.testing.assert_array_equal(export.sources["m"].values[:, 0], [90, np.nan, 50])
    assert [entry.code for entry in export.ledger.entries] == ["UNDATED", "EHR_CENSORED", "EHR_RANGE"]
    with pytest.raises(DataError, match=r"EHR_NUMBER.*modalities.m") as refused:
        read(hospital, tmp_path / "b", modality.replace(', censored = "limit"', ""), wide=rows)
    assert "90" not in str(refused.value)
    assert '`columns.X = { range = [0.0, 200.0], censored = "limit" }` under [modalities.m]' in refused.value.remedy
    assert "line 2:" in refused.value.place + ":"


def test_a_section_may_read_the_records_table_in_another_way(hospital, tmp_path):
    visits = ("ID,PATIENT,AT,SIDE,Y,X", '1,a,2020-01-10 12:00,,1,"1,5"', "2,b,2020-01-10 12:00,,0,2")
    modality = 'kind = "ehr"\ntable = "visits.csv"\ndecimal = ","\ncolumns.X = "number"\n'
    assert read(hospital, tmp_path, modality, visits).sources["m"].values.tolist() == [[1.5], [2.0]]


def test_a_table_that_nothing_joins_is_refused(hospital, tmp_path):
    with pytest.raises(DataError, match=r"TABLE_JOIN.*patient_id"):
        read(hospital, tmp_path, 'kind = "ehr"\ntable = "w.csv"\ncolumns.X = "number"\n', w=("P,X", "a,1"))


def test_without_an_index_time_everything_of_the_patient_counts(hospital, tmp_path):
    head = HEAD.replace('index_time = "AT"\n', "")
    hospital.write_edf(tmp_path / "a_1.edf", datetime(2033, 1, 1))
    export = read(hospital, tmp_path, 'kind = "eeg"\nfiles = "{patient_id}_*.edf"\n', head=head)
    assert export.sources["m"].files[0] == (Path("a_1.edf"),)
    assert np.isnat(export.records.times).all()
    assert export.modalities[0].shape == (6, 19, 640)


def test_without_record_ids_a_patient_is_a_record(hospital, tmp_path):
    head = HEAD.replace('record_id = "ID"\n', "")
    modality = 'kind = "ehr"\ntable = "visits.csv"\ncolumns.ID = "category"\n'
    export = read(hospital, tmp_path, modality, head=head)
    assert export.records.record_ids.tolist() == export.records.patient_ids.tolist() == ["a", "b", "c"]


LONG = 'kind = "ehr"\ntable = "labs.csv"\ntime = "T"\nlong = { code = "C", value = "V", unit = "U" }\n'


def labs(*rows):
    return ("PATIENT,T,C,V,U", *rows)


def test_other_units_are_converted_by_declared_factors_only(hospital, tmp_path):
    rows = labs("a,2020-01-09 12:00,CRP,0.5,mg/dL", "b,2020-01-09 12:00,CRP,7,mg/L", "c,2020-01-09 12:00,CRP,9,")
    column = 'columns.CRP = { unit = "mg/L", range = [2, 100] }\n'
    export = read(hospital, tmp_path / "a", LONG + column, labs=rows)
    np.testing.assert_array_equal(export.sources["m"].values[:, 0], [np.nan, 7, np.nan])
    assert [entry.text[:2] for entry in export.ledger.entries if entry.code == "EHR_UNIT"] == ["2 "]
    factor = column.replace(", range", ', units = { "mg/dL" = 10 }, range')
    export = read(hospital, tmp_path / "b", LONG + factor, labs=rows)
    np.testing.assert_array_equal(export.sources["m"].values[:, 0], [5, 7, np.nan])


def test_numbers_of_several_units_are_not_mixed_for_want_of_a_declaration(hospital, tmp_path):
    rows = labs("a,2020-01-09 12:00,CRP,0.5,mg/dL", "b,2020-01-09 12:00,CRP,7,mg/L")
    with pytest.raises(DataError, match=r"EHR_UNIT.*2 units and none declared"):
        read(hospital, tmp_path / "a", LONG + 'columns.CRP = "number"\n', labs=rows)
    unread = LONG.replace(', unit = "U"', "") + 'columns.CRP = { unit = "mg/L", units = { "mg/dL" = 10 } }\n'
    with pytest.raises(ConfigError, match="units only beside a column of units"):
        read(hospital, tmp_path / "b", unread, labs=rows)


def test_a_value_does_not_depend_on_the_contradictions_of_others(hospital, tmp_path):
    row = "a,2020-01-09 12:00,CRP,5,mg/L"
    own = (row, row, "a,2020-01-10 08:00,CRP,9,mg/L")
    other = ("b,2020-01-09 12:00,CRP,3,mg/L", "b,2020-01-09 12:00,CRP,4,mg/L")
    source = LONG + 'same_time = "mean"\ncolumns.CRP = { unit = "mg/L", take = ["last", "mean", "count"] }\n'
    for name, rows in (("alone", own), ("beside", own + other)):
        export = read(hospital, tmp_path / name, source, labs=labs(*rows))
        np.testing.assert_array_equal(export.sources["m"].values[0], [9, 7, 2])


def test_a_column_wholly_in_another_unit_is_refused_with_the_factor(hospital, tmp_path):
    rows = labs("a,2020-01-09 12:00,CRP,0.5,mg/dL", "b,2020-01-09 12:00,CRP,7,mg/dL")
    column = 'columns.CRP = { unit = "mg/L" }\n'
    with pytest.raises(DataError, match=r"EHR_UNIT.*2 in mg/dL") as refused:
        read(hospital, tmp_path / "a", LONG + column, labs=rows)
    line = 'columns.CRP = { unit = "mg/L", units = { "mg/dL" = 10.0 } }'
    assert f"`{line}` under [modalities.m]" in refused.value.remedy
    export = read(hospital, tmp_path / "b", LONG + line, labs=rows)
    np.testing.assert_array_equal(export.sources["m"].values[:, 0], [5, 70, np.nan])


def test_different_values_at_one_time_are_a_question(hospital, tmp_path):
    row = "a,2020-01-09 12:00,CRP,5,mg/L"
    rows = labs(row, row, "a,2020-01-09 12:00,CRP,7,mg/L", "b,2020-01-09 12:00,CRP,3,mg/L")
    column = 'columns.CRP = { unit = "mg/L", take = ["last", "count"] }\n'
    export = read(hospital, tmp_path / "a", LONG + column, labs=rows)
    np.testing.assert_array_equal(export.sources["m"].values, [[np.nan, 0], [3, 1], [np.nan] * 2])
    entry = next(entry for entry in export.ledger.entries if entry.code == "SAME_TIME")
    assert (entry.text[:9], entry.key) == ("Line 2, 4", export.records.keys[0])
    assert '`same_time = "mean"` under [modalities.m]' in entry.remedy
    assert "ROWS_REPEATED" in [entry.code for entry in export.ledger.entries]
    export = read(hospital, tmp_path / "b", LONG + 'same_time = "mean"\n' + column, labs=rows)
    np.testing.assert_array_equal(export.sources["m"].values[:, 0], [6, 3, np.nan])
    with pytest.raises(DataError, match=r"SAME_TIME.*`same_time"):
        read_export(tmp_path / "a", strict=True)


def test_a_source_that_meets_no_record_says_what_may_be_wrong(hospital, tmp_path):
    visits = (VISITS[0], VISITS[1].replace("1,a", "1,007"), VISITS[2].replace("2,b", "2,008"))
    wide = ("PATIENT,X", "7,1", "8,2", ",3")
    modality = 'kind = "ehr"\ntable = "wide.csv"\ncolumns.X = "number"\n'
    export = read(hospital, tmp_path / "a", modality, visits, wide=wide)
    told = {entry.code: entry.text for entry in export.ledger.entries}
    assert "`width = { patient_id = 3 }` in [ids]" in told["IDS_NONE_MEET"]
    assert told["ID_MISSING"].startswith("1 rows without an id")
    assert told["EHR_EMPTY"].endswith("X.")
    head = "[ids]\nwidth = { patient_id = 3 }\n" + HEAD
    export = read(hospital, tmp_path / "b", modality, visits, head, wide=wide)
    np.testing.assert_array_equal(export.sources["m"].values[:, 0], [1, 2])


def test_columns_that_look_wrong_are_noted(hospital, tmp_path):
    rows = [f"{k},p{k},2020-01-10 12:00,,{k % 2},,,{1.5 + k / 100 if k % 2 else 150 + k},4" for k in range(40)]
    columns = 'columns.H = "number"\ncolumns.S = "number"\n'
    export = read(hospital, tmp_path, f'kind = "ehr"\ntable = "visits.csv"\n{columns}', (VISITS[0] + ",H,S", *rows))
    assert {entry.code for entry in export.ledger.entries} == {"EHR_TWO_SCALES", "EHR_CONSTANT"}


def test_an_address_is_no_file(hospital, tmp_path):
    visits = (VISITS[0], VISITS[1].replace("films/one.dcm", "file:///etc/passwd"), VISITS[2])
    export = read(hospital, tmp_path / "a", 'kind = "xray"\ncolumn = "FILM"\n', visits)
    assert export.ledger.refused == {"FILE_URL": 1, "FILE_ABSENT": 1}
    with pytest.raises(DataError, match="FILE_URL"):
        read(hospital, tmp_path / "b", 'kind = "ehr"\ntable = "https://x.org/a.csv"\ncolumns.X = "number"\n')
