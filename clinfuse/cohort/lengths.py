"""Whether the length of the recordings alone tells the classes apart."""

from __future__ import annotations

import math

import numpy as np
from scipy.stats import rankdata

from clinfuse.errors import DataError

LEAK_AUROC = 0.75
_Z95 = 1.959963984540054


def rank_auroc(scores: np.ndarray, positive: np.ndarray) -> tuple[float, float]:
    """Area under the ROC curve of a score, with its lower 95 % limit.

    Parameters
    ----------
    scores : ndarray, (records,)
    positive : ndarray of bool, (records,)
        Both True and False have to occur.

    Returns
    -------
    float
        By ranks, ties counted half; the direction of the score is taken as it serves best, so at least 0.5.
    float
        Lower limit with the standard error of Hanley and McNeil; the area enters it pulled half a pair away from 1,
        so that a handful of records cannot look certain.

    References
    ----------
    Hanley JA, McNeil BJ. The meaning and use of the area under a receiver operating characteristic (ROC) curve.
    Radiology 1982;143:29-36. doi:10.1148/radiology.143.1.7063747

    Examples
    --------
    >>> import numpy as np
    >>> area, low = rank_auroc(np.array([1, 2, 3, 4]), np.array([False, True, False, True]))
    >>> area, low < 0.5
    (0.75, True)
    """
    events, others = int(positive.sum()), int((~positive).sum())
    ranks = rankdata(scores)
    area = (ranks[positive].sum() - events * (events + 1) / 2) / (events * others)
    area = float(max(area, 1 - area))
    kept = min(area, 1 - 0.5 / (events * others))
    first, second = kept / (2 - kept), 2 * kept**2 / (1 + kept)
    variance = kept * (1 - kept) + (events - 1) * (first - kept**2) + (others - 1) * (second - kept**2)
    return area, area - _Z95 * math.sqrt(variance / (events * others))


def targets(labels: np.ndarray, classes: int, multilabel: bool) -> list[tuple[np.ndarray, np.ndarray]]:
    """Every yes-or-no question in the labels, as (known, positive) masks; a binary task has one."""
    if multilabel:
        return [(column >= 0, column == 1) for column in labels.T]
    wanted = range(1, classes) if classes == 2 else range(classes)
    return [(labels >= 0, labels == k) for k in wanted]


def check_length(name: str, counts: np.ndarray, positive: np.ndarray) -> None:
    """Refuse recordings of one modality whose number of windows answers one question.

    Parameters
    ----------
    name : str
        Of the modality.
    counts : ndarray of int, (records,)
        Windows each recording covers.
    positive : ndarray of bool, (records,)

    Raises
    ------
    DataError
        ``LENGTH_LEAK``.
    """
    if positive.all() or not positive.any():
        return
    area, low = rank_auroc(counts, positive)
    if area >= LEAK_AUROC and low > 0.5:
        raise DataError(
            "LENGTH_LEAK",
            place=f"modality {name}",
            rule="recordings whose length does not give the class away",
            found=f"an AUROC of {area:.2f} from the number of windows alone",
            remedy="Set `segments.count` so that every recording has all its windows.",
        )
