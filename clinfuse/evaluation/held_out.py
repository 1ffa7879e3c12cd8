"""AUROCs of finished models on patients that none of them has seen: where DeLong's method has its place."""

from __future__ import annotations

import numpy as np

from clinfuse.errors import DataError
from clinfuse.evaluation.predictions import Predictions
from clinfuse.evaluation.statistics.delong import DeLong, clustered_delong


def held_out_delong(*models: Predictions) -> DeLong:
    """Give the AUROCs of models with one fold, of a holdout or another hospital, and how they vary together.

    It is an interval for these fitted models on new patients. Records of one patient may be several: where each has
    one, it is DeLong's method, else that of Obuchowski for clusters.

    Parameters
    ----------
    *models : Predictions
        Binary, of one model each, nothing withheld, the same records; records without a label are left out.

    Returns
    -------
    DeLong
        The AUROCs in the order given.

    Raises
    ------
    DataError
        ``DELONG_FOLDS``: several folds or repeats, whose scores come from several models. ``DELONG_TASK``: not binary,
        several models in one table, or something withheld. ``PAIR_RECORDS``: other records.

    References
    ----------
    DeLong et al. 1988, doi:10.2307/2531595. Obuchowski 1997, doi:10.2307/2533958.
    """
    if not models or any(_unfit(one) for one in models):
        _refuse("DELONG_TASK", "binary predictions of one model each, nothing withheld", "others")
    if any(len(np.unique(one.repeat)) > 1 or len(np.unique(one.fold)) > 1 for one in models):
        _refuse("DELONG_FOLDS", "predictions of one fold, made by one fitted model", "several folds or repeats")
    ordered = [one.rows(np.argsort(one.record)) for one in models]
    first = ordered[0]
    for one in ordered[1:]:
        for name in ("record", "patient", "y_true"):
            if not np.array_equal(getattr(first, name), getattr(one, name)):
                _refuse("PAIR_RECORDS", "all models must have predicted the same records", f"another {name}")
    known = first.y_true >= 0
    scores = [one.scores[known] for one in ordered]
    return clustered_delong(first.y_true[known], *scores, patients=first.patient[known])


def _unfit(one: Predictions) -> bool:
    return one.task != "binary" or len(one.models) != 1 or bool((one.withheld != "").any())


def _refuse(code: str, rule: str, found: str) -> None:
    remedy = "Use predictions of a holdout or of another cohort; cross-validated ones have intervals of their own."
    raise DataError(code, place="DeLong", rule=rule, found=found, remedy=remedy)
