"""What a finished run hands to authors: its tables in every form that the study asks for."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from clinfuse.report.manuscript import INTERVALS, caption, comparison_table, performance_table
from clinfuse.report.tables import write_tables
from clinfuse.study.work import Work

if TYPE_CHECKING:
    from clinfuse.study.outcome import Outcome

_WITHHELD = f"{INTERVALS} Changes are paired: the same draws of patients for both."
# Tables that another study file may not ask for.
_PASSING = ("withheld", "diagnosis", "rates", "calibration", "subgroups", "subgroup_gaps")


def run_tables(outcome: Outcome, work: Work) -> dict[str, tuple[pd.DataFrame, str, str]]:
    """Give every table of a run by the name of its file: the table, what it shows, and what its intervals are."""
    comparison, primary = outcome.comparison, work.study.primary
    found = {
        "models": (comparison.table().reset_index(), f"Every model. {comparison.answer.text}", INTERVALS),
        "performance": (
            performance_table(comparison),
            "Every model on held-out records; a single modality is scored on the records that have it.",
            INTERVALS,
        ),
        "comparisons": (
            comparison_table(comparison),
            f"{comparison.question} Every fusion against the single modality of the question, on the same records.",
            _WITHHELD,
        ),
    }
    if work.cohort.task == "binary":
        words = "Calibration of held-out predictions before and after correction."
        found["calibration"] = (comparison.calibration_table(), words, "")
    if outcome.diagnoses:
        table = pd.concat([one.table() for one in outcome.diagnoses])
        found["diagnosis"] = (table, "What each fusion makes of its modalities, on held-out records.", _WITHHELD)
    if outcome.robustness.rows:
        words = f"{primary}, sources withheld from the model."
        found["withheld"] = (outcome.robustness.table(), words, _WITHHELD)
    if outcome.rates.curves:
        found["rates"] = (outcome.rates.table(), "Every model as sources go missing at random.", INTERVALS)
    for one in outcome.subgroups:
        found["subgroups"] = (one.table(), f"{primary}, held-out records in groups of patients.", INTERVALS)
        found["subgroup_gaps"] = (one.gap_table(), f"{primary}, differences between groups of patients.", INTERVALS)
    return found


def write_run_tables(outcome: Outcome, work: Work) -> None:
    """Write the tables of a run, and take away those of an earlier study file that this one does not ask for.

    Raises
    ------
    StorageError
        ``REPORT_WRITE``.
    """
    folder, forms = work.run.tables, work.study.report.tables
    tables = run_tables(outcome, work)
    for file in (one for name in {*_PASSING, *tables} for one in folder.glob(f"{name}.*")):
        file.unlink()
    for name, (table, first, intervals) in tables.items():
        words = caption(outcome.comparison, first, seed=work.study.seed, intervals=intervals)
        write_tables(table, folder, name, caption=words, forms=forms)
