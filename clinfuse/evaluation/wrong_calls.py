"""Who is called wrongly: false positives and negatives by group, by what is present, and by how sure the model was."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import final

import numpy as np

from clinfuse.cohort.cohort import Cohort
from clinfuse.errors import DataError
from clinfuse.evaluation.calls import Threshold, called
from clinfuse.evaluation.predictions import Predictions
from clinfuse.evaluation.subgroups.groups import grouping
from clinfuse.evaluation.subgroups.suppression import People, Suppression

FEWEST = 5
HELD_BACK = "held back"
PRESENT, CONFIDENCE = "modalities present", "probability of what was called"
_EDGES = (0.5, 0.6, 0.7, 0.8, 0.9)
_WORDS = ("under 50 %", "50 to 60 %", "60 to 70 %", "70 to 80 %", "80 to 90 %", "90 to 100 %")


@final
@dataclass(frozen=True)
class ErrorGroup:
    """How many of one group were called wrongly, as may be shown.

    Parameters
    ----------
    column, group : str
        Of the first group of all, the column is empty.
    positives, missed : str
        Records with the finding, and those of them that were not called.
    negatives, alarms : str
        Records without it, and those of them that were called. Counts of 1 to 4 stand as ``"<5"``, and where one of a
        column could be told from the others and their sum, a second one as ``"<10"`` or more; a group that may not be
        shown is ``"held back"``.
    """

    column: str
    group: str
    positives: str
    missed: str
    negatives: str
    alarms: str


@final
@dataclass(frozen=True)
class WrongRecord:
    """One record that was called wrongly.

    Parameters
    ----------
    record : str
        Its key.
    missed : bool
        Whether it has the finding.
    probability : float
        Of the finding, as predicted when it was held out.
    """

    record: str
    missed: bool
    probability: float


@final
@dataclass(frozen=True)
class Errors:
    """Every error of one model on held-out records.

    Parameters
    ----------
    model, positive : str
    threshold : float or FoldThresholds
        Probability from which on a record is called, or what the models of the folds learned for that.
    groups : tuple of ErrorGroup
        All records first.
    wrong : tuple of WrongRecord
        The surest error first.
    """

    model: str
    positive: str
    threshold: Threshold
    groups: tuple[ErrorGroup, ...]
    wrong: tuple[WrongRecord, ...]


def find_errors(
    predictions: Predictions,
    cohort: Cohort,
    columns: Sequence[str] = (),
    *,
    bands: Mapping[str, Sequence[float]] | None = None,
    threshold: Threshold = 0.5,
) -> Errors:
    """Find the errors of one binary model on records of the first repeat.

    Parameters
    ----------
    predictions : Predictions
        Of one model, nothing withheld.
    cohort : Cohort
        That holds these records.
    columns : sequence of str
        Declared attributes, or ``"site"``. Which of their groups are shown is decided as in the tables of subgroups.
    bands : mapping of str to sequence of float, optional
        As of `clinfuse.subgroups`.
    threshold : float or FoldThresholds

    Raises
    ------
    DataError
        ``ERRORS_TASK``: not one positive class. ``CALLS_FOLD``: a fold without a threshold.
    ConfigError
        What `clinfuse.evaluation.subgroups.groups.grouping` raises.

    Examples
    --------
    >>> from clinfuse.cohort.cohort import Cohort
    >>> from clinfuse.evaluation.crossval import cross_validate
    >>> from clinfuse.training.unimodal import Unimodal
    >>> labels = np.tile([0, 1], 20)
    >>> arrays = {"labs": labels[:, None] + np.random.default_rng(0).normal(size=(40, 1))}
    >>> cohort = Cohort.from_arrays(arrays, labels=labels, kinds={"labs": "ehr"})
    >>> cv = cross_validate(Unimodal("labs", learner="logistic"), cohort, folds=2)
    >>> find_errors(cv.predictions, cohort).groups[0].positives
    '20'
    """
    if predictions.task != "binary":
        raise DataError(
            "ERRORS_TASK",
            place="errors",
            rule="one finding, present or not",
            found=f"a {predictions.task} task",
            remedy="Look at the confusion of classes instead.",
        )
    held = predictions.rows(
        np.flatnonzero((predictions.y_true >= 0) & (predictions.repeat == predictions.repeat.min()))
    )
    risk, truth = held.probabilities[:, 1], held.y_true == 1
    call = called(held, threshold)
    sure = np.where(call, risk, 1 - risk)
    row_of = {key: row for row, key in enumerate(np.asarray(cohort.keys).tolist())}
    seen = cohort[np.array([row_of[key] for key in held.record.tolist()])]
    guard = Suppression(People(held.patient, truth))
    found = [_group("", "all records", truth, call, np.ones(len(held), dtype=bool))]
    for column in columns:
        one = grouping(seen, column, edges=(bands or {}).get(column, ()))
        shown = guard.shown(one.codes, len(one.levels))
        found += _column(column, one.levels, one.codes, truth, call, shown)
    patterns, codes = np.unique(held.present, axis=0, return_inverse=True)
    names = [" + ".join(np.asarray(held.modalities)[has]) or "none" for has in patterns]
    found += _column(PRESENT, names, codes.ravel(), truth, call)
    found += _column(CONFIDENCE, _WORDS, np.searchsorted(_EDGES, sure, side="right"), truth, call)
    wrong = np.flatnonzero(call != truth)
    wrong = wrong[np.lexsort((held.record[wrong], -sure[wrong]))]
    listed = tuple(WrongRecord(str(held.record[row]), bool(truth[row]), float(risk[row])) for row in wrong)
    return Errors(held.models[0], held.classes[-1], threshold, _masked(found), listed)


_Counts = tuple[str, str, tuple[int, int, int, int], bool]


def _group(column: str, name: str, truth: np.ndarray, call: np.ndarray, here: np.ndarray) -> _Counts:
    positive, negative = here & truth, here & ~truth
    counts = (int(positive.sum()), int((positive & ~call).sum()), int(negative.sum()), int((negative & call).sum()))
    return column, name, counts, True


def _column(
    column: str,
    names: Sequence[str],
    codes: np.ndarray,
    truth: np.ndarray,
    call: np.ndarray,
    shown: Sequence[bool] | None = None,
) -> list[_Counts]:
    found = []
    for code, name in enumerate(names):
        here = codes == code
        if here.any():
            counts = _group(column, name, truth, call, here)
            found.append((*counts[:3], shown is None or shown[code]))
    return found


def _masked(found: Sequence[_Counts]) -> tuple[ErrorGroup, ...]:
    texts: list[list[str]] = [[] for _ in found]
    for column in dict.fromkeys(one[0] for one in found):
        places = [place for place, one in enumerate(found) if one[0] == column]
        for cell in range(4):
            counts = [found[place][2][cell] for place in places]
            for place, text in zip(places, shown_counts(counts), strict=True):
                texts[place].append(text if found[place][3] else HELD_BACK)
    return tuple(ErrorGroup(one[0], one[1], *text) for one, text in zip(found, texts, strict=True))


def shown_counts(counts: Sequence[int]) -> list[str]:
    """Give counts as they may be shown beside their sum: no 1 to 4, and none that the others would tell.

    Examples
    --------
    >>> shown_counts([12, 0, 3]), shown_counts([12, 2, 3])
    (['<15', '0', '<5'], ['12', '<5', '<5'])
    """
    shown = [f"<{FEWEST}" if 0 < count < FEWEST else str(count) for count in counts]
    hidden = [place for place, count in enumerate(counts) if 0 < count < FEWEST]
    others = [place for place, count in enumerate(counts) if count >= FEWEST]
    if len(hidden) == 1 and others:
        second = min(others, key=lambda place: counts[place])
        shown[second] = f"<{FEWEST * (counts[second] // FEWEST + 1)}"
    return shown
