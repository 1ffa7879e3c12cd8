"""Things in an export that are no files, lie elsewhere, change, or harm whoever reads them.

Every one is read as part of a cohort of four records, the other three of which have to be there afterwards.
"""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from unittest import mock

import numpy as np
from nibabel import Nifti1Image
from nibabel import save as save_image

from clinfuse.cohort.cohort import Cohort
from clinfuse.errors import DataError
from clinfuse.io import files, guard
from clinfuse.io.files import read_whole
from clinfuse.io.guard import Guard
from tests.faults.fault import NAME, NUMBER, Fault

RECORDS = 4
HOSTILE = (sys.executable, str(Path(__file__).parents[1] / "io" / "hostile_worker.py"))
_HEAD = """
[records]
table = "records.csv"
patient_id = "patient"

[label]
column = "finding"
positive = ["yes"]

[modalities.organ]
kind = "mask"
labels = { 1 = "organ" }
size = [4, 4, 4]
spacing_mm = 1.0
"""
BY_NAME = 'files = "{patient_id}.nii"\n'
BY_COLUMN = 'column = "file"\n'
_FILM = """
[records]
table = "records.csv"
patient_id = "patient"

[label]
column = "finding"
positive = ["yes"]

[modalities.film]
kind = "xray"
folder = "films"
size = [8, 8]
spacing_mm = 1.0
"""


def write_image(file: Path, seed: int = 0) -> None:
    """A label image of a few voxels, another for each seed."""
    labels = np.zeros((4, 4, 4), dtype=np.uint8)
    labels[seed % 4, 1:3, 1:3] = 1
    save_image(Nifti1Image(labels, np.diag([-1.0, -1.0, 1.0, 1.0])), file)


def write_export(root: Path, how: str, names: dict[int, str] | None = None) -> Path:
    """Four records with an image each; `names` writes other paths into the table."""
    root.mkdir(parents=True, exist_ok=True)
    lines = ["patient,finding,file"]
    for row in range(RECORDS):
        write_image(root / f"{_number(row)}.nii", row)
        path = (names or {}).get(row, f"{_number(row)}.nii")
        lines.append(f'{_number(row)},{"no" if row % 2 else "yes"},"{path}"')
    (root / "records.csv").write_text("\n".join(lines) + "\n", encoding="utf-8", errors="surrogateescape", newline="\n")
    (root / "cohort.toml").write_text(_HEAD + how)
    return root


def _number(row: int) -> str:
    return f"{NUMBER}{row}"


def read_cohort(path: Path, accepted: str = "", lost: int = 1) -> tuple[str, ...]:
    """The codes of what was noted, where as many records as expected lost their file; what was refused is raised."""
    cohort = Cohort.from_folder(path)
    missing = int((~cohort.present[:, 0]).sum())
    if missing != lost or len(cohort) != RECORDS:
        raise AssertionError(f"{missing} records without a file")
    for entry in cohort.ledger.entries:
        if not (entry.note or entry.excluded):
            place = f"{entry.source} {entry.key}"
            raise DataError(entry.code, place=place, rule=entry.text, found="it", remedy=entry.remedy)
    return tuple(entry.code for entry in cohort.ledger.entries)


def read_hostile(path: Path, accepted: str = "", seconds: float = 60.0) -> tuple[str, ...]:
    """Read with readers that hang, die or swell where a file says so."""
    made = Guard(program=HOSTILE, seconds=seconds)
    with mock.patch.object(guard, "_SHARED", {os.getpid(): made}):
        try:
            return read_cohort(path)
        finally:
            made.close()


def instead(how: str, put: Callable[[Path, int], None]) -> Callable[[Path, int], Path]:
    """An export in which something else stands in the place of one file."""

    def build(folder: Path, variant: int) -> Path:
        root = write_export(folder / NAME, how)
        file = root / f"{_number(variant % RECORDS)}.nii"
        file.unlink()
        put(file, variant)
        return root

    return build


def pipe(file: Path, variant: int) -> None:
    """Nobody ever writes to it."""
    os.mkfifo(file)


def bind(file: Path, variant: int) -> None:
    """A socket; its name may have a hundred characters only, so it is made from where it lies."""
    before = Path.cwd()
    os.chdir(file.parent)
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(file.name)
    os.chdir(before)


def folder_with_the_name(file: Path, variant: int) -> None:
    """A folder called as the file should be, empty or not."""
    file.mkdir()
    if variant % 2:
        write_image(file / "inside.nii")


def link_out(file: Path, variant: int) -> None:
    """A link to a real image elsewhere: absolute, relative, over another link, or to a folder that holds it."""
    elsewhere = file.parents[1] / "elsewhere"
    elsewhere.mkdir()
    write_image(elsewhere / "image.nii")
    if variant == 0:
        file.symlink_to((elsewhere / "image.nii").resolve())
    elif variant == 1:
        file.symlink_to("../elsewhere/image.nii")
    elif variant == 2:
        (file.parent / "step").symlink_to("../elsewhere/image.nii")
        file.symlink_to("step")
        # Two links, and both are refused.
    else:
        file.symlink_to("../elsewhere")


def link_to_system(file: Path, variant: int) -> None:
    """A link to what a reader would never come to an end with, or must never show."""
    file.symlink_to(("/dev/zero", "/etc/passwd", "/proc/self/mem", "/dev/urandom")[variant])


def link_loop(file: Path, variant: int) -> None:
    """A link to itself, or two to each other."""
    other = file.with_name("other") if variant % 2 else file
    file.symlink_to(other.name)
    if variant % 2:
        other.symlink_to(file.name)


def folder_loop(folder: Path, variant: int) -> Path:
    """Links to the folder itself, to one above inside it, or in a circle: everything is found once."""
    root = write_export(folder / NAME, BY_NAME)
    (root / "a" / "b").mkdir(parents=True)
    (root / "a" / "b" / "back").symlink_to(("../..", "..", ".", root)[variant])
    (root / "a" / "twin").symlink_to("b")
    return root


def says(word: str) -> Callable[[Path, int], None]:
    """A file that makes its reader do what it says."""

    def put(file: Path, variant: int) -> None:
        file.write_bytes(word.encode() + b"\n" * 8 + NAME.encode())

    return put


def named(paths: tuple[str, ...]) -> Callable[[Path, int], Path]:
    """An export whose table gives one of these paths for one record."""

    def build(folder: Path, variant: int) -> Path:
        return write_export(folder / NAME, BY_COLUMN, {variant % RECORDS: paths[variant]})

    return build


ODD_NAMES = (
    "with blanks  and 'quotes'.nii",
    "Zürich-Żółć-東京-\u202egnp.nii",
    "two\nlines\tand a tab.nii",
    "x" * 240 + ".nii",
    "$(touch x);|&*?[a].nii",
    "-rf.nii",
)


def odd_name(folder: Path, variant: int) -> Path:
    """A file with a name no one would choose, which is read like any other."""
    root = write_export(folder / NAME, BY_COLUMN, {1: ODD_NAMES[variant]})
    (root / f"{_number(1)}.nii").rename(root / ODD_NAMES[variant])
    return root


def stray_name(folder: Path, variant: int) -> Path:
    """Names beside the files that are wanted which are not even text."""
    root = write_export(folder / NAME, BY_NAME)
    stray = (b"\xff\xfe.nii", b"\xc3.nii", b"\n", b"~$lock.nii")[variant]
    Path(os.fsdecode(os.fsencode(root) + b"/" + stray)).write_bytes(b"")
    return root


def growing(folder: Path, variant: int) -> Path:
    """A file that is still being copied."""
    file = folder / f"{NAME}.nii"
    file.write_bytes(bytes(100 * (variant + 1)))
    return file


def read_growing(path: Path, accepted: str = "", times: int = 2) -> tuple[str, ...]:
    """Read a file that grows the first times it is opened."""
    left = [times]

    def grow(place: str, size: int) -> None:
        if left[0]:
            left[0] -= 1
            with path.open("ab") as out:
                out.write(b"more")

    with mock.patch.object(files, "check_size", grow):
        read_whole(path)
    return ()


def film_folder(put: Callable[[Path, int], None]) -> Callable[[Path, int], Path]:
    """Radiographs found by their header, with one more thing between them."""

    def build(folder: Path, variant: int) -> Path:
        from tests.io.conftest import write_film

        root = write_export(folder / NAME, "")
        (root / "cohort.toml").write_text(_FILM)
        for row in range(RECORDS - 1):
            stored = np.arange(64, dtype=np.uint16).reshape(8, 8) + row
            write_film(root / "films" / f"{row}", stored, PatientID=_number(row), SeriesInstanceUID=f"1.2.{row}")
        put(root / "films" / ("0a", "1a", "9", "a b")[variant], variant)
        return root

    return build


def table_says(word: str) -> Callable[[Path, int], Path]:
    """An export whose table of records makes its reader do what it says."""

    def build(folder: Path, variant: int) -> Path:
        root = write_export(folder / NAME, BY_NAME)
        (root / "records.csv").write_bytes(word.encode() + b"\n" * (5 + variant) + NAME.encode())
        return root

    return build


AWAY = ("../other.nii", "/etc/passwd", "a/../../other.nii", "//server/share/x.nii")
NOWHERE = ("C:\\\\scans\\\\x.nii", "~/x.nii", "x" * 5000, "a/" * 900 + "x.nii", "%2e%2e/x.nii", "absent.nii")

FAULTS = (
    Fault("T11", "a pipe in the place of a file", "REJ", "FILE_KIND", instead(BY_NAME, pipe), read_cohort),
    Fault("T11", "a pipe named in a path column", "REJ", "FILE_KIND", instead(BY_COLUMN, pipe), read_cohort),
    Fault("T11", "a pipe between radiographs", "REJ", "FILE_KIND", film_folder(pipe), read_cohort),
    Fault("T8", "a socket in the place of a file", "REJ", "FILE_KIND", instead(BY_NAME, bind), read_cohort),
    Fault("T8", "a socket between radiographs", "REJ", "FILE_KIND", film_folder(bind), read_cohort),
    Fault("T8", "a folder for a file", "REJ", "FILE_KIND", instead(BY_COLUMN, folder_with_the_name), read_cohort),
    Fault("T8", "a link out of the export", "REJ", "LINK_OUTSIDE", instead(BY_NAME, link_out), read_cohort),
    Fault("T8", "a link out, in a path column", "REJ", "LINK_OUTSIDE", instead(BY_COLUMN, link_out), read_cohort),
    Fault("T8", "a link to a device", "REJ", "LINK_OUTSIDE", instead(BY_NAME, link_to_system), read_cohort),
    Fault("T8", "a link out between radiographs", "REJ", "LINK_OUTSIDE", film_folder(link_to_system), read_cohort),
    Fault("T8", "a link to itself", "REJ", "LINK_OUTSIDE", instead(BY_NAME, link_loop), read_cohort),
    Fault("T8", "folders linked in a circle", "FIX", "", folder_loop, partial(read_cohort, lost=0)),
    Fault("T8", "a path that leaves the export", "REJ", "FILE_OUTSIDE", named(AWAY), read_cohort),
    Fault("T8", "a path that is none here", "REJ", "FILE_ABSENT", named(NOWHERE), read_cohort, 6),
    Fault("D55", "odd names", "FIX", "", odd_name, partial(read_cohort, lost=0), 6),
    Fault("D55", "names that are no text beside the files", "FIX", "", stray_name, partial(read_cohort, lost=0)),
    Fault("D54", "a file that changes while it is read", "REJ", "FILE_CHANGED", growing, read_growing),
    Fault("D54", "a file that changed a moment ago", "FIX", "", growing, partial(read_growing, times=1)),
    Fault("S16", "a file that ends the process", "REJ", "READ_DIED", instead(BY_NAME, says("die")), read_hostile),
    Fault("T10", "a file that fills the memory", "REJ", "READ_MEMORY", instead(BY_NAME, says("swell")), read_hostile),
    Fault(
        "T11", "a file that hangs its reader", "REJ", "READ_TIMEOUT",
        instead(BY_NAME, says("hang")), partial(read_hostile, seconds=2.0),
    ),
    Fault("S16", "a header that ends the process", "REJ", "READ_DIED", film_folder(says("die")), read_hostile),
    Fault("T10", "a header that fills the memory", "REJ", "READ_MEMORY", film_folder(says("swell")), read_hostile),
    Fault(
        "T11", "a header that hangs its reader", "REJ", "READ_TIMEOUT",
        film_folder(says("hang")), partial(read_hostile, seconds=2.0),
    ),
)  # fmt: skip
