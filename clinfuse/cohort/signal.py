"""An EEG recording to windows of fixed length: nothing after the used part of the recording has any influence."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from typing import NoReturn

import numpy as np
from scipy.signal import butter, cheby2, resample_poly, sosfiltfilt

from clinfuse.cohort.band import Band, filtered_at_rate
from clinfuse.cohort.modality import Modality
from clinfuse.cohort.montage import montage
from clinfuse.errors import DataError
from clinfuse.io.values import Remark, Signal

LOWEST_HZ = 0.5
HIGHEST_HZ = 45.0


def pass_band(modality: Modality, rate_hz: float) -> tuple[float, float]:
    """Lower and upper edge of the band-pass in Hz: 0.5 to 45, or 0.9 of the lower of the two Nyquist rates."""
    return LOWEST_HZ, min(HIGHEST_HZ, 0.9 * modality.rate_hz / 2, 0.9 * rate_hz / 2)


def _filtered(samples: np.ndarray, rate_hz: float, band: tuple[float, float]) -> np.ndarray:
    # The stop band begins 1/15 above the band, at 48 Hz for 45: after two passes 50 and 60 Hz mains are 60 dB down.
    high = butter(2, band[0], btype="highpass", fs=rate_hz, output="sos")
    low = cheby2(10, 30, band[1] * 16 / 15, btype="lowpass", fs=rate_hz, output="sos")
    sections = np.concatenate([high, low])
    reach = min(round(rate_hz), samples.shape[1] - 1)
    centred = samples - samples.mean(axis=1, keepdims=True)
    return sosfiltfilt(sections, centred, axis=1, padlen=reach)


def _at_rate(samples: np.ndarray, rate_hz: float, modality: Modality, length: int) -> np.ndarray:
    ratio = Fraction(modality.rate_hz / rate_hz).limit_denominator(1000)
    if ratio != 1:
        samples = resample_poly(samples, ratio.numerator, ratio.denominator, axis=1, padtype="line")
    return _of_length(samples, length)


def _of_length(samples: np.ndarray, length: int) -> np.ndarray:
    short = length - samples.shape[1]
    return np.pad(samples, ((0, 0), (0, max(short, 0))), mode="edge")[:, :length]


def windows_of(signal: Signal, modality: Modality) -> tuple[np.ndarray, np.ndarray, tuple[Remark, ...]]:
    """Prepare a recording.

    The order is: cut the first ``windows x seconds``, pick channels by name, re-reference, band-pass, change the rate,
    cut into windows. Without ``band_hz`` and ``notch_hz`` the band-pass is a Butterworth high-pass of order 2 and a
    Chebyshev II low-pass of order 10, both forwards and backwards, so zero phase (see `pass_band`); with them it is the
    filter of `clinfuse.cohort.band`. An interrupted recording is cut and filtered piece by piece, and no window
    reaches across a gap. What was recorded after the used part cannot reach it, so how long the recording went on is
    no input.

    Parameters
    ----------
    signal : Signal
        µV.
    modality : Modality
        Of kind ``eeg``: ``shape``, ``channels``, ``rate_hz``, ``seconds``, ``reference``, ``band_hz``, ``notch_hz``,
        ``least_channels``.

    Returns
    -------
    ndarray of float32, (windows, channel, time)
        µV; zeros in windows the recording is too short for and in channels that are absent or bad.
    ndarray of bool, (windows,)
        Whether the recording covers the window completely.
    tuple of Remark
        Which channels are masked, and why.

    Raises
    ------
    DataError
        ``EEG_SHORT``, ``EEG_RATE`` and the codes of `montage`.
    """
    count, channels, samples = modality.shape
    seconds = modality.seconds or samples / modality.rate_hz
    used, pieces = _used(signal, seconds, count)
    if not pieces:
        _refuse_short(seconds)
    band = _band(signal, modality)
    made = montage(used, modality)
    prepared = np.zeros((count, channels, samples), dtype=np.float32)
    first = 0
    for (low, high), complete in pieces:
        flat = _filtered_piece(made.samples[:, low:high], signal.rate_hz, modality, band, complete * samples)
        prepared[first : first + complete] = flat.reshape(channels, complete, samples).transpose(1, 0, 2)
        first += complete
    prepared[:, made.masked] = 0.0
    return prepared, np.arange(count) < first, made.remarks


def _used(signal: Signal, seconds: float, count: int) -> tuple[Signal, list[tuple[tuple[int, int], int]]]:
    """The samples that whole windows need, and of every piece its place among them and its number of windows."""
    parts, pieces, left, at = [], [], count, 0
    for low, high in signal.pieces:
        # Windows may end between two samples, and what was read of the last stops at the nearer one.
        complete = min(left, int(np.floor((high - low + 0.5) / signal.rate_hz / seconds + 1e-9)))
        if complete:
            length = round(complete * seconds * signal.rate_hz)
            parts.append(signal.array[:, low : low + length])
            pieces.append(((at, at + parts[-1].shape[1]), complete))
            at += parts[-1].shape[1]
            left -= complete
    if not parts:
        return signal, []
    array = parts[0] if len(parts) == 1 else np.concatenate(parts, axis=1)
    return replace(signal, array=array, breaks=()), pieces


def _band(signal: Signal, modality: Modality) -> tuple[float, float]:
    band = modality.band_hz if modality.band_hz[1] > 0 else pass_band(modality, signal.rate_hz)
    # A filter needs some room above its band.
    if band[1] <= band[0] or band[1] * 1.02 >= signal.rate_hz / 2:
        raise DataError(
            "EEG_RATE",
            place="recording",
            rule=f"a sampling rate that holds {band[0]:g} to {band[1]:g} Hz",
            found="a lower one",
            remedy="Lower `band_hz`, or leave the recording refused.",
        )
    return band


def _filtered_piece(
    samples: np.ndarray, rate_hz: float, modality: Modality, band: tuple[float, float], length: int
) -> np.ndarray:
    """One uninterrupted piece, band-passed and at the rate of the modality, (channel, length)."""
    if modality.band_hz[1] > 0 or modality.notch_hz > 0:
        found = filtered_at_rate(samples, rate_hz, Band(*band, modality.notch_hz), modality.rate_hz)
        return _of_length(found, length)
    return _at_rate(_filtered(samples, rate_hz, band), rate_hz, modality, length)


def _refuse_short(seconds: float) -> NoReturn:
    raise DataError(
        "EEG_SHORT",
        place="recording",
        rule=f"at least one whole window of {seconds:g} s",
        found="a shorter recording",
        remedy="Shorten `segments.seconds`, or leave the recording refused.",
    )
