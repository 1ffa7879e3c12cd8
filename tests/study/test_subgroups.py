"""A study that asks for subgroups gets them, in tables and on its page, without training anything again."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from clinfuse.errors import ConfigError
from clinfuse.study.config import load_study
from clinfuse.study.folder import describe, settle
from clinfuse.study.outcome import finish
from clinfuse.study.run import prepare


@pytest.fixture
def described(study_file: Path) -> Path:
    """The study's records with a sex, an age and a ward that only some of them have."""
    folder = study_file.parent / "cohort"
    table = pd.read_csv(folder / "records.csv", dtype=str)
    rows = np.arange(len(table))
    ages = np.where(rows % 12 == 11, 95, 30 + 25 * (rows // 2 % 2))
    more = {"SEX": np.where(rows // 2 % 2, "F", "M"), "AGE": ages, "WHERE": np.where(rows % 5 < 2, "St Mary", "North")}
    table.assign(**more).to_csv(folder / "records.csv", index=False)
    text = (folder / "cohort.toml").read_text(encoding="utf-8")
    line = 'record_id = "record"\nsite = "WHERE"\nattributes = { sex = "SEX", age = "AGE" }\n'
    (folder / "cohort.toml").write_text(text.replace('record_id = "record"\n', line, 1), encoding="utf-8")
    short = study_file.read_text(encoding="utf-8").replace("patients = 2", "patients = 0")
    short = short.replace('early = { fusion = "early", kind = "I", learner = "logistic" }', "[training]\nepochs = 1")
    study_file.write_text(short, encoding="utf-8")
    return study_file


def test_subgroups_are_reported_where_they_are_asked_for(described: Path) -> None:
    work = prepare(load_study(described))
    settle(work.run, describe(work.study, work.run, work.cohort.fingerprint), touched=work.touched, agreed=False)
    assert len(list(work.do())) == 9
    asked = described.read_text(encoding="utf-8").replace(
        "[report]", '[report]\nsubgroups = ["sex", "age", "site"]\nbands = { age = [50] }\nthreshold = 0.4'
    )
    described.write_text(asked, encoding="utf-8")
    again = prepare(load_study(described))
    assert list(again.do()) == []
    (found,) = finish(again).subgroups
    assert (found.model, found.threshold, found.columns) == ("late", 0.4, ("sex", "age", "site"))
    table = pd.read_csv(work.run.tables / "subgroups.csv", dtype=str)
    assert table["group"].tolist() == ["all", "F", "M", "under 50", "50 to 89", "90+", "site 1", "site 2"]
    assert table["n"].tolist() == ["48", "24", "24", "24", "not shown", "not shown", "28", "20"]
    assert (work.run.tables / "subgroup_gaps.csv").exists()
    described_by = pd.read_csv(work.run.tables / "characteristics.csv", dtype=str)
    assert {"site 1", "F", "M"} <= set(described_by["level"])
    written = [one for one in work.run.path.rglob("*") if one.suffix in (".csv", ".html", ".json", ".txt")]
    assert not any(word in one.read_text("utf-8") for one in written for word in ("St Mary", "North"))
    page = work.run.report.read_text(encoding="utf-8")
    assert "In groups of patients (late)" in page
    assert "Table 1: characteristics" in page
    assert page.index('id="subgroups"') < page.index('id="presence"')


def test_a_subgroup_that_the_cohort_does_not_declare_is_refused_before_training(study_file: Path) -> None:
    text = study_file.read_text(encoding="utf-8").replace("[report]", '[report]\nsubgroups = ["sex"]')
    study_file.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError, match="SUBGROUP_COLUMN"):
        prepare(load_study(study_file))
