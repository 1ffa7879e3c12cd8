"""What is hidden together when a map is put to the test: a block of an image, a stretch of a channel, a column."""

from __future__ import annotations

import math

import numpy as np

from clinfuse.cohort.modality import Modality

MOST = 64


def units(modality: Modality, shape: tuple[int, ...], *, most: int = MOST) -> np.ndarray:
    """Number the parts of a prepared input that are hidden together.

    Single voxels and samples would leave a picture full of holes that no model has ever seen, and there are too many.

    Parameters
    ----------
    modality : Modality
    shape : tuple of int
        Of the input without its batch axis: (channel, and the axes of space), (windows, channel, time) or (columns,).
    most : int
        Units at most, unless a signal has more channels in its windows, or a table more columns.

    Returns
    -------
    ndarray of int64, `shape`
        From 0, without gaps.

    Examples
    --------
    >>> units(Modality("chest", "xray", (1, 4, 4)), (1, 4, 4), most=4)[0].tolist()
    [[0, 0, 1, 1], [0, 0, 1, 1], [2, 2, 3, 3], [2, 2, 3, 3]]
    """
    steps: tuple[int, ...]
    if len(shape) == 1:
        return np.arange(shape[0])
    if modality.windowed:
        pieces = max(1, most // math.prod(shape[:2]))
        steps = (1, 1, -(-shape[2] // min(pieces, shape[2])))
    else:
        steps = (shape[0], *_steps(shape[1:], most))
    places = [np.arange(size) // step for size, step in zip(shape, steps, strict=True)]
    counts = [int(place[-1]) + 1 for place in places]
    return np.ravel_multi_index(np.meshgrid(*places, indexing="ij"), counts).astype(np.int64)


def _steps(space: tuple[int, ...], most: int) -> list[int]:
    steps = [1] * len(space)
    while math.prod(counts := [-(-size // step) for size, step in zip(space, steps, strict=True)]) > most:
        steps[counts.index(max(counts))] += 1
    return steps


def summed(values: np.ndarray, numbers: np.ndarray) -> np.ndarray:
    """Sum a map over each unit, float64 (units,)."""
    return np.bincount(numbers.ravel(), np.asarray(values, np.float64).ravel(), minlength=int(numbers.max()) + 1)
