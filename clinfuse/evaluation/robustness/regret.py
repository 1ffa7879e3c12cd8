"""What a fusion gives away: against models that were trained on nothing but the modalities that are left."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, final

import numpy as np
import pandas as pd
from sklearn.base import clone

from clinfuse.cohort.cohort import Cohort
from clinfuse.errors import ClinfuseError, ConfigError
from clinfuse.evaluation.answer import paired_difference
from clinfuse.evaluation.contribution import subsets
from clinfuse.evaluation.crossval import CrossValidation, run_models, silent
from clinfuse.evaluation.predictions import Predictions
from clinfuse.evaluation.running.engine import Progress
from clinfuse.evaluation.running.fitting import one_thread_each
from clinfuse.evaluation.scores import Counts, counts, metric_interval
from clinfuse.evaluation.statistics.intervals import Estimate
from clinfuse.training.classifiers import FusionClassifier

_SAMPLE = 64
_CANNOT = ("JOINT_KIND", "FUSE_MODALITIES")


@final
@dataclass(frozen=True)
class RegretRow:
    """A fusion left with a few modalities against a model that never knew any other.

    Parameters
    ----------
    kept : tuple of str
    counts : Counts
    fusion, dedicated : Estimate
        AUROC of the fusion from which all others are withheld, and of the model trained on these alone.
    regret : Estimate
        Dedicated minus fusion, by a paired bootstrap: above 0 the fusion gives something away.
    """

    kept: tuple[str, ...]
    counts: Counts
    fusion: Estimate
    dedicated: Estimate
    regret: Estimate

    def as_dict(self) -> dict[str, Any]:
        """Give the row as JSON values."""
        numbers = {name: asdict(getattr(self, name)) for name in ("fusion", "dedicated", "regret")}
        return {"kept": list(self.kept), **asdict(self.counts), **numbers}


@final
@dataclass(frozen=True)
class Regret:
    """Every subset that a model could be trained on; made by `regret`.

    Parameters
    ----------
    model : str
    rows : tuple of RegretRow
        Larger subsets first.
    left_out : tuple of tuple of str
        Subsets on which this kind of fusion cannot be trained.
    """

    model: str
    rows: tuple[RegretRow, ...]
    left_out: tuple[tuple[str, ...], ...]

    @property
    def sentence(self) -> str:
        """Where the fusion gives most away, in words."""
        if not self.rows:
            return f"No subset of the sources of {self.model} could be trained on by itself."
        sure = [row for row in self.rows if row.regret.low > 0]
        worst = max(sure or self.rows, key=lambda row: row.regret.value)
        limits = f"{worst.regret.value:+.2f} ({worst.regret.low:+.2f} to {worst.regret.high:+.2f})"
        if not sure:
            said = f"No set of sources is shown on which {self.model} gives something away"
            return f"{said}; the largest regret is {limits}."
        return (
            f"Left with {' + '.join(worst.kept)}, {self.model} gives away {limits} of AUROC against a model trained on "
            f"these alone; the interval lies above 0 for {len(sure)} of {len(self.rows)} sets of sources."
        )

    def table(self) -> pd.DataFrame:
        """Give one line per subset, for reading."""
        return pd.DataFrame(
            {
                "kept": " + ".join(row.kept),
                "records": row.counts.records,
                f"AUROC of {self.model}": str(row.fusion),
                "trained on these alone": str(row.dedicated),
                "regret (95 % CI)": f"{row.regret.value:+.2f} ({row.regret.low:+.2f} to {row.regret.high:+.2f})",
            }
            for row in self.rows
        )

    def as_dict(self) -> dict[str, Any]:
        """Give everything as JSON values."""
        rest = {"left_out": [list(one) for one in self.left_out], "sentence": self.sentence}
        return {"model": self.model, "rows": [row.as_dict() for row in self.rows], **rest}

    def __str__(self) -> str:
        return f"{self.table().to_string(index=False)}\n{self.sentence}"

    def _repr_html_(self) -> str:
        return self.table().to_html(index=False, escape=True)


@final
@dataclass(frozen=True)
class RegretPlan:
    """What a regret study costs; made by `plan_regret`.

    Parameters
    ----------
    sets : int
        Subsets of two or more modalities that are trained on; single modalities are trained already.
    fits : int
        One for each of them, fold and repeat.
    seconds : float
        With one process: a small fit was timed and scaled up.
    """

    sets: int
    fits: int
    seconds: float


def plan_regret(cv: CrossValidation, estimator: FusionClassifier) -> RegretPlan:
    """Count the fits of a regret study and estimate their time from two small ones.

    Parameters
    ----------
    cv : CrossValidation
        Of the fusion.
    estimator : FusionClassifier
        The fusion, unfitted.
    """
    kept = [one for one in subsets(cv.modalities) if 1 < len(one) < len(cv.modalities)]
    training = np.mean([len(fold.train) for fold in cv.folds.values()])
    labels = np.asarray(cv.cohort.labels)
    sample = cv.cohort[_spread(labels)]
    options = getattr(estimator, "options", None)
    epochs = int(getattr(options, "epochs", 1))
    first, longer = (_timed(estimator, sample, count) for count in (1, 3))
    each = max(longer - first, 0.0) / 2
    once = max(first - each, 0.0)
    scale = float(training) / len(sample) * sum(len(one) for one in kept) / len(cv.modalities)
    return RegretPlan(len(kept), len(kept) * len(cv.folds), (once + each * epochs) * scale * len(cv.folds))


def _spread(labels: np.ndarray) -> np.ndarray:
    """A few records of every class."""
    keys = labels if labels.ndim == 1 else (labels == 1).any(1).astype(int)
    each = max(1, _SAMPLE // len(np.unique(keys)))
    return np.sort(np.concatenate([np.flatnonzero(keys == key)[:each] for key in np.unique(keys)]))


def _timed(estimator: FusionClassifier, sample: Cohort, epochs: int) -> float:
    options = getattr(estimator, "options", None)
    changed = {} if options is None else {"options": dataclasses.replace(options, epochs=epochs, patience=0)}
    start = time.perf_counter()
    with one_thread_each(estimator):
        clone(estimator).set_params(**changed).fit(sample)
    return time.perf_counter() - start


def regret(
    models: Mapping[str, CrossValidation],
    estimator: FusionClassifier,
    *,
    model: str,
    workers: int = 1,
    results: str | Path | None = None,
    redo: bool = False,
    progress: Progress = silent,
) -> Regret:
    """Train the same kind of model on every subset of modalities, and hold the fusion against it on the same records.

    Parameters
    ----------
    models : mapping of str to CrossValidation
        As in ``comparison.models``: the fusion, and the single modalities, which are trained already.
    estimator : FusionClassifier
        The fusion, unfitted and with the settings it was cross-validated with.
    model : str
        Its name in ``models``.
    workers : int
    results : path, optional
        Folder in which every finished fit is kept; the same call later goes on from there.
    redo, progress
        As for `clinfuse.cross_validate`.

    Returns
    -------
    Regret

    Raises
    ------
    ConfigError
        ``ROBUSTNESS_MODEL``.
    ClinfuseError
        What fitting raises.

    References
    ----------
    Ma et al. 2022, doi:10.1109/CVPR52688.2022.01764 (fusions that fall below a single modality when another is absent).

    Examples
    --------
    >>> import numpy as np
    >>> from clinfuse.evaluation.compare import compare
    >>> from clinfuse.training.late import LateFusion
    >>> draw, labels = np.random.default_rng(0), np.tile([0, 1], 30)
    >>> arrays = {name: labels[:, None] + draw.normal(size=(60, 1)) for name in ("labs", "signs")}
    >>> cohort = Cohort.from_arrays(arrays, labels=labels, kinds={"labs": "ehr", "signs": "ehr"})
    >>> late = LateFusion(combine="mean")
    >>> found = regret(compare(cohort, {"late": late}, folds=2, best_single="labs").models, late, model="late")
    >>> [(row.kept, round(row.regret.value, 2)) for row in found.rows]
    [(('labs',), 0.0), (('signs',), 0.0)]
    """
    if model not in models or not models[model].multimodal:
        raise ConfigError(
            "ROBUSTNESS_MODEL",
            place="regret",
            rule="a fusion among the cross-validated models",
            found="another name",
            remedy="Correct the name.",
        )
    cv = models[model]
    singles = {one.modalities[0]: one for one in models.values() if not one.multimodal}
    wanted = [_ordered(cv.modalities, one) for one in subsets(cv.modalities) if len(one) < len(cv.modalities)]
    rows, left_out = [], []
    for place, kept in enumerate(wanted):
        try:
            own = singles[kept[0]] if len(kept) == 1 else _dedicated(cv, estimator, kept, (workers, redo), results)
        except KeyError:
            left_out.append(kept)
            continue
        except ClinfuseError as error:
            if error.code not in _CANNOT:
                raise
            left_out.append(kept)
            continue
        rows.append(_row(cv, own, kept))
        progress(place + 1, len(wanted), " + ".join(kept))
    return Regret(model, tuple(rows), tuple(left_out))


def _ordered(names: tuple[str, ...], kept: frozenset[str]) -> tuple[str, ...]:
    return tuple(name for name in names if name in kept)


def _dedicated(
    cv: CrossValidation,
    estimator: FusionClassifier,
    kept: tuple[str, ...],
    running: tuple[int, bool],
    results: str | Path | None,
) -> CrossValidation:
    """The same estimator on these modalities alone, on the same folds."""
    cohort = cv.cohort.without(*(name for name in cv.cohort.names if name not in kept))
    folder = None if results is None else Path(results) / "+".join(kept)
    workers, redo = running
    found = run_models(cohort, {cv.name: estimator}, cv.scheme, workers=workers, results=folder, redo=redo)
    return found[cv.name]


def _row(cv: CrossValidation, own: CrossValidation, kept: tuple[str, ...]) -> RegretRow:
    withheld = "+".join(name for name in cv.modalities if name not in kept)
    fusion, alone = cv.withheld.select(withheld=withheld), _named(own.predictions)
    return RegretRow(
        kept=kept,
        counts=counts(fusion),
        fusion=metric_interval(fusion, "auroc", seed=cv.seed),
        dedicated=metric_interval(alone, "auroc", seed=cv.seed),
        regret=paired_difference(alone, fusion, seed=cv.seed).estimate,
    )


def _named(held: Predictions) -> Predictions:
    """Under another name than the fusion's: a pair is two models."""
    return dataclasses.replace(held, model=np.full(len(held), "trained on these alone"))
