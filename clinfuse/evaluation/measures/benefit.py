"""What acting on predictions is worth."""

from __future__ import annotations

from typing import Any

from clinfuse.evaluation.measures.given import once, refuse


def net_benefit(labels: Any, probabilities: Any, threshold: float) -> float:
    """Give the net benefit of treating records whose probability is at least the threshold.

    True positives are worth 1 and false positives cost the odds of the threshold, per record.

    References
    ----------
    Vickers and Elkin 2006, doi:10.1177/0272989X06295361.

    Examples
    --------
    >>> round(net_benefit([1] * 20 + [0] * 30 + [0] * 50, [0.9] * 50 + [0.1] * 50, 0.2), 4)
    0.125
    """
    return once("net_benefit", labels, probabilities, threshold=threshold)


def net_benefit_treat_all(prevalence: float, threshold: float) -> float:
    """Give the net benefit of treating everyone; treating nobody has 0.

    Examples
    --------
    >>> round(net_benefit_treat_all(0.25, 0.2), 4)
    0.0625
    """
    if not 0 < threshold < 1:
        refuse("METRIC_THRESHOLD", "the threshold must lie between 0 and 1", "one outside")
    return prevalence - (1 - prevalence) * threshold / (1 - threshold)
