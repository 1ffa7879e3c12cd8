"""Every way of standing in for an absent modality, at every missing rate, in one table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Unpack, final

import pandas as pd
from sklearn.base import clone

from clinfuse.cohort.cohort import Cohort
from clinfuse.errors import ConfigError
from clinfuse.evaluation.crossval import run_models
from clinfuse.evaluation.folds import Scheme, scored
from clinfuse.evaluation.robustness.rates import DropRates, RateCurve, drop_rates
from clinfuse.evaluation.robustness.regimes import Dealt
from clinfuse.fusion.missing import fill_names
from clinfuse.fusion.stand_ins import stand_in_names
from clinfuse.training.classifiers import FusionClassifier
from clinfuse.training.fills import SKIP
from clinfuse.training.together import TrainedTogether

RATES = (0.0, 0.1, 0.3, 0.5, 0.7)


@final
@dataclass(frozen=True)
class FillRates:
    """One kind of fusion with every fill; made by `fill_rates`.

    Parameters
    ----------
    rates : DropRates
        Curves named by fill, all modalities dropping out together; the baseline is ``"skip"`` where it is among them.
    """

    rates: DropRates

    @property
    def curves(self) -> tuple[RateCurve, ...]:
        """AUROC of every fill, in the order asked for."""
        return self.rates.of()

    def table(self) -> pd.DataFrame:
        """Give one line per fill and one column per rate, for reading; AUROC with its interval, and the mean of all."""
        return pd.DataFrame(
            {"fill": curve.model}
            | {f"{100 * point.rate:.0f} %": str(point.expected) for point in curve.points}
            | {"mean": str(curve.area), self._last: self._advantage(curve)}
            for curve in self.curves
        )

    @property
    def _last(self) -> str:
        point = self.curves[0].points[-1]
        return f"minus {self.rates.baseline} at {100 * point.rate:.0f} %"

    def _advantage(self, curve: RateCurve) -> str:
        found = curve.points[-1].advantage
        if curve.model == self.rates.baseline:
            return ""
        return f"{found.value:+.2f} ({found.low:+.2f} to {found.high:+.2f})"

    def as_dict(self) -> dict[str, Any]:
        """Give everything as JSON values."""
        return self.rates.as_dict()

    def __str__(self) -> str:
        return self.table().to_string(index=False)

    def _repr_html_(self) -> str:
        return self.table().to_html(index=False, escape=True)


def fill_rates(
    estimator: FusionClassifier,
    cohort: Cohort,
    *,
    fills: Sequence[str] = (),
    rates: Sequence[float] = RATES,
    **dealt: Unpack[Dealt],
) -> FillRates:
    """Cross-validate one kind of fusion with every fill, and let modalities drop out of the held-out records.

    The folds and masks are the same for all fills; networks and learners of a fold are fitted once where fills share
    them. No fill is called the best: intervals and paired differences stand beside each other.

    Parameters
    ----------
    estimator : FusionClassifier
        Any fusion; left as it is.
    cohort : Cohort
    fills : sequence of str, optional
        By default ``"skip"`` and every fill there is for this fusion: those of features and predictions, or those
        learned inside a network.
    rates : sequence of float
        Rising, from 0 to below 1.
    **dealt
        ``folds``, ``repeats``, ``seed``, ``workers``.

    Returns
    -------
    FillRates

    Raises
    ------
    ConfigError
        ``FILL_NONE``: a classifier that takes no fill. ``FILL_NAME``, ``DROP_RATES``.

    Examples
    --------
    >>> import numpy as np
    >>> from clinfuse.training.late import LateFusion
    >>> draw, labels = np.random.default_rng(0), np.tile([0, 1], 30)
    >>> arrays = {name: labels[:, None] + draw.normal(size=(60, 1)) for name in ("labs", "signs")}
    >>> cohort = Cohort.from_arrays(arrays, labels=labels, kinds={"labs": "ehr", "signs": "ehr"})
    >>> fill_rates(LateFusion(combine="mean"), cohort, fills=("skip", "mean"), folds=2).table()["fill"].tolist()
    ['skip', 'mean']
    """
    if "fill" not in estimator.get_params(deep=False):
        raise ConfigError(
            "FILL_NONE",
            place="fills",
            rule="a fusion that takes a fill",
            found="a classifier of one modality",
            remedy="Use a fusion; a single modality has nothing to be filled from.",
        )
    every = stand_in_names() if isinstance(estimator, TrainedTogether) else fill_names()
    names = tuple(fills) or (SKIP, *every)
    models = {name: clone(estimator).set_params(fill=name) for name in names}
    seed = dealt.get("seed", 0)
    scheme = Scheme(folds=dealt.get("folds", 5), repeats=dealt.get("repeats", 1), seed=seed)
    crossed = run_models(scored(cohort), models, scheme, workers=dealt.get("workers", 1))
    baseline = SKIP if SKIP in names else names[0]
    found = drop_rates(crossed, rates=rates, metrics=("auroc",), baseline=baseline, seed=seed)
    return FillRates(found)
