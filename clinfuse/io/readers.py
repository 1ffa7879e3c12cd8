"""The reader of each kind under one name, so that whoever opens files needs to know nothing but their kind."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeAlias

from clinfuse.errors import ConfigError, DataError
from clinfuse.io.policies import POLICIES, NiftiPolicy, ReaderPolicy
from clinfuse.io.values import Radiograph, Signal, Volume

FileValue: TypeAlias = Volume | Radiograph | Signal


def read_files(kind: str, files: Sequence[Path], policy: ReaderPolicy, *, narrow: bool = False) -> FileValue:
    """What the files of one record hold.

    Parameters
    ----------
    kind : str
        ``ct``, ``mr``, ``xray``, ``mask`` or ``eeg``.
    files : sequence of Path
        The slices of a CT or MR image in any order; a recording with its header first; one file for every other kind.
    policy : ReaderPolicy
        Of this kind, see `clinfuse.io.policies.POLICIES`; a plain `ReaderPolicy` leaves every question open.
    narrow : bool
        Whether Hounsfield units may be int16 where that loses nothing.

    Returns
    -------
    Volume, Radiograph or Signal

    Raises
    ------
    DataError
        ``FILE_COUNT``, and the reader's own.
    ConfigError
        ``KIND_FILES`` for a kind that does not lie in files.
    """
    # Readers are imported when the first file is opened: whoever is served from a cache needs none of them.
    given: Any = POLICIES.get(kind, ReaderPolicy)() if type(policy) is ReaderPolicy else policy
    if kind in ("ct", "mr") and given.format == "nifti":
        from clinfuse.io.nifti import read_nifti

        return read_nifti(_single(files), unit="HU" if kind == "ct" else "arbitrary", policy=NiftiPolicy.of(given))
    if kind == "ct":
        from clinfuse.io.dicom import ct_volume

        return ct_volume(files, given, narrow=narrow)
    if kind == "mr":
        from clinfuse.io.dicom import read_mr

        return read_mr(files, policy=given)
    if kind == "xray":
        from clinfuse.io.dicom import read_xray

        return read_xray(_single(files), policy=given)
    if kind == "mask":
        from clinfuse.io.nifti import read_nifti

        return read_nifti(_single(files), unit="label", policy=given)
    if kind == "eeg":
        from clinfuse.io.eeg import read_eeg

        return read_eeg(files[0] if files else _single(files), policy=given)
    raise ConfigError(
        "KIND_FILES",
        place="files",
        rule="a kind that lies in files",
        found="another kind",
        remedy="Read the columns through `Cohort.arrays`.",
    )


def _single(files: Sequence[Path]) -> Path:
    if len(files) != 1:
        raise DataError(
            "FILE_COUNT",
            place="files",
            rule="one file per record",
            found=f"{len(files)}",
            remedy="Choose one with `several`.",
        )
    return files[0]
