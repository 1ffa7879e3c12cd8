"""In what the patients of another cohort differ from those a model was made with."""

from __future__ import annotations

import numpy as np

from clinfuse.cohort.cohort import Cohort
from clinfuse.evaluation.characteristics import EVERYONE, Characteristics, Levels, Lines, Numbers, columns_of
from clinfuse.evaluation.subgroups.groups import SITE, Grouping

INTERNAL, EXTERNAL = "internal", "external"


def case_mix(first: Cohort, second: Cohort) -> Characteristics:
    """Give Table 1 of two cohorts side by side, with standardised differences: outcome, modalities, shared columns.

    Parameters
    ----------
    first, second : Cohort
        Internal and external; of records with a label. Sites are not compared.

    Returns
    -------
    Characteristics
        Its classes are ``"internal"`` and ``"external"``.
    """
    sizes = len(first), len(second)
    people = np.concatenate([np.char.add(f"{k} ", _keys(one)) for k, one in enumerate((first, second))])
    side = np.repeat([0, 1], sizes)
    sides = {EVERYONE: np.ones(sum(sizes), dtype=bool), INTERNAL: side == 0, EXTERNAL: side == 1}
    lines = Lines(people, sides)
    mine, theirs = ({_name(one): one for one in _described(cohort)} for cohort in (first, second))
    found = [
        line
        for name in mine
        if name in theirs
        for column in _joined(mine[name], theirs[name])
        for line in lines.of(column)
    ]
    return Characteristics(
        (INTERNAL, EXTERNAL),
        {name: int(rows.sum()) for name, rows in sides.items()},
        {name: len(np.unique(people[rows])) for name, rows in sides.items()},
        tuple(found),
    )


def _keys(cohort: Cohort) -> np.ndarray:
    return np.asarray(cohort.patient_keys).astype(str)


def _described(cohort: Cohort) -> list[Numbers | Levels]:
    outcome = Grouping(cohort.classes[-1], ("no", "yes"), (np.asarray(cohort.labels) == 1).astype(np.int64))
    return [Levels(outcome, ("yes",)), *(one for one in columns_of(cohort) if _name(one) != SITE)]


def _name(column: Numbers | Levels) -> str:
    return column.name if isinstance(column, Numbers) else column.groups.column


def _joined(one: Numbers | Levels, other: Numbers | Levels) -> list[Numbers | Levels]:
    """One column of both cohorts; none where it is a number in one of them only."""
    if isinstance(one, Numbers) and isinstance(other, Numbers):
        return [Numbers(one.name, one.unit, np.concatenate([one.values, other.values]))]
    if not (isinstance(one, Levels) and isinstance(other, Levels)):
        return []
    levels = tuple(dict.fromkeys((*one.groups.levels, *other.groups.levels)))
    codes = [np.array([levels.index(name) for name in part.groups.levels])[part.groups.codes] for part in (one, other)]
    told = tuple(level for level in levels if level in (*one.told, *other.told))
    return [Levels(Grouping(one.groups.column, levels, np.concatenate(codes)), told)]
