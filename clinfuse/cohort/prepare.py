"""A value of a file to an array of fixed shape: physical units, nothing learned, nothing looked up elsewhere."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import numpy as np

from clinfuse.cohort.modality import Modality
from clinfuse.cohort.resample import axis_grids, canonical, padded, resampled
from clinfuse.cohort.signal import windows_of
from clinfuse.errors import DataError
from clinfuse.io.values import Radiograph, Remark, Signal, Volume

AIR_HU = -1000
_EVERY_WINDOW = np.ones(1, dtype=bool)


@final
@dataclass(frozen=True, eq=False)
class Prepared:
    """One input, ready to be stored.

    Parameters
    ----------
    array : ndarray
        In the shape of its modality, physical units, the smallest exact type.
    windows : ndarray of bool, (windows,)
        Which windows of a signal the recording covers; one True for every other kind.
    remarks : tuple of Remark
        What was seen or done on the way.
    """

    array: np.ndarray
    windows: np.ndarray
    remarks: tuple[Remark, ...] = ()


def check_varies(prepared: Prepared, kind: str) -> None:
    """Refuse an input that is one value everywhere: nothing can be learned from it, and something went wrong.

    Parameters
    ----------
    prepared : Prepared
    kind : str
        A mask may be empty.

    Raises
    ------
    DataError
        ``INPUT_CONSTANT``.
    """
    if kind != "mask" and prepared.array.min() == prepared.array.max():
        raise DataError(
            "INPUT_CONSTANT",
            place="prepared input",
            rule="at least two values",
            found="one value everywhere",
            remedy="Look at the original, and at the window, size and channels of this modality; or leave it out.",
        )


def prepare_ct(value: Volume, modality: Modality) -> Prepared:
    """A CT on the grid of its modality.

    The volume is turned to the nearest right, anterior, superior axes. With ``spacing_mm`` it is resampled to that
    spacing about its own centre, then cut or padded to size; without, the whole field of view is fitted into the
    size, so voxels may differ between records. A coarser grid takes area averages (an integer factor is exact mean
    pooling), a finer one linear interpolation. Averages are taken in HU before the window clips them.

    Parameters
    ----------
    value : Volume
        HU.
    modality : Modality
        Of kind ``ct``; a ``window`` of (0, 0) clips nothing.

    Returns
    -------
    Prepared
        ``array`` int16, (1, x, y, z), HU rounded to whole numbers, air where the volume ends.

    Examples
    --------
    >>> import numpy as np
    >>> from clinfuse.cohort.modality import Modality
    >>> volume = Volume(np.full((4, 4, 4), 40.0, dtype=np.float32), np.eye(4), "HU")
    >>> prepare_ct(volume, Modality("ct", "ct", (1, 2, 2, 2), spacing_mm=(2.0, 2.0, 2.0))).array.ravel().tolist()
    [40, 40, 40, 40, 40, 40, 40, 40]
    """
    array, spacing = canonical(value)
    axes = axis_grids(array.shape, spacing, modality)
    low, high = modality.window if modality.window[1] > modality.window[0] else (-32768.0, 32767.0)
    hounsfield = np.rint(np.clip(resampled(array, axes), low, high)).astype(np.int16)
    return Prepared(padded(hounsfield, axes, max(low, AIR_HU))[None], _EVERY_WINDOW)


def prepare_mr(value: Volume, modality: Modality) -> Prepared:
    """An MR image in units of its own tissue: zero mean and unit spread over the voxels above the volume's mean.

    An MR number has no unit, so each volume is normalised by itself; the grid is that of `prepare_ct`.

    Parameters
    ----------
    value : Volume
        Arbitrary units.
    modality : Modality
        Of kind ``mr``.

    Returns
    -------
    Prepared
        ``array`` float32, (1, x, y, z); the darkest value of the volume where it ends.

    Raises
    ------
    DataError
        ``MR_CONSTANT``.
    """
    array, spacing = canonical(value)
    tissue = array[array > array.mean(dtype=np.float64)].astype(np.float64)
    if tissue.size == 0 or tissue.std() == 0:
        raise DataError(
            "MR_CONSTANT",
            place="volume",
            rule="tissue of more than one intensity",
            found="one intensity",
            remedy="Leave the volume refused, or export it again.",
        )
    axes = axis_grids(array.shape, spacing, modality)
    scaled = (resampled(array, axes) - tissue.mean()) / tissue.std()
    return Prepared(padded(scaled.astype(np.float32), axes, float(scaled.min()))[None], _EVERY_WINDOW)


def prepare_xray(value: Radiograph, modality: Modality) -> Prepared:
    """A radiograph in the size of its modality.

    With ``spacing_mm`` it is resampled to that pixel size about its centre and cut or padded with black; without,
    the whole image is fitted into the size, each axis by itself.

    Parameters
    ----------
    value : Radiograph
        Grey in [0, 1].
    modality : Modality
        Of kind ``xray``.

    Returns
    -------
    Prepared
        ``array`` float32, (1, y, x), grey in [0, 1].

    Raises
    ------
    DataError
        ``XRAY_SPACING``.
    """
    if modality.spacing_mm and min(value.spacing_mm) <= 0:
        raise DataError(
            "XRAY_SPACING",
            place="radiograph",
            rule="a pixel size, since `spacing_mm` asks for one",
            found="a file without one",
            remedy="Remove `spacing_mm` from this modality, or leave the file refused.",
        )
    axes = axis_grids(value.array.shape, value.spacing_mm, modality)
    grey = np.clip(resampled(value.array, axes), 0, 1)
    return Prepared(padded(grey, axes, 0.0)[None], _EVERY_WINDOW)


def prepare_mask(value: Volume, modality: Modality) -> Prepared:
    """A label map as one channel per label, by nearest neighbour: no voxel is ever a mixture.

    Parameters
    ----------
    value : Volume
        Whole label numbers; channel ``k`` is label ``k + 1``, and 0 is background.
    modality : Modality
        Of kind ``mask``; the grid is that of `prepare_ct`.

    Returns
    -------
    Prepared
        ``array`` uint8, (label, x, y, z), 0 or 1.

    Raises
    ------
    DataError
        ``MASK_LABEL``.
    """
    array, spacing = canonical(value)
    axes = axis_grids(array.shape, spacing, modality)
    labels = modality.shape[0]
    if array.min() < 0 or array.max() > labels:
        raise DataError(
            "MASK_LABEL",
            place="volume",
            rule=f"labels from 0 to {labels}, as declared",
            found="another label",
            remedy="Declare every label of the map in cohort.toml, or leave the volume refused.",
        )
    near = array[np.ix_(*(grid.nearest() for grid in axes))]
    channels = [padded((near == label).astype(np.uint8), axes, 0) for label in range(1, labels + 1)]
    return Prepared(np.stack(channels), _EVERY_WINDOW)


def prepare_eeg(value: Signal, modality: Modality) -> Prepared:
    """A recording as windows of equal length; see `clinfuse.cohort.signal.windows_of`.

    Parameters
    ----------
    value : Signal
        µV.
    modality : Modality
        Of kind ``eeg``.

    Returns
    -------
    Prepared
        ``array`` float32, (windows, channel, time), µV.

    Raises
    ------
    DataError
        See `windows_of`.
    """
    return Prepared(*windows_of(value, modality))
