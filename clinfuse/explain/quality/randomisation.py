"""Whether a map depends on what was learned."""

from __future__ import annotations

from typing import ClassVar, final

import numpy as np
from scipy.stats import spearmanr

from clinfuse.explain.quality.base import MapCheck
from clinfuse.explain.quality.subject import Subject

STAGES = (0.5, 1.0)
WEIGHT = 0.95


def likeness(ours: np.ndarray, theirs: np.ndarray) -> float:
    """Rank correlation between two maps without their signs, over the elements that hold 95 % of the first one.

    Elsewhere a map that is multiplied by the distance to the baseline is next to zero whatever the model has learned:
    over a whole scan, most of it air, ranks would agree by 0.99 for any two networks. NaN where a map is constant.

    Examples
    --------
    >>> round(likeness(np.array([4.0, -3.0, 2.0, 0.0]), np.array([1.0, 2.0, 3.0, 9.0])), 6)
    -1.0
    """
    first, second = np.abs(ours).ravel().astype(np.float64), np.abs(theirs).ravel().astype(np.float64)
    order = np.argsort(-first, kind="stable")
    held = order[: int(np.searchsorted(np.cumsum(first[order]), WEIGHT * first.sum())) + 1]
    if len(held) < 3 or np.ptp(first[held]) == 0 or np.ptp(second[held]) == 0:
        return float("nan")
    return float(spearmanr(first[held], second[held]).statistic)


def _likenesses(subject: Subject, which: str, name: str) -> tuple[float, ...]:
    others = getattr(subject, which)
    asked = [place for place, other in enumerate(others) if name in other.order and subject.differs(other, name)]
    maps = subject.of_others(which)
    found = tuple(likeness(subject.maps[name], maps[place][name]) for place in asked)
    # A learner beside the networks keeps what it learned: no layer of this modality was drawn anew.
    return found if asked[-1:] == [len(others) - 1] and all(np.isfinite(found)) else ()


@final
class Randomisation(MapCheck):
    """Rank correlation of the absolute map with that of the same networks with weights drawn anew, layer upon layer.

    References
    ----------
    Adebayo et al. 2018, Sanity checks for saliency maps, arXiv:1810.03292.
    """

    name: ClassVar[str] = "needs what was learned"
    asks: ClassVar[str] = "Is the map another one when the network's weights are random?"
    failure: ClassVar[str] = "a network that has learned nothing gives much the same map"
    bound: ClassVar[float] = 0.5
    at_most: ClassVar[bool] = True

    def measure(self, subject: Subject, name: str) -> tuple[float, ...]:
        """Give the correlation as ever more layers, from the output backwards, are random; all of them at last."""
        return _likenesses(subject, "redrawn", name)


@final
class LabelRandomisation(MapCheck):
    """Rank correlation of the absolute map with that of a model that was trained on shuffled labels.

    References
    ----------
    Adebayo et al. 2018, Sanity checks for saliency maps, arXiv:1810.03292.
    """

    name: ClassVar[str] = "needs true labels"
    asks: ClassVar[str] = "Is the map another one when the model was trained on shuffled labels?"
    failure: ClassVar[str] = "a model that was trained on shuffled labels gives much the same map"
    bound: ClassVar[float] = 0.5
    at_most: ClassVar[bool] = True

    def measure(self, subject: Subject, name: str) -> tuple[float, ...]:
        """Give the correlation; nothing where no such model was trained."""
        return _likenesses(subject, "relabelled", name)
