"""Which of several files of a record counts: those in the window, then the one that ``several`` says."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from clinfuse.cohort.found_series import Candidate, Search
from clinfuse.cohort.notes import CUT_DAY, SAME_DAY, SAME_DAY_USED, UNDATED
from clinfuse.cohort.owners import is_own_row
from clinfuse.cohort.visits import rows_of_records
from clinfuse.cohort.windows import place

_CUT = f"A file {CUT_DAY}: it may lie inside or outside."
_CUT_REMEDY = 'Write `date_only = "accept"` in this modality to use files of such a day.'
_INCOMPLETE = "The headers of the series speak of images that are not there: its first or last may be lost."
_EQUAL = "records have several files that `several` finds equal; the one with more slices, else the later, is used."


def choose(search: Search, candidates: Sequence[Candidate]) -> tuple[tuple[Path, ...], ...]:
    """For every row of the records table the files that count, empty where none does.

    Nothing made later than the index time counts. Several that remain without a declared choice count as none and
    are noted with the line that would choose.

    Raises
    ------
    DataError
        Any refusal, if reading is strict.
    """
    visits = search.visits
    chosen: list[tuple[Path, ...]] = [()] * len(visits)
    undated = 0
    for record, rows in enumerate(rows_of_records([candidate.records for candidate in candidates], len(visits))):
        if not visits.kept[record] or not rows:
            continue
        own = [candidates[row] for row in rows]
        own = [own[row] for row in np.flatnonzero(_counting(search, own, record))] if visits.dated else own
        chosen[record] = _pick(search, own, record)
        used = [each for each in own if each.files == chosen[record]]
        undated += any(np.isnat(each.time) for each in used)
        if any(each.incomplete for each in used):
            search.notes.remark("SERIES_INCOMPLETE", search.name, _INCOMPLETE, key=visits.keys[record])
    if visits.dated and not _of_own_row(search):
        search.notes.tell("UNDATED", search.name, undated, UNDATED.format("files"))
    return tuple(chosen)


def _of_own_row(search: Search) -> bool:
    """Whether the row of the record itself names its file."""
    source, records = search.source, search.contract.records
    return source.column is not None and is_own_row(source, source.table, records)


def _counting(search: Search, own: Sequence[Candidate], record: int) -> np.ndarray:
    """Which files of a record lie where they count; the others are noted."""
    source, visits, key = search.source, search.visits, search.visits.keys[record]
    times = np.array([each.time for each in own], dtype="datetime64[s]")
    clock = np.array([each.clock for each in own], dtype=bool)
    index, days, accept = visits.times[record], bool(visits.days[record]), source.date_only == "accept"
    placed = place(times, clock, index, index_days=days, window=source.span, accept=accept)
    dated = np.isfinite(placed.seconds)
    if source.span is not None and not dated.all():
        text = "A file without a date, so it cannot be placed inside or outside the window."
        search.notes.refuse("TIME_UNKNOWN", search.name, text, key=key)
    if placed.undecided.any():
        search.notes.refuse("TIME_UNKNOWN", search.name, _CUT, key=key, remedy=_CUT_REMEDY)
    outside = dated & ~(placed.inside | placed.late | placed.undecided | placed.same_day)
    counts = (
        ("AFTER_INDEX", placed.late, "files made after the index time are not used."),
        ("OUTSIDE_WINDOW", outside, "files outside the window are not used."),
        ("SAME_DAY", placed.same_day, SAME_DAY.format("files")),
        ("SAME_DAY_USED", placed.by_day, SAME_DAY_USED.format("files")),
    )
    for code, which, text in counts:
        search.notes.tell(code, search.name, int(which.sum()), text)
    use: np.ndarray = placed.inside | (~dated & (source.span is None))
    return use


def _pick(search: Search, own: Sequence[Candidate], record: int) -> tuple[Path, ...]:
    if len(own) < 2:
        return own[0].files if own else ()
    how, key = search.source.several, search.visits.keys[record]
    if how is None:
        text = f"{len(own)} files of one record, and nothing that chooses one."
        remedy = 'Write `several = "nearest"` in this modality, or "first" or "last", to choose one.'
        search.notes.refuse("SEVERAL", search.name, text, key=key, remedy=remedy)
        return ()
    if any(np.isnat(each.time) for each in own) and how != "most slices":
        text = f"{len(own)} files of one record, and not all say when they were made."
        search.notes.refuse("TIME_UNKNOWN", search.name, text, key=key)
        return ()
    ranks = [_rank(each, time, how) for each, time in zip(own, _times_to_compare(own), strict=True)]
    best = [each for each, rank in zip(own, ranks, strict=True) if rank == min(ranks)]
    if len(best) > 1:
        text = f'{len(best)} files of one record that several = "{how}" cannot tell apart.'
        search.notes.refuse("SEVERAL_TIE", search.name, text, key=key)
        return ()
    equal = sum(rank[0] == min(ranks)[0] for rank in ranks) > 1
    search.notes.tell("SEVERAL_EQUAL", search.name, int(equal), _EQUAL)
    return best[0].files


def _times_to_compare(own: Sequence[Candidate]) -> list[float]:
    """Seconds; the day's for all files of a day on which one has no clock time, as nothing tells their order."""
    days = [each.time.astype("datetime64[D]") for each in own]
    rough = {day for day, each in zip(days, own, strict=True) if not each.clock}
    times = [day if day in rough else each.time for day, each in zip(days, own, strict=True)]
    return [0.0 if np.isnat(time) else float(time.astype("datetime64[s]").astype(np.int64)) for time in times]


def _rank(candidate: Candidate, time: float, how: str) -> tuple[float, float]:
    """The lowest is chosen. Of series made at the same time the one with more slices; nothing depends on file names."""
    slices = -float(candidate.slices)
    if how == "most slices":
        return slices, -time
    return (time if how == "first" else -time), slices
