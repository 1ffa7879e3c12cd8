"""What a model says of test records whose inputs are spoiled: the models of the folds, each modality by itself."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, final

import numpy as np
import pandas as pd

from clinfuse.cohort.cohort import Cohort
from clinfuse.evaluation.answer import paired_difference
from clinfuse.evaluation.crossval import CrossValidation
from clinfuse.evaluation.predictions import Predictions
from clinfuse.evaluation.robustness.damage import SHARES, SHUFFLED, damages_of, exchanged, spoiled
from clinfuse.evaluation.running.fitting import one_thread_each
from clinfuse.evaluation.scores import Counts, counts, known_intervals, metric_interval
from clinfuse.evaluation.statistics.intervals import Estimate
from clinfuse.training.classifiers import FusionClassifier
from clinfuse.training.encoded import Encoded

Progress = Callable[[int, int], None]
Case = tuple[str, str, float]
_DRAWS = 500


@final
@dataclass(frozen=True)
class DamageRow:
    """A model whose one modality is spoiled in every test record that has it.

    Parameters
    ----------
    modality, damage : str
    grade : float
    unit : str
        What the grade is a share of.
    counts : Counts
        Of the records that have the modality: only they are scored.
    auroc, brier : Estimate
    change : Estimate
        AUROC minus that of the same records unspoiled, by a paired bootstrap.
    calibration : mapping of str to Estimate
        ``calibration_slope`` where it has a value.
    """

    modality: str
    damage: str
    grade: float
    unit: str
    counts: Counts
    auroc: Estimate
    brier: Estimate
    change: Estimate
    calibration: Mapping[str, Estimate]

    def as_dict(self) -> dict[str, Any]:
        """Give the row as JSON values."""
        numbers = {name: asdict(getattr(self, name)) for name in ("auroc", "brier", "change")}
        numbers |= {name: asdict(one) for name, one in self.calibration.items()}
        named = {name: getattr(self, name) for name in ("modality", "damage", "grade", "unit")}
        return {**named, **asdict(self.counts), **numbers}


@final
@dataclass(frozen=True)
class Damaged:
    """Every modality spoiled in every way; made by `damaged`.

    Parameters
    ----------
    model : str
    rows : tuple of DamageRow
    """

    model: str
    rows: tuple[DamageRow, ...]

    @property
    def sentence(self) -> str:
        """What costs most, in words."""
        lost = [row for row in self.rows if row.change.high < 0]
        if not lost:
            return f"No damage to an input is shown to cost {self.model} anything."
        worst = min(lost, key=lambda row: row.change.value)
        change = worst.change
        return (
            f"Of {len(self.rows)} kinds and grades of damage, {len(lost)} lower the AUROC of {self.model} with an "
            f"interval below 0; most of all {worst.modality}, {worst.damage} ({worst.grade:g} {worst.unit}): "
            f"{change.value:+.2f} ({change.low:+.2f} to {change.high:+.2f})."
        )

    def table(self) -> pd.DataFrame:
        """Give one line per modality, damage and grade, for reading."""
        return pd.DataFrame(
            {
                "modality": row.modality,
                "damage": row.damage,
                "grade": f"{row.grade:g}",
                "records": row.counts.records,
                "AUROC (95 % CI)": str(row.auroc),
                "change (95 % CI)": f"{row.change.value:+.2f} ({row.change.low:+.2f} to {row.change.high:+.2f})",
                "slope": f"{row.calibration['calibration_slope'].value:.2f}" if row.calibration else "-",
                "Brier": f"{row.brier.value:.3f}",
            }
            for row in self.rows
        )

    def as_dict(self) -> dict[str, Any]:
        """Give everything as JSON values."""
        return {"model": self.model, "rows": [row.as_dict() for row in self.rows], "sentence": self.sentence}

    def __str__(self) -> str:
        return f"{self.table().to_string(index=False)}\n{self.sentence}"

    def _repr_html_(self) -> str:
        return self.table().to_html(index=False, escape=True)


def damaged(
    cv: CrossValidation,
    *,
    modalities: Sequence[str] = (),
    seed: int | None = None,
    progress: Progress = lambda done, total: None,
) -> Damaged:
    """Spoil inputs of held-out records, each modality by itself, and ask the models that never saw these patients.

    Every record is encoded once; after that only the spoiled modality is encoded again.

    Parameters
    ----------
    cv : CrossValidation
        Its fitted models are needed; one that could not be stored is fitted again.
    modalities : sequence of str, optional
        By default all that the model has.
    seed : int, optional
        Of what befalls a record, and of the bootstrap; by default that of the cross-validation.
    progress : callable
        Told the number of folds done, and of all.

    Returns
    -------
    Damaged

    Raises
    ------
    TrainingError
        ``STORE_REFIT``.

    References
    ----------
    Hendrycks and Dietterich 2019, arXiv 1903.12261 (graded corruption of test inputs).

    Examples
    --------
    >>> import numpy as np
    >>> from clinfuse.evaluation.crossval import cross_validate
    >>> from clinfuse.training.late import LateFusion
    >>> draw, labels = np.random.default_rng(0), np.tile([0, 1], 40)
    >>> arrays = {name: labels[:, None] + draw.normal(size=(80, 2)) for name in ("labs", "signs")}
    >>> cohort = Cohort.from_arrays(arrays, labels=labels, kinds={"labs": "ehr", "signs": "ehr"})
    >>> found = damaged(cross_validate(LateFusion(combine="mean"), cohort, folds=2), modalities=("labs",))
    >>> [(row.damage, row.grade) for row in found.rows][::3]
    [('cells emptied', 0.25), ('columns exchanged', 0.25)]
    """
    start = cv.seed if seed is None else seed
    names = tuple(modalities) or cv.modalities
    for name in names:
        cv.cohort.modality(name)
    logits: dict[Case, np.ndarray] = {}
    for done, ((repeat, number), fold) in enumerate(cv.folds.items()):
        classifier = cv.classifiers[repeat, number]
        test = cv.cohort[fold.test]
        rows = _rows_of(cv.predictions, test, repeat)
        with one_thread_each(classifier):
            for case, said in _said(classifier, test, names, start):
                logits.setdefault(case, np.array(cv.predictions.logits))[rows] = said
        progress(done + 1, len(cv.folds))
    return Damaged(cv.name, tuple(_row(cv, case, said, start) for case, said in logits.items()))


def _rows_of(held: Predictions, test: Cohort, repeat: int) -> np.ndarray:
    """Row of the predictions about each test record in a repeat."""
    own = np.flatnonzero(held.repeat == repeat)
    place = {str(record): int(row) for row, record in zip(own, held.record[own], strict=True)}
    return np.array([place[str(key)] for key in test.keys])


def _said(
    classifier: FusionClassifier, test: Cohort, names: Sequence[str], seed: int
) -> Iterator[tuple[Case, np.ndarray]]:
    """What the model of a fold says of its test records for every modality, damage and grade."""
    whole = classifier.encode(test)
    for name in names:
        for case, worse in _spoiled(test, name, seed):
            place = classifier.modalities_.index(name)
            encoded = classifier.encode(worse)
            present = whole.present.copy()
            present[:, place] &= encoded.present[:, place]
            values = {**whole.values, name: encoded.values[name]}
            yield case, classifier.decide(Encoded(values, present))


def _spoiled(test: Cohort, name: str, seed: int) -> Iterator[tuple[Case, Cohort]]:
    modality = test.modality(name)
    for damage in damages_of(modality):
        for grade in damage.grades:
            yield (name, damage.name, grade), spoiled(test, name, damage, grade, seed=seed)
    if modality.kind == "ehr":
        for share in SHARES:
            yield (name, SHUFFLED, share), exchanged(test, name, share, seed=seed)


def _unit(cv: CrossValidation, name: str, damage: str) -> str:
    known = {one.name: one.unit for one in damages_of(cv.cohort.modality(name))}
    return known.get(damage, "of the records")


def _row(cv: CrossValidation, case: Case, logits: np.ndarray, seed: int) -> DamageRow:
    name, damage, grade = case
    held = cv.predictions
    here = np.flatnonzero(held.present[:, held.modalities.index(name)])
    clean = held.rows(here)
    chances = next(iter(cv.classifiers.values())).probabilities(logits[here])
    worse = replace(clean, logits=logits[here], probabilities=chances)
    return DamageRow(
        modality=name,
        damage=damage,
        grade=grade,
        unit=_unit(cv, name, damage),
        counts=counts(worse),
        auroc=metric_interval(worse, "auroc", seed=seed, draws=_DRAWS),
        brier=metric_interval(worse, "brier", seed=seed, draws=_DRAWS),
        change=paired_difference(worse, clean, seed=seed, draws=_DRAWS).estimate,
        calibration=known_intervals(worse, ("calibration_slope",), seed=seed, draws=_DRAWS),
    )
