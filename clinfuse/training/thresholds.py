"""From what threshold on a record is called, learned from training patients that the model had not seen."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from clinfuse.errors import ConfigError
from clinfuse.training.calibration import Unseen
from clinfuse.training.calibrators import patient_shares

AIMS = ("specificity", "sensitivity")


def learned_thresholds(unseen: Unseen, aims: Mapping[str, float]) -> dict[str, np.ndarray]:
    """Give the threshold that is expected to reach each aim on new patients.

    Of W patients without the finding the one of rank ``ceil((W + 1) * specificity)`` is just not called: a further
    patient of the same kind is then called with a chance of at most 1 - specificity. Where there are too few patients
    for that rank, nobody seen is called. For a sensitivity, the same with the patients who have it, from the other end.
    Each patient counts once, whatever the number of records.

    Parameters
    ----------
    unseen : Unseen
        Of a binary task, or of several labels.
    aims : mapping of {"specificity", "sensitivity"} to float
        Each above 0 and below 1.

    Returns
    -------
    dict of str to ndarray of float64, (outputs,)
        By aim: log odds from which on a record is called, one for a binary task, one for each label otherwise.

    Raises
    ------
    ConfigError
        ``THRESHOLD_AIM``: another aim, a share outside, more than two classes, or a class without records.

    References
    ----------
    The rank is that of split conformal prediction: Vovk, Gammerman and Shafer 2005, doi:10.1007/b106715.

    Examples
    --------
    >>> scores = np.arange(20.0)
    >>> unseen = Unseen(np.stack([0 * scores, scores], 1), np.repeat([0, 1], [19, 1]), np.arange(20),
    ...     np.ones((20, 1), bool), np.zeros(20, int))
    >>> learned_thresholds(unseen, {"specificity": 0.9})["specificity"].round(6).tolist()
    [17.0]
    """
    scores = unseen.scores
    if aims and scores.ndim == 2 and unseen.labels.ndim == 1:
        _refuse("two classes, or several labels", "more than two classes")
    labels = unseen.labels if unseen.labels.ndim == 2 else unseen.labels[:, None]
    columns = scores if scores.ndim == 2 else scores[:, None]
    return {
        aim: np.array(
            [_threshold(aim, share, *pair, unseen.patients) for pair in zip(labels.T, columns.T, strict=True)]
        )
        for aim, share in aims.items()
    }


def _threshold(aim: str, share: float, labels: np.ndarray, scores: np.ndarray, patients: np.ndarray) -> float:
    if aim not in AIMS or not 0 < share < 1:
        _refuse(f"{' or '.join(AIMS)}, above 0 and below 1", "another")
    turn = 1 if aim == "specificity" else -1
    rows = labels == AIMS.index(aim)
    if not rows.any():
        _refuse("records of both classes", "one class only")
    weights, people = patient_shares(patients[rows])
    order = np.argsort(turn * scores[rows], kind="stable")
    reached = np.cumsum(weights[order])
    rank = min(np.ceil((people + 1) * share - 1e-9), people)
    kept = float(scores[rows][order][min(int(np.searchsorted(reached, rank - 1e-9)), len(order) - 1)])
    return float(np.nextafter(kept, np.inf)) if turn == 1 else kept


def _refuse(rule: str, found: str) -> None:
    raise ConfigError("THRESHOLD_AIM", place="threshold_at", rule=rule, found=found, remedy="Correct threshold_at.")
