"""Band-pass, notch and change of rate in one step: MNE's default filters, applied where they cost least.

A zero-phase FIR filter multiplies a spectrum by real numbers, and a lower rate is the same spectrum cut short. Both
together need one transform and one, shorter, back; MNE's default chain transforms for the filter and again for the
rate. The signal is taken in overlapping blocks that stay in the processor's cache: several times faster than whole, and
no recording is too long.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from typing import final

import numpy as np
from scipy import fft

_BLOCK = 32768


@final
@dataclass(frozen=True)
class Band:
    """What is kept of a signal.

    Parameters
    ----------
    low_hz, high_hz : float
        Edges of the band; the transitions are MNE's: a quarter of the edge, at least 2 Hz.
    notch_hz : float
        Mains frequency taken out together with its multiples; 0 for none.
    """

    low_hz: float
    high_hz: float
    notch_hz: float = 0.0


def filtered_at_rate(samples: np.ndarray, rate_hz: float, band: Band, wanted_hz: float) -> np.ndarray:
    """A signal band-passed and at another rate.

    Equal to ``raw.filter(low, high)`` followed by ``raw.resample(wanted)`` of MNE with their defaults (zero-phase FIR,
    Hamming window, ``firwin``; resampling by FFT) but for the first and last half filter length, 3.3 s for 0.5 Hz,
    where the clocks share whole samples (256 to 128 Hz). At other ratios, 500 to 64 Hz say, MNE stretches the signal
    by up to half a sample, and this does not.

    Parameters
    ----------
    samples : ndarray of float, (channel, time)
        Uninterrupted.
    rate_hz : float
        Of the samples.
    band : Band
    wanted_hz : float
        Rate of the result, at least twice the upper edge.

    Returns
    -------
    ndarray of float32, (channel, time)

    References
    ----------
    Widmann A, Schröger E, Maess B. Digital filter design for electrophysiological data - a practical approach.
    J Neurosci Methods 2015;250:34-46. doi:10.1016/j.jneumeth.2014.08.002

    Examples
    --------
    >>> import numpy as np
    >>> time = np.arange(20 * 256) / 256
    >>> mixed = np.sin(2 * np.pi * 10 * time) + np.sin(2 * np.pi * 60 * time)
    >>> found = filtered_at_rate(mixed[None], 256.0, Band(0.5, 40.0), 128.0)
    >>> wanted = np.sin(2 * np.pi * 10 * np.arange(20 * 128) / 128)
    >>> found.shape, bool(np.abs(found[0] - wanted)[512:-512].max() < 0.01)
    ((1, 2560), True)
    """
    ratio = Fraction(wanted_hz / rate_hz).limit_denominator(1000)
    step, count = ratio.denominator, samples.shape[1]
    # Half of the margin is what the filter reaches, half lets the ringing of the new rate fade; in whole steps of the
    # slower clock, so that every block begins with a sample of the result.
    margin = step * -(-sum(len(kernel) - 1 for kernel in _kernels(rate_hz, band)) // step)
    wanted = min(max(_BLOCK, 8 * margin), count + 2 * margin)
    block = step * int(fft.next_fast_len(-(-wanted // step), real=True))
    hop = block - 2 * margin
    blocks = -(-count // hop)
    short, (low, high) = int(block * ratio), (int(margin * ratio), int((margin + hop) * ratio))
    response = _response(rate_hz, band, block)[: short // 2 + 1] * np.float32(short / block)
    found = np.empty((len(samples), round(count * ratio)), dtype=np.float32)
    padded = np.zeros(blocks * hop + 2 * margin, dtype=np.float32)
    parts = np.lib.stride_tricks.sliding_window_view(padded, block)[::hop]
    for row, target in zip(samples, found, strict=True):
        _pad(padded, row, margin)
        spectra = fft.rfft(parts)[:, : len(response)]
        spectra *= response
        target[:] = fft.irfft(spectra, short)[:, low:high].reshape(-1)[: len(target)]
    return found


def _pad(padded: np.ndarray, row: np.ndarray, margin: int) -> None:
    """The row about its mean, continued at both ends by its point reflection as far as it is long, then by zeros."""
    count = len(row)
    padded[:margin] = 0
    padded[margin + count :] = 0
    middle = padded[margin : margin + count]
    np.subtract(row, row.dtype.type(row.mean(dtype=np.float64)), out=middle, casting="same_kind")
    reach = min(margin, count - 1)
    if reach:
        padded[margin - reach : margin] = 2 * middle[0] - middle[reach:0:-1]
        padded[margin + count :][:reach] = 2 * middle[-1] - middle[-2 : -2 - reach : -1]


@lru_cache(maxsize=16)
def _kernels(rate_hz: float, band: Band) -> tuple[np.ndarray, ...]:
    """MNE's filters: the band-pass, and a band-stop for each multiple of the mains that it lets through."""
    # MNE takes a quarter of a second to import, and whoever sets no band needs none of it.
    from mne.filter import create_filter

    kernels = [create_filter(None, rate_hz, band.low_hz, band.high_hz, verbose="CRITICAL")]
    heard = min(rate_hz / 2 - 2, 1.25 * band.high_hz + 2)
    mains = band.notch_hz
    while 0 < mains < heard:
        half = mains / 400 + 0.5
        widths = {"l_trans_bandwidth": 0.5, "h_trans_bandwidth": 0.5}
        kernels.append(create_filter(None, rate_hz, mains + half, mains - half, verbose="CRITICAL", **widths))
        mains += band.notch_hz
    return tuple(kernels)


@lru_cache(maxsize=16)
def _response(rate_hz: float, band: Band, length: int) -> np.ndarray:
    """What each frequency of a transform of this length is multiplied with, float32."""
    total = np.ones(length // 2 + 1)
    for kernel in _kernels(rate_hz, band):
        turned = np.zeros(length)
        turned[: len(kernel)] = kernel
        total *= fft.rfft(np.roll(turned, -(len(kernel) // 2))).real
    return total.astype(np.float32)
