"""What both sides of a split must hold, and how a split that does not is refused."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NoReturn

import numpy as np

from clinfuse.errors import DataError


def columns_of(labels: np.ndarray) -> np.ndarray:
    """Give labels as (records, labels): one column where each record has one class; below 0 is unknown."""
    labels = np.asarray(labels)
    return labels[:, None] if labels.ndim == 1 else labels


def lacks_class(labels: np.ndarray, rows: np.ndarray) -> bool:
    """Say whether these rows lack a class, or a value of a label, that occurs among all."""
    for column in columns_of(labels).T:
        wanted = np.unique(column[column >= 0])
        if not np.isin(wanted, column[rows]).all():
            return True
    return False


def compares_all(labels: np.ndarray, sides: Sequence[np.ndarray]) -> bool:
    """Say whether every class, or value of a label, stands beside another one in at least one of these parts."""
    for column in columns_of(labels).T:
        held = [np.unique(column[rows][column[rows] >= 0]) for rows in sides]
        if not all(any(len(one) > 1 and value in one for one in held) for value in np.unique(column[column >= 0])):
            return False
    return True


def fewest_patients(labels: np.ndarray, groups: np.ndarray) -> int:
    """Give the number of patients who have the rarest class, or the rarest value of any label."""
    counts = [
        len(np.unique(groups[column == value]))
        for column in columns_of(labels).T
        for value in np.unique(column[column >= 0])
    ]
    return min(counts, default=len(np.unique(groups)))


def check_classes(labels: np.ndarray, *sides: np.ndarray, remedy: str = "Use fewer folds or more patients.") -> None:
    """Refuse a split with a side that is empty or lacks a class.

    Raises
    ------
    DataError
        ``SPLIT_CLASSES``.
    """
    if any(len(rows) == 0 or lacks_class(labels, rows) for rows in sides):
        refuse("SPLIT_CLASSES", "every class among the records of every side", "a side without one", remedy)


def refuse(code: str, rule: str, found: str, remedy: str) -> NoReturn:
    """Refuse a split.

    Raises
    ------
    DataError
        Always, with this code.
    """
    raise DataError(code, place="split by patient", rule=rule, found=found, remedy=remedy)
