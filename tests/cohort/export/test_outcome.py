"""The label of every record follows from what is declared, and who has none is left out and counted."""

from __future__ import annotations

import pytest

from clinfuse.cohort.folder import read_export
from clinfuse.errors import DataError

VISITS = (
    "ID,PATIENT,AT,FINDING,SECOND,SEEN,SEX",
    "1,a,2020-01-01,G40.1,yes,2022-01-01,f",
    "2,b,2020-01-01,I10,no,2022-01-01,m",
    "3,c,2020-01-01,,yes,2022-01-01,f",
    "4,d,2020-01-01,unclear,,2022-01-01,m",
    "5,e,2020-01-01,g40.1,no,,f",
)
RECORDS = """
[records]
table = "visits.csv"
patient_id = "PATIENT"
record_id = "ID"
index_time = "AT"
"""
MODALITIES = """
[modalities.history]
kind = "ehr"
table = "visits.csv"
columns.SEX = "category"
"""


def read(hospital, folder, label, rows=()):
    tables = {"visits.csv": VISITS, "label.csv": ("ID,PATIENT,FINDING,AT,SEEN", *rows)}
    return read_export(hospital.write_tables(folder, tables, RECORDS + "[label]\n" + label + MODALITIES))


def labels_of(export):
    return dict(zip(export.records.record_ids.tolist(), export.records.labels.tolist(), strict=True))


def test_own_column(hospital, tmp_path):
    export = read(hospital, tmp_path, 'column = "FINDING"\npositive = ["G40.*"]\nname = "epilepsy"\n')
    assert labels_of(export) == {"1": 1, "2": 0, "4": 0, "5": 0}
    assert export.records.classes == ("not epilepsy", "epilepsy")
    assert export.ledger.excluded == {"LABEL_MISSING": 1}


def test_positive_is_never_guessed(hospital, tmp_path):
    with pytest.raises(
        DataError, match=r"LABEL_POSITIVE.*'no' \(2 rows\), 'yes' \(2 rows\).*`positive = \[\"no\"\]` or"
    ):
        read(hospital, tmp_path / "a", 'column = "SECOND"\n')
    with pytest.raises(DataError, match=r"LABEL_POSITIVE.*4 different values in the column") as refused:
        read(hospital, tmp_path / "b", 'column = "FINDING"\n')
    assert "unclear" not in str(refused.value)


def test_a_label_table_of_other_people_is_refused_with_what_may_be_wrong(hospital, tmp_path):
    label = 'table = "label.csv"\npatient_id = "PATIENT"\ncolumn = "FINDING"\npositive = ["x"]\nno_row = "negative"\n'
    with pytest.raises(DataError, match=r"LABEL_NONE_MEET.*2 rows.*upper and lower case"):
        read(hospital, tmp_path, label, ("1,A,x,,", "2,B,y,,"))


def test_declared_negatives_leave_everything_else_unknown(hospital, tmp_path):
    label = 'column = "FINDING"\npositive = ["[Gg]40.*"]\nnegative = ["I*"]\n'
    assert labels_of(read(hospital, tmp_path / "a", label)) == {"1": 1, "2": 0, "5": 1}
    kept = labels_of(read(hospital, tmp_path / "b", label + 'unlabelled = "keep"\n'))
    assert kept == {"1": 1, "2": 0, "3": -1, "4": -1, "5": 1}


def test_classes_in_the_order_of_their_declaration(hospital, tmp_path):
    label = 'column = "FINDING"\nclasses = { none = ["I*"], epilepsy = ["[gG]40*"], open = ["unclear"] }\n'
    export = read(hospital, tmp_path, label)
    assert export.records.task == "multiclass"
    assert export.records.classes == ("none", "epilepsy", "open")
    assert labels_of(export) == {"1": 1, "2": 0, "4": 2, "5": 1}


def test_several_labels(hospital, tmp_path):
    export = read(hospital, tmp_path, 'columns = ["FINDING", "SECOND"]\npositive = ["G40.*", "yes"]\n')
    assert export.records.task == "multilabel"
    assert export.records.classes == ("FINDING", "SECOND")
    assert labels_of(export) == {"1": [1, 1], "2": [0, 0], "3": [-1, 1], "4": [0, -1], "5": [0, 0]}


def test_no_label_section_leaves_every_label_unknown(hospital, tmp_path):
    folder = hospital.write_tables(tmp_path, {"visits.csv": VISITS}, RECORDS + MODALITIES)
    assert set(labels_of(read_export(folder)).values()) == {-1}


WINDOW = 'table = "label.csv"\ncolumn = "FINDING"\npositive = ["G40"]\ntime = "AT"\nwindow = ["0 d", "365 d"]\n'


def test_window_ends_count_and_undated_findings_leave_the_record_out(hospital, tmp_path):
    rows = (
        "1,a,G40,2020-01-01,",
        "2,b,G40,2020-12-31,",
        "3,c,G40,2021-01-01,",
        "3,c,I10,2020-05-01,",
        "4,d,G40,,",
        "5,e,G40,2019-12-31,",
    )
    export = read(hospital, tmp_path, WINDOW + 'no_row = "exclude"\n', rows)
    assert labels_of(export) == {"1": 1, "2": 1, "3": 0}
    assert export.ledger.excluded == {"LABEL_TIME": 1, "LABEL_NO_ROW": 1}


def test_what_no_row_means_is_asked_for(hospital, tmp_path):
    with pytest.raises(DataError, match=r'LABEL_NO_ROW.*4 records.*no_row = "negative" or no_row = "exclude"'):
        read(hospital, tmp_path / "a", WINDOW, ("1,a,G40,2020-01-01,",))
    export = read(hospital, tmp_path / "b", WINDOW + 'no_row = "negative"\n', ("1,a,G40,2020-01-01,",))
    assert labels_of(export) == {"1": 1, "2": 0, "3": 0, "4": 0, "5": 0}


def test_follow_up_of_the_records_table_and_its_absence(hospital, tmp_path):
    label = WINDOW + 'no_row = "negative"\nfollow_up = "SEEN"\n'
    export = read(hospital, tmp_path, label, ("1,a,G40,2020-01-01,",))
    assert labels_of(export) == {"1": 1, "2": 0, "3": 0, "4": 0}
    assert export.ledger.excluded == {"FOLLOW_UP_UNKNOWN": 1}


def test_follow_up_of_the_label_table(hospital, tmp_path):
    label = WINDOW.replace('"AT"', '"AT"\nfollow_up = "LAST"') + 'no_row = "negative"\npatient_id = "PATIENT"\n'
    tables = {
        "visits.csv": VISITS,
        "label.csv": (
            "PATIENT,FINDING,AT,LAST",
            "a,G40,2020-02-01,2020-02-01",
            "b,I10,2020-02-01,2020-02-01",
            "b,I10,2019-02-01,2021-02-01",
            "c,I10,2020-02-01,2020-12-30",
        ),
    }
    export = read_export(hospital.write_tables(tmp_path, tables, RECORDS + "[label]\n" + label + MODALITIES))
    assert labels_of(export) == {"1": 1, "2": 0}
    assert export.ledger.excluded == {"FOLLOW_UP_UNKNOWN": 2, "FOLLOW_UP_SHORT": 1}


def test_classes_that_contradict_each_other_leave_the_record_out(hospital, tmp_path):
    label = 'table = "label.csv"\nrecord_id = "ID"\ncolumn = "FINDING"\nclasses = ["A", "B"]\nno_row = "exclude"\n'
    rows = ("1,a,A,,", "1,a,B,,", "2,b,A,,", "3,c,B,,", "3,c,B,,", "4,d,C,,")
    export = read(hospital, tmp_path, label, rows)
    assert labels_of(export) == {"2": 0, "3": 1}
    assert export.ledger.excluded == {"LABEL_CONFLICT": 1, "LABEL_MISSING": 1, "LABEL_NO_ROW": 1}


def test_one_label_for_everyone_is_refused_and_not_printed(hospital, tmp_path):
    with pytest.raises(DataError, match=r"LABEL_CONSTANT.*all 4 records") as refused:
        read(hospital, tmp_path, 'column = "FINDING"\npositive = ["Q*"]\n')
    assert "I10" not in str(refused.value)


def other_values(export):
    return [entry.text for entry in export.ledger.entries if entry.code == "LABEL_OTHER" and entry.note]


def test_several_values_that_are_not_positive_are_counted_unless_negative_is_declared(hospital, tmp_path):
    label = 'column = "FINDING"\npositive = ["G40.*"]\n'
    export = read(hospital, tmp_path / "a", label)
    assert labels_of(export) == {"1": 1, "2": 0, "4": 0, "5": 0}
    (text,) = other_values(export)
    assert text.startswith("3 records count as negative by one of 3 different values;")
    assert "unclear" not in text
    assert other_values(read(hospital, tmp_path / "b", label + 'negative = ["I10", "unclear", "g*"]\n')) == []
    assert other_values(read(hospital, tmp_path / "c", 'column = "SECOND"\npositive = ["yes"]\n')) == []


def test_other_diagnoses_of_a_table_with_several_rows_are_no_other_results(hospital, tmp_path):
    rows = ("1,a,G40,2020-01-01,", "2,b,I10,2020-02-01,", "2,b,J10,2020-02-01,", "3,c,K10,2020-02-01,")
    export = read(hospital, tmp_path, WINDOW + 'no_row = "negative"\n', rows)
    assert other_values(export) == []


def test_a_short_follow_up_takes_back_only_the_negative_labels(hospital, tmp_path):
    visits = (VISITS[0], *(line.replace("2022-01-01", "2020-06-01") for line in VISITS[1:3]), *VISITS[3:])
    visits = (*visits, "6,f,2020-01-01,G40.2,no,2020-06-01,f", "7,g,2020-01-01,G40.2,no,,m")
    label = 'columns = ["FINDING", "SECOND"]\npositive = ["G40.*", "yes"]\ntime = "AT"\nwindow = ["0 d", "365 d"]\n'
    contract = RECORDS + "[label]\n" + label + 'follow_up = "SEEN"\n' + MODALITIES
    export = read_export(hospital.write_tables(tmp_path, {"visits.csv": visits}, contract))
    assert labels_of(export) == {"1": [1, 1], "3": [-1, 1], "4": [0, -1], "6": [1, -1], "7": [1, -1]}
    assert export.ledger.excluded == {"FOLLOW_UP_SHORT": 1, "FOLLOW_UP_UNKNOWN": 1}
    told = {entry.code: entry.text.split()[0] for entry in export.ledger.entries if entry.note}
    assert (told["FOLLOW_UP_SHORT"], told["FOLLOW_UP_UNKNOWN"]) == ("1", "1")
