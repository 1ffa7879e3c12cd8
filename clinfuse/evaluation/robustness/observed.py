"""What really was missing: patterns of the cohort, how a model did on each, and what the pattern alone gives away."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, final

import numpy as np
import pandas as pd
from sklearn.linear_model import LogisticRegression

from clinfuse.cohort.cohort import Cohort
from clinfuse.evaluation.audit.checks import CHANCE
from clinfuse.evaluation.audit.family import family_p
from clinfuse.evaluation.audit.labels import answers
from clinfuse.evaluation.audit.questions import PRESENCE
from clinfuse.evaluation.crossval import CrossValidation
from clinfuse.evaluation.predictions import Predictions
from clinfuse.evaluation.robustness.decisions import places
from clinfuse.evaluation.scores import Counts, both_classes, counts, known_intervals, metric_interval
from clinfuse.evaluation.statistics.intervals import Estimate

FEWEST = 5
_STEEP = 10
_METRICS = ("auroc", "calibration_slope", "brier")
_NAME = "presence alone"


@final
@dataclass(frozen=True)
class PatternRow:
    """Records that have the same modalities of a model.

    Parameters
    ----------
    present : tuple of str
        In the order of the cohort.
    rest : bool
        Whether these are all patterns that fewer than five records have; ``present`` is empty then.
    counts : Counts
    metrics : mapping of str to Estimate
        ``auroc``, ``calibration_slope``, ``brier`` where there are five records of every class.
    """

    present: tuple[str, ...]
    rest: bool
    counts: Counts
    metrics: Mapping[str, Estimate]

    @property
    def name(self) -> str:
        """What the records have, in words."""
        return f"patterns of fewer than {FEWEST} records" if self.rest else ", ".join(self.present) or "nothing"

    @property
    def records(self) -> str:
        """How many there are; below five only that."""
        return few(self.counts.records)

    @property
    def events(self) -> str:
        """How many of them have the finding; below five, or where fewer than five have not, only that."""
        return few_of(self.counts)

    def as_dict(self) -> dict[str, Any]:
        """Give the row as JSON values, small counts as text."""
        numbers = {name: asdict(one) for name, one in self.metrics.items()}
        return {"present": list(self.present), "rest": self.rest, "records": self.records, "events": self.events} | {
            "metrics": numbers
        }


@final
@dataclass(frozen=True)
class Observed:
    """The patterns a model met; made by `observed_patterns`.

    Parameters
    ----------
    model : str
    rows : tuple of PatternRow
        Most frequent first, the rare ones together last.
    presence : Estimate
        AUROC of a logistic regression on presence alone, cross-validated on the folds of the model.
    presence_p : float
        How often presence goes as much with labels that are dealt anew among patients.
    """

    model: str
    rows: tuple[PatternRow, ...]
    presence: Estimate
    presence_p: float

    @property
    def shortcut(self) -> bool:
        """Whether presence alone tells the classes apart: AUROC above 0.6, and p below 0.005."""
        return self.presence.value > PRESENCE and self.presence_p < CHANCE

    @property
    def sentence(self) -> str:
        """What presence alone is worth, in words."""
        said = f"Which sources a record has, and nothing in them, gives AUROC {self.presence}"
        if self.shortcut:
            return (
                f"Red flag, test-ordering shortcut: {said[0].lower()}{said[1:]}. A model may have learned who was "
                "examined, and not what was found; elsewhere examinations are ordered in other ways."
            )
        if self.presence.value > PRESENCE:
            return f"{said}: above {PRESENCE:.1f}, but so it may be by chance (p = {self.presence_p:.3f})."
        return f"{said}: not above {PRESENCE:.1f}, no sign of a test-ordering shortcut."

    def table(self) -> pd.DataFrame:
        """Give one line per pattern, for reading."""
        return pd.DataFrame(
            {
                "has": row.name,
                "records": row.records,
                "events": row.events,
                "AUROC (95 % CI)": _shown(row.metrics, "auroc"),
                "calibration slope (95 % CI)": _slope(row.metrics),
                "Brier": f"{row.metrics['brier'].value:.3f}" if "brier" in row.metrics else "-",
            }
            for row in self.rows
        )

    def as_dict(self) -> dict[str, Any]:
        """Give everything as JSON values."""
        rows = [row.as_dict() for row in self.rows]
        return {"model": self.model, "rows": rows, "presence": asdict(self.presence), "shortcut": self.shortcut}

    def __str__(self) -> str:
        return f"{self.model}, patterns observed\n{self.table().to_string(index=False)}\n{self.sentence}"

    def _repr_html_(self) -> str:
        return self.table().to_html(index=False, escape=True)


def few(count: int) -> str:
    """Give a count of people, or that it is below five.

    Examples
    --------
    >>> few(12), few(3), few(0)
    ('12', '< 5', '0')
    """
    return f"< {FEWEST}" if 0 < count < FEWEST else str(count)


def few_of(found: Counts) -> str:
    """Give the number of events, unless it or the number of the others is below five.

    Examples
    --------
    >>> few_of(Counts(30, 30, 12, "finding")), few_of(Counts(30, 30, 27, "finding"))
    ('12', '> 25')
    """
    if found.events is None:
        return "-"
    if 0 < found.records - found.events < FEWEST:
        return f"> {max(found.records - FEWEST, 0)}"
    return few(found.events)


def _shown(metrics: Mapping[str, Estimate], name: str) -> str:
    return str(metrics[name]) if name in metrics else "-"


def _slope(metrics: Mapping[str, Estimate]) -> str:
    """With few records a draw may part the classes completely: a limit that is beyond 10 says no more than that."""
    found = metrics.get("calibration_slope", Estimate(0.0, 0.0, 0.0))
    text = _shown(metrics, "calibration_slope")
    return text if found.high <= _STEEP else f"{found.value:.2f} ({found.low:.2f} to > {_STEEP})"


def observed_patterns(cv: CrossValidation, *, seed: int | None = None) -> Observed:
    """Give how a model did on every pattern of modalities that records really have, and what the pattern alone tells.

    Parameters
    ----------
    cv : CrossValidation
    seed : int, optional
        Of the bootstrap; by default that of the cross-validation.

    Returns
    -------
    Observed
        Patterns that fewer than five records have stand together; a number needs five records of every class.

    Examples
    --------
    >>> import numpy as np
    >>> from clinfuse.cohort.cohort import Cohort
    >>> from clinfuse.evaluation.crossval import cross_validate
    >>> from clinfuse.training.late import LateFusion
    >>> draw, labels = np.random.default_rng(0), np.tile([0, 1], 40)
    >>> arrays = {name: labels[:, None] + draw.normal(size=(80, 1)) for name in ("labs", "signs")}
    >>> present = np.stack([np.ones(80, bool), np.arange(80) % 4 > 1], axis=1)
    >>> cohort = Cohort.from_arrays(arrays, labels=labels, present=present, kinds={"labs": "ehr", "signs": "ehr"})
    >>> found = observed_patterns(cross_validate(LateFusion(combine="mean"), cohort, folds=2))
    >>> [(row.present, row.records) for row in found.rows]
    [(('labs',), '40'), (('labs', 'signs'), '40')]
    """
    start = cv.seed if seed is None else seed
    held = cv.predictions
    has = held.present[:, [held.modalities.index(name) for name in cv.modalities]]
    number = (has * (1 << np.arange(has.shape[1]))).sum(1)
    first = held.repeat == held.repeats[0]
    found, sizes = np.unique(number[first], return_counts=True)
    order = np.lexsort((found, -sizes))
    often = [int(found[k]) for k in order if sizes[k] >= FEWEST]
    rows = [
        _row(held.rows(number == one), tuple(n for k, n in enumerate(cv.modalities) if one >> k & 1), start)
        for one in often
    ]
    rare = ~np.isin(number, often)
    if rare.any():
        rows.append(replace(_row(held.rows(rare), (), start), rest=True))
    presence = metric_interval(presence_alone(cv), "auroc", seed=start)
    mask = cv.cohort.present.astype(np.float64)
    chance = family_p([mask], answers(cv.cohort), cv.cohort.groups, seed=start)[0]
    return Observed(cv.name, tuple(rows), presence, float(chance))


def _row(held: Predictions, present: tuple[str, ...], seed: int) -> PatternRow:
    metrics = known_intervals(held, _METRICS, seed=seed) if both_classes(held, FEWEST) else {}
    return PatternRow(present, False, counts(held), metrics)


def presence_alone(cv: CrossValidation) -> Predictions:
    """Give held-out predictions of a logistic regression that sees which modalities a record has, and nothing else.

    Parameters
    ----------
    cv : CrossValidation
        Its folds are used; every modality of the cohort counts, whether the model uses it or not.

    Returns
    -------
    Predictions
        Of the model ``"presence alone"``, the same rows as ``cv.predictions``.
    """
    held, cohort = cv.predictions, cv.cohort
    of = places(held, cohort)
    logits = np.empty_like(held.logits)
    for (repeat, number), fold in cv.folds.items():
        here = (held.repeat == repeat) & (held.fold == number)
        logits[here] = _learned(cohort, fold.train, of[here])
    raised = np.exp(logits - logits.max(1, keepdims=True))
    p = 1 / (1 + np.exp(-logits)) if held.task == "multilabel" else raised / raised.sum(1, keepdims=True)
    return replace(held, model=np.full(len(held), _NAME), logits=logits, probabilities=p)


def _learned(cohort: Cohort, train: np.ndarray, test: np.ndarray) -> np.ndarray:
    mask, labels = cohort.present.astype(np.float64), np.asarray(cohort.labels)
    if labels.ndim == 2:
        return np.stack([_of_label(mask, labels[:, k], train, test) for k in range(labels.shape[1])], axis=1)
    fitted = LogisticRegression().fit(mask[train], labels[train])
    scores = fitted.decision_function(mask[test])
    return np.stack([np.zeros(len(test)), scores], axis=1) if scores.ndim == 1 else np.asarray(scores)


def _of_label(mask: np.ndarray, labels: np.ndarray, train: np.ndarray, test: np.ndarray) -> np.ndarray:
    known = train[labels[train] >= 0]
    return np.asarray(LogisticRegression().fit(mask[known], labels[known]).decision_function(mask[test]))
