"""Whether two modalities know each other: cross-modal retrieval and swaps, on patients the encoders never saw."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

import numpy as np
import pandas as pd
from sklearn.base import clone

from clinfuse.cohort.cohort import Cohort
from clinfuse.errors import DataError
from clinfuse.evaluation.matching.mismatch import Mismatch, limit_at, mismatch, swapped_partners
from clinfuse.evaluation.matching.retrieval import Ranks, Retrieval, ranks, retrieval
from clinfuse.training.contrastive import DualEncoder
from clinfuse.training.seeds import derived_seed
from clinfuse.training.splits import patient_folds
from clinfuse.training.store import save_dual_encoder


@final
@dataclass(frozen=True, eq=False)
class Matching:
    """How two modalities of held-out patients find each other; made by `match`.

    Parameters
    ----------
    names : (str, str)
    forward, backward : Retrieval
        From the first modality to the second, and back.
    swaps : mapping of str to Mismatch
        ``"any patient"``, and ``"alike"`` where strata were given.
    limit : float
        Disagreement that this share of all held-out records stays at or below: what `train_matcher` stores.
    flagged : ndarray of str
        Keys of records whose modalities, as the cohort has them, disagree more than ``specificity`` of the others'.
    """

    names: tuple[str, str]
    forward: Retrieval
    backward: Retrieval
    swaps: dict[str, Mismatch]
    limit: float
    flagged: np.ndarray

    def table(self) -> pd.DataFrame:
        """Give one line per direction and k, then one per kind of swap, for reading."""
        a, b = self.names
        rows = [
            {
                "what": f"{start} finds {end}, among the first {k}",
                "found": str(value),
                "chance": f"{found.chance[k]:.2f}",
            }
            for start, end, found in ((a, b, self.forward), (b, a, self.backward))
            for k, value in found.recall.items()
        ]
        rows += [
            {"what": f"swapped with {kind}: AUROC", "found": str(one.auroc), "chance": "0.50"}
            for kind, one in self.swaps.items()
        ]
        return pd.DataFrame(rows)

    def __str__(self) -> str:
        return self.table().to_string(index=False)

    def as_dict(self) -> dict[str, Any]:
        """Give JSON values."""
        return {
            "modalities": list(self.names),
            "forward": self.forward.as_dict(),
            "backward": self.backward.as_dict(),
            "limit": self.limit,
            "swaps": {kind: one.as_dict() for kind, one in self.swaps.items()},
            "flagged": self.flagged.tolist(),
        }


def match(
    cohort: Cohort,
    encoder: DualEncoder,
    *,
    names: tuple[str, str],
    folds: int = 5,
    share: float = 0.1,
    specificity: float = 0.99,
    strata: np.ndarray | None = None,
    seed: int = 0,
) -> Matching:
    """Train in folds of patients, and try retrieval and swaps on the records that have both modalities.

    No label is read. A fold's thresholds come from the other folds.

    Parameters
    ----------
    cohort : Cohort
    encoder : DualEncoder
        Left as it is.
    names : (str, str)
        Two of its modalities.
    folds : int
    share : float
        Of the records whose second modality is replaced by another patient's.
    specificity : float
    strata : ndarray, (records,), optional
        What makes patients alike: negatives of training count by the encoder's ``alike``, and swaps are tried among
        patients alike as well.
    seed : int

    Raises
    ------
    DataError
        ``MATCHING_RECORDS``: fewer records with both modalities than four a fold. ``SPLIT_PATIENTS``.
    """
    order = np.argsort(cohort.record_ids, kind="stable")
    order = order[cohort.present[order][:, [cohort.names.index(name) for name in names]].all(1)]
    both = cohort[order]
    if len(both) < 4 * folds:
        raise DataError(
            "MATCHING_RECORDS",
            place="matching",
            rule=f"at least {4 * folds} records with {names[0]} and {names[1]}",
            found=f"{len(both)}",
            remedy="Use fewer folds, or modalities that more records have together.",
        )
    kinds = {"any patient": np.zeros(len(both), dtype=np.int64)}
    if strata is not None:
        kinds["alike"] = np.unique(np.asarray(strata)[order], return_inverse=True)[1].astype(np.int64)
    cuts = patient_folds(np.zeros(len(both), dtype=np.int64), both.groups, both.record_ids, folds=folds, seed=seed)
    own = np.zeros(len(both))
    other = {kind: np.zeros(len(both)) for kind in kinds}
    swapped = {kind: np.zeros(len(both), dtype=bool) for kind in kinds}
    fold_of = np.zeros(len(both), dtype=np.int64)
    there: list[Ranks] = []
    back: list[Ranks] = []
    for number, (train, test) in enumerate(cuts):
        fitted = clone(encoder).set_params(seed=derived_seed(seed, "matching", number) % 2**32)
        fitted.fit(both[train], strata=kinds.get("alike", kinds["any patient"])[train])
        z = fitted.embed(both[test])
        scores = fitted.similarity(names, z[names[0]][:, None], z[names[1]][None])
        there.append(ranks(scores, both.groups[test]))
        back.append(ranks(scores.T, both.groups[test]))
        own[test], fold_of[test] = -np.diag(scores), number
        for kind, strata_of in kinds.items():
            partners = swapped_partners(
                both.record_ids[test], both.groups[test], strata_of[test], share=share, seed=seed
            )
            rows = np.arange(len(test))
            other[kind][test], swapped[kind][test] = -scores[rows, partners], partners != rows
    limits = np.array([limit_at(own[fold_of != number], specificity) for number in range(folds)])[fold_of]
    return Matching(
        names=names,
        forward=retrieval(there, seed=seed),
        backward=retrieval(back, seed=seed),
        swaps={
            kind: mismatch(other[kind], swapped[kind], both.groups, limits=limits, seed=seed)
            for kind in kinds
            if swapped[kind].any()
        },
        limit=limit_at(own, specificity),
        flagged=np.asarray(both.keys)[own > limits],
    )


def train_matcher(
    cohort: Cohort, encoder: DualEncoder, folder: Path, *, names: tuple[str, str], **how: Any
) -> Matching:
    """Train on all records that have both modalities, and store the encoder for `suspects` and ``clinfuse check``.

    Parameters
    ----------
    cohort : Cohort
        Whose files are believed to lie with the right patients.
    encoder : DualEncoder
        Left as it is.
    folder : Path
    names : (str, str)
    **how
        As of `match`, which says how well it works and where the threshold lies: on patients not trained on.

    Raises
    ------
    DataError
        As `match`.
    StorageError
        ``STORE_ENCODER``.
    """
    found = match(cohort, encoder, names=names, **how)
    both = cohort.present[:, [cohort.names.index(name) for name in names]].all(1)
    fitted = clone(encoder).fit(cohort[np.flatnonzero(both)])
    fitted.judge(names, found.limit)
    save_dual_encoder(fitted, Path(folder))
    return found


def suspects(cohort: Cohort, encoder: DualEncoder) -> dict[tuple[str, str], tuple[int, np.ndarray]]:
    """Give how many records have every two modalities an encoder was judged on, and the keys of those flagged.

    Parameters
    ----------
    cohort : Cohort
    encoder : DualEncoder
        From `train_matcher`.

    Raises
    ------
    DataError
        ``MATCHER_COHORT``: the cohort lacks one of its modalities. ``MODALITY_CHANGED``.
    """
    missing = [name for name in encoder.modalities_ if name not in cohort.names]
    if missing or not encoder.limits_:
        raise DataError(
            "MATCHER_COHORT",
            place="matcher",
            rule=f"a cohort with {', '.join(encoder.modalities_)}, and an encoder made by train_matcher",
            found=f"none of the name {missing[0]}" if missing else "an encoder without a threshold",
            remedy="Check the cohort whose modalities have these names, or train the matcher anew.",
        )
    z = encoder.embed(cohort)
    found = {}
    for pair, limit in encoder.limits_.items():
        first, second = pair.split("+")
        both = cohort.present[:, [cohort.names.index(first), cohort.names.index(second)]].all(1)
        scores = -encoder.similarity((first, second), z[first][both], z[second][both])
        found[first, second] = (int(both.sum()), np.asarray(cohort.keys)[both][scores > limit])
    return found
