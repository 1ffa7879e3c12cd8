"""Channels of a recording that show no brain: flat, clipped, larger than any EEG, or nothing but the mains."""

from __future__ import annotations

import numpy as np

from clinfuse.io.values import Signal

FLAT_UV = 0.1
LARGE_UV = 500.0
RAILED_SHARE = 0.01
CLIPPED_SHARE = 0.05
MAINS_SHARE = 0.98
_MAINS_HZ = (50.0, 60.0)
_LOWEST_HZ = 0.5
_MOST_SECONDS = 128
# Of the range: the outermost step of a recorder of few bits lies a little beyond its limits.
_SPARE = 0.02


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
    {"", "flat", "railed", "too large", "mains only"}
        ``"flat"``: its standard deviation is below 0.1 µV, as a whole or about a straight line within the middle one
        of its seconds, or more than half of it stands still for a second and longer. ``"railed"``: at least 1 % of
        its samples stand at the end of the recorder's range for two samples and longer, or at least 5 % at its own
        highest or at its own lowest value for three and longer. ``"too large"``: its standard deviation within the
        middle one of its seconds is above 500 µV, as of an electrode in the air, which would be in every channel by
        the average. ``"mains only"``: at least 98 % of its power above 0.5 Hz lies within 1 Hz of 50 or 60 Hz and
        their multiples, as of an electrode without contact.

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
    if float(samples.std(dtype=np.float64)) < FLAT_UV or _still(samples, round(signal.rate_hz)):
        return "flat"
    within = _within_a_second(samples, signal.rate_hz)
    if within < FLAT_UV:
        return "flat"
    if _railed(samples, signal.limits[row] if signal.limits else ()):
        return "railed"
    if within > LARGE_UV:
        return "too large"
    return "mains only" if _mains(samples, signal.rate_hz) >= MAINS_SHARE else ""


def _still(samples: np.ndarray, least: int) -> bool:
    """Whether more than half of the samples stand in runs of one value that are at least so long."""
    # Half of them in runs of two are a quarter that equal the one before.
    if np.count_nonzero(samples[1:] == samples[:-1]) < len(samples) // 4:
        return False
    return float(_in_runs(samples, max(least, 2)).mean()) > 0.5


def _within_a_second(samples: np.ndarray, rate_hz: float) -> float:
    """Middle standard deviation about a straight line within a second, µV: no drift and no offset is in it.

    Of a long recording, of every few seconds one.
    """
    length = min(len(samples), max(3, round(rate_hz)))
    seconds = samples[: len(samples) // length * length].reshape(-1, length)
    parts = seconds[:: max(1, len(seconds) // _MOST_SECONDS)].astype(np.float64)
    parts -= parts.mean(axis=1, keepdims=True)
    time = np.arange(length) - (length - 1) / 2
    parts -= np.outer(parts @ time / max(time @ time, 1.0), time)
    return float(np.median(parts.std(axis=1)))


def _railed(samples: np.ndarray, limits: tuple[float, float] | tuple[()]) -> bool:
    lowest, highest = samples.min(), samples.max()
    # A recorder may cut off inside the range that its file could hold; two equal samples at the top are in any sine.
    if any(_stands(samples, samples == end, 3, CLIPPED_SHARE) for end in (lowest, highest)):
        return True
    if not limits or _beyond((float(lowest), float(highest)), limits):
        return False
    # A single sample at the limit may be the peak a recorder scaled its range by.
    return _stands(samples, (samples <= limits[0]) | (samples >= limits[1]), 2, RAILED_SHARE)


def _stands(samples: np.ndarray, which: np.ndarray, least: int, share: float) -> bool:
    """Whether so large a share of the samples is of these, and in runs of one value that are at least so long."""
    # Runs are looked for only where the samples are enough at all, which is next to never.
    return bool(which.mean() >= share and (_in_runs(samples, least) & which).mean() >= share)


def _in_runs(samples: np.ndarray, least: int) -> np.ndarray:
    """Which samples stand in a run of one value that is at least so long."""
    edges = np.concatenate([[0], np.flatnonzero(np.diff(samples)) + 1, [len(samples)]])
    runs = np.diff(edges)
    return np.repeat(runs >= least, runs)


def _beyond(found: tuple[float, float], limits: tuple[float, float]) -> bool:
    """Whether samples lie where the recorder is said to write none: what was said is no end of its range."""
    spare = _SPARE * (limits[1] - limits[0])
    return found[0] < limits[0] - spare or found[1] > limits[1] + spare


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
