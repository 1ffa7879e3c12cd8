"""Splits by patient: no patient is ever on both sides, and the result does not depend on the order of records."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from sklearn.model_selection import StratifiedGroupKFold

from clinfuse.errors import DataError
from clinfuse.training.seeds import derived_seed


def patient_folds(
    labels: np.ndarray, groups: np.ndarray, ids: np.ndarray, *, folds: int, seed: int
) -> list[tuple[np.ndarray, np.ndarray]]:
    """Cut records into folds by patient, with the classes spread as evenly as patients allow.

    Parameters
    ----------
    labels : ndarray of int, (records,) or (records, labels)
        Class of each record, or 0/1 per label; -1 where unknown.
    groups : ndarray of str, (records,)
        Patient of each record.
    ids : ndarray of str, (records,)
        Record ids, unique; they fix the order in which patients are dealt out.
    folds : int
        Number of folds, at least 2.
    seed : int
        Another seed deals the patients differently.

    Returns
    -------
    list of (ndarray of int64, ndarray of int64)
        Per fold the rows to train on and the rows to test on, each ascending.

    Raises
    ------
    DataError
        ``SPLIT_PATIENTS``: fewer patients than folds. ``SPLIT_CLASSES``: a fold whose test or training records do
        not hold every class.

    Examples
    --------
    >>> import numpy as np
    >>> ids = np.array([f"R{i}" for i in range(8)])
    >>> folds = patient_folds(np.tile([0, 1], 4), ids, ids, folds=2, seed=0)
    >>> [len(test) for train, test in folds]
    [4, 4]
    """
    strata = _strata(labels)
    if len(np.unique(groups)) < folds or folds < 2:
        _refuse("SPLIT_PATIENTS", f"at least {max(folds, 2)} patients", f"{len(np.unique(groups))}")
    order = np.argsort(ids, kind="stable")
    fewest = np.bincount(strata)[np.unique(strata)].min()
    if np.asarray(labels).ndim == 1 and fewest < folds:
        _refuse("SPLIT_CLASSES", f"at least {folds} records of every class, as many as folds", f"{fewest} of one class")
    splitter = StratifiedGroupKFold(n_splits=folds, shuffle=True, random_state=derived_seed(seed, "folds") % 2**32)
    result = []
    for _, test in splitter.split(np.zeros(len(order)), strata[order], groups[order]):
        test_rows = np.sort(order[test])
        train_rows = np.setdiff1d(np.arange(len(order)), test_rows)
        _check_classes(labels, train_rows, test_rows)
        result.append((train_rows, test_rows))
    return result


def holdout(
    labels: np.ndarray,
    groups: np.ndarray,
    ids: np.ndarray,
    *,
    shares: Sequence[float] = (0.70, 0.15, 0.15),
    seed: int,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Cut records once into training, validation and test rows, by patient.

    Parameters
    ----------
    labels, groups, ids, seed
        As for `patient_folds`.
    shares : sequence of float
        Share of the patients in each part; they sum to 1.

    Returns
    -------
    tuple of ndarray of int64
        Training, validation and test rows, each ascending.

    Raises
    ------
    DataError
        ``SPLIT_SHARES``, and what `patient_folds` raises.
    """
    if len(shares) != 3 or min(shares) <= 0 or abs(sum(shares) - 1) > 1e-9:
        _refuse("SPLIT_SHARES", "three positive shares that sum to 1", "other shares", "Correct the shares.")
    pieces = min(20, len(np.unique(groups)))
    dealt = [test for _, test in _pieces(labels, groups, ids, pieces, seed)]
    cuts = np.round(np.cumsum(shares) * pieces).astype(int)
    train, validation, test = (
        np.sort(np.concatenate(dealt[start:stop])) for start, stop in zip((0, *cuts[:2]), cuts, strict=True)
    )
    _check_classes(labels, train, test)
    return train, validation, test


def _pieces(
    labels: np.ndarray, groups: np.ndarray, ids: np.ndarray, pieces: int, seed: int
) -> list[tuple[np.ndarray, np.ndarray]]:
    strata = _strata(labels)
    order = np.argsort(ids, kind="stable")
    splitter = StratifiedGroupKFold(n_splits=pieces, shuffle=True, random_state=derived_seed(seed, "holdout") % 2**32)
    rows = splitter.split(np.zeros(len(order)), np.zeros(len(order), int), groups[order])
    if np.bincount(strata).min() >= pieces:
        rows = splitter.split(np.zeros(len(order)), strata[order], groups[order])
    return [(order[train], order[test]) for train, test in rows]


def _strata(labels: np.ndarray) -> np.ndarray:
    """Class of each record; for several labels the number of positive ones, capped so that no stratum is tiny."""
    labels = np.asarray(labels)
    if labels.ndim == 1:
        return labels - labels.min()
    return np.minimum((labels == 1).sum(1), 2)


def _check_classes(labels: np.ndarray, train: np.ndarray, test: np.ndarray) -> None:
    labels = np.asarray(labels)
    columns = labels[:, None] if labels.ndim == 1 else labels
    for column in columns.T:
        wanted = np.unique(column[column >= 0])
        for rows in (train, test):
            if not np.isin(wanted, column[rows]).all():
                _refuse("SPLIT_CLASSES", "every class among the records of both sides", "a side without one")


def _refuse(code: str, rule: str, found: str, remedy: str = "Use fewer folds or more patients.") -> None:
    raise DataError(code, place="split by patient", rule=rule, found=found, remedy=remedy)
