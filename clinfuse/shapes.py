"""Names for the shapes of numpy arrays, free at run time."""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float, Int, Shaped

Voxels = Shaped[np.ndarray, "x y z"]
Pixels = Shaped[np.ndarray, "y x"]
Samples = Shaped[np.ndarray, "channel time"]
Affine = Float[np.ndarray, "4 4"]
Presence = Bool[np.ndarray, "record modality"]
RecordLogits = Float[np.ndarray, "record classes"]
RecordMask = Bool[np.ndarray, "record"]
RecordIndex = Int[np.ndarray, "record"]
Table = Float[np.ndarray, "record column"]

__all__ = [
    "Affine",
    "Pixels",
    "Presence",
    "RecordIndex",
    "RecordLogits",
    "RecordMask",
    "Samples",
    "Table",
    "Voxels",
]
