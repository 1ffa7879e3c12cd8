"""The page on validation, followed to the letter on a cohort with sites, times and a declared division."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from clinfuse.errors import ConfigError, DataError
from clinfuse.evaluation.audit.checks import audit
from clinfuse.evaluation.partition import Splits
from clinfuse.evaluation.robustness.rates import DropRates
from clinfuse.evaluation.robustness.subsets import Robustness
from clinfuse.report import reading
from clinfuse.report.methods import methods_text
from clinfuse.study.config import load_study, parse_study
from clinfuse.study.folder import describe, settle
from clinfuse.study.outcome import Outcome, read_comparison
from clinfuse.study.run import prepare

PAGE = (Path(__file__).parent.parent.parent / "docs" / "how-to" / "validation.md").read_text(encoding="utf-8")
SNIPPETS = re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL)
STUDIES = [text for text in SNIPPETS if "[validation]" in text]
(RECORDS,) = [text for text in SNIPPETS if "[records]" in text]
MODELS = '\n[models]\nlate = { fusion = "late", combine = "mean" }\n[report]\npatients = 0\n'
EXPECTED = {"folds": 15, "sites": 3, "temporal": 1, "column": 1, "holdout": 1}


@pytest.fixture
def dated(study_file: Path) -> Path:
    """The small cohort with a clinic, a day, and a set for everyone; one clinic has no finding."""
    folder = study_file.parent / "cohort"
    table = pd.read_csv(folder / "records.csv", dtype=str)
    row = np.arange(len(table))
    days = pd.Timestamp("2020-01-01") + pd.to_timedelta(row * 2, "D")
    table = table.assign(VISIT_AT=days.strftime("%Y-%m-%d"), SET=np.array(list("ABBC"))[row // 2 % 4])
    table = table.assign(CLINIC=np.where((row % 2 == 0) & (row % 3 == 0), "west", np.where(row < 24, "north", "south")))
    table.to_csv(folder / "records.csv", index=False)
    text = (folder / "cohort.toml").read_text(encoding="utf-8")
    keys = RECORDS.replace("[records]", "[records]\n" + 'site = "CLINIC"\nindex_time = "VISIT_AT"')
    (folder / "cohort.toml").write_text(text.replace("[records]", keys, 1), encoding="utf-8")
    return study_file


def write(file: Path, snippet: str) -> Path:
    file.write_text('cohort = "cohort"\nresults = "results"\nseed = 3\n' + snippet + MODELS, encoding="utf-8")
    return file


@pytest.mark.parametrize("snippet", STUDIES)
def test_every_snippet_divides_the_patients(dated: Path, snippet: str) -> None:
    work = prepare(load_study(write(dated, snippet)))
    asked = work.study.validation.asked
    assert len(work.jobs) == EXPECTED[asked]
    for job in work.jobs:
        assert not set(job.cohort.groups[job.fold.train]) & set(job.cohort.groups[job.fold.test])
    if asked == "column":
        assert len(work.jobs[0].fold.test) == 12
    if asked == "temporal":
        days = work.jobs[0].cohort.times
        cut = days[work.jobs[0].fold.test].min()
        assert days[work.jobs[0].fold.train].max() < cut
        assert (str(cut)[:10] == "2020-03-01") == ("since" in snippet)


def test_the_page_has_every_kind() -> None:
    kinds = {load.validation.asked for load in (parse_study(_values(text)) for text in STUDIES)}
    assert kinds == set(EXPECTED)


def _values(snippet: str) -> dict[str, object]:
    import tomllib

    return {"cohort": "c", "results": "r", **tomllib.loads(snippet + MODELS)}


def test_a_run_site_by_site_names_the_site_without_a_say(dated: Path) -> None:
    (snippet,) = [text for text in STUDIES if '"sites"' in text]
    work = prepare(load_study(write(dated, snippet)))
    settle(work.run, describe(work.study, work.run, work.cohort.fingerprint), touched=work.touched, agreed=False)
    list(work.do())
    comparison = read_comparison(work)
    splits = Splits.from_json(work.run.path / "splits.json")
    assert splits == comparison["late"].splits
    # In the order of their names, numbered by size: what a hospital calls them is written nowhere.
    assert (splits.left_out, [part.site for part in splits.parts]) == (("site 3",), ["site 1", "site 2", "site 3"])
    assert any("Site 3 has one class only" in text for text in comparison.notices)
    assert "west" not in (work.run.path / "splits.json").read_text(encoding="utf-8")
    assert reading.settings(comparison)["validation"] == "sites"
    rates = DropRates((), "", 0, len(work.cohort))
    outcome = Outcome(work.run, comparison, Robustness("late", ()), audit(work.cohort), (), rates)
    rows = {row["metric"]: row.get("left_out") for row in outcome.metrics if row["model"] == "late"}
    assert rows["auroc"] == rows["auprc"] == rows["auroc difference"] == ["site 3"]
    assert rows["brier"] is None


def test_every_kind_has_words_in_the_methods() -> None:
    said = [
        methods_text(models=[], modalities=[], folds=5, repeats=1, seed="", task="binary", validation=kind)[2]
        for kind in EXPECTED
    ]
    assert len(set(said)) == len(said) == 5
    assert all("no patient is on both sides" in text for text in said)


def test_a_word_on_no_side_is_refused_by_its_line(dated: Path) -> None:
    folder = dated.parent / "cohort"
    text = (folder / "cohort.toml").read_text(encoding="utf-8")
    (folder / "cohort.toml").write_text(text.replace('["A", "B"]', '"A"'), encoding="utf-8")
    with pytest.raises(DataError, match=r"SPLIT_VALUE.*line 4, 5, 6") as refusal:
        prepare(load_study(write(dated, STUDIES[0])))
    assert "B" not in refusal.value.found
    (folder / "cohort.toml").write_text(text.replace('"SET"', '"SETT"'), encoding="utf-8")
    with pytest.raises(DataError, match="COLUMN_ABSENT"):
        prepare(load_study(write(dated, STUDIES[0])))


@pytest.mark.parametrize(
    ("written", "place"),
    [
        ('kind = "sites"\nfolds = 3', "validation.folds"),
        ('kind = "sites"\nholdout = true', "validation.kind"),
        ("share = 0.2", "validation.share"),
        ('kind = "temporal"\nshare = 0.2\nsince = "2020-01-01"', "validation.share"),
    ],
)
def test_keys_that_say_nothing_here_are_refused(written: str, place: str) -> None:
    with pytest.raises(ConfigError, match=rf"CONFIG_CONFLICT\] study\.{place}"):
        parse_study(_values(f"[validation]\n{written}\n"))


def test_a_day_that_is_none_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"CONFIG_VALUE.*validation\.since.*a day such as"):
        parse_study(_values('[validation]\nkind = "temporal"\nsince = "spring"\n'))
