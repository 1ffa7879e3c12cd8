"""Which of several files of a record counts: those in the window, then the one that ``several`` says."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import final

import numpy as np

from clinfuse.cohort.candidates import Candidate, Search
from clinfuse.cohort.visits import rows_of_records
from clinfuse.cohort.windows import BEFORE_INDEX, seconds_after


@final
@dataclass(frozen=True, eq=False)
class _Timed:
    candidate: Candidate
    seconds: float

    @property
    def order(self) -> tuple[float, int, tuple[Path, ...]]:
        """Earlier first, then more slices, then by path: never by the order in which files were found."""
        return self.seconds, -self.candidate.slices, self.candidate.files


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
    outside = late = 0
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
        chosen[record] = _pick(search, inside, record)
    if visits.dated and late:
        search.notes.tell("AFTER_INDEX", search.name, f"{late} files made after the index time are not used.")
    if visits.dated and outside > late:
        search.notes.tell("OUTSIDE_WINDOW", search.name, f"{outside - late} files outside the window are not used.")
    return tuple(chosen)


def _timed(search: Search, candidates: Sequence[Candidate], record: int) -> list[_Timed]:
    visits = search.visits
    times = np.array([candidate.time for candidate in candidates], dtype="datetime64[s]")
    if visits.dated:
        seconds = seconds_after(times, visits.times[record], days=visits.days)
    else:
        seconds = np.where(np.isnat(times), np.nan, times.astype(np.float64))
    return [_Timed(candidate, float(second)) for candidate, second in zip(candidates, seconds, strict=True)]


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
        text = f'{len(own)} files of one record: write several = "nearest", "first" or "last" to choose one.'
        search.notes.refuse("SEVERAL", search.name, text, key=key)
        return ()
    if how == "most slices":
        return min(own, key=lambda each: (-each.candidate.slices, *_after_unknown(each))).candidate.files
    if any(np.isnan(each.seconds) for each in own):
        text = f"{len(own)} files of one record, and not all say when they were made."
        search.notes.refuse("TIME_UNKNOWN", search.name, text, key=key)
        return ()
    if how == "first":
        return min(own, key=lambda each: each.order).candidate.files
    latest = max(each.seconds for each in own)
    return min((each for each in own if each.seconds == latest), key=lambda each: each.order).candidate.files


def _after_unknown(timed: _Timed) -> tuple[bool, float, tuple[Path, ...]]:
    unknown = bool(np.isnan(timed.seconds))
    return unknown, 0.0 if unknown else -timed.seconds, timed.candidate.files
