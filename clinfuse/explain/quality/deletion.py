"""Whether parts that a map calls important matter more than others."""

from __future__ import annotations

from typing import ClassVar, final

import numpy as np

from clinfuse.explain.quality.base import MapCheck
from clinfuse.explain.quality.subject import Subject

POINTS = 6
ORDERS = 4


@final
class Deletion(MapCheck):
    """Share of random orders that the map beats when parts are hidden, and shown, in its order.

    Parts that moved the answer most come first. The answer should fall sooner when they are hidden first, and rise
    sooner when they are shown first; area under the curve of the logit, of all parts hidden to none.

    References
    ----------
    Petsiuk et al. 2018, RISE, arXiv:1806.07421.
    """

    name: ClassVar[str] = "order of importance"
    asks: ClassVar[str] = "Does the answer fall sooner when what the map calls important is hidden first?"
    failure: ClassVar[str] = "hiding what it calls important changes the answer no more than hiding anything else"
    bound: ClassVar[float] = 0.75
    at_most: ClassVar[bool] = False

    def measure(self, subject: Subject, name: str) -> tuple[float, ...]:
        """Give the share of comparisons won, ties as half; nothing where the modality moves nothing."""
        weights = subject.weights(name)
        count = len(weights)
        ends = subject.answers(name, np.stack([np.ones(count, bool), np.zeros(count, bool)]))
        side = np.sign(ends[0] - ends[1])
        if side == 0 or count < 2:
            return ()
        order = np.argsort(-side * weights, kind="stable")
        draw = subject.draw("deletion", name)
        orders = [order, order[::-1], *(draw.permutation(count) for _ in range(ORDERS))]
        shown = np.concatenate([_growing(one) for one in orders])
        areas = side * subject.answers(name, shown).reshape(len(orders), -1).mean(1)
        first, last, chance = areas[0], areas[1], areas[2:]
        # Showing the least important first is hiding the most important first, read backwards.
        return (float(np.mean([_won(first, chance), _won(chance, last)])),)


def _growing(order: np.ndarray) -> np.ndarray:
    """Which units are shown as ever more of an order are, bool (points, units)."""
    rank = np.empty(len(order), np.int64)
    rank[order] = np.arange(len(order))
    return np.asarray(rank[None] < np.linspace(0, len(order), POINTS + 2)[1:-1, None])


def _won(higher: np.ndarray, lower: np.ndarray) -> float:
    return float(np.mean((higher > lower) + 0.5 * (higher == lower)))
