"""A model card of the declared model, filled from what lies in a run; what only authors know is asked of them."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

from clinfuse.report.artefacts import Artefacts
from clinfuse.report.checklists import ABSENT, ASK
from clinfuse.report.document import add_table, new_document, readable, stored
from clinfuse.report.html import RESEARCH_ONLY, clean, percent, write_bytes, write_text
from clinfuse.report.manuscript import METRIC_NAMES
from clinfuse.report.typeset import typeset

SOURCE = "Headings after Mitchell et al. 2019, doi:10.1145/3287560.3287596."
_SPECIAL = re.compile(r"([\\`*_\[\]<>|#])")
_MOST_ROWS = 40
_TABLES = {
    "tables/comparisons.csv": "The fusion of the question against its single modality",
    "tables/appendix.csv": "Comparisons that were not declared beforehand",
    "tables/subgroups.csv": "Groups of patients",
    "tables/withheld.csv": "Modalities withheld from the model",
}
_CAVEATS = ("audit.json", "diagnosis.json")


@final
@dataclass(frozen=True)
class Grid:
    """A table of the card.

    Parameters
    ----------
    title : str
    columns : tuple of str
    rows : tuple of tuple of str
    """

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@final
@dataclass(frozen=True)
class Section:
    """One heading of the card.

    Parameters
    ----------
    heading : str
    lines : tuple of str
    tables : tuple of Grid
    evidence : tuple of str
        Files of the run that the lines and tables come from; empty where only authors can answer.
    """

    heading: str
    lines: tuple[str, ...]
    tables: tuple[Grid, ...] = ()
    evidence: tuple[str, ...] = ()


def card_sections(artefacts: Artefacts) -> tuple[Section, ...]:
    """Give the sections of the card in the order of Mitchell et al.

    References
    ----------
    Mitchell et al. 2019, Model Cards for Model Reporting, doi:10.1145/3287560.3287596.
    """
    question = artefacts.value("run.json", "config", "question", "primary") or [""]
    name = str(question[0])
    return (
        _known("Model details", artefacts, tuple(_details(artefacts, name)), ("run.json", "metrics.json")),
        Section("Intended use", (ASK, RESEARCH_ONLY)),
        _known("Factors", artefacts, tuple(_factors(artefacts)), ("cohort.json", "run.json")),
        _known("Metrics", artefacts, tuple(_metrics(artefacts)), ("metrics.json", "run.json")),
        _known("Evaluation data", artefacts, tuple(_evaluation(artefacts)), ("predictions.parquet", "run.json")),
        _known("Training data", artefacts, tuple(_training(artefacts)), ("cohort.json",)),
        _analyses(artefacts, name),
        Section("Ethical considerations", (ASK,)),
        _known(
            "Caveats and recommendations", artefacts, tuple(_caveats(artefacts, name)), ("audit.json", "diagnosis.json")
        ),
    )


def write_model_card(artefacts: Artefacts, folder: Path) -> tuple[Path, ...]:
    """Write ``model_card.md`` and ``model_card.docx``.

    Raises
    ------
    StorageError
        ``REPORT_WRITE``.
    """
    sections = card_sections(artefacts)
    named = artefacts.value("run.json", "config", "report", "title") or "study made with clinfuse"
    title = f"Model card: {clean(str(named))}"
    return (
        write_text(folder / "model_card.md", _markdown(title, sections, artefacts)),
        write_bytes(folder / "model_card.docx", _document(title, sections, artefacts)),
    )


def _known(heading: str, artefacts: Artefacts, lines: tuple[str, ...], files: tuple[str, ...]) -> Section:
    told = tuple(line for line in lines if line)
    there = tuple(file for file in files if artefacts.has(file))
    return Section(heading, told, (), there) if told and there else Section(heading, (ABSENT,))


def _details(artefacts: Artefacts, name: str) -> Iterator[str]:
    row = next((one for one in _rows(artefacts) if one["model"] == name and one["metric"] == "auroc"), None)
    if row is not None:
        yield f"Model {name}: {row['taxonomy']}, of {', '.join(row['modalities'])}."
        yield f"Predicts {row['positive']}."
    version, code = artefacts.value("run.json", "versions", "clinfuse"), artefacts.value("run.json", "hashes", "code")
    if version and code:
        yield f"Made with clinfuse {version}, code {code[:12]}, seed {artefacts.value('run.json', 'seed')}."
    yield f"Developers, licence and contact: {ASK}"


def _factors(artefacts: Artefacts) -> Iterator[str]:
    groups = artefacts.value("run.json", "config", "report", "subgroups")
    declared = artefacts.value("cohort.json", "attributes")
    if declared:
        yield f"Declared columns of patients: {', '.join(declared)}."
    yield (
        f"Results are given by {', '.join(groups)}." if groups else "Results by groups of patients were not asked for."
    )
    sites = artefacts.value("cohort.json", "sites")
    if sites:
        yield f"Sites: {sites}."
    modalities = artefacts.value("cohort.json", "modalities") or []
    if modalities:
        have = ", ".join(f"{one['name']} {one['present']}" for one in modalities)
        yield f"Records that have each modality: {have}; all of them: {artefacts.value('cohort.json', 'complete')}."


def _metrics(artefacts: Artefacts) -> Iterator[str]:
    found = {one["metric"] for one in _rows(artefacts)}
    named = [name for metric, name in METRIC_NAMES.items() if metric in found]
    if named:
        yield f"Measured: {', '.join(named)}; each with a 95 % interval where patients are drawn, not records."
    asked = artefacts.value("run.json", "config", "report") or {}
    threshold, specificity = asked.get("threshold"), asked.get("specificity")
    if isinstance(specificity, float):
        learned = f"learned in inner folds for a specificity of {percent(specificity)}"
        yield f"Decisions, where they are counted, are taken from the threshold of each fold's model on, {learned}."
    elif isinstance(threshold, float):
        yield f"Decisions, where they are counted, are taken from a probability of {percent(threshold)} on."


def _evaluation(artefacts: Artefacts) -> Iterator[str]:
    row = next((one for one in _rows(artefacts) if one["metric"] == "auroc"), None)
    scheme = artefacts.value("splits.json", "scheme") or artefacts.value("run.json", "config", "validation") or {}
    if row is not None and scheme:
        kind = str(scheme.get("validation") or ("holdout" if scheme.get("holdout") else scheme.get("kind", "folds")))
        words = {"folds": f"{scheme.get('folds')} folds by patient", "sites": "one site left out at a time"}
        yield f"Held-out records only: {words.get(kind, kind)}; no patient is on both sides."


def _training(artefacts: Artefacts) -> Iterator[str]:
    known = artefacts.value("cohort.json") or {}
    if known.get("records"):
        yield f"{known['records']} records of {known['patients']} patients; a fold trains on those it does not test."
    if known.get("events") is not None and known.get("labelled"):
        share = percent(known["events"] / known["labelled"])
        yield f"{known['events']} of {known['labelled']} labelled records have {known['classes'][-1]} ({share})."
    if known.get("records_in", 0) > known.get("records", 0):
        yield f"{known['records_in'] - known['records']} records of the export were left out; see the ledger."


def _analyses(artefacts: Artefacts, name: str) -> Section:
    rows = [one for one in _rows(artefacts) if one["model"] == name and one["metric"] in METRIC_NAMES]
    numbers = tuple(
        (METRIC_NAMES[one["metric"]], f"{one['value']:.3f} ({one['low']:.3f} to {one['high']:.3f})") for one in rows
    )
    tables, files = [], []
    if rows:
        shown = tuple((metric, typeset(text)) for metric, text in numbers)
        tables.append(Grid(f"{name}, held-out records", ("metric", "estimate (95 % interval)"), shown))
        files.append("metrics.json")
    for file, title in _TABLES.items():
        if artefacts.has(file):
            columns, *found = csv.reader(io.StringIO((artefacts.folder / file).read_text(encoding="utf-8")))
            cells = tuple(tuple(typeset(cell.removeprefix("'")) for cell in row) for row in found[:_MOST_ROWS])
            tables.append(Grid(title, tuple(columns), cells))
            files.append(file)
    if not tables:
        return Section("Quantitative analyses", (ABSENT,))
    return Section("Quantitative analyses", (), tuple(tables), tuple(files))


def _caveats(artefacts: Artefacts, name: str) -> Iterator[str]:
    for one in artefacts.value("audit.json", "findings") or []:
        yield str(one["text"])
    for one in artefacts.value("diagnosis.json") or []:
        if one.get("model") == name:
            yield from (str(sentence) for sentence in one.get("sentences", ()))


def _rows(artefacts: Artefacts) -> list[dict[str, Any]]:
    found = artefacts.value("metrics.json")
    return found if isinstance(found, list) else []


def _evidence(section: Section, artefacts: Artefacts) -> str:
    named = "; ".join(artefacts.named(file) for file in section.evidence)
    return f"evidence: {named}" if named else ""


def _markdown(title: str, sections: Sequence[Section], artefacts: Artefacts) -> str:
    parts = [f"# {_plain(title)}", SOURCE]
    for section in sections:
        parts.append(f"## {section.heading}")
        parts += [f"- {_plain(typeset(line))}" for line in section.lines]
        parts += [f"{_plain(one.title)}\n\n{_grid(one)}" for one in section.tables]
        parts += [_plain(_evidence(section, artefacts))] if section.evidence else []
    return "\n\n".join([*parts, RESEARCH_ONLY]) + "\n"


def _grid(grid: Grid) -> str:
    lines = [[_plain(cell) for cell in line] for line in (grid.columns, *grid.rows)]
    lines.insert(1, ["---"] * len(grid.columns))
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _plain(text: str) -> str:
    """Give a text without what Markdown or HTML would read as markup."""
    return _SPECIAL.sub(r"\\\1", " ".join(clean(text, 4000).split("\n")))


def _document(title: str, sections: Sequence[Section], artefacts: Artefacts) -> bytes:
    document = new_document(wide=True)
    document.add_heading(readable(title), level=1)
    document.add_paragraph(SOURCE)
    for section in sections:
        document.add_heading(readable(section.heading), level=2)
        for line in section.lines:
            document.add_paragraph(readable(typeset(line)), style="List Bullet")
        for grid in section.tables:
            document.add_paragraph(readable(grid.title))
            add_table(document, grid.columns, grid.rows)
        if section.evidence:
            document.add_paragraph(readable(_evidence(section, artefacts)))
    document.add_paragraph(RESEARCH_ONLY)
    return stored(document)
