"""What a test found, and what it says where nothing can vary."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import NoReturn, final

from clinfuse.errors import DataError, DataWarning


@final
@dataclass(frozen=True)
class Significance:
    """What a test found.

    Parameters
    ----------
    statistic : float
        z, t, chi-squared, a count or a difference, as the test says.
    p : float
        Two-sided.
    """

    statistic: float
    p: float


def no_spread(name: str) -> Significance:
    """Give p = 1, with a warning: what cannot vary says nothing against the two being equal."""
    warnings.warn(f"[TEST_DEGENERATE] {name}: the differences do not vary, p is set to 1.", DataWarning, stacklevel=3)
    return Significance(0.0, 1.0)


def refuse(code: str, rule: str, found: str, *, remedy: str = "Correct what the test is given.") -> NoReturn:
    """Raise the error of a test that cannot be made."""
    raise DataError(code, place="test", rule=rule, found=found, remedy=remedy)
