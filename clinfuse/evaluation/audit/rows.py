"""Rows of a table that two patients share to more than chance: nearly the same values under two ids."""

from __future__ import annotations

import numpy as np

CHANCE = 0.005
_FEWEST_COLUMNS, _BEYOND = 4, 3
_SHARE = 0.8
_BLOCK = 256
_MOST = 4000
_NONE = -1


def shared_rows(values: np.ndarray, patients: np.ndarray) -> set[tuple[str, str]]:
    """Pairs of patients with rows that agree in more columns than any two people of this table do by chance.

    Every two rows of different patients are compared; columns in which both are empty say nothing. How many pairs
    agree in 0, 1, 2, ... columns falls steadily, whatever the columns are; the fall between the last two numbers is
    carried on. Pairs are told of where fewer than 0.005 are to be expected to agree in as many columns, at least four,
    three more than all others, and 80 % of those in which either has a value. Rows of few coarse columns repeat in
    every clinic, and are never told of.

    Parameters
    ----------
    values : ndarray of float64, (records, columns)
        NaN where empty. Of more than 4,000 records only rows that agree in every column are compared with each other.
    patients : ndarray of str, (records,)

    Returns
    -------
    set of (str, str)
        Patients, in order.

    Examples
    --------
    >>> rows = np.random.default_rng(0).normal(size=(40, 6))
    >>> rows[3, :5] = rows[8, :5]
    >>> sorted(shared_rows(rows, np.array([f"P{k:02}" for k in range(40)])))
    [('P03', 'P08')]
    """
    codes = np.stack([_coded(column) for column in values.T], axis=1)
    counted = _sample(codes)
    agreed, differ, pairs = _pairs(codes[counted], patients[counted])
    found = np.bincount(agreed, minlength=codes.shape[1] + 1).astype(np.float64)
    limit = _limit(found)
    rows = counted[pairs[(agreed >= limit) & (agreed >= _SHARE * (agreed + differ))]]
    return {(min(one), max(one)) for one in patients[rows].tolist()}


def _coded(column: np.ndarray) -> np.ndarray:
    _, codes = np.unique(column, return_inverse=True)
    return np.where(np.isnan(column), _NONE, codes.ravel())


def _sample(codes: np.ndarray) -> np.ndarray:
    """Rows to compare: all, or of many those that somebody shares altogether, and others to know chance by."""
    if len(codes) <= _MOST:
        return np.arange(len(codes))
    _, which, times = np.unique(codes, axis=0, return_inverse=True, return_counts=True)
    shared = np.flatnonzero(times[which.ravel()] > 1)[: _MOST // 2]
    others = np.setdiff1d(np.arange(len(codes)), shared)
    return np.concatenate([shared, others[:: len(others) // (_MOST - len(shared)) + 1]])


def _pairs(codes: np.ndarray, patients: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Columns in which two rows agree and in which they do not, for every two rows of different patients."""
    _, people = np.unique(patients, return_inverse=True)
    agreed, differ, pairs = [], [], []
    for start in range(0, len(codes), _BLOCK):
        block = codes[start : start + _BLOCK]
        same = np.zeros((len(block), len(codes)), dtype=np.int16)
        other = np.zeros_like(same)
        for one, all_of_it in zip(block.T, codes.T, strict=True):
            equal = one[:, None] == all_of_it[None]
            same += equal & (one >= 0)[:, None]
            other += ~equal
        first, second = np.nonzero(people[start : start + _BLOCK, None] != people[None])
        ordered = first + start < second
        first, second = first[ordered], second[ordered]
        agreed.append(same[first, second])
        differ.append(other[first, second])
        pairs.append(np.stack([first + start, second], axis=1))
    return np.concatenate(agreed), np.concatenate(differ), np.concatenate(pairs)


def _limit(found: np.ndarray) -> int:
    """Fewest columns in which nobody is expected to agree; one more than there are where every number may occur."""
    seen = np.flatnonzero(found)
    gaps = [k for k, one in enumerate(seen) if k + 1 < len(seen) and seen[k + 1] >= one + _BEYOND]
    for place in gaps:
        last = int(seen[place])
        fall = found[last] / found[last - 1] if last and found[last - 1] else 1 / (found[last] + 1)
        for columns in range(max(_FEWEST_COLUMNS, last + _BEYOND), len(found)):
            if fall < 1 and found[last] * fall ** (columns - last) / (1 - fall) < CHANCE:
                return columns
    return len(found)
