"""The answer to the question that was declared before training, and the courage to say No."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, final

import numpy as np

from clinfuse.errors import DataError
from clinfuse.evaluation.predictions import Predictions
from clinfuse.evaluation.scores import FEWEST, Counts, counts, metric_draws, predicted_statistic
from clinfuse.evaluation.statistics.intervals import (
    DRAWS,
    Estimate,
    bootstrap_p,
    percentile_estimate,
)

MARGIN = 0.05
INSIDE = "in inner folds of the training patients"
_FITTED = "Intervals are for the models of these folds on new patients, with what shared training adds."


@final
@dataclass(frozen=True)
class Difference:
    """One model against another on the same records: the first minus the second.

    Parameters
    ----------
    first, second : str
        Names of the models.
    metric : str
    values : tuple of float
        The metric of each.
    estimate : Estimate
        Of the difference, from a paired patient-cluster bootstrap: the same draws for both.
    p : float
        Two-sided, of no difference.
    counts : Counts
        Of the records that both were judged on.
    """

    first: str
    second: str
    metric: str
    values: tuple[float, float]
    estimate: Estimate
    p: float
    counts: Counts

    @property
    def value(self) -> float:
        """The difference."""
        return self.estimate.value

    @property
    def low(self) -> float:
        """Lower 95 % limit."""
        return self.estimate.low

    @property
    def high(self) -> float:
        """Upper 95 % limit."""
        return self.estimate.high

    def __str__(self) -> str:
        return f"{self.value:+.2f} ({_signed(self.low)} to {_signed(self.high)})"


@final
@dataclass(frozen=True)
class Sides:
    """What the two sides of a question are called in its answer.

    Parameters
    ----------
    rival : str
        The single modality, or how often which one was chosen.
    chosen : str
        How often which fusion was chosen; empty where one was named in advance.
    inside : bool
        Whether the single modality was chosen too.
    """

    rival: str
    chosen: str = ""
    inside: bool = False

    def beats(self, *, named: bool) -> str:
        """Say that the fusion beats the other side; what was chosen is named with it, or stands elsewhere."""
        best = f" ({self.chosen})" if named else ""
        other = f" ({self.rival})" if named else ""
        fusion = f"the best fusion{best}" if self.chosen else "fusion"
        rival = f"the best single modality{other}" if self.chosen and self.inside else self.rival
        return f"{fusion} beats {rival}"

    @property
    def how(self) -> str:
        """How the best fusion was chosen, as a last sentence; empty where one was named."""
        said = "Both were" if self.inside else "The fusion was"
        return f" {said} chosen {INSIDE}." if self.chosen else ""


@final
@dataclass(frozen=True)
class Answer:
    """What the data say to the declared question.

    Parameters
    ----------
    text : str
        One or two sentences in plain ASCII, beginning with the verdict.
    verdict : {"yes", "no", "cannot tell"}
        ``yes``: the 95 % interval of the difference on all records lies above 0. ``no``: it does not, and a gain
        above the margin lies outside it. Else ``cannot tell``.
    difference : Difference
        On all records; where the single modality is absent it answers with its training prevalence.
    where_both : Difference
        On the records where both can predict.
    primary, comparator : str
        The declared fusion and the single modality it is held against.
    records_text : str
        Which records each difference was made on, and what the interval leaves out.
    margin : float
        Smallest gain that would matter.
    patients_needed : int
        Patients at which the interval would be no wider than the margin, so that the answer is Yes or No;
        those there are, where it is already.
    """

    text: str
    verdict: Literal["yes", "no", "cannot tell"]
    difference: Difference
    where_both: Difference
    primary: str
    comparator: str
    records_text: str
    margin: float
    patients_needed: int

    def __str__(self) -> str:
        return self.text


def paired_difference(
    first: Predictions, second: Predictions, *, metric: str = "auroc", seed: int = 0, draws: int = DRAWS
) -> Difference:
    """Give the difference between two models on the same records.

    Parameters
    ----------
    first, second : Predictions
        Of one model each, the same records, repeats and folds, in any order.
    metric : str
        See `clinfuse.evaluation.statistic.statistic`.
    seed, draws : int
        Of the bootstrap.

    Raises
    ------
    DataError
        ``PAIR_RECORDS``: other records, patients, folds or outcomes; and what the metric raises.
    """
    first, second = _sorted(first), _sorted(second)
    for name in ("repeat", "record", "patient", "fold", "y_true"):
        if not np.array_equal(getattr(first, name), getattr(second, name)):
            raise DataError(
                "PAIR_RECORDS",
                place="comparison",
                rule="both models must have predicted the same records in the same folds",
                found=f"another {name}",
                remedy="Compare models of one `compare`.",
            )
    one, other = predicted_statistic(first, metric), predicted_statistic(second, metric)
    resampling = metric_draws(metric, first, second, seed=seed, draws=draws)
    drawn = resampling.draws(lambda weights: one(weights) - other(weights))
    whole = np.ones((1, len(first)))
    values = float(one(whole)[0]), float(other(whole)[0])
    return Difference(
        first=first.models[0],
        second=second.models[0],
        metric=metric,
        values=values,
        estimate=percentile_estimate(values[0] - values[1], drawn),
        p=bootstrap_p(drawn),
        counts=counts(first),
    )


def _sorted(predictions: Predictions) -> Predictions:
    return predictions.rows(np.lexsort((predictions.record, predictions.repeat)))


def decide(difference: Difference, where_both: Difference, *, sides: Sides, margin: float = MARGIN) -> Answer:
    """Give the answer that a difference allows.

    Parameters
    ----------
    difference : Difference
        Declared fusion minus single modality, on all records.
    where_both : Difference
        On the records where both can predict.
    sides : Sides
        What both are called in the answer.
    margin : float
        Smallest gain that would matter.
    """
    verdict: Literal["yes", "no", "cannot tell"] = "cannot tell"
    fewest = difference.counts.rarest
    if fewest >= FEWEST and difference.low > 0:
        verdict = "yes"
    elif fewest >= FEWEST and difference.high <= margin:
        verdict = "no"
    needed = patients_needed(difference, margin)
    if fewest < FEWEST:
        needed = max(needed, int(np.ceil(difference.counts.patients * FEWEST / max(fewest, 1))))
    return Answer(
        text=_sentence(verdict, difference, sides, margin, needed) + sides.how,
        verdict=verdict,
        difference=difference,
        where_both=where_both,
        primary=difference.first,
        comparator=sides.rival,
        records_text=_which_records(difference, where_both, sides.rival),
        margin=margin,
        patients_needed=needed,
    )


def patients_needed(difference: Difference, margin: float) -> int:
    """Give the patients at which the interval is no wider than the margin: its width shrinks with their root.

    Rounded up to two digits; the patients there are, where the interval is narrow enough already.
    """
    width = difference.high - difference.low
    exact = difference.counts.patients * max(1.0, (width / margin) ** 2)
    if exact <= difference.counts.patients:
        return difference.counts.patients
    unit = 10 ** max(0, int(np.floor(np.log10(exact))) - 1)
    return int(np.ceil(exact / unit) * unit)


def _sentence(verdict: str, difference: Difference, sides: Sides, margin: float, needed: int) -> str:
    metric, named = difference.metric.upper(), f" (best fusion: {sides.chosen})" if sides.chosen else ""
    rival = f"best single: {sides.rival}" if sides.chosen and sides.inside else sides.rival
    against = f"{metric} {difference.values[0]:.2f}{named} against {difference.values[1]:.2f} ({rival})"
    same = f"same {difference.counts.records} records"
    p = "p < 0.001" if difference.p < 0.001 else f"p = {difference.p:.3f}"
    if verdict == "yes":
        return f"Yes. {against}, {same}: {difference}, {p}."
    if verdict == "no":
        found = f"No. The data do not show that {sides.beats(named=True)}: {difference}, {same}."
        return f"{found} A gain above {margin:.2f} is unlikely."
    found = f"Cannot tell whether {sides.beats(named=False)}: {against}, {same}: {difference}, {p}"
    return f"{found}; a study of about {needed} patients could."


def _which_records(difference: Difference, where_both: Difference, comparator: str) -> str:
    everyone, both = difference.counts, where_both.counts
    lacking = everyone.records - both.records
    first = f"All {everyone.records} records of {everyone.patients} patients, {everyone}"
    if lacking == 0:
        return f"{first}; both can predict every one of them. {_FITTED}"
    lack = f"{first}; for the {lacking} without it, {comparator} answers with its training prevalence."
    return f"{lack} On the {both.records} where both can predict: {where_both}. {_FITTED}"


def _signed(limit: float) -> str:
    """A limit as people write it: no sign on 0.02, none on 0.00 either."""
    return f"{limit + 0.0:.2f}".replace("-0.00", "0.00")
