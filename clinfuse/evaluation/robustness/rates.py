"""What is left of models as modalities drop out more and more often: curves over the rate, with nothing run again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import pairwise
from typing import Any, final

import numpy as np
import pandas as pd

from clinfuse.errors import ConfigError
from clinfuse.evaluation.crossval import CrossValidation
from clinfuse.evaluation.robustness.absence import record_uniforms
from clinfuse.evaluation.robustness.curves import Curve, expected, over_patients, under_mask
from clinfuse.evaluation.robustness.decisions import Decisions, decisions, places
from clinfuse.evaluation.scores import few_events, metric_draws, metric_interval, score_interval
from clinfuse.evaluation.statistics.intervals import Estimate, percentile_estimate
from clinfuse.evaluation.statistics.resampling import SCALES, Resampling, Scale

RATES = tuple(round(0.1 * step, 1) for step in range(10))
MASKS = 20
METRICS = ("auroc", "brier", "log_loss")
_DRAWS = 500


@final
@dataclass(frozen=True)
class RatePoint:
    """A model at one rate.

    Parameters
    ----------
    rate : float
        Probability with which each present modality drops out, each record and modality by itself.
    expected : Estimate
        Metric on average over all masks (exact), with the interval of the patients that might have been drawn.
    mean, deviation : float
        Over the masks that were drawn, the same for all models; the deviation is 0 at rate 0.
    abstained : float
        Share of the predictions of which nothing is expected to be left: they stay in, with the training prevalence.
    beyond : bool
        Whether modalities drop out more often than they were hidden in training.
    advantage : Estimate
        Metric minus that of the baseline at this rate, by a paired bootstrap; 0 for the baseline itself.
    """

    rate: float
    expected: Estimate
    mean: float
    deviation: float
    abstained: float
    beyond: bool
    advantage: Estimate

    def as_dict(self) -> dict[str, Any]:
        """Give the point as JSON values."""
        return asdict(self)


@final
@dataclass(frozen=True)
class RateCurve:
    """One model as some of its modalities drop out.

    Parameters
    ----------
    model, taxonomy : str
    dropped : tuple of str
        The modalities that may drop out, each by itself.
    together : bool
        Whether these are all of the cohort.
    metric : str
    hide : float
        Rate at which modalities were hidden in training.
    points : tuple of RatePoint
    area : Estimate
        Area under the curve of expected values divided by the width of the rates: the mean over all rates.
    """

    model: str
    taxonomy: str
    dropped: tuple[str, ...]
    together: bool
    metric: str
    hide: float
    points: tuple[RatePoint, ...]
    area: Estimate

    def as_dict(self) -> dict[str, Any]:
        """Give the curve as JSON values."""
        rest = {"points": [point.as_dict() for point in self.points], "area": asdict(self.area)}
        return {**asdict(self), "dropped": list(self.dropped), **rest}


@final
@dataclass(frozen=True)
class DropRates:
    """Curves of several models; made by `drop_rates`.

    Parameters
    ----------
    curves : tuple of RateCurve
        By model and metric: all modalities together first, then each alone.
    baseline : str
        Name of the late fusion whose curve is taken off; empty where there is none.
    masks : int
        Number of masks drawn for each rate.
    records : int
        All of them stay in at every rate.
    """

    curves: tuple[RateCurve, ...]
    baseline: str
    masks: int
    records: int

    def of(self, *, metric: str = "auroc", together: bool = True) -> tuple[RateCurve, ...]:
        """Give the curves of one metric, of all modalities together or of each alone."""
        return tuple(one for one in self.curves if one.metric == metric and one.together == together)

    @property
    def jointly(self) -> DropRates:
        """The same with the AUROC of all modalities together only."""
        return replace(self, curves=self.of())

    def table(self) -> pd.DataFrame:
        """Give one line per curve and rate, for reading."""
        return pd.DataFrame(
            {
                "model": curve.model,
                "dropped": "each of all" if curve.together else ", ".join(curve.dropped),
                "metric": curve.metric,
                "rate": point.rate,
                "value (95 % CI)": _three(point.expected),
                "mean of masks": round(point.mean, 4),
                "SD of masks": round(point.deviation, 4),
                "nothing left": f"{100 * point.abstained:.1f} %",
                "beyond training": "yes" if point.beyond else "",
                f"minus {self.baseline}" if self.baseline else "minus baseline": _three(point.advantage)
                if self.baseline and self.baseline != curve.model
                else "",
            }
            for curve in self.curves
            for point in curve.points
        )

    def as_dict(self) -> dict[str, Any]:
        """Give everything as JSON values."""
        rest = {"baseline": self.baseline, "masks": self.masks, "records": self.records}
        return {"curves": [curve.as_dict() for curve in self.curves], **rest}

    def __str__(self) -> str:
        return f"Modalities dropped at random, {self.records} records\n{self.table().to_string(index=False)}"

    def _repr_html_(self) -> str:
        return self.table().to_html(index=False, escape=True)


def _three(one: Estimate) -> str:
    return f"{one.value:.3f} ({one.low:.3f} to {one.high:.3f})"


def drop_rates(
    models: Mapping[str, CrossValidation],
    *,
    rates: Sequence[float] = RATES,
    masks: int = MASKS,
    metrics: Sequence[str] = ("auroc", "brier"),
    baseline: str = "",
    seed: int | None = None,
) -> DropRates:
    """Let modalities drop out of held-out records at random, at rates from 0 to 0.9, by themselves and together.

    Every decision was taken when the records were held out, so nothing is fitted or encoded. A mask belongs to a
    record and is the same for every model; whoever drops out at one rate has dropped out at every higher one. Records
    with nothing left stay in, answered with the training prevalence.

    Parameters
    ----------
    models : mapping of str to CrossValidation
        On the same folds, as in ``comparison.models``.
    rates : sequence of float
        Rising, from 0 to below 1.
    masks : int
        At least 2. The expected value does not depend on it, the deviation does.
    metrics : sequence of str
        Out of ``auroc``, ``brier``, ``log_loss``.
    baseline : str, optional
        A model whose curves are taken off; by default the first late fusion.
    seed : int, optional
        Of masks and bootstrap; by default that of the cross-validation.

    Returns
    -------
    DropRates

    Raises
    ------
    ConfigError
        ``DROP_RATES``: rates, masks, metrics or a baseline that cannot be meant.

    References
    ----------
    Liang et al. 2021, MultiBench, arXiv 2107.07502 (relative and effective robustness).

    Examples
    --------
    >>> import numpy as np
    >>> from clinfuse.cohort.cohort import Cohort
    >>> from clinfuse.evaluation.crossval import cross_validate
    >>> from clinfuse.training.late import LateFusion
    >>> draw, labels = np.random.default_rng(0), np.tile([0, 1], 30)
    >>> arrays = {name: labels[:, None] + draw.normal(size=(60, 1)) for name in ("labs", "signs")}
    >>> cohort = Cohort.from_arrays(arrays, labels=labels, kinds={"labs": "ehr", "signs": "ehr"})
    >>> cv = cross_validate(LateFusion(combine="mean"), cohort, folds=3)
    >>> found = drop_rates({"late": cv}, rates=(0.0, 0.5))
    >>> [(curve.dropped, round(curve.points[1].abstained, 2)) for curve in found.of()]
    [(('labs', 'signs'), 0.25)]
    """
    _check(models, rates, masks, metrics, baseline)
    first = next(iter(models.values()))
    late = [name for name, one in models.items() if one.multimodal and one.taxonomy.startswith("late")]
    against = baseline or (late[0] if late else "")
    sweep = _Sweep(models, tuple(rates), masks, first.seed if seed is None else seed)
    curves = [
        sweep.curve(name, dropped, metric, against)
        for name, one in models.items()
        for metric in metrics
        for dropped in _groups(first.cohort.names, one.modalities)
    ]
    return DropRates(tuple(curves), against, masks, len(first.cohort))


def _groups(every: tuple[str, ...], own: tuple[str, ...]) -> list[tuple[str, ...]]:
    """What drops out: every modality of the cohort, then each that the model has, where it has several."""
    return [every, *((name,) for name in own if len(own) > 1)]


def _shared(found: Decisions, dropped: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(name for name in found.names if name in dropped)


class _Sweep:
    """The masks, and the decisions of all models, looked up once."""

    def __init__(self, models: Mapping[str, CrossValidation], rates: tuple[float, ...], masks: int, seed: int) -> None:
        self.models = models
        self.rates = rates
        self.seed = seed
        self.found = {name: decisions(one) for name, one in models.items()}
        rows = next(iter(self.found.values())).rows
        cohort = next(iter(models.values())).cohort
        drawn = record_uniforms(cohort.record_ids, rows.modalities, masks, seed=seed, purpose="drop")
        self.uniforms = drawn[:, places(rows, cohort)]

    def curve(self, name: str, dropped: tuple[str, ...], metric: str, baseline: str) -> RateCurve:
        one, found = self.models[name], self.found[name]
        own = _shared(found, dropped)
        scale = SCALES.get(metric, "plain")
        drawn = self._drawn(found, own, metric, self._resampling(metric, found), scale)
        gains: tuple[Estimate, ...] = (Estimate(0.0, 0.0, 0.0),) * len(self.rates)
        if baseline and baseline != name:
            gains = self._advantage(found, self.found[baseline], dropped, metric)
        mine = expected(found, own, metric, self.rates)
        points = []
        for place, rate in enumerate(self.rates):
            masked = self._masked(found, dropped, metric, rate)
            points.append(
                RatePoint(
                    rate=rate,
                    expected=self._estimate(found, metric, rate, mine.values[place], drawn[:, place]),
                    mean=float(np.mean(masked)),
                    deviation=float(np.std(masked, ddof=1)) if rate > 0 else 0.0,
                    abstained=mine.abstained[place],
                    beyond=one.multimodal and rate > one.hide,
                    advantage=gains[place],
                )
            )
        area = percentile_estimate(self._area(mine.values), self._area(drawn))
        together = len(dropped) == len(found.rows.modalities)
        return RateCurve(name, one.taxonomy, dropped, together, metric, one.hide, tuple(points), area)

    def _resampling(self, metric: str, *found: Decisions) -> Resampling:
        return metric_draws(metric, *(one.rows for one in found), seed=self.seed, draws=_DRAWS)

    def _drawn(
        self, found: Decisions, dropped: tuple[str, ...], metric: str, resampling: Resampling, scale: Scale
    ) -> np.ndarray:
        """The exact mean over all masks for every draw of patients, float64 (draws, rates)."""
        whole, at, drawn = (
            over_patients(found, dropped, metric, self.rates, weights)
            for weights in (resampling.everything, resampling.singles, resampling.weights)
        )
        columns = zip(whole[0], at.T, drawn.T, strict=True)
        return np.stack([resampling.spread(float(one), *several, scale=scale) for one, *several in columns], axis=1)

    def _estimate(self, found: Decisions, metric: str, rate: float, value: float, drawn: np.ndarray) -> Estimate:
        """At rate 0 the interval that the same number has on every other page."""
        if rate == 0:
            return metric_interval(found.rows, metric, seed=self.seed)
        if metric == "auroc" and few_events(found.rows):
            return score_interval(value, found.rows)
        return percentile_estimate(value, drawn)

    def _advantage(
        self, found: Decisions, other: Decisions, dropped: tuple[str, ...], metric: str
    ) -> tuple[Estimate, ...]:
        resampling = self._resampling(metric, found, other)
        sides: list[tuple[Curve, np.ndarray]] = []
        for one in (found, other):
            shared = _shared(one, dropped)
            drawn = self._drawn(one, shared, metric, resampling, "plain")
            sides.append((expected(one, shared, metric, self.rates), drawn))
        (mine, ours), (theirs, against) = sides
        return tuple(
            percentile_estimate(mine.values[k] - theirs.values[k], ours[:, k] - against[:, k])
            for k in range(len(self.rates))
        )

    def _masked(self, found: Decisions, dropped: tuple[str, ...], metric: str, rate: float) -> list[float]:
        """The metric under each mask."""
        may = np.isin(np.array(found.rows.modalities), dropped)
        kept = ~((self.uniforms < rate) & may)
        return [under_mask(found, mask, metric) for mask in (kept[:1] if rate == 0 else kept)]

    def _area(self, values: Any) -> Any:
        width = self.rates[-1] - self.rates[0]
        found = np.trapezoid(np.asarray(values), self.rates, axis=-1) / width
        return float(found) if found.ndim == 0 else found


def _check(
    models: Mapping[str, CrossValidation], rates: Sequence[float], masks: int, metrics: Sequence[str], baseline: str
) -> None:
    rising = all(first < second for first, second in pairwise(rates))
    tests = {
        "at least one cross-validated model": bool(models)
        and all(isinstance(one, CrossValidation) for one in models.values()),
        "at least two rising rates from 0 to below 1": len(rates) > 1 and rising and rates[0] >= 0 and rates[-1] < 1,
        "at least 2 masks": masks >= 2,
        f"metrics out of {', '.join(METRICS)}": bool(metrics) and set(metrics) <= set(METRICS),
        "a baseline that is one of the models": not baseline or baseline in models,
    }
    for rule, holds in tests.items():
        if not holds:
            raise ConfigError(
                "DROP_RATES", place="drop rates", rule=rule, found="something else", remedy="Correct the call."
            )
