"""What bears no time is counted, whoever it belongs to."""

from __future__ import annotations

from datetime import datetime

import pytest

from clinfuse.cohort.folder import read_export
from clinfuse.errors import ConfigError

VISITS = ("V,P,T,Y,FILE,AGE", "1,a,2024-05-01 09:30,yes,a.nii,50", "2,b,2024-05-01 09:30,no,a.nii,60")
HEAD = """
[records]
table = "visits.csv"
patient_id = "P"
record_id = "V"
index_time = "T"

[label]
column = "Y"
positive = ["yes"]
"""
OWN_COLUMN = 'kind = "mr"\ncolumn = "FILE"\n'
OTHER_COLUMN = 'kind = "mr"\ntable = "joined.csv"\ncolumn = "FILE"\n'
PATTERN = 'kind = "mr"\nfiles = "mr/{record_id}.nii"\n'
OWN_TABLE = 'kind = "ehr"\ntable = "visits.csv"\ncolumns.AGE = "number"\n'
OWN_TABLE_OF_PATIENTS = OWN_TABLE.replace("columns", 'patient_id = "P"\ncolumns')
SAME_FILE = OWN_TABLE.replace('"visits.csv"', '"./visits.csv"')
OTHER_TABLE = OWN_TABLE.replace("visits", "joined")


def read(hospital, folder, modality, head=HEAD):
    joined = ("V,FILE,AGE", "1,a.nii,50", "1,a.nii,50", "2,,60", "9,a.nii,70")
    hospital.write_tables(folder, {"visits.csv": VISITS, "joined.csv": joined}, head + "[modalities.m]\n" + modality)
    (folder / "mr").mkdir(exist_ok=True)
    for name in ("a.nii", "mr/1.nii", "mr/2.nii", "mr/9.nii"):
        (folder / name).write_bytes(b"")
    return read_export(folder)


@pytest.mark.parametrize(
    ("modality", "number"),
    [
        (OWN_COLUMN, 0),
        (OWN_TABLE, 0),
        (SAME_FILE, 0),
        (PATTERN, 2),
        (OTHER_TABLE, 2),
        (OWN_TABLE_OF_PATIENTS, 2),
    ],
)
def test_sources_without_a_time_are_counted_once(hospital, tmp_path, modality, number):
    noted = [entry for entry in read(hospital, tmp_path, modality).ledger.entries if entry.code == "UNDATED"]
    assert [(entry.source, entry.text.split()[0], entry.note) for entry in noted] == [("m", str(number), True)][:number]


def test_without_index_times_nothing_is_undated(hospital, tmp_path):
    export = read(hospital, tmp_path, PATTERN, HEAD.replace('index_time = "T"\n', ""))
    assert "UNDATED" not in [entry.code for entry in export.ledger.entries]


def test_files_that_say_their_time_and_files_not_chosen_are_not_counted(hospital, tmp_path):
    hospital.write_ct(tmp_path / "ct" / "1", "x", datetime(2024, 4, 30, 8))
    export = read(hospital, tmp_path, 'kind = "ct"\nfiles = "ct/{record_id}/"\n')
    assert [len(files) for files in export.sources["m"].files] == [3, 0]
    assert [entry.code for entry in export.ledger.entries] == []
    twice = read(hospital, tmp_path, OTHER_COLUMN)
    assert twice.sources["m"].files == ((), ())
    assert [entry.code for entry in twice.ledger.entries] == ["SEVERAL"]


@pytest.mark.parametrize("name", ["./visits.csv", "mr/../visits.csv", "link.csv"])
def test_the_label_is_no_input_under_another_name_of_its_table(hospital, tmp_path, name):
    (tmp_path / "link.csv").symlink_to(tmp_path / "visits.csv")
    modality = f'kind = "ehr"\ntable = "{name}"\ncolumns.Y = "category"\n'
    with pytest.raises(ConfigError, match=r"LEAK_LABEL.*modalities\.m\.columns\.Y"):
        read(hospital, tmp_path, modality)
