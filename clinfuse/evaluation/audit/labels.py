"""The labels of a cohort as yes-or-no questions, and how well one number answers the best of them."""

from __future__ import annotations

import numpy as np

from clinfuse.cohort.cohort import Cohort
from clinfuse.cohort.lengths import rank_auroc, targets

_FEWEST = 2


def asked(cohort: Cohort) -> list[tuple[np.ndarray, np.ndarray]]:
    """Every yes-or-no question in the labels that has both answers, as (known, positive) masks."""
    every = targets(np.asarray(cohort.labels), len(cohort.classes), cohort.task == "multilabel")
    return [(known, positive) for known, positive in every if 0 < (known & positive).sum() < known.sum()]


def answers(cohort: Cohort) -> np.ndarray:
    """The same questions as numbers: 1, 0, or NaN where unknown, float64 (records, questions)."""
    columns = [np.where(known, positive.astype(np.float64), np.nan) for known, positive in asked(cohort)]
    return np.stack(columns, axis=1) if columns else np.zeros((len(cohort), 0))


def area(cohort: Cohort, values: np.ndarray) -> float:
    """Best AUROC of one number over the questions, either way round; records without the number are left out."""
    best = 0.5
    for known, positive in asked(cohort):
        here = known & np.isfinite(values)
        yes = positive[here]
        if min(yes.sum(), (~yes).sum()) >= _FEWEST:
            best = max(best, rank_auroc(values[here], yes)[0])
    return best
