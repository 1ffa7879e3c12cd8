"""How sure a calibrated probability is: its range when the record itself may be of either class."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.isotonic import IsotonicRegression

from clinfuse.errors import DataError
from clinfuse.evaluation.crossval import CrossValidation
from clinfuse.training.calibrated import Calibrated


def venn_abers(labels: Any, scores: Any, asked: Any) -> np.ndarray:
    """Give the Venn-Abers range of each score: two probabilities, of which one is calibrated, whatever the data are.

    Isotonic regression of the labels on the scores is done twice, with the record itself among them, once without and
    once with the finding; the range reaches from the first probability that this gives the record to the second.

    Parameters
    ----------
    labels : array of int, (records,)
        0 or 1, of records that the model had not seen.
    scores : array of float, (records,)
        What it said of them, in any rising scale.
    asked : array of float, (rows,)
        Scores of further records, in the same scale.

    Returns
    -------
    ndarray of float64, (rows, 2)
        Lower and upper probability.

    Raises
    ------
    DataError
        ``VENN_ABERS``: no records, labels other than 0 and 1, or scores that are not finite.

    References
    ----------
    Vovk and Petej 2014, Venn-Abers predictors, arXiv:1211.0025.

    Examples
    --------
    >>> venn_abers([0, 0, 1, 1], [1.0, 2.0, 3.0, 4.0], [0.0, 2.5, 5.0]).round(3).tolist()
    [[0.0, 0.333], [0.0, 1.0], [0.667, 1.0]]
    """
    labels, scores, asked = (np.asarray(one, dtype=np.float64) for one in (labels, scores, asked))
    right = scores.shape == labels.shape and scores.size > 0 and np.isin(labels, (0, 1)).all()
    if not (right and np.isfinite(scores).all() and np.isfinite(asked).all()):
        raise DataError(
            "VENN_ABERS",
            place="Venn-Abers range",
            rule="labels 0 and 1, as many finite scores",
            found="something else",
            remedy="Use out-of-fold predictions of a binary task.",
        )
    different, place = np.unique(asked, return_inverse=True)
    ranges = np.empty((len(different), 2))
    for row, score in enumerate(different):
        given = np.append(scores, score)
        for truth in (0, 1):
            steps = IsotonicRegression().fit(given, np.append(labels, truth))
            ranges[row, truth] = steps.predict([score])[0]
    return ranges[place]


def venn_abers_ranges(cv: CrossValidation) -> np.ndarray:
    """Give the Venn-Abers range of every held-out prediction, from the inner folds of its fold's training patients.

    Parameters
    ----------
    cv : CrossValidation
        Of a binary `Calibrated` classifier.

    Returns
    -------
    ndarray of float64, (rows, 2)
        Row by row as ``cv.predictions``: lower and upper probability. A record with nothing usable has the prevalence
        twice.

    Raises
    ------
    DataError
        ``VENN_ABERS``: another model, or another task.
    """
    held = cv.predictions
    if held.task != "binary" or not isinstance(next(iter(cv.classifiers.values())), Calibrated):
        raise DataError(
            "VENN_ABERS",
            place="Venn-Abers range",
            rule="a binary model that is Calibrated",
            found="another",
            remedy="Cross-validate Calibrated(model).",
        )
    ranges = np.repeat(held.probabilities[:, [1]], 2, axis=1)
    columns = [held.modalities.index(name) for name in cv.modalities]
    there = held.present[:, columns].any(1)
    for (repeat, fold), classifier in cv.classifiers.items():
        rows = there & (held.repeat == repeat) & (held.fold == fold)
        unseen = classifier.unseen_
        ranges[rows] = venn_abers(unseen.labels, unseen.scores, held.scores[rows])
    return ranges
