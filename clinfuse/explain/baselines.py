"""What an input is compared with, by name: air, a blurred image, silence, the middle of a table."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from scipy import ndimage

from clinfuse.cohort.modality import Modality
from clinfuse.errors import ConfigError
from clinfuse.training.explainable import Explainable
from clinfuse.training.seeds import generator

AIR_HU = -1000.0
# The first of each is the default.
BASELINES: Mapping[str, tuple[str, ...]] = {
    "ct": ("air", "blurred", "mean"),
    "mr": ("mean", "blurred"),
    "xray": ("mean", "blurred"),
    "mask": ("mean", "blurred"),
    "eeg": ("silence", "scrambled"),
    "ehr": ("median", "mean"),
}
_BLUR = 8


def chosen_baselines(asked: Mapping[str, str], modalities: Mapping[str, Modality]) -> dict[str, str]:
    """Give the name of every modality's baseline, its kind's default where none is asked for.

    Raises
    ------
    ConfigError
        ``ATTRIBUTE_BASELINE``: a modality or a baseline that there is not.

    Examples
    --------
    >>> chosen_baselines({}, {"ct": Modality("ct", "ct", (1, 8, 8, 8))})
    {'ct': 'air'}
    """
    for name, word in asked.items():
        known = BASELINES[modalities[name].kind] if name in modalities else ()
        if word not in known:
            rule = f"for modality {name} one of {', '.join(known)}" if known else f"one of {', '.join(modalities)}"
            raise ConfigError(
                "ATTRIBUTE_BASELINE", place="attribute", rule=rule, found="another name", remedy="Correct baselines."
            )
    return {name: asked.get(name, BASELINES[m.kind][0]) for name, m in modalities.items()}


def baseline(word: str, modality: Modality, taken: Explainable, *, seed: int) -> np.ndarray:
    """Give a baseline as the network sees it, float32 in the shape of the input (1, ...).

    Parameters
    ----------
    word : str
        A name of ``BASELINES``. ``"air"`` is -1000 HU after the window of the modality; ``"blurred"`` the record's own
        image, a Gaussian of an eighth of each axis wide; ``"mean"`` the mean of the training records; ``"silence"``
        0 µV; ``"scrambled"`` the record's own spectrum with drawn phases; ``"median"`` numbers at the training median,
        categories at no level, nothing missing.
    modality : Modality
    taken : Explainable
        Of the record.
    seed : int
        Of the phases.
    """
    x = np.asarray(taken.inputs[modality.name], np.float32)
    if word == "air":
        low = max(AIR_HU, modality.window[0]) if modality.window[0] < modality.window[1] else AIR_HU
        return np.full_like(x, (low - modality.centre) / modality.spread)
    if word == "blurred":
        return np.asarray(ndimage.gaussian_filter(x, (0, 0, *(axis / _BLUR for axis in x.shape[2:]))), np.float32)
    if word == "silence":
        return np.full_like(x, -modality.centre / modality.spread)
    if word == "scrambled":
        return _scrambled(x, modality.name, seed)
    if word == "median" and modality.name in taken.medians:
        return np.asarray(taken.medians[modality.name], np.float32).reshape(x.shape)
    return np.asarray(taken.baselines[modality.name], np.float32).reshape(x.shape)


def _scrambled(x: np.ndarray, name: str, seed: int) -> np.ndarray:
    """The same power at every frequency of every channel, at drawn phases (Theiler et al. 1992)."""
    spectrum = np.fft.rfft(x.astype(np.float64), axis=-1)
    turned = np.exp(2j * np.pi * generator(seed, "phases", name).random(spectrum.shape))
    turned[..., 0] = 1.0
    return np.fft.irfft(spectrum * turned, n=x.shape[-1], axis=-1).astype(np.float32)


def baseline_words(word: str, modality: Modality) -> str:
    """Say what a map compares the input with.

    Examples
    --------
    >>> baseline_words("air", Modality("ct", "ct", (1, 8, 8, 8), window=(-160.0, 240.0)))
    'air (-1000 HU, in this window -160 HU) everywhere'
    """
    low = modality.window[0] if modality.window[0] < modality.window[1] else AIR_HU
    shown = f", in this window {low:g} HU" if low > AIR_HU else ""
    thing = "table" if modality.kind == "ehr" else "image"
    return {
        "air": f"air (-1000 HU{shown}) everywhere",
        "blurred": "its own image, blurred until only the outline is left",
        "silence": "a signal of 0 µV",
        "scrambled": "its own signal with its phases drawn anew",
        "median": "the typical row of the training patients: medians, no category, nothing missing",
    }.get(word, f"the mean {thing} of the training patients")
