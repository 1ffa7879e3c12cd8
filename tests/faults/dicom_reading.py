"""How bad CT series are read: through the section of ``cohort.toml`` that declares them."""

from __future__ import annotations

import tomllib
from collections.abc import Callable
from pathlib import Path
from unittest import mock

from clinfuse.cohort.declarations import SOURCES
from clinfuse.cohort.folder import read_export
from clinfuse.io.dicom import read_ct, scan_dicom
from clinfuse.io.policies import CtPolicy
from tests.faults.fault import Fault


def read(path: Path, line: str) -> tuple[str, ...]:
    """Codes of what was noted about a series or file; whatever it is, its headers can be scanned."""
    scan_dicom(path if path.is_dir() else path.parent)
    source = SOURCES["ct"].model_validate({"kind": "ct", "files": "{record_id}", **tomllib.loads(line)})
    return tuple(remark.code for remark in read_ct(path, policy=CtPolicy.of(source)).remarks)


def read_without_codecs(path: Path, line: str) -> tuple[str, ...]:
    """The same where no package for compressed images is installed."""
    with mock.patch("clinfuse.io.dicom_codecs.has_codec", return_value=False):
        return read(path, line)


def scanned(path: Path, line: str) -> tuple[str, ...]:
    """Codes of the files whose headers could not be scanned."""
    return tuple(error.code for error in scan_dicom(path).refused)


def fault(
    number: str,
    name: str,
    action: str,
    code: str,
    build: Callable[[Path, int], Path],
    variants: int = 4,
    read: Callable[[Path, str], tuple[str, ...]] = read,
) -> Fault:
    return Fault(number, name, action, code, build, read, variants)  # type: ignore[arg-type]


def read_cohort(path: Path, line: str) -> tuple[str, ...]:
    """Codes of the ledger of a cohort; its first refusal is raised."""
    return tuple(entry.code for entry in read_export(path, strict=True).ledger.entries)
