"""Late aggregators by name: how the predictions of single-modality models become one prediction.

A pool is one class, entered in ``_POOLS``: configuration and laws find it by its name.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from clinfuse.errors import ConfigError
from clinfuse.fusion.pattern_pools import PerPatternPool, StackedByPatternPool
from clinfuse.fusion.plain_pools import (
    EvidencePool,
    LogitMeanPool,
    MaxPool,
    MeanPool,
    MinPool,
    NoisyOrPool,
    VotePool,
)
from clinfuse.fusion.pool import Pool
from clinfuse.fusion.stacking import CalibratedMeanPool, StackedPool, WeightedPool

_POOLS: dict[str, type[Pool]] = {
    pool.name: pool
    for pool in (
        CalibratedMeanPool,
        EvidencePool,
        LogitMeanPool,
        MaxPool,
        MeanPool,
        MinPool,
        NoisyOrPool,
        PerPatternPool,
        StackedByPatternPool,
        StackedPool,
        VotePool,
        WeightedPool,
    )
}


def pool_names() -> tuple[str, ...]:
    """Give the names of all pools, sorted."""
    return tuple(sorted(_POOLS))


def learning_pools() -> tuple[str, ...]:
    """Give the names of the pools that learn from predictions for patients their models never saw, sorted.

    Examples
    --------
    >>> learning_pools()
    ('calibrated mean', 'per pattern', 'stacked', 'stacked by pattern', 'weighted')
    """
    return tuple(name for name in pool_names() if _POOLS[name].learns)


def build_pool(name: str, prior: np.ndarray, *, multilabel: bool, weights: np.ndarray | None = None) -> Pool:
    """Give an unfitted pool by its name.

    Parameters
    ----------
    name : str
    prior : ndarray of float64, (outputs,)
        Logits of the prior.
    multilabel : bool
    weights : ndarray of float64, (modalities,), optional
        Declared ones, for the pool ``"weighted"``.

    Raises
    ------
    ConfigError
        ``POOL_NAME``: no such pool; the message lists those there are. ``POOL_WEIGHTS``: weights that cannot be used.
    """
    if name not in _POOLS:
        raise ConfigError(
            "POOL_NAME",
            place="late fusion",
            rule=f"combine must be one of {', '.join(pool_names())}",
            found="another name",
            remedy="Correct combine.",
        )
    if weights is None:
        return _POOLS[name](prior, multilabel=multilabel)
    if _POOLS[name] is not WeightedPool or not (weights >= 0).all() or not 0 < weights.sum() < np.inf:
        raise ConfigError(
            "POOL_WEIGHTS",
            place="late fusion",
            rule='weights stand beside combine = "weighted", none negative and not all zero',
            found="other weights, or another pool",
            remedy="Correct weights, or leave them out.",
        )
    return WeightedPool(prior, multilabel=multilabel, weights=weights / weights.sum())


def pool_from_state(state: Mapping[str, Any]) -> Pool:
    """Give the pool that `Pool.to_state` described."""
    pool = build_pool(state["pool"], state["prior"], multilabel=bool(state["multilabel"]))
    pool.restore(state)
    return pool
