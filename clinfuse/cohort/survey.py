"""A first look at an export nobody has described yet: what lies there, and which ids meet. It decides nothing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import final

from clinfuse.cohort.joins import plain
from clinfuse.cohort.survey_files import (
    DicomFacts,
    FileFacts,
    Place,
    regular_files,
    suffix_of,
    survey_dicom,
    survey_named,
)
from clinfuse.cohort.survey_tables import TABLE_SUFFIXES, TableFacts, survey_tables
from clinfuse.errors import ClinfuseError, DataError

_MOST_TABLES = 60
_MOST_PLACES = 60


@final
@dataclass(frozen=True)
class Meeting:
    """How many ids two places have in common.

    Parameters
    ----------
    one, other : tuple of (str, str)
        Source and part of each.
    ids : tuple of int
        Different ids of each.
    both : int
        Exactly the same, as text.
    padded : int
        The same once leading zeros are put aside.
    width : int
        Digits of every number on the side that has leading zeros; 0 where there is no such side.
    """

    one: tuple[str, str]
    other: tuple[str, str]
    ids: tuple[int, int]
    both: int
    padded: int
    width: int


@final
@dataclass(frozen=True, eq=False)
class Survey:
    """What lies in a folder.

    Parameters
    ----------
    dicom : tuple of DicomFacts
    files : tuple of FileFacts
    tables : tuple of TableFacts
    meetings : tuple of Meeting
        Every pair of places with ids, those with most in common first.
    refused : dict of str to int
        Files that cannot be read, by code.
    left : int
        Tables beyond the first 60, which were not looked at.
    """

    dicom: tuple[DicomFacts, ...]
    files: tuple[FileFacts, ...]
    tables: tuple[TableFacts, ...]
    meetings: tuple[Meeting, ...]
    refused: dict[str, int]
    left: int

    def meetings_of(self, place: Place | tuple[str, str]) -> list[tuple[tuple[str, str], Meeting]]:
        """The places that share an id with one, by how many, each beside its meeting."""
        own = (place.source, place.part) if isinstance(place, Place) else place
        found = [(meeting.other if meeting.one == own else meeting.one, meeting) for meeting in self.meetings]
        return [
            (other, meeting) for other, meeting in found if own in (meeting.one, meeting.other) and meeting.padded > 0
        ]


def survey(folder: Path | str) -> Survey:
    """Look at an export: headers of images and recordings, tables, and how many ids every two sources share.

    Files that cannot be read are counted by code and never stop the survey; no id is kept.

    Parameters
    ----------
    folder : Path or str
        The export.

    Returns
    -------
    Survey

    Raises
    ------
    DataError
        ``SURVEY_FOLDER`` where there is no such folder, ``SURVEY_EMPTY`` where nothing in it is known.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as place:
    ...     _ = (Path(place) / "visits.csv").write_text("PATNR;AGE" + chr(10) + "0012;50" + chr(10) + "0013;61")
    ...     survey(place).tables[0].columns[0].kind
    'id'
    """
    root = Path(folder)
    if not root.is_dir():
        raise DataError(
            "SURVEY_FOLDER", place="export", rule="a folder", found="none", remedy="Name the folder of the export."
        )
    root = root.resolve()
    dicom, refused, images = survey_dicom(root)
    files = list(regular_files(root))
    named, more = survey_named(root, files)
    written = [file for file in files if suffix_of(file) in TABLE_SUFFIXES]
    tables, places, others = _tables(root, written[:_MOST_TABLES])
    refused += more + others
    if not (images or named or tables or refused):
        raise DataError(
            "SURVEY_EMPTY",
            place="export",
            rule="DICOM files, recordings or tables",
            found="none",
            remedy="Name the folder that holds the files; folders whose names begin with a dot are not searched.",
        )
    places += [place for images_of in dicom for place in images_of.places]
    places += [place for files_of in named for place in files_of.places]
    left = max(0, len(written) - _MOST_TABLES)
    return Survey(dicom, named, tuple(tables), meetings(places), dict(sorted(refused.items())), left)


def _tables(root: Path, files: Sequence[Path]) -> tuple[list[TableFacts], list[Place], Counter[str]]:
    tables: list[TableFacts] = []
    places: list[Place] = []
    refused: Counter[str] = Counter()
    for file in files:
        try:
            found = survey_tables(root, file)
        except ClinfuseError as error:
            refused[error.code] += 1
            continue
        for opened in found:
            tables.append(opened.facts)
            for column in opened.facts.of_kind("id"):
                values = frozenset(plain(cell) for cell in set(opened.cells[column.name])) - {""}
                places.append(Place(opened.facts.name, column.name, "column", values))
    return tables, places, refused


def meetings(places: Sequence[Place]) -> tuple[Meeting, ...]:
    """How many ids every two places of different sources share, most first.

    Examples
    --------
    >>> one = Place("visits.csv", "PATNR", "column", frozenset({"007", "008"}))
    >>> other = Place("labs.csv", "PID", "column", frozenset({"7", "9"}))
    >>> meeting, = meetings([one, other])
    >>> meeting.both, meeting.padded, meeting.width
    (0, 1, 3)
    """
    looked_at = list(places)[:_MOST_PLACES]
    stripped = [frozenset(_bare(value) for value in place.values) for place in looked_at]
    found = []
    for (number, one), (rank, other) in combinations(enumerate(looked_at), 2):
        if one.source == other.source:
            continue
        both = len(one.values & other.values)
        padded = max(both, len(stripped[number] & stripped[rank]))
        width = max(_width(one.values), _width(other.values)) if padded > both else 0
        ids = (len(one.values), len(other.values))
        found.append(Meeting((one.source, one.part), (other.source, other.part), ids, both, padded, width))
    return tuple(sorted(found, key=lambda meeting: (-meeting.both, -meeting.padded, meeting.one, meeting.other)))


def _bare(value: str) -> str:
    return (value.lstrip("0") or "0") if value.isascii() and value.isdigit() else value


def _width(values: frozenset[str]) -> int:
    """Digits of the numbers of a place where all have as many and one begins with a zero, else 0."""
    numbers = [value for value in values if value.isascii() and value.isdigit()]
    lengths = {len(value) for value in numbers}
    return lengths.pop() if len(lengths) == 1 and any(value[0] == "0" for value in numbers) else 0
