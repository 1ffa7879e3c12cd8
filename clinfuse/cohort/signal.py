"""An EEG recording to windows of fixed length: nothing after the used part of the recording has any influence."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
from scipy.signal import butter, cheby2, resample_poly, sosfiltfilt

from clinfuse.cohort.modality import Modality
from clinfuse.errors import DataError
from clinfuse.io.values import Signal

TEN_TWENTY = (
    "Fp1", "Fp2", "F7", "F3", "Fz", "F4", "F8", "T7", "C3", "Cz", "C4", "T8", "P7", "P3", "Pz", "P4", "P8", "O1", "O2",
)  # fmt: skip
_ALIASES = {"T3": "T7", "T4": "T8", "T5": "P7", "T6": "P8"}
_PREFIXES = ("EEG ", "EEG_", "EEG-", "POL ")
_REFERENCES = ("REF", "LE", "AR", "AV", "AVG", "A1", "A2", "A1A2", "M1", "M2")
LOWEST_HZ = 0.5
HIGHEST_HZ = 45.0


def electrode(name: str) -> str:
    """The electrode a channel name stands for, upper case, in the newer of the two 10-20 spellings.

    ``"EEG T3-Ref"``, ``"t7.."`` and ``"T3"`` are all ``"T7"``; a bipolar name such as ``"Fp1-F7"`` stays whole.

    Examples
    --------
    >>> electrode("EEG T3-Ref"), electrode("fp1."), electrode("Fp1-F7")
    ('T7', 'FP1', 'FP1-F7')
    """
    text = " ".join(name.upper().split())
    for prefix in _PREFIXES:
        text = text.removeprefix(prefix)
    text = text.rstrip(". ")
    head, _, tail = text.partition("-")
    text = head.strip() if tail.strip() in _REFERENCES else text
    return _ALIASES.get(text, text)


def _position(signal: Signal, wanted: str) -> int:
    found = [row for row, name in enumerate(signal.channels) if electrode(name) == electrode(wanted)]
    if not found:
        raise DataError(
            "EEG_CHANNEL",
            place="recording",
            rule=f"channel {wanted}, by this name or its other 10-20 name",
            found="no such channel",
            remedy="Take the channel out of `channels`, or leave the recording refused.",
        )
    if len(found) > 1:
        raise DataError(
            "EEG_CHANNEL_TWICE",
            place="recording",
            rule=f"one channel that is {wanted}",
            found=f"{len(found)} channels",
            remedy="Export the recording with one channel per electrode.",
        )
    return found[0]


def _picked(signal: Signal, modality: Modality) -> np.ndarray:
    if modality.channels:
        rows = [_position(signal, name) for name in modality.channels]
    elif len(signal.channels) == modality.shape[1]:
        rows = list(range(len(signal.channels)))
    else:
        raise DataError(
            "EEG_CHANNELS",
            place="recording",
            rule=f"{modality.shape[1]} channels",
            found=f"{len(signal.channels)}",
            remedy="Name the `channels` to use in cohort.toml.",
        )
    samples = signal.array[rows].astype(np.float64)
    if modality.reference == "average":
        return samples - samples.mean(axis=0)
    if modality.reference == "as recorded":
        return samples
    return samples - signal.array[_position(signal, modality.reference)].astype(np.float64)


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
    short = length - samples.shape[1]
    return np.pad(samples, ((0, 0), (0, max(short, 0))), mode="edge")[:, :length]


def windows_of(signal: Signal, modality: Modality) -> tuple[np.ndarray, np.ndarray]:
    """Prepare a recording.

    The order is: pick channels by name, cut the first ``windows x seconds``, re-reference, band-pass
    (Butterworth high-pass of order 2, Chebyshev II low-pass of order 10, both forwards and backwards, so zero phase;
    see `pass_band`), change the rate, cut into windows. What was
    recorded after the used part cannot reach it, so how long the recording went on is no input.

    Parameters
    ----------
    signal : Signal
        µV.
    modality : Modality
        Of kind ``eeg``: ``shape``, ``channels``, ``rate_hz``, ``seconds``, ``reference``.

    Returns
    -------
    ndarray of float32, (windows, channel, time)
        µV; zeros in windows the recording is too short for.
    ndarray of bool, (windows,)
        Whether the recording covers the window completely.

    Raises
    ------
    DataError
        ``EEG_CHANNEL``, ``EEG_CHANNEL_TWICE``, ``EEG_CHANNELS``, ``EEG_SHORT``, ``EEG_RATE``.
    """
    count, channels, samples = modality.shape
    seconds = modality.seconds or samples / modality.rate_hz
    complete = min(count, int(np.floor(signal.seconds / seconds + 1e-9)))
    if complete == 0:
        raise DataError(
            "EEG_SHORT",
            place="recording",
            rule=f"at least one whole window of {seconds:g} s",
            found="a shorter recording",
            remedy="Shorten `segments.seconds`, or leave the recording refused.",
        )
    band = pass_band(modality, signal.rate_hz)
    if band[1] <= band[0]:
        raise DataError(
            "EEG_RATE",
            place="recording",
            rule=f"a sampling rate that holds more than {LOWEST_HZ} Hz",
            found="a lower one",
            remedy="Leave the recording refused.",
        )
    used = round(complete * seconds * signal.rate_hz)
    cut = Signal(signal.array[:, :used], signal.rate_hz, signal.channels)
    filtered = _filtered(_picked(cut, modality), signal.rate_hz, band)
    flat = _at_rate(filtered, signal.rate_hz, modality, complete * samples)
    prepared = np.zeros((count, channels, samples), dtype=np.float32)
    prepared[:complete] = flat.reshape(channels, complete, samples).transpose(1, 0, 2)
    return prepared, np.arange(count) < complete
