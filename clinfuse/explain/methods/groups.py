"""Which elements of an input are changed together: blocks of an image, a channel in a window, a declared column."""

from __future__ import annotations

import numpy as np

from clinfuse.cohort.modality import Modality
from clinfuse.explain.features import owner
from clinfuse.explain.methods.base import Question
from clinfuse.explain.quality.units import units

MOST_BLOCKS = 64


def groups(question: Question) -> tuple[np.ndarray, ...]:
    """Give the group of every element of every input, int64, numbered on from one input to the next.

    An image has 64 blocks at most; a signal one group for each channel of each window; a table one for the prepared
    columns of each declared one.
    """
    result, first = [], 0
    for k, (modality, x) in enumerate(zip(question.modalities, question.inputs, strict=True)):
        names = question.names[k] if question.names else ()
        own = _own(modality, tuple(x.shape[1:]), names)
        result.append(own + first)
        first += int(own.max()) + 1
    return tuple(result)


def _own(modality: Modality, shape: tuple[int, ...], names: tuple[str, ...]) -> np.ndarray:
    if modality.windowed:
        return np.broadcast_to(np.arange(shape[0] * shape[1]).reshape(*shape[:2], 1), shape).copy()
    if len(shape) > 1:
        return units(modality, shape, most=MOST_BLOCKS)
    owners = [owner(name, modality.columns) for name in names] if len(names) == shape[0] else [-1] * shape[0]
    alone = [k if k >= 0 else len(modality.columns) + position for position, k in enumerate(owners)]
    return np.unique(alone, return_inverse=True)[1].astype(np.int64)
