"""Which group every record of a cohort belongs to: the levels of a declared column, bands of a number, sites."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import final

import numpy as np
import pandas as pd

from clinfuse.cohort.ages import is_age
from clinfuse.cohort.cohort import Cohort
from clinfuse.errors import ConfigError

AGE_EDGES = (18.0, 40.0, 60.0, 75.0, 90.0)
OLDEST = 90.0
UNKNOWN = "not recorded"
OTHER = "other"
SITE = "site"
_RARE = 5
_FEW_NUMBERS = 6
_EMPTY = ("", "nan", "None", "NaT", "<NA>")


@final
@dataclass(frozen=True, eq=False)
class Grouping:
    """The groups that one column makes.

    Parameters
    ----------
    column : str
        Name of a declared attribute, or ``"site"``.
    levels : tuple of str
        In the order in which they are shown; each has a record.
    codes : ndarray of int64, (records,)
        Index into ``levels``.
    """

    column: str
    levels: tuple[str, ...]
    codes: np.ndarray


def grouping(cohort: Cohort, column: str, *, edges: Sequence[float] = ()) -> Grouping:
    """Group the records of a cohort by one column.

    Parameters
    ----------
    cohort : Cohort
    column : str
        A declared attribute, or ``"site"``.
    edges : sequence of float
        Lower edges of all bands but the first, for a column of numbers. An age has the bands under 18, 18 to 39, 40 to
        59, 60 to 74, 75 to 89 and 90+ unless others are given, and is never split above 90.

    Returns
    -------
    Grouping
        Sites by number, the largest first; a level of a text that fewer than five patients have is ``"other"``; cells
        without a value are ``"not recorded"``.

    Raises
    ------
    ConfigError
        ``SUBGROUP_COLUMN``: nothing of this name is declared. ``SUBGROUP_BANDS``: a column of numbers without bands,
        bands that do not ascend, or bands of a column without numbers.

    Examples
    --------
    >>> people = pd.DataFrame({"age": [12, 44, 93, 97]})
    >>> cohort = Cohort.from_arrays({"labs": np.eye(4)}, labels=[0, 1, 0, 1], kinds={"labs": "ehr"}, attributes=people)
    >>> grouping(cohort, "age").levels
    ('under 18', '40 to 59', '90+')
    """
    attributes = cohort.attributes
    if column in attributes.columns:
        values = attributes[column]
        if edges or is_age(column) or pd.api.types.is_numeric_dtype(values):
            return _banded(column, values, tuple(float(one) for one in edges))
        return _levelled(column, np.array([_text(one) for one in values], dtype=object), _patients(cohort))
    sites = np.asarray(cohort.sites).astype(str)
    if column != SITE or not (sites != "").any():
        raise ConfigError(
            "SUBGROUP_COLUMN",
            place=f"subgroup {column}",
            rule=f"a declared attribute{_listed(attributes)}, or site where sites are declared",
            found="another name",
            remedy=f'Write site = "COLUMN", or attributes = {{ {column} = "COLUMN" }}, in [records] of cohort.toml.',
        )
    return _named(SITE, [f"site {one}" if one else UNKNOWN for one in numbered(sites)])


def check_groups(cohort: Cohort, columns: Sequence[str], bands: Mapping[str, Sequence[float]]) -> None:
    """Refuse subgroups that a cohort does not have, before anything is trained.

    Raises
    ------
    ConfigError
        ``SUBGROUP_COLUMN``, ``SUBGROUP_BANDS``; ``SUBGROUP_TASK``: the task is not binary.
    """
    if columns and cohort.task != "binary":
        raise ConfigError(
            "SUBGROUP_TASK",
            place="subgroups",
            rule="a question with two answers",
            found="several classes or labels",
            remedy="Leave subgroups out.",
        )
    for column in columns:
        grouping(cohort, column, edges=bands.get(column, ()))


def numbered(sites: np.ndarray) -> np.ndarray:
    """Give sites by number, the largest first: what a hospital calls them is no word of the declaration.

    Examples
    --------
    >>> numbered(np.array(["north", "south", "south", ""])).tolist()
    ['2', '1', '1', '']
    """
    names, counts = np.unique(sites[sites != ""], return_counts=True)
    order = {str(names[k]): str(rank + 1) for rank, k in enumerate(np.lexsort((names, -counts)))}
    return np.array([order.get(one, "") for one in sites.tolist()], dtype=object)


def _listed(attributes: pd.DataFrame) -> str:
    names = ", ".join(str(name) for name in attributes.columns)
    return f" ({names})" if names else ""


def _text(value: object) -> str:
    text = str(value).strip()
    return UNKNOWN if text in _EMPTY else text


def _patients(cohort: Cohort) -> np.ndarray:
    return np.asarray(cohort.patient_keys)


def _levelled(column: str, texts: np.ndarray, patients: np.ndarray) -> Grouping:
    """Levels by name; rare ones together: what few people share might say who they are."""
    names = sorted({str(one) for one in texts} - {UNKNOWN})
    rare = {name for name in names if len(np.unique(patients[texts == name])) < _RARE}
    return _named(column, [OTHER if one in rare else str(one) for one in texts])


def _named(column: str, texts: Sequence[str]) -> Grouping:
    def place(text: str) -> tuple[int, int, str]:
        last = {OTHER: 1, UNKNOWN: 2}.get(text, 0)
        number = text.removeprefix("site ")
        return last, int(number) if column == SITE and number.isdigit() else 0, text

    levels = tuple(sorted(set(texts), key=place))
    where = {level: code for code, level in enumerate(levels)}
    return Grouping(column, levels, np.array([where[one] for one in texts], dtype=np.int64))


def _banded(column: str, values: pd.Series, edges: tuple[float, ...]) -> Grouping:
    numbers = pd.to_numeric(values, errors="coerce").to_numpy(dtype=np.float64)
    known = numbers[np.isfinite(numbers)]
    age = is_age(column)
    if (edges or not age) and len(known) == 0:
        _refuse_bands(column, "a column of numbers", "none", "Leave the bands out.")
    if not edges and not age:
        return _few_numbers(column, numbers, known)
    if not all(math.isfinite(one) for one in edges) or any(low >= high for low, high in pairwise(edges)):
        _refuse_bands(column, "finite edges in ascending order", "others", "Correct the bands.")
    if age:
        edges = (*(one for one in edges or AGE_EDGES if one < OLDEST), OLDEST)
    names = [_band_name(edges, band, age=age) for band in range(len(edges) + 1)]
    codes = np.where(np.isfinite(numbers), np.searchsorted(edges, numbers, side="right"), len(names))
    return _occupied(column, (*names, UNKNOWN), codes)


def _few_numbers(column: str, numbers: np.ndarray, known: np.ndarray) -> Grouping:
    found = np.unique(known)
    if len(found) > _FEW_NUMBERS:
        remedy = f"Write the lower edges of its bands, as in [report.bands] {column} = [10, 20]."
        _refuse_bands(column, "bands for a column of many numbers", "none", remedy)
    codes = np.where(np.isfinite(numbers), np.searchsorted(found, np.nan_to_num(numbers)), len(found))
    return _occupied(column, (*(f"{one:g}" for one in found), UNKNOWN), codes)


def _occupied(column: str, names: tuple[str, ...], codes: np.ndarray) -> Grouping:
    used, codes = np.unique(codes, return_inverse=True)
    return Grouping(column, tuple(names[k] for k in used), codes.astype(np.int64))


def _band_name(edges: tuple[float, ...], band: int, *, age: bool) -> str:
    if band == 0:
        return f"under {edges[0]:g}"
    if band == len(edges):
        return f"{edges[-1]:g}+"
    whole = age and all(one == int(one) for one in edges[band - 1 : band + 1])
    return f"{edges[band - 1]:g} to {edges[band] - 1:g}" if whole else f"{edges[band - 1]:g} to under {edges[band]:g}"


def _refuse_bands(column: str, rule: str, found: str, remedy: str) -> None:
    raise ConfigError("SUBGROUP_BANDS", place=f"subgroup {column}", rule=rule, found=found, remedy=remedy)
