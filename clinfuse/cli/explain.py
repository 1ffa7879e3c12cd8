"""Pages of patients: for records that were named, listed in a file, or picked by a rule."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import final

from clinfuse.cli import summary
from clinfuse.cli.commands import opened
from clinfuse.cli.screen import Screen
from clinfuse.errors import ConfigError
from clinfuse.evaluation.calibration.operating import fold_thresholds, learned_inside
from clinfuse.evaluation.calls import Threshold
from clinfuse.evaluation.compare import Comparison
from clinfuse.study.batch import Batch, listed, picked
from clinfuse.study.explained import explain_records, picks
from clinfuse.study.outcome import one_way, read_comparison
from clinfuse.study.work import Work


@final
@dataclass(frozen=True)
class Asked:
    """Which records the command names: at most one of the three ways.

    Parameters
    ----------
    records : tuple of str
    file : Path or None
    pick : str
    blind : bool

    Raises
    ------
    ConfigError
        ``EXPLAIN_CHOICE``.
    """

    records: tuple[str, ...] = ()
    file: Path | None = None
    pick: str = ""
    blind: bool = False

    def __post_init__(self) -> None:
        if sum((bool(self.records), self.file is not None, bool(self.pick))) > 1:
            raise ConfigError(
                "EXPLAIN_CHOICE",
                place="clinfuse explain",
                rule="one of --record, --records and --pick",
                found="several",
                remedy="Leave the others out.",
            )


def run_explain(run: Path, asked: Asked, *, model: str, private: Path | None, screen: Screen) -> None:
    """Write a page for each record; without records, for the ones worth a look."""
    work = opened(run, private)
    comparison = read_comparison(work)
    chosen = model or work.study.primary
    batch = _batch(asked, work, comparison, chosen)
    with one_way(work):
        pages = explain_records(work, comparison, batch, model=chosen, listed=not asked.records)
    written = [summary.shown(page) for page in pages]
    facts = {"pages": written, "model": chosen, "rule": batch.rule, "seed": work.study.seed}
    if not batch.rule:
        screen.show("\n".join(written), facts)
        return
    index = summary.shown(pages[0].parent / "index.html") if pages else "none: no record fits the rule"
    screen.show(
        f"rule      {batch.rule}\nseed      {work.study.seed}\npages     {len(pages)}\nindex     {index}", facts
    )


def _batch(asked: Asked, work: Work, comparison: Comparison, model: str) -> Batch:
    seed = work.study.seed
    if asked.file is not None:
        return listed(asked.file, work.cohort, blind=asked.blind)
    if asked.pick:
        limit = _threshold(work, comparison, model)
        return picked(comparison, model, asked.pick, threshold=limit, seed=seed, blind=asked.blind)
    return Batch(asked.records or picks(comparison, work.study), name="blind" if asked.blind else "", blind=asked.blind)


def _threshold(work: Work, comparison: Comparison, model: str) -> Threshold:
    asked = work.study.report
    if asked.specificity is None or not learned_inside(comparison[model]):
        return asked.threshold
    return fold_thresholds(comparison[model], asked.specificity)
