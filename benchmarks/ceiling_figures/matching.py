"""Whether modalities of one record find each other, of what the best possible reader of the shared factors finds.

- retrieval_share_of_best: Recall@10 of the dual encoder over that of the true likelihood ratio, the mean of both
  directions, among 1,000 fresh records; the other pairs of modalities are printed beside it.
- retrieval_without_factors: Recall@10 over chance where nothing is shared.
- mismatch_share_of_best_random, _similar: recall at half precision over that of the true likelihood ratio, 10 % of the
  records given the labs of anybody, or of somebody of the same fifth of age and half of build, which sex would show;
  the best possible reader knows of that. The dual encoder counts; the fusion encoder and chance are printed beside it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from clinfuse.evaluation.matching.mismatch import recall_at_precision, swapped_partners
from clinfuse.evaluation.matching.retrieval import ranks
from clinfuse.synthetic.embedding import EmbeddingWorld, embedding_world
from clinfuse.synthetic.pairs import BANDS, bands, pair_evidence
from clinfuse.synthetic.settings import SyntheticSettings
from clinfuse.training.contrastive import DualEncoder

RECORDS, FRESH, SEEDS, DRAWS, AMONG, SHARE = 2000, 1000, 5, 5, 10, 0.1
NAMES = ("ct", "labs")
BEST, RANDOM = "best possible", "random"
READERS: dict[str, Callable[[EmbeddingWorld, int], np.ndarray]] = {
    BEST: lambda world, seed: evidence(world, ()),
    RANDOM: lambda world, seed: np.random.default_rng(seed).normal(size=(len(world.fresh),) * 2),
    "dual encoder": lambda world, seed: scores_of(DualEncoder(NAMES, seed=seed), world),
    "fusion encoder": lambda world, seed: scores_of(DualEncoder(NAMES, score="fused", seed=seed), world),
}
Task = tuple[str, int, bool, int, int]


def tasks(*, quick: bool) -> list[Task]:
    """Give every (reader, seed, whether factors are shared, training records, fresh records)."""
    seeds, records, fresh = (1, 400, 200) if quick else (SEEDS, RECORDS, FRESH)
    listed = [(name, seed, True, records, fresh) for name in READERS for seed in range(seeds)]
    return listed + [("dual encoder", seed, False, records, fresh) for seed in range(seeds)]


def world_of(seed: int, *, shared: bool, records: int, fresh: int) -> EmbeddingWorld:
    """Give a world of complete records whose modalities show four shared factors, or none."""
    settings = SyntheticSettings(
        records=records,
        seed=seed,
        level="embedding",
        width=8,
        missing_rates=(0.0, 0.0, 0.0, 0.0),
        factor_strength=0.6 if shared else 0.0,
        **({} if shared else {"separations": (0.0, 0.0, 0.0, 0.0)}),
    )
    return embedding_world(settings, fresh=fresh, names=NAMES)


def evidence(world: EmbeddingWorld, alike: tuple[str, ...]) -> np.ndarray:
    """Give the log-likelihood ratio of one patient against two who are alike, float64 (records, records)."""
    rows = np.arange(len(world.fresh))
    return pair_evidence(world.settings, world.latents, (NAMES[0], NAMES[1]), (rows[:, None], rows[None]), alike=alike)


def scores_of(encoder: DualEncoder, world: EmbeddingWorld) -> np.ndarray:
    """Give the similarity of every two fresh records after training, float64 (records, records)."""
    z = encoder.fit(world.training).embed(world.fresh)
    first, second = z[NAMES[0]], z[NAMES[1]]
    return np.stack([encoder.similarity(NAMES, row[None], second) for row in first])


def one(task: Task) -> dict[str, float]:
    """Give Recall@10, and the recall of swaps with anybody and with somebody alike."""
    name, seed, shared, records, fresh = task
    world = world_of(seed, shared=shared, records=records, fresh=fresh)
    scores, patients = READERS[name](world, seed), world.fresh.groups
    recall = np.mean([ranks(s, patients).hits(AMONG).mean() for s in (scores, scores.T)])
    anybody, alike = np.zeros(len(patients), dtype=np.int64), bands(world.settings, world.latents)
    among_alike = evidence(world, tuple(BANDS)) if name == BEST else scores
    return {
        "recall": float(recall),
        "random": swaps(scores, world, anybody),
        "similar": swaps(among_alike, world, alike),
    }


def swaps(scores: np.ndarray, world: EmbeddingWorld, strata: np.ndarray) -> float:
    """Give the recall at half precision, the mean over draws of who is swapped."""
    rows, found = np.arange(len(world.fresh)), []
    for draw in range(DRAWS):
        partners = swapped_partners(world.fresh.record_ids, world.fresh.groups, strata, share=SHARE, seed=draw)
        found.append(recall_at_precision(partners != rows, -scores[rows, partners]))
    return float(np.mean(found))


def _means(listed: list[Task], found: list[dict[str, float]], what: str, *, shared: bool = True) -> dict[str, float]:
    kept = [(task[0], each[what]) for task, each in zip(listed, found, strict=True) if task[2] is shared]
    return {name: float(np.mean([v for n, v in kept if n == name])) for name in dict(kept)}


def figures(listed: list[Task], found: list[dict[str, float]]) -> dict[str, float]:
    """Give the figures named above."""
    of = {what: _means(listed, found, what) for what in ("recall", "random", "similar")}
    nothing = _means(listed, found, "recall", shared=False)["dual encoder"]
    return {
        "retrieval_share_of_best": of["recall"]["dual encoder"] / of["recall"][BEST],
        "retrieval_without_factors": nothing * listed[0][4] / AMONG,
        "mismatch_share_of_best_random": of["random"]["dual encoder"] / of["random"][BEST],
        "mismatch_share_of_best_similar": of["similar"]["dual encoder"] / of["similar"][BEST],
    }


def table(listed: list[Task], found: list[dict[str, float]]) -> list[tuple[Any, ...]]:
    """Give one row per reader: Recall@10, and the recall at half precision of swaps with anybody and somebody alike."""
    of = [_means(listed, found, what) for what in ("recall", "random", "similar")]
    head = ("reader", f"Recall@{AMONG}", "swapped with anybody", "swapped with somebody alike")
    return [head, *((name, *(f"{each[name]:.3f}" for each in of)) for name in READERS)]
