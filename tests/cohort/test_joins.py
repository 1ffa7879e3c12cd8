"""Ids are joined exactly, as text."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clinfuse.cohort.joins import Joins, padded, plain_ids
from clinfuse.cohort.patterns import file_pattern
from clinfuse.errors import ConfigError, DataError

JOINS = Joins(["v1", "v2", "v3"], ["0004711", "0004711", "NA"], {"pacs": {"X1": "0004711"}}, {"patient_id": 7})


@pytest.mark.parametrize(
    ("system", "written", "rows"),
    [
        ("record_id", "v2", (1,)),
        ("record_id", "V2", ()),
        ("patient_id", "4711", (0, 1)),
        ("patient_id", "\uff14711\u00a0", (0, 1)),
        ("patient_id", "04711", (0, 1)),
        ("patient_id", "4711.0", ()),
        ("patient_id", "471", ()),
        ("patient_id", "NA", (2,)),
        ("patient_id", "", ()),
        ("pacs", "X1", (0, 1)),
        ("pacs", "x1", ()),
        ("pacs", "4711", ()),
    ],
)
def test_only_the_same_text_is_the_same_person(system, written, rows):
    assert JOINS.records(system, written) == rows


def test_zeros_are_filled_up_only_where_that_is_declared():
    joins = Joins(["v"], ["0004711"], {}, {})
    assert joins.records("patient_id", "4711") == ()
    assert padded("-4711", 7) == "-4711"
    assert padded("12345678", 7) == "12345678"


@given(st.lists(st.text(st.characters(codec="ascii", min_codepoint=33), min_size=1), unique=True))
def test_plain_ids_stay_as_they_are(ids):
    assert plain_ids(ids, None, "here").tolist() == ids


def test_ids_that_become_one_are_refused():
    with pytest.raises(DataError, match=r"ID_COLLISION.*1 that do not") as refused:
        plain_ids(["4711", "\uff14711"], None, "[records] patient_id")
    assert "4711" not in str(refused.value)


@pytest.mark.parametrize(
    ("pattern", "path", "ids"),
    [
        ("EEG/{eeg_lab}_*.edf", "EEG/E7_night.edf", ("E7",)),
        ("EEG/{eeg_lab}_*.edf", "EEG/E7_a_b.edf", ("E7",)),
        ("EEG/{eeg_lab}_*.edf", "EEG/sub/E7_a.edf", ()),
        ("EEG/{eeg_lab}_*.edf", "EEG/E7.edf", ()),
        ("{record_id}.edf", "Subject00_1.edf", ("Subject00_1",)),
        ("e/{patient_id}_1.edf", "e/Subject_00_1.edf", ("Subject_00",)),
        ("ct/{record_id}/", "ct/R1/a/b.dcm", ("R1",)),
        ("**/{record_id}/x.nii", "a/b/R1/x.nii", ("R1",)),
        ("**/{record_id}/x.nii", "R1/x.nii", ("R1",)),
        ("{patient_id}/{record_id}.edf", "P1/R1.edf", ("P1", "R1")),
        ("{patient_id}_{record_id}.edf", "P1_R1.edf", ("P1", "R1")),
        ("{patient_id}_{record_id}.edf", "P_1_R1.edf", ()),
        ("a.b/{record_id}.edf", "axb/R1.edf", ()),
    ],
)
def test_the_id_in_a_file_name(pattern, path, ids):
    assert file_pattern(pattern, "here").ids(path) == ids


@pytest.mark.parametrize(
    "pattern", ["EEG/*.edf", "{record_id}*.edf", "*{record_id}.edf", "{a}{b}.edf", "/x/{a}.edf", "../{a}", "{a.edf"]
)
def test_a_pattern_that_would_have_to_guess_is_refused(pattern):
    with pytest.raises(ConfigError, match="FILES_PATTERN"):
        file_pattern(pattern, "modalities.eeg.files")


def test_a_folder_is_searched_from_the_first_fixed_part():
    assert file_pattern("a/b/c_{record_id}/*.dcm", "here").start == "a/b"
    assert file_pattern("{record_id}.edf", "here").start == ""


@pytest.mark.parametrize(
    ("system", "written", "hint"),
    [
        ("patient_id", ["X1", "X2"], '`is = "pacs"`'),
        ("record_id", ["0004711"], '`is = "patient_id"`'),
        ("patient_id", ["4711.0"], "without the .0"),
        ("record_id", ["V1"], "upper and lower case"),
    ],
)
def test_a_hint_says_what_would_let_ids_meet_and_repeats_none(system, written, hint):
    joins = Joins(["v1", "v2"], ["0004711", "0004712"], {"pacs": {"X1": "0004711"}}, {})
    said = joins.hint(system, written)
    assert hint in said
    assert not any(number in said for number in written)


def test_nothing_is_said_twice_where_nothing_would_let_ids_meet():
    assert Joins(["v1", "v2"], ["0004711", "0004712"], {}, {}).hint("record_id", ["w1"]) == ""


def test_lost_zeros_are_counted_without_being_put_back():
    joins = Joins(["v1", "v2"], ["0004711", "0000007"], {}, {})
    assert joins.zeros_lost("patient_id", ["4711", "7", "0004711", "8", "x"]) == (7, 2)
    assert Joins(["v1", "v2"], ["0004711", "07"], {}, {}).zeros_lost("patient_id", ["4711"]) == (0, 0)
    assert "`width = { patient_id = 7 }`" in joins.hint("patient_id", ["4711"])
