"""What images and recordings an export holds, from headers alone, and where their names may hold an id."""

from __future__ import annotations

import os
import re
import stat
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import final

import numpy as np

from clinfuse.cohort.keys import PRIVATE_FOLDER
from clinfuse.cohort.recording_keys import TEN_TWENTY
from clinfuse.errors import ClinfuseError
from clinfuse.io.dicom_index import DicomSeries
from clinfuse.io.headers import exported_field, exported_recording, scan_export

RECORDING_SUFFIXES = (".edf", ".bdf", ".vhdr", ".set", ".fif")
IMAGE_SUFFIXES = (".nii.gz", ".nii", ".png", ".jpg", ".jpeg", ".tif", ".tiff")
HEADER_IDS = ("PatientID", "AccessionNumber")
_FEWEST_PATIENTS = 2
_MOST_PLACES = 8


@final
@dataclass(frozen=True)
class SeriesFacts:
    """DICOM series that say the same of themselves.

    Parameters
    ----------
    description, kernel : str
        Empty where the files do not say, or where fewer than two patients share the words: free text may name one.
    contrast : bool
    series, patients, dated : int
        How many there are, of how many patients, and how many of them say when they were made.
    slices : tuple of int
        Fewest and most files.
    thickness_mm : tuple of float
        Lowest and highest, mm; NaN where no file says.
    """

    description: str
    kernel: str
    contrast: bool
    series: int
    patients: int
    dated: int
    slices: tuple[int, int]
    thickness_mm: tuple[float, float]


@final
@dataclass(frozen=True, eq=False)
class Place:
    """Where ids may be read from: a column, a header field, a part of a file name.

    Parameters
    ----------
    source : str
        For the reader: ``"visits.csv"``, ``"CT_EXPORT"``, ``"EEG"``.
    part : str
        ``"PATNR"``, ``"PatientID"``, ``"EEG/{}_*.edf"``.
    way : {"column", "header", "name"}
    values : frozenset of str
        Never printed and never written.
    """

    source: str
    part: str
    way: str
    values: frozenset[str]

    def __repr__(self) -> str:
        return f"Place({self.way} of {len(self.values)} values)"


@final
@dataclass(frozen=True, eq=False)
class DicomFacts:
    """DICOM series of one modality.

    Parameters
    ----------
    modality : str
        As the headers say, e.g. ``"CT"``.
    folder : str
        The deepest folder with all of them and more than one patient, relative to the export; ``"."`` for the export.
    series : tuple of SeriesFacts
        The most frequent first.
    places : tuple of Place
    """

    modality: str
    folder: str
    series: tuple[SeriesFacts, ...]
    places: tuple[Place, ...]


@final
@dataclass(frozen=True, eq=False)
class FileFacts:
    """Files of one format that are no DICOM: recordings with what their headers say, other images by name alone.

    Parameters
    ----------
    suffix, folder : str
    files, dated : int
        How many, and how many of them say when they were made.
    seconds, rates_hz, channels : tuple
        Lowest and highest; empty for images.
    ten_twenty : int
        Recordings with all 19 electrodes of the 10-20 system.
    places : tuple of Place
    """

    suffix: str
    folder: str
    files: int
    dated: int
    seconds: tuple[float, ...]
    rates_hz: tuple[float, ...]
    channels: tuple[int, ...]
    ten_twenty: int
    places: tuple[Place, ...]


def regular_files(root: Path) -> Iterator[Path]:
    """Every ordinary file below a folder, sorted; hidden folders, links and the private folder are left out."""
    for folder, folders, names in os.walk(root):
        own = Path(folder) == root
        folders[:] = sorted(name for name in folders if name[0] != "." and not (own and name == PRIVATE_FOLDER))
        for name in sorted(names):
            file = Path(folder) / name
            try:
                if name[0] != "." and stat.S_ISREG(file.lstat().st_mode):
                    yield file
            except OSError:
                continue


def suffix_of(file: Path) -> str:
    """The ending of a name that tells its format, lower case."""
    name = file.name.casefold()
    return ".nii.gz" if name.endswith(".nii.gz") else Path(name).suffix


def survey_dicom(root: Path) -> tuple[tuple[DicomFacts, ...], Counter[str], int]:
    """The DICOM series of an export by modality; files refused by code; number of DICOM files.

    Raises
    ------
    DataError
        ``DCM_FOLDER``.
    """
    scan = scan_export(root, root=root.resolve(), without=[root / PRIVATE_FOLDER])
    refused = Counter(error.code for error in scan.refused)
    by_modality: dict[str, list[DicomSeries]] = {}
    for series in scan.series:
        by_modality.setdefault(series.modality or "unknown", []).append(series)
    files = sum(len(series.files) for series in scan.series)
    return tuple(_dicom(root, name, by_modality[name]) for name in sorted(by_modality)), refused, files


def _dicom(root: Path, modality: str, found: Sequence[DicomSeries]) -> DicomFacts:
    owners = [(file.relative_to(root).parent, series.patient_id) for series in found for file in series.files]
    folder = _shared_folder(owners)
    further = [_further(series) for series in found]
    groups: dict[tuple[str, str, bool], list[DicomSeries]] = {}
    for series, (kernel, _) in zip(found, further, strict=True):
        groups.setdefault((series.description, kernel, series.contrast), []).append(series)
    facts = [_series_facts(key, each) for key, each in groups.items()]
    values = {
        "PatientID": frozenset(series.patient_id for series in found) - {""},
        "AccessionNumber": frozenset(accession for _, accession in further) - {""},
    }
    where = folder if folder != "." else "whole export"
    headers = [Place(f"{where} ({modality})", name, "header", values[name]) for name in HEADER_IDS if values[name]]
    names = [file.relative_to(root) for series in found for file in series.files]
    return DicomFacts(
        modality,
        folder,
        tuple(sorted(facts, key=lambda one: (-one.series, one.description, one.kernel, one.contrast))),
        (*headers, *name_places(names, f"{where} ({modality})")),
    )


def _further(series: DicomSeries) -> tuple[str, str]:
    """Kernel and accession number, from the first file; empty where they cannot be read."""
    try:
        first = series.files[0]
        return exported_field(first, "ConvolutionKernel"), exported_field(first, "AccessionNumber")
    except ClinfuseError:
        return "", ""


def _series_facts(key: tuple[str, str, bool], found: Sequence[DicomSeries]) -> SeriesFacts:
    description, kernel, contrast = key
    patients = len({series.patient_id for series in found})
    told = patients >= _FEWEST_PATIENTS
    slices = [len(series.files) for series in found]
    thickness = [series.thickness_mm for series in found if np.isfinite(series.thickness_mm)] or [float("nan")]
    return SeriesFacts(
        description if told else "",
        kernel if told else "",
        contrast,
        len(found),
        patients,
        sum(not np.isnat(series.time) for series in found),
        (min(slices), max(slices)),
        (min(thickness), max(thickness)),
    )


def _shared_folder(owners: Sequence[tuple[Path, str]]) -> str:
    """The deepest folder of all, unless everything in it belongs to one: its name may then be theirs."""
    if len({owner for _, owner in owners}) < _FEWEST_PATIENTS:
        return "."
    return Path(os.path.commonpath([folder.as_posix() for folder in {folder for folder, _ in owners}])).as_posix()


def survey_named(root: Path, files: Iterable[Path]) -> tuple[tuple[FileFacts, ...], Counter[str]]:
    """Recordings and images that are no DICOM, by format and first folder; recordings refused by code."""
    groups: dict[tuple[str, str], list[Path]] = {}
    for file in files:
        suffix = suffix_of(file)
        if suffix in (*RECORDING_SUFFIXES, *IMAGE_SUFFIXES):
            inner = file.relative_to(root)
            groups.setdefault((inner.parts[0] if len(inner.parts) > 1 else ".", suffix), []).append(inner)
    refused: Counter[str] = Counter()
    found = []
    for (top, suffix), each in sorted(groups.items()):
        if len(each) < _FEWEST_PATIENTS:
            top = "."  # the name of a folder with a single file may be a person's
        headers = []
        for file in each if suffix in RECORDING_SUFFIXES else ():
            try:
                headers.append(exported_recording(root / file))
            except ClinfuseError as error:
                refused[error.code] += 1
        lengths, rates = [one.seconds for one in headers], [one.rate_hz for one in headers]
        channels = [len(one.channels) for one in headers]
        found.append(
            FileFacts(
                suffix,
                top,
                len(each),
                sum(not np.isnat(one.start) for one in headers),
                (min(lengths), max(lengths)) if lengths else (),
                (min(rates), max(rates)) if rates else (),
                (min(channels), max(channels)) if channels else (),
                sum(set(TEN_TWENTY) <= set(one.channels) for one in headers),
                name_places(each, top if top != "." else "whole export"),
            )
        )
    return tuple(found), refused


def name_places(files: Sequence[Path], source: str) -> tuple[Place, ...]:
    """Parts of file and folder names in which an id may stand: whole names, and names up to the first ``_``.

    Parameters
    ----------
    files : sequence of Path
        Relative to the export; only those as deep as most of them are looked at.
    source : str

    Returns
    -------
    tuple of Place
        Their ``part`` is a pattern of ``files`` with ``{}`` for the id.

    Examples
    --------
    >>> found = name_places([Path("EEG/E1_a.edf"), Path("EEG/E2_b.edf")], "EEG")
    >>> [(place.part, sorted(place.values)) for place in found if "E1" in place.values]
    [('EEG/{}_*.edf', ['E1', 'E2'])]
    """
    depths = Counter(len(file.parts) for file in files)
    if len(files) < _FEWEST_PATIENTS:
        return ()
    depth = max(sorted(depths), key=lambda one: depths[one])
    alike = [file for file in files if len(file.parts) == depth]
    suffixes = {suffix_of(file) for file in alike}
    ending = next(iter(suffixes)) if len(suffixes) == 1 else ""
    names = [[*file.parts[:-1], file.name[: len(file.name) - len(ending)]] for file in alike]
    columns = [[name[level] for name in names] for level in range(depth)]
    fixed = [column[0] if len(set(column)) == 1 else "*" for column in columns]
    places: dict[str, Place] = {}
    for level, column in enumerate(columns):
        if fixed[level] != "*":
            continue
        for shape, values in _parts(column):
            pattern = "/".join([*fixed[:level], shape, *fixed[level + 1 :]]) + (ending or "")
            if not ending and level < depth - 1:
                pattern = "/".join([*fixed[:level], shape, *fixed[level + 1 : -1], "*"])
            places.setdefault(pattern, Place(source, pattern, "name", frozenset(values)))
    return tuple(list(places.values())[:_MOST_PLACES])


def _parts(column: Sequence[str]) -> Iterator[tuple[str, list[str]]]:
    """Whole names, what stands before the first ``_``, and both without the letters that all of them begin with."""
    ways = [("{}", list(column))]
    if all("_" in name.strip("_") for name in column):
        ways.append(("{}_*", [name.partition("_")[0] for name in column]))
    for shape, values in ways:
        yield shape, values
        start = re.split(r"\d", _same_start(values), maxsplit=1)[0]
        if len(start) > 1 and start[-1] in "-_.":
            yield shape.replace("{}", start + "{}"), [value.removeprefix(start) for value in values]


def _same_start(names: Sequence[str]) -> str:
    first, last = min(names), max(names)
    length = next((k for k, (one, other) in enumerate(zip(first, last, strict=False)) if one != other), len(first))
    return first[:length]
