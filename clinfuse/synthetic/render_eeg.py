"""A resting EEG whose theta rhythm over four left-sided electrodes is the latent."""

from __future__ import annotations

import numpy as np

from clinfuse.synthetic.draws import generator
from clinfuse.synthetic.settings import SyntheticSettings

CHANNELS = (
    *("Fp1", "Fp2", "F7", "F3", "Fz", "F4", "F8", "T7", "C3", "Cz", "C4", "T8"),
    *("P7", "P3", "Pz", "P4", "P8", "O1", "O2"),
)
PLANTED_CHANNELS = ("T7", "C3", "P7", "P3")
BAND_HZ = (4.5, 6.5)
WINDOWS = 3
THETA_UV = 6.0
PLANTED_UV = 12.0
PLANTED_STEP = 0.4
PINK_UV = 12.0
_POSTERIOR = ("P7", "P3", "Pz", "P4", "P8", "O1", "O2")
_TONES = 3


def render_eeg(settings: SyntheticSettings, row: int, z: float, views: np.ndarray) -> np.ndarray:
    """Render the EEG of a record.

    Parameters
    ----------
    settings : SyntheticSettings
    row : int
        Number of the record, from 0.
    z : float
        Latent: theta (4.5 to 6.5 Hz) of 12 exp(0.4 z) µV at T7, C3, P7 and P3, of 6 µV elsewhere.
    views : ndarray of float64, (factors,)
        What this modality shows of size (amplitude of everything), build (amplitude of alpha), age (frequency of
        alpha) and rhythm (frequency of beta).

    Returns
    -------
    ndarray of float32, (channel, time)
        µV, 19 channels at ``settings.eeg_rate_hz``, three windows long.
    """
    draw = generator(settings.seed, "eeg", row)
    size, build, age, rhythm = settings.factor_strength * np.asarray(views)
    seconds = WINDOWS * settings.window_seconds
    time = np.arange(seconds * settings.eeg_rate_hz) / settings.eeg_rate_hz
    planted = np.isin(CHANNELS, PLANTED_CHANNELS)
    theta = np.where(planted, PLANTED_UV * np.exp(PLANTED_STEP * z), THETA_UV)
    alpha = np.where(np.isin(CHANNELS, _POSTERIOR), 9.0, 3.0) * np.exp(0.4 * build)
    signal = _pink(draw, len(CHANNELS), len(time), settings.eeg_rate_hz)
    for tone in range(_TONES):
        # One tone in each third of the band: two close ones would beat, and a window would show more than the next.
        low = BAND_HZ[0] + (BAND_HZ[1] - BAND_HZ[0]) * (tone + 0.25) / _TONES
        frequency = low + draw.uniform(0, 0.5 * (BAND_HZ[1] - BAND_HZ[0]) / _TONES)
        signal += _tone(draw, time, frequency, theta / np.sqrt(_TONES))
    signal += _tone(draw, time, 10 - 0.8 * age, alpha)
    signal += _tone(draw, time, 19 + 2.0 * rhythm, np.full(len(CHANNELS), 2.5))
    return (np.exp(0.15 * size) * signal).astype(np.float32)


def _tone(draw: np.random.Generator, time: np.ndarray, frequency: float, amplitude: np.ndarray) -> np.ndarray:
    phase = draw.uniform(0, 2 * np.pi, len(amplitude))[:, None]
    return amplitude[:, None] * np.cos(2 * np.pi * frequency * time + phase)


def _pink(draw: np.random.Generator, channels: int, samples: int, rate_hz: int) -> np.ndarray:
    frequency = np.fft.rfftfreq(samples, 1 / rate_hz)
    shape = np.where(frequency >= 0.5, 1 / np.sqrt(np.maximum(frequency, 0.5)), 0.0)
    spectrum = shape * (
        draw.standard_normal((channels, len(shape))) + 1j * draw.standard_normal((channels, len(shape)))
    )
    noise = np.fft.irfft(spectrum, samples, axis=1)
    # One scale for all channels, so that channels differ in amplitude as they were drawn.
    return PINK_UV * noise / np.sqrt(np.mean(np.square(noise)))
