"""What columns of a health-record table look like when something went wrong; nothing is changed."""

from __future__ import annotations

import numpy as np

from clinfuse.cohort.modality import Column
from clinfuse.cohort.notes import Notes

# Two scales: a gap of at least a factor of two, wide against the spread on either side of it.
_GAP, _AGAINST_SPREAD, _SHARE, _DISTINCT = np.log(2.0), 4.0, 0.05, 3
_SOME = 20


def suspect(modality: str, columns: tuple[Column, ...], values: np.ndarray, notes: Notes) -> None:
    """Note columns without any value, columns that never vary, and columns that seem to be in two units.

    Nothing is dropped: which columns a model may use is decided on its training records alone.

    Parameters
    ----------
    modality : str
    columns : tuple of Column
    values : ndarray of float64, (records, columns)
    notes : Notes
    """
    for column, cells in zip(columns, values.T, strict=True):
        known = cells[np.isfinite(cells)]
        if not len(known):
            notes.tell("EHR_EMPTY", modality, 1, f"column without any value: {column.name}.")
        elif len(known) > 1 and (known == known[0]).all():
            notes.tell("EHR_CONSTANT", modality, 1, f"column with one value only: {column.name}.")
        elif column.kind == "number" and two_scales(known):
            text = f"column with two groups of values far apart: {column.name}. Two units, or a code for missing?"
            notes.tell("EHR_TWO_SCALES", modality, 1, text)


def two_scales(values: np.ndarray) -> bool:
    """Whether positive values fall into two groups whose distance dwarfs the spread inside either of them.

    Heights in m and in cm do; so do °C and °F, haemoglobin in g/dL and g/L, creatinine in mg/dL and µmol/L.

    Examples
    --------
    >>> metres = np.linspace(1.5, 1.95, 40)
    >>> two_scales(np.concatenate([metres, 100 * metres])), two_scales(metres)
    (True, False)
    """
    logs = np.sort(np.log(values[values > 0]))
    least = max(_DISTINCT, int(np.ceil(_SHARE * len(logs))))
    if len(logs) < max(_SOME, 2 * least):
        return False
    gaps = np.diff(logs)[least - 1 : len(logs) - least]
    at = int(np.argmax(gaps)) + least
    groups = logs[:at], logs[at:]
    if min(len(np.unique(group)) for group in groups) < _DISTINCT:
        return False
    spread = max(float(group.std()) for group in groups)
    return bool(gaps.max() >= _GAP and gaps.max() >= _AGAINST_SPREAD * spread)
