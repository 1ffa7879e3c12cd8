"""Who is tested where: folds by patient, repeated, or one holdout split."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any, Literal, final

import numpy as np

from clinfuse.cohort.cohort import Cohort
from clinfuse.errors import ConfigError, DataError
from clinfuse.training.seeds import derived_seed
from clinfuse.training.splits import holdout, patient_folds

Validation = Literal["folds", "holdout"]
_SEEDS = 2**31
_HELD_BACK = 0.15 / 0.85


@final
@dataclass(frozen=True)
class Scheme:
    """How patients are dealt out.

    Parameters
    ----------
    validation : {"folds", "holdout"}
        Every patient is tested once per repeat; or once and for all 15 % are, and 85 % are trained on (of which a
        network with ``patience`` keeps 15 % of the whole back, so 70 / 15 / 15).
    folds, repeats : int
    seed : int

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

    def __post_init__(self) -> None:
        if self.validation not in ("folds", "holdout"):
            self._refuse("validation", "folds or holdout")
        if not (isinstance(self.folds, int) and self.folds >= 2):
            self._refuse("folds", "a whole number of at least 2")
        if not (isinstance(self.repeats, int) and self.repeats >= 1):
            self._refuse("repeats", "a whole number of at least 1")
        if not isinstance(self.seed, int):
            self._refuse("seed", "a whole number")

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
    """

    repeat: int
    number: int
    train: np.ndarray
    test: np.ndarray

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
        As of `clinfuse.training.splits.patient_folds`.
    """
    result = []
    for repeat in range(scheme.repeats):
        seed = derived_seed(scheme.seed, "repeat", repeat) % _SEEDS
        people = (cohort.labels, cohort.groups, cohort.record_ids)
        if scheme.validation == "holdout":
            train, validation, test = holdout(*people, seed=seed)
            result.append(Fold(repeat, 0, np.sort(np.concatenate([train, validation])), test))
            continue
        for number, (train, test) in enumerate(patient_folds(*people, folds=scheme.folds, seed=seed)):
            result.append(Fold(repeat, number, train, test))
    return result


def settings_of(model: Any, fold: Fold, scheme: Scheme) -> dict[str, Any]:
    """Give the settings a model gets in this fold beside its own: the fold's seed, and the holdout's validation."""
    own = model.get_params(deep=False)
    changed: dict[str, Any] = {}
    if "seed" in own:
        changed["seed"] = fold.seed(own["seed"], scheme.seed)
    options = own.get("options")
    if scheme.validation == "holdout" and getattr(options, "patience", 0) > 0:
        changed["options"] = dataclasses.replace(options, validation=_HELD_BACK)
    return changed
