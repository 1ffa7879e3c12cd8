"""Which frequencies of a signal moved the answer: a map of integrated gradients shared out among bands."""

from __future__ import annotations

import numpy as np

from clinfuse.cohort.features import BANDS_HZ

REST = "other"
_SMALLEST = 1e-9


def band_parts(data: np.ndarray, map_: np.ndarray, rate_hz: float) -> dict[str, float]:
    """Give what each frequency band of a signal added to the logit; they sum to the whole map.

    Against a baseline of zero, integrated gradients are the signal times its mean gradient on the way there. The signal
    is the sum of its bands, so that each band's own part times the same gradient is what it added.

    Parameters
    ----------
    data, map_ : ndarray, (windows, channel, time)
        Signal, and its integrated gradients from zero.
    rate_hz : float

    Returns
    -------
    dict of str to float
        By band, delta to gamma, and ``"other"`` for what lies outside them.

    References
    ----------
    Sundararajan et al. 2017, arXiv:1703.01365 (integrated gradients are linear in the input where the path is).

    Examples
    --------
    >>> time = np.arange(64) / 64
    >>> ten, three = np.sin(2 * np.pi * 10 * time), np.sin(2 * np.pi * 3 * time)
    >>> signal = (ten + three)[None, None]
    >>> {name: round(part) for name, part in band_parts(signal, signal * ten, 64.0).items() if round(part)}
    {'alpha': 32}
    """
    signal, parts = np.asarray(data, np.float64), np.asarray(map_, np.float64)
    usable = np.abs(signal) > _SMALLEST
    gradient = np.divide(parts, signal, out=np.zeros_like(parts), where=usable)
    spectrum = np.fft.rfft(signal, axis=-1)
    frequencies = np.fft.rfftfreq(signal.shape[-1], 1 / rate_hz)
    found = {}
    for name, (low, high) in BANDS_HZ.items():
        band = np.fft.irfft(spectrum * ((frequencies >= low) & (frequencies < high)), n=signal.shape[-1], axis=-1)
        found[name] = float((band * gradient).sum())
    found[REST] = float(parts.sum()) - sum(found.values())
    return found
