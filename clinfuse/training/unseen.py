"""How well a model does on training patients that it was not fitted on."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from sklearn.metrics import roc_auc_score


def unseen_auroc(labels: np.ndarray, logits: np.ndarray, tests: Sequence[np.ndarray]) -> float:
    """Give the mean AUROC over inner folds, one half where no fold holds records of both classes.

    Parameters
    ----------
    labels : ndarray of int, (records,) or (records, labels)
        -1 where unknown.
    logits : ndarray of float64, (records, outputs)
        Of models that did not see the record's patient.
    tests : sequence of ndarray of int64
        Rows of each inner fold: records of two folds are not compared.

    Returns
    -------
    float
        Macro average over classes, each against the rest, or over labels.

    Examples
    --------
    >>> import numpy as np
    >>> labels, rows = np.array([0, 1, 0, 1]), [np.array([0, 1]), np.array([2, 3])]
    >>> unseen_auroc(labels, np.array([[0, 0.0], [0, 1.0], [0, 5.0], [0, 4.0]]), rows)
    0.5
    """
    if labels.ndim == 2:
        columns = list(zip(labels.T, logits.T, strict=True))
    elif logits.shape[1] == 2:
        columns = [(labels, logits[:, 1] - logits[:, 0])]
    else:
        columns = [(np.where(labels < 0, -1, labels == one), logits[:, one]) for one in range(logits.shape[1])]
    found = [_area(truth[rows], score[rows]) for truth, score in columns for rows in tests]
    known = [area for area in found if area]
    return float(np.mean([area[0] for area in known])) if known else 0.5


def _area(truth: np.ndarray, scores: np.ndarray) -> tuple[float, ...]:
    """AUROC of the records whose class is known; nothing where they are of one class."""
    known = truth >= 0
    if len(np.unique(truth[known])) < 2:
        return ()
    return (float(roc_auc_score(truth[known], scores[known])),)
