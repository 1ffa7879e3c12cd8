"""What lies beside the images of a series: files that may be slices of it, and marks that are none."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from clinfuse.errors import ClinfuseError

if TYPE_CHECKING:
    from clinfuse.io.dicom_index import DicomHeader

DICOM_SUFFIXES = (".dcm", ".dicom", ".ima")
Beside: TypeAlias = dict[Path, tuple[bool, tuple[Path, ...]]]


def beside_of(groups: Sequence[Sequence[DicomHeader]], damaged: Collection[Path]) -> Beside:
    """The damaged files of each folder that has any, and whether all else in it is of one patient and study."""
    files: dict[Path, list[Path]] = {}
    for file in damaged:
        files.setdefault(file.parent, []).append(file)
    holds: dict[Path, set[tuple[str, str]]] = {}
    for group in groups if files else ():
        for header in group:
            holds.setdefault(header.file.parent, set()).add(header.key[:2])
    return {folder: (len(holds.get(folder, ())) == 1, tuple(beside)) for folder, beside in files.items()}


def marks_of(groups: Sequence[Sequence[DicomHeader]], damaged: Mapping[Path, ClinfuseError]) -> list[Path]:
    """Empty files that are no lost slice by their names: without a digit, beside images that all have one."""
    empty = [file for file, error in damaged.items() if error.code == "DCM_EMPTY" and not _numbered(file)]
    empty = [file for file in empty if file.suffix.casefold() not in DICOM_SUFFIXES]
    folders = {file.parent for file in empty}
    numbered: dict[Path, bool] = {}
    for file in (header.file for group in groups if empty for header in group):
        if file.parent in folders:
            numbered[file.parent] = numbered.get(file.parent, True) and _numbered(file)
    return [file for file in empty if numbered.get(file.parent, False)]


def _numbered(file: Path) -> bool:
    return any(sign.isdigit() for sign in file.name)
