"""Small variations of training inputs, by kind; drawn per record and epoch from the seed, never at prediction."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import pi
from typing import final

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from clinfuse.cohort.modality import Modality
from clinfuse.training.seeds import generator

_LARGEST_TURN = 10 * pi / 180
_LARGEST_SHIFT = 0.10  # of the field of view; half its width in normalised coordinates is 1
_LARGEST_ZOOM = 0.08
_LARGEST_GAIN = 0.08
_LARGEST_OFFSET = 0.08  # of the spread a network sees
_LARGEST_DELAY = 0.10  # of a window
_CHANNEL_LOSS = 0.05
_NOISE = 0.10


@final
@dataclass(frozen=True, eq=False)
class Variation:
    """What was drawn for a batch; drawing is kept apart from applying, so that a variation can be replayed.

    Parameters
    ----------
    theta : Tensor of float32, (batch, axes, axes + 1)
        Images: affine map of normalised coordinates, empty for signals.
    gain, offset : Tensor of float32, (batch,)
        Intensities become ``gain * x + offset``.
    delay : Tensor of int64, (batch,)
        Signals: samples by which every window is rotated.
    kept : Tensor of bool, (batch, channel)
        Signals: channels that are not dropped.
    noise : Tensor of float32, (batch, ...)
        Signals: added to the samples.
    """

    theta: Tensor
    gain: Tensor
    offset: Tensor
    delay: Tensor
    kept: Tensor
    noise: Tensor


def draw_variation(modality: Modality, ids: Sequence[str], *, seed: int, epoch: int) -> Variation:
    """Give what varies in each record of a batch in one epoch.

    Parameters
    ----------
    modality : Modality
        Not ``ehr``: tables are never varied.
    ids : sequence of str
        Record ids of the batch; a record's variation does not depend on its neighbours.
    seed, epoch : int
        Another seed or epoch draws anew.
    """
    drawers = [generator(seed, "augment", modality.name, record, epoch) for record in ids]
    if modality.windowed:
        return _signal_variation(modality, drawers)
    return _image_variation(modality, drawers)


def vary(x: Tensor, variation: Variation) -> Tensor:
    """Give the batch with its variation applied, same shape and type.

    Parameters
    ----------
    x : Tensor of float32, (batch, channel, [x,] y, z) or (batch, windows, channel, time)
    variation : Variation
    """
    if variation.theta.numel():
        grid = functional.affine_grid(variation.theta, list(x.shape), align_corners=False)
        x = functional.grid_sample(x, grid, padding_mode="border", align_corners=False)
        shape = (-1, *([1] * (x.ndim - 1)))
        return x * variation.gain.view(shape) + variation.offset.view(shape)
    rolled = torch.stack([torch.roll(row, int(d), dims=-1) for row, d in zip(x, variation.delay, strict=True)])
    rolled = rolled * variation.gain.view(-1, 1, 1, 1) + variation.noise
    return torch.where(variation.kept[:, None, :, None], rolled, torch.zeros_like(rolled))


def _image_variation(modality: Modality, drawers: list[np.random.Generator]) -> Variation:
    axes = len(modality.shape) - 1
    labels = modality.kind == "mask"
    empty = torch.zeros(0)
    gain = [1.0 if labels else 1 + g.uniform(-_LARGEST_GAIN, _LARGEST_GAIN) for g in drawers]
    offset = [0.0 if labels else g.uniform(-_LARGEST_OFFSET, _LARGEST_OFFSET) for g in drawers]
    theta = np.stack([_theta(modality, axes, g) for g in drawers])
    return Variation(
        torch.from_numpy(theta).float(), torch.tensor(gain).float(), torch.tensor(offset).float(), empty, empty, empty
    )


def _theta(modality: Modality, axes: int, drawer: np.random.Generator) -> np.ndarray:
    """An affine map of normalised coordinates; torch lists the last array axis first."""
    angle = drawer.uniform(-_LARGEST_TURN, _LARGEST_TURN)
    zoom = 1 + drawer.uniform(-_LARGEST_ZOOM, _LARGEST_ZOOM)
    shift = 2 * drawer.uniform(-_LARGEST_SHIFT, _LARGEST_SHIFT, axes)
    flip = -1.0 if modality.mirror and drawer.random() < 0.5 else 1.0
    cos, sin = np.cos(angle) * zoom, np.sin(angle) * zoom
    matrix = np.eye(axes) * zoom
    # Turned in the plane of the first two array axes (axial for a volume): coordinates are in reverse axis order.
    matrix[axes - 2 :, axes - 2 :] = [[cos, -sin], [sin, cos]]
    # Left and right lie along the first axis of a volume (RAS+) and along the last one of a radiograph.
    left_right = axes - 1 if axes == 3 else 0
    matrix[:, left_right] *= flip
    return np.concatenate([matrix, shift[:, None]], axis=1)


def _signal_variation(modality: Modality, drawers: list[np.random.Generator]) -> Variation:
    windows, channels, samples = modality.shape
    longest = max(1, int(samples * _LARGEST_DELAY))
    gain = torch.tensor([1 + g.uniform(-_LARGEST_GAIN, _LARGEST_GAIN) for g in drawers]).float()
    delay = torch.tensor([int(g.integers(-longest, longest + 1)) for g in drawers])
    kept = torch.from_numpy(np.stack([g.random(channels) >= _CHANNEL_LOSS for g in drawers]))
    noise = np.stack([g.standard_normal((windows, channels, samples), dtype=np.float32) for g in drawers])
    return Variation(torch.zeros(0), gain, torch.zeros(0), delay, kept, torch.from_numpy(noise) * _NOISE)
