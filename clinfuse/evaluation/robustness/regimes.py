"""Trained on complete records or not, tested on complete records or not, and tested under another mechanism."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, TypedDict, Unpack, final

import numpy as np
import pandas as pd

from clinfuse.cohort.cohort import Cohort
from clinfuse.evaluation.answer import paired_difference
from clinfuse.evaluation.crossval import run_models
from clinfuse.evaluation.folds import Fold, Scheme, scored
from clinfuse.evaluation.predictions import Predictions
from clinfuse.evaluation.robustness.absence import Mechanism, simulate_absence
from clinfuse.evaluation.robustness.decisions import Decisions, decisions, places
from clinfuse.evaluation.scores import Counts, counts, known_intervals, metric_interval
from clinfuse.evaluation.statistics.intervals import Estimate
from clinfuse.training.classifiers import FusionClassifier

AS_IT_IS = "as it is"


@final
@dataclass(frozen=True)
class RegimeRow:
    """One model in one regime.

    Parameters
    ----------
    model : str
    trained, tested : str
        ``"as it is"``, or the mechanism by which modalities went missing.
    counts : Counts
    auroc, brier : Estimate
    calibration : mapping of str to Estimate
        ``calibration_slope`` where it has a value.
    change : Estimate
        AUROC minus that of the model trained and tested on the cohort as it is, same records, by a paired bootstrap.
    nothing_left : int
        Tested records with nothing left: they stay in, answered with the training prevalence.
    """

    model: str
    trained: str
    tested: str
    counts: Counts
    auroc: Estimate
    brier: Estimate
    calibration: Mapping[str, Estimate]
    change: Estimate
    nothing_left: int

    def as_dict(self) -> dict[str, Any]:
        """Give the row as JSON values."""
        numbers = {name: asdict(getattr(self, name)) for name in ("auroc", "brier", "change")}
        numbers |= {name: asdict(one) for name, one in self.calibration.items()}
        names = {"model": self.model, "trained": self.trained, "tested": self.tested}
        return {**names, **asdict(self.counts), **numbers, "nothing_left": self.nothing_left}


@final
@dataclass(frozen=True)
class Regimes:
    """Every model in every regime; made by `regimes`.

    Parameters
    ----------
    rows : tuple of RegimeRow
    realised : mapping of str to mapping of str to float
        By mechanism: share of the records that lost each modality.
    """

    rows: tuple[RegimeRow, ...]
    realised: Mapping[str, Mapping[str, float]]

    def table(self) -> pd.DataFrame:
        """Give one line per model and regime, for reading."""
        return pd.DataFrame(
            {
                "model": row.model,
                "trained": row.trained,
                "tested": row.tested,
                "records": row.counts.records,
                "nothing left": row.nothing_left,
                "AUROC (95 % CI)": str(row.auroc),
                "change (95 % CI)": f"{row.change.value:+.2f} ({row.change.low:+.2f} to {row.change.high:+.2f})",
                "slope": f"{row.calibration['calibration_slope'].value:.2f}" if row.calibration else "-",
                "Brier": f"{row.brier.value:.3f}",
            }
            for row in self.rows
        )

    def __str__(self) -> str:
        return self.table().to_string(index=False)

    def _repr_html_(self) -> str:
        return self.table().to_html(index=False, escape=True)


class Dealt(TypedDict, total=False):
    """How patients are dealt, and by how many processes the folds are worked on.

    Parameters
    ----------
    folds, repeats, seed, workers : int
        As for `clinfuse.cross_validate`.
    """

    folds: int
    repeats: int
    seed: int
    workers: int


def regimes(
    models: Mapping[str, FusionClassifier],
    cohort: Cohort,
    *,
    missing: Mechanism = Mechanism("MCAR"),
    shift: Mechanism = Mechanism("MNAR label"),
    **dealt: Unpack[Dealt],
) -> Regimes:
    """Train models on a cohort as it is and on one with more missing, and test both either way and under a shift.

    Every model is fitted twice per fold. What is missing in the tested records is looked up in the decisions about
    every set of modalities.

    Parameters
    ----------
    models : mapping of str to FusionClassifier
        Left as they are.
    cohort : Cohort
        As complete as it is to be called.
    missing : Mechanism
        By which modalities go missing in training, in testing or in both.
    shift : Mechanism
        By which they go missing in testing where training knew ``missing`` only.
    **dealt
        ``folds``, ``repeats``, ``seed``, ``workers``: see `Dealt`.

    Returns
    -------
    Regimes
        Five rows a model: as it is; tested with missing; trained and tested with missing; trained with missing and
        tested as it is; trained with missing and tested under the shift.

    Raises
    ------
    ConfigError
        As `simulate_absence` and `clinfuse.cross_validate`.

    Examples
    --------
    >>> import numpy as np
    >>> from clinfuse.training.late import LateFusion
    >>> draw, labels = np.random.default_rng(0), np.tile([0, 1], 40)
    >>> arrays = {name: labels[:, None] + draw.normal(size=(80, 1)) for name in ("labs", "signs")}
    >>> cohort = Cohort.from_arrays(arrays, labels=labels, kinds={"labs": "ehr", "signs": "ehr"})
    >>> found = regimes({"late": LateFusion(combine="mean")}, cohort, folds=2)
    >>> [(row.trained, row.tested) for row in found.rows][1::3]
    [('as it is', 'MCAR, 30 %'), ('MCAR, 30 %', 'MNAR label, 30 %')]
    """
    seed = dealt.get("seed", 0)
    scheme = Scheme(folds=dealt.get("folds", 5), repeats=dealt.get("repeats", 1), seed=seed)
    records = scored(cohort)
    lost = {str(one): simulate_absence(records, one, seed=seed) for one in (missing, shift)}
    kept = {AS_IT_IS: np.ones(records.shape, dtype=bool)} | {name: one.kept for name, one in lost.items()}

    def masked(whole: Cohort, fold: Fold) -> Cohort:
        mask = kept[AS_IT_IS].copy()
        mask[fold.train] = kept[str(missing)][fold.train]
        return whole.withhold(mask)

    workers = dealt.get("workers", 1)
    crossed = {
        AS_IT_IS: run_models(records, models, scheme, workers=workers),
        str(missing): run_models(records, models, scheme, workers=workers, view=masked),
    }
    rows = []
    for name in models:
        found = {trained: decisions(one[name]) for trained, one in crossed.items()}
        reference = _tested(found[AS_IT_IS], records, kept[AS_IT_IS])
        for trained, tested in _pairs(str(missing), str(shift)):
            held = _tested(found[trained], records, kept[tested])
            rows.append(_row((name, trained, tested), held, reference, seed))
    return Regimes(tuple(rows), {name: one.realised for name, one in lost.items()})


def _pairs(missing: str, shift: str) -> tuple[tuple[str, str], ...]:
    return (
        (AS_IT_IS, AS_IT_IS),
        (AS_IT_IS, missing),
        (missing, missing),
        (missing, AS_IT_IS),
        (missing, shift),
    )


def _tested(found: Decisions, records: Cohort, kept: np.ndarray) -> Predictions:
    return found.under(kept[places(found.rows, records)])


def _row(names: tuple[str, str, str], held: Predictions, reference: Predictions, seed: int) -> RegimeRow:
    name, trained, tested = names
    whole = trained == tested == AS_IT_IS
    return RegimeRow(
        model=name,
        trained=trained,
        tested=tested,
        counts=counts(held),
        auroc=metric_interval(held, "auroc", seed=seed),
        brier=metric_interval(held, "brier", seed=seed),
        calibration=known_intervals(held, ("calibration_slope",), seed=seed, draws=500),
        change=Estimate(0.0, 0.0, 0.0) if whole else paired_difference(held, reference, seed=seed).estimate,
        nothing_left=len(np.unique(held.record[held.abstain])),
    )
