"""What is said of a cohort: counts and declared words, whatever the patients' values are."""

from __future__ import annotations

import json
from pathlib import Path
from tempfile import TemporaryDirectory

import pandas as pd
from hypothesis import given, settings
from hypothesis import strategies as st

from clinfuse.cohort.cohort import Cohort
from clinfuse.study.cohort_facts import cohort_facts

COHORT = """
[tables]
dates = "%Y-%m-%d"
[records]
table = "records.csv"
patient_id = "patient"
record_id = "record"
index_time = "seen"
site = "hospital"
attributes = { sex = "sex" }
[label]
column = "finding"
positive = ["yes"]
negative = ["no"]
[modalities.labs]
kind = "ehr"
table = "labs.csv"
record_id = "record"
columns.crp = { unit = "mg/L" }
"""
SECRETS = ("MUSTER", "QX-Hospital", "TERTIUM", "4711.25", "2019-03-04", "V0", "records.csv", "labs.csv")


def write(folder: Path, *, word: str = "TERTIUM", value: float = 4711.25) -> Path:
    ids = [f"V{k:03d}{word}" for k in range(12)]
    seen = ["2019-03-04"] * 2 + ["2020-05-06"] * 5 + ["2021-07-08"] * 5
    people = {"patient": [f"MUSTER-{word}{k}" for k in range(12)], "record": ids, "seen": seen}
    more = {"hospital": [f"QX-Hospital{word}", "Other"] * 6, "sex": [word] * 12, "finding": ["yes", "no"] * 6}
    folder.mkdir(parents=True, exist_ok=True)
    pd.DataFrame({**people, **more}).to_csv(folder / "records.csv", index=False)
    pd.DataFrame({"record": ids[:-1], "crp": [value] * 11}).to_csv(folder / "labs.csv", index=False)
    (folder / "cohort.toml").write_text(COHORT, encoding="utf-8")
    return folder


def test_counts_and_rules_are_there_and_no_value(tmp_path: Path) -> None:
    folder = write(tmp_path)
    facts = cohort_facts(Cohort.from_folder(folder), folder)
    assert (facts["records"], facts["patients"], facts["events"], facts["sites"]) == (12, 12, 6, 2)
    assert (facts["complete"], facts["none"]) == (11, 1)
    assert facts["modalities"][0]["present"] == 11
    assert facts["modalities"][0]["columns"] == [{"name": "crp", "kind": "number", "unit": "mg/L"}]
    assert facts["rules"]["index_time"] is True
    assert facts["attributes"] == ["sex"]
    text = json.dumps(facts)
    assert [word for word in SECRETS if word in text] == []


@settings(max_examples=8)
@given(st.text("ABCxyz", min_size=1, max_size=8), st.floats(-1e6, 1e6).map(lambda value: round(value, 3)))
def test_nothing_said_depends_on_a_patients_values(word: str, value: float) -> None:
    with TemporaryDirectory() as place:
        first, second = write(Path(place) / "a"), write(Path(place) / "b", word=word, value=value)
        assert cohort_facts(Cohort.from_folder(first), first) == cohort_facts(Cohort.from_folder(second), second)


def test_a_year_with_few_patients_is_not_named(tmp_path: Path) -> None:
    folder = write(tmp_path)
    assert cohort_facts(Cohort.from_folder(folder), folder)["years"] == [2020, 2021]
