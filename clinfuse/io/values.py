"""What a reader gives back: frozen values with units, valid once constructed."""

from __future__ import annotations

from copy import copy
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal, final

import numpy as np

from clinfuse.errors import DataError
from clinfuse.io.memory import in_memory_order, laid_out
from clinfuse.io.policies import VIEW_TERMS
from clinfuse.shapes import Affine, Pixels, Samples, Voxels


def _refuse(code: str, place: str, rule: str, found: str) -> None:
    raise DataError(code, place=place, rule=rule, found=found, remedy="Re-export the source file.")


def _locked(array: np.ndarray) -> np.ndarray:
    locked = array.view()
    locked.flags.writeable = False
    return locked


@final
@dataclass(frozen=True)
class Remark:
    """Something a reader saw in a file or did to it that a careful user would want to know; nothing was refused.

    Parameters
    ----------
    code : str
        Stable, e.g. ``"CT_THICKNESS"``.
    text : str
        One sentence without any patient value.
    """

    code: str
    text: str


@final
@dataclass(frozen=True, eq=False)
class Volume:
    """A 3-D image with its place in the patient.

    Parameters
    ----------
    array : ndarray of float32 or integer, (x, y, z)
        HU for a CT, label numbers for a mask, arbitrary units for an MR image. Finite.
    affine : ndarray of float64, (4, 4)
        Voxel index to RAS+ millimetres.
    unit : {"HU", "label", "arbitrary"}
        What a number in ``array`` means.
    remarks : tuple of Remark
        What was seen or done while it was read.
    images : tuple of int
        Image numbers of the files along the third axis, 0 where one does not say; empty where the slices lie along
        another axis or were interpolated.

    Raises
    ------
    DataError
        ``VOLUME_SHAPE``, ``VOLUME_FINITE``, ``VOLUME_AFFINE``, ``VOLUME_UNIT``.
    """

    array: Voxels
    affine: Affine
    unit: Literal["HU", "label", "arbitrary"]
    remarks: tuple[Remark, ...] = ()
    images: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        if self.array.ndim != 3 or min(self.array.shape) < 1:
            _refuse("VOLUME_SHAPE", "volume", "three axes (x, y, z), none empty", f"{self.array.ndim} axes")
        if len(self.images) not in (0, self.array.shape[2]):
            _refuse("VOLUME_SHAPE", "volume", "an image number for every slice or none", "another number")
        if self.array.dtype.kind == "f" and not np.isfinite(self.array).all():
            _refuse("VOLUME_FINITE", "volume", "every voxel a finite number", "NaN or infinity")
        if self.affine.shape != (4, 4) or not np.isfinite(self.affine).all():
            _refuse("VOLUME_AFFINE", "volume", "a finite 4 x 4 affine", f"shape {self.affine.shape}")
        if abs(np.linalg.det(self.affine[:3, :3])) < 1e-9:
            _refuse("VOLUME_AFFINE", "volume", "an affine that can be inverted", "a singular one")
        if self.unit not in ("HU", "label", "arbitrary"):
            _refuse("VOLUME_UNIT", "volume", "unit HU, label or arbitrary", "another unit")
        object.__setattr__(self, "array", _locked(self.array))
        object.__setattr__(self, "affine", _locked(self.affine))

    @property
    def spacing_mm(self) -> tuple[float, float, float]:
        """Distance between voxel centres along x, y and z, mm."""
        x, y, z = np.linalg.norm(self.affine[:3, :3], axis=0)
        return float(x), float(y), float(z)

    def in_float32(self) -> Volume:
        """The same volume of integers as float32, in the same order in memory."""
        ordered, axes, flips = in_memory_order(self.array)
        made = copy(self)
        object.__setattr__(made, "array", _locked(laid_out(ordered.astype(np.float32), axes, flips)))
        return made


@final
@dataclass(frozen=True, eq=False)
class Radiograph:
    """A projection image, bright where the beam was absorbed (bone is bright).

    Parameters
    ----------
    array : ndarray of float32, (y, x)
        Grey values in [0, 1] after the display window; 1 is brightest. Finite.
    spacing_mm : tuple of float, (y, x)
        Size of a pixel, mm; (0, 0) where the file does not say.
    remarks : tuple of Remark
        What was seen or done while it was read.
    burned_in : {"no", "yes", "unknown"}
        Whether text, perhaps a name, is part of the picture.
    view : str
        Projection, out of `clinfuse.io.policies.VIEW_TERMS`.

    Raises
    ------
    DataError
        ``RADIOGRAPH_SHAPE``, ``RADIOGRAPH_RANGE``, ``RADIOGRAPH_WORDS``.
    """

    array: Pixels
    spacing_mm: tuple[float, float] = (0.0, 0.0)
    remarks: tuple[Remark, ...] = ()
    burned_in: Literal["no", "yes", "unknown"] = "unknown"
    view: str = "unknown"

    def __post_init__(self) -> None:
        if self.array.ndim != 2 or min(self.array.shape) < 1:
            _refuse("RADIOGRAPH_SHAPE", "radiograph", "two axes (y, x), none empty", f"{self.array.ndim} axes")
        if not np.isfinite(self.array).all() or self.array.min() < 0 or self.array.max() > 1:
            _refuse("RADIOGRAPH_RANGE", "radiograph", "grey values within [0, 1]", "values outside")
        if self.burned_in not in ("no", "yes", "unknown") or self.view not in VIEW_TERMS:
            _refuse("RADIOGRAPH_WORDS", "radiograph", "known words for burned-in text and projection", "others")
        object.__setattr__(self, "array", _locked(self.array))


@final
@dataclass(frozen=True, eq=False)
class Signal:
    """A recording of several channels at one rate.

    Parameters
    ----------
    array : ndarray of float32, (channel, time)
        Microvolt (µV). Finite.
    rate_hz : float
        Samples per second.
    channels : tuple of str
        One name per row of ``array``, unique.
    remarks : tuple of Remark
        What was seen or done while it was read.
    limits : tuple of (float, float)
        Per channel, µV: samples at or beyond these lie at the end of what the recorder can write; empty where unknown.
    breaks : tuple of int
        Samples at which the recording begins anew after a gap; nothing may be computed across them.
    whole_seconds : float
        Length of the recording on disk, s, where only a part of it was read; else 0.

    Raises
    ------
    DataError
        ``SIGNAL_SHAPE``, ``SIGNAL_FINITE``, ``SIGNAL_RATE``, ``SIGNAL_CHANNELS``, ``SIGNAL_BREAKS``.
    """

    array: Samples
    rate_hz: float
    channels: tuple[str, ...]
    remarks: tuple[Remark, ...] = ()
    limits: tuple[tuple[float, float], ...] = ()
    breaks: tuple[int, ...] = ()
    whole_seconds: float = 0.0

    def __post_init__(self) -> None:
        if self.array.ndim != 2 or min(self.array.shape) < 1:
            _refuse("SIGNAL_SHAPE", "signal", "two axes (channel, time), none empty", f"{self.array.ndim} axes")
        if not np.isfinite(self.array).all():
            _refuse("SIGNAL_FINITE", "signal", "every sample a finite number", "NaN or infinity")
        if not (np.isfinite(self.rate_hz) and self.rate_hz > 0):
            _refuse("SIGNAL_RATE", "signal", "a positive sampling rate", "none")
        if len(self.channels) != len(self.array) or len(set(self.channels)) != len(self.channels):
            _refuse(
                "SIGNAL_CHANNELS", "signal", "one unique name for each channel", "another number, or one name twice"
            )
        if len(self.limits) not in (0, len(self.channels)):
            _refuse("SIGNAL_CHANNELS", "signal", "limits for every channel or none", "another number")
        edges = (0, *self.breaks, self.array.shape[1])
        if any(after <= before for before, after in pairwise(edges)):
            _refuse("SIGNAL_BREAKS", "signal", "breaks inside the recording in rising order", "others")
        object.__setattr__(self, "array", _locked(self.array))

    @property
    def seconds(self) -> float:
        """Length of what was read, s."""
        return self.array.shape[1] / self.rate_hz

    @property
    def pieces(self) -> tuple[tuple[int, int], ...]:
        """First and behind-last sample of every uninterrupted piece."""
        return tuple(pairwise((0, *self.breaks, self.array.shape[1])))
