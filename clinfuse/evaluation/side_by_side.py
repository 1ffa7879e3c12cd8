"""Many models on the same records: every metric with its interval, and every difference to one of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import final

import numpy as np
import pandas as pd

from clinfuse.errors import DataError
from clinfuse.evaluation.predictions import Predictions
from clinfuse.evaluation.scores import METRICS, few_events, metric_draws, predicted_statistic, score_interval
from clinfuse.evaluation.statistics.intervals import DRAWS, Estimate, bootstrap_p, over_draws, percentile_estimate
from clinfuse.evaluation.statistics.resampling import SCALES, Resampling

_STRATIFIED = ("auroc", "calibration_slope")
_THREADS = 2


@final
@dataclass(frozen=True)
class SideBySide:
    """Models on the same records; made by `side_by_side`.

    Parameters
    ----------
    reference : str
        The model that the others are held against.
    estimates : mapping of (str, str) to Estimate
        By model and metric.
    differences : mapping of (str, str) to Estimate
        Model minus reference, by model and metric.
    p : mapping of (str, str) to float
        Two-sided, of no difference; not adjusted for their number.
    """

    reference: str
    estimates: Mapping[tuple[str, str], Estimate]
    differences: Mapping[tuple[str, str], Estimate]
    p: Mapping[tuple[str, str], float]

    def table(self) -> pd.DataFrame:
        """Give one line per model and metric, for reading."""
        lines = []
        for (model, metric), estimate in self.estimates.items():
            line = {"model": model, "metric": metric, "estimate (95 % CI)": str(estimate)}
            against = self.differences.get((model, metric))
            line[f"against {self.reference}"] = "" if against is None else str(against)
            lines.append(line)
        return pd.DataFrame(lines)


def side_by_side(
    models: Mapping[str, Predictions],
    *,
    reference: str,
    metrics: Sequence[str] = METRICS,
    seed: int = 0,
    draws: int = DRAWS,
) -> SideBySide:
    """Give metrics of several models on the same records, and their differences to one, with paired intervals.

    For predictions from anywhere: of this library, or of other software written as `Predictions`. All models are
    scored on the same draws of patients; the intervals are those of `clinfuse.evaluation.scores.metric_interval`.

    Parameters
    ----------
    models : mapping of str to Predictions
        Of one model each, the same records, repeats and folds, in any order.
    reference : str
        One of them.
    metrics : sequence of str
    seed, draws : int

    Raises
    ------
    DataError
        ``PAIR_RECORDS``: other records, patients, folds or outcomes. ``REFERENCE_UNKNOWN``.
        ``BOOTSTRAP_UNDEFINED``, and what the metric raises.

    Examples
    --------
    >>> import numpy as np
    >>> from clinfuse.cohort.cohort import Cohort
    >>> from clinfuse.evaluation.crossval import cross_validate
    >>> from clinfuse.training.unimodal import Unimodal
    >>> draw, labels = np.random.default_rng(0), np.tile([0, 1], 30)
    >>> arrays = {name: labels[:, None] + draw.normal(size=(60, 1)) for name in ("labs", "signs")}
    >>> cohort = Cohort.from_arrays(arrays, labels=labels, kinds={"labs": "ehr", "signs": "ehr"})
    >>> held = {name: cross_validate(Unimodal(name), cohort, folds=3).predictions for name in arrays}
    >>> found = side_by_side(held, reference="labs", metrics=["auroc"], draws=200)
    >>> list(found.differences)
    [('signs', 'auroc')]
    """
    if reference not in models:
        raise DataError(
            "REFERENCE_UNKNOWN",
            place="side by side",
            rule="the reference must be one of the models",
            found="another name",
            remedy="Correct the name.",
        )
    same = {name: one.rows(np.lexsort((one.record, one.repeat))) for name, one in models.items()}
    for one in same.values():
        _check_records(one, same[reference])
    kinds = {name: name in _STRATIFIED for name in metrics}
    resampling = {
        kind: metric_draws("auroc" if kind else "brier", *same.values(), seed=seed, draws=draws)
        for kind in set(kinds.values())
    }
    places = [(model, metric) for model in same for metric in metrics]
    with ThreadPoolExecutor(_THREADS) as pool:
        raw = list(pool.map(lambda place: _raw(same[place[0]], place[1], resampling[kinds[place[1]]]), places))
    found = dict(zip(places, raw, strict=True))
    others = [place for place in places if place[0] != reference]
    spreads = {
        place: _difference(found[place], found[reference, place[1]], resampling[kinds[place[1]]]) for place in others
    }
    return SideBySide(
        reference,
        {place: _estimate(same[place[0]], place[1], one, resampling[kinds[place[1]]]) for place, one in found.items()},
        {place: percentile_estimate(value, drawn) for place, (value, drawn) in spreads.items()},
        {place: bootstrap_p(drawn) for place, (_, drawn) in spreads.items()},
    )


_Raw = tuple[float, np.ndarray, np.ndarray]


def _check_records(one: Predictions, other: Predictions) -> None:
    for name in ("repeat", "record", "patient", "fold", "y_true"):
        if not np.array_equal(getattr(one, name), getattr(other, name)):
            raise DataError(
                "PAIR_RECORDS",
                place="side by side",
                rule="all models must have predicted the same records in the same folds",
                found=f"another {name}",
                remedy="Give predictions of the same records.",
            )


def _raw(predictions: Predictions, metric: str, resampling: Resampling) -> _Raw:
    """A metric of all rows, of each repeat and of each draw, as they are."""
    measured = predicted_statistic(predictions, metric)
    value = float(measured(resampling.everything)[0])
    return value, over_draws(measured, resampling.singles), over_draws(measured, resampling.weights)


def _estimate(predictions: Predictions, metric: str, raw: _Raw, resampling: Resampling) -> Estimate:
    if metric == "auroc" and np.isfinite(raw[0]) and (few_events(predictions) or raw[0] in (0, 1)):
        return score_interval(raw[0], predictions)
    return percentile_estimate(raw[0], resampling.spread(*raw, scale=SCALES.get(metric, "plain")))


def _difference(one: _Raw, other: _Raw, resampling: Resampling) -> tuple[float, np.ndarray]:
    value = one[0] - other[0]
    return value, resampling.spread(value, one[1] - other[1], one[2] - other[2])
