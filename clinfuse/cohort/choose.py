"""Which of several files of a record counts: those in the window, then the one that ``several`` says."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import final

import numpy as np

from clinfuse.cohort.found_series import Candidate, Search
from clinfuse.cohort.notes import SAME_DAY, SAME_DAY_USED, UNDATED
from clinfuse.cohort.owners import is_own_row
from clinfuse.cohort.visits import rows_of_records
from clinfuse.cohort.windows import BEFORE_INDEX, on_the_day, seconds_after


@final
@dataclass(frozen=True, eq=False)
class _Timed:
    """A candidate, and how long after the index time it was made; `seconds` may count whole days, `exact` never.

    `same_day` says that it bears the date of the index time.
    """

    candidate: Candidate
    seconds: float
    exact: float
    same_day: bool


def choose(search: Search, candidates: Sequence[Candidate]) -> tuple[tuple[Path, ...], ...]:
    """For every row of the records table the files that count, empty where none does.

    Nothing made later than the index time counts. Several that remain without a declared choice count as none and
    are noted with the line that would choose.

    Raises
    ------
    DataError
        Any refusal, if reading is strict.
    """
    visits, span = search.visits, search.source.span
    chosen: list[tuple[Path, ...]] = [()] * len(visits)
    outside = late = unsure = by_day = undated = 0
    for record, rows in enumerate(rows_of_records([candidate.records for candidate in candidates], len(visits))):
        if not visits.kept[record] or not rows:
            continue
        own = _timed(search, [candidates[row] for row in rows], record)
        if span is not None and any(np.isnan(each.seconds) for each in own):
            text = "A file without a date, so it cannot be placed inside or outside the window."
            search.notes.refuse("TIME_UNKNOWN", search.name, text, key=visits.keys[record])
        late += sum(each.seconds > 0 for each in own)
        inside = [each for each in own if _counts(search, each)]
        outside += sum(np.isfinite(each.seconds) for each in own) - sum(np.isfinite(each.seconds) for each in inside)
        if visits.days[record]:
            by_day += sum(each.same_day for each in inside)
        else:
            unsure += sum(each.same_day and not each.candidate.clock for each in inside)
            inside = [each for each in inside if each.candidate.clock or not each.same_day]
        chosen[record] = _pick(search, inside, record)
        undated += any(np.isnat(each.candidate.time) and each.candidate.files == chosen[record] for each in inside)
    if visits.dated:
        search.notes.tell("AFTER_INDEX", search.name, late, "files made after the index time are not used.")
        search.notes.tell("OUTSIDE_WINDOW", search.name, outside - late, "files outside the window are not used.")
        search.notes.tell("SAME_DAY", search.name, unsure, SAME_DAY.format("files"))
        search.notes.tell("SAME_DAY_USED", search.name, by_day, SAME_DAY_USED.format("files"))
        if not _of_own_row(search):
            search.notes.tell("UNDATED", search.name, undated, UNDATED.format("files"))
    return tuple(chosen)


def _of_own_row(search: Search) -> bool:
    """Whether the row of the record itself names its file."""
    source, records = search.source, search.contract.records
    return source.column is not None and is_own_row(source, source.table, records)


def _timed(search: Search, candidates: Sequence[Candidate], record: int) -> list[_Timed]:
    visits = search.visits
    times = np.array([candidate.time for candidate in candidates], dtype="datetime64[s]")
    if visits.dated:
        seconds = seconds_after(times, visits.times[record], days=bool(visits.days[record]))
    else:
        seconds = np.full(len(times), np.nan)
    exact = np.where(np.isnat(times), np.nan, times.astype(np.float64))
    same_day = on_the_day(times, visits.times[record])
    return [_Timed(*each) for each in zip(candidates, seconds.tolist(), exact.tolist(), same_day.tolist(), strict=True)]


def _counts(search: Search, timed: _Timed) -> bool:
    if not search.visits.dated:
        return True
    if np.isnan(timed.seconds):
        return search.source.span is None
    return bool((search.source.span or BEFORE_INDEX).holds(np.array([timed.seconds]))[0])


def _pick(search: Search, own: Sequence[_Timed], record: int) -> tuple[Path, ...]:
    if len(own) < 2:
        return own[0].candidate.files if own else ()
    how, key = search.source.several, search.visits.keys[record]
    if how is None:
        text = f"{len(own)} files of one record, and nothing that chooses one."
        remedy = 'Write `several = "nearest"` in this modality, or "first" or "last", to choose one.'
        search.notes.refuse("SEVERAL", search.name, text, key=key, remedy=remedy)
        return ()
    if any(np.isnan(each.exact) for each in own) and how != "most slices":
        text = f"{len(own)} files of one record, and not all say when they were made."
        search.notes.refuse("TIME_UNKNOWN", search.name, text, key=key)
        return ()
    ranks = [_rank(each, how) for each in own]
    best = [each for each, rank in zip(own, ranks, strict=True) if rank == min(ranks)]
    if len(best) > 1:
        text = f'{len(best)} files of one record that several = "{how}" cannot tell apart.'
        search.notes.refuse("SEVERAL_TIE", search.name, text, key=key)
        return ()
    return best[0].candidate.files


def _rank(timed: _Timed, how: str) -> tuple[float, float]:
    """The lowest is chosen. Of series made at the same time the one with more slices; nothing depends on file names."""
    time = 0.0 if np.isnan(timed.exact) else timed.exact
    slices = -float(timed.candidate.slices)
    if how == "most slices":
        return slices, -time
    return (time if how == "first" else -time), slices
