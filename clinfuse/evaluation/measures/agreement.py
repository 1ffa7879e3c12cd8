"""How well probabilities agree with what happened."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np

from clinfuse.evaluation.measures.given import binary, once
from clinfuse.evaluation.statistics.calibrated import bins_of_mass


def brier(labels: Any, probabilities: Any) -> float:
    """Give the mean squared distance between probability and outcome.

    One or two columns of probabilities: of the positive class. More: summed over the classes, so that 2 is the worst.
    Two-dimensional labels: the plain average over labels.

    Raises
    ------
    DataError
        As for `auroc`.

    References
    ----------
    Brier 1950, Monthly Weather Review 78:1, doi:10.1175/1520-0493(1950)078<0001:VOFEIT>2.0.CO;2.

    Examples
    --------
    >>> round(brier([0, 1, 1, 0], [0.1, 0.9, 0.8, 0.3]), 4)
    0.0375
    """
    return once("brier", labels, probabilities)


def scaled_brier(labels: Any, probabilities: Any) -> float:
    """Give the share by which the Brier score beats that of the prevalence: 1 is perfect, 0 as good, below 0 worse.

    Also called index of prediction accuracy. The prevalence is that of the same records. Several classes: of the sums
    over the classes. Two-dimensional labels: the plain average over labels.

    Raises
    ------
    DataError
        As for `auroc`.

    References
    ----------
    Kattan and Gerds 2018, Diagnostic and Prognostic Research 2:7, doi:10.1186/s41512-018-0029-2.

    Examples
    --------
    >>> round(scaled_brier([0, 1, 1, 0], [0.1, 0.9, 0.8, 0.3]), 4)
    0.85
    """
    return once("scaled_brier", labels, probabilities)


def log_loss(labels: Any, probabilities: Any) -> float:
    """Give the mean negative logarithm (natural) of the probability given to what was true, bounded at 1e-15.

    Raises
    ------
    DataError
        As for `auroc`.

    Examples
    --------
    >>> round(log_loss([0, 1], [0.5, 0.5]), 4)
    0.6931
    """
    return once("log_loss", labels, probabilities)


def calibration_slope(labels: Any, logits: Any) -> float:
    """Give the slope of the label on the logit: 1 is right, below 1 the model is too sure of itself.

    Parameters
    ----------
    labels : array of int, (records,)
        0 or 1.
    logits : array of float, (records,)
        Log odds of the positive class.

    Returns
    -------
    float
        NaN where the logits part the classes completely and no finite slope exists.

    References
    ----------
    Cox 1958, Biometrika 45:562, doi:10.1093/biomet/45.3-4.562.

    Examples
    --------
    >>> logits = [-1.0, -1.0, -1.0, 1.0, 1.0, 1.0]
    >>> round(calibration_slope([0, 0, 1, 0, 1, 1], logits), 4)  # a third and two thirds: half as sure as stated
    0.6931
    """
    return once("calibration_slope", labels, logits)


def calibration_intercept(labels: Any, logits: Any) -> float:
    """Give calibration in the large: 0 is right, above 0 the model gives too low probabilities on the whole.

    Parameters as for `calibration_slope`.

    Examples
    --------
    >>> round(calibration_intercept([0, 1, 0, 1], [1.0, 1.0, 1.0, 1.0]), 6)
    -1.0
    """
    return once("calibration_intercept", labels, logits)


def observed_expected(labels: Any, probabilities: Any) -> float:
    """Give the events seen over the events foretold: 1 is right, above 1 the probabilities are too low on the whole.

    Raises
    ------
    DataError
        As for `auroc`.

    References
    ----------
    Debray et al. 2017, BMJ 356:i6460, doi:10.1136/bmj.i6460.

    Examples
    --------
    >>> observed_expected([0, 1, 1, 0], [0.5, 0.5, 0.25, 0.25])
    1.3333333333333333
    """
    return once("observed_expected", labels, probabilities)


def ece(
    labels: Any,
    probabilities: Any,
    *,
    bins: int = 10,
    edges: Literal["mass", "width"] = "mass",
    norm: Literal["l1", "l2", "max"] = "l1",
) -> float:
    """Give the expected calibration error: how far observed shares lie from mean probabilities, bin by bin.

    Parameters
    ----------
    labels : array of int, (records,)
        0 or 1.
    probabilities : array of float, (records,)
    bins : int
    edges : {"mass", "width"}
        Bins of about equally many records, or of equal width.
    norm : {"l1", "l2", "max"}
        Average, root mean square or largest distance, bins weighted by their records.

    References
    ----------
    Naeini et al. 2015, doi:10.1609/aaai.v29i1.9602.

    Examples
    --------
    >>> round(ece([0, 0, 1, 1, 1], [0.25, 0.25, 0.55, 0.75, 0.75], bins=2, edges="width"), 4)
    0.29
    """
    labels, probabilities = binary(labels, probabilities)
    if edges == "width":
        bin_of = np.minimum((probabilities * bins).astype(int), bins - 1)
    else:
        bin_of = bins_of_mass(probabilities, bins)
    counts = np.bincount(bin_of, minlength=bins)
    gaps = np.abs(np.bincount(bin_of, labels - probabilities, minlength=bins))[counts > 0] / counts[counts > 0]
    share = counts[counts > 0] / len(labels)
    if norm == "max":
        return float(gaps.max())
    return float(share @ gaps) if norm == "l1" else float(np.sqrt(share @ gaps**2))
