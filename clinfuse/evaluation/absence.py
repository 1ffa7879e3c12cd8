"""Who lacks what, made up: masks over a cohort that exists, drawn for each record by its name."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

import numpy as np


def record_uniforms(ids: Any, names: Sequence[str], draws: int, *, seed: int, purpose: str) -> np.ndarray:
    """Draw numbers for each record and modality that depend on their names and on nothing else.

    Parameters
    ----------
    ids : sequence of str
        Of records: neither their order nor which others there are changes what one of them gets.
    names : sequence of str
        Of modalities.
    draws : int
    seed : int
    purpose : str

    Returns
    -------
    ndarray of float64, (draws, records, modalities)
        Uniform in [0, 1).

    Examples
    --------
    >>> first = record_uniforms(["a", "b"], ["ct"], 3, seed=0, purpose="drop")
    >>> bool((first[:, 1:] == record_uniforms(["b"], ["ct"], 3, seed=0, purpose="drop")).all())
    True
    """
    drawn = np.empty((draws, len(ids), len(names)))
    for row, name in enumerate(ids):
        for column, modality in enumerate(names):
            text = "\x1f".join((str(seed), purpose, str(name), modality))
            content = hashlib.shake_256(text.encode()).digest(8 * draws)
            drawn[:, row, column] = (np.frombuffer(content, dtype="<u8") >> np.uint64(11)) * 2.0**-53
    return drawn
