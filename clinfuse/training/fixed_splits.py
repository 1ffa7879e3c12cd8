"""Splits that draw nothing: by site, by time, and as a column says; no patient is ever on both sides."""

from __future__ import annotations

import numpy as np

from clinfuse.training.sides import check_classes, compares_all, refuse

TRAIN, TEST = "train", "test"
_BY_PATIENT = "Use folds by patient."


def site_folds(labels: np.ndarray, groups: np.ndarray, sites: np.ndarray) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Leave one site out at a time: test on its patients, train on those who have never been there.

    A patient seen at several sites is tested at none, and trained on only where a site is left out that they have not
    been to. A site all of whose patients were seen elsewhere too is not left out.

    Parameters
    ----------
    labels : ndarray of int, (records,) or (records, labels)
        Below 0 where unknown.
    groups : ndarray of str, (records,)
        Patient of each record.
    sites : ndarray of str, (records,)

    Returns
    -------
    dict of str to (ndarray of int64, ndarray of int64)
        By site, sorted: rows to train on and rows to test on, each ascending. A site may hold one class only.

    Raises
    ------
    DataError
        ``SPLIT_SITES``: a record without a site, or fewer than two sites that can be left out. ``SPLIT_CLASSES``: what
        is left without a site lacks a class, or no site holds every class.

    Examples
    --------
    >>> import numpy as np
    >>> who = np.array([f"P{i}" for i in range(8)])
    >>> folds = site_folds(np.tile([0, 1], 4), who, np.repeat(["east", "west"], 4))
    >>> folds["west"][1].tolist()
    [4, 5, 6, 7]
    """
    groups, sites = np.asarray(groups), np.asarray(sites).astype(str)
    if (sites == "").any():
        found = f"{int((sites == '').sum())} records without one"
        refuse("SPLIT_SITES", "a site for every record", found, "Complete the sites, or use folds by patient.")
    settled = _settled(groups, sites)
    result = {}
    for site in np.unique(sites):
        test = np.flatnonzero((sites == site) & settled)
        train = np.flatnonzero(~np.isin(groups, groups[sites == site]))
        if len(test):
            result[str(site)] = train, test
    if len(result) < 2:
        refuse("SPLIT_SITES", "at least two sites with patients of their own", f"{len(result)}", _BY_PATIENT)
    check_classes(labels, *(train for train, _ in result.values()), remedy=_BY_PATIENT)
    if not compares_all(labels, [test for _, test in result.values()]):
        rule = "a site that holds both classes, of every class and label"
        refuse("SPLIT_CLASSES", rule, "sites of one class only", _BY_PATIENT)
    return result


def temporal_split(
    labels: np.ndarray, groups: np.ndarray, times: np.ndarray, *, share: float = 0.25, since: str = ""
) -> tuple[np.ndarray, np.ndarray]:
    """Train on the past and test on patients who came later.

    A patient is tested if their first record lies at the cut or after it. Of the others, records before the cut are
    trained on, and those at or after it are on neither side: nothing trained on is later than what is tested.

    Parameters
    ----------
    labels : ndarray of int, (records,) or (records, labels)
    groups : ndarray of str, (records,)
    times : ndarray of datetime64, (records,)
        Index times.
    share : float
        About what share of the patients is tested, those who came last; patients who came at one time stay together.
    since : str
        The cut itself, as ``"2021-01-01"``; ``share`` is then not looked at.

    Returns
    -------
    tuple of ndarray of int64
        Rows to train on and rows to test on, each ascending.

    Raises
    ------
    DataError
        ``SPLIT_TIMES``: a record without a time, or a side without patients. ``SPLIT_CLASSES``: a side without a class.

    Examples
    --------
    >>> import numpy as np
    >>> days = np.arange("2020-01-01", "2020-01-09", dtype="datetime64[D]")
    >>> who = np.array(["a", "b", "c", "d", "e", "f", "a", "g"])
    >>> train, test = temporal_split(np.tile([0, 1], 4), who, days, since="2020-01-05")
    >>> train.tolist(), test.tolist()
    ([0, 1, 2, 3], [4, 5, 7])
    """
    groups, times = np.asarray(groups), np.asarray(times).astype("datetime64[s]")
    if np.isnat(times).any():
        remedy = "Name the column index_time in [records] of cohort.toml, or use folds by patient."
        refuse("SPLIT_TIMES", "a time for every record", f"{int(np.isnat(times).sum())} records without one", remedy)
    _, owner = np.unique(groups, return_inverse=True)
    first = np.full(int(owner.max()) + 1, times.max())
    np.minimum.at(first, owner, times)
    cut = np.datetime64(since, "s") if since else _cut(first, share)
    later = first[owner] >= cut
    train, test = np.flatnonzero(~later & (times < cut)), np.flatnonzero(later)
    if len(train) == 0 or len(test) == 0:
        found = "none before it" if len(train) == 0 else "none after it"
        refuse("SPLIT_TIMES", "patients who first came before the cut, and others after it", found, "Move the cut.")
    check_classes(labels, train, test, remedy="Move the cut, or use folds by patient.")
    return train, test


def column_split(labels: np.ndarray, groups: np.ndarray, splits: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Give the sides that were declared for the records.

    Records for testing whose patient is trained on are on neither side.

    Parameters
    ----------
    labels : ndarray of int, (records,) or (records, labels)
    groups : ndarray of str, (records,)
    splits : ndarray of str, (records,)
        ``"train"``, ``"test"``, or empty text for neither.

    Returns
    -------
    tuple of ndarray of int64
        Rows to train on and rows to test on, each ascending.

    Raises
    ------
    DataError
        ``SPLIT_COLUMN``: another word, or a side without patients of its own. ``SPLIT_CLASSES``.

    Examples
    --------
    >>> import numpy as np
    >>> train, test = column_split([0, 1, 0, 1], np.array(list("abcd")), ["train", "train", "test", "test"])
    >>> test.tolist()
    [2, 3]
    """
    labels, groups, splits = np.asarray(labels), np.asarray(groups), np.asarray(splits).astype(str)
    if not np.isin(splits, (TRAIN, TEST, "")).all():
        refuse("SPLIT_COLUMN", "train, test or nothing for every record", "another word", "Correct the split.")
    train = np.flatnonzero(splits == TRAIN)
    test = np.flatnonzero((splits == TEST) & ~np.isin(groups, groups[train]))
    if len(train) == 0 or len(test) == 0:
        found = "no patient to train on" if len(train) == 0 else "no patient to test on"
        remedy = "Name the column and its words as split in [records] of cohort.toml."
        refuse("SPLIT_COLUMN", "patients on both sides of the declared split", found, remedy)
    check_classes(labels, train, test, remedy="Correct the split, or use folds by patient.")
    return train, test


def _settled(groups: np.ndarray, sites: np.ndarray) -> np.ndarray:
    """Records of patients who were seen at one site only, bool (records,)."""
    pairs = np.unique(np.stack([groups.astype(str), sites], axis=1), axis=0)
    people, visited = np.unique(pairs[:, 0], return_counts=True)
    return np.isin(groups.astype(str), people[visited == 1])


def _cut(first: np.ndarray, share: float) -> np.datetime64:
    """The time at or after which the share of patients that first came is nearest to what is asked for."""
    times, counts = np.unique(first, return_counts=True)
    if len(times) < 2:
        refuse("SPLIT_TIMES", "patients who first came at different times", "one time for all", _BY_PATIENT)
    after = np.cumsum(counts[::-1])[::-1][1:] / len(first)
    # From the last to the first, so that of two equally near cuts the later one is taken.
    best = len(after) - 1 - int(np.argmin(np.abs(after - share)[::-1]))
    cut: np.datetime64 = times[1 + best]
    return cut
