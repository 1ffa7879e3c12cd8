"""What may belong to a record, and the DICOM series of an export as such."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from types import MappingProxyType
from typing import final

import numpy as np

from clinfuse.cohort.contract import Contract
from clinfuse.cohort.declarations import FileSource, SeriesFilter
from clinfuse.cohort.keys import PRIVATE_FOLDER
from clinfuse.cohort.notes import Notes
from clinfuse.cohort.tables import TableBook
from clinfuse.cohort.visits import Visits
from clinfuse.errors import ClinfuseError
from clinfuse.io.dicom_index import DicomScan, DicomSeries
from clinfuse.io.headers import scan_export

_DICOM_KINDS = {"ct": ("CT",), "mr": ("MR",), "xray": ("CR", "DX", "MG")}
SLICES = ("ct", "mr")
UNDATED = np.datetime64("NaT", "s")
_UNSURE = (
    "DICOM files that cannot be read lie beside series of several patients or examinations; each of these may lack its "
    "first or last slice, and nothing tells whose they are."
)
_MARKS = "empty files with a name unlike those of the images beside them are passed over."
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
    incomplete : bool
        Whether its headers speak of images that are not there.
    """

    records: tuple[int, ...]
    files: tuple[Path, ...]
    time: np.datetime64 = UNDATED
    slices: int = 1
    clock: bool = True
    patient_id: str = ""
    incomplete: bool = False


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


@final
@dataclass(frozen=True, eq=False)
class FoundSeries:
    """A series and the candidates it is: itself, or each of its images."""

    series: DicomSeries
    candidates: tuple[Candidate, ...]


def scan_of(search: Search, folder: Path) -> DicomScan:
    """What DICOM lies below a folder of the export."""
    return scan_export(folder, root=search.root, without=[search.root / PRIVATE_FOLDER])


def series_of(
    search: Search, scan: DicomScan, owner: Mapping[Path, tuple[int, ...]] = _NOBODY
) -> Iterator[FoundSeries]:
    """The series that are of the kind and meet the declared filter; ids are not looked at.

    Damaged files that are most likely slices of a series are its files: reading them refuses it.
    """
    _refuse_damaged(search, scan, owner)
    kept = [series for series in scan.series if series.modality in _DICOM_KINDS[search.kind]]
    chosen = [series for series in kept if search.source.series is None or meets(series, search.source.series)]
    others, unfit = len(scan.series) - len(kept), len(kept) - len(chosen)
    search.notes.tell("DCM_SKIPPED", search.name, scan.marks, _MARKS)
    search.notes.tell("SERIES_KIND", search.name, others, "series of another kind are passed over.")
    search.notes.tell("SERIES_FILTER", search.name, unfit, "series that do not meet the filter are passed over.")
    stacks = search.kind in SLICES
    doubtful = {
        file for series in chosen for file in series.doubtful if stacks and not owner.get(_inside(search, file))
    }
    search.notes.tell("SLICES_UNSURE", search.name, len(doubtful), _UNSURE)
    for series in chosen:
        slices = (*series.files, *_own_damaged(search, series, owner)) if stacks else series.files
        files = [file.relative_to(search.root) for file in slices]
        groups = [tuple(files)] if stacks else [(file,) for file in files]
        time, incomplete = series.time.astype("datetime64[s]"), stacks and series.incomplete
        made = tuple(
            Candidate((), group, time, len(group), series.clock, series.patient_id, incomplete) for group in groups
        )
        yield FoundSeries(series, made)


def _own_damaged(search: Search, series: DicomSeries, owner: Mapping[Path, tuple[int, ...]]) -> list[Path]:
    """The damaged files beside a series that belong, by name, to the same records as it does.

    Among series of other patients only a name tells whose they are.
    """
    whose = owner.get(_inside(search, series.files[0]))
    beside = (*series.damaged, *series.doubtful) if whose else series.damaged
    return [file for file in beside if owner.get(_inside(search, file)) == whose]


def _inside(search: Search, file: Path) -> Path:
    return file.relative_to(search.root)


def _refuse_damaged(search: Search, scan: DicomScan, owner: Mapping[Path, tuple[int, ...]]) -> None:
    """Note what no reader will come across: damaged files that belong to no series and, by name, to no record alone."""
    for error in scan.withheld:
        search.refuse(error)
    slices = search.kind in SLICES
    claimed = {file for series in scan.series for file in _own_damaged(search, series, owner)} if slices else set()
    read = not slices and search.source.series is None  # by its name alone it gets to the reader
    for file, error in scan.errors.items():
        rows = owner.get(_inside(search, file), ())
        if file not in claimed and not (read and rows):
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
