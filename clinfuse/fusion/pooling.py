"""Late aggregators by name: how the predictions of single-modality models become one prediction.

A pool is one class, entered in ``_POOLS``: configuration and laws find it by its name.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from clinfuse.errors import ConfigError
from clinfuse.fusion.plain_pools import EvidencePool, LogitMeanPool, MeanPool, VotePool
from clinfuse.fusion.pool import Pool
from clinfuse.fusion.stacking import StackedPool, WeightedPool

_POOLS: dict[str, type[Pool]] = {
    pool.name: pool for pool in (EvidencePool, LogitMeanPool, MeanPool, StackedPool, VotePool, WeightedPool)
}


def pool_names() -> tuple[str, ...]:
    """Give the names of all pools, sorted."""
    return tuple(sorted(_POOLS))


def build_pool(name: str, prior: np.ndarray, *, multilabel: bool) -> Pool:
    """Give an unfitted pool by its name.

    Raises
    ------
    ConfigError
        ``POOL_NAME``: no such pool; the message lists those there are.
    """
    if name not in _POOLS:
        raise ConfigError(
            "POOL_NAME",
            place="late fusion",
            rule=f"combine must be one of {', '.join(pool_names())}",
            found="another name",
            remedy="Correct combine.",
        )
    return _POOLS[name](prior, multilabel=multilabel)


def pool_from_state(state: Mapping[str, Any]) -> Pool:
    """Give the pool that `Pool.to_state` described."""
    pool = build_pool(state["pool"], state["prior"], multilabel=bool(state["multilabel"]))
    pool.restore(state)
    return pool
