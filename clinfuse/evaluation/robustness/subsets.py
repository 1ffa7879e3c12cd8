"""What is left of a model when modalities are missing: every subset, on the same patients."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal, final

import numpy as np
import pandas as pd

from clinfuse.cohort.cohort import Cohort
from clinfuse.errors import ConfigError, DataError
from clinfuse.evaluation.answer import paired_difference
from clinfuse.evaluation.crossval import CrossValidation
from clinfuse.evaluation.predictions import Predictions
from clinfuse.evaluation.scores import Counts, both_classes, counts, known_intervals, metric_interval
from clinfuse.evaluation.statistics.intervals import DRAWS, Estimate

Population = Literal["complete", "all"]
CALIBRATION = ("calibration_slope", "calibration_intercept")
_SHORT = dict(zip(CALIBRATION, ("slope (95 % CI)", "in the large (95 % CI)"), strict=True))
_LEAST = 5
_DRAWS = 500


@final
@dataclass(frozen=True)
class SubsetRow:
    """A model with some modalities withheld from everybody.

    Parameters
    ----------
    kept, withheld : tuple of str
        In the order of the cohort.
    population : {"complete", "all"}
        Records that have every modality of the model, or all records with what they have.
    counts : Counts
    auroc, brier : Estimate
    delta : Estimate
        AUROC minus that with nothing withheld on the same records, by a paired bootstrap; 0 for the first row.
    calibration : mapping of str to Estimate
        ``calibration_slope`` and ``calibration_intercept`` where they were asked for and have a value.
    """

    kept: tuple[str, ...]
    withheld: tuple[str, ...]
    population: Population
    counts: Counts
    auroc: Estimate
    brier: Estimate
    delta: Estimate
    calibration: Mapping[str, Estimate] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        """Give the row as JSON values."""
        estimates = {name: asdict(getattr(self, name)) for name in ("auroc", "brier", "delta")}
        estimates |= {name: asdict(one) for name, one in self.calibration.items()}
        names = {"kept": list(self.kept), "withheld": list(self.withheld)}
        return {**names, "population": self.population, **asdict(self.counts), **estimates}


@final
@dataclass(frozen=True)
class Robustness:
    """Every subset of a model's modalities; made by `robustness`.

    Parameters
    ----------
    model : str
    rows : tuple of SubsetRow
        Complete records first (where there are enough of them), then all; within each, larger subsets first.
    """

    model: str
    rows: tuple[SubsetRow, ...]

    def of(self, population: Population) -> tuple[SubsetRow, ...]:
        """Give the rows of one population; none where too few records are complete."""
        return tuple(row for row in self.rows if row.population == population)

    @property
    def without(self) -> dict[str, Estimate]:
        """Change of AUROC when one modality is withheld, the most costly first: complete records, else all."""
        rows = self.of("complete") or self.of("all")
        single = {row.withheld[0]: row.delta for row in rows if len(row.withheld) == 1}
        return dict(sorted(single.items(), key=lambda item: item[1].value))

    @property
    def sentences(self) -> tuple[str, ...]:
        """What is lost without each modality, in words, the most costly first."""
        rows = self.of("complete") or self.of("all")
        which = "that have every source" if self.of("complete") else "with what they have"
        return tuple(
            f"Without {name} {_moved(self.model, change)}, on the same {rows[0].counts.records} records {which}."
            for name, change in self.without.items()
        )

    def table(self) -> pd.DataFrame:
        """Give one line per population and subset, for reading."""
        return pd.DataFrame(
            {
                "records of": row.population,
                "kept": " + ".join(row.kept),
                "withheld": " + ".join(row.withheld) or "nothing",
                "records": row.counts.records,
                "patients": row.counts.patients,
                "events": "-" if row.counts.events is None else row.counts.events,
                "AUROC (95 % CI)": str(row.auroc),
                "change (95 % CI)": _change(row),
                "Brier": f"{row.brier.value:.3f}",
            }
            | {
                _SHORT[name]: str(row.calibration[name]) if name in row.calibration else "-"
                for name in CALIBRATION
                if any(one.calibration for one in self.rows)
            }
            for row in self.rows
        )

    def __str__(self) -> str:
        return f"{self.model}, modalities withheld\n{self.table().to_string(index=False)}"

    def _repr_html_(self) -> str:
        return self.table().to_html(index=False, escape=True)


def _moved(model: str, change: Estimate) -> str:
    """How an AUROC moved, and whether the data show that it did."""
    if change.high < 0:
        return f"the AUROC of {model} falls by {-change.value:.2f} ({-change.high:.2f} to {-change.low:.2f})"
    if change.low > 0:
        return f"the AUROC of {model} rises by {change.value:.2f} ({change.low:.2f} to {change.high:.2f})"
    limits = f"{change.low:+.2f} to {change.high:+.2f}"
    return f"no change of the AUROC of {model} is shown ({change.value:+.2f}; {limits})"


def _change(row: SubsetRow) -> str:
    if not row.withheld:
        return ""
    return f"{row.delta.value:+.2f} ({row.delta.low:+.2f} to {row.delta.high:+.2f})"


def robustness(
    cv: CrossValidation, cohort: Cohort, *, seed: int | None = None, calibration: bool = False
) -> Robustness:
    """Withhold every subset of modalities from a cross-validated model, on the same held-out patients.

    Nothing is fitted or encoded again: the predictions were made with the others. A record from which everything is
    withheld is answered with the training prevalence.

    Parameters
    ----------
    cv : CrossValidation
    cohort : Cohort
        The one that was cross-validated.
    seed : int, optional
        Of the bootstrap; by default that of the cross-validation, so that the same number has the same interval on
        every page.
    calibration : bool
        Whether slope and intercept of every subset are estimated too: it takes some seconds.

    Returns
    -------
    Robustness
        2**M - 1 rows for each population.

    Raises
    ------
    ConfigError
        ``ROBUSTNESS_MODEL``.
    DataError
        ``ROBUSTNESS_COHORT``: held-out records that are not of this cohort.

    Examples
    --------
    >>> import numpy as np
    >>> from clinfuse.cohort.cohort import Cohort
    >>> from clinfuse.evaluation.crossval import cross_validate
    >>> from clinfuse.training.late import LateFusion
    >>> draw, labels = np.random.default_rng(0), np.tile([0, 1], 30)
    >>> arrays = {name: labels[:, None] + draw.normal(size=(60, 1)) for name in ("labs", "signs")}
    >>> cohort = Cohort.from_arrays(arrays, labels=labels, kinds={"labs": "ehr", "signs": "ehr"})
    >>> found = robustness(cross_validate(LateFusion(combine="mean"), cohort, folds=3), cohort)
    >>> [row.kept for row in found.of("all")]
    [('labs', 'signs'), ('labs',), ('signs',)]
    """
    if not isinstance(cv, CrossValidation):
        raise ConfigError(
            "ROBUSTNESS_MODEL",
            place="robustness",
            rule="one cross-validated model",
            found="something else",
            remedy='Pass one model of a comparison, as in robustness(result["late"], cohort).',
        )
    if not np.isin(cv.predictions.record, cohort.keys).all():
        raise DataError(
            "ROBUSTNESS_COHORT",
            place="robustness",
            rule="the cohort must be the one that was cross-validated",
            found="held-out records that it does not have",
            remedy="Pass the cohort that cross_validate or compare was given.",
        )
    start = cv.seed if seed is None else seed
    columns = [cv.predictions.modalities.index(name) for name in cv.modalities]
    complete = np.asarray(cv.withheld.present[:, columns].all(1))
    rows: list[SubsetRow] = []
    if complete.any() and both_classes(cv.withheld.rows(complete).select(withheld=""), _LEAST):
        rows += _population(cv, cv.withheld.rows(complete), "complete", start, calibration)
    rows += _population(cv, cv.withheld, "all", start, calibration)
    return Robustness(cv.name, tuple(rows))


def _population(
    cv: CrossValidation, predictions: Predictions, population: Population, seed: int, calibration: bool
) -> list[SubsetRow]:
    whole = predictions.select(withheld="")
    rows = []
    for text in dict.fromkeys(predictions.withheld.tolist()):
        one = predictions.select(withheld=text)
        withheld = tuple(name for name in str(text).split("+") if name)
        none = Estimate(0.0, 0.0, 0.0)
        # The whole number of draws where the same numbers stand on other pages.
        draws = _DRAWS if withheld else DRAWS
        rows.append(
            SubsetRow(
                kept=tuple(name for name in cv.modalities if name not in withheld),
                withheld=withheld,
                population=population,
                counts=counts(one),
                auroc=metric_interval(one, "auroc", seed=seed),
                brier=metric_interval(one, "brier", seed=seed),
                delta=paired_difference(one, whole, seed=seed).estimate if withheld else none,
                calibration=known_intervals(one, CALIBRATION, seed=seed, draws=draws) if calibration else {},
            )
        )
    return rows
