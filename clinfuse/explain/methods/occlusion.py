"""Occlusion: a cuboid, a stretch of a channel or a column is replaced by the baseline, and the answer asked again."""

from __future__ import annotations

from typing import final

import numpy as np
import torch
from captum.attr import Occlusion as Captum

from clinfuse.cohort.modality import Modality
from clinfuse.explain.methods.base import ROWS_AT_ONCE, Answer, Method, Question, spread_out

EDGE_MM = 12.0
STRETCH_S = 0.5
PARTS = 8


@final
class Occlusion(Method):
    """What the answer loses when a part is hidden, one part after the other; parts do not overlap.

    A cuboid of 12 mm of an image (of an eighth of each axis where its spacing is unknown), half a second of one
    channel, or one prepared column. The values are no parts of a change: of two places that say the same
    neither has anything to lose.

    References
    ----------
    Zeiler and Fergus 2014, doi:10.1007/978-3-319-10590-1_53.
    """

    name = "occlusion"
    words = "occlusion"
    additive = False

    def attribute(self, question: Question) -> Answer:
        """Give the maps; the value of a part is shared among its elements."""
        inputs, baselines = question.ends
        sizes = [part(m, tuple(x.shape[1:])) for m, x in zip(question.modalities, inputs, strict=True)]
        with torch.no_grad():
            found = Captum(question.forward).attribute(
                inputs,
                baselines=baselines,
                sliding_window_shapes=tuple(sizes),
                strides=tuple(sizes),
                perturbations_per_eval=ROWS_AT_ONCE,
            )
        maps = [spread_out(one, numbered(tuple(one.shape[1:]), size)) for one, size in zip(found, sizes, strict=True)]
        ends = question.values(inputs, baselines)
        return self.answer(question, maps, ends[0] - ends[1])


def part(modality: Modality, shape: tuple[int, ...]) -> tuple[int, ...]:
    """Give the size of what is hidden at once, in elements along each axis of a prepared input.

    Examples
    --------
    >>> part(Modality("ct", "ct", (1, 32, 32, 16), spacing_mm=(3.0, 3.0, 5.0)), (1, 32, 32, 16))
    (1, 4, 4, 2)
    """
    if len(shape) == 1:
        return (1,)
    if modality.windowed:
        step = round(STRETCH_S * modality.rate_hz) if modality.rate_hz else -(-shape[2] // PARTS)
        return (1, 1, int(np.clip(step, 1, shape[2])))
    if len(modality.spacing_mm) != len(shape) - 1:
        return (shape[0], *(max(1, axis // PARTS) for axis in shape[1:]))
    edges = zip(shape[1:], modality.spacing_mm, strict=True)
    return (shape[0], *(int(np.clip(round(EDGE_MM / mm), 1, axis)) for axis, mm in edges))


def numbered(shape: tuple[int, ...], size: tuple[int, ...]) -> np.ndarray:
    """Number the parts of an input that are hidden at once, int64, from 0 without gaps."""
    places = [np.arange(axis) // step for axis, step in zip(shape, size, strict=True)]
    counts = [int(place[-1]) + 1 for place in places]
    return np.ravel_multi_index(np.meshgrid(*places, indexing="ij"), counts).astype(np.int64)
