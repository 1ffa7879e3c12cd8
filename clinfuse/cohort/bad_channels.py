"""Channels of a recording that show no brain: flat, at the end of the recorder's range, or nothing but the mains."""

from __future__ import annotations

import numpy as np

from clinfuse.io.values import Signal

FLAT_UV = 0.1
RAILED_SHARE = 0.01
MAINS_SHARE = 0.98
_MAINS_HZ = (50.0, 60.0)
_LOWEST_HZ = 0.5


def bad_channel(signal: Signal, row: int) -> str:
    """What is wrong with a channel, in a word; empty where nothing is.

    Parameters
    ----------
    signal : Signal
        The part of the recording that is used, µV as recorded.
    row : int
        Of the channel.

    Returns
    -------
    {"", "flat", "railed", "mains only"}
        ``"flat"``: its standard deviation is below 0.1 µV, or more than half of it stands still for a second and
        longer. ``"railed"``: at least 1 % of its samples stand at the end of the recorder's range for two samples and
        longer. ``"mains only"``: at least 98 % of its power above 0.5 Hz lies within 1 Hz of 50 or 60 Hz and their
        multiples, as of an electrode without contact.

    Examples
    --------
    >>> import numpy as np
    >>> time = np.arange(2560) / 256
    >>> waves = np.stack([0 * time, 30 * np.sin(2 * np.pi * 50 * time), 30 * np.sin(2 * np.pi * 10 * time)])
    >>> signal = Signal(waves.astype(np.float32), 256.0, ("C3", "C4", "Cz"))
    >>> [bad_channel(signal, row) for row in range(3)]
    ['flat', 'mains only', '']
    """
    samples = signal.array[row]
    if float(samples.std(dtype=np.float64)) < FLAT_UV or _still(samples, round(signal.rate_hz)) > 0.5:
        return "flat"
    if signal.limits and _railed(samples, signal.limits[row]) >= RAILED_SHARE:
        return "railed"
    return "mains only" if _mains(samples, signal.rate_hz) >= MAINS_SHARE else ""


def _still(samples: np.ndarray, least: int) -> float:
    """Share of the samples in runs of one value that are at least so long."""
    edges = np.flatnonzero(np.diff(samples)) + 1
    runs = np.diff(np.concatenate([[0], edges, [len(samples)]]))
    return float(runs[runs >= max(least, 2)].sum() / len(samples))


def _railed(samples: np.ndarray, limits: tuple[float, float]) -> float:
    # A single sample at the limit may be the peak a recorder scaled its range by.
    beyond = (samples <= limits[0]) | (samples >= limits[1])
    beside = np.zeros_like(beyond)
    beside[1:] |= beyond[:-1]
    beside[:-1] |= beyond[1:]
    return float((beyond & beside).mean())


def _mains(samples: np.ndarray, rate_hz: float) -> float:
    """Share of the power above 0.5 Hz that lies at the mains frequency and its multiples."""
    if rate_hz / 2 <= _MAINS_HZ[0] + 1:
        return 0.0
    taper = np.hanning(len(samples))
    power = np.abs(np.fft.rfft((samples - samples.mean(dtype=np.float64)) * taper)) ** 2
    frequencies = np.fft.rfftfreq(len(samples), 1 / rate_hz)
    heard = frequencies > _LOWEST_HZ
    total = float(power[heard].sum())
    if total == 0:
        return 0.0
    shares = [float(power[heard & _near(frequencies, mains)].sum()) / total for mains in _MAINS_HZ]
    return max(shares)


def _near(frequencies: np.ndarray, mains: float) -> np.ndarray:
    multiple = np.maximum(np.rint(frequencies / mains), 1) * mains
    near: np.ndarray = np.abs(frequencies - multiple) <= 1
    return near
