"""Late aggregators with slopes of their own for every pattern of present modalities.

One slope per modality, whatever else is present, counts twice what two modalities that err together both say: such
stacking is too sure of complete records and not sure enough where one modality speaks alone.
"""

from __future__ import annotations

import warnings
from abc import abstractmethod
from collections.abc import Mapping
from itertools import product
from typing import Any, ClassVar, final

import numpy as np
import torch
from scipy.optimize import minimize
from torch import Tensor

from clinfuse.errors import DataWarning
from clinfuse.fusion.pool import Pool, log_loss, targets
from clinfuse.fusion.stacking import StackedPool


class _PatternPool(Pool):
    """``prior + offset_S + sum over present of slope_Sm (logits_m - prior)`` for the pattern S that is present.

    Every record counts once for each pattern that it has at least: what it says of a pattern does not hang on what else
    it has, and absence itself says nothing.
    """

    learns = True
    linear = True
    masked = False

    def fit(self, logits: np.ndarray, present: np.ndarray, labels: np.ndarray, weights: np.ndarray) -> Pool:
        """Learn slopes (patterns, modalities) and offsets (patterns, outputs), float64, by binary number of pattern."""
        modalities, outputs = logits.shape[1:]
        self.slopes_ = np.zeros((2**modalities, modalities))
        self.offsets_ = np.zeros((2**modalities, outputs))
        self._learn(logits, present, labels, weights)
        return self

    @abstractmethod
    def _learn(self, logits: np.ndarray, present: np.ndarray, labels: np.ndarray, weights: np.ndarray) -> None: ...

    def combine(self, logits: Tensor, present: Tensor) -> Tensor:
        """Give the logits of each record's own pattern."""
        prior = torch.as_tensor(self.prior)
        number = present.long() @ (2 ** torch.arange(present.shape[1]))
        evidence = torch.where(present[..., None], logits - prior, torch.zeros_like(logits))
        weighted = (evidence * torch.as_tensor(self.slopes_)[number][..., None]).sum(1)
        return prior + torch.as_tensor(self.offsets_)[number] + weighted

    def learned(self) -> dict[str, Any]:
        """Give slopes and offsets."""
        return {"slopes": self.slopes_, "offsets": self.offsets_}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take slopes and offsets back."""
        self.slopes_, self.offsets_ = state["slopes"], state["offsets"]


@final
class PerPatternPool(_PatternPool):
    """One logistic regression on out-of-fold logits for each pattern of modalities with enough events.

    Enough are 10 events for each parameter, an event being a record of the rarer class and the parameters one slope per
    modality and one offset. Patterns with fewer are answered by one stacking over all patterns.

    Warns
    -----
    DataWarning
        ``PATTERN_RARE``: how many patterns have too few events.

    References
    ----------
    Mercaldo and Blume 2020, doi 10.1093/biostatistics/kxy040 (submodels on all records that have the covariates);
    Peduzzi et al. 1996, doi 10.1016/S0895-4356(96)00236-3 (events per parameter).
    """

    name = "per pattern"
    events_per_parameter: ClassVar[int] = 10

    def _learn(self, logits: np.ndarray, present: np.ndarray, labels: np.ndarray, weights: np.ndarray) -> None:
        rows, masks = every_pattern(present)
        shared = StackedPool(self.prior, multilabel=self.multilabel)
        share = weights[rows] / np.bincount(rows)[rows]
        shared.fit(logits[rows], masks, labels[rows], share)
        observed = rare = 0
        for pattern in patterns(present.shape[1]):
            number, having = pattern_number(pattern), (present | ~pattern).all(1)
            self.slopes_[number] = np.where(pattern, shared.slopes_, 0.0)
            self.offsets_[number] = shared.offsets_ + (~pattern).astype(float) @ shared.shifts_
            observed += bool(having.any())
            if not self._enough(labels[having], int(pattern.sum()), logits.shape[-1]):
                rare += bool(having.any())
                continue
            own = StackedPool(self.prior, multilabel=self.multilabel)
            own.fit(
                logits[having][:, pattern],
                np.ones((having.sum(), pattern.sum()), bool),
                labels[having],
                weights[having],
            )
            self.slopes_[number, pattern], self.offsets_[number] = own.slopes_, own.offsets_
        if rare:
            warnings.warn(
                f"[PATTERN_RARE] late fusion: {rare} of {observed} patterns of modalities have fewer than "
                f"{self.events_per_parameter} events per parameter; they share one stacking",
                DataWarning,
                stacklevel=2,
            )

    def _enough(self, labels: np.ndarray, slopes: int, outputs: int) -> bool:
        truth, known = targets(labels, outputs, multilabel=self.multilabel)
        events = np.where(known, truth, 0).sum(0)
        if self.multilabel or outputs == 2:
            events = np.minimum(events, known.sum(0) - events)
        parameters = slopes + (1 if self.multilabel else outputs - 1)
        return bool(events.min() >= self.events_per_parameter * parameters)


@final
class StackedByPatternPool(_PatternPool):
    """Stacking whose slopes may differ between patterns of modalities, drawn towards one common slope per modality.

    With few records it is nearly one stacking over all patterns, with many one for each.

    References
    ----------
    Breiman 1996, Stacked regressions, doi 10.1007/BF00117832 (slopes of at least 0).
    """

    name = "stacked by pattern"

    slope_penalty = 5.0
    difference_penalty = 10.0

    def _learn(self, logits: np.ndarray, present: np.ndarray, labels: np.ndarray, weights: np.ndarray) -> None:
        modalities, outputs = logits.shape[1:]
        rows, masks = every_pattern(present)
        numbers = masks @ (2 ** np.arange(modalities))
        evidence = np.where(masks[..., None], logits[rows] - self.prior, 0.0)
        truth, known = targets(labels[rows], outputs, multilabel=self.multilabel)
        counted = weights[rows][:, None] * known
        shapes = [(modalities,), (outputs,), self.slopes_.shape, self.offsets_.shape]
        edges = np.cumsum([0, *(int(np.prod(shape)) for shape in shapes)])

        def unpack(flat: np.ndarray) -> list[np.ndarray]:
            return [flat[a:b].reshape(s) for a, b, s in zip(edges, edges[1:], shapes, strict=False)]

        def loss(flat: np.ndarray) -> tuple[float, np.ndarray]:
            common, offset, slopes, offsets = unpack(flat)
            z = self.prior + offsets[numbers] + np.einsum("nmk,nm->nk", evidence, slopes[numbers])
            value, error = log_loss(z, truth, counted, multilabel=self.multilabel)
            slope_gradient, offset_gradient = np.zeros(shapes[2]), np.zeros(shapes[3])
            np.add.at(slope_gradient, numbers, np.einsum("nk,nmk->nm", error, evidence))
            np.add.at(offset_gradient, numbers, error)
            apart, shifted = slopes - common, offsets - offset
            value += 0.5 * self.slope_penalty * float(common @ common) + 0.5e-3 * float(offset @ offset)
            value += 0.5 * self.difference_penalty * float((apart**2).sum() + (shifted**2).sum())
            parts = (
                self.slope_penalty * common - self.difference_penalty * apart.sum(0),
                1e-3 * offset - self.difference_penalty * shifted.sum(0),
                slope_gradient + self.difference_penalty * apart,
                offset_gradient + self.difference_penalty * shifted,
            )
            return value, np.concatenate([part.ravel() for part in parts])

        slopes_at = np.zeros(edges[-1], bool)
        slopes_at[: edges[1]] = slopes_at[edges[2] : edges[3]] = True
        bounds = [(0.0, None) if slope else (None, None) for slope in slopes_at]
        start = np.where(slopes_at, 0.5, 0.0)
        found = minimize(loss, start, jac=True, method="L-BFGS-B", bounds=bounds, options={"maxiter": 1000})
        *_, self.slopes_, self.offsets_ = unpack(found.x)


def every_pattern(present: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Give every record once for each non-empty pattern that it has at least.

    Parameters
    ----------
    present : ndarray of bool, (records, modalities)

    Returns
    -------
    rows : ndarray of int64, (rows,)
        The record of each row.
    masks : ndarray of bool, (rows, modalities)

    Examples
    --------
    >>> rows, masks = every_pattern(np.array([[True, True], [False, True]]))
    >>> rows.tolist(), masks.tolist()
    ([0, 0, 0, 1], [[True, False], [False, True], [True, True], [False, True]])
    """
    every = patterns(present.shape[1])
    having = (present[:, None] | ~every).all(-1)
    rows, which = np.nonzero(having)
    return rows, every[which]


def patterns(modalities: int) -> np.ndarray:
    """Give every non-empty pattern, bool (patterns, modalities), by binary number."""
    return np.array([pattern[::-1] for pattern in product([False, True], repeat=modalities) if any(pattern)])


def pattern_number(pattern: np.ndarray) -> int:
    """Give the binary number of a pattern, bool (modalities,), the first modality least."""
    return int(pattern @ (2 ** np.arange(len(pattern))))
