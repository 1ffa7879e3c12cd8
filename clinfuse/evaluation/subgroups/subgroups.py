"""Whether a model is as good in one group of patients as in another: sex, age, site, any declared column."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import combinations
from typing import Any, final

import numpy as np
import pandas as pd

from clinfuse.cohort.cohort import Cohort
from clinfuse.errors import ConfigError, DataError
from clinfuse.evaluation.calls import FoldThresholds, Threshold, called
from clinfuse.evaluation.predictions import Predictions
from clinfuse.evaluation.scores import counts
from clinfuse.evaluation.statistics.intervals import DRAWS, Estimate
from clinfuse.evaluation.subgroups.groups import check_groups, grouping
from clinfuse.evaluation.subgroups.measures import GAPS, MEASURES, Draws, Measured, gap
from clinfuse.evaluation.subgroups.suppression import FEWEST_EVENTS, FEWEST_PATIENTS, People, Suppression

EVERYONE = "all"
THRESHOLD = 0.5
WORDS = {
    "auroc": "AUROC",
    "sensitivity": "sensitivity",
    "specificity": "specificity",
    "brier": "Brier",
    "calibration_slope": "calibration slope",
    "false_positive_rate": "false-positive rate",
}
_HIDDEN = "not shown"


@final
@dataclass(frozen=True)
class Group:
    """One group that may be shown.

    Parameters
    ----------
    column, level : str
        Of everyone: ``"all"`` twice.
    records, patients, events : int
        Each record once, whatever the number of repeats; events are records of the positive class.
    estimates : mapping of str to Estimate
        By measure; one that has no value in most draws is not there.
    """

    column: str
    level: str
    records: int
    patients: int
    events: int
    estimates: Mapping[str, Estimate]


@final
@dataclass(frozen=True)
class Gap:
    """The difference between two groups of one column.

    Parameters
    ----------
    column, measure, first, second : str
        ``measure`` is one of ``GAPS``; a difference in sensitivity is what equal opportunity asks about.
    estimate : Estimate
        First minus second.
    pairs : int
        Of groups that were compared in this measure and column.
    """

    column: str
    measure: str
    first: str
    second: str
    estimate: Estimate
    pairs: int


@final
@dataclass(frozen=True)
class Subgroups:
    """A model's numbers in groups of patients; made by `subgroups`.

    Parameters
    ----------
    model, positive : str
    threshold : float or FoldThresholds
        Probability from which on records count as called positive, or what the models of the folds learned for that.
    groups : tuple of Group
        Everyone first, then those that may be shown, in order.
    hidden : tuple of (str, str)
        Column and level of the groups held back.
    gaps : tuple of Gap
        All pairs of groups shown of one column.
    """

    model: str
    positive: str
    threshold: Threshold
    groups: tuple[Group, ...]
    hidden: tuple[tuple[str, str], ...]
    gaps: tuple[Gap, ...]

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that groups were made of, in order."""
        found = [one.column for one in self.groups] + [column for column, _ in self.hidden]
        return tuple(name for name in dict.fromkeys(found) if name != EVERYONE)

    @property
    def worst(self) -> tuple[Gap, ...]:
        """The largest gap of every column and measure."""
        found: dict[tuple[str, str], Gap] = {}
        for one in self.gaps:
            known = found.setdefault((one.column, one.measure), one)
            if abs(one.estimate.value) > abs(known.estimate.value):
                found[one.column, one.measure] = one
        return tuple(found.values())

    @property
    def sentences(self) -> tuple[str, ...]:
        """The largest gaps, and what was held back, in words."""
        said = []
        for one in self.worst:
            found = one.estimate
            of = f"; the largest of {one.pairs} pairs, its interval not widened for that" if one.pairs > 1 else ""
            zero = "without" if found.low > 0 or found.high < 0 else "with"
            pair = f"{one.first} minus {one.second} {_signed(found)}"
            said.append(f"{one.column}, {WORDS[one.measure]}: {pair}, an interval {zero} zero in it{of}.")
        if self.hidden:
            said.append(
                f"{len(self.hidden)} groups are not shown: fewer than {FEWEST_PATIENTS} patients, fewer than "
                f"{FEWEST_EVENTS} with or without {self.positive}, or held back so that no such group can be worked "
                "out from the total."
            )
        return tuple(said)

    def table(self) -> pd.DataFrame:
        """Give one line per group, those held back without any number, for reading."""
        lines = []
        for column in (EVERYONE, *self.columns):
            lines += [_line(one) for one in self.groups if one.column == column]
            lines += [_blank(column, level) for where, level in self.hidden if where == column]
        return pd.DataFrame(lines)

    def gap_table(self) -> pd.DataFrame:
        """Give one line per pair of groups and measure, for reading."""
        columns = ["column", "measure", "first", "second", "first minus second (95 % CI)"]
        lines = [(one.column, WORDS[one.measure], one.first, one.second, _signed(one.estimate)) for one in self.gaps]
        return pd.DataFrame(lines, columns=columns)

    def as_dict(self) -> dict[str, Any]:
        """Give everything as JSON values."""
        return {**asdict(self), "hidden": [list(one) for one in self.hidden]}

    def __str__(self) -> str:
        return "\n".join((self.table().to_string(index=False), *self.sentences))

    def _repr_html_(self) -> str:
        return self.table().to_html(index=False, escape=True)


def _line(one: Group) -> dict[str, str]:
    found = {WORDS[name]: str(one.estimates[name]) if name in one.estimates else "no estimate" for name in MEASURES}
    sizes = {"n": str(one.records), "patients": str(one.patients), "events": str(one.events)}
    return {"column": one.column, "group": one.level, **sizes, **found}


def _blank(column: str, level: str) -> dict[str, str]:
    names = ("n", "patients", "events", *(WORDS[name] for name in MEASURES))
    return {"column": column, "group": level, **dict.fromkeys(names, _HIDDEN)}


def _signed(one: Estimate) -> str:
    return f"{one.value:+.2f} ({one.low:+.2f} to {one.high:+.2f})"


def subgroups(
    predictions: Predictions,
    cohort: Cohort,
    columns: Sequence[str] = ("sex", "age", "site"),
    *,
    bands: Mapping[str, Sequence[float]] | None = None,
    threshold: Threshold = THRESHOLD,
    seed: int = 0,
    draws: int = DRAWS,
) -> Subgroups:
    """Give a model's AUROC, sensitivity, specificity, Brier score and calibration slope in groups of patients.

    Parameters
    ----------
    predictions : Predictions
        Of one model, binary, nothing withheld, for records of ``cohort``. Records without a label are left out.
    cohort : Cohort
        With the declared attributes and sites.
    columns : sequence of str
        Declared attributes, and ``"site"``.
    bands : mapping of str to sequence of float, optional
        For columns of numbers the lower edges of all bands but the first; ages have bands of their own, and are never
        split above 90.
    threshold : float or FoldThresholds
        Probability from which on a record counts as called positive; declare it before results are seen. Or the
        thresholds of the folds, of `clinfuse.evaluation.calibration.operating.fold_thresholds`.
    seed, draws : int
        Of the patient-cluster bootstrap, which draws the same patients for every group.

    Returns
    -------
    Subgroups
        Groups of fewer than 20 patients, or with fewer than 5 patients who have or lack the finding, are held back,
        and with them as many others as it takes so that they cannot be worked out from the total.

    Raises
    ------
    ConfigError
        ``SUBGROUP_COLUMN``, ``SUBGROUP_BANDS``, ``SUBGROUP_TASK``, ``SUBGROUP_THRESHOLD``.
    DataError
        ``SUBGROUP_PREDICTIONS``: of several models, with something withheld, or of other records. ``CALLS_FOLD``: a
        fold without a threshold.

    References
    ----------
    Hardt, Price and Srebro 2016, arXiv 1610.02413 (equal opportunity).

    Examples
    --------
    >>> from clinfuse.evaluation.crossval import cross_validate
    >>> from clinfuse.training.unimodal import Unimodal
    >>> labels = np.tile([0, 0, 1, 1], 30)
    >>> people = pd.DataFrame({"sex": np.tile(["F", "M"], 60)})
    >>> labs = {"labs": labels[:, None] + np.random.default_rng(0).normal(size=(120, 1))}
    >>> cohort = Cohort.from_arrays(labs, labels=labels, kinds={"labs": "ehr"}, attributes=people)
    >>> found = subgroups(cross_validate(Unimodal("labs"), cohort, folds=3).predictions, cohort, ["sex"], draws=200)
    >>> [(one.level, one.records, one.events) for one in found.groups]
    [('all', 120, 60), ('F', 60, 30), ('M', 60, 30)]
    """
    check_groups(cohort, columns, bands or {})
    if not isinstance(threshold, FoldThresholds) and not 0 < threshold < 1:
        raise ConfigError(
            "SUBGROUP_THRESHOLD", place="threshold", rule="above 0 and below 1", found="another", remedy="Correct it."
        )
    held, rows = _held(predictions, cohort)
    drawn = Draws(held, called(held, threshold), seed=seed, draws=draws)
    people = People(held.patient, held.y_true == 1)
    everyone = np.ones(len(held), dtype=bool)
    found = [] if people.small(everyone) else [_group(EVERYONE, EVERYONE, held, everyone, drawn.measured(everyone))]
    suppression = Suppression(people)
    hidden: list[tuple[str, str]] = [] if found else [(EVERYONE, EVERYONE)]
    gaps: list[Gap] = []
    for column in columns:
        groups = grouping(cohort, column, edges=(bands or {}).get(column, ()))
        codes = groups.codes[rows]
        shown = suppression.shown(codes, len(groups.levels))
        measured: dict[str, dict[str, Measured]] = {}
        for code, level in enumerate(groups.levels):
            here = codes == code
            if shown[code] and here.any():
                measured[level] = drawn.measured(here)
                found.append(_group(column, level, held, here, measured[level]))
            elif here.any():
                hidden.append((column, level))
        gaps += _gaps(column, measured)
    return Subgroups(held.models[0], held.classes[-1], threshold, tuple(found), tuple(hidden), tuple(gaps))


def _held(predictions: Predictions, cohort: Cohort) -> tuple[Predictions, np.ndarray]:
    """Predictions of records with a label, and the row of the cohort that each is about."""
    where = {str(key): row for row, key in enumerate(cohort.keys)}
    known = all(str(one) in where for one in predictions.record)
    if len(predictions.models) != 1 or (predictions.withheld != "").any() or predictions.task != "binary" or not known:
        raise DataError(
            "SUBGROUP_PREDICTIONS",
            place="predictions",
            rule="binary predictions of one model for records of the cohort, nothing withheld",
            found="others",
            remedy="Select a model, as in `comparison.models['late'].predictions`.",
        )
    held = predictions.rows(predictions.y_true >= 0)
    return held, np.array([where[str(one)] for one in held.record], dtype=np.int64)


def _group(column: str, level: str, held: Predictions, here: np.ndarray, measured: Mapping[str, Measured]) -> Group:
    known = counts(held.rows(here))
    estimates = {name: one.estimate for name, one in measured.items()}
    return Group(column, level, known.records, known.patients, known.events or 0, estimates)


def _gaps(column: str, measured: Mapping[str, Mapping[str, Measured]]) -> list[Gap]:
    found = []
    for name in GAPS:
        pairs = [
            (first, second, one)
            for first, second in combinations(measured, 2)
            for one in gap(name, measured[first], measured[second])
        ]
        found += [Gap(column, name, first, second, one, len(pairs)) for first, second, one in pairs]
    return found
