"""A messy export gives everyone what is theirs, and every record is accounted for."""

from __future__ import annotations

import shutil
from datetime import datetime
from pathlib import Path

import numpy as np
import pydicom
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydicom.uid import MRImageStorage

from clinfuse.cohort.folder import read_export
from clinfuse.cohort.ledger import Ledger, Match
from clinfuse.cohort.records import FileSources, TableSources
from clinfuse.errors import ClinfuseError, ConfigError, DataError
from clinfuse.io.dicom import read_ct


def files_of(export, name):
    source = export.sources[name]
    assert isinstance(source, FileSources)
    return dict(zip(export.records.record_ids.tolist(), source.files, strict=True))


def values_of(export, name):
    source = export.sources[name]
    assert isinstance(source, TableSources)
    return dict(zip(export.records.record_ids.tolist(), source.values.tolist(), strict=True))


def test_records_labels_and_reasons(export):
    read = read_export(export)
    assert read.records.record_ids.tolist() == ["A1", "A2", "B1", "D1"]
    assert read.records.patient_ids.tolist() == ["0000001", "0000001", "0000002", "0004711"]
    assert read.records.labels.tolist() == [1, 0, 0, 0]
    assert read.records.classes == ("not G40.*", "G40.*")
    assert read.records.sites.tolist() == ["Süd", "Süd", "Nord", "Nord"]
    assert read.ledger.excluded == {"INDEX_TIME": 1, "FOLLOW_UP_SHORT": 1}
    assert (read.ledger.records_in, read.ledger.records_used) == (6, 4)
    assert "LABEL_OUTSIDE" in [entry.code for entry in read.ledger.entries if entry.note]


def test_attributes_are_numbers_where_every_value_is_one(export):
    attributes = read_export(export).records.attributes
    assert attributes["sex"].tolist() == ["weiblich", "weiblich", "männlich", "weiblich"]
    np.testing.assert_array_equal(attributes["age"].to_numpy(), [61.5, 61.7, 40.0, np.nan])


def test_ct_by_header_filter_window_and_nearest(export):
    files = files_of(read_export(export), "ct")
    assert {path.parent.as_posix() for path in files["A1"]} == {"CT_EXPORT/x9"}
    assert len(files["A1"]) == 3
    assert files["A2"] == files["B1"] == files["D1"] == ()


def test_eeg_by_file_name_takes_the_nearest_before_the_index_time(export):
    files = files_of(read_export(export), "eeg")
    assert files["A1"] == (Path("EEG/E1_day.edf"),)
    assert files["A2"] == files["B1"] == files["D1"] == ()


def test_long_table_takes_only_what_lies_in_the_window_and_unit(export):
    read = read_export(export)
    assert [column.name for column in read.modalities[2].columns] == ["CRP last", "CRP max", "sodium last"]
    values = values_of(read, "labs")
    assert values["A1"] == [3.5, 12.0, 140.0]
    np.testing.assert_array_equal(values["A2"], [np.nan, np.nan, 138.0])
    np.testing.assert_array_equal(values["B1"], [np.nan] * 3)
    np.testing.assert_array_equal(values["D1"], [7.0, 7.0, np.nan])


def test_wide_table_of_the_records_is_joined_row_by_row(export):
    read = read_export(export)
    assert read.modalities[3].columns[1].levels == ("männlich", "weiblich")
    values = values_of(read, "history")
    assert values["A1"] == [61.5, 1.0, 1.0]
    np.testing.assert_array_equal(values["B1"], [40.0, 0.0, np.nan])


def test_every_source_says_how_its_ids_met_the_records(export):
    matches = {match.source: match for match in read_export(export).ledger.matches}
    assert matches["label"] == Match("label", matched=5, unmatched=1, twice=0, without=3)
    assert matches["ct"] == Match("ct", matched=3, unmatched=1, twice=3, without=4)
    assert matches["eeg"] == Match("eeg", matched=3, unmatched=1, twice=2, without=3)
    assert matches["labs"] == Match("labs", matched=9, unmatched=1, twice=7, without=2)


def test_modalities_are_complete(export):
    ct, eeg, labs, history = read_export(export).modalities
    assert (ct.shape, ct.spacing_mm, ct.window, ct.unit) == ((1, 8, 8, 4), (2.0, 2.0, 2.0), (-40.0, 120.0), "HU")
    assert [(hu - ct.centre) / ct.spread for hu in ct.window] == [-1.0, 1.0]
    assert (eeg.shape, eeg.channels, eeg.rate_hz, eeg.spread) == ((2, 2, 64), ("Cz", "Pz"), 64.0, 20.0)
    assert labs.columns[0].normal == (0.0, 5.0)
    assert history.shape == (3,)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_the_order_of_rows_changes_nothing_about_who_gets_what(hospital, export, tmp_path, seed):
    def shuffled(rows):
        return [rows[k] for k in np.random.default_rng(seed).permutation(len(rows))]

    here = read_export(export)
    there = read_export(hospital.write(tmp_path / "other", order=shuffled), private=export / "private")
    by_id = dict(zip(there.records.record_ids.tolist(), there.records.keys.tolist(), strict=True))
    assert by_id == dict(zip(here.records.record_ids.tolist(), here.records.keys.tolist(), strict=True))
    labels = dict(zip(there.records.record_ids.tolist(), there.records.labels.tolist(), strict=True))
    assert labels == dict(zip(here.records.record_ids.tolist(), here.records.labels.tolist(), strict=True))
    for name in ("ct", "eeg"):
        assert files_of(there, name) == files_of(here, name)
    for name in ("labs", "history"):
        for record, row in values_of(here, name).items():
            np.testing.assert_array_equal(values_of(there, name)[record], row)
    assert there.ledger.excluded == here.ledger.excluded
    assert set(there.ledger.matches) == set(here.ledger.matches)


FATAL = {"RECORD_CONFLICT", "EHR_TIME", "EHR_NUMBER", "EHR_ANSWER", "LABEL_CONSTANT", "RECORDS_NONE"}


def read_or_refused(folder):
    try:
        return read_export(folder), ""
    except ClinfuseError as error:
        return None, error.code


CELLS = st.sampled_from(["", "n.b.", "A1", "A2", "0000001", "10.03.2020 12:00", "G40.1", "Süd", "-", "99,5"])


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    table=st.sampled_from(["visits.csv", "diagnoses.csv", "id_map.csv", "labs.csv"]),
    damage=st.lists(st.tuples(st.integers(0, 9), st.integers(0, 7), CELLS), min_size=1, max_size=6),
    repeated=st.lists(st.integers(0, 9), max_size=2),
)
def test_input_is_used_plus_excluded_whatever_is_damaged(hospital, tmp_path, table, damage, repeated):
    rows = [line.split(";") for line in hospital.tables[table]]
    for row, column, cell in damage:
        rows[1 + row % (len(rows) - 1)][column % len(rows[0])] = cell
    rows += [list(rows[1 + row % (len(rows) - 1)]) for row in repeated]
    shutil.rmtree(tmp_path / "damaged", ignore_errors=True)
    contract = (
        hospital.contract.split("[modalities.ct]")[0]
        + "[modalities.labs]"
        + "".join(hospital.contract.split("[modalities.labs]")[1:])
    )
    tables = {**hospital.tables, table: [";".join(row) for row in rows]}
    folder = hospital.write_tables(tmp_path / "damaged", tables, contract)
    read, code = read_or_refused(folder)
    if read is None:
        assert code in FATAL
        return
    rows_in = len(rows) - 1 if table == "visits.csv" else 6
    assert read.ledger.records_in == rows_in
    assert read.ledger.records_used == len(read.records)
    assert rows_in == len(read.records) + sum(read.ledger.excluded.values())


def test_strict_stops_at_a_damaged_record(export):
    with pytest.raises(DataError, match="INDEX_TIME"):
        read_export(export, strict=True)


def test_no_error_and_no_ledger_line_holds_an_id(hospital, tmp_path):
    contract = hospital.contract.replace('several = "nearest"\nchannels', "channels").replace("-30 d", "-300 d")
    read = read_export(hospital.write(tmp_path / "x", contract))
    lines = " ".join(entry.text + entry.key for entry in read.ledger.entries)
    for secret in ("A1", "0000001", "PX1", "E1", "4711", "10.03.2020", "G40.2"):
        assert secret not in lines
    assert [entry.code for entry in read.ledger.entries if entry.source == "eeg" and not entry.note] == ["SEVERAL"] * 2


@pytest.mark.parametrize(
    ("line", "changed", "code"),
    [
        ('index_time = "VISIT_AT"', 'index_time = "VISIT"', "COLUMN_ABSENT"),
        ('table = "labs.csv"', 'table = "lab.csv"', "TABLE_ABSENT"),
        ('table = "labs.csv"', 'table = "../labs.csv"', "FILE_OUTSIDE"),
        ('folder = "CT_EXPORT"', 'folder = "CT"', "FOLDER_ABSENT"),
        ('no_row = "negative"\n', "", "LABEL_NO_ROW"),
        ('positive = ["G40.*"]', 'positive = ["G41.*"]', "LABEL_CONSTANT"),
        ('dates = "%d.%m.%Y %H:%M"', 'dates = "%Y-%m-%d"', "EHR_TIME"),
    ],
)
def test_an_export_that_does_not_hold_what_is_said_is_refused(hospital, tmp_path, line, changed, code):
    folder = hospital.write(tmp_path / "x", hospital.contract.replace(line, changed))
    with pytest.raises(DataError, match=rf"\[{code}\]"):
        read_export(folder)


def test_per_patient_first_and_last(hospital, tmp_path):
    lines = {"first": ["A1", "B1", "D1"], "last": ["A2", "B1", "D1"]}
    for which, expected in lines.items():
        contract = hospital.contract.replace("[label]", f'per_patient = "{which}"\n\n[label]')
        contract = contract.replace('window = ["0 d", "365 d"]', 'window = ["-365 d", "365 d"]')
        read = read_export(hospital.write(tmp_path / which, contract.replace("\n\nper_patient", "\nper_patient")))
        assert read.records.record_ids.tolist() == expected
        assert read.ledger.excluded["PER_PATIENT"] == 1


def test_the_same_record_twice_is_one_record_and_a_conflict_is_refused(hospital, tmp_path):
    visits = hospital.tables["visits.csv"]
    contract = (
        hospital.contract.split("[modalities.ct]")[0]
        + "[modalities.history]"
        + hospital.contract.split("[modalities.history]")[1]
    )
    again = hospital.write_tables(tmp_path / "a", {**hospital.tables, "visits.csv": [*visits, visits[1]]}, contract)
    assert read_export(again).ledger.excluded["RECORD_REPEATED"] == 1
    other = [*visits, visits[1].replace("Süd", "Nord")]
    conflict = hospital.write_tables(tmp_path / "b", {**hospital.tables, "visits.csv": other}, contract)
    with pytest.raises(DataError, match=r"RECORD_CONFLICT.*line 2, 8"):
        read_export(conflict)


def test_a_number_of_two_patients_belongs_to_nobody(hospital, tmp_path):
    folder = hospital.write(tmp_path / "x")
    with (folder / "id_map.csv").open("a", encoding="cp1252") as table:
        table.write("0000002;PX1;E22\r\n")
    read = read_export(folder)
    assert files_of(read, "ct")["A1"] == ()
    assert read.ledger.refused["ID_AMBIGUOUS"] == 1


def test_a_link_out_of_the_folder_is_refused(hospital, tmp_path):
    hospital.write_edf(tmp_path / "elsewhere.edf", datetime(2020, 3, 9, 9, 0))
    folder = hospital.write(tmp_path / "x")
    (folder / "EEG" / "E1_last.edf").symlink_to(tmp_path / "elsewhere.edf")
    read = read_export(folder)
    assert files_of(read, "eeg")["A1"] == (Path("EEG/E1_day.edf"),)
    assert read.ledger.refused["LINK_OUTSIDE"] == 1


def test_a_damaged_recording_is_refused_with_the_code_of_its_reader(hospital, tmp_path):
    folder = hospital.write(tmp_path / "x")
    (folder / "EEG" / "E1_day.edf").write_bytes(b"0" + b" " * 300)
    read = read_export(folder)
    assert files_of(read, "eeg")["A1"] == (Path("EEG/E1_night.edf"),)
    assert sum(count for code, count in read.ledger.refused.items() if code.startswith(("EDF", "EEG"))) == 1


def test_a_series_is_not_taken_for_whole_where_its_last_slice_is_damaged(hospital, tmp_path):
    folder = hospital.write(tmp_path / "x")
    whole = {name: files for name, files in files_of(read_export(folder), "ct").items() if files}
    record, files = next(iter(whole.items()))
    last = folder / files[-1]
    last.write_bytes(last.read_bytes()[:-1])
    read = read_export(folder)
    assert set(files_of(read, "ct")[record]) == set(files)
    with pytest.raises(DataError, match="DCM_"):
        read_ct([folder / file for file in files_of(read, "ct")[record]])


def test_day_only_index_times_keep_what_was_made_that_day(hospital, tmp_path):
    contract = hospital.contract.replace('index_time = "VISIT_AT"', 'index_time = "VISIT_AT"\ndates = "%d.%m.%Y"')
    contract = contract.replace('follow_up = "LAST_SEEN"\n', "")
    visits = [line.replace(" 12:00", "").replace(" 08:00", "") for line in hospital.tables["visits.csv"]]
    folder = hospital.write(tmp_path / "x", contract)
    hospital.write_tables(folder, {"visits.csv": visits}, contract)
    assert {path.parent.as_posix() for path in files_of(read_export(folder), "ct")["A1"]} == {"CT_EXPORT/q/5"}


def test_a_declared_but_later_known_column_is_no_input(hospital, tmp_path):
    after = 'columns.AGE = "number"\ncolumns.LAST_SEEN = { kind = "category", known = "after" }'
    contract = hospital.contract.replace('columns.AGE = "number"', after)
    read = read_export(hospital.write(tmp_path / "x", contract))
    assert [column.name for column in read.modalities[3].columns] == ["AGE", "SEX", "ALCOHOL"]
    with pytest.raises(ConfigError, match=r"LEAK_AFTER.*LAST_SEEN"):
        read_export(hospital.write(tmp_path / "y", contract + 'inputs = ["AGE", "LAST_SEEN"]\n'))


def test_what_a_search_passes_over_is_counted(hospital, tmp_path):
    folder = hospital.write(tmp_path / "x")
    for file in (folder / "CT_EXPORT" / "q" / "7").iterdir():
        image = pydicom.dcmread(file)
        image.Modality, image.SOPClassUID = "MR", MRImageStorage
        image.file_meta.MediaStorageSOPClassUID = MRImageStorage
        image.save_as(file)
    notes = {entry.code: entry for entry in read_export(folder).ledger.entries if entry.note and entry.source == "ct"}
    assert notes["SERIES_KIND"].text.startswith("1 series of another kind")
    # The scout and the series of five-millimetre slices.
    assert notes["SERIES_FILTER"].text.startswith("2 series that do not meet")
    # For the second visit of the patient all three series are months old.
    assert notes["OUTSIDE_WINDOW"].text.startswith("3 files outside")


def test_a_record_that_is_left_out_without_a_reason_stops_everything(export, monkeypatch):
    monkeypatch.setattr(Ledger, "excluded", property(lambda ledger: {}))
    with pytest.raises(DataError, match=r"\[LEDGER\].*input records = used \+ excluded; found 6, 4 and 0"):
        read_export(export)
