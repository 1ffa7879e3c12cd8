"""Which measured inputs of a record lie beyond those that its model was trained on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, final

import numpy as np

from clinfuse.cohort.cohort import Cohort

MARGIN = 0.1
FEWEST = 10


@final
@dataclass(frozen=True)
class Beyond:
    """One input beyond those of training.

    Parameters
    ----------
    modality, name : str
        Modality, and column or summary feature.
    side : {"above", "below"}
    """

    modality: str
    name: str
    side: Literal["above", "below"]


def beyond_training(cohort: Cohort, row: int, training: np.ndarray) -> tuple[Beyond, ...]:
    """Give the columns and summary features of a record that lie clearly beyond those of the training records.

    Clearly: by more than a tenth of the width between the lowest and the highest value of training, which holds the
    false alarms of many features down. How low and how high these are is not said, for they are values of patients.
    A column with fewer than 10 training values, or without a value for the record, is passed over; so are categories.

    Parameters
    ----------
    cohort : Cohort
    row : int
        The record's.
    training : ndarray of int64
        Rows of the training records.

    Examples
    --------
    >>> labs = {"labs": np.append(np.arange(12.0), 40.0)[:, None]}
    >>> cohort = Cohort.from_arrays(labs, labels=[0, 1] * 6 + [0], kinds={"labs": "ehr"})
    >>> [one.side for one in beyond_training(cohort, 12, np.arange(12))]
    ['above']
    """
    found = []
    for place, modality in enumerate(cohort.modalities):
        if not cohort.present[row, place]:
            continue
        features = cohort.features(modality.name)
        numeric = [column.kind == "number" for column in modality.columns] or [True] * len(features.names)
        for k, name in enumerate(features.names):
            side = _side(features.values[row, k], features.values[training, k]) if numeric[k] else None
            if side is not None:
                found.append(Beyond(modality.name, str(name), side))
    return tuple(found)


def _side(value: float, seen: np.ndarray) -> Literal["above", "below"] | None:
    known = seen[np.isfinite(seen)]
    if not np.isfinite(value) or len(known) < FEWEST:
        return None
    low, high = float(known.min()), float(known.max())
    room = MARGIN * (high - low)
    return "above" if value > high + room else "below" if value < low - room else None
