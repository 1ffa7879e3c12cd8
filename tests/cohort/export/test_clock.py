"""A date without a time of day is never taken for its midnight where that would let something later in."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import numpy as np
import pydicom
import pytest

from clinfuse.cohort.folder import read_export

VISITS = ("V,P,T", "1,a,2024-05-01 09:30", "2,b,2024-05-01 09:30", "3,c,2024-05-01 09:30")
DAYS = ("V,P,T", "1,a,2024-05-01", "2,b,2024-05-01", "3,c,2024-05-01")
DIAGNOSES = ("V,ICD,AT", "1,G40.1,2024-05-01", "2,G40.1,2024-05-02")
HEAD = """
[records]
table = "visits.csv"
patient_id = "P"
record_id = "V"
index_time = "T"

[label]
table = "dx.csv"
column = "ICD"
positive = ["G40*"]
time = "AT"
window = ["0 d", "30 d"]
no_row = "negative"
"""
LABS = """
[modalities.labs]
kind = "ehr"
table = "labs.csv"
time = "TAKEN"
window = ["-48 h", "0 h"]
columns.CRP = { take = ["last"] }
"""
CRP = ("V,CRP,TAKEN", "1,5,2024-04-30", "1,200,2024-05-01", "2,3,2024-05-01 09:00", "3,4,2024-04-30")


def read(hospital, folder, *, visits=VISITS, dx=DIAGNOSES, labs=CRP, contract=HEAD + LABS):
    tables = {"visits.csv": visits, "dx.csv": dx, "labs.csv": labs}
    return read_export(hospital.write_tables(folder, tables, contract))


def notes(export, source):
    found = [entry for entry in export.ledger.entries if entry.source == source and entry.note]
    return {entry.code: int(entry.text.split()[0]) for entry in found}


def test_a_value_of_the_index_day_without_a_clock_is_not_used(hospital, tmp_path):
    export = read(hospital, tmp_path)
    assert export.sources["labs"].values.tolist() == [[5.0], [3.0], [4.0]]
    assert notes(export, "labs") == {"SAME_DAY": 1}


@pytest.mark.parametrize("midnight", [" 00:00", " 00:00:00"])
def test_a_column_of_midnights_is_one_of_days(hospital, tmp_path, midnight):
    labs = (CRP[0], *(line + midnight for line in (CRP[1], CRP[2], CRP[4])))
    export = read(hospital, tmp_path, labs=labs)
    np.testing.assert_array_equal(export.sources["labs"].values, [[5.0], [np.nan], [4.0]])
    assert notes(export, "labs") == {"SAME_DAY": 1}


def test_the_format_of_a_table_says_whether_it_has_a_clock(hospital, tmp_path):
    labs = ("V;CRP;TAKEN", "1;5;30.04.2024", "1;200;01.05.2024", "2;3;02.05.2024", "3;4;30.04.2024")
    contract = HEAD + LABS.replace('"labs.csv"', '"labs.csv"\ndelimiter = ";"\ndates = "%d.%m.%Y"')
    export = read(hospital, tmp_path, labs=labs, contract=contract)
    np.testing.assert_array_equal(export.sources["labs"].values, [[5.0], [np.nan], [4.0]])
    assert notes(export, "labs") == {"AFTER_INDEX": 1, "SAME_DAY": 1}


def test_a_finding_of_the_index_day_without_a_clock_counts_by_day(hospital, tmp_path):
    assert read(hospital, tmp_path / "a").records.labels.tolist() == [1, 1, 0]
    earlier = (*DIAGNOSES[:2], "2,G40.1,2024-04-30", "3,G40.1,2024-05-31")
    assert read(hospital, tmp_path / "b", dx=earlier).records.labels.tolist() == [1, 0, 1]
    clock = (DIAGNOSES[0], "1,G40.1,2024-05-01 08:00", "2,G40.1,2024-05-01 10:00")
    assert read(hospital, tmp_path / "c", dx=clock).records.labels.tolist() == [0, 1, 0]


def test_an_index_day_uses_what_is_of_that_day_and_counts_it(hospital, tmp_path):
    labs = (CRP[0], "1,5,2024-05-01 07:00", "1,200,2024-05-01 23:00", "2,3,2024-05-01", "3,4,2024-05-02 10:00")
    export = read(hospital, tmp_path, visits=DAYS, labs=labs)
    np.testing.assert_array_equal(export.sources["labs"].values, [[200.0], [3.0], [np.nan]])
    assert notes(export, "labs") == {"AFTER_INDEX": 1, "SAME_DAY_USED": 3}


def test_each_index_time_is_judged_by_how_it_is_written(hospital, tmp_path):
    labs = (CRP[0], "1,5,2024-05-01 07:00", "2,3,2024-05-01 07:00", "3,4,2024-05-01")
    export = read(hospital, tmp_path, visits=(*VISITS[:2], DAYS[2], VISITS[3]), labs=labs)
    np.testing.assert_array_equal(export.sources["labs"].values, [[5.0], [3.0], [np.nan]])
    assert notes(export, "labs") == {"SAME_DAY": 1, "SAME_DAY_USED": 1}


def without_clock(folder: Path) -> None:
    for file in folder.iterdir():
        image = pydicom.dcmread(file)
        del image.AcquisitionTime
        image.save_as(file)


@pytest.mark.parametrize(
    ("visits", "counted", "found"),
    [(VISITS, [0, 3, 3], {"SAME_DAY": 1}), (DAYS, [3, 3, 3], {"SAME_DAY_USED": 2})],
)
def test_series_whose_header_has_a_date_only(hospital, tmp_path, visits, counted, found):
    for record, day, hour in (("1", 1, 8), ("2", 1, 8), ("3", 30, 8)):
        hospital.write_ct(tmp_path / "ct" / record, "x", datetime(2024, 4 if day == 30 else 5, day, hour))
    without_clock(tmp_path / "ct" / "1")
    without_clock(tmp_path / "ct" / "3")
    contract = HEAD + '[modalities.ct]\nkind = "ct"\nfiles = "ct/{record_id}/"\n'
    export = read(hospital, tmp_path, visits=visits, contract=contract)
    assert [len(files) for files in export.sources["ct"].files] == counted
    assert notes(export, "ct") == found


def test_files_dated_by_a_column_without_a_clock(hospital, tmp_path):
    for name in "abc":
        (tmp_path / f"{name}.nii").write_bytes(b"")
    labs = ("V,FILE,MADE", "1,a.nii,2024-05-01", "2,b.nii,2024-05-01 08:00", "3,c.nii,2024-04-30")
    modality = '[modalities.mr]\nkind = "mr"\ntable = "labs.csv"\ncolumn = "FILE"\ntime = "MADE"\n'
    export = read(hospital, tmp_path, labs=labs, contract=HEAD + modality)
    assert [len(files) for files in export.sources["mr"].files] == [0, 1, 1]
    assert notes(export, "mr") == {"SAME_DAY": 1}


def test_follow_up_until_the_last_day_is_long_enough(hospital, tmp_path):
    visits = (VISITS[0] + ",SEEN", VISITS[1] + ",", VISITS[2] + ",2024-05-31", VISITS[3] + ",2024-05-30")
    contract = HEAD.replace("no_row", 'follow_up = "SEEN"\nno_row') + LABS
    export = read(hospital, tmp_path, visits=visits, dx=DIAGNOSES[:2], contract=contract)
    assert dict(zip(export.records.record_ids.tolist(), export.records.labels.tolist(), strict=True)) == {
        "1": 1,
        "2": 0,
    }
    assert export.ledger.excluded == {"FOLLOW_UP_SHORT": 1}
