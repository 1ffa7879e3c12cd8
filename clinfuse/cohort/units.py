"""Units of measurements: the declared one, others with a declared factor, and nothing converted by guessing."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping

import numpy as np
import pandas as pd

from clinfuse.cohort.joins import plain
from clinfuse.errors import DataError

_PREFIXES = {"": 0, "k": 3, "d": -1, "c": -2, "m": -3, "µ": -6, "μ": -6, "u": -6, "n": -9, "p": -12, "f": -15}
_SCALED = ("g", "mol", "L", "l", "U", "IU", "kat", "eq", "Eq", "m", "s", "Pa")
_PLAIN = (
    "%",
    "°C",
    "°F",
    "K",
    "mmHg",
    "bpm",
    "/min",
    "1/min",
    "h",
    "min",
    "d",
    "kg/m2",
    "cells",
    "10^9",
    "10^12",
    "G",
    "T",
)
_PART = re.compile(rf"({'|'.join(_PREFIXES)})({'|'.join(sorted(_SCALED, key=len, reverse=True))})")
_SHOWN = 4


def factors(written: pd.Series, unit: str, units: Mapping[str, float]) -> np.ndarray:
    """What each value has to be multiplied with to be in the declared unit; NaN where nothing says.

    Parameters
    ----------
    written : Series of str
        The unit beside each value.
    unit : str
        The declared one.
    units : mapping of str to float
        Declared factors of other units.

    Returns
    -------
    ndarray of float64, (values,)

    Examples
    --------
    >>> factors(pd.Series(["mg/L", "mg/dL", ""]), "mg/L", {"mg/dL": 10.0}).tolist()
    [1.0, 10.0, nan]
    """
    known = {**{plain(other): float(factor) for other, factor in units.items()}, plain(unit): 1.0}
    codes, distinct = pd.factorize(written)
    return np.array([known.get(plain(each), np.nan) for each in distinct], dtype=np.float64)[codes]


def check_some(name: str, written: pd.Series, unit: str, found: np.ndarray) -> None:
    """Refuse a column of which not one value is in the declared unit.

    Raises
    ------
    DataError
        ``EHR_UNIT``, with the factor where units differ by powers of ten only.
    """
    if not len(found) or np.isfinite(found).any():
        return
    counts = Counter(shown(each) for each in written)
    listed = ", ".join(f"{number} in {each}" for each, number in counts.most_common(_SHOWN))
    known = [each for each in counts if each not in (_OTHER, _NONE)]
    remedy = "Declare the `unit` of the table, or the factor of its unit in `units`."
    if len(known) == 1:
        factor = metric_factor(known[0], unit)
        remedy = f'Write `unit = "{known[0]}"` if the column is to have that unit'
        remedy += (
            f', or `units = {{ "{known[0]}" = {factor!r} }}` to convert it.'
            if factor
            else ", or its factor in `units`."
        )
    place = f"column {name!r}"
    raise DataError("EHR_UNIT", place=place, rule=f"values in {unit}", found=listed, remedy=remedy)


_OTHER, _NONE = "another unit", "no unit"


def shown(written: str) -> str:
    """A unit as a message may print it: only what is built of known symbols, so that no other text is repeated.

    Examples
    --------
    >>> [shown(each) for each in ("mg/dL", "µmol/l", "Meyer", "")]
    ['mg/dL', 'µmol/l', 'another unit', 'no unit']
    """
    text = written.strip()
    if not text:
        return _NONE
    parts = text.split("/")
    return text if text in _PLAIN or all(_PART.fullmatch(part) for part in parts) else _OTHER


def metric_factor(one: str, other: str) -> float:
    """The power of ten between two units of the same quantities; 0 where they are not, or nothing says.

    Examples
    --------
    >>> metric_factor("mg/dL", "mg/L"), metric_factor("g/L", "g/dL"), metric_factor("mg/dL", "µmol/L")
    (10.0, 0.1, 0.0)
    """
    pairs = [[_PART.fullmatch(part) for part in unit.split("/")] for unit in (one, other)]
    if len(pairs[0]) != len(pairs[1]):
        return 0.0
    power = 0
    for k, (mine, yours) in enumerate(zip(*pairs, strict=True)):
        if mine is None or yours is None or mine[2].casefold() != yours[2].casefold():
            return 0.0
        step = _PREFIXES[mine[1]] - _PREFIXES[yours[1]]
        power += step if k == 0 else -step
    return float(f"1e{power}")
