"""Which cells of a table may be shown, so that no small one can be read or worked out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, final

import numpy as np

FEWEST_PATIENTS = 20
FEWEST_EVENTS = 5


class Counted(Protocol):
    """Who stands behind the rows of a table, and when some of them are too few to be shown."""

    @property
    def patients(self) -> np.ndarray:
        """Names, (rows,)."""

    def small(self, rows: np.ndarray) -> bool:
        """Whether some rows, bool (rows,), are too few; none at all are not."""


@final
@dataclass(frozen=True, eq=False)
class People:
    """Who stands behind the rows of a table.

    Parameters
    ----------
    patients : ndarray of str, (rows,)
    events : ndarray of bool, (rows,)
        Which rows have the finding.
    """

    patients: np.ndarray
    events: np.ndarray

    def small(self, rows: np.ndarray) -> bool:
        """Whether some rows, bool (rows,), are of fewer than 20 patients, or fewer than 5 with or without the finding.

        No rows at all are not small: nobody is among them.
        """
        if not rows.any():
            return False
        counts = [len(np.unique(self.patients[rows & side])) for side in (self.events, ~self.events)]
        return len(np.unique(self.patients[rows])) < FEWEST_PATIENTS or min(counts) < FEWEST_EVENTS


@final
class Suppression:
    """Decides, column after column of one table, which groups may be shown beside the total of all rows.

    A small group is held back. What the total leaves after subtraction of the groups shown is that of all groups held
    back, so further ones, the smallest first, are held back until that remainder consists of several groups and is
    not small itself. Nor is a group shown that lies within a group of an earlier column, or the reverse, but for a
    small difference.

    Parameters
    ----------
    people : Counted
        `People`, or whatever else knows its patients and when rows are too few.

    References
    ----------
    Hundepool et al. 2012, Statistical Disclosure Control, ch. 4, doi:10.1002/9781118348239 (cell suppression).

    Examples
    --------
    >>> rows = np.arange(130)
    >>> people = People(rows.astype(str), rows % 2 == 0)
    >>> Suppression(people).shown(np.repeat([0, 1, 2], [80, 40, 10]), 3)
    (True, False, False)
    """

    def __init__(self, people: Counted) -> None:
        self._people = people
        self._published: list[np.ndarray] = [np.ones(len(people.patients), dtype=bool)]

    def shown(self, codes: np.ndarray, groups: int) -> tuple[bool, ...]:
        """Say of every group whether it may be shown.

        Parameters
        ----------
        codes : ndarray of int, (rows,)
            Group of each row.
        groups : int
        """
        rows = [codes == group for group in range(groups)]
        size = [len(np.unique(self._people.patients[one])) for one in rows]
        hidden = {group for group in range(groups) if self._tells(rows[group])}
        others = sorted((group for group in range(groups) if size[group] and group not in hidden), key=size.__getitem__)
        while hidden and others and (len(hidden) == 1 or self._tells(self._union(rows, hidden))):
            hidden.add(others.pop(0))
        self._published += [rows[group] for group in range(groups) if group not in hidden]
        if hidden:
            self._published.append(self._union(rows, hidden))
        return tuple(group not in hidden for group in range(groups))

    @staticmethod
    def _union(rows: list[np.ndarray], groups: set[int]) -> np.ndarray:
        return np.any([rows[group] for group in groups], axis=0)

    def _tells(self, rows: np.ndarray) -> bool:
        """Whether a set of rows is small, or differs by a small set from one that is known and lies around or in it."""
        if self._people.small(rows):
            return True
        for other in self._published[1:]:
            nested = not (rows & ~other).any() or not (other & ~rows).any()
            if nested and self._people.small(rows ^ other):
                return True
        return False
