"""Mismatch: whether a file belongs to the patient it lies with, tried on swaps that were made on purpose."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, NoReturn, final

import numpy as np

from clinfuse.errors import DataError
from clinfuse.evaluation.robustness.absence import record_uniforms
from clinfuse.evaluation.statistics.intervals import Estimate, bootstrap
from clinfuse.evaluation.statistics.statistic import statistic


@final
@dataclass(frozen=True)
class Mismatch:
    """How well disagreement finds the records whose second modality is another patient's.

    Parameters
    ----------
    auroc : Estimate
        Of disagreement, swapped records against the others.
    recall : float
        Largest share of swapped records found while at least half of those flagged are swapped.
    sensitivity, specificity : float
        At thresholds from records that were not swapped and are not judged by them.
    records, swapped : int
    """

    auroc: Estimate
    recall: float
    sensitivity: float
    specificity: float
    records: int
    swapped: int

    def as_dict(self) -> dict[str, Any]:
        """Give JSON values."""
        return asdict(self)


def swapped_partners(ids: Any, patients: Any, strata: Any, *, share: float, seed: int) -> np.ndarray:
    """Give whose second modality each record is given: its own, or for some that of another patient who is alike.

    Parameters
    ----------
    ids : sequence of str, (records,)
        Every draw goes by the name of a record, whatever their order.
    patients : sequence of str, (records,)
    strata : sequence, (records,)
        Only records of the same stratum are swapped; the same value for all swaps at random.
    share : float
        Of the records that are swapped.
    seed : int

    Returns
    -------
    ndarray of int64, (records,)
        Positions; a record whose stratum holds no other patient keeps its own.

    Examples
    --------
    >>> swapped_partners(["a", "b"], ["p", "q"], [0, 0], share=1.0, seed=0).tolist()
    [1, 0]
    """
    ids, patients, strata = np.asarray(ids), np.asarray(patients), np.asarray(strata)
    drawn = record_uniforms(ids, ["swap", "partner"], 1, seed=seed, purpose="mismatch")[0]
    partners = np.arange(len(ids))
    # As many as asked for, not as many as it happens: the rarer of two rates would else vary by a tenth.
    chosen = np.lexsort((ids, drawn[:, 0]))[: round(share * len(ids))]
    order = np.argsort(ids, kind="stable")
    for row in chosen:
        others = order[(strata[order] == strata[row]) & (patients[order] != patients[row])]
        if len(others):
            partners[row] = others[int(drawn[row, 1] * len(others))]
    return partners


def recall_at_precision(labels: Any, scores: Any, precision: float = 0.5) -> float:
    """Give the largest share of positive records above a threshold while this share of those above it are positive.

    Examples
    --------
    >>> recall_at_precision([1, 0, 1, 0, 0, 0], [6.0, 5.0, 4.0, 3.0, 2.0, 1.0])
    1.0
    """
    labels, scores = np.asarray(labels) == 1, np.asarray(scores, dtype=np.float64)
    if not labels.any():
        _refuse("at least one positive record", "none")
    order = np.argsort(-scores, kind="stable")
    found, called = np.cumsum(labels[order]), np.arange(1, len(labels) + 1)
    # Records of equal scores are called together.
    last = np.append(scores[order][1:] != scores[order][:-1], True)
    allowed = last & (found >= precision * called - 1e-9)
    return float(found[allowed].max(initial=0) / labels.sum())


def limit_at(untouched: np.ndarray, specificity: float) -> float:
    """Give the disagreement that this share of records which were not swapped stays at or below.

    Examples
    --------
    >>> limit_at(np.array([0.1, 0.2, 0.3, 0.4]), 0.75)
    0.3
    """
    if len(untouched) == 0:
        _refuse("records to take a threshold from", "none")
    needed = int(np.ceil(specificity * len(untouched) - 1e-9))
    return float(np.sort(untouched)[needed - 1]) if needed > 0 else float("-inf")


def mismatch(
    disagreement: np.ndarray,
    swapped: np.ndarray,
    patients: Any,
    *,
    limits: np.ndarray,
    seed: int = 0,
) -> Mismatch:
    """Give how well disagreement finds swapped records.

    Parameters
    ----------
    disagreement : ndarray of float64, (records,)
        The higher, the less the two modalities go together.
    swapped : ndarray of bool, (records,)
    patients : sequence of str, (records,)
    limits : ndarray of float64, (records,)
        Disagreement above which each record is flagged; see `limit_at`.
    seed : int
        Of the bootstrap over patients.

    Raises
    ------
    DataError
        ``MISMATCH_SWAPS``: nothing swapped, or everything.
    """
    disagreement, swapped = np.asarray(disagreement, dtype=np.float64), np.asarray(swapped, dtype=bool)
    if not swapped.any() or swapped.all():
        _refuse("swapped records and others", "none of one of these")
    labels = swapped.astype(np.int64)
    flagged = disagreement > limits
    return Mismatch(
        auroc=bootstrap(labels, patients, statistic("auroc", labels, disagreement), stratified=True, seed=seed),
        recall=recall_at_precision(labels, disagreement),
        sensitivity=float(flagged[swapped].mean()),
        specificity=float(1 - flagged[~swapped].mean()),
        records=len(labels),
        swapped=int(swapped.sum()),
    )


def _refuse(rule: str, found: str) -> NoReturn:
    raise DataError(
        "MISMATCH_SWAPS",
        place="mismatch",
        rule=rule,
        found=found,
        remedy="Use more records, or another share of swaps.",
    )
