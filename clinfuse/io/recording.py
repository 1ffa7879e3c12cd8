"""A recording that is open but not read: what every EEG format gives, so that all of them are checked in one way."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias, final

import numpy as np

from clinfuse.io.values import Remark

Stretch: TypeAlias = tuple[float, float]
UNLIMITED = (-np.inf, np.inf)


@final
@dataclass(frozen=True)
class RecordedChannel:
    """One channel as the file declares it.

    Parameters
    ----------
    label, unit : str
        As written.
    rate_hz : float
        Samples per second.
    position : int
        By which the recording finds its samples.
    limits : tuple of float
        In ``unit``: at or beyond these lies the end of what the recorder can write; infinite where unknown.
    """

    label: str
    unit: str
    rate_hz: float
    position: int
    limits: tuple[float, float] = UNLIMITED


@final
@dataclass(frozen=True)
class Kept:
    """A channel that will be read.

    Parameters
    ----------
    channel : RecordedChannel
    name : str
        Cleaned, see `clinfuse.io.channels.channel_name`.
    scale : float
        Microvolt in one of its units.
    """

    channel: RecordedChannel
    name: str
    scale: float


class Recording(ABC):
    """A recording of any format.

    Parameters
    ----------
    start : datetime64[s]
        NaT where the file does not say.
    seconds : float
        Length, gaps not counted.
    channels : tuple of RecordedChannel
        Without annotations.
    remarks : tuple of Remark
        What its header gave reason to say.
    """

    def __init__(
        self,
        start: np.datetime64,
        seconds: float,
        channels: tuple[RecordedChannel, ...],
        remarks: tuple[Remark, ...] = (),
    ) -> None:
        self.start, self.seconds, self.channels, self.remarks = start, seconds, channels, remarks

    @abstractmethod
    def stretches(self, window_seconds: float, windows: int) -> tuple[Stretch, ...]:
        """Start and end (s) of every uninterrupted stretch; with a number of windows, as many as are needed for them.

        Times count what is stored, not the gaps between.
        """

    @abstractmethod
    def read(self, kept: Sequence[Kept], stretch: Stretch) -> list[np.ndarray]:
        """The samples of each channel between two times, µV, float32 at its own rate."""


def enough(stretches: Sequence[Stretch], window_seconds: float, windows: int) -> bool:
    """Whether so many windows fit into the stretches."""
    return windows > 0 and sum(whole_windows(one, window_seconds) for one in stretches) >= windows


def whole_windows(stretch: Stretch, window_seconds: float) -> int:
    """How many windows fit into a stretch, which may fall short of the last by a billionth.

    Examples
    --------
    >>> whole_windows((0.0, 62.0), 10.0)
    6
    """
    return int(np.floor((stretch[1] - stretch[0]) / window_seconds + 1e-9))


def used_stretches(stretches: Sequence[Stretch], window_seconds: float, windows: int) -> tuple[Stretch, ...]:
    """The parts of the stretches that whole windows need; everything where no window is asked for, or none fits.

    Examples
    --------
    >>> used_stretches([(0.0, 25.0), (25.0, 32.0), (32.0, 60.0)], 10.0, 3)
    ((0.0, 20.0), (32.0, 42.0))
    """
    if not windows or not any(whole_windows(one, window_seconds) for one in stretches):
        return tuple(stretches)
    used, left = [], windows
    for start, end in stretches:
        taken = min(left, whole_windows((start, end), window_seconds))
        if taken:
            used.append((start, start + taken * window_seconds))
            left -= taken
    return tuple(used)
