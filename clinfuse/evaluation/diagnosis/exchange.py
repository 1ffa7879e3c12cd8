"""What fitted models say when modalities are exchanged between the held-out patients of a fold; nothing is fitted."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import final

import numpy as np

from clinfuse.evaluation.crossval import CrossValidation
from clinfuse.evaluation.predictions import Predictions
from clinfuse.training.classifiers import FusionClassifier
from clinfuse.training.encoded import Encoded
from clinfuse.training.seeds import generator

Decide = Callable[[np.ndarray], np.ndarray]
_PAIRS = 90_000
_DECISIONS = 50_000
_FEWEST, _MOST = 32, 256
_AT_ONCE = 20_000


@final
@dataclass(frozen=True, eq=False)
class HeldOut:
    """The held-out records of one fold, encoded once by the model that never saw their patients.

    Parameters
    ----------
    place : tuple of int
        Repeat and fold.
    classifier : FusionClassifier
    encoded : Encoded
    groups : ndarray of str, (records,)
        Patient ids.
    rows : ndarray of int64, (records,)
        Of the predictions of the cross-validation.
    """

    place: tuple[int, int]
    classifier: FusionClassifier
    encoded: Encoded
    groups: np.ndarray
    rows: np.ndarray

    def decide(self, donors: np.ndarray, present: np.ndarray) -> np.ndarray:
        """Give the logits of records put together from others, float64 (rows, classes).

        Parameters
        ----------
        donors : ndarray of int64, (rows, modalities)
            The record that gives each modality; it must have the modality where ``present`` says so.
        present : ndarray of bool, (rows, modalities)
        """
        parts = []
        for start in range(0, len(donors), _AT_ONCE):
            here = slice(start, start + _AT_ONCE)
            values = {
                name: value[donors[here, column]] for column, (name, value) in enumerate(self.encoded.values.items())
            }
            parts.append(self.classifier.decide(Encoded(values, present[here])))
        return np.concatenate(parts)


def held_out(cv: CrossValidation) -> Iterator[HeldOut]:
    """Give the held-out records of every repeat and fold of a cross-validation."""
    every = cv.predictions
    for place, classifier in cv.classifiers.items():
        rows = np.flatnonzero((every.repeat == place[0]) & (every.fold == place[1]))
        # In the order of ids, not of keys: keys are drawn with a secret that every copy of a cohort has anew.
        taken = np.flatnonzero(np.isin(cv.cohort.keys, every.record[rows]))
        order = {str(key): row for key, row in zip(every.record[rows], rows, strict=True)}
        test = cv.cohort[taken]
        found = np.array([order[str(key)] for key in test.keys])
        yield HeldOut(place, classifier, classifier.encode(test), np.asarray(test.groups), found)


def decided(folds: Sequence[HeldOut], predictions: Predictions, decide: Callable[[HeldOut], np.ndarray]) -> Predictions:
    """Give predictions with other logits.

    Parameters
    ----------
    folds : sequence of HeldOut
        From `held_out`, all of them.
    predictions : Predictions
        Of the same cross-validation.
    decide : callable
        Gives the logits of one fold, (records, classes), in the order of its records.
    """
    logits, chances = np.empty_like(predictions.logits), np.empty_like(predictions.probabilities)
    for held in folds:
        logits[held.rows] = decide(held)
        chances[held.rows] = held.classifier.probabilities(logits[held.rows])
    return replace(predictions, logits=logits, probabilities=chances)


def shuffled(held: HeldOut, modality: int, *, seed: int, draw: int) -> np.ndarray:
    """Give the logits when one modality is dealt out anew among the patients who have it, (records, classes).

    The same seed and draw deal the same for every model, whatever it is.
    """
    own = np.tile(np.arange(len(held.rows))[:, None], held.encoded.present.shape[1])
    has = np.flatnonzero(held.encoded.present[:, modality])
    name = list(held.encoded.values)[modality]
    drawer = generator(seed, "shuffle", *held.place, name, draw)
    own[has, modality] = has[strangers(held.groups[has], drawer)]
    return held.decide(own, held.encoded.present)


def strangers(groups: np.ndarray, drawer: np.random.Generator) -> np.ndarray:
    """Give every record another one, each used once: of another patient unless one patient has most of them.

    Parameters
    ----------
    groups : ndarray of str, (records,)
    drawer : Generator

    Examples
    --------
    >>> import numpy as np
    >>> found = strangers(np.array(["a", "a", "b", "c"]), np.random.default_rng(0))
    >>> sorted(found.tolist()), sorted(found[:2].tolist())
    ([0, 1, 2, 3], [2, 3])
    """
    n = len(groups)
    if n < 2:
        return np.arange(n)
    names, owner = np.unique(groups, return_inverse=True)
    order = np.argsort(drawer.permutation(len(names))[owner], kind="stable")
    largest = min(int(np.bincount(owner).max()), n // 2)
    step = int(drawer.integers(largest, n - largest + 1))
    result = np.empty(n, dtype=np.int64)
    result[order] = np.roll(order, step)
    return result


def additive_logits(held: HeldOut, *, seed: int) -> np.ndarray:
    """Give the logits of the additive model that is nearest to the fitted one, float64 (records, classes).

    Records with the same modalities are projected together, onto sums of one term for each modality that they have;
    those with one modality or none stay as they are. Two modalities meet in every pair of patients as long as there
    are at most 90,000 pairs; else, and for more modalities, in 32 to 256 combinations drawn once for all records.

    References
    ----------
    Hessel and Lee 2020, Does my multimodal model learn cross-modal interactions? doi:10.18653/v1/2020.emnlp-main.62.
    """
    present = held.encoded.present
    result = held.classifier.decide(held.encoded)
    for pattern in np.unique(present, axis=0):
        columns = np.flatnonzero(pattern)
        records = np.flatnonzero((present == pattern).all(1))
        if len(columns) < 2:
            continue
        drawer = generator(seed, "combinations", *held.place, *columns.tolist())
        holders = [np.flatnonzero(present[:, k]) if pattern[k] else records[:1] for k in range(len(pattern))]
        background = combinations(holders, drawer, sampled=_DECISIONS // (len(records) * len(columns)))

        def decide(donors: np.ndarray, pattern: np.ndarray = pattern) -> np.ndarray:
            return held.decide(donors, np.tile(pattern, (len(donors), 1)))

        result[records] = additive_projection(decide, records, background, columns)
    return result


def combinations(donors: list[np.ndarray], drawer: np.random.Generator, *, sampled: int) -> np.ndarray:
    """Give combinations of donors, int64 (combinations, modalities): all pairs if few, else an even sample."""
    if np.prod([len(one) for one in donors], dtype=float) <= _PAIRS and sum(len(one) > 1 for one in donors) <= 2:
        return np.stack([one.ravel() for one in np.meshgrid(*donors, indexing="ij")], axis=1)
    size = min(max(sampled, _FEWEST), _MOST)
    drawn = []
    for one in donors:
        rounds = [drawer.permutation(one) for _ in range(-(-size // len(one)))]
        drawn.append(np.concatenate(rounds)[:size])
    return np.stack(drawn, axis=1)


def additive_projection(decide: Decide, records: np.ndarray, background: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """Give a function's additive part at some records: one term for each modality, without what they say together.

    With M modalities, ``sum_m mean_b f(x_m, b) - (M - 1) mean_b f(b)``, where b runs over the background. A function
    that is a sum of one term for each modality is given back unchanged, whatever the background.

    Parameters
    ----------
    decide : callable
        Donors of every modality, int64 (rows, modalities), to logits, float64 (rows, classes).
    records : ndarray of int64, (records,)
    background : ndarray of int64, (combinations, modalities)
        Donors of every modality.
    columns : ndarray of int64
        The modalities that are used, at least two.

    Returns
    -------
    ndarray of float64, (records, classes)

    References
    ----------
    Hessel and Lee 2020, doi:10.18653/v1/2020.emnlp-main.62 (EMAP, there for two modalities).

    Examples
    --------
    >>> import numpy as np
    >>> t, v = np.array([1.0, 2.0, 3.0]), np.array([4.0, 0.0, -1.0])
    >>> pairs = np.array([[j, k] for j in range(3) for k in range(3)])
    >>> product = lambda donors: (t[donors[:, 0]] * v[donors[:, 1]])[:, None]
    >>> additive_projection(product, np.arange(3), pairs, np.array([0, 1])).ravel().tolist()
    [7.0, 0.0, -1.0]
    """
    total = np.tile(-(len(columns) - 1) * decide(background).mean(0), (len(records), 1))
    for column in columns:
        others = background.copy()
        others[:, column] = 0
        # What a combination has in this column is replaced, so that many of them become one.
        distinct, times = np.unique(others, axis=0, return_counts=True)
        donors = np.tile(distinct, (len(records), 1))
        donors[:, column] = np.repeat(records, len(distinct))
        said = decide(donors).reshape(len(records), len(distinct), -1)
        total += np.average(said, axis=1, weights=times)
    return total
