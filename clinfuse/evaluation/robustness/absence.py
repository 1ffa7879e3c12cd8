"""Who lacks what, made up: masks over a cohort that exists, drawn for each record by its name."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, NoReturn, final

import numpy as np
from scipy import special

from clinfuse.cohort.cohort import Cohort
from clinfuse.errors import ConfigError

Kind = Literal["MCAR", "MAR", "MNAR label", "MNAR value", "block"]
KINDS = ("MCAR", "MAR", "MNAR label", "MNAR value", "block")
_STEPS = 80
_FAR = 80.0


@final
@dataclass(frozen=True)
class Mechanism:
    """Why modalities are missing.

    Parameters
    ----------
    kind : {"MCAR", "MAR", "MNAR label", "MNAR value", "block"}
        Completely at random; depending on a column that is always kept; on the label; on what the modality itself would
        have shown; everywhere at some sites.
    rate : float
        Share of the records that have a modality and are to lose it; within (0, 1). ``"block"`` has no rate of its own.
    strength : float
        Change of the log odds of absence per standard deviation of the column or value, or between the classes; below 0
        those with high values, or with the finding, keep more.
    modalities : tuple of str
        That may go missing; empty for all. The table of the column never does.
    column : tuple of str, (table, column)
        For ``"MAR"``: a number or yes/no of a health-record table.
    sites : tuple of str
        For ``"block"``: where the modalities are not to be had.

    Raises
    ------
    ConfigError
        ``MECHANISM_VALUE``.

    Examples
    --------
    >>> Mechanism("MAR", rate=0.4, column=("labs", "crp")).strength
    1.0
    """

    kind: Kind = "MCAR"
    rate: float = 0.3
    strength: float = 1.0
    modalities: tuple[str, ...] = ()
    column: tuple[str, str] = ("", "")
    sites: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        tests = {
            f"a kind out of {', '.join(KINDS)}": self.kind in KINDS,
            "a rate above 0 and below 1": 0 < self.rate < 1,
            "a finite strength": bool(np.isfinite(self.strength)),
            "a table and a column for MAR": self.kind != "MAR" or all(self.column),
            "at least one site for block": self.kind != "block" or bool(self.sites),
        }
        for rule, holds in tests.items():
            if not holds:
                _refuse("MECHANISM_VALUE", rule, "something else")

    def __str__(self) -> str:
        return self.kind if self.kind == "block" else f"{self.kind}, {100 * self.rate:.0f} %"


@final
@dataclass(frozen=True, eq=False)
class Simulated:
    """What a mechanism leaves of a cohort; made by `simulate_absence`.

    Parameters
    ----------
    kept : ndarray of bool, (records, modalities)
        For `Cohort.withhold`; True also where a record never had a modality.
    realised : mapping of str to float
        Share of the records that had a modality and lost it.
    nothing_left : int
        Records that had something and have nothing now: they stay, and are answered with the training prevalence.
    """

    kept: np.ndarray
    realised: dict[str, float]
    nothing_left: int


def simulate_absence(cohort: Cohort, mechanism: Mechanism, *, seed: int = 0) -> Simulated:
    """Make modalities of an existing cohort go missing by a known mechanism.

    A record loses a modality with probability ``1 / (1 + exp(-(a + b x)))``, where b is the strength and x is what the
    mechanism depends on; a is found by bisection, so that the share lost is the rate asked for. The number a record's
    fate is drawn with depends on the seed, its id and the modality, and not on its place.

    Parameters
    ----------
    cohort : Cohort
    mechanism : Mechanism
    seed : int

    Returns
    -------
    Simulated

    Raises
    ------
    ConfigError
        ``MECHANISM_COLUMN``, ``MECHANISM_SITE``, ``MODALITY_UNKNOWN``: names that the cohort does not have.

    References
    ----------
    Rubin 1976, doi:10.1093/biomet/63.3.581 (the mechanisms).

    Examples
    --------
    >>> import numpy as np
    >>> labels = np.tile([0, 1], 100)
    >>> arrays = {name: labels[:, None] + 0.1 for name in ("labs", "signs")}
    >>> cohort = Cohort.from_arrays(arrays, labels=labels, kinds={"labs": "ehr", "signs": "ehr"})
    >>> found = simulate_absence(cohort, Mechanism("MNAR label", rate=0.4, strength=2.0, modalities=("labs",)))
    >>> found.realised["labs"], bool(found.kept[:, 0][labels == 0].mean() > found.kept[:, 0][labels == 1].mean())
    (0.4, True)
    """
    names = mechanism.modalities or cohort.names
    for name in names:
        cohort.modality(name)
    if mechanism.kind == "MAR":
        _check_column(cohort, mechanism)
        names = tuple(name for name in names if name != mechanism.column[0])
    uniforms = record_uniforms(cohort.record_ids, cohort.names, 1, seed=seed, purpose="absence")[0]
    present = np.asarray(cohort.present)
    kept = np.ones_like(present)
    for place, name in enumerate(cohort.names):
        if name in names:
            here = present[:, place]
            kept[:, place] = ~(_lost(cohort, mechanism, name, uniforms[:, place], here) & here)
    lost = {
        name: float((~kept[:, k]).sum() / max(1, present[:, k].sum()))
        for k, name in enumerate(cohort.names)
        if name in names
    }
    emptied = present.any(1) & ~(present & kept).any(1)
    return Simulated(kept, lost, int(emptied.sum()))


def _lost(cohort: Cohort, mechanism: Mechanism, name: str, uniform: np.ndarray, here: np.ndarray) -> np.ndarray:
    """Who loses one modality, among those who have it."""
    if mechanism.kind == "block":
        found = np.isin(np.asarray(cohort.sites).astype(str), mechanism.sites)
        if not found.any():
            _refuse("MECHANISM_SITE", "sites of the cohort", "others, or no sites at all")
        return np.asarray(found)
    log_odds = mechanism.strength * _depends_on(cohort, mechanism, name, here)
    offset = offset_for(mechanism.rate, log_odds[here], uniform[here])
    return np.asarray(uniform < special.expit(offset + log_odds))


def offset_for(rate: float, log_odds: np.ndarray, uniform: np.ndarray) -> float:
    """Give the offset at which so large a share is lost, by bisection on the draws themselves.

    Parameters
    ----------
    rate : float
    log_odds, uniform : ndarray of float64, (records,)
        What is added to the offset, and the draws: a record is lost where its draw is below the probability.

    Examples
    --------
    >>> uniform = np.linspace(0.005, 0.995, 100)
    >>> offset = offset_for(0.25, np.zeros(100), uniform)
    >>> float(np.mean(uniform < special.expit(offset)))
    0.25
    """
    low, high = -_FAR - np.abs(log_odds).max(initial=0.0), _FAR + np.abs(log_odds).max(initial=0.0)
    for _ in range(_STEPS):
        middle = (low + high) / 2
        if np.mean(uniform < special.expit(middle + log_odds)) > rate if len(uniform) else False:
            high = middle
        else:
            low = middle
    return float(low)


def _depends_on(cohort: Cohort, mechanism: Mechanism, name: str, here: np.ndarray) -> np.ndarray:
    """What the log odds move with, float64 (records,): standardised, 0 where it is not known."""
    if mechanism.kind == "MCAR":
        return np.zeros(len(cohort))
    if mechanism.kind == "MNAR label":
        return finding(cohort) - 0.5
    if mechanism.kind == "MNAR value":
        return informative_score(cohort, name)
    table, column = mechanism.column
    number = [one.name for one in cohort.modality(table).columns].index(column)
    return _standard(np.asarray(cohort.arrays(table), dtype=np.float64)[:, number])


def finding(cohort: Cohort) -> np.ndarray:
    """Give 1.0 for records of the positive class, or with any label where there are several, else 0.0."""
    labels = np.asarray(cohort.labels)
    positive = (labels == 1).any(1) if labels.ndim == 2 else labels == len(cohort.classes) - 1
    return positive.astype(np.float64)


def informative_score(cohort: Cohort, name: str) -> np.ndarray:
    """Give what one modality says of the finding, float64 (records,), standardised; 0 where it is absent.

    The sum of its standardised summary features, each weighted by the difference of its class means: the direction in
    which the modality tells the classes apart. It reads the labels of all records: for simulating, never for a model.
    """
    values = np.asarray(cohort.features(name).values, dtype=np.float64)
    columns = np.stack([_standard(values[:, k]) for k in range(values.shape[1])], axis=1)
    here = np.asarray(cohort.present)[:, cohort.names.index(name)]
    positive = finding(cohort) == 1
    weights = np.zeros(columns.shape[1])
    if (here & positive).any() and (here & ~positive).any():
        weights = columns[here & positive].mean(0) - columns[here & ~positive].mean(0)
    return np.where(here, _standard(np.where(here, columns @ weights, np.nan)), 0.0)


def _standard(values: np.ndarray) -> np.ndarray:
    known = np.isfinite(values)
    spread = values[known].std() if known.any() else 0.0
    if spread == 0:
        return np.zeros(len(values))
    return np.where(known, (values - values[known].mean()) / spread, 0.0)


def _check_column(cohort: Cohort, mechanism: Mechanism) -> None:
    table, column = mechanism.column
    known = [one.name for one in cohort.modality(table).columns if one.kind != "category"]
    if column not in known:
        _refuse("MECHANISM_COLUMN", "a number or yes/no column of a health-record table", "another name")


def _refuse(code: str, rule: str, found: str) -> NoReturn:
    raise ConfigError(code, place="mechanism", rule=rule, found=found, remedy="Correct the mechanism.")


def record_uniforms(ids: Any, names: Sequence[str], draws: int, *, seed: int, purpose: str) -> np.ndarray:
    """Draw numbers for each record and modality that depend on their names and on nothing else.

    Parameters
    ----------
    ids : sequence of str
        Of records: neither their order nor which others there are changes what one of them gets.
    names : sequence of str
        Of modalities.
    draws : int
    seed : int
    purpose : str

    Returns
    -------
    ndarray of float64, (draws, records, modalities)
        Uniform in [0, 1).

    Examples
    --------
    >>> first = record_uniforms(["a", "b"], ["ct"], 3, seed=0, purpose="drop")
    >>> bool((first[:, 1:] == record_uniforms(["b"], ["ct"], 3, seed=0, purpose="drop")).all())
    True
    """
    drawn = np.empty((draws, len(ids), len(names)))
    for row, name in enumerate(ids):
        for column, modality in enumerate(names):
            text = "\x1f".join((str(seed), purpose, str(name), modality))
            content = hashlib.shake_256(text.encode()).digest(8 * draws)
            drawn[:, row, column] = (np.frombuffer(content, dtype="<u8") >> np.uint64(11)) * 2.0**-53
    return drawn
