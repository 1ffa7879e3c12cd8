"""Whether another method, that hides one part after the other, sees the same."""

from __future__ import annotations

from typing import ClassVar, final

import numpy as np

from clinfuse.explain.quality.base import MapCheck
from clinfuse.explain.quality.subject import Subject


@final
class Agreement(MapCheck):
    """Correlation between what the map says of each part and what hiding that part alone does to the logit.

    References
    ----------
    Zeiler and Fergus 2014, Visualizing and understanding convolutional networks, arXiv:1311.2901.
    """

    name: ClassVar[str] = "agrees with hiding"
    asks: ClassVar[str] = "Does hiding one part after the other point to the same parts?"
    failure: ClassVar[str] = "hiding one part after the other points to other parts"
    bound: ClassVar[float] = 0.3
    at_most: ClassVar[bool] = False

    def measure(self, subject: Subject, name: str) -> tuple[float, ...]:
        """Give the correlation over parts; nothing where one of both is constant."""
        weights = subject.weights(name)
        count = len(weights)
        answers = subject.answers(name, np.concatenate([np.ones((1, count), bool), ~np.eye(count, dtype=bool)]))
        lost = answers[0] - answers[1:]
        if count < 3 or np.ptp(weights) == 0 or np.ptp(lost) == 0:
            return ()
        return (float(np.corrcoef(weights, lost)[0, 1]),)
