"""What a cohort holds, counted: who has what, what columns look like, and which inputs deserve a look first."""

from __future__ import annotations

import hashlib
import math
from collections import Counter
from dataclasses import dataclass
from typing import Any, final

import numpy as np

from clinfuse.cohort.cohort import Cohort
from clinfuse.cohort.lengths import rank_auroc, targets
from clinfuse.cohort.modality import Column

BINS = 24
OUTLYING = 5.0
REFUSED, SHARED = 1000.0, 100.0
USUAL = 0.5
_FEWEST = 20
_SEVERAL = 5


@final
@dataclass(frozen=True)
class Association:
    """How well one number tells the classes apart, over the question it answers best.

    Parameters
    ----------
    value, low, high : float
        AUROC, at least 0.5, and its 95 % limits (Hanley and McNeil); NaN where there is nothing to tell.
    """

    value: float = math.nan
    low: float = math.nan
    high: float = math.nan


@final
@dataclass(frozen=True)
class Pattern:
    """Records that have the same modalities.

    Parameters
    ----------
    present : tuple of bool, (modalities,)
    records, known, positive : int
        How many there are, with a known label, and with the positive one (-1 unless the task is binary).
    """

    present: tuple[bool, ...]
    records: int
    known: int
    positive: int


@final
@dataclass(frozen=True)
class Presence:
    """Who has one modality.

    Parameters
    ----------
    name, kind : str
    records : int
    label : Association
        Of presence with the label.
    """

    name: str
    kind: str
    records: int
    label: Association


@final
@dataclass(frozen=True)
class ColumnView:
    """One column of a table, in shares and quantiles; no single value.

    Parameters
    ----------
    source, name, kind, unit : str
    values, empty : int
        Cells with and without a value, of records that have the table.
    quantiles : tuple of float
        5, 50 and 95 %; empty below 20 values and for what is no number.
    outside : float
        Share of the values outside the declared normal range; NaN where none is declared.
    levels : tuple of (str, int)
        Of a category or a yes/no column: declared level and count, where at least five have it.
    bars : tuple of (int, int)
        Histogram between the 5 % and 95 % quantile, what lies outside in the end bars: positive, others.
    label, gap : Association
        Of the value, and of its absence, with the label.
    """

    source: str
    name: str
    kind: str
    unit: str
    values: int
    empty: int
    quantiles: tuple[float, ...]
    outside: float
    levels: tuple[tuple[str, int], ...]
    bars: tuple[tuple[int, int], ...]
    label: Association
    gap: Association


@final
@dataclass(frozen=True)
class Suspect:
    """One input, and why somebody should look at it.

    Parameters
    ----------
    row : int
        Of the cohort.
    key : str
    score : float
    reasons : tuple of str
    """

    row: int
    key: str
    score: float
    reasons: tuple[str, ...]


def patterns(cohort: Cohort) -> tuple[Pattern, ...]:
    """Which modalities records have together, most frequent first.

    Examples
    --------
    >>> cohort = Cohort.from_arrays({"labs": np.eye(4)}, labels=[0, 1, 0, 1], kinds={"labs": "ehr"})
    >>> patterns(cohort)[0].records
    4
    """
    labels = np.asarray(cohort.labels)
    groups: dict[tuple[bool, ...], list[int]] = {}
    for row, present in enumerate(np.asarray(cohort.present)):
        groups.setdefault(tuple(bool(here) for here in present), []).append(row)
    found = []
    for present, rows in groups.items():
        own = labels[rows]
        known = int((own >= 0).sum()) if own.ndim == 1 else int((own >= 0).any(axis=1).sum())
        positive = int((own == 1).sum()) if cohort.task == "binary" else -1
        found.append(Pattern(present, len(rows), known, positive))
    return tuple(sorted(found, key=lambda one: (-one.records, one.present)))


def presences(cohort: Cohort) -> tuple[Presence, ...]:
    """How many records have each modality, and whether that tells the classes apart."""
    return tuple(
        Presence(m.name, m.kind, int(here.sum()), association(cohort, here.astype(np.float64)))
        for m, here in zip(cohort.modalities, np.asarray(cohort.present).T, strict=True)
    )


def association(cohort: Cohort, values: np.ndarray) -> Association:
    """How well a number tells the classes apart; NaN is absent.

    Examples
    --------
    >>> cohort = Cohort.from_arrays({"labs": np.eye(4)}, labels=[0, 1, 0, 1], kinds={"labs": "ehr"})
    >>> association(cohort, np.array([0.0, 1.0, 0.0, 1.0])).value
    1.0
    """
    best = Association()
    for known, positive in targets(np.asarray(cohort.labels), len(cohort.classes), cohort.task == "multilabel"):
        here = known & np.isfinite(values)
        if len(np.unique(values[here])) < 2 or len(np.unique(positive[here])) < 2:
            continue
        area, low = rank_auroc(values[here], positive[here])
        if not area <= best.value:
            best = Association(area, low, min(1.0, 2 * area - low))
    return best


def columns(cohort: Cohort) -> tuple[ColumnView, ...]:
    """Every column of every table, those that tell most about the label first."""
    found = []
    for modality in cohort.modalities:
        if modality.kind == "ehr":
            values = np.asarray(cohort.arrays(modality.name))
            here = np.asarray(cohort.present)[:, cohort.names.index(modality.name)]
            found += [
                _column(cohort, modality.name, column, np.where(here, values[:, number], np.nan), here)
                for number, column in enumerate(modality.columns)
            ]
    return tuple(sorted(found, key=_telling, reverse=True))


def _telling(view: ColumnView) -> tuple[float, float]:
    told = [0.0 if math.isnan(one.value) else one.value for one in (view.label, view.gap)]
    return max(told), told[0]


def _column(cohort: Cohort, source: str, column: Column, values: np.ndarray, here: np.ndarray) -> ColumnView:
    known = values[np.isfinite(values)]
    number = column.kind == "number"
    quantiles: tuple[float, ...] = ()
    if number and len(known) >= _FEWEST:
        quantiles = tuple(float(one) for one in np.quantile(known, (0.05, 0.5, 0.95)))
    outside = math.nan
    if np.isfinite(column.normal).any() and len(known):
        outside = float(((known < column.normal[0]) | (known > column.normal[1])).mean())
    names = column.levels if column.kind == "category" else ("no", "yes") if not number else ()
    counts = Counter(int(value) for value in known) if names else Counter()
    levels = tuple((name, counts[code]) for code, name in enumerate(names) if counts[code] >= _SEVERAL)
    return ColumnView(
        source,
        column.name,
        column.kind,
        column.unit,
        len(known),
        int(here.sum()) - len(known),
        quantiles,
        outside,
        levels,
        _bars(cohort, values, quantiles),
        association(cohort, values),
        association(cohort, np.where(here, np.isnan(values), np.nan)),
    )


def _bars(cohort: Cohort, values: np.ndarray, quantiles: tuple[float, ...]) -> tuple[tuple[int, int], ...]:
    if not quantiles or quantiles[0] == quantiles[-1]:
        return ()
    edges = np.linspace(quantiles[0], quantiles[-1], BINS + 1)
    inside = np.clip(values, quantiles[0], quantiles[-1])
    labels = np.asarray(cohort.labels)
    positive = (labels == 1) if cohort.task == "binary" else np.zeros(len(values), dtype=bool)
    finite = np.isfinite(values)
    some = np.histogram(inside[finite & positive], edges)[0]
    others = np.histogram(inside[finite & ~positive], edges)[0]
    return tuple((int(one), int(other)) for one, other in zip(some, others, strict=True))


def suspects(cohort: Cohort, name: str) -> tuple[Suspect, ...]:
    """Every input of one modality in the order of suspicion.

    A refused input counts 1000, one whose content another patient has as well 100, every code that was remarked of it
    its rarity in bits (that of every second input 1, of every fourth 2, of all 0), and a summary feature far from the
    others (more than 5 robust standard deviations from the median) its distance, at most 9; equal scores stand in the
    order of their keys. What more than half of the inputs share is no reason to look at one of them.

    Parameters
    ----------
    cohort : Cohort
    name : str
        Of the modality.

    Returns
    -------
    tuple of Suspect
        Present and refused inputs; what was never there is not among them.

    References
    ----------
    Iglewicz B, Hoaglin DC. How to detect and handle outliers. ASQC Quality Press 1993 (the distance; their limit of 3.5
    is for one number, and an input has many). Shannon CE. A mathematical theory of communication. Bell Syst Tech J 1948
    (rarity in bits: the information of an event). doi:10.1002/j.1538-7305.1948.tb01338.x
    """
    here = np.asarray(cohort.present)[:, cohort.names.index(name)]
    said = _said(cohort, name)
    shares = usual_remarks(cohort, name, least=0.0)
    shared = _shared(cohort, name)
    far = _far(cohort, name)
    found = []
    for row, key in enumerate(cohort.keys):
        refused, remarks = said.get(str(key), ((), ()))
        if not here[row] and not refused:
            continue
        reasons = [*(f"refused: {code}" for code in refused), *(code for code in remarks if shares[code] <= USUAL)]
        score = REFUSED * bool(refused) - sum(math.log2(shares[code]) for code in remarks)
        if row in shared:
            reasons.append("another patient has the same content")
            score += SHARED
        distance, feature = far.get(row, (0.0, ""))
        if feature:
            reasons.append(f"{feature} unlike the others")
            score += min(9.0, distance)
        found.append(Suspect(row, str(key), float(score), tuple(reasons)))
    return tuple(sorted(found, key=lambda one: (-one.score, one.key)))


def usual_remarks(cohort: Cohort, name: str, *, least: float = USUAL) -> dict[str, float]:
    """Codes that were remarked of more than this share of the inputs of one modality, with their shares."""
    here = np.asarray(cohort.present)[:, cohort.names.index(name)]
    said = _said(cohort, name)
    inputs = [key for row, key in enumerate(map(str, cohort.keys)) if here[row] or said.get(key, ((), ()))[0]]
    counts = Counter(code for key in inputs for code in said.get(key, ((), ()))[1])
    shares = {code: counts[code] / len(inputs) for code in sorted(counts)}
    return {code: share for code, share in shares.items() if share > least}


def _said(cohort: Cohort, name: str) -> dict[str, tuple[tuple[str, ...], tuple[str, ...]]]:
    """Codes of refusals and of remarks by key."""
    codes: dict[str, tuple[dict[str, None], dict[str, None]]] = {}
    for entry in cohort.ledger.entries:
        if entry.source == name and entry.key and not entry.excluded:
            codes.setdefault(entry.key, ({}, {}))[int(entry.note)][entry.code] = None
    return {key: (tuple(refused), tuple(remarks)) for key, (refused, remarks) in codes.items()}


def _shared(cohort: Cohort, name: str) -> set[int]:
    values, owners = cohort.arrays(name), {}
    here = np.flatnonzero(np.asarray(cohort.present)[:, cohort.names.index(name)])
    rows: dict[bytes, list[int]] = {}
    for row in here:
        content = hashlib.sha256(np.ascontiguousarray(values[row]).tobytes()).digest()
        rows.setdefault(content, []).append(int(row))
        owners[int(row)] = str(cohort.patient_keys[row])
    return {row for group in rows.values() if len({owners[one] for one in group}) > 1 for row in group}


def _far(cohort: Cohort, name: str) -> dict[int, tuple[float, str]]:
    """The summary feature that lies farthest from the others, for rows where one lies far."""
    found = cohort.features(name)
    values: Any = np.asarray(found.values, dtype=np.float64)
    here = np.asarray(cohort.present)[:, cohort.names.index(name)]
    far: dict[int, tuple[float, str]] = {}
    for number, feature in enumerate(found.names):
        column = values[:, number]
        known = column[here & np.isfinite(column)]
        spread = 1.4826 * np.median(np.abs(known - np.median(known))) if len(known) >= _FEWEST else 0.0
        if spread <= 0:
            continue
        distances = np.abs(column - np.median(known)) / spread
        for row in np.flatnonzero(here & (distances > OUTLYING)):
            far[int(row)] = max(far.get(int(row), (0.0, "")), (float(distances[row]), feature))
    return far
