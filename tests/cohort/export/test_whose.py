"""A DICOM file says whose it is; a name or path that says something else is not believed against it."""

from __future__ import annotations

from datetime import datetime

import pytest
from pydicom import dcmread
from pydicom.uid import MRImageStorage

from clinfuse.cohort.folder import read_export
from clinfuse.errors import DataError

CONTRACT = """
[records]
table = "visits.csv"
patient_id = "P"
record_id = "V"

[label]
table = "visits.csv"
column = "Y"
positive = "1"

[modalities.{kind}]
kind = "{kind}"
format = "dicom"
files = "scans/{{record_id}}/"
"""
VISITS = ("V,P,Y", "v1,a,1", "v2,b,0", "v3,c,1", "v4,a,0")


def read(hospital, folder, patients, kind="ct"):
    for record, patient, series in patients:
        hospital.write_ct(folder / "scans" / record, patient, datetime(2024, 5, 1), series=series)
    return read_export(hospital.write_tables(folder, {"visits.csv": VISITS}, CONTRACT.format(kind=kind)))


def test_a_file_of_another_patient_of_the_cohort_is_refused(hospital, tmp_path):
    # v1 lies in the folder of v2; v4 is another visit of the patient of v1; nobody knows the pseudonym of v3.
    export = read(hospital, tmp_path, [("v1", "a", 1), ("v2", "a", 2), ("v3", "pseudonym", 3), ("v4", "a", 4)])
    assert [len(files) for files in export.sources["ct"].files] == [3, 0, 3, 3]
    (entry,) = [entry for entry in export.ledger.entries if entry.code == "ID_MISMATCH"]
    assert (entry.source, entry.note, entry.excluded) == ("ct", False, False)


def test_files_of_two_patients_under_one_record_stop_the_reading(hospital, tmp_path):
    with pytest.raises(DataError, match=r"\[PATIENT_MIX\] modalities\.ct: .*Separate the patients") as caught:
        read(hospital, tmp_path, [("v1", "pseudonym", 1), ("v1", "other", 2)])
    assert "pseudonym" not in str(caught.value)


def test_an_mr_modality_may_name_dicom_folders(hospital, tmp_path):
    hospital.write_ct(tmp_path / "scans" / "v1", "a", datetime(2024, 5, 1))
    for file in (tmp_path / "scans" / "v1").iterdir():
        dataset = dcmread(file)
        dataset.Modality, dataset.SOPClassUID = "MR", MRImageStorage
        dataset.save_as(file)
    export = read(hospital, tmp_path, [("v2", "b", 2)], kind="mr")
    assert [len(files) for files in export.sources["mr"].files] == [3, 0, 0, 0]
