"""Grad-CAM: channels of a layer weighed by their mean gradient, drawn in the size of the input."""

from __future__ import annotations

from typing import final

import numpy as np
import torch
from captum.attr import LayerGradCam as Captum
from torch import Tensor, nn

from clinfuse.explain.methods.base import Answer, Method, Question

FEWEST_CELLS = 8
_STRAIGHT = {3: "linear", 4: "bilinear", 5: "trilinear"}


@final
class GradCam(Method):
    """Activations of a layer, each channel weighed by its mean gradient, in the size of the input by interpolation.

    The layer is the last whose map has 8 cells along its longest axis: the very last is often 2 x 2 x 2 and shows
    nothing. A signal's map is of time alone, the same for every channel. It is a map and adds up to nothing.

    References
    ----------
    Selvaraju et al. 2017, doi:10.1109/ICCV.2017.74.
    """

    name = "grad-cam"
    words = "Grad-CAM"
    alone = True
    additive = False
    gradients = True
    kinds = ("ct", "mr", "xray", "mask", "eeg")

    def attribute(self, question: Question) -> Answer:
        """Give the maps; of several networks that see a modality their sum."""
        inputs, baselines = question.ends
        maps = []
        for k, x in enumerate(inputs):
            windows = question.windows[k] if question.windows else np.zeros(0, bool)
            total = torch.zeros_like(x)
            for encoder in question.encoders[k]:
                layer = layer_of(encoder, question, inputs)
                cam = Captum(question.forward, layer).attribute(inputs, attr_dim_summation=True)
                total = total + _sized(cam.detach(), x, windows)
            maps.append(total)
        ends = question.values(inputs, baselines)
        return self.answer(question, maps, ends[0] - ends[1])


def layer_of(encoder: nn.Module, question: Question, inputs: tuple[Tensor, ...]) -> nn.Module:
    """Give the last layer whose map has ``FEWEST_CELLS`` along its longest axis, or the one with the most cells."""
    seen: list[tuple[nn.Module, int]] = []

    def remember(module: nn.Module, given: object, out: object) -> None:
        del given
        if isinstance(out, Tensor) and out.ndim >= 3:
            seen.append((module, max(out.shape[2:])))

    leaves = [module for module in encoder.modules() if not list(module.children())]
    hooks = [leaf.register_forward_hook(remember) for leaf in leaves]
    try:
        question.values(inputs)
    finally:
        for hook in hooks:
            hook.remove()
    wide = [module for module, cells in seen if cells >= FEWEST_CELLS]
    return wide[-1] if wide else max(seen, key=lambda one: one[1])[0]


def _sized(cam: Tensor, x: Tensor, windows: np.ndarray) -> Tensor:
    """A layer's map, (items, 1, ...), in the shape of the input (1, ...)."""
    if not len(windows):
        size = tuple(x.shape[2:])
        return nn.functional.interpolate(cam, size, mode=_STRAIGHT[cam.ndim], align_corners=False).expand_as(x)
    time = cam.flatten(2).double()
    drawn = nn.functional.interpolate(time, x.shape[-1], mode="linear", align_corners=False).to(x.dtype)
    result = torch.zeros_like(x)
    result[0, torch.from_numpy(windows)] = drawn.expand(-1, x.shape[2], -1)
    return result
