"""What a finished run hands to authors: facts of the cohort, tables in every form asked for, the methods text."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import pandas as pd

from clinfuse.evaluation.calibration.operating import operating_table
from clinfuse.evaluation.characteristics import Characteristics, characteristics
from clinfuse.evaluation.wrong_calls import find_errors
from clinfuse.report.artefacts import Artefacts
from clinfuse.report.beside import Beside
from clinfuse.report.calling import called_from
from clinfuse.report.checklists import write_checklists
from clinfuse.report.errors import write_errors_report
from clinfuse.report.html import write_text
from clinfuse.report.manuscript import INTERVALS, caption, comparison_table, performance_table
from clinfuse.report.model_card import write_model_card
from clinfuse.report.plates.run import write_run_plates
from clinfuse.report.tables import write_tables
from clinfuse.report.written_methods import methods_document
from clinfuse.study.cohort_facts import cohort_facts
from clinfuse.study.folder import write_json
from clinfuse.study.search_section import settings_table
from clinfuse.study.work import Work

if TYPE_CHECKING:
    from clinfuse.study.outcome import Outcome

Links: TypeAlias = tuple[str, tuple[tuple[str, str], ...]]
METHODS, ERRORS, REPORTING, FIGURES = "methods.txt", "errors.html", "reporting", "figures"
_ERRORS = (("errors", (("html", ERRORS),)),)
_CHECKED = (
    *(
        (title, tuple((form, f"{REPORTING}/{name}.{form}") for form in ("html", "csv", "docx", "tex")))
        for title, name in (("TRIPOD+AI", "tripod_ai"), ("CLAIM", "claim"))
    ),
    ("model card", tuple((form, f"{REPORTING}/model_card.{form}") for form in ("md", "docx"))),
)
_WITHHELD = f"{INTERVALS} Changes are paired: the same draws of patients for both."
OPERATING = "Every model on held-out records, with thresholds that inner folds of the training patients gave."
CONFORMAL = "How often prediction sets hold the truth, of held-out records; only the lines of all are guaranteed."
VISITS = "Every model on held-out records as patients with several visits are counted; the answer is of all records."
# Tables that another study file may not ask for.
_PASSING = (
    *("settings", "choices", "appendix", "withheld", "diagnosis", "rates", "calibration"),
    *("subgroups", "subgroup_gaps", "specificity", "conformal", "conformal_sets", "visits"),
)


def write_documents(outcome: Outcome, work: Work) -> Beside:
    """Write ``cohort.json``, the tables and ``methods.txt``, and give what the study page shows of them.

    Raises
    ------
    StorageError
        ``REPORT_WRITE``, ``RUN_WRITE``.
    """
    run = work.run
    write_json(run.path / "cohort.json", cohort_facts(work.cohort, Path(work.study.cohort)))
    write_json(run.path / "audit.json", {**asdict(outcome.audit), "facts": dict(outcome.audit.facts)})
    who = characteristics(work.cohort)
    names = write_run_tables(outcome, work, who)
    figures = write_run_plates(
        outcome.comparison,
        run.path / FIGURES,
        forms=work.study.report.figures,
        threshold=outcome.threshold,
        seed=work.study.seed,
    )
    text = methods_document(Artefacts(run.path))
    write_text(run.path / METHODS, text)
    pages = (("patients", (("index", f"{run.patients.name}/index.html"),)),)[: explains(work)]
    texts = (*pages, ("methods text", ((METHODS, METHODS),)), *_ERRORS[: work.cohort.task == "binary"], *_CHECKED)
    files = (*_table_links(work, names), *_figure_links(figures), *texts)
    inside = [(OPERATING, operating_table(outcome.operating))] if outcome.operating else []
    inside += [(CONFORMAL, _coverages(outcome))] if outcome.conformal else []
    inside += [(VISITS, table) for table in outcome.visits]
    shown: Beside = {"characteristics": who, "inside": inside, "subgroups": outcome.subgroups, "files": files}
    return {**shown, "methods": text.strip().split("\n\n")}


def explains(work: Work) -> bool:
    """Whether pages of patients are written after the study's page."""
    return bool(work.cohort.task == "binary" and work.study.report.patients)


def _table_links(work: Work, names: Sequence[str]) -> list[Links]:
    place, forms = work.run.tables.name, work.study.report.tables
    return [(f"table {name}", tuple((form, f"{place}/{name}.{form}") for form in forms)) for name in names]


def _figure_links(files: Sequence[Path]) -> list[Links]:
    found: dict[str, list[tuple[str, str]]] = {}
    for file in files:
        name, _, size = file.stem.rpartition("-")
        found.setdefault(name, []).append((f"{size} {file.suffix[1:]}", f"{FIGURES}/{file.name}"))
    return [(f"figure {name}", tuple(links)) for name, links in found.items()]


def write_checked(work: Work) -> None:
    """Write checklists and model card of a run, when all that they name as evidence is there.

    Raises
    ------
    StorageError
        ``REPORT_WRITE``.
    """
    artefacts = Artefacts(work.run.path)
    write_checklists(artefacts, work.run.path / REPORTING)
    write_model_card(artefacts, work.run.path / REPORTING)


def write_errors(outcome: Outcome, work: Work) -> None:
    """Write the page of the declared model's errors, with links to the pages of patients there are.

    Raises
    ------
    StorageError
        ``REPORT_WRITE``.
    """
    if work.cohort.task != "binary":
        return
    asked, run = work.study.report, work.run
    held = outcome.comparison[work.study.primary].predictions
    found = find_errors(held, work.cohort, asked.subgroups, bands=asked.bands, threshold=outcome.threshold)
    pages = [file.stem for file in sorted(run.patients.glob("R-*.html"))]
    write_errors_report(found, run.path / ERRORS, pages=pages, title=asked.title)


def run_tables(outcome: Outcome, work: Work, who: Characteristics) -> dict[str, tuple[pd.DataFrame, str, str]]:
    """Give every table of a run by the name of its file: the table, what it shows, and what its intervals are."""
    comparison, primary = outcome.comparison, work.study.primary
    found = {
        "characteristics": (who.table(), "Records by class, with their characteristics.", ""),
        "models": (comparison.table().reset_index(), f"Every model. {comparison.answer.text}", INTERVALS),
        "performance": (
            performance_table(comparison),
            "Every model on held-out records; a single modality is scored on the records that have it.",
            INTERVALS,
        ),
        "comparisons": (
            comparison_table(comparison),
            f"{comparison.question} The fusion of the question against its single modality, on the same records.",
            _WITHHELD,
        ),
    }
    others = comparison_table(comparison, declared=False)
    if len(others):
        words = "Appendix: comparisons that were not declared beforehand, p adjusted by Holm among them."
        found["appendix"] = (others, words, _WITHHELD)
    if work.cohort.task == "binary":
        words = "Calibration of held-out predictions before and after correction."
        found["calibration"] = (comparison.calibration_table(), words, "")
    if outcome.diagnoses:
        table = pd.concat([one.table() for one in outcome.diagnoses])
        found["diagnosis"] = (table, "What each fusion makes of its modalities, on held-out records.", _WITHHELD)
    if outcome.robustness.rows:
        words = f"{primary}, sources withheld from the model."
        found["withheld"] = (outcome.robustness.table(), words, _WITHHELD)
    chosen = settings_table({name: one.settings for name, one in comparison.models.items()})
    if len(chosen):
        searched = work.study.search
        words = f"Settings that each fold chose by {searched.metric.replace('_', ' ')} on inner folds of its patients."
        found["settings"] = (chosen, words, "")
    taken = comparison.choices()
    if len(taken):
        found["choices"] = (
            taken,
            "What was chosen in each fold, by AUROC in inner folds of its training patients.",
            "",
        )
    if outcome.rates.curves:
        found["rates"] = (outcome.rates.table(), "Every model as sources go missing at random.", INTERVALS)
    for one in outcome.subgroups:
        words = f"{primary}, held-out records in groups of patients, called {called_from(one.threshold)}."
        found["subgroups"] = (one.table(), words, INTERVALS)
        found["subgroup_gaps"] = (one.gap_table(), f"{primary}, differences between groups of patients.", INTERVALS)
    return found | _inside(outcome, primary)


def _inside(outcome: Outcome, primary: str) -> dict[str, tuple[pd.DataFrame, str, str]]:
    """Tables of what was learned in inner folds, and of visits."""
    found = {}
    if outcome.operating:
        found["specificity"] = (operating_table(outcome.operating), OPERATING, INTERVALS)
    for table in outcome.visits:
        found["visits"] = (table, VISITS, INTERVALS)
    if outcome.conformal:
        found["conformal"] = (_coverages(outcome), CONFORMAL, "Wilson intervals, as of independent records.")
        each = pd.concat([one.table() for one in outcome.conformal])
        found["conformal_sets"] = (each, f"{primary}, the classes in the set of each held-out record.", "")
    return found


def _coverages(outcome: Outcome) -> pd.DataFrame:
    return pd.concat([one.coverage_table() for one in outcome.conformal])


def write_run_tables(outcome: Outcome, work: Work, who: Characteristics) -> tuple[str, ...]:
    """Write the tables of a run, take away those of an earlier study file, and give the names of those there are.

    Raises
    ------
    StorageError
        ``REPORT_WRITE``.
    """
    folder, forms = work.run.tables, work.study.report.tables
    tables = run_tables(outcome, work, who)
    for file in (one for name in {*_PASSING, *tables} for one in folder.glob(f"{name}.*")):
        file.unlink()
    for name, (table, first, intervals) in tables.items():
        words = caption(outcome.comparison, first, seed=work.study.seed, intervals=intervals)
        write_tables(table, folder, name, caption=words, forms=forms)
    return tuple(tables)
