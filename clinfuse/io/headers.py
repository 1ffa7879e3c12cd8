"""Headers of an export's files, read in the decoding process: a header can hang its reader as well as an image can."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from clinfuse.errors import ClinfuseError
from clinfuse.io.dicom_index import DicomHeader, DicomScan, grouped, scan_dicom
from clinfuse.io.eeg import EegHeader
from clinfuse.io.guard import as_data, shared_guard
from clinfuse.io.policies import EegPolicy
from clinfuse.io.wire import fields_of, unplain


def scan_export(folder: Path, *, root: Path, without: Sequence[Path] = ()) -> DicomScan:
    """What `clinfuse.io.dicom_index.scan_dicom` finds in a folder of an export.

    Parameters
    ----------
    folder : Path
        In `root`.
    root : Path
        Resolved; links that lead out of it are refused.
    without : sequence of Path
        Folders that are not looked into.

    Raises
    ------
    DataError
        ``DCM_FOLDER``.
    StorageError
        ``READ_WORKER``.
    """
    return scan_dicom(folder, root=root, without=without, headers=_headers)


def scan_exported(groups: Sequence[Sequence[Path]]) -> list[DicomScan]:
    """The DICOM series in each of several groups of files of an export; a series does not reach from one into another.

    Raises
    ------
    StorageError
        ``READ_WORKER``.
    """
    headers = _headers([file for group in groups for file in group])
    return [grouped(group, islice(headers, len(group))) for group in groups]


def _headers(files: Sequence[Path]) -> Iterator[DicomHeader | ClinfuseError | None]:
    for answer in shared_guard().ask("dicom_header", [{"file": str(file)} for file in files]):
        if isinstance(answer, ClinfuseError):
            yield as_data(answer)
        else:
            said = answer["header"]
            yield None if said is None else DicomHeader(**fields_of(said))


def exported_field(file: Path, keyword: str) -> str:
    """What `clinfuse.io.dicom_file.dicom_header` gives for a file of an export.

    Raises
    ------
    ConfigError
        ``DCM_KEYWORD``.
    DataError
        As there, and those of `clinfuse.io.guard.Guard.read`.
    """
    return str(_one("dicom_field", {"file": str(file), "keyword": keyword})["text"])


def exported_time(file: Path) -> np.datetime64:
    """What `clinfuse.io.dicom_index.acquisition_time` gives for a file of an export.

    Raises
    ------
    DataError
        That of a header that cannot be read, and those of `clinfuse.io.guard.Guard.read`.
    """
    found: np.datetime64 = unplain(_one("dicom_time", {"file": str(file)})["time"])
    return found


def exported_recording(file: Path, *, policy: EegPolicy = EegPolicy()) -> EegHeader:
    """What `clinfuse.io.eeg.eeg_header` gives for a file of an export.

    Raises
    ------
    DataError
        As there, and those of `clinfuse.io.guard.Guard.read`.
    """
    return EegHeader(**fields_of(_one("eeg_header", {"file": str(file), "policy": asdict(policy)})["header"]))


def _one(task: str, item: dict[str, Any]) -> dict[str, Any]:
    (answer,) = shared_guard().ask(task, [item])
    if isinstance(answer, ClinfuseError):
        raise as_data(answer) from None
    return answer
