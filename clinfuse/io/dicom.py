"""CT series to Hounsfield units in the patient's frame; with the other DICOM readers under one name."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from clinfuse.errors import DataError
from clinfuse.io.dicom_file import dicom_header, looks_like_dicom
from clinfuse.io.dicom_index import DicomScan, DicomSeries, index_dicom, scan_dicom
from clinfuse.io.dicom_slice import CT, MR, SeriesKind, read_slices
from clinfuse.io.dicom_stack import volume_of
from clinfuse.io.policies import CtPolicy, MrPolicy, SeriesPolicy
from clinfuse.io.radiograph import read_xray
from clinfuse.io.values import Remark, Volume

__all__ = [
    "DicomScan",
    "DicomSeries",
    "dicom_header",
    "index_dicom",
    "read_ct",
    "read_mr",
    "read_xray",
    "scan_dicom",
]


def read_ct(source: Path | Sequence[Path], *, policy: CtPolicy = CtPolicy()) -> Volume:
    """The CT series as Hounsfield units, its axes nearest to RAS+.

    Slices are ordered by their position along the slice normal, never by file name or instance number, and each is
    rescaled by its own slope and intercept. Padding becomes air, -1024 HU: ``PixelPaddingValue`` up to
    ``PixelPaddingRangeLimit``, and one number below -2048 HU (give or take 64) that fills a part of a slice undeclared.
    Enhanced multi-frame images are read through their functional groups. Localizers, screenshots and objects without an
    image are left out, of two equal slices one is used; in a folder every file that is not DICOM is passed over. What
    was left out or looked unusual is in ``remarks``. A single slice takes its third spacing from ``SliceThickness``.

    A leaning stack (a tilted gantry), missing slices and uneven distances are refused unless `policy` accepts them.
    Then every slice is shifted in its plane by linear interpolation until the stack stands upright, on a canvas that
    holds all of them; and the stack is read by linear interpolation between the true positions, at the median
    distance, from the first slice to the last.

    Parameters
    ----------
    source : Path or sequence of Path
        A folder that holds one series (searched with its subfolders), one file, or the files of the series in
        any order.
    policy : CtPolicy
        What was decided about series that would otherwise be refused.

    Returns
    -------
    Volume
        float32 HU, (x, y, z): x to the patient's right, y to anterior, z to superior; affine to RAS+ mm.

    Raises
    ------
    DataError
        ``CT_EMPTY``, ``CT_KIND``, ``CT_SERIES``, ``CT_PATIENT_MIX``, ``CT_MIXED``, ``CT_DERIVED``, ``CT_GEOMETRY``,
        ``CT_ORIENTATION``, ``CT_DUPLICATE``, ``CT_TILT``, ``CT_OFFSET``, ``CT_GAP``, ``CT_SPACING``, ``CT_RESCALE``,
        ``CT_RANGE``, ``CT_CONSTANT``, ``BOMB`` and the ``DCM_`` codes of a file that cannot be read.

    References
    ----------
    DICOM PS3.3, C.7.6.2 (image plane), C.7.6.16 (functional groups) and C.8.2.1 (CT image).

    Examples
    --------
    >>> from pathlib import Path
    >>> from pydicom.data import get_testdata_file
    >>> volume = read_ct(Path(get_testdata_file("CT_small.dcm")))
    >>> volume.array.shape, float(volume.array.min()), float(volume.array.max())
    ((128, 128, 1), -896.0, 1167.0)
    """
    return ct_volume(source, policy)


def read_mr(source: Path | Sequence[Path], *, policy: MrPolicy = MrPolicy()) -> Volume:
    """The MR series as arbitrary units, its axes nearest to RAS+; put together as `read_ct` does.

    Slope and intercept are applied where a file has both; padding becomes 0.

    Parameters
    ----------
    source : Path or sequence of Path
        A folder that holds one series (searched with its subfolders), one file, or the files of the series in
        any order.
    policy : MrPolicy
        What was decided about series that would otherwise be refused.

    Returns
    -------
    Volume
        float32, (x, y, z): x to the patient's right, y to anterior, z to superior; affine to RAS+ mm.

    Raises
    ------
    DataError
        What `read_ct` raises, without ``CT_RANGE``.

    Examples
    --------
    >>> from pathlib import Path
    >>> from pydicom.data import get_testdata_file
    >>> read_mr(Path(get_testdata_file("MR_small.dcm")), policy=MrPolicy(derived="accept")).array.shape
    (64, 64, 1)
    """
    return _read(source, MR, policy)


def ct_volume(source: Path | Sequence[Path], policy: CtPolicy, *, narrow: bool = False) -> Volume:
    """What `read_ct` gives; with ``narrow`` as int16 where that loses nothing, which is half as much to pass on."""
    return _read(source, CT, policy, narrow=narrow)


def _read(source: Path | Sequence[Path], kind: SeriesKind, policy: SeriesPolicy, *, narrow: bool = False) -> Volume:
    files, others = _files(source)
    found = read_slices(files, kind, policy)
    if others:
        found.noted[Remark("DCM_SKIPPED", "A file that is not DICOM was passed over.")] += others
    if not found.slices:
        raise DataError(
            "CT_EMPTY",
            place=kind.name,
            rule=f"at least one {kind.name} image",
            found="none",
            remedy="Export the series again, or select another one with `series`.",
        )
    return volume_of(found, policy, narrow=narrow)


def _files(source: Path | Sequence[Path]) -> tuple[list[Path], int]:
    """The files to read, and how many were passed over."""
    if not isinstance(source, Path):
        return list(source), 0
    if not source.is_dir():
        return [source], 0
    files = [file for file in sorted(source.rglob("*")) if not file.is_dir()]
    wanted = [file for file in files if looks_like_dicom(file)]
    return wanted, len(files) - len(wanted)
