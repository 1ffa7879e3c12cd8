"""How good decisions are: whole numbers, or scores with a threshold that was found on other records."""

from __future__ import annotations

from typing import Any

import numpy as np

from clinfuse.evaluation.measures.given import once, refuse
from clinfuse.evaluation.statistics.decisions import decided as _decided


def accuracy(labels: Any, decided: Any, *, threshold: Any = None) -> float:
    """Give the share of records that was decided rightly.

    Parameters
    ----------
    labels : array of int, (records,) or (records, labels)
        0 or 1; a class index; 0, 1 or -1 (unknown) per label.
    decided : array, (records,) or (records, classes or labels)
        Whole numbers or bools: what was decided. Else scores, decided by ``threshold``; of more than two columns the
        largest.
    threshold : float or array of float, optional
        A record is called at or above it. Never found on these records. One, or one for each score.

    Raises
    ------
    DataError
        ``METRIC_SHAPE``, ``METRIC_NAN``, ``METRIC_LABELS``, ``METRIC_CLASSES``, ``METRIC_THRESHOLD``: scores without
        a threshold.

    Examples
    --------
    >>> accuracy([0, 0, 0, 1], [0.1, 0.2, 0.6, 0.9], threshold=0.5)
    0.75
    """
    return once("accuracy", labels, decided, threshold=threshold)


def balanced_accuracy(labels: Any, decided: Any, *, threshold: Any = None) -> float:
    """Give the average over classes of the share of a class's records that was decided rightly.

    Parameters and errors as for `accuracy`.

    Examples
    --------
    >>> balanced_accuracy([0, 0, 0, 1], [0, 0, 1, 1])
    0.8333333333333333
    """
    return once("balanced_accuracy", labels, decided, threshold=threshold)


def precision(labels: Any, decided: Any, *, threshold: Any = None) -> float:
    """Give the share of called records that is positive: the positive predictive value at this prevalence.

    Parameters and errors as for `accuracy`. Several classes: the plain average over them. NaN where none is called.

    Examples
    --------
    >>> precision([0, 0, 1, 1], [0, 1, 1, 1])
    0.6666666666666666
    """
    return once("precision", labels, decided, threshold=threshold)


def recall(labels: Any, decided: Any, *, threshold: Any = None) -> float:
    """Give the share of positive records that is called: the sensitivity.

    Parameters and errors as for `accuracy`. Several classes: the plain average over them.

    Examples
    --------
    >>> recall([0, 0, 1, 1], [0, 1, 1, 0])
    0.5
    """
    return once("recall", labels, decided, threshold=threshold)


def specificity(labels: Any, decided: Any, *, threshold: Any = None) -> float:
    """Give the share of negative records that is not called.

    Parameters and errors as for `accuracy`. Several classes: the plain average over them, each against the rest.

    Examples
    --------
    >>> specificity([0, 0, 1, 1], [0, 1, 1, 1])
    0.5
    """
    return once("specificity", labels, decided, threshold=threshold)


def f1(labels: Any, decided: Any, *, threshold: Any = None) -> float:
    """Give the harmonic mean of precision and recall.

    Parameters and errors as for `accuracy`. Several classes: the plain average over them. It says nothing about records
    that are rightly not called, and moves with the prevalence.

    Examples
    --------
    >>> f1([0, 0, 1, 1], [0, 1, 1, 1])
    0.8
    """
    return once("f1", labels, decided, threshold=threshold)


def mcc(labels: Any, decided: Any, *, threshold: Any = None) -> float:
    """Give Matthews' correlation of decisions with labels, 0 where either is constant.

    Parameters and errors as for `accuracy`.

    References
    ----------
    Matthews 1975, doi:10.1016/0005-2795(75)90109-9. Several classes: Gorodkin 2004,
    doi:10.1016/j.compbiolchem.2004.09.006.

    Examples
    --------
    >>> mcc([0, 0, 1, 1], [0, 0, 1, 1])
    1.0
    """
    return once("mcc", labels, decided, threshold=threshold)


def ppv(labels: Any, decided: Any, *, threshold: Any = None, prevalence: float | None = None) -> float:
    """Give the positive predictive value at a stated prevalence, by Bayes' rule from these records' decisions.

    Parameters and errors as for `accuracy`; ``prevalence`` is that of the place where the model is to be used, by
    default that of these records. An interval: `clinfuse.evaluation.statistics.intervals.bootstrap` of
    ``statistic("ppv", ...)``.

    Examples
    --------
    >>> round(ppv([0] * 9 + [1], [0] * 8 + [1, 1], prevalence=0.5), 4)
    0.9
    """
    return once("ppv", labels, decided, threshold=threshold, prevalence=prevalence)


def npv(labels: Any, decided: Any, *, threshold: Any = None, prevalence: float | None = None) -> float:
    """Give the negative predictive value at a stated prevalence, by Bayes' rule from these records' decisions.

    As `ppv`.

    Examples
    --------
    >>> npv([0] * 9 + [1], [0] * 8 + [1, 1], prevalence=0.5)
    1.0
    """
    return once("npv", labels, decided, threshold=threshold, prevalence=prevalence)


def predictive_values(sensitivity: float, specificity: float, prevalence: float) -> tuple[float, float]:
    """Give the positive and the negative predictive value at a prevalence of one's own (Bayes' rule).

    Examples
    --------
    >>> positive, negative = predictive_values(0.873, 0.902, 0.15)
    >>> round(positive, 4)
    0.6112
    """
    called = sensitivity * prevalence + (1 - specificity) * (1 - prevalence)
    spared = specificity * (1 - prevalence) + (1 - sensitivity) * prevalence
    if called <= 0 or spared <= 0:
        refuse("METRIC_CLASSES", "some records must be called and some spared", "all or none")
    return sensitivity * prevalence / called, specificity * (1 - prevalence) / spared


def confusion_matrix(labels: Any, decided: Any, *, threshold: Any = None) -> np.ndarray:
    """Give how many records of each class were decided to be of each: true class by row, decided class by column.

    Parameters and errors as for `accuracy`.

    Returns
    -------
    ndarray of int64, (classes, classes), or (labels, 2, 2) where there are several labels

    Examples
    --------
    >>> confusion_matrix([0, 0, 0, 1], [0.1, 0.2, 0.6, 0.9], threshold=0.5).tolist()
    [[2, 1], [0, 1]]
    """
    labels, decided = np.asarray(labels), np.asarray(decided)
    if len(labels) != len(decided) or len(labels) == 0:
        refuse("METRIC_SHAPE", "labels and decisions must be as many, and some", "other lengths")
    every = np.ones((1, len(labels)))
    tables = [one.tables(every)[0].astype(np.int64) for one in _decided(labels, decided, threshold)]
    return np.stack(tables) if labels.ndim == 2 else tables[0]
