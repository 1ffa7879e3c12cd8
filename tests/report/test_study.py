"""The study page says first whether fusion helps, and hides nothing behind it."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from clinfuse.cohort.cohort import Cohort
from clinfuse.cohort.ledger import Entry, Ledger
from clinfuse.evaluation.audit.finding import Audit, Finding
from clinfuse.evaluation.characteristics import characteristics
from clinfuse.evaluation.compare import Comparison, compare
from clinfuse.evaluation.diagnosis.diagnose import diagnose
from clinfuse.evaluation.folds import Scheme
from clinfuse.evaluation.robustness.subsets import Robustness, robustness
from clinfuse.report.study import study_page, write_study_report
from clinfuse.report.tables import frame_of
from clinfuse.report.typeset import true_minus
from clinfuse.training.early import EarlyFusion
from clinfuse.training.late import LateFusion

RUN = {"id": "4f1c9a", "seed": 0, "version": "0.1.0", "data": "91be02"}


@pytest.fixture(scope="module")
def comparison() -> Comparison:
    draw, labels = np.random.default_rng(0), np.tile([0, 1, 0], 20)
    arrays = {name: labels[:, None] * 0.8 + draw.normal(size=(60, 2)) for name in ("labs", "signs")}
    present = draw.random((60, 2)) < 0.9
    cohort = Cohort.from_arrays(
        arrays,
        present=present,
        labels=labels,
        kinds={"labs": "ehr", "signs": "ehr"},
        classes=("healthy", "pneumonia"),
    )
    learners = {"labs": "logistic", "signs": "logistic"}
    models = {"early": EarlyFusion(kind="I"), "late": LateFusion(combine="mean", learners=learners)}
    return compare(cohort, models, folds=3, best_single="labs")


@pytest.fixture(scope="module")
def withheld(comparison: Comparison) -> Robustness:
    return robustness(comparison["late"], comparison.cohort)


@pytest.fixture(scope="module")
def page(comparison: Comparison, withheld: Robustness) -> str:
    return study_page(comparison, robustness=withheld, title="Pneumonia", run=RUN)


def test_table_1_is_there_to_be_opened(comparison: Comparison, page: str, read) -> None:
    assert "Table 1" not in read(page).words
    who = characteristics(comparison.cohort)
    found = read(study_page(comparison, characteristics=who))
    assert {"details", "summary"} <= set(found.tags)
    assert "Table 1: characteristics of the records, by class level all healthy pneumonia missing SMD" in found.words
    for line in frame_of(who.table()).rows:
        assert " ".join(cell for cell in line if cell) in found.words
    text = study_page(comparison, characteristics=who)
    assert text.index('id="warnings"') < text.index('id="characteristics"') < text.index('id="models"')


def test_the_order_is_fixed(page: str) -> None:
    first = ["answer", "who", "warnings", "models", "calibration", "missing", "curves", "grid", "presence"]
    order = [*first, "tables", "methods", "settings", "ledger"]
    places = [page.index(f'<section id="{name}">') for name in order]
    assert places == sorted(places)


def test_the_answer_is_the_one_that_was_computed(page: str, comparison: Comparison, read) -> None:
    words = read(page).words
    assert comparison.answer.text.replace("-0.", "−0.") in words
    assert "Declared before training: late against labs" in words


def test_every_number_of_the_forest_is_told_in_words_too(page: str, comparison: Comparison, read) -> None:
    told = next(alt for alt in read(page).values("img", "alt") if alt.startswith("Forest plot"))
    for row in comparison.rows:
        if row.metric == "auroc":
            assert f"{row.model}: {row.value:.2f}" in told


def test_curves_are_told_in_words_with_the_numbers_of_the_tables(page: str, comparison: Comparison, read) -> None:
    told = next(alt for alt in read(page).values("img", "alt") if alt.startswith("ROC curves"))
    first, second = comparison.answer.difference.values
    assert f"{comparison.primary} {first:.2f}" in told
    assert f"labs {second:.2f}" in told
    assert [alt.split(" ")[0] for alt in read(page).values("img", "alt")].count("Precision") == 1


def test_the_grid_of_sets_holds_every_fusion(page: str, comparison: Comparison, withheld: Robustness, read) -> None:
    told = next(alt for alt in read(page).values("img", "alt") if alt.startswith("labs + signs: "))
    late = {row.kept: row.auroc.value for row in withheld.of("complete")}
    assert f"late {late['labs', 'signs']:.2f}" in told.split(".  ")[0]
    assert "signs: early" in told
    assert f"late {late['signs',]:.2f}." in told


def test_every_link_of_the_head_leads_to_a_part_of_the_page(page: str, read) -> None:
    places = re.findall(r'<a href="#(\w+)">', page)
    assert {"models", "curves", "tables", "ledger"} <= set(places)
    assert all(f'<section id="{place}">' in page for place in places)


def test_who_is_counted_from_the_cohort(page: str, comparison: Comparison, read) -> None:
    words, present = read(page).words, comparison.cohort.present
    assert "60 records in" in words
    assert "60 records used, of 60 patients" in words
    assert f"{present[:, 0].sum()} with labs" in words
    assert f"{present.all(1).sum()} with all 2" in words
    assert "20 with pneumonia (33" in words


def test_who_was_left_out_stands_in_the_flow(comparison: Comparison, monkeypatch: pytest.MonkeyPatch, read) -> None:
    entry = Entry("FOLLOW_UP_SHORT", "label", "R-BBBBBBBBBB", "Follow-up is too short.", excluded=True)
    monkeypatch.setattr(comparison.cohort._store, "ledger", Ledger(61, 60, (entry,)))
    words = read(study_page(comparison, title="Pneumonia", run=RUN)).words
    assert "− 1 Follow-up is too short. (FOLLOW_UP_SHORT)" in words


def test_the_page_loads_nothing_and_warns_twice(page: str, read) -> None:
    found = read(page)
    assert found.words.count("Research use only, not a medical device") == 2
    assert not {"script", "iframe", "link", "object"} & set(found.tags)
    assert all(source.startswith("data:image/") for source in found.values("img", "src"))
    assert not re.search(r"https?://", re.sub(r'src="[^"]*"', "", page))


def test_no_id_of_a_record_or_patient_is_on_the_page(page: str, comparison: Comparison, read) -> None:
    words = set(re.findall(r"[\w-]+", read(page).words))
    assert not words & set(map(str, comparison.cohort.record_ids))
    assert not words & set(map(str, comparison.cohort.patient_ids))


def test_the_same_study_gives_the_same_bytes(comparison: Comparison, withheld: Robustness, tmp_path: Path) -> None:
    first, second = (
        write_study_report(comparison, tmp_path / name, robustness=withheld, run=RUN).read_bytes() for name in "ab"
    )
    assert first == second


def test_no_number_of_a_table_is_bold_or_has_a_star_and_every_table_says_of_whom_it_is(page: str, read) -> None:
    cells = re.findall(r"<td[^>]*>(.*?)</td>", page, re.DOTALL)
    assert len(cells) > 20
    assert not [cell for cell in cells if "*" in cell or re.search(r"<(b|strong)\b", cell)]
    tables = page[page.index('<section id="tables">') :]
    assert tables.index("Positive class: ") < tables.index("<table")
    assert "prevalence" in tables[: tables.index("<table")]
    words = read(page).words
    assert words.index("Every model") < words.index("Appendix: not declared beforehand, p adjusted by Holm")


def test_what_was_not_tested_is_said(comparison: Comparison, read) -> None:
    words = read(study_page(comparison)).words
    assert "Not tested in this run" in words


def test_what_an_audit_found_stands_under_read_this_first(comparison: Comparison, read) -> None:
    audit = Audit(
        findings=(
            Finding("COLUMN_LARGE", "note", "Largest single column: CRP."),
            Finding("PRESENCE_PREDICTS", "warning", "EEG <was> ordered more often."),
        ),
        facts=(("presence alone", "AUROC 0.58"), ("order", "AUROC 0.50")),
    )
    page = study_page(comparison, audit=audit)
    words = read(page).words
    assert page.index("Read this first") < page.index("EEG &lt;was&gt; ordered") < page.index("Largest single column")
    assert "EEG <was> ordered more often." in words
    assert "Audit: 2 checks, 2 found." in words
    assert "presence alone AUROC 0.58" in words


def test_names_that_look_like_markup_stay_names(comparison: Comparison, read) -> None:
    payload = '<img src=x onerror=alert(1)>"'
    rows = tuple(replace(row, model=f"{row.model}{payload}", taxonomy=payload) for row in comparison.rows)
    table = pd.DataFrame({payload: [payload]})
    spoiled = SimpleNamespace(
        cohort=comparison.cohort,
        rows=rows,
        table=lambda: table,
        calibration_table=lambda: table,
        appendix=lambda: table,
        notices=(payload,),
        declared="declared before training",
        coverage=payload,
        answer=replace(comparison.answer, text=f"No. {payload}", primary=f"late{payload}", records_text=payload),
        predictions=SimpleNamespace(select=lambda **_: comparison["late"].predictions),
    )
    spoiled.__dict__.update(losses={}, primary=f"late{payload}", differences={}, comparator=comparison.comparator)
    spoiled.__dict__["models"] = {payload: comparison["late"]}
    held = comparison["late"].predictions

    class Spoiled(SimpleNamespace):
        def __getitem__(self, name: str) -> SimpleNamespace:
            return SimpleNamespace(losses={(0, 0): {payload: []}}, scheme=Scheme(), predictions=held, seed=0)

    found = read(study_page(Spoiled(**vars(spoiled)), title=payload, run={payload: payload}))
    assert payload in found.words
    assert not [name for _, name, _ in found.attributes if name.startswith("on")]
    assert all(source.startswith("data:image/") for source in found.values("img", "src"))


def test_why_is_told_in_sentences_with_the_numbers_behind_them(comparison: Comparison, page: str, read) -> None:
    assert '<section id="why">' not in page
    found = [diagnose(comparison, name) for name in ("late", "early")]
    written = study_page(comparison, title="Pneumonia", run=RUN, diagnoses=found)
    assert written.index('<section id="models">') < written.index('<section id="why">')
    words = read(written).words
    for one in found:
        assert all(true_minus(line) in words for line in one.sentences)
    assert "What each fusion makes of its sources" in words
    assert words.count("fusion given it alone") == 1
