"""What every explanation is tested for before it is shown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from clinfuse.explain.gradients import PathIntegral, allowed_gap
from clinfuse.explain.values import Check


def completeness_check(gradients: Sequence[PathIntegral]) -> tuple[Check, ...]:
    """Whether the maps add up to the change of the logit they explain; one check per path integral.

    Examples
    --------
    >>> completeness_check([PathIntegral((), change=2.0, total=2.01, steps=64)])[0].passed
    True
    """
    return tuple(
        Check(
            "maps add up",
            path.complete,
            f"Maps sum to {path.total:.3f}; from baseline to record the logit changes by {path.change:.3f}; allowed: "
            f"{allowed_gap(path.change):.3f}; {path.steps} steps.",
        )
        for path in gradients
    )


def shares_check(shares: Mapping[str, float], logit: float, prior: float) -> Check:
    """Whether prior logit and modality shares add up to the logit, to 1e-6.

    Examples
    --------
    >>> shares_check({"ct": 0.5, "labs": 1.0}, 1.0, -0.5).passed
    True
    """
    gap = logit - prior - sum(shares.values())
    return Check(
        "shares add up", abs(gap) <= 1e-6, f"Prior {prior:.3f} and shares give {prior + sum(shares.values()):.3f}."
    )


def absent_check(shares: Mapping[str, float], stray: float, present: Mapping[str, bool]) -> Check:
    """Whether absent modalities explain exactly nothing.

    Parameters
    ----------
    shares : mapping of str to float
    stray : float
        Largest absolute map value found in an absent modality.
    present : mapping of str to bool

    Examples
    --------
    >>> absent_check({"ct": 0.5, "labs": 0.0}, 0.0, {"ct": True, "labs": False}).passed
    True
    """
    absent = [name for name in present if not present[name]]
    passed = stray == 0 and all(shares[name] == 0 for name in absent)
    text = f"{', '.join(absent)}: share and map exactly 0." if absent else "Nothing was absent."
    return Check("absent explains nothing", passed, text if passed else "An absent modality moved the answer.")


def probability_check(probability: float, logit: float) -> Check:
    """Whether the logit that is explained gives the probability that is predicted, to 1e-6.

    Examples
    --------
    >>> probability_check(0.5, 0.0).passed
    True
    """
    gap = abs(probability - 1.0 / (1.0 + float(np.exp(-logit))))
    return Check("same probability", gap <= 1e-6, "The explained logit gives the predicted probability.")
