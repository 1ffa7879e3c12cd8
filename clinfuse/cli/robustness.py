"""What `clinfuse robustness` does: what is left when sources are missing, as text, JSON, tables and a page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import final

import pandas as pd

from clinfuse.cli import summary
from clinfuse.cli.commands import opened
from clinfuse.cli.screen import WIDTH, Screen, ask
from clinfuse.evaluation.compare import Comparison
from clinfuse.evaluation.robustness.damaged import Damaged, damaged
from clinfuse.evaluation.robustness.regret import Regret, plan_regret, regret
from clinfuse.evaluation.robustness.study import RobustnessStudy, study_robustness
from clinfuse.report.manuscript import INTERVALS, caption
from clinfuse.report.robustness import write_robustness_report
from clinfuse.report.tables import write_tables
from clinfuse.study.engines.engine import Engine
from clinfuse.study.outcome import one_way, read_comparison
from clinfuse.study.rules import check_name
from clinfuse.study.work import Work

_LEFT = 36


@final
@dataclass(frozen=True)
class Further:
    """What is asked for beside what the held-out predictions say.

    Parameters
    ----------
    regret, damage : bool
        Whether to train on every set of sources alone; whether to spoil inputs.
    yes : bool
        Whether what it costs is agreed to.
    """

    regret: bool = False
    damage: bool = False
    yes: bool = False


def run_robustness(
    run: Path, *, model: str, private: Path | None, screen: Screen, further: Further = Further()
) -> None:
    """Show and write what is left of a model when sources are withheld, missing at random, or were really missing."""
    work = opened(run, private)
    chosen = model or work.study.primary
    comparison = read_comparison(work)
    screen.note("looking up what every model said when sources were withheld")
    with one_way(work):
        found = study_robustness(comparison.models, work.cohort, model=chosen, seed=work.study.seed)
        regrets = _regret(work, comparison, chosen, further, screen) if further.regret else ()
        spoiled = (_damaged(comparison, chosen, screen),) if further.damage else ()
        page, tables = _write(found, (*regrets, *spoiled), work, comparison)
    facts = {**found.as_dict(), "page": summary.shown(page), "tables": [summary.shown(one) for one in tables]}
    facts |= {_word(one): one.as_dict() for one in (*regrets, *spoiled)}
    screen.show(robustness_screen(found, page, (*regrets, *spoiled)), facts)


def _word(one: Regret | Damaged) -> str:
    return "regret" if isinstance(one, Regret) else "damage"


def _damaged(comparison: Comparison, chosen: str, screen: Screen) -> Damaged:
    with screen.progress("spoiling inputs") as advance:
        return damaged(comparison[chosen], progress=advance)


def _regret(work: Work, comparison: Comparison, chosen: str, further: Further, screen: Screen) -> tuple[Regret, ...]:
    """The regret of a fusion, once somebody has agreed to what it costs; nothing where nobody has."""
    check_name(chosen, list(work.models), "--model", "one fusion by its name, to be trained on fewer sources")
    plan = plan_regret(comparison[chosen], work.models[chosen])
    count = Engine().count
    about = summary.duration(plan.seconds / min(count, len(comparison[chosen].folds)))
    screen.note(f"regret: {plan.sets} sets of sources, {plan.fits} fits, about {about} with {count} processes")
    if plan.fits and not ask("Train them? What is finished is kept.", yes=further.yes):
        screen.note("regret: not trained; repeat with --yes")
        return ()
    folder = work.run.path / "robustness" / "regret" / chosen
    with screen.progress("regret") as advance:
        found = regret(
            comparison.models,
            work.models[chosen],
            model=chosen,
            workers=count,
            results=folder,
            redo=further.yes,
            progress=lambda done, total, text: advance(done, total),
        )
    return (found,)


def _write(
    found: RobustnessStudy, further: Sequence[Regret | Damaged], work: Work, comparison: Comparison
) -> tuple[Path, tuple[Path, ...]]:
    described = work.run.read()
    known = {"run": described["hashes"]["config"][:6], "seed": work.study.seed, "data": described["hashes"]["data"]}
    page = write_robustness_report(
        found,
        work.run.path / "robustness" / f"{found.model}.html",
        regrets=[one for one in further if isinstance(one, Regret)],
        damages=[one for one in further if isinstance(one, Damaged)],
        title=work.study.report.title,
        run=known,
    )
    own = replace(found.rates, curves=tuple(one for one in found.rates.curves if one.model == found.model))
    tables = {
        "withheld": (found.subsets.table(), "sources withheld from the model."),
        "rates": (own.table(), "sources missing at random."),
        "patterns": (found.observed.table(), "records by the sources they have."),
        "excluded": (found.complete.table(), "whom an analysis of complete records leaves out."),
    }
    words = {"regret": "left with some sources, against models trained on these alone.", "damage": "inputs spoiled."}
    tables |= {_word(one): (one.table(), words[_word(one)]) for one in further}
    written: list[Path] = []
    for name, (table, shown) in tables.items():
        intervals = "" if name == "excluded" else INTERVALS
        said = caption(comparison, f"{found.model}, {shown}", seed=work.study.seed, intervals=intervals)
        written += write_tables(table, work.run.tables, f"{name}-{found.model}", caption=said)
    return page, tuple(written)


def robustness_screen(found: RobustnessStudy, page: Path, further: Sequence[Regret | Damaged] = ()) -> str:
    """Text of the screen: plain ASCII, at most 100 columns.

    Parameters
    ----------
    found : RobustnessStudy
    page : Path
        That was written.
    further : sequence of Regret or Damaged
        What was asked for beside it.
    """
    parts = [
        [summary.plain(f"ROBUSTNESS {found.model}: what is left when sources are missing")],
        _subsets(found),
        _rates(found),
        _table("PATTERN", found.observed.table()),
        *(_table("LEFT WITH" if isinstance(one, Regret) else "IN", one.table()) for one in further),
        [line for text in (*found.sentences, *(one.sentence for one in further)) for line in summary.block("", text)],
        summary.pairs("OPEN", [("page", summary.shown(page))]),
        [summary.RESEARCH_ONLY],
    ]
    lines = "\n\n".join("\n".join(line[:WIDTH] for line in part) for part in parts if part)
    return lines + "\n"


def _subsets(found: RobustnessStudy) -> list[str]:
    rows = found.subsets.of("complete") or found.subsets.of("all")
    which = "that have every source" if found.subsets.of("complete") else "with what they have"
    lines = [f"{'SOURCES LEFT':<{_LEFT}}{'AUROC (95 % CI)':<22}{'CHANGE':>8}{'SLOPE':>8}{'BRIER':>8}"]
    for row in rows:
        slope = row.calibration.get("calibration_slope")
        change = f"{row.delta.value:+.2f}" if row.withheld else ""
        steep = "-" if slope is None else f"{slope.value:.2f}"
        name = summary.cut(" + ".join(row.kept), _LEFT - 2)
        lines.append(summary.plain(f"{name:<{_LEFT}}{row.auroc!s:<22}{change:>8}{steep:>8}{row.brier.value:>8.3f}"))
    return [*lines, summary.plain(f"the same {rows[0].counts.records} records, {which}")]


def _rates(found: RobustnessStudy) -> list[str]:
    curves = found.rates.of()
    shown = [point.rate for point in curves[0].points][::3]
    head = "".join(f"{f'{100 * rate:.0f} %':>9}" for rate in shown)
    lines = [f"{'AUROC, SOURCES MISSING AT RANDOM':<{_LEFT}}{head}{'MEAN':>9}"]
    for curve in curves:
        values = "".join(
            f"{f'{point.expected.value:.2f}' + ('*' if point.beyond else ' '):>9}"
            for point in curve.points
            if point.rate in shown
        )
        lines.append(summary.plain(f"{summary.cut(curve.model, _LEFT - 2):<{_LEFT}}{values}{curve.area.value:>9.2f}"))
    if any("*" in line for line in lines):
        lines.append("* more often than sources were hidden in training")
    return lines


def _table(head: str, table: pd.DataFrame) -> list[str]:
    """A table in columns as wide as they need to be."""
    names: Sequence[str] = [head, *(str(one).upper() for one in table.columns[1:])]
    cells = [names, *(tuple(str(cell) for cell in row) for row in table.itertuples(index=False, name=None))]
    widths = [max(len(row[k]) for row in cells) + 2 for k in range(len(names))]
    widths[0] = min(widths[0], WIDTH - sum(widths[1:]))
    return [summary.plain("".join(_padded(row, widths))) for row in cells]


def _padded(cells: Sequence[str], widths: Sequence[int]) -> list[str]:
    return [summary.cut(cell, width - 1).ljust(width) for cell, width in zip(cells, widths, strict=True)]
