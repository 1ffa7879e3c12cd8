"""The worlds that are scored on, and AUROC of a fitted classifier for any subset of modalities."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np

import clinfuse as cf
from clinfuse.synthetic.ceiling import area
from clinfuse.synthetic.embedding import EmbeddingWorld, embedding_world
from clinfuse.synthetic.settings import preset

NAMES = ("ct", "eeg", "labs")  # separations 1.0, 0.8 and 1.5
SUBSETS = [names for size in (1, 2, 3) for names in itertools.combinations(NAMES, size)]
WIDTH = 8


def world(seed: int, *, records: int, fresh: int, missing: float = 0.0) -> EmbeddingWorld:
    """Give three modalities of one informative direction each, the factors they share visible in all of them."""
    settings = preset("embedding", records=records, width=WIDTH, seed=seed, missing_rate=missing)
    return embedding_world(settings, fresh=fresh, names=NAMES)


def noise_world(seed: int, *, records: int, fresh: int) -> EmbeddingWorld:
    """Give the same with a fourth modality of pure noise, and nothing in common but the finding."""
    settings = preset(
        "embedding",
        records=records,
        width=WIDTH,
        seed=seed,
        missing_rate=0.0,
        factor_strength=0.0,
        separations={"xray": 0.0},
    )
    return embedding_world(settings, fresh=fresh)


def xor_world(seed: int, *, records: int, fresh: int) -> EmbeddingWorld:
    """Give ct and labs that tell nothing alone and everything together, beside two modalities of nothing."""
    return embedding_world(preset("xor", records=records, width=WIDTH, seed=seed), fresh=fresh)


def subset_mask(cohort: cf.Cohort, names: tuple[str, ...]) -> np.ndarray:
    """Give which modalities of every record may be used, bool (records, modalities)."""
    return np.tile([name in names for name in cohort.names], (len(cohort), 1))


def aurocs(model: Any, cohort: cf.Cohort, subsets: list[tuple[str, ...]]) -> dict[tuple[str, ...], float]:
    """Give AUROC by subset; every record is encoded once."""
    encoded = model.encode(cohort)
    logits = {names: model.decide(encoded, subset_mask(cohort, names)) for names in subsets}
    return {names: area(cohort.labels, each[:, 1] - each[:, 0]) for names, each in logits.items()}
