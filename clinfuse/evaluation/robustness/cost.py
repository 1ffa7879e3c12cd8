"""What it costs to ask a model about every subset of modalities, in units of asking it once."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import final

import numpy as np

from clinfuse.cohort.cohort import Cohort
from clinfuse.evaluation.contribution import subsets
from clinfuse.training.classifiers import FusionClassifier


@final
@dataclass(frozen=True)
class SweepCost:
    """Seconds of one machine at one time; only their ratio says something elsewhere.

    Parameters
    ----------
    subsets : int
        Decisions asked for, 2**M - 1.
    once, sweep : float
        Seconds of one prediction pass, and of encoding once and deciding about every subset: medians.
    """

    subsets: int
    once: float
    sweep: float

    @property
    def passes(self) -> float:
        """Cost of the whole sweep in prediction passes."""
        return self.sweep / self.once

    def __str__(self) -> str:
        return f"{self.subsets} subsets for {self.passes:.2f} prediction passes"


def sweep_cost(classifier: FusionClassifier, cohort: Cohort, *, rounds: int = 5) -> SweepCost:
    """Time one prediction pass and a sweep over every subset of modalities, in turns.

    Parameters
    ----------
    classifier : FusionClassifier
        Fitted. One that fuses inside its encoders has to encode anew for every subset, and shows it here.
    cohort : Cohort
    rounds : int
        Both are timed so often, after one round that does not count.

    Returns
    -------
    SweepCost

    Examples
    --------
    >>> import numpy as np
    >>> from clinfuse.training.late import LateFusion
    >>> labels = np.tile([0, 1], 20)
    >>> arrays = {name: labels[:, None] + 0.1 for name in ("labs", "signs")}
    >>> cohort = Cohort.from_arrays(arrays, labels=labels, kinds={"labs": "ehr", "signs": "ehr"})
    >>> sweep_cost(LateFusion(combine="mean").fit(cohort), cohort, rounds=1).subsets
    3
    """
    names = tuple(classifier.modalities_)
    masks = [np.array([name in kept for name in names]) for kept in subsets(names)]

    def once() -> None:
        classifier.predict_proba(cohort)

    def sweep() -> None:
        encoded = classifier.encode(cohort)
        for mask in masks:
            classifier.probabilities(classifier.decide(encoded, encoded.present & mask))

    times = [(_seconds(once), _seconds(sweep)) for _ in range(rounds + 1)][1:]
    first, second = np.median(np.array(times), axis=0)
    return SweepCost(len(masks), float(first), float(second))


def _seconds(work: Callable[[], None]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start
