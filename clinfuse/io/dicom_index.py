"""What DICOM series a messy export holds: headers only, wherever and under whatever name the files lie."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TypeAlias, final

import numpy as np

from clinfuse.errors import ClinfuseError, DataError
from clinfuse.io.dicom_beside import DICOM_SUFFIXES, Beside, beside_of, marks_of
from clinfuse.io.dicom_elements import read_elements
from clinfuse.io.dicom_file import Header, looks_like_dicom, numbers, text
from clinfuse.io.files import check_regular, list_files
from clinfuse.io.geometry import plane_axes, stack_order

_DATE = re.compile(r"(\d{4})[.]?(\d{2})[.]?(\d{2})", re.ASCII)
_OFFSET = re.compile(r"([+-])(\d{2})(\d{2})$", re.ASCII)
_TIME = re.compile(r"(\d{2}):?(\d{2})?:?(\d{2})?(?:\.\d*)?", re.ASCII)
_NO_CONTRAST = ("", "0", "n", "no", "none", "no contrast")
_UNKNOWN_TIME = np.datetime64("NaT", "s")


@final
@dataclass(frozen=True, eq=False)
class DicomSeries:
    """What the headers of one series say.

    Parameters
    ----------
    patient_id, study_uid, series_uid, modality, description : str
        As written, without surrounding blanks; empty where the file does not say. The first three identify.
    thickness_mm : float
        SliceThickness, mm; NaN where the file does not say.
    contrast : bool
        Whether a contrast agent is named.
    time : datetime64[s]
        Start of the acquisition: the earliest AcquisitionDateTime or AcquisitionDate and -Time of its files, else
        SeriesDate and -Time, else StudyDate and -Time; a date without a time is its midnight and is used only
        where none of them has a time; NaT where the files do not say.
    files : tuple of Path
        In slice order: along the slice normal where every file has a position, else by InstanceNumber.
    rows, columns : int
        Size of the first image.
    clock : bool
        Whether `time` is more than a date.
    damaged : tuple of Path
        Files that cannot be read, in a folder that holds no other patient or study: they may be slices of this
        series, which would look whole without its first or last.
    doubtful : tuple of Path
        Files that cannot be read, in a folder that holds other patients or studies too: they may be anybody's.
    incomplete : bool
        Whether NumberOfSeriesRelatedInstances names more images than there are; beside `doubtful` files also whether
        ImagesInAcquisition does, or InstanceNumber begins above 1.
    """

    patient_id: str
    study_uid: str
    series_uid: str
    modality: str
    description: str
    thickness_mm: float
    contrast: bool
    time: np.datetime64
    files: tuple[Path, ...]
    rows: int
    columns: int
    clock: bool = True
    damaged: tuple[Path, ...] = ()
    doubtful: tuple[Path, ...] = ()
    incomplete: bool = False


@final
@dataclass(frozen=True, eq=False)
class DicomScan:
    """Everything found in a folder.

    Parameters
    ----------
    series : tuple of DicomSeries
        Sorted by patient, study and series number.
    damaged : tuple of Path
        DICOM files whose header cannot be read.
    other : int
        Number of files that are no DICOM images: other formats, reports, presentation states, localizers.
    refused : tuple of ClinfuseError
        Why: one for each damaged file, each link that leads out of the export and each folder that cannot be read.
    marks : int
        How many of `other` are empty files such as ``DONE`` beside images: marks of whoever wrote the export.
    """

    series: tuple[DicomSeries, ...]
    damaged: tuple[Path, ...]
    other: int
    refused: tuple[ClinfuseError, ...] = ()
    marks: int = 0

    @property
    def errors(self) -> dict[Path, ClinfuseError]:
        """Why each damaged file cannot be read."""
        return dict(zip(self.damaged, self.refused[len(self.refused) - len(self.damaged) :], strict=True))

    @property
    def withheld(self) -> tuple[ClinfuseError, ...]:
        """Refused links and folders."""
        return self.refused[: len(self.refused) - len(self.damaged)]


@final
@dataclass(frozen=True, eq=False)
class DicomHeader:
    """What is taken from the header of one image for the index; see `DicomSeries` for what it means."""

    file: Path
    key: tuple[str, str, str]
    modality: str
    description: str
    thickness_mm: float
    contrast: bool
    time: np.datetime64
    clock: bool
    position: np.ndarray
    orientation: np.ndarray
    instance: float
    size: tuple[int, int] = field(default=(0, 0))
    related: float = 0.0
    acquired: float = 0.0


def index_dicom(folder: Path) -> tuple[DicomSeries, ...]:
    """The DICOM image series below a folder, from headers only; names of files and folders do not matter.

    Files that are not DICOM, objects without an image and CT localizers are skipped, and so are files with a damaged
    header: `scan_dicom` counts them. One series number under two patients gives two entries, never a mixed one.

    Parameters
    ----------
    folder : Path
        Searched with its subfolders; links to other folders are not followed.

    Returns
    -------
    tuple of DicomSeries
        Sorted by patient, study and series number.

    Raises
    ------
    DataError
        ``DCM_FOLDER`` where there is no such folder.

    Examples
    --------
    >>> from pathlib import Path
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     len(index_dicom(Path(folder)))
    0
    """
    return scan_dicom(folder).series


Headers: TypeAlias = Iterable[DicomHeader | ClinfuseError | None]


def image_headers(files: Sequence[Path]) -> Headers:
    """The header of each file, in order; None for what is no image, an error for what cannot be read."""
    for file in files:
        try:
            yield image_header(file)
        except DataError as error:
            yield error


def scan_dicom(
    folder: Path,
    *,
    root: Path | None = None,
    without: Collection[Path] = (),
    headers: Callable[[Sequence[Path]], Headers] = image_headers,
) -> DicomScan:
    """What `index_dicom` finds, with a list of the damaged files and the number of those left out.

    Parameters
    ----------
    folder : Path
        Searched as there.
    root : Path, optional
        Resolved; links that lead out of it are refused.
    without : collection of Path
        Folders that are not looked into.
    headers : callable, (files) -> iterable of DicomHeader, ClinfuseError or None
        Reads the header of each file: here, or in a process that may be lost to one.

    Raises
    ------
    DataError
        ``DCM_FOLDER`` where there is no such folder.

    Examples
    --------
    >>> from pathlib import Path
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     _ = (Path(folder) / "notes.txt").write_text("no image")
    ...     scan_dicom(Path(folder)).other
    1
    """
    if not folder.is_dir():
        raise DataError(
            "DCM_FOLDER",
            place="DICOM folder",
            rule="a folder",
            found="none",
            remedy="Correct `folder` in cohort.toml; it is counted from the folder that holds cohort.toml.",
        )
    listing = list_files(folder, root=root, without=without)
    scan = grouped(listing.files, headers(listing.files))
    return replace(scan, refused=(*listing.refused, *scan.refused))


def grouped(files: Sequence[Path], headers: Headers) -> DicomScan:
    """The series that files belong to, given the header of each."""
    groups: dict[tuple[str, str, str], list[DicomHeader]] = {}
    damaged: dict[Path, ClinfuseError] = {}
    other = 0
    for file, header in zip(files, headers, strict=True):
        if header is None:
            other += 1
        elif isinstance(header, ClinfuseError):
            damaged[file] = header
        else:
            groups.setdefault(header.key, []).append(header)
    marks = marks_of(list(groups.values()), damaged)
    for file in marks:
        del damaged[file]
    beside = beside_of(list(groups.values()), damaged)
    series = tuple(_series(groups[key], beside) for key in sorted(groups))
    return DicomScan(series, tuple(damaged), other + len(marks), tuple(damaged.values()), len(marks))


def image_header(file: Path) -> DicomHeader | None:
    """What the index needs of one file; None for what is not DICOM, for an object without an image and a localizer.

    An empty file, and one that is named as DICOM and is none, are damaged.

    Raises
    ------
    DataError
        ``FILE_KIND``, and the ``DCM_`` codes of a header that cannot be read.
    """
    check_regular(file)
    if not looks_like_dicom(file):
        if file.stat().st_size and file.suffix.casefold() not in DICOM_SUFFIXES:
            return None
        found = "another kind of file" if file.stat().st_size else "an empty file"
        code = "DCM_FORMAT" if file.stat().st_size else "DCM_EMPTY"
        raise DataError(code, place="DICOM file", rule="a DICOM file", found=found, remedy="Export the file again.")
    dataset = read_elements(file, pixels=False)
    modality = text(dataset, "Modality")
    if "Rows" not in dataset:
        # A file cut before its image description looks like a report; a report always names its class.
        if "DirectoryRecordSequence" in dataset:
            return None
        if "SOPClassUID" not in dataset or modality in ("CT", "CR", "DX", "MG", "MR"):
            raise DataError(
                "DCM_TRUNCATED",
                place="DICOM file",
                rule="an image header",
                found="one without Rows",
                remedy="Export the file again.",
            )
        return None
    if modality == "CT" and "LOCALIZER" in text(dataset, "ImageType").split("\\"):
        return None
    thickness = numbers(dataset, "SliceThickness", 1)
    instance = numbers(dataset, "InstanceNumber", 1)
    time, clock = _acquired(dataset)
    size = numbers(dataset, "Rows", 1), numbers(dataset, "Columns", 1)
    counts = [numbers(dataset, name, 1) for name in ("NumberOfSeriesRelatedInstances", "ImagesInAcquisition")]
    return DicomHeader(
        file=file,
        key=(text(dataset, "PatientID"), text(dataset, "StudyInstanceUID"), text(dataset, "SeriesInstanceUID")),
        modality=modality,
        description=text(dataset, "SeriesDescription"),
        thickness_mm=float(thickness[0]) if thickness.size else float("nan"),
        contrast=text(dataset, "ContrastBolusAgent").casefold() not in _NO_CONTRAST,
        time=time,
        clock=clock,
        position=numbers(dataset, "ImagePositionPatient", 3),
        orientation=numbers(dataset, "ImageOrientationPatient", 6),
        instance=float(instance[0]) if instance.size else 0.0,
        size=(int(size[0][0]) if size[0].size else 0, int(size[1][0]) if size[1].size else 0),
        related=float(counts[0][0]) if counts[0].size else 0.0,
        acquired=float(counts[1][0]) if counts[1].size else 0.0,
    )


def acquisition_time(dataset: Header) -> np.datetime64:
    """When the image was made, datetime64[s], by the order of fields that `DicomSeries` states; NaT if unknown."""
    return _acquired(dataset)[0]


def _acquired(dataset: Header) -> tuple[np.datetime64, bool]:
    """The time of an image, and whether it is more than a date."""
    pairs = [
        (text(dataset, f"{level}Date"), text(dataset, f"{level}Time")) for level in ("Acquisition", "Series", "Study")
    ]
    whole = text(dataset, "AcquisitionDateTime")
    pairs.insert(0, (whole[:8], whole[8:].split("+")[0].split("-")[0]))
    candidates = [(_moment(date, time), bool(time)) for date, time in pairs]
    candidates[0] = candidates[0][0] + _to_local(whole, text(dataset, "TimezoneOffsetFromUTC")), candidates[0][1]
    exact = [moment for moment, has_time in candidates if has_time and not np.isnat(moment)]
    rough = [moment for moment, _ in candidates if not np.isnat(moment)]
    return (exact or rough or [_UNKNOWN_TIME])[0], bool(exact)


def _to_local(written: str, zone: str) -> np.timedelta64:
    """What a time with an offset of its own lies from the clock that the other times of the file were read from."""
    own, local = _OFFSET.search(written[8:]), _OFFSET.fullmatch(zone)
    if own is None or local is None:
        return np.timedelta64(0, "s")
    (sign, hours, minutes), (own_sign, own_hours, own_minutes) = local.groups(), own.groups()
    here = int(f"{sign}1") * (int(hours) * 60 + int(minutes))
    there = int(f"{own_sign}1") * (int(own_hours) * 60 + int(own_minutes))
    return np.timedelta64(60 * (here - there), "s")


def _moment(date: str, time: str) -> np.datetime64:
    day, clock = _DATE.fullmatch(date), _TIME.fullmatch(time or "00")
    if day is None or clock is None:
        return _UNKNOWN_TIME
    hour, minute, second = (part or "00" for part in clock.groups())
    try:
        return np.datetime64("-".join(day.groups()) + f"T{hour}:{minute}:{second}", "s")
    except ValueError:
        return _UNKNOWN_TIME


def _series(headers: list[DicomHeader], beside: Beside) -> DicomSeries:
    ordered = _in_slice_order(headers)
    first = ordered[0]
    exact = [header.time for header in headers if header.clock]
    rough = [header.time for header in headers if not np.isnat(header.time)]
    near = [beside[folder] for folder in sorted({header.file.parent for header in headers} & beside.keys())]
    doubtful = tuple(file for alone, files in near if not alone for file in files)
    missing = max(header.related for header in headers) > len(headers)
    if doubtful:
        missing |= max(header.acquired for header in headers) > len(headers)
        missing |= min(header.instance for header in headers) > 1
    return DicomSeries(
        *first.key,
        modality=first.modality,
        description=first.description,
        thickness_mm=first.thickness_mm,
        contrast=any(header.contrast for header in headers),
        time=min(exact or rough, default=_UNKNOWN_TIME),
        files=tuple(header.file for header in ordered),
        rows=first.size[0],
        columns=first.size[1],
        clock=bool(exact),
        damaged=tuple(file for alone, files in near if alone for file in files),
        doubtful=doubtful,
        incomplete=missing,
    )


def _in_slice_order(headers: list[DicomHeader]) -> list[DicomHeader]:
    by_number = sorted(headers, key=lambda header: header.instance)
    if any(header.position.size == 0 or header.orientation.size == 0 for header in headers):
        return by_number
    try:
        normal = plane_axes(by_number[0].orientation)[2]
    except DataError:
        return by_number
    return [by_number[i] for i in stack_order(np.array([header.position for header in by_number]), normal)]
