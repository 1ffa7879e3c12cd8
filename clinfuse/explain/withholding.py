"""What a model says of one record with every set of its modalities withheld, and the shares that follow from it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, final

import numpy as np

from clinfuse.evaluation.contribution import interactions, shapley, subsets
from clinfuse.training.encoded import Encoded

SMALLEST_CHANCE = 1e-6


@final
@dataclass(frozen=True)
class Withholding:
    """The log odds of one class for every set of present modalities, the others simply not given to the model.

    Parameters
    ----------
    logits : mapping of frozenset of str to float
        By the modalities that are used; the empty set has the log odds of the prior.
    names : tuple of str
        The present modalities.
    """

    logits: Mapping[frozenset[str], float]
    names: tuple[str, ...]

    @property
    def logit(self) -> float:
        """With everything that is present."""
        return self.logits[frozenset(self.names)]

    @property
    def prior(self) -> float:
        """With nothing."""
        return self.logits[frozenset()]

    @property
    def risks(self) -> dict[frozenset[str], float]:
        """Probability by the modalities that are used, kept within 1e-6 of 0 and 1."""
        return {one: chance(logit) for one, logit in self.logits.items()}

    @property
    def shares(self) -> dict[str, float]:
        """Shapley values on the log odds; with the prior's they add up to those of the record."""
        return dict(shapley(self.logits.__getitem__, self.names)) if self.names else {}

    @property
    def points(self) -> dict[str, float]:
        """Shapley values on the probability, in percentage points."""
        risks = self.risks
        return {name: 100 * part for name, part in shapley(risks.__getitem__, self.names).items()} if self.names else {}

    @property
    def interactions(self) -> dict[tuple[str, str], float]:
        """Shapley interaction index of every pair on the log odds; below 0 the two repeat each other."""
        return dict(interactions(self.logits.__getitem__, self.names)) if len(self.names) > 1 else {}


def chance(logit: float) -> float:
    """Give the probability of log odds, kept within 1e-6 of 0 and 1.

    Examples
    --------
    >>> chance(0.0), chance(-50.0)
    (0.5, 1e-06)
    """
    return float(np.clip(0.5 * (1 + np.tanh(0.5 * logit)), SMALLEST_CHANCE, 1 - SMALLEST_CHANCE))


def withhold_each(classifier: Any, encoded: Encoded, whole: np.ndarray, *, target: int) -> Withholding:
    """Ask a classifier about one record with every set of its present modalities.

    Parameters
    ----------
    classifier : FusionClassifier
    encoded : Encoded
        Of the one record: nothing is encoded again.
    whole : ndarray of float64, (1, classes)
        What it decides with all of them.
    target : int
    """
    names = tuple(classifier.modalities_)
    here = tuple(name for name, there in zip(names, encoded.present[0], strict=True) if there)
    asked = (frozenset[str](), *(one for one in subsets(here) if len(one) < len(here)))
    masks = np.array([[name in one for name in names] for one in asked])
    first = np.zeros(len(asked), int)
    repeated = Encoded(
        {name: value[first] for name, value in encoded.values.items()},
        encoded.present[first],
        tuple(part[first] for part in encoded.prepared),
    )
    found = classifier.log_odds(classifier.decide(repeated, present=masks), target)
    logits = {one: float(logit) for one, logit in zip(asked, found, strict=True)}
    return Withholding(logits | {frozenset(here): float(classifier.log_odds(whole, target)[0])}, here)
