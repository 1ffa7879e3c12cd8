"""Do labels go with what they have no business with: many questions of one cohort, answered together."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from scipy import stats

from clinfuse.training.seeds import generator

DRAWS = 1999
_CELLS = 8_000_000
_FEWEST_PATIENTS = 20
_TINY = 1e-9


def family_p(
    questions: Sequence[np.ndarray], labels: np.ndarray, patients: np.ndarray, *, seed: int = 0, draws: int = DRAWS
) -> np.ndarray:
    """Give the p value of every question, adjusted for all of them, whatever depends on whatever in the cohort.

    Labels are dealt anew among patients, all those of one patient together, so that nothing has to be assumed of the
    numbers asked about, of how they hang together, or of records of one patient. A question is scored by how far the
    sums of ranks of its columns over the records of a class lie from where they lie over the draws (a chi-squared
    number of as many degrees of freedom as columns); its adjusted p is the share of draws in which any question of
    the family scores as high.

    Parameters
    ----------
    questions : sequence of ndarray, (records, columns)
        NaN where unknown. Several columns are one question.
    labels : ndarray of float64, (records, classes)
        One column for each yes (1) or no (0) that is asked about; NaN where unknown.
    patients : ndarray of str, (records,)
        Labels change places among patients with about as many records.
    seed, draws : int

    Returns
    -------
    ndarray of float64, (questions,)
        Never below 1 / (draws + 1); 1 where a question has nothing that varies.

    References
    ----------
    Westfall PH, Troendle JF. Multiple testing with minimal assumptions. Biometrical Journal 2008;50:745-755.
    doi:10.1002/bimj.200710456

    Examples
    --------
    >>> import numpy as np
    >>> draw = np.random.default_rng(0)
    >>> sick = (draw.random(100) < 0.4) * 1.0
    >>> noise, copy = draw.normal(size=(100, 1)), sick[:, None] + 0.5 * draw.normal(size=(100, 1))
    >>> (family_p([noise, copy], sick[:, None], np.arange(100)) < 0.005).tolist()
    [False, True]
    """
    columns = np.concatenate([_centred_ranks(one) for one in questions], axis=1)
    known = np.isfinite(labels)
    answers = np.where(known, labels - np.nanmean(labels, axis=0), 0.0)
    seen = np.einsum("rk,rl->lk", columns, answers)
    drawn = _sums(columns, answers, dealt(patients, seed=seed, draws=draws))
    edges = np.cumsum([0, *(one.shape[1] for one in questions)])
    scores, highest = np.zeros(len(questions)), np.full(draws, -np.inf)
    for number, (start, stop) in enumerate(pairwise(edges.tolist())):
        part = np.concatenate([seen[None, :, start:stop], drawn[:, :, start:stop]])
        scored = _surprise(part)
        scores[number] = scored[0]
        highest = np.maximum(highest, scored[1:])
    result: np.ndarray = (1 + (highest[None, :] >= scores[:, None] - _TINY).sum(1)) / (draws + 1)
    return np.where(np.isfinite(scores), result, 1.0)


def dealt(patients: np.ndarray, *, seed: int, draws: int) -> np.ndarray:
    """Give for every draw the record whose label each record takes, int64 (draws, records).

    Patients change places with others who have about as many records: exactly as many where at least 20 patients have,
    else the next larger numbers join them. The labels of a patient keep their order.
    """
    names, patient_of = np.unique(patients, return_inverse=True)
    own = [np.flatnonzero(patient_of == one) for one in range(len(names))]
    random = generator(seed, "audit")
    result = np.tile(np.arange(len(patients)), (draws, 1))
    for members in _alike(np.array([len(rows) for rows in own])):
        longest = max(len(own[one]) for one in members)
        # Row k of the table: the record of each patient that stands for the (k + 1)st of ``longest`` records.
        table = np.array([own[one][np.arange(longest) * len(own[one]) // longest] for one in members]).T
        givers = random.permuted(np.tile(np.arange(len(members)), (draws, 1)), axis=1)
        sizes = np.array([len(own[one]) for one in members])
        for size in np.unique(sizes):
            places = np.flatnonzero(sizes == size)
            rows = np.array([own[one] for one in members[places]])
            for number in range(size):
                result[:, rows[:, number]] = table[number * longest // size][givers[:, places]]
    return result


def _alike(sizes: np.ndarray) -> list[np.ndarray]:
    """Positions of patients, in groups of about as many records."""
    groups: list[list[int]] = [[]]
    for size in np.unique(sizes):
        if len(groups[-1]) >= _FEWEST_PATIENTS:
            groups.append([])
        groups[-1] += np.flatnonzero(sizes == size).tolist()
    if len(groups) > 1 and len(groups[-1]) < _FEWEST_PATIENTS:
        groups[-2:] = [groups[-2] + groups[-1]]
    return [np.array(members) for members in groups]


def _centred_ranks(values: np.ndarray) -> np.ndarray:
    ranks = stats.rankdata(values, axis=0, nan_policy="omit")
    known = np.isfinite(values)
    count = np.maximum(known.sum(0), 1)
    ranks = np.where(known, ranks, 0.0)
    centred: np.ndarray = np.where(known, (ranks - ranks.sum(0) / count) / count, 0.0)
    return centred


def _sums(columns: np.ndarray, answers: np.ndarray, givers: np.ndarray) -> np.ndarray:
    """Sums of the columns over records that take these answers, float64 (draws, classes, columns)."""
    step = max(1, _CELLS // max(1, len(columns) * answers.shape[1]))
    parts = [
        np.einsum("drl,rk->dlk", answers[givers[start : start + step]], columns, optimize=True)
        for start in range(0, len(givers), step)
    ]
    return np.concatenate(parts)


def _surprise(sums: np.ndarray) -> np.ndarray:
    """How far out each row of sums lies, the largest over the classes: chi-squared made normal, whatever its freedom.

    Wilson and Hilferty 1931, doi:10.1073/pnas.17.12.684. Only the order matters, since the draws say what is far out.
    """
    best = np.full(len(sums), -np.inf)
    for one in sums.transpose(1, 0, 2):
        off = one - one[1:].mean(0)
        values, turned = np.linalg.eigh(np.atleast_2d(np.cov(off[1:], rowvar=False)))
        kept = values > _TINY * max(float(values.max()), _TINY)
        freedom = int(kept.sum())
        if freedom:
            squared = ((off @ turned[:, kept]) ** 2 / values[kept]).sum(1)
            spread = 2 / (9 * freedom)
            best = np.maximum(best, (np.cbrt(squared / freedom) - (1 - spread)) / np.sqrt(spread))
    return best
