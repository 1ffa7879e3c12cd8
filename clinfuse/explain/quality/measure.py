"""Put the maps of a cross-validated model to the test, on a few records that it never saw."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, final

import numpy as np
from sklearn.base import clone

from clinfuse.explain.quality.base import MapCheck
from clinfuse.explain.quality.findings import MapChecks, MapFinding
from clinfuse.explain.quality.randomisation import STAGES
from clinfuse.explain.quality.registry import CHECKS
from clinfuse.explain.quality.subject import Explain, Subject, gradients
from clinfuse.explain.quality.weights import networks, redrawn
from clinfuse.training.seeds import generator

FEW, MOST = 6, 20


def check_maps(
    held: Any,
    *,
    seed: int = 0,
    full: bool = False,
    explain: Explain = gradients,
    checks: Sequence[MapCheck] = CHECKS,
) -> MapChecks:
    """Test the maps of a model on held-out records, half of them with the finding where there are enough.

    Parameters
    ----------
    held : CrossValidation
        Of a binary task, with its classifiers.
    seed : int
    full : bool
        On 20 records instead of 6, and against a copy of one fold's model that is trained on shuffled labels.
    explain : callable
        The method that is tested.
    checks : sequence of MapCheck

    Returns
    -------
    MapChecks
        The same for the same seed; without findings where the model has no map.

    References
    ----------
    Adebayo et al. 2018, arXiv:1810.03292. Yeh et al. 2019, arXiv:1901.09392. Petsiuk et al. 2018, arXiv:1806.07421.
    """
    rows = _chosen(held, seed, MOST if full else FEW)
    by_fold: dict[int, list[int]] = {}
    for row in rows:
        by_fold.setdefault(held.fold_of(str(held.cohort.keys[row])), []).append(int(row))
    numbers: dict[tuple[str, str], list[tuple[float, ...]]] = {}
    for place, (fold, inside) in enumerate(sorted(by_fold.items())):
        models = _Models.of(held, fold, seed, relabel=full and place == 0)
        for subject in (models.subject(held.cohort, row, explain, seed) for row in inside):
            for check in checks:
                for modality in subject.names:
                    numbers.setdefault((check.name, modality), []).append(check.measure(subject, modality))
    keys = tuple(str(held.cohort.keys[row]) for row in rows)
    return MapChecks(str(held.name), keys, seed, full, _findings(numbers, checks, held.cohort.names), said_by(held))


def said_by(held: Any) -> str:
    """First digits of the hash of what a model said of its held-out records."""
    return hashlib.sha256(np.ascontiguousarray(held.predictions.logits).tobytes()).hexdigest()[:12]


@final
@dataclass(frozen=True, eq=False)
class _Models:
    """The model of a fold, and those that its maps are held against."""

    whole: Any
    redrawn: tuple[Any, ...]
    relabelled: tuple[Any, ...]

    @classmethod
    def of(cls, held: Any, fold: int, seed: int, *, relabel: bool) -> _Models:
        whole = held.classifiers[0, fold]
        stages = tuple(redrawn(whole, share=share, seed=seed) for share in STAGES) if networks(whole) else ()
        return cls(whole, stages, (_relabelled(held, whole, fold, seed),) if relabel and stages else ())

    def subject(self, cohort: Any, row: int, explain: Explain, seed: int) -> Subject:
        alone = cohort[row].cohort
        return Subject(
            self.whole.explainable(alone),
            {modality.name: modality for modality in cohort.modalities},
            explain,
            tuple(one.explainable(alone) for one in self.redrawn),
            tuple(one.explainable(alone) for one in self.relabelled),
            seed,
            str(cohort.keys[row]),
        )


def _relabelled(held: Any, whole: Any, fold: int, seed: int) -> Any:
    """The model of a fold, trained again on the labels of other patients."""
    training = held.cohort[held.folds[0, fold].train]
    _, first, member = np.unique(training.groups, return_index=True, return_inverse=True)
    order = generator(seed, "labels of others").permutation(len(first))
    return clone(whole).fit(training, np.asarray(training.labels)[first][order][member])


def _chosen(held: Any, seed: int, most: int) -> np.ndarray:
    """Rows of held-out records, drawn by their keys: it does not matter how the cohort is sorted."""
    cohort, labels = held.cohort, np.asarray(held.cohort.labels)
    tested = np.zeros(len(cohort), bool)
    for (repeat, _), fold in held.folds.items():
        tested[fold.test] |= repeat == 0
    tested &= np.asarray(cohort.present).any(1)
    drawn = np.array([generator(seed, "map checks", str(key)).random() for key in cohort.keys])
    ranked = [np.flatnonzero(tested & (labels == side)) for side in (1, 0)]
    with_it, without = (rows[np.argsort(drawn[rows])] for rows in ranked)
    first = min(len(with_it), most - min(len(without), most // 2))
    rows = np.concatenate([with_it[:first], without[: most - first]])
    return np.asarray(rows[np.argsort(np.asarray(cohort.keys)[rows])])


def _findings(
    numbers: Mapping[tuple[str, str], list[tuple[float, ...]]], checks: Sequence[MapCheck], names: Sequence[str]
) -> tuple[MapFinding, ...]:
    found = []
    for modality in names:
        for check in checks:
            each = [values for values in numbers.get((check.name, modality), []) if values]
            if not each:
                continue
            values = tuple(float(value) for value in np.median(each, axis=0))
            found.append(
                MapFinding(
                    check.name,
                    modality,
                    values,
                    check.bound,
                    check.at_most,
                    check.passes(values[-1]),
                    len(each),
                    check.asks,
                    check.failure,
                )
            )
    return tuple(found)
