"""Patients dealt into parts so that every part holds its share of every label, the rarest first."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from clinfuse.training.seeds import generator
from clinfuse.training.sides import columns_of


def deal_patients(labels: np.ndarray, groups: np.ndarray, *, shares: Sequence[float], seed: int) -> np.ndarray:
    """Give the part each record falls into, all records of a patient into one.

    The rarest value of any label is dealt first: its patients, those with most such records before the others, go one
    by one to the part that still wants most of it. Unknown labels count for nothing but size.

    Parameters
    ----------
    labels : ndarray of int, (records,) or (records, labels)
        Below 0 where unknown.
    groups : ndarray of str, (records,)
        Patient of each record.
    shares : sequence of float
        Share of every part; they sum to 1.
    seed : int
        Another seed deals the patients differently; the order of the records changes nothing.

    Returns
    -------
    ndarray of int64, (records,)

    References
    ----------
    Sechidis, Tsoumakas and Vlahavas 2011, On the stratification of multi-label data, doi
    10.1007/978-3-642-23808-6_10; here patients are dealt, each with the counts of all its records.

    Examples
    --------
    >>> import numpy as np
    >>> labels = np.array([[1, 0], [1, 0], [0, 1], [0, 1]])
    >>> parts = deal_patients(labels, np.array(["a", "b", "c", "d"]), shares=(0.5, 0.5), seed=0)
    >>> sorted(parts[:2].tolist()), sorted(parts[2:].tolist())
    ([0, 1], [0, 1])
    """
    names, owner = np.unique(np.asarray(groups), return_inverse=True)
    counts = _counts(labels, owner, len(names))
    waiting = generator(seed, "deal").permutation(len(names))
    wanted = np.asarray(shares, dtype=np.float64)[:, None] * counts.sum(0)
    held = np.zeros_like(wanted)
    part_of = np.zeros(len(names), dtype=np.int64)
    while len(waiting):
        having = (counts[waiting] > 0).sum(0)
        column = int(np.argmin(np.where(having > 0, having, len(names) + 1)))
        found = waiting[counts[waiting, column] > 0]
        for place, patient in enumerate(found[np.argsort(-counts[found, column], kind="stable")]):
            # No part goes without while there are patients left for it; else the part that wants most of this value,
            # and of parts that want it alike the one with most room: the last column counts records.
            without = held[:, column] == 0
            urgent = without & (without.sum() >= len(found) - place)
            part = int(np.lexsort((-wanted[:, -1], -wanted[:, column], ~urgent))[0])
            part_of[patient] = part
            held[part] += counts[patient]
            wanted[part] -= counts[patient]
        waiting = waiting[counts[waiting, column] == 0]
    return part_of[owner]


def _counts(labels: np.ndarray, owner: np.ndarray, patients: int) -> np.ndarray:
    """Records of each patient by value of each label, and all of them last, float64 (patients, values + 1)."""
    masks = [column == value for column in columns_of(labels).T for value in np.unique(column[column >= 0])]
    masks.append(np.ones(len(owner), dtype=bool))
    return np.stack([np.bincount(owner[mask], minlength=patients) for mask in masks], axis=1).astype(np.float64)
