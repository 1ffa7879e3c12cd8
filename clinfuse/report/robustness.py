"""The page of a robustness study: what is left when sources are missing, and who they are missing from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from clinfuse.report import curves
from clinfuse.report.canvas import Picture
from clinfuse.report.html import render, write_text
from clinfuse.report.tables import frame_of
from clinfuse.report.typeset import true_minus

_MOST_SUBSETS = 31
_COLUMNS = (
    "records of",
    "withheld",
    "records",
    "events",
    "AUROC (95 % CI)",
    "change (95 % CI)",
    "Brier",
    "slope (95 % CI)",
)


def write_robustness_report(
    study: Any,
    path: Path | str,
    *,
    regrets: Sequence[Any] = (),
    damages: Sequence[Any] = (),
    title: str = "",
    run: Mapping[str, Any] | None = None,
) -> Path:
    """Write the page of a robustness study.

    Parameters
    ----------
    study : RobustnessStudy
        Of `clinfuse.evaluation.robustness.study.study_robustness`.
    path : Path or str
        Of the HTML file; its folder is made where it is missing.
    regrets : sequence of Regret
        Where models were trained on subsets alone.
    damages : sequence of Damaged
        Where inputs were spoiled.
    title : str
        Of the study.
    run : mapping, optional
        What identifies the run (``id``, ``seed``, ``data``).

    Returns
    -------
    Path
        One file, no script, no request, the same bytes for the same inputs.

    Raises
    ------
    StorageError
        ``REPORT_WRITE``.
    """
    return write_text(path, robustness_page(study, regrets=regrets, damages=damages, title=title, run=run))


def robustness_page(
    study: Any,
    *,
    regrets: Sequence[Any] = (),
    damages: Sequence[Any] = (),
    title: str = "",
    run: Mapping[str, Any] | None = None,
) -> str:
    """Give the text of the page."""
    rows = study.subsets.of("complete") or study.subsets.of("all")
    which = "that have every source" if study.subsets.of("complete") else "with what they have"
    about = rows[0].counts
    return render(
        "robustness.html",
        title=title or "What if a source is missing?",
        model=study.model,
        meta=tuple((name, str(value)[:12]) for name, value in (run or {}).items()),
        sentences=tuple(true_minus(text) for text in study.sentences if text != study.observed.sentence),
        regrets=tuple((true_minus(one.sentence), frame_of(one.table())) for one in regrets),
        damages=tuple((true_minus(one.sentence), frame_of(one.table())) for one in damages),
        presence=true_minus(study.observed.sentence),
        shortcut=study.observed.shortcut,
        subsets=(curves.subset_bars(rows[:_MOST_SUBSETS]),) if rows else (),
        subset_words=f"The same {about.records} records ({about}) {which}, sources withheld from {study.model}.",
        rates=rate_pictures(study.rates, study.model),
        rate_words=rate_words(study.rates),
        sources=_sources(study),
        observed=frame_of(study.observed.table()),
        complete=frame_of(study.complete.table()),
        lacking=tuple((name, count) for name, count in study.complete.as_dict()["lacking"].items()),
        tables=(
            ("Sources withheld", frame_of(study.subsets.table()[[*_COLUMNS]])),
            ("Sources missing at random", frame_of(study.rates.jointly.table())),
        ),
    )


def rate_pictures(rates: Any, model: str) -> tuple[Picture, ...]:
    """Give the figure of all models as every source goes missing; none where no model was followed."""
    chosen = curves.chosen_curves(rates.of(), model)
    return (curves.rate_curves(chosen),) if chosen else ()


def rate_words(rates: Any) -> str:
    """Say what the curves are."""
    shaded = any(point.beyond for curve in rates.curves for point in curve.points)
    beyond = " Shaded: more often than sources were hidden in training." if shaded else ""
    return (
        f"All {rates.records} records stay in; whoever has nothing left gets the training prevalence. Lines: mean over "
        "all patterns of missing sources, exact; band: 95 % interval of the first of them, drawing patients. The mean "
        f"over the rates stands beside each model.{beyond}"
    )


def _sources(study: Any) -> tuple[Picture, ...]:
    own = [curve for curve in study.rates.of(together=False) if curve.model == study.model]
    return (curves.source_curves(own),) if own else ()
