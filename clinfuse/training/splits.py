"""Splits by patient: no patient is ever on both sides, and the result does not depend on the order of records."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from sklearn.model_selection import StratifiedGroupKFold

from clinfuse.training.deal import deal_patients
from clinfuse.training.fixed_splits import column_split, site_folds, temporal_split
from clinfuse.training.seeds import derived_seed
from clinfuse.training.sides import check_classes, fewest_patients, lacks_class, refuse

__all__ = ["column_split", "holdout", "patient_folds", "site_folds", "temporal_split"]


def patient_folds(
    labels: np.ndarray, groups: np.ndarray, ids: np.ndarray, *, folds: int, seed: int
) -> list[tuple[np.ndarray, np.ndarray]]:
    """Cut records into folds by patient, with the classes spread as evenly as patients allow.

    Of several labels each is spread, see `clinfuse.training.deal.deal_patients`.

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
        ``SPLIT_PATIENTS``: fewer patients than folds. ``SPLIT_CLASSES``: fewer patients of a class than folds, or
        a fold whose test or training records do not hold every class.

    Examples
    --------
    >>> import numpy as np
    >>> ids = np.array([f"R{i}" for i in range(8)])
    >>> folds = patient_folds(np.tile([0, 1], 4), ids, ids, folds=2, seed=0)
    >>> [len(test) for train, test in folds]
    [4, 4]
    """
    patients, fewest = len(np.unique(groups)), fewest_patients(labels, groups)
    if folds < 2:
        refuse("SPLIT_PATIENTS", "at least 2 folds", f"{folds}", "Use 2 folds or more.")
    if patients < folds:
        remedy = f"Use at most {patients} folds, or more patients." if patients > 1 else "Bring more patients."
        refuse("SPLIT_PATIENTS", f"at least {folds} patients, as many as folds", f"{patients}", remedy)
    if fewest < folds:
        remedy = f"Use at most {fewest} folds, or more patients." if fewest > 1 else "Bring more patients of it."
        rule = f"at least {folds} patients of every class, as many as folds"
        refuse("SPLIT_CLASSES", rule, f"{fewest} of one class", remedy)
    tests = _dealt(labels, groups, ids, folds, seed)
    sides = [(np.setdiff1d(np.arange(len(groups)), test), test) for test in tests]
    check_classes(labels, *(rows for pair in sides for rows in pair))
    return sides


def _dealt(labels: np.ndarray, groups: np.ndarray, ids: np.ndarray, folds: int, seed: int) -> list[np.ndarray]:
    """Test rows of every fold, each ascending."""
    if np.asarray(labels).ndim == 1:
        strata = labels - labels.min()
        order = np.argsort(ids, kind="stable")
        splitter = StratifiedGroupKFold(n_splits=folds, shuffle=True, random_state=derived_seed(seed, "folds") % 2**32)
        tests = [np.sort(order[test]) for _, test in splitter.split(np.zeros(len(order)), strata[order], groups[order])]
        if not any(lacks_class(labels, test) for test in tests):
            return tests
    part = deal_patients(labels, groups, shares=[1 / folds] * folds, seed=seed)
    return [np.flatnonzero(part == number) for number in range(folds)]


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
        ``SPLIT_SHARES``; ``SPLIT_CLASSES``: a part, that for validation too, without a class.
    """
    if len(shares) != 3 or min(shares) <= 0 or abs(sum(shares) - 1) > 1e-9:
        refuse("SPLIT_SHARES", "three positive shares that sum to 1", "other shares", "Correct the shares.")
    parts = _parts_of(labels, groups, ids, shares, seed)
    check_classes(labels, *parts, remedy="Bring more patients of the rarer class, or use folds.")
    return parts


_Parts = tuple[np.ndarray, np.ndarray, np.ndarray]


def _parts_of(labels: np.ndarray, groups: np.ndarray, ids: np.ndarray, shares: Sequence[float], seed: int) -> _Parts:
    """Rows of each of three parts, ascending; dealt by pieces, or label by label where that leaves a class out."""
    pieces = min(20, len(np.unique(groups)))
    cuts = np.round(np.cumsum(shares) * pieces).astype(int)
    bounds = list(zip((0, *cuts[:2]), cuts, strict=True))
    if np.asarray(labels).ndim == 1 and all(start < stop for start, stop in bounds):
        dealt = _pieces(labels, groups, ids, pieces, seed)
        first, second, third = (np.sort(np.concatenate(dealt[start:stop])) for start, stop in bounds)
        if not any(lacks_class(labels, part) for part in (first, second, third)):
            return first, second, third
    part_of = deal_patients(labels, groups, shares=shares, seed=seed)
    return np.flatnonzero(part_of == 0), np.flatnonzero(part_of == 1), np.flatnonzero(part_of == 2)


def _pieces(labels: np.ndarray, groups: np.ndarray, ids: np.ndarray, pieces: int, seed: int) -> list[np.ndarray]:
    strata = labels - labels.min()
    order = np.argsort(ids, kind="stable")
    splitter = StratifiedGroupKFold(n_splits=pieces, shuffle=True, random_state=derived_seed(seed, "holdout") % 2**32)
    rows = splitter.split(np.zeros(len(order)), np.zeros(len(order), int), groups[order])
    if np.bincount(strata).min() >= pieces:
        rows = splitter.split(np.zeros(len(order)), strata[order], groups[order])
    return [order[test] for _, test in rows]
