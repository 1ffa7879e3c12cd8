"""Whether a map stays what it is when the input hardly changes."""

from __future__ import annotations

from typing import ClassVar, final

import numpy as np

from clinfuse.explain.quality.base import MapCheck
from clinfuse.explain.quality.subject import Subject

DRAWS = 2


@final
class Sensitivity(MapCheck):
    """Largest change of the map, as a share of the map, under noise of 2 % of the spread of the input.

    References
    ----------
    Yeh et al. 2019, On the (in)fidelity and sensitivity of explanations, arXiv:1901.09392.
    """

    name: ClassVar[str] = "stays under noise"
    asks: ClassVar[str] = "Is the map nearly the same when the input carries a little more noise?"
    failure: ClassVar[str] = "a little noise in the input changes it beyond recognition"
    bound: ClassVar[float] = 1.0
    at_most: ClassVar[bool] = True

    def measure(self, subject: Subject, name: str) -> tuple[float, ...]:
        """Give the largest of a few changes."""
        size = float(np.linalg.norm(subject.maps[name]))
        if size == 0:
            return ()
        return (max(float(np.linalg.norm(subject.noisy(k)[name] - subject.maps[name])) / size for k in range(DRAWS)),)
