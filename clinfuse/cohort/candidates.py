"""Files that may belong to a record: found by DICOM header, file-name pattern or path column."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from clinfuse.cohort.found_series import SLICES, UNDATED, Candidate, FoundSeries, Search, scan_of, series_of
from clinfuse.cohort.joins import PATIENT
from clinfuse.cohort.keys import PRIVATE_FOLDER
from clinfuse.cohort.owners import is_own_row, owners
from clinfuse.cohort.patterns import file_pattern
from clinfuse.cohort.tables import inside, require
from clinfuse.errors import DataError
from clinfuse.io.eeg_parts import recording_parts
from clinfuse.io.files import list_files
from clinfuse.io.headers import exported_field, exported_recording, scan_exported
from clinfuse.io.policies import EegPolicy
from clinfuse.io.times import has_clock

# Kinds whose series are one image; every file of another is one.


def find_candidates(search: Search) -> list[Candidate]:
    """Every series or file of a modality that belongs to a record, in the order of their paths.

    How many met a record is noted as a match; files that cannot be used are noted with their code.

    Raises
    ------
    DataError
        ``COLUMN_ABSENT``, ``TABLE_JOIN``, ``FOLDER_ABSENT``, ``PATIENT_MIX``; any refusal if reading is strict.
    ConfigError
        ``FILES_PATTERN``.
    """
    ways: tuple[tuple[str | None, Callable[[Search], list[Candidate]]], ...] = (
        (search.source.folder, _by_header),
        (search.source.files, _by_name),
        (search.source.column, _by_column),
    )
    find = next(way for said, way in ways if said is not None)
    found = sorted(find(search), key=lambda candidate: candidate.files)
    if search.source.folder is None:
        found = _of_one_patient(search, found)
    found = _of_nobody_else(search, found)
    search.notes.match(search.visits.joins.match(search.name, [candidate.records for candidate in found]))
    return [candidate for candidate in found if candidate.records]


def _of_one_patient(search: Search, found: Sequence[Candidate]) -> list[Candidate]:
    """Without files whose header names another patient of this cohort; a number nobody knows may be a pseudonym.

    Raises
    ------
    DataError
        ``PATIENT_MIX`` where what belongs to one record by name or path names several patients.
    """
    kept = []
    for candidate in found:
        others = search.visits.joins.records(PATIENT, candidate.patient_id)
        if others and candidate.records and set(others).isdisjoint(candidate.records):
            text = "A DICOM file whose PatientID is that of another patient of this cohort."
            remedy = "Correct its name, its path or the table that lists it."
            search.notes.refuse(
                "ID_MISMATCH", search.name, text, key=search.visits.keys[candidate.records[0]], remedy=remedy
            )
        else:
            kept.append(candidate)
    named = [(record, one.patient_id) for one in kept for record in one.records if one.patient_id]
    if len(set(named)) > len({record for record, _ in named}):
        raise DataError(
            "PATIENT_MIX",
            place=f"modalities.{search.name}",
            rule="DICOM files of one patient for each record",
            found="files of several PatientID under one name or path",
            remedy="Separate the patients into folders of their own, or find files by header with `id`.",
        )
    return kept


def _of_nobody_else(search: Search, found: Sequence[Candidate]) -> list[Candidate]:
    """Without files that two patients are said to have: at most one of them can."""
    patients: dict[Path, set[str]] = {}
    for candidate in found:
        for file in candidate.files:
            patients.setdefault(file, set()).update(str(search.visits.patient_ids[row]) for row in candidate.records)
    kept = []
    for candidate in found:
        if all(len(patients[file]) < 2 for file in candidate.files):
            kept.append(candidate)
            continue
        for row in candidate.records:
            text = "A file that is listed for this patient and for another one."
            remedy = "Correct the table, or the names, that say whose it is."
            search.notes.refuse("FILE_SHARED", search.name, text, key=search.visits.keys[row], remedy=remedy)
    return kept


def _by_header(search: Search) -> list[Candidate]:
    said = search.source.id
    header, system = (said.header, said.system) if said is not None else ("PatientID", PATIENT)
    folder = inside(search.root, str(search.source.folder))
    if not folder.is_dir():
        raise DataError(
            "FOLDER_ABSENT",
            place=f"modalities.{search.name}.folder",
            rule="a folder of this name, counted from the one that holds cohort.toml",
            found="none",
            remedy="Correct the name.",
        )
    candidates = []
    for made in series_of(search, scan_of(search, folder)):
        for candidate in made.candidates:
            try:
                number = made.series.patient_id if header == "PatientID" else _said(search, made, candidate, header)
            except DataError as error:
                search.refuse(error)
                continue
            candidates.append(replace(candidate, records=search.visits.joins.records(system, number)))
    return candidates


def _said(search: Search, made: FoundSeries, candidate: Candidate, header: str) -> str:
    """What a header field says in every file of a candidate; a series number may cover two people, a slice may not."""
    sound = [file for file in made.series.files if file.relative_to(search.root) in candidate.files]
    said = {exported_field(file, header) for file in sound}
    if len(said) > 1:
        raise DataError(
            "PATIENT_MIX",
            place=f"modalities.{search.name}",
            rule="one number in this header field for all slices of a series",
            found=f"{len(said)}",
            remedy="Export the examinations again, each as a series of its own.",
        )
    return said.pop()


def _by_name(search: Search) -> list[Candidate]:
    pattern = file_pattern(str(search.source.files), f"modalities.{search.name}.files")
    joins = search.visits.joins
    for system, banned in pattern.holes:
        if any(character in number for number in joins.numbers(system) for character in banned):
            raise DataError(
                "FILES_AMBIGUOUS",
                place=f"modalities.{search.name}.files",
                rule=f"ids without the character that ends them in the pattern ({banned})",
                found="ids that hold it",
                remedy="Write a pattern in which nothing varies beside the id, or use a path column.",
            )
    found: list[tuple[Path, tuple[int, ...]]] = []
    for file in _files_below(search, pattern.start):
        numbers = pattern.ids(file.as_posix())
        if numbers:
            each = [joins.records(hole[0], number) for hole, number in zip(pattern.holes, numbers, strict=True)]
            found.append((file, tuple(row for row in each[0] if all(row in rows for rows in each[1:]))))
    return _from_files(search, found)


def _files_below(search: Search, start: str) -> Iterator[Path]:
    listing = list_files(inside(search.root, start), root=search.root, without=[search.root / PRIVATE_FOLDER])
    for error in listing.refused:
        search.refuse(error)
    for file in listing.files:
        yield file.relative_to(search.root)


def _from_files(search: Search, found: Sequence[tuple[Path, tuple[int, ...]]]) -> list[Candidate]:
    """Candidates for files whose owners are known: slices of one series together, everything else one by one."""
    owner = dict(found)
    dated = search.visits.dated or search.source.series is not None or search.source.several is not None
    if search.source.in_dicom:
        scans = scan_exported([[search.root / file for file in files] for files in _by_top(owner)])
        scanned = [made for scan in scans for made in series_of(search, scan, owner)]
        candidates = []
        for candidate in (candidate for made in scanned for candidate in made.candidates):
            files = candidate.files
            owners = {owner[file] for file in files}
            if len(owners) == 1:
                candidates.append(replace(candidate, records=owner[files[0]]))
                continue
            for rows in sorted(owners):
                search.refuse(_named_for_several(), rows)
        known = {file for candidate in candidates for file in candidate.files}
        if search.kind in SLICES or search.source.series is not None:
            return candidates
        return candidates + [Candidate(rows, (file,)) for file, rows in found if file not in known]
    candidates = [Candidate(rows, (file, *_parts(search, file))) for file, rows in found]
    return [_dated(search, candidate) for candidate in candidates] if dated and search.kind == "eeg" else candidates


def _named_for_several() -> DataError:
    return DataError(
        "ID_MISMATCH",
        place="series",
        rule="files of one series under the name of one record",
        found="names of several",
        remedy="Correct the names: the headers say that these images belong together.",
    )


def _by_top(files: Collection[Path]) -> list[list[Path]]:
    """The files by the folder that holds them, those of a folder inside another with the outer one's."""
    groups: dict[Path, list[Path]] = {}
    top = Path("..")
    for file in sorted(files, key=lambda file: (file.parent, file)):
        if not file.parent.is_relative_to(top):
            top = file.parent
        groups.setdefault(top, []).append(file)
    return list(groups.values())


def _parts(search: Search, file: Path) -> Iterator[Path]:
    """The other files of a recording, so that a change of theirs is seen too."""
    if search.kind == "eeg":
        for name in recording_parts(search.root / file):
            yield file.parent / name


def _dated(search: Search, candidate: Candidate) -> Candidate:
    """The same recording with the time of its header; one whose header cannot be read belongs to nobody."""
    if not candidate.records:
        return candidate
    try:
        file, policy = search.root / candidate.files[0], EegPolicy.of(search.source)
        return replace(candidate, time=exported_recording(file, policy=policy).start)
    except DataError as error:
        search.refuse(error, candidate.records)
        return replace(candidate, records=())


def _by_column(search: Search) -> list[Candidate]:
    source, records = search.source, search.contract.records
    place = f"modalities.{search.name}"
    own = is_own_row(source, source.table, records)
    table = search.visits.table if own else search.book.open(source.table or records.table, source, place)
    require(table, [(f"{place}.column", source.column), (f"{place}.time", source.time)])
    if own:
        items: list[tuple[int, ...]] = [(row,) for row in range(len(search.visits))]
    else:
        items = owners(table, source, records, search.visits.joins, place)
    times = np.full(len(table), UNDATED, dtype="datetime64[s]")
    clocks = np.zeros(len(table), dtype=bool)
    if source.time is not None:
        times = search.book.times(table, source.time, records if own else source, place)
        clocks = has_clock(table[source.time], search.book.dialect(records if own else source))
    candidates: list[Candidate] = []
    for written, rows, time, clock in zip(table[source.column], items, times, clocks, strict=True):
        if written:
            candidates += [
                candidate if np.isnat(time) else replace(candidate, time=time, clock=bool(clock))
                for candidate in _at_path(search, written, rows)
            ]
    return candidates


def _at_path(search: Search, written: str, rows: tuple[int, ...]) -> list[Candidate]:
    try:
        path = inside(search.root, written.replace("\\", "/"))
    except DataError as error:
        search.refuse(error, rows)
        return []
    if _answers(path.is_dir) and search.source.in_dicom:
        return [
            replace(each, records=rows) for made in series_of(search, scan_of(search, path)) for each in made.candidates
        ]
    if not _answers(path.exists):
        text = "A path column names a file that is not there."
        search.notes.refuse("FILE_ABSENT", search.name, text, key=search.visits.keys[rows[0]] if rows else "")
        return []
    return _from_files(search, [(path.relative_to(search.root), rows)])


def _answers(question: Callable[[], bool]) -> bool:
    """Whether the file system says yes; it refuses names that are too long for it, or answers nothing on a bad day."""
    try:
        return question()
    except OSError:
        return False
