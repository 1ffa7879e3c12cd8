"""Table 1: who is in a cohort, by class, with what is missing, and nothing small that could be read."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from itertools import combinations
from typing import Any, final

import numpy as np
import pandas as pd

from clinfuse.cohort.ages import is_age
from clinfuse.cohort.cohort import Cohort
from clinfuse.cohort.modality import Column
from clinfuse.evaluation.subgroups.groups import OLDEST, SITE, UNKNOWN, Grouping, grouping
from clinfuse.evaluation.subgroups.suppression import FEWEST_PATIENTS, Suppression

EVERYONE = "all"
FEWEST = 5
_HIDDEN = "not shown"
_QUARTILES = (0.5, 0.25, 0.75)
_FEW_NUMBERS = 6


@final
@dataclass(frozen=True)
class Spread:
    """A number among some records.

    Parameters
    ----------
    median, low, high : float
        Median and quartiles; NaN where fewer than 20 patients have a value. Nobody is older than 90.
    """

    median: float
    low: float
    high: float

    def __str__(self) -> str:
        return _HIDDEN if math.isnan(self.median) else f"{self.median:.3g} ({self.low:.3g} to {self.high:.3g})"


@final
@dataclass(frozen=True)
class Share:
    """A count among some records.

    Parameters
    ----------
    count, of : int
        ``count`` is -1 where it is held back.
    """

    count: int
    of: int

    def __str__(self) -> str:
        if self.count < 0:
            return _HIDDEN
        return f"{self.count} ({100 * self.count / self.of:.0f} %)" if self.of else "0"


@final
@dataclass(frozen=True)
class Characteristic:
    """One line of Table 1.

    Parameters
    ----------
    name, level, unit : str
        Of a number ``level`` is empty.
    cells : mapping of str to Spread or Share
        By class, and of ``"all"``.
    missing : Share
        Records without a value; of a level 0, for who has none is a level.
    difference : float
        Standardised difference between the two classes, the largest of any two where there are more; NaN where it is
        not known or not shown.
    """

    name: str
    level: str
    unit: str
    cells: Mapping[str, Spread | Share]
    missing: Share
    difference: float


@final
@dataclass(frozen=True)
class Characteristics:
    """Who is in a cohort, by class; made by `characteristics`.

    Parameters
    ----------
    classes : tuple of str
    records, patients : mapping of str to int
        By class, and of ``"all"``.
    lines : tuple of Characteristic
    """

    classes: tuple[str, ...]
    records: Mapping[str, int]
    patients: Mapping[str, int]
    lines: tuple[Characteristic, ...]

    def table(self) -> pd.DataFrame:
        """Give one line per characteristic, counts of records and patients first, for reading."""
        columns = (EVERYONE, *self.classes)
        lines = [
            {"": word, "level": "", **{name: str(of[name]) for name in columns}, "missing": "", "SMD": ""}
            for word, of in (("records", self.records), ("patients", self.patients))
        ]
        lines += [
            {
                "": f"{one.name}, {one.unit}" if one.unit else one.name,
                "level": one.level or "median (quartiles)",
                **{name: str(one.cells[name]) for name in columns},
                "missing": "" if one.level else str(one.missing),
                "SMD": "" if math.isnan(one.difference) else f"{one.difference:.2f}",
            }
            for one in self.lines
        ]
        return pd.DataFrame(lines)

    def as_dict(self) -> dict[str, Any]:
        """Give everything as JSON values; what is not known or not shown is None."""
        plain = asdict(self)
        for line in plain["lines"]:
            line["difference"] = None if math.isnan(line["difference"]) else line["difference"]
            for cell in (*line["cells"].values(), line["missing"]):
                for key, value in cell.items():
                    cell[key] = None if (key == "count" and value < 0) or math.isnan(value) else value
        return plain

    def __str__(self) -> str:
        return str(self.table().to_string(index=False))

    def _repr_html_(self) -> str:
        return self.table().to_html(index=False, escape=True)


def characteristics(cohort: Cohort) -> Characteristics:
    """Give Table 1 of a cohort: declared attributes, sites, modalities and columns of tables, by class.

    Parameters
    ----------
    cohort : Cohort
        Records without a label are left out where others have one. Several labels make no classes.

    Returns
    -------
    Characteristics
        Counts of a level are held back where fewer than 5 patients of a class have it, and with it as many other levels
        as it takes so that it cannot be worked out from the totals.

    References
    ----------
    Yang and Dalton 2012, SAS Global Forum 335 (standardised difference of a categorical variable).

    Examples
    --------
    >>> people = pd.DataFrame({"sex": np.tile(["F", "M"], 40)})
    >>> cohort = Cohort.from_arrays({"labs": np.arange(80.0)[:, None]}, labels=np.repeat([0, 1], 40),
    ...     kinds={"labs": "ehr"}, attributes=people)
    >>> found = characteristics(cohort)
    >>> [(one.name, one.level, str(one.cells["positive"])) for one in found.lines][:2]
    [('sex', 'F', '20 (50 %)'), ('sex', 'M', '20 (50 %)')]
    """
    labels = np.asarray(cohort.labels)
    single = cohort.task != "multilabel" and bool((labels >= 0).any())
    if single:
        cohort, labels = cohort[labels >= 0], labels[labels >= 0]
    classes = cohort.classes if single else ()
    people = np.asarray(cohort.patient_keys)
    sides = {EVERYONE: np.ones(len(cohort), dtype=bool)} | {name: labels == k for k, name in enumerate(classes)}
    table = Lines(people, sides)
    lines = [line for column in columns_of(cohort) for line in table.of(column)]
    return Characteristics(
        classes,
        {name: int(rows.sum()) for name, rows in sides.items()},
        {name: len(np.unique(people[rows])) for name, rows in sides.items()},
        tuple(lines),
    )


@final
@dataclass(frozen=True, eq=False)
class Numbers:
    """A column of numbers, float64 (records,), NaN where there is none."""

    name: str
    unit: str
    values: np.ndarray


@final
@dataclass(frozen=True, eq=False)
class Levels:
    """A column of levels, and those of them that get a line."""

    groups: Grouping
    told: tuple[str, ...]


def columns_of(cohort: Cohort) -> Iterator[Numbers | Levels]:
    """Give everything a cohort can be described by: attributes, sites, modalities, columns of tables."""
    frame = cohort.attributes
    for name in (str(one) for one in frame.columns):
        values = frame[name]
        numeric = pd.api.types.is_numeric_dtype(values)
        if is_age(name) or (numeric and values.nunique() > _FEW_NUMBERS):
            numbers = pd.to_numeric(values, errors="coerce").to_numpy(dtype=np.float64)
            yield Numbers(
                name, "years" if is_age(name) else "", np.minimum(numbers, OLDEST) if is_age(name) else numbers
            )
        else:
            groups = grouping(cohort, name)
            yield Levels(groups, groups.levels)
    if SITE not in frame.columns and (np.asarray(cohort.sites) != "").any():
        sites = grouping(cohort, SITE)
        yield Levels(sites, sites.levels)
    for name, here in zip(cohort.names, np.asarray(cohort.present).T, strict=True):
        yield Levels(Grouping(name, ("absent", "present"), here.astype(np.int64)), ("present",))
    for modality in cohort.modalities:
        if modality.kind == "ehr":
            cells = np.asarray(cohort.arrays(modality.name))
            for number, column in enumerate(modality.columns):
                yield _of_table(modality.name, column, cells[:, number])


def _of_table(source: str, column: Column, values: np.ndarray) -> Numbers | Levels:
    name = f"{source}: {column.name}"
    if column.kind == "number":
        age = is_age(column.name, column.unit)
        return Numbers(name, column.unit, np.minimum(values, OLDEST) if age else values)
    levels = column.levels if column.kind == "category" else ("no", "yes")
    codes = np.where(np.isnan(values), len(levels), np.nan_to_num(values)).astype(np.int64)
    told = (*levels, UNKNOWN) if column.kind == "category" else ("yes", UNKNOWN)
    return Levels(Grouping(name, (*levels, UNKNOWN), codes), told)


@final
class Lines:
    """Makes lines; remembers what was shown, so that no line tells what another holds back.

    Parameters
    ----------
    patients : ndarray of str, (records,)
    sides : mapping of str to ndarray of bool, (records,)
        Of all, then of every class.
    """

    def __init__(self, patients: np.ndarray, sides: Mapping[str, np.ndarray]) -> None:
        self.patients = patients
        self._sides = sides
        self._classes = [rows for name, rows in sides.items() if name != EVERYONE] or [sides[EVERYONE]]
        self._suppression = Suppression(self)

    def small(self, rows: np.ndarray) -> bool:
        """Whether some rows are of one to four patients of a class."""
        return any(0 < len(np.unique(self.patients[rows & side])) < FEWEST for side in self._classes)

    def of(self, column: Numbers | Levels) -> list[Characteristic]:
        """One line of a column of numbers, one per level of any other."""
        return [self._numbers(column)] if isinstance(column, Numbers) else self._levels(column)

    def _numbers(self, column: Numbers) -> Characteristic:
        known = np.isfinite(column.values)
        cells: dict[str, Spread | Share] = {}
        for name, side in self._sides.items():
            here = known & side
            enough = len(np.unique(self.patients[here])) >= FEWEST_PATIENTS
            quartiles = np.quantile(column.values[here], _QUARTILES) if enough else np.full(3, np.nan)
            cells[name] = Spread(*(float(one) for one in quartiles))
        shown = self._suppression.shown(known.astype(np.int64), 2)
        missing = Share(int((~known).sum()) if known.all() or shown[0] else -1, len(known))
        parts = [column.values[known & side] for side in self._classes]
        enough = all(len(np.unique(self.patients[known & side])) >= FEWEST_PATIENTS for side in self._classes)
        difference = _largest([_of_means(*pair) for pair in combinations(parts, 2)]) if enough else math.nan
        return Characteristic(column.name, "", column.unit, cells, missing, difference)

    def _levels(self, column: Levels) -> list[Characteristic]:
        groups = column.groups
        shown = self._suppression.shown(groups.codes, len(groups.levels))
        rows = [groups.codes == code for code in range(len(groups.levels))]
        known = [one for one, level in zip(rows, groups.levels, strict=True) if level != UNKNOWN and one.any()]
        difference = math.nan
        if all(shown) and len(known) > 1:
            counts = [np.array([int((one & side).sum()) for one in known]) for side in self._classes]
            difference = _largest([_of_shares(*pair) for pair in combinations(counts, 2)])
        found: list[Characteristic] = []
        for level, here, may in zip(groups.levels, rows, shown, strict=True):
            if level in column.told and here.any():
                cells: dict[str, Spread | Share] = {
                    name: Share(int((here & side).sum()) if may else -1, int(side.sum()))
                    for name, side in self._sides.items()
                }
                first = math.nan if found else difference
                found.append(Characteristic(groups.column, level, "", cells, Share(0, len(here)), first))
        return found


def _largest(found: list[float]) -> float:
    known = [one for one in found if math.isfinite(one)]
    return max(known, default=math.nan)


def _of_means(one: np.ndarray, other: np.ndarray) -> float:
    spread = math.sqrt((one.var(ddof=1) + other.var(ddof=1)) / 2)
    return abs(float(one.mean() - other.mean())) / spread if spread else math.nan


def _of_shares(one: np.ndarray, other: np.ndarray) -> float:
    """The standardised difference of two rows of counts over the same levels."""
    if not (one.sum() and other.sum()):
        return math.nan
    first, second = one[1:] / one.sum(), other[1:] / other.sum()
    spread = sum(np.diag(share) - np.outer(share, share) for share in (first, second)) / 2
    apart = first - second
    return math.sqrt(max(0.0, float(apart @ np.linalg.pinv(spread) @ apart)))
