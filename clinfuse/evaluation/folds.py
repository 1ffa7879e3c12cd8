"""Who is tested where: folds by patient, repeated; one holdout split; site by site, by time, or as declared."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, final

import numpy as np
from sklearn.base import clone

from clinfuse.cohort.cohort import Cohort
from clinfuse.errors import ConfigError, DataError
from clinfuse.training.calibrated import Calibrated
from clinfuse.training.seeds import derived_seed
from clinfuse.training.splits import column_split, holdout, patient_folds, site_folds, temporal_split
from clinfuse.training.tuned import Tuned

Validation = Literal["folds", "holdout", "sites", "temporal", "column"]
VALIDATIONS: tuple[Validation, ...] = ("folds", "holdout", "sites", "temporal", "column")
_DRAWN = ("folds", "holdout")
_SEEDS = 2**31
_HELD_BACK = 0.15 / 0.85


@final
@dataclass(frozen=True)
class Scheme:
    """How patients are dealt out.

    Parameters
    ----------
    validation : {"folds", "holdout", "sites", "temporal", "column"}
        ``"folds"``: every patient is tested once per repeat. ``"holdout"``: once and for all 15 % are, and 85 % are
        trained on (of which a network with ``patience`` keeps 15 % of the whole back, so 70 / 15 / 15). ``"sites"``:
        each site is left out in turn. ``"temporal"``: patients who came last are tested. ``"column"``: those that
        `Cohort.splits` says are. See `clinfuse.splits`.
    folds, repeats : int
        ``repeats`` more than 1 only where patients are drawn: folds and holdout.
    seed : int
    share : float
        About what share of the patients is tested, by time.
    since : str
        Or the first day that is tested, as ``"2021-01-01"``.

    Raises
    ------
    ConfigError
        ``SCHEME_VALUE``.

    Examples
    --------
    >>> Scheme(folds=3).folds
    3
    """

    validation: Validation = "folds"
    folds: int = 5
    repeats: int = 1
    seed: int = 0
    share: float = 0.25
    since: str = ""

    def __post_init__(self) -> None:
        if self.validation not in VALIDATIONS:
            self._refuse("validation", f"one of {', '.join(VALIDATIONS)}")
        if not (isinstance(self.folds, int) and self.folds >= 2):
            self._refuse("folds", "a whole number of at least 2")
        if not (isinstance(self.repeats, int) and self.repeats >= 1):
            self._refuse("repeats", "a whole number of at least 1")
        if self.repeats > 1 and self.validation not in _DRAWN:
            self._refuse("repeats", "1 where nothing is drawn: by site, by time or by column")
        if not isinstance(self.seed, int):
            self._refuse("seed", "a whole number")
        if not 0 < self.share < 1:
            self._refuse("share", "a number between 0 and 1")
        if self.since and not _is_time(self.since):
            self._refuse("since", 'a day such as "2021-01-01"')

    @staticmethod
    def _refuse(name: str, rule: str) -> None:
        raise ConfigError(
            "SCHEME_VALUE", place=name, rule=f"must be {rule}", found="another value", remedy=f"Correct {name}."
        )


@final
@dataclass(frozen=True, eq=False)
class Fold:
    """One fold of one repeat.

    Parameters
    ----------
    repeat, number : int
    train, test : ndarray of int64
        Rows of the cohort of labelled records sorted by id.
    site : str
        The site that is left out; empty text where none is.
    """

    repeat: int
    number: int
    train: np.ndarray
    test: np.ndarray
    site: str = ""

    @property
    def name(self) -> str:
        """``<repeat>-<fold>``, as the folder of the fold is called."""
        return f"{self.repeat}-{self.number}"

    def seed(self, own: int, seed: int) -> int:
        """Seed of every model of this fold whose own seed is ``own``: equal for all of them, so fits can be shared."""
        return derived_seed(seed, "fit", own, self.repeat, self.number) % _SEEDS


def scored(cohort: Cohort) -> Cohort:
    """Give the records that have a label, sorted by id: what folds are made of, whatever order they came in.

    Raises
    ------
    DataError
        ``LABELS_NONE``: no record has one. ``SOURCE_EMPTY``: a modality that no record has.
        ``LENGTH_LEAK``, as of `Cohort.check_lengths`.
    """
    labels = np.asarray(cohort.labels)
    known = (labels >= 0) if labels.ndim == 1 else (labels >= 0).any(1)
    if not known.any():
        raise DataError(
            "LABELS_NONE",
            place="cohort",
            rule="at least some records need a label",
            found="none that has one",
            remedy="Correct [label] in cohort.toml.",
        )
    chosen: Cohort = cohort[np.flatnonzero(known)].sorted_by_id()
    for name, has in zip(chosen.names, np.asarray(chosen.present.any(0)), strict=True):
        if not has:
            raise DataError(
                "SOURCE_EMPTY",
                place=f"modality {name}",
                rule="at least one record must have it",
                found="none of the records with a label",
                remedy="Look at its ids and window with clinfuse check, or leave the modality out.",
            )
    chosen.check_lengths()
    return chosen


def deal(cohort: Cohort, scheme: Scheme) -> list[Fold]:
    """Deal the patients of a cohort from `scored` into folds.

    Parameters
    ----------
    cohort : Cohort
    scheme : Scheme

    Returns
    -------
    list of Fold
        In order of repeat and number.

    Raises
    ------
    DataError
        As of the functions of `clinfuse.splits`.
    """
    return [
        Fold(repeat, number, *sides, site=site)
        for repeat in range(scheme.repeats)
        for number, (site, sides) in enumerate(_divisions(cohort, scheme, repeat))
    ]


def _divisions(cohort: Cohort, scheme: Scheme, repeat: int) -> Iterator[tuple[str, tuple[np.ndarray, np.ndarray]]]:
    """Training and test rows of every fold of a repeat, with the site that is left out."""
    labels, groups = np.asarray(cohort.labels), np.asarray(cohort.groups)
    seed = derived_seed(scheme.seed, "repeat", repeat) % _SEEDS
    if scheme.validation == "sites":
        yield from site_folds(labels, groups, cohort.sites).items()
    elif scheme.validation == "temporal":
        yield "", temporal_split(labels, groups, cohort.times, share=scheme.share, since=scheme.since)
    elif scheme.validation == "column":
        yield "", column_split(labels, groups, cohort.splits)
    elif scheme.validation == "holdout":
        train, validation, test = holdout(labels, groups, cohort.record_ids, seed=seed)
        yield "", (np.sort(np.concatenate([train, validation])), test)
    else:
        for sides in patient_folds(labels, groups, cohort.record_ids, folds=scheme.folds, seed=seed):
            yield "", sides


def _is_time(text: str) -> bool:
    try:
        datetime.fromisoformat(text)
    except (TypeError, ValueError):
        return False
    return True


def settings_of(model: Any, fold: Fold, scheme: Scheme) -> dict[str, Any]:
    """Give the settings a model gets in this fold beside its own: the fold's seed, and the holdout's validation."""
    if isinstance(model, Calibrated):
        return {f"model__{name}": value for name, value in settings_of(model.model, fold, scheme).items()}
    own = model.get_params(deep=False)
    changed: dict[str, Any] = {}
    if "seed" in own:
        changed["seed"] = fold.seed(own["seed"], scheme.seed)
    if isinstance(model, Tuned):
        return {**changed, "model": clone(model.model).set_params(**settings_of(model.model, fold, scheme))}
    options = own.get("options")
    if scheme.validation == "holdout" and getattr(options, "patience", 0) > 0:
        changed["options"] = dataclasses.replace(options, validation=_HELD_BACK)
    return changed
