"""What is fed with bytes, and what may come of it: a value or an error of ours that repeats nothing of them."""

from __future__ import annotations

import functools
import io
import tempfile
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path

import openpyxl

from clinfuse.errors import ClinfuseError, DataWarning
from clinfuse.io.dialect import Dialect
from clinfuse.io.dicom_file import numbers, open_dicom, text
from clinfuse.io.dicom_index import scan_dicom
from clinfuse.io.edf_header import read_edf_header
from clinfuse.io.eeg import eeg_header
from clinfuse.io.tables import read_table
from tests.faults.fault import NAME, NUMBER
from tests.fuzz.seeds import TABLE_KINDS

WAYS = (
    Dialect(header="first row"),
    Dialect(delimiter=";", decimal=",", dates="%d.%m.%Y", missing=("-",)),
    Dialect(encoding="cp1252", header="none"),
    Dialect(delimiter="|", encoding="utf-16", time_zone="Europe/Berlin"),
)


def dicom(data: bytes) -> str:
    """The header twice: as an export is indexed, and through pydicom, whose elements are decoded when asked for."""
    file = _file("a.dcm", data)
    found = scan_dicom(file.parent)
    opened = open_dicom(file)
    for keyword in ("PatientName", "ImageType", "RequestAttributesSequence", "Rows", "AcquisitionTime"):
        text(opened, keyword)
    numbers(opened, "ImagePositionPatient", 3)
    return f"{len(found.series)} series, {len(found.damaged)} damaged"


def edf(data: bytes) -> str:
    """The header alone, and with the onsets and the choice of channels that the index of an export needs."""
    file = _file("a.edf", data)
    header = read_edf_header(file)
    eeg_header(file)
    return f"{len(header.channels)} channels, {len(header.remarks)} remarks"


def table(data: bytes) -> str:
    """A table whose format is its first byte, written as its second byte says."""
    kind, way, rest = TABLE_KINDS[(data[:1] or b"\0")[0] % len(TABLE_KINDS)], (data[1:2] or b"\0")[0], data[2:]
    file = _file("a.xlsx", _book(rest)) if kind == "sheet" else _file(f"a{kind}", rest)
    return f"{kind} of {min(4, len(read_table(file, WAYS[way % len(WAYS)])))} rows"


TARGETS: dict[str, Callable[[bytes], str]] = {"dicom": dicom, "edf": edf, "table": table}


def outcome(target: str, data: bytes) -> str:
    """What came of the bytes, in a word; an exception if that is anything else than promised."""
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        try:
            said = TARGETS[target](data)
        except ClinfuseError as error:
            said = error.code
            _check_silent(error)
    for one in told:
        if not issubclass(one.category, DataWarning):
            raise AssertionError(f"a warning of another library: {one.category.__name__}")
    return said


def _check_silent(error: BaseException | None) -> None:
    """Nothing of the input in what would be printed, the errors behind this one included."""
    while error is not None:
        if any(word in str(error) for word in (NAME, NUMBER, str(_folder()))):
            raise AssertionError(f"{type(error).__name__} repeats its input")
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)


@functools.cache
def _place() -> tempfile.TemporaryDirectory[str]:
    return tempfile.TemporaryDirectory()


def _folder() -> Path:
    return Path(_place().name)


def _file(name: str, data: bytes) -> Path:
    """The one file of an otherwise empty folder."""
    folder = _folder() / Path(name).suffix.removeprefix(".")
    folder.mkdir(exist_ok=True)
    file = folder / name
    file.write_bytes(data)
    return file


@functools.cache
def _parts() -> tuple[tuple[str, bytes], ...]:
    stream = io.BytesIO()
    openpyxl.Workbook().save(stream)
    with zipfile.ZipFile(stream) as book:
        return tuple((name, book.read(name)) for name in book.namelist() if "sheet1" not in name)


def _book(sheet: bytes) -> bytes:
    """A workbook around the XML of its only sheet: damage of the archive itself seldom gets past its checksums."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as book:
        for name, part in (*_parts(), ("xl/worksheets/sheet1.xml", sheet)):
            book.writestr(name, part)
    return stream.getvalue()
