"""Whether a map foretells what hiding parts of the input does."""

from __future__ import annotations

from typing import ClassVar, final

import numpy as np

from clinfuse.explain.quality.base import MapCheck
from clinfuse.explain.quality.subject import Subject

DRAWS = 16
SHARES = (0.1, 0.5)


@final
class Infidelity(MapCheck):
    """Mean squared gap between what the map says of hidden parts and what hiding them does, over that of a blank map.

    Hidden parts take the value of the baseline, so that a map that is multiplied by the distance to it is asked for
    what it claims (in Captum: ``infidelity_perturb_func_decorator(multiply_by_inputs=True)``). Judged is the gap once
    the map is scaled by the factor that suits it best (Captum: ``normalize=True``): where a model answers to the
    logarithm of a signal's power, hiding a part of it is far from a part of what hiding all of it does.

    References
    ----------
    Yeh et al. 2019, On the (in)fidelity and sensitivity of explanations, arXiv:1901.09392.
    """

    name: ClassVar[str] = "foretells hiding"
    asks: ClassVar[str] = "Does the map foretell what the model says when parts of the input are hidden?"
    failure: ClassVar[str] = "it does not foretell what the model says when parts of the input are hidden"
    bound: ClassVar[float] = 0.75
    at_most: ClassVar[bool] = True

    def measure(self, subject: Subject, name: str) -> tuple[float, ...]:
        """Give the gap, and that of the scaled map, as shares of that of a map that says nothing; 0 is perfect."""
        weights = subject.weights(name)
        draw = subject.draw("infidelity", name)
        hidden = draw.uniform(size=(DRAWS, len(weights))) < draw.uniform(*SHARES, size=(DRAWS, 1))
        answers = subject.answers(name, np.concatenate([np.ones((1, len(weights)), bool), ~hidden]))
        lost = answers[0] - answers[1:]
        whole = float(np.mean(lost**2))
        said = hidden @ weights
        size = float(np.mean(said**2))
        if whole == 0:
            return ()
        scale = float(np.mean(said * lost)) / size if size > 0 else 0.0
        return float(np.mean((said - lost) ** 2)) / whole, float(np.mean((scale * said - lost) ** 2)) / whole
