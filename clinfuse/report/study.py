"""The study page: does fusion help, in whom, what to be careful about, and every number behind it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any, Unpack, final

import numpy as np
import pandas as pd

from clinfuse.evaluation.robustness.grid import subset_grid
from clinfuse.report import figures, reading
from clinfuse.report.beside import Beside
from clinfuse.report.canvas import Picture
from clinfuse.report.heat_map import heat_map
from clinfuse.report.html import Prose, number, percent, render, write_text
from clinfuse.report.ledger import Reason, reasons
from clinfuse.report.manuscript import whom
from clinfuse.report.methods import methods_text
from clinfuse.report.plates.board import plate_picture
from clinfuse.report.plates.run import curve_plates
from clinfuse.report.robustness import rate_pictures, rate_words
from clinfuse.report.subgroups import GroupSection, group_sections, group_tables
from clinfuse.report.tables import Frame, frame_of

_COLUMN = 340
QUIET = "No warning was raised. That is not proof that there is no problem; run the audit."


@final
@dataclass(frozen=True, eq=False)
class _View:
    """Everything the page prints, as texts, counts and pictures, in the page's order."""

    title: str
    meta: tuple[tuple[str, str], ...]
    places: tuple[tuple[str, str], ...]
    verdict: str
    answer: str
    remarks: tuple[str, ...]
    flow: tuple[dict[str, Any], ...]
    warnings: tuple[tuple[str, str], ...]
    quiet: str
    forest: Picture
    forest_caption: str
    declared: str
    why: tuple[tuple[str, tuple[str, ...]], ...]
    curves: tuple[Picture, ...]
    calibration: tuple[Picture, ...]
    calibration_facts: tuple[tuple[str, str], ...]
    robust_model: str
    robustness: tuple[Picture, ...]
    robust_caption: str
    grid: tuple[tuple[Picture, str], ...]
    rates: tuple[Picture, ...]
    rate_caption: str
    groups: tuple[GroupSection, ...]
    presence: Picture
    characteristics: tuple[Frame, ...]
    whom: str
    tables: tuple[tuple[str, Frame], ...]
    losses: tuple[Picture, ...]
    methods: tuple[str, ...]
    settings: tuple[tuple[str, str], ...]
    ledger: Any
    files: tuple[tuple[str, tuple[tuple[str, str], ...]], ...] = ()
    reasons: list[Reason] = field(default_factory=list)


def write_study_report(
    comparison: Any,
    path: Path | str,
    *,
    robustness: Any = None,
    rates: Any = None,
    title: str = "",
    run: Mapping[str, Any] | None = None,
    audit: Any = None,
    diagnoses: Sequence[Any] = (),
    **beside: Unpack[Beside],
) -> Path:
    """Write the page of a whole study.

    Parameters
    ----------
    comparison : Comparison
        Of `compare`.
    path : Path or str
        Of the HTML file; its folder is made where it is missing.
    robustness : Robustness, optional
        Of `robustness`, for the model of the question.
    rates : DropRates, optional
        Of `clinfuse.evaluation.robustness.rates.drop_rates`.
    title : str
        Of the study.
    run : mapping, optional
        What identifies the run (``id``, ``seed``, ``data``) and, under any other name, further settings to print.
        Times, hosts and paths do not belong here.
    audit : Audit, optional
        Of `audit`: what it noticed is printed before any figure.
    diagnoses : sequence of Diagnosis
        Of `diagnose`, one for each fusion that is to be taken apart.
    **beside
        ``characteristics``, ``subgroups``, ``inside``, ``methods``, ``files``: see `Beside`.

    Returns
    -------
    Path
        The file written: one file, no script, no request, the same bytes for the same inputs.

    Raises
    ------
    StorageError
        ``REPORT_WRITE`` where the file cannot be written.
    """
    named: dict[str, Any] = {"robustness": robustness, "rates": rates, "audit": audit, "diagnoses": diagnoses}
    return write_text(path, study_page(comparison, title=title, run=run, **named, **beside))


def study_page(
    comparison: Any,
    *,
    robustness: Any = None,
    rates: Any = None,
    title: str = "",
    run: Mapping[str, Any] | None = None,
    audit: Any = None,
    diagnoses: Sequence[Any] = (),
    **beside: Unpack[Beside],
) -> str:
    """Give the text of a study's page."""
    cohort = comparison.cohort
    known = dict(run or {})
    estimates = reading.estimates(comparison)
    declared = reading.declared(comparison)
    facts = reading.settings(comparison)
    verdict, sentence = reading.answer(comparison)
    robust = reading.robust_rows(robustness)
    curves = _curves(comparison)
    view = _View(
        title=title or "Does fusion help?",
        meta=_meta(cohort, known),
        places=_places(files=bool(beside.get("files")), curves=bool(curves), groups=bool(beside.get("subgroups"))),
        verdict=verdict,
        answer=sentence,
        remarks=reading.remarks(comparison),
        flow=_flow(cohort),
        warnings=(*reading.warnings(comparison), *reading.findings(audit)),
        quiet=QUIET,
        forest=figures.forest(estimates),
        forest_caption=_forest_caption(estimates),
        declared=declared,
        why=reading.why(diagnoses),
        curves=curves,
        calibration=reading.calibration_pictures(comparison),
        calibration_facts=reading.calibration_facts(comparison),
        robust_model="" if robustness is None else str(robustness.model),
        robustness=(figures.deltas(robust),) if robust else (),
        robust_caption=reading.robust_words(robustness),
        grid=_grid(comparison),
        rates=() if rates is None else rate_pictures(rates, declared),
        rate_caption="" if rates is None else rate_words(rates),
        groups=group_sections(beside.get("subgroups", ())),
        characteristics=(frame_of(beside["characteristics"].table()),) if "characteristics" in beside else (),
        presence=figures.presence(cohort.names, cohort.present),
        whom=whom(comparison),
        tables=(
            *_tables(comparison, robustness, rates, audit, diagnoses),
            *group_tables(beside.get("subgroups", ())),
            *((words, frame_of(table)) for words, table in beside.get("inside", ())),
        ),
        losses=_losses(comparison),
        methods=tuple(map(Prose, beside.get("methods", ()))) or _methods(comparison, known),
        settings=_settings(known, facts),
        ledger=cohort.ledger,
        files=tuple((name, tuple(links)) for name, links in beside.get("files", ()) if links),
        reasons=reasons(cohort.ledger.entries),
    )
    return render("study.html", view=view)


def _places(*, files: bool, curves: bool, groups: bool) -> tuple[tuple[str, str], ...]:
    """Links to the parts of the page that a reader looks for by name."""
    every = (
        ("Models", "models", True),
        ("Curves", "curves", curves),
        ("Missing sources", "missing", True),
        ("Subgroups", "subgroups", groups),
        ("Tables", "tables", True),
        ("Methods text", "methods", True),
        ("Settings", "settings", True),
        ("Files and patients", "files", files),
        ("Ledger", "ledger", True),
    )
    return tuple((name, place) for name, place, there in every if there)


def _curves(comparison: Any) -> tuple[Picture, ...]:
    """ROC, precision and recall, net benefit: calibration has a place of its own."""
    plates = curve_plates(comparison, seed=comparison[comparison.primary].seed)
    return tuple(plate_picture(one, width=_COLUMN) for one in plates if one.name != "calibration")


def _grid(comparison: Any) -> tuple[tuple[Picture, str], ...]:
    """The heat map and its caption; nothing where nobody, or hardly anybody, has every source."""
    grid = subset_grid(comparison.models)
    if not grid.kept:
        return ()
    rows = [" + ".join(one) for one in grid.kept]
    words = (
        f"AUROC of every fusion on the same {grid.records} records that have every source, everything but these "
        "withheld. Light is 0.5, dark 1.0; the difference of two cells may be chance."
    )
    return ((heat_map(rows, grid.models, grid.values, low=0.5, high=1.0), words),)


def _methods(comparison: Any, known: Mapping[str, Any]) -> tuple[str, ...]:
    facts = reading.settings(comparison)
    return methods_text(
        models=reading.taxonomies(comparison),
        modalities=[(modality.name, modality.kind) for modality in comparison.cohort.modalities],
        folds=int(facts["folds"]),
        repeats=int(facts["repeats"]),
        validation=str(facts["validation"]),
        seed=str(known.get("seed", "")),
        task=str(comparison.cohort.task),
    )


def _meta(cohort: Any, known: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    rows = [("run", str(known["id"]))] if "id" in known else []
    rows += [("seed", str(known["seed"]))] if "seed" in known else []
    rows.append(("clinfuse", str(known.get("version", version("clinfuse")))))
    if "data" in known:
        rows.append(("data", str(known["data"])[:12]))
    if cohort.task == "binary":
        labels = np.asarray(cohort.labels)
        rows.append(
            ("positive class:", f"{cohort.classes[-1]} ({_share(int((labels == 1).sum()), int((labels >= 0).sum()))})")
        )
    return tuple(rows)


def _share(part: int, whole: int) -> str:
    return percent(part / whole) if whole else "–"


def _flow(cohort: Any) -> tuple[dict[str, Any], ...]:
    ledger, present = cohort.ledger, np.asarray(cohort.present, bool)
    names = list(cohort.names)
    rows = [{"kind": "in", "count": ledger.records_in, "text": "records in"}]
    for reason in reasons(entry for entry in ledger.entries if entry.excluded):
        text = f"{reason.entry.text} ({reason.entry.code})"
        rows.append({"kind": "out", "count": f"− {reason.count}", "text": text})
    patients = len(set(cohort.patient_keys))
    rows.append({"kind": "sum", "count": len(cohort), "text": f"records used, of {patients} patients"})
    rows += [
        {"kind": "have", "count": int(present[:, m].sum()), "text": f"with {name}"} for m, name in enumerate(names)
    ]
    if len(names) > 1:
        rows.append({"kind": "have", "count": int(present.all(1).sum()), "text": f"with all {len(names)}"})
    rows.append({"kind": "have", "count": int((~present.any(1)).sum()), "text": "with none"})
    if cohort.task == "binary":
        events = int((np.asarray(cohort.labels) == 1).sum())
        text = f"with {cohort.classes[-1]} ({_share(events, len(cohort))})"
        rows.append({"kind": "sum", "count": events, "text": text})
    return tuple(rows)


def _forest_caption(rows: Sequence[figures.Estimate]) -> str:
    parts = ["Hollow: a single source; filled: a fusion. Held-out records only."]
    if any(row.ceiling == row.ceiling for row in rows):
        parts.append("Orange bar: best possible value for those inputs, known only because this cohort is synthetic.")
    if any(row.declared for row in rows):
        parts.append("Shaded: the model that the question is about.")
    return " ".join(parts)


def _tables(
    comparison: Any, robustness: Any, rates: Any, audit: Any, diagnoses: Sequence[Any]
) -> tuple[tuple[str, Frame], ...]:
    found = [("Every model", frame_of(comparison.table()))]
    others = comparison.appendix()
    if len(others):
        found.append((f"Appendix: {others.columns.name}", frame_of(others)))
    calibrated = comparison.calibration_table()
    if len(calibrated):
        found.append(("Calibration before and after correction", frame_of(calibrated)))
    if diagnoses:
        found.append(("What each fusion makes of its sources", frame_of(pd.concat([one.table() for one in diagnoses]))))
    if robustness is not None:
        found.append(("Sources withheld", frame_of(robustness.table())))
    if rates is not None:
        found.append(("Sources missing at random", frame_of(rates.jointly.table())))
    if audit is not None:
        facts = pd.DataFrame(audit.facts, columns=["check", "measured"], dtype=str)
        found.append(("Audit", frame_of(facts)))
    return tuple(found)


def _losses(comparison: Any) -> tuple[Picture, ...]:
    curves = reading.loss_curves(comparison)
    return (figures.losses(curves),) if curves else ()


def _settings(known: Mapping[str, Any], facts: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    merged = {**facts, **known}
    return tuple((str(name), number(v, 4) if isinstance(v, float) else str(v)) for name, v in merged.items())
