"""From what on records are called, in the words that every page has for it."""

from __future__ import annotations

from clinfuse.evaluation.calls import FoldThresholds, Threshold
from clinfuse.report.html import percent


def called_from(threshold: Threshold) -> str:
    r"""Give what follows "called".

    Examples
    --------
    >>> called_from(0.5).replace("\N{NO-BREAK SPACE}", " ")
    'from a probability of 50 % on'
    """
    if not isinstance(threshold, FoldThresholds):
        return f"from a probability of {percent(threshold)} on"
    low, high = (percent(one) for one in threshold.probabilities)
    range_of = low if low == high else f"{low} to {high}"
    return (
        f"from the threshold of their fold's model on, learned in inner folds for a specificity of "
        f"{percent(threshold.specificity)} (a probability of {range_of})"
    )
