"""Files that may belong to a record: found by DICOM header, file-name pattern or path column."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from pathlib import Path
from types import MappingProxyType
from typing import final

import numpy as np

from clinfuse.cohort.contract import Contract
from clinfuse.cohort.declarations import FileSource, SeriesFilter
from clinfuse.cohort.joins import PATIENT
from clinfuse.cohort.keys import PRIVATE_FOLDER
from clinfuse.cohort.notes import Notes
from clinfuse.cohort.owners import is_own_row, owners
from clinfuse.cohort.patterns import file_pattern
from clinfuse.cohort.tables import TableBook, inside, require
from clinfuse.cohort.visits import Visits
from clinfuse.errors import ClinfuseError, DataError
from clinfuse.io.dicom_index import DicomScan, DicomSeries
from clinfuse.io.eeg_parts import recording_parts
from clinfuse.io.files import list_files
from clinfuse.io.headers import exported_field, exported_recording, scan_export, scan_exported
from clinfuse.io.policies import EegPolicy
from clinfuse.io.times import has_clock

_DICOM_KINDS = {"ct": ("CT",), "mr": ("MR",), "xray": ("CR", "DX", "MG")}
# Kinds whose series are one image; every file of another is one.
_SLICES = ("ct", "mr")
_UNDATED = np.datetime64("NaT", "s")
_NOBODY: Mapping[Path, tuple[int, ...]] = MappingProxyType({})


@final
@dataclass(frozen=True, eq=False)
class Candidate:
    """One series or file.

    Parameters
    ----------
    records : tuple of int
        Positions of the records whose it is by id.
    files : tuple of Path
        Relative to the cohort folder.
    time : datetime64[s]
        When it was made, NaT where nothing says.
    slices : int
        Number of images.
    clock : bool
        Whether `time` is more than a date.
    patient_id : str
        PatientID of its header; empty where nobody looked or nothing is said.
    """

    records: tuple[int, ...]
    files: tuple[Path, ...]
    time: np.datetime64 = _UNDATED
    slices: int = 1
    clock: bool = True
    patient_id: str = ""


@final
@dataclass(frozen=True, eq=False)
class Search:
    """All that is needed to look for the files of one modality.

    Parameters
    ----------
    name : str
    source : FileSource
    kind : str
    contract : Contract
    root : Path
        The cohort folder, resolved.
    visits : Visits
    book : TableBook
    notes : Notes
    """

    name: str
    source: FileSource
    kind: str
    contract: Contract
    root: Path
    visits: Visits
    book: TableBook
    notes: Notes

    def refuse(self, error: ClinfuseError, records: Sequence[int] = ()) -> None:
        """Note a file that cannot be used."""
        key = self.visits.keys[records[0]] if len(records) == 1 else ""
        text = f"{error.rule}; found {error.found}."
        self.notes.refuse(error.code, self.name, text, key=key, remedy=error.remedy)


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
    for made in _series(search, _scan(search, folder)):
        number = made.series.patient_id
        if header != "PatientID":
            try:
                number = exported_field(made.series.files[0], header)
            except DataError as error:
                search.refuse(error)
                continue
        records = search.visits.joins.records(system, number)
        candidates += [replace(candidate, records=records) for candidate in made.candidates]
    return candidates


@final
@dataclass(frozen=True, eq=False)
class _Found:
    series: DicomSeries
    candidates: tuple[Candidate, ...]


def _scan(search: Search, folder: Path) -> DicomScan:
    return scan_export(folder, root=search.root, without=[search.root / PRIVATE_FOLDER])


def _series(search: Search, scan: DicomScan, owner: Mapping[Path, tuple[int, ...]] = _NOBODY) -> Iterator[_Found]:
    """The series that are of the kind and meet the declared filter; ids are not looked at.

    Damaged files that are most likely slices of a series are its files: reading them refuses it.
    """
    _refuse_damaged(search, scan, owner)
    kept = [series for series in scan.series if series.modality in _DICOM_KINDS[search.kind]]
    chosen = [series for series in kept if search.source.series is None or meets(series, search.source.series)]
    others, unfit = len(scan.series) - len(kept), len(kept) - len(chosen)
    search.notes.tell("SERIES_KIND", search.name, others, "series of another kind are passed over.")
    search.notes.tell("SERIES_FILTER", search.name, unfit, "series that do not meet the filter are passed over.")
    for series in chosen:
        slices = (*series.files, *series.damaged) if search.kind in _SLICES else series.files
        files = [file.relative_to(search.root) for file in slices]
        groups = [tuple(files)] if search.kind in _SLICES else [(file,) for file in files]
        time = series.time.astype("datetime64[s]")
        made = tuple(Candidate((), group, time, len(group), series.clock, series.patient_id) for group in groups)
        yield _Found(series, made)


def _refuse_damaged(search: Search, scan: DicomScan, owner: Mapping[Path, tuple[int, ...]]) -> None:
    """Note what no reader will come across: damaged files that belong to no series and, by name, to no record alone."""
    for error in scan.withheld:
        search.refuse(error)
    slices = search.kind in _SLICES
    claimed = {file for series in scan.series for file in series.damaged} if slices else set()
    for file, error in scan.errors.items():
        rows = owner.get(file.relative_to(search.root), ())
        if file not in claimed and (slices or not rows):
            search.refuse(error, rows)


def meets(series: DicomSeries, wanted: SeriesFilter) -> bool:
    """Whether a series meets a declared filter; a thickness that the file does not say meets none."""
    if wanted.description is not None and not fnmatchcase(series.description.casefold(), wanted.description.casefold()):
        return False
    if wanted.thickness_mm is not None:
        low, high = wanted.thickness_mm
        if not low <= series.thickness_mm <= high:
            return False
    return wanted.contrast is None or series.contrast == wanted.contrast


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
    if search.source.in_dicom and (search.kind in _SLICES or dated):
        scans = scan_exported([[search.root / file for file in files] for files in _by_top(owner)])
        scanned = [made for scan in scans for made in _series(search, scan, owner)]
        candidates = []
        for candidate in (candidate for made in scanned for candidate in made.candidates):
            files = candidate.files
            if len({owner[file] for file in files}) == 1:
                candidates.append(replace(candidate, records=owner[files[0]]))
        known = {file for candidate in candidates for file in candidate.files}
        if search.kind in _SLICES or search.source.series is not None:
            return candidates
        return candidates + [Candidate(rows, (file,)) for file, rows in found if file not in known]
    candidates = [Candidate(rows, (file, *_parts(search, file))) for file, rows in found]
    return [_dated(search, candidate) for candidate in candidates] if dated and search.kind == "eeg" else candidates


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
    times = np.full(len(table), _UNDATED, dtype="datetime64[s]")
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
            replace(each, records=rows) for made in _series(search, _scan(search, path)) for each in made.candidates
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
