"""The whole procedure on labels that mean nothing: what is above chance there is leak or luck."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import final

import numpy as np

from clinfuse.cohort.changed import relabelled
from clinfuse.cohort.cohort import Cohort
from clinfuse.evaluation.audit.family import dealt
from clinfuse.evaluation.crossval import cross_validate
from clinfuse.evaluation.folds import scored
from clinfuse.evaluation.scores import metric_interval
from clinfuse.evaluation.statistics.intervals import Estimate
from clinfuse.training.classifiers import FusionClassifier


@final
@dataclass(frozen=True)
class Shuffled:
    """What a classifier reaches on labels that were dealt anew among patients; made by `label_shuffle`.

    Parameters
    ----------
    auroc : Estimate
        Of the held-out records; macro where there are several classes or labels.
    records, patients : int
    """

    auroc: Estimate
    records: int
    patients: int

    @property
    def chance(self) -> bool:
        """Whether the interval holds 0.5, as in 19 of 20 shuffles of a procedure without a leak."""
        return self.auroc.low <= 0.5 <= self.auroc.high

    def __str__(self) -> str:
        said = "as it must be" if self.chance else "not 0.5: look for a leak, and shuffle again with another seed"
        return f"Labels dealt anew among {self.patients} patients: AUROC {self.auroc}, {said}."


def label_shuffle(
    model: FusionClassifier,
    cohort: Cohort,
    *,
    folds: int = 5,
    seed: int = 0,
    workers: int = 1,
    results: str | Path | None = None,
) -> Shuffled:
    """Cross-validate a model on the labels of other patients.

    All labels of a patient go together to one who has about as many records, so that several records of one person
    stay what they are. Every step of the procedure is repeated: folds, preparation, choices in inner folds, training.

    Parameters
    ----------
    model : FusionClassifier
    cohort : Cohort
    folds, workers, results
        As of `clinfuse.cross_validate`.
    seed : int
        Of the dealing and of the folds.

    Returns
    -------
    Shuffled

    Raises
    ------
    ClinfuseError
        What `clinfuse.cross_validate` raises.

    References
    ----------
    Ojala M, Garriga GC. Permutation tests for studying classifier performance. Journal of Machine Learning Research
    2010;11:1833-1863.

    Examples
    --------
    >>> from clinfuse.training.early import EarlyFusion
    >>> draw, labels = np.random.default_rng(0), np.tile([0, 1], 50)
    >>> arrays = {name: labels[:, None] + draw.normal(size=(100, 2)) for name in ("labs", "signs")}
    >>> cohort = Cohort.from_arrays(arrays, labels=labels, kinds=dict.fromkeys(arrays, "ehr"))
    >>> label_shuffle(EarlyFusion(kind="I", learner="logistic"), cohort, folds=3).chance
    True
    """
    records = scored(cohort)
    givers = dealt(records.groups, seed=seed, draws=1)[0]
    shuffled = relabelled(records, np.asarray(records.labels)[givers])
    found = cross_validate(model, shuffled, folds=folds, seed=seed, workers=workers, results=results)
    estimate = metric_interval(found.predictions, "auroc", seed=seed)
    return Shuffled(estimate, len(records), len(np.unique(records.groups)))
