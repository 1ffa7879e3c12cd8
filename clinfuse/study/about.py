"""What a finished run knows of one record beside its explanation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, final

import numpy as np

from clinfuse.cohort.ages import is_age
from clinfuse.cohort.record import PatientRecord
from clinfuse.evaluation.calibration.conformal import ConformalSets, conformal_sets
from clinfuse.evaluation.calibration.operating import fold_thresholds, held_out_of, learned_inside
from clinfuse.evaluation.calibration.venn_abers import venn_abers
from clinfuse.evaluation.calls import FoldThresholds
from clinfuse.evaluation.crossval import CrossValidation
from clinfuse.evaluation.scores import metric_draws
from clinfuse.evaluation.statistics.intervals import Estimate
from clinfuse.evaluation.statistics.statistic import statistic
from clinfuse.evaluation.unusual import Beyond, beyond_training
from clinfuse.report.record.about import About
from clinfuse.report.record.page import Classes, Range, Rate, Threshold
from clinfuse.study.work import Work
from clinfuse.training.calibrated import Calibrated
from clinfuse.training.tuned import settled

VENN_ABERS = "A Venn-Abers range: one of the two ends is calibrated; the wider it is, the less the data settle."
_RATES = {"sensitivity": "recall", "specificity": "specificity"}


@final
@dataclass(frozen=True, eq=False)
class Known:
    """What is the same for all records of one model of a run.

    Parameters
    ----------
    work : Work
    cv : CrossValidation
    limits : FoldThresholds or None
        From inner folds; none where the study declares a threshold.
    rates : tuple of Rate
        Observed on held-out records at the model's thresholds.
    sets : tuple of ConformalSets
        One; none where the study does not ask for them.
    """

    work: Work
    cv: CrossValidation
    limits: FoldThresholds | None
    rates: tuple[Rate, ...]
    sets: tuple[ConformalSets, ...]


def known_of(work: Work, cv: CrossValidation) -> Known:
    """Give what the pages of all records of a binary model share."""
    level = work.study.report.conformal
    sets = (conformal_sets(cv, level, seed=work.study.seed),) if learned_inside(cv) and level is not None else ()
    limits = _limits(work, cv)
    return Known(work, cv, limits, _rates(work, cv, limits), sets)


def about_record(known: Known, record: PatientRecord, *, depth: int = 1) -> About:
    """Give what a run knows of a record.

    Parameters
    ----------
    known : Known
    record : PatientRecord
    depth : int
        How many folders below the run the page lies.
    """
    work, cv = known.work, known.cv
    held = cv.predictions.select(repeat=0)
    row = np.flatnonzero(held.record == record.key)
    classifier = settled(cv.classifier_for(record.key))
    fold = cv.folds[0, cv.fold_of(record.key)]
    sure: dict[str, Any] = {}
    if len(row):
        score = float(held.scores[row[0]])
        sure = {"threshold": _threshold(known, record.key, score), "range": _range(classifier, score)}
    described = work.run.read()
    people = len(np.unique(cv.cohort.patient_keys[fold.train]))
    known_label = cv.cohort.task == "binary" and record.has_label
    return About(
        run=(
            ("run", str(described["hashes"]["config"])[:6]),
            ("data", str(described["hashes"]["data"])[:6]),
            ("trained on", f"{len(fold.train)} records of {people} patients"),
        ),
        classes=_classes(known, record.key),
        outcome=str(cv.cohort.classes[int(record.label)]) if known_label else "",
        refused=_refused(work, record.key),
        subsets=_subsets(cv, record.key),
        unusual=tuple(_sentence(one) for one in _beyond(known, record, fold.train)),
        model_card=f"{'../' * depth}reporting/model_card.md",
        record=record,
        **sure,
    )


def _rates(work: Work, cv: CrossValidation, limits: FoldThresholds | None) -> tuple[Rate, ...]:
    held = held_out_of(cv)
    drawn = metric_draws("auroc", held, seed=work.study.seed)
    cut = _logit(work.study.report.threshold) if limits is None else limits.of(held)
    found: list[Rate] = []
    for word, name in _RATES.items():
        one: Estimate = drawn.estimate(statistic(name, held.y_true, held.scores, threshold=cut))
        found.append(Rate(name=word, value=one.value, low=max(one.low, 0.0), high=min(one.high, 1.0)))
    return tuple(found)


def _limits(work: Work, cv: CrossValidation) -> FoldThresholds | None:
    asked = work.study.report.specificity
    return fold_thresholds(cv, asked) if asked is not None and learned_inside(cv) else None


def _threshold(known: Known, key: str, score: float) -> Threshold:
    asked = known.work.study.report
    limit, words = _logit(asked.threshold), f"declared in the study as a risk of {asked.threshold:g}"
    if known.limits is not None:
        limit = next(one.log_odds for one in known.limits.folds if (one.repeat, one.fold) == (0, known.cv.fold_of(key)))
        words = f"learned in inner folds for a specificity of {known.limits.specificity:g}"
    return Threshold(asked=words, risk=_risk(limit), called=score >= limit, rates=known.rates)


def _range(classifier: Any, score: float) -> Range | None:
    if not isinstance(classifier, Calibrated):
        return None
    unseen = classifier.unseen_
    low, high = venn_abers(unseen.labels, unseen.scores, [score])[0]
    return Range(low=float(low), high=float(high), words=VENN_ABERS)


def _classes(known: Known, key: str) -> Classes | None:
    for sets in known.sets:
        held = sets.predictions
        rows = np.flatnonzero((held.record == key) & (held.repeat == 0))
        if len(rows):
            names = tuple(n for n, inside in zip(held.classes, sets.sets[rows[0]], strict=True) if inside)
            return Classes(level=sets.level, names=names)
    return None


def _subsets(cv: CrossValidation, key: str) -> tuple[tuple[frozenset[str], float], ...]:
    """Probability for every set of the present modalities that the model uses, as said when it was held out."""
    held = cv.withheld.select(repeat=0)
    found = {}
    for row in np.flatnonzero(held.record == key):
        there = {n for n, here in zip(held.modalities, held.present[row], strict=True) if here} & set(cv.modalities)
        left = frozenset(there - set(str(held.withheld[row]).split("+")))
        found[left] = float(held.probabilities[row, 1])
    return tuple(found.items())


def _refused(work: Work, key: str) -> dict[str, str]:
    names = {modality.name for modality in work.cohort.modalities}
    entries = (e for e in work.cohort.ledger.entries if e.key == key and e.source in names and not e.note)
    return {entry.source: f"{entry.text} ({entry.code})" for entry in entries}


def _beyond(known: Known, record: PatientRecord, training: np.ndarray) -> tuple[Beyond, ...]:
    cohort = known.cv.cohort
    rows = np.flatnonzero(cohort.keys == record.key)
    found = beyond_training(cohort, int(rows[0]), training) if len(rows) else ()
    return tuple(one for one in found if one.modality in known.cv.modalities)


def _sentence(one: Beyond) -> str:
    if is_age(one.name):
        return f"{one.modality}: {one.name} lies beyond the ages of the training patients."
    return f"{one.modality}: {one.name} lies {one.side} everything seen in training."


def _logit(share: float) -> float:
    return float(np.log(share / (1 - share)))


def _risk(logit: float) -> float:
    return float(1 / (1 + np.exp(-logit)))
