"""Not worse by more than would matter: a question of its own, with a margin that was declared beforehand."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, final

from clinfuse.evaluation.statistics.found import refuse
from clinfuse.evaluation.statistics.intervals import Estimate


@final
@dataclass(frozen=True)
class NonInferiority:
    """Whether a difference excludes a loss that would matter.

    Parameters
    ----------
    verdict : {"non-inferior", "inferior", "cannot tell"}
        ``non-inferior``: the lower limit lies above minus the margin. ``inferior``: the upper limit lies below it.
    difference : Estimate
        With its two-sided 95 % interval, whose lower limit is the one-sided one of 97.5 %.
    margin : float
    p : float
        One-sided, of a loss of the margin or more; NaN where no test gave one.
    text : str
        One sentence.
    """

    verdict: Literal["non-inferior", "inferior", "cannot tell"]
    difference: Estimate
    margin: float
    p: float
    text: str

    def __str__(self) -> str:
        return self.text


def non_inferiority(
    difference: Estimate, *, margin: float, p: float = math.nan, first: str = "the first", second: str = "the second"
) -> NonInferiority:
    """Give whether a paired difference shows that the first is not worse than the second by a margin or more.

    Parameters
    ----------
    difference : Estimate
        Positive where the first is better, with its two-sided 95 % interval.
    margin : float
        Smallest loss that would matter, above 0, declared before results were seen.
    p : float
        One-sided, where a test gives it.
    first, second : str
        Their names.

    Raises
    ------
    DataError
        ``TEST_INPUT``.

    References
    ----------
    Piaggio et al. 2012 (CONSORT for non-inferiority), doi:10.1001/jama.2012.87802.

    Examples
    --------
    >>> print(non_inferiority(Estimate(-0.01, -0.03, 0.01), margin=0.05, first="late", second="ct"))
    late is not worse than ct by 0.05 or more: -0.01, one-sided 97.5 % limit -0.03.
    """
    if not (math.isfinite(margin) and margin > 0):
        refuse("TEST_INPUT", "the margin must be a number above 0", "another")
    found = f"{difference.value:+.2f}"
    verdict: Literal["non-inferior", "inferior", "cannot tell"] = "cannot tell"
    text = (
        f"The data cannot tell whether {first} is worse than {second} by {margin:.2f}: {found}, "
        f"{difference.low:+.2f} to {difference.high:+.2f}."
    )
    if difference.low > -margin:
        verdict = "non-inferior"
        limit = f"one-sided 97.5 % limit {difference.low:+.2f}"
        text = f"{first} is not worse than {second} by {margin:.2f} or more: {found}, {limit}."
    elif difference.high < -margin:
        verdict = "inferior"
        limit = f"one-sided 97.5 % limit {difference.high:+.2f}"
        text = f"{first} is worse than {second} by more than {margin:.2f}: {found}, {limit}."
    return NonInferiority(verdict, difference, margin, p, text)
