"""The two files people are promised, in full: what is not carried out yet is refused by name, and nothing else is."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import pytest

from clinfuse.cohort.contract import read_contract
from clinfuse.errors import ConfigError
from clinfuse.study.config import Study, parse_study

FILES = Path(__file__).parent / "interface"
LATER = (
    ("study.report.specificity", "report", "specificity"),
    ("study.report.prevalence", "report", "prevalence"),
)


def promised() -> dict[str, Any]:
    return tomllib.loads((FILES / "study.toml").read_text(encoding="utf-8"))


def without(values: dict[str, Any], section: str, key: str) -> dict[str, Any]:
    """The same study without one thing that is not carried out yet."""
    kept = {name: value for name, value in values[section].items() if name != key}
    return {**values, section: kept}


def test_a_cohort_file_with_every_key_is_read() -> None:
    contract = read_contract(FILES / "cohort.toml")
    assert list(contract.modalities) == ["ct", "eeg", "labs", "history"]
    assert contract.systems == {"pacs": "PACS_ID", "eeg_lab": "EEG_NO"}


def test_a_study_file_with_every_key_is_refused_for_two_and_read_without_them() -> None:
    values, refused = promised(), []
    for _ in LATER:
        with pytest.raises(ConfigError, match="CONFIG_NOT_BUILT") as refusal:
            parse_study(values)
        refused.append(refusal.value.place)
        _, section, key = next(one for one in LATER if one[0] == refusal.value.place)
        values = without(values, section, key)
    assert sorted(refused) == sorted(place for place, _, _ in LATER)
    study = parse_study(values)
    assert isinstance(study, Study)
    assert (study.primary, study.rival, study.validation.repeats) == ("late", "", 3)
    assert study.missing.report == ("observed", "subsets", "rates")
    assert study.report.subgroups == ("sex", "age", "site")


@pytest.mark.parametrize(("place", "section", "key"), LATER)
def test_each_of_the_two_alone_is_refused(place: str, section: str, key: str) -> None:
    values = promised()
    for other, its_section, its_key in LATER:
        if other != place:
            values = without(values, its_section, its_key)
    with pytest.raises(ConfigError, match="CONFIG_NOT_BUILT") as refusal:
        parse_study(values)
    assert refusal.value.place == place
