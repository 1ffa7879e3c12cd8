"""The two files people are promised, in full: nothing in them is refused."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

from clinfuse.cohort.contract import read_contract
from clinfuse.study.config import Study, parse_study

FILES = Path(__file__).parent / "interface"


def promised() -> dict[str, Any]:
    return tomllib.loads((FILES / "study.toml").read_text(encoding="utf-8"))


def test_a_cohort_file_with_every_key_is_read() -> None:
    contract = read_contract(FILES / "cohort.toml")
    assert list(contract.modalities) == ["ct", "eeg", "labs", "history"]
    assert contract.systems == {"pacs": "PACS_ID", "eeg_lab": "EEG_NO"}


def test_a_study_file_with_every_key_is_read() -> None:
    study = parse_study(promised())
    assert isinstance(study, Study)
    assert (study.primary, study.rival, study.validation.repeats) == ("late", "", 3)
    assert study.missing.report == ("observed", "subsets", "rates")
    assert study.report.subgroups == ("sex", "age", "site")
    assert (study.report.specificity, study.report.prevalence) == (0.90, 0.12)
