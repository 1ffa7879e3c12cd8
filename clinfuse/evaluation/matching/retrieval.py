"""Cross-modal retrieval: whether a record's image finds its recording among those of everybody else."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, NoReturn, final

import numpy as np

from clinfuse.errors import DataError
from clinfuse.evaluation.statistics.intervals import Estimate, bootstrap
from clinfuse.evaluation.statistics.weighted import weighted_mean


@final
@dataclass(frozen=True)
class Retrieval:
    """How often the other modality of the same record is among the k found first.

    Parameters
    ----------
    recall : mapping of int to Estimate
        By k; intervals by a bootstrap over patients. Encoders and the records that are searched among are kept as they
        are, so another training may lie a little outside.
    chance : mapping of int to float
        What an order at random would reach, by k.
    median_rank : float
        1 where most records find their own first.
    records : int
        That were searched for.
    """

    recall: Mapping[int, Estimate]
    chance: Mapping[int, float]
    median_rank: float
    records: int

    def as_dict(self) -> dict[str, Any]:
        """Give JSON values."""
        recall = {str(k): asdict(value) for k, value in self.recall.items()}
        chance = {str(k): value for k, value in self.chance.items()}
        return {"recall": recall, "chance": chance, "median_rank": self.median_rank, "records": self.records}


@final
@dataclass(frozen=True, eq=False)
class Ranks:
    """Where every row found its own column.

    Parameters
    ----------
    better, ties, candidates : ndarray of int64, (records,)
        Candidates that go better with it than its own; as well, its own among them; and all there are.
    patients : ndarray of str, (records,)
    """

    better: np.ndarray
    ties: np.ndarray
    candidates: np.ndarray
    patients: np.ndarray

    def hits(self, k: int) -> np.ndarray:
        """Give the chance that its own is among the first k, float64 (records,): ties are broken at random."""
        return np.clip((k - self.better) / self.ties, 0, 1)


def ranks(scores: np.ndarray, patients: Any) -> Ranks:
    """Give where every row finds its own column.

    Other records of the same patient are no candidates: they are neither a hit nor a miss.

    Parameters
    ----------
    scores : ndarray of float64, (records, records)
        How well the first modality of the row goes with the second of the column; the diagonal belongs together.
    patients : sequence of str, (records,)

    Raises
    ------
    DataError
        ``RETRIEVAL_SHAPE``: another shape, a score that is no finite number, or fewer than two patients.
    """
    scores, patients = np.asarray(scores, dtype=np.float64), np.asarray(patients)
    if scores.shape != (len(patients), len(patients)) or not np.isfinite(scores).all():
        _refuse(f"finite scores of shape ({len(patients)}, {len(patients)})", f"another value, or shape {scores.shape}")
    if len(np.unique(patients)) < 2:
        _refuse("at least two patients", "fewer")
    candidate = (patients[:, None] != patients[None]) | np.eye(len(patients), dtype=bool)
    own = np.diag(scores)[:, None]
    better = ((scores > own) & candidate).sum(1)
    return Ranks(better, ((scores == own) & candidate).sum(1), candidate.sum(1), patients)


def retrieval(found: Sequence[Ranks], *, ks: Sequence[int] = (1, 5, 10), seed: int = 0) -> Retrieval:
    """Give how often records find their own, over all folds.

    Scores that say nothing have exactly the recall of chance.

    Parameters
    ----------
    found : sequence of Ranks
        One per fold: each record is searched for among those of its fold.
    ks : sequence of int
    seed : int
        Of the bootstrap.

    Examples
    --------
    >>> perfect = retrieval([ranks(np.eye(4), list("abcd"))], ks=(1,))
    >>> perfect.recall[1].value, perfect.chance[1], perfect.median_rank
    (1.0, 0.25, 1.0)
    >>> retrieval([ranks(np.zeros((4, 4)), list("abcd"))], ks=(1,)).recall[1].value
    0.25
    """
    patients = np.concatenate([one.patients for one in found])
    zeros = np.zeros(len(patients), dtype=np.int64)
    hits = {k: np.concatenate([one.hits(k) for one in found]) for k in ks}
    places = np.concatenate([1 + one.better + (one.ties - 1) / 2 for one in found])
    candidates = np.concatenate([one.candidates for one in found])
    return Retrieval(
        recall={k: bootstrap(zeros, patients, weighted_mean(hit), seed=seed) for k, hit in hits.items()},
        chance={k: float(np.minimum(1, k / candidates).mean()) for k in ks},
        median_rank=float(np.median(places)),
        records=len(patients),
    )


def _refuse(rule: str, found: str) -> NoReturn:
    raise DataError(
        "RETRIEVAL_SHAPE", place="retrieval", rule=rule, found=found, remedy="Give one row and column per record."
    )
