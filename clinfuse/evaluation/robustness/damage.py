"""Inputs that are there and are not what they were: parts lost, noise, shifts; each drawn for a record by its name."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import final

import numpy as np

from clinfuse.cohort.cohort import Cohort
from clinfuse.cohort.modality import Modality

_MAINS_HZ = 50.0
SHARES = (0.25, 0.5, 0.75)
SPREADS = (0.25, 0.5, 1.0)


@final
@dataclass(frozen=True, eq=False)
class Damage:
    """One way in which an input is spoiled.

    Parameters
    ----------
    name : str
    kinds : tuple of str
        Of the modalities it befalls.
    grades : tuple of float
        From mild to severe.
    unit : str
        What a grade is a share of.
    spoil : callable, (array, modality, grade, generator) -> array
        One prepared input, float64, and what is left of it; NaN in a table is an empty cell.
    """

    name: str
    kinds: tuple[str, ...]
    grades: tuple[float, ...]
    unit: str
    spoil: Callable[[np.ndarray, Modality, float, np.random.Generator], np.ndarray]


def _slices_lost(array: np.ndarray, modality: Modality, grade: float, draw: np.random.Generator) -> np.ndarray:
    """The field of view ends too early, above or below; beyond it there is nothing but the lowest value."""
    lost = round(grade * array.shape[-1])
    rows = slice(None, lost) if draw.random() < 0.5 else slice(array.shape[-1] - lost, None)
    array[..., rows] = modality.window[0] if modality.window[1] > modality.window[0] else array.min()
    return array


def _slices_repeated(array: np.ndarray, modality: Modality, grade: float, draw: np.random.Generator) -> np.ndarray:
    """Single slices are missing, and the one before stands in their place."""
    gone = np.asarray(draw.random(array.shape[-1]) < grade)
    gone[0] = False
    source = np.maximum.accumulate(np.where(gone, 0, np.arange(array.shape[-1])))
    return array[..., source]


def _noise(array: np.ndarray, modality: Modality, grade: float, draw: np.random.Generator) -> np.ndarray:
    return array + grade * modality.spread * draw.standard_normal(array.shape)


def _shift(array: np.ndarray, modality: Modality, grade: float, draw: np.random.Generator) -> np.ndarray:
    return array + grade * modality.spread * (1 if draw.random() < 0.5 else -1)


def _channels_lost(array: np.ndarray, modality: Modality, grade: float, draw: np.random.Generator) -> np.ndarray:
    """A lost electrode is zero in every window, as preparation leaves it."""
    channels = array.shape[1]
    lost = draw.permutation(channels)[: round(grade * channels)]
    array[:, lost] = 0.0
    return array


def _line_noise(array: np.ndarray, modality: Modality, grade: float, draw: np.random.Generator) -> np.ndarray:
    """The mains in every channel, each with a phase of its own."""
    seconds = np.arange(array.shape[2]) / (modality.rate_hz or 1.0)
    phase = 2 * np.pi * draw.random((array.shape[1], 1))
    wave = np.sin(2 * np.pi * (modality.notch_hz or _MAINS_HZ) * seconds + phase)
    return array + grade * modality.spread * np.sqrt(2) * wave


def _gain(array: np.ndarray, modality: Modality, grade: float, draw: np.random.Generator) -> np.ndarray:
    """Every channel is amplified by another factor, as with electrodes that sit badly."""
    factor = np.exp((2 * draw.random(array.shape[1]) - 1) * np.log1p(grade))
    return array * factor[:, None]


def _cells_emptied(array: np.ndarray, modality: Modality, grade: float, draw: np.random.Generator) -> np.ndarray:
    array[draw.random(array.shape) < grade] = np.nan
    return array


VOLUMES = ("ct", "mr")
DAMAGES = (
    Damage("slices lost", VOLUMES, SHARES, "of the slices", _slices_lost),
    Damage("slices repeated", VOLUMES, SHARES, "of the slices", _slices_repeated),
    Damage("noise", (*VOLUMES, "xray", "eeg"), SPREADS, "of the spread a network sees", _noise),
    Damage("shift", (*VOLUMES, "xray"), SPREADS, "of the spread a network sees", _shift),
    Damage("channels lost", ("eeg",), SHARES, "of the channels", _channels_lost),
    Damage("line noise", ("eeg",), SPREADS, "of the spread a network sees", _line_noise),
    Damage("uneven gain", ("eeg",), SPREADS, "by which channels are amplified or damped at most", _gain),
    Damage("cells emptied", ("ehr",), SHARES, "of the cells", _cells_emptied),
)
SHUFFLED = "columns exchanged"


def damages_of(modality: Modality) -> tuple[Damage, ...]:
    """Give what may befall a modality; tables can also have columns exchanged between patients (`exchanged`).

    Examples
    --------
    >>> [damage.name for damage in damages_of(Modality("film", "xray", (1, 4, 4)))]
    ['noise', 'shift']
    """
    return tuple(damage for damage in DAMAGES if modality.kind in damage.kinds)


def spoiled(cohort: Cohort, name: str, damage: Damage, grade: float, *, seed: int) -> Cohort:
    """Give the records with one modality alone, spoiled where they have it.

    Parameters
    ----------
    cohort : Cohort
        Test records: nothing is to be learned from the result.
    name : str
        Of the modality.
    damage : Damage
    grade : float
    seed : int
        With the record's id and the damage it fixes what befalls a record, whatever its place.

    Returns
    -------
    Cohort
        The same records in the same order, with this modality only; a table left without any value is absent.
    """
    modality = cohort.modality(name)
    stored = np.asarray(cohort.arrays(name))
    here = np.asarray(cohort.present)[:, cohort.names.index(name)]
    result = stored.astype(np.float64)
    for row in np.flatnonzero(here):
        draw = _generator(seed, damage.name, name, str(cohort.record_ids[row]))
        result[row] = damage.spoil(result[row].copy(), modality, grade, draw)
    return _alone(cohort, modality, result, stored.dtype, here)


def exchanged(cohort: Cohort, name: str, share: float, *, seed: int) -> Cohort:
    """Give the records with one table alone, whose values a share of the records has exchanged, column by column.

    Parameters
    ----------
    cohort, name, seed
        As for `spoiled`.
    share : float
        Of the records; which, and with whom, goes by their ids.
    """
    modality = cohort.modality(name)
    values = np.array(cohort.arrays(name), dtype=np.float64)
    here = np.asarray(cohort.present)[:, cohort.names.index(name)]
    for column in range(values.shape[1]):
        marks = np.array([_number(seed, SHUFFLED, name, column, str(one)) for one in cohort.record_ids])
        rows = np.flatnonzero(here & (marks < share))
        rows = rows[np.argsort(marks[rows], kind="stable")]
        values[rows, column] = values[np.roll(rows, 1), column]
    return _alone(cohort, modality, values, np.dtype(np.float64), here)


def _alone(cohort: Cohort, modality: Modality, values: np.ndarray, dtype: np.dtype, here: np.ndarray) -> Cohort:
    if modality.windowed:
        values = np.where(
            cohort.window_mask(modality.name).reshape(len(values), -1, *([1] * (values.ndim - 2))), values, np.nan
        )
    elif modality.kind != "ehr":
        low, high = modality.window
        values = np.clip(values, low, high) if high > low else values
    exact = values.round() if dtype.kind in "iu" else values
    return Cohort.from_arrays(
        {modality.name: exact.astype(dtype)},
        labels=np.asarray(cohort.labels),
        kinds={modality.name: modality},
        present={modality.name: here.copy()},
        record_ids=[str(one) for one in cohort.record_ids],
        patient_ids=[str(one) for one in cohort.patient_ids],
        classes=cohort.classes,
        task=cohort.task,
    )


def _generator(*purpose: object) -> np.random.Generator:
    return np.random.default_rng(int.from_bytes(_digest(purpose)[:8], "big"))


def _number(*purpose: object) -> float:
    return int.from_bytes(_digest(purpose)[:8], "big") / 2.0**64


def _digest(purpose: Sequence[object]) -> bytes:
    return hashlib.sha256("\x1f".join(str(part) for part in purpose).encode()).digest()
