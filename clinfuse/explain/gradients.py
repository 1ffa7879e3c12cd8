"""Integrated gradients, the one wrapper that every modality of every differentiable classifier goes through."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import final

import numpy as np
import torch
from captum.attr import IntegratedGradients
from torch import Tensor

from clinfuse.errors import TrainingError

MOST_STEPS = 400
RELATIVE, SMALLEST_CHANGE = 0.05, 0.5
_ROWS_AT_ONCE = 16


@final
@dataclass(frozen=True, eq=False)
class PathIntegral:
    """Gradients of one output, added up along the straight path from the baselines to the inputs.

    Parameters
    ----------
    maps : tuple of ndarray of float32
        One per input, in the shape of that input without its batch axis.
    change : float
        Output at the inputs minus output at the baselines.
    total : float
        Sum of all maps; equals ``change`` up to the error of the integration.
    steps : int
        Points on the path.
    """

    maps: tuple[np.ndarray, ...]
    change: float
    total: float
    steps: int

    @property
    def gap(self) -> float:
        """What the maps are short of, or above, the change they explain, in logits."""
        return self.total - self.change

    @property
    def complete(self) -> bool:
        """Whether the gap is at most 5 % of the change, or of half a logit where it is smaller."""
        return abs(self.gap) <= allowed_gap(self.change)


def allowed_gap(change: float) -> float:
    """Give how far the sum of maps may be from the change that they explain.

    Examples
    --------
    >>> allowed_gap(-2.0), allowed_gap(0.1)
    (0.1, 0.025)
    """
    return RELATIVE * max(abs(change), SMALLEST_CHANGE)


def integrated_gradients(
    function: Callable[[tuple[Tensor, ...]], Tensor],
    inputs: Sequence[np.ndarray],
    *,
    baselines: Sequence[np.ndarray],
    steps: int = 64,
) -> PathIntegral:
    """Attribute one output to every element of every input.

    Parameters
    ----------
    function : callable
        From a tuple of tensors (b, ...) to one number per row (b,); differentiable.
    inputs : sequence of ndarray of float32, each (1, ...)
    baselines : sequence of ndarray of float32
        One per input, in its shape, with or without the batch axis.
    steps : int
        Points on the path (Gauss-Legendre) to begin with; doubled until the maps are complete, at most to 400.

    Returns
    -------
    PathIntegral
        The maps of the last number of steps tried, whether it was enough or not (``complete``).

    Raises
    ------
    TrainingError
        ``ATTRIBUTION_FINITE`` where a gradient is not a number.

    References
    ----------
    Sundararajan et al. 2017, Axiomatic attribution for deep networks, ICML, arXiv:1703.01365.

    Examples
    --------
    >>> import numpy as np
    >>> weights = torch.tensor([1.0, -2.0, 3.0])
    >>> path = integrated_gradients(
    ...     lambda x: x[0] @ weights,
    ...     [np.array([[1, 2, 3]], np.float32)],
    ...     baselines=[np.array([0, 1, 1], np.float32)],
    ... )
    >>> path.maps[0].tolist(), path.complete
    ([1.0, -2.0, 6.0], True)
    """
    ends = tuple(torch.tensor(np.asarray(x, np.float32)) for x in inputs)
    starts = tuple(
        torch.tensor(np.asarray(b, np.float32)).reshape(x.shape) for b, x in zip(baselines, ends, strict=True)
    )
    with torch.no_grad():
        change = float(function(ends)[0]) - float(function(starts)[0])
    captum = IntegratedGradients(lambda *x: function(x))
    while True:
        parts = captum.attribute(
            ends, baselines=starts, n_steps=steps, method="gausslegendre", internal_batch_size=_ROWS_AT_ONCE
        )
        path = _path(parts, change, steps)
        if path.complete or steps >= MOST_STEPS:
            return path
        steps = min(2 * steps, MOST_STEPS)


def _path(parts: tuple[Tensor, ...], change: float, steps: int) -> PathIntegral:
    maps = tuple(part[0].detach().to(torch.float32).numpy() for part in parts)
    if not all(np.isfinite(part).all() for part in maps):
        raise TrainingError(
            "ATTRIBUTION_FINITE",
            place="integrated gradients",
            rule="every gradient a finite number",
            found="NaN or infinity",
            remedy="Train the model again with a lower learning rate or stronger clipping.",
        )
    return PathIntegral(maps, change, float(sum(part.sum(dtype=np.float64) for part in maps)), steps)
