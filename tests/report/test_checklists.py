"""Checklists name what lies in a run, with its digest, and claim nothing else."""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path

import docx
import pytest

from clinfuse.report.artefacts import Artefacts
from clinfuse.report.checklists import ABSENT, ASK, CHECKLISTS, Rule, read_checklist, write_checklists
from clinfuse.report.model_card import card_sections, write_model_card

TRIPOD_AUTO = (
    "5b 6a 6b 7 9b 10 11 12a 12b 12c 12d 12e 12g 13 14 15 16 20a 20b 20c 21 22 23a 23b 24 27a".split()  # noqa: SIM905
)
TRIPOD_ASK = "1 2 3a 3b 3c 4 5a 6c 8a 8b 8c 9a 9c 17 18a 18b 18c 18d 18e 18f 19 25 26 27b 27c".split()  # noqa: SIM905
CLAIM_AUTO = [str(number) for number in (*range(7, 14), *range(19, 38))]
CLAIM_ASK = [str(number) for number in (*range(1, 7), *range(14, 19), *range(38, 43))]


def satisfy(run: Path, rule: Rule) -> str:
    """Put a file into the run that a rule takes for evidence, and give its place."""
    name = rule.file.replace("tables/*", "tables/one").replace(".*", ".csv").replace("*", "one")
    file = run / name
    file.parent.mkdir(parents=True, exist_ok=True)
    if name.endswith(".json"):
        whole = json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}
        inner = whole
        for key in rule.key[:-1]:
            inner = inner.setdefault(key, {})
        if rule.key:
            inner[rule.key[-1]] = rule.word or inner.get(rule.key[-1]) or {"said": 1}
        file.write_text(json.dumps(whole), encoding="utf-8")
    elif not file.exists():
        file.write_text(f"contents of {name}", encoding="utf-8")
    for one in rule.given:
        satisfy(run, one)
    return name


@pytest.fixture
def run(tmp_path: Path) -> Path:
    for name in CHECKLISTS:
        for item in read_checklist(name).items:
            for rule in item.rules:
                satisfy(tmp_path, rule)
    return tmp_path


@pytest.mark.parametrize(
    ("name", "auto", "ask"), [("tripod_ai", TRIPOD_AUTO, TRIPOD_ASK), ("claim", CLAIM_AUTO, CLAIM_ASK)]
)
def test_every_item_that_a_run_can_answer_has_a_rule_and_no_other(name: str, auto: list[str], ask: list[str]) -> None:
    """TRIPOD+AI 2024, doi:10.1136/bmj-2023-078378 (27 items); CLAIM 2020, doi:10.1148/ryai.2020200029 (42 items)."""
    rules = {item.number: bool(item.rules) for item in read_checklist(name).items}
    assert [number for number in auto if not rules[number]] == []
    assert [number for number in ask if rules[number]] == []
    assert {number.partition(",")[0] for number in rules} - {"12f"} == {*auto, *ask}


def test_each_number_stands_once() -> None:
    for name in CHECKLISTS:
        numbers = [item.number for item in read_checklist(name).items]
        assert len(numbers) == len(set(numbers))


def test_a_whole_run_answers_all_that_can_be_answered_with_digests_that_hold(run: Path) -> None:
    for name in CHECKLISTS:
        for item in read_checklist(name).items:
            status = item.status(Artefacts(run))
            if not item.rules:
                assert status == ASK
                continue
            found = re.findall(r"([\w./-]+) ([0-9a-f]{12})(?=;|$)", status.removeprefix("evidence: "))
            assert found, status
            for place, digest in found:
                assert hashlib.sha256((run / place).read_bytes()).hexdigest().startswith(digest)


def test_without_its_artefacts_an_item_is_not_available(run: Path) -> None:
    for name in CHECKLISTS:
        for item in (one for one in read_checklist(name).items if one.rules):
            gone = {file: file.read_bytes() for rule in item.rules for file in run.glob(rule.file)}
            for file in gone:
                file.unlink()
            assert item.status(Artefacts(run)) == ABSENT, item.number
            for file, content in gone.items():
                file.write_bytes(content)


def test_what_a_file_does_not_say_is_no_evidence(tmp_path: Path) -> None:
    (tmp_path / "run.json").write_text('{"config": {"report": {"subgroups": ["sex"]}, "empty": []}}', encoding="utf-8")
    known = Artefacts(tmp_path)
    assert Rule.read("run.json#config.report.subgroups=sex").found(known) == "run.json"
    assert Rule.read("run.json#config.report.subgroups=site").found(known) == ""
    assert Rule.read("run.json#config.empty").found(known) == ""
    assert Rule.read("run.json given absent.json").found(known) == ""


def test_nothing_is_called_reported(run: Path) -> None:
    for name in CHECKLISTS:
        for status in read_checklist(name).table(Artefacts(run))["status"]:
            assert status in (ASK, ABSENT) or status.startswith("evidence: ")


def test_the_files_are_the_same_bytes_for_the_same_run(run: Path, tmp_path: Path) -> None:
    first = write_checklists(Artefacts(run), tmp_path / "a")
    second = write_checklists(Artefacts(run), tmp_path / "b")
    assert [file.read_bytes() for file in first] == [file.read_bytes() for file in second]
    assert {file.name for file in first} == {f"{one}.{form}" for one in CHECKLISTS for form in FORMS}


FORMS = ("csv", "docx", "tex", "html")
CARD = [
    "Model details",
    "Intended use",
    "Factors",
    "Metrics",
    "Evaluation data",
    "Training data",
    "Quantitative analyses",
    "Ethical considerations",
    "Caveats and recommendations",
]


def test_an_empty_run_has_a_card_of_questions(tmp_path: Path) -> None:
    """The headings of Mitchell et al. 2019, doi:10.1145/3287560.3287596, in their order."""
    sections = card_sections(Artefacts(tmp_path))
    assert [section.heading for section in sections] == CARD
    assert {section.lines[0] for section in sections} == {ABSENT, ASK}


def test_a_card_holds_the_numbers_of_the_declared_model_and_names_their_files(tmp_path: Path) -> None:
    metric = {"modalities": ["ct"], "taxonomy": "late, mean", "positive": "a|b", "value": 0.8, "low": 0.7, "high": 0.9}
    rows = [{"model": name, "metric": "auroc", **metric} for name in ("late", "early")]
    (tmp_path / "metrics.json").write_text(json.dumps(rows), encoding="utf-8")
    question = {"question": {"primary": ["late", "ct"]}, "report": {"title": "<b>Lungs</b>"}}
    (tmp_path / "run.json").write_text(json.dumps({"config": question, "seed": 1}), encoding="utf-8")
    (tmp_path / "tables").mkdir()
    (tmp_path / "tables" / "subgroups.csv").write_text("group,AUROC\nF,'-0.10 (-0.20 to 0.00)\n", encoding="utf-8")
    markdown, document = write_model_card(Artefacts(tmp_path), tmp_path / "reporting")
    again = write_model_card(Artefacts(tmp_path), tmp_path / "again")
    assert [file.read_bytes() for file in again] == [markdown.read_bytes(), document.read_bytes()]
    text = markdown.read_text(encoding="utf-8")
    assert r"# Model card: \<b\>Lungs\</b\>" in text
    assert "| AUROC | 0.800 (0.700 to 0.900) |" in text
    assert "| F | −0.10 (−0.20 to 0.00) |" in text
    assert r"Predicts a\|b." in text
    digest = hashlib.sha256((tmp_path / "metrics.json").read_bytes()).hexdigest()[:12]
    assert f"evidence: metrics.json {digest}; tables/subgroups.csv" in text
    assert [one.text for one in docx.Document(str(document)).paragraphs if one.style.name == "Heading 2"] == CARD
