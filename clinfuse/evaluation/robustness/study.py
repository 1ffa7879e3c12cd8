"""The whole robustness study of a comparison: subsets, rates, patterns, who is left out, what presence gives away."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, final

from clinfuse.cohort.cohort import Cohort
from clinfuse.errors import ConfigError
from clinfuse.evaluation.crossval import CrossValidation
from clinfuse.evaluation.robustness.complete_case import CompleteCase, complete_case
from clinfuse.evaluation.robustness.observed import Observed, observed_patterns
from clinfuse.evaluation.robustness.rates import DropRates, RateCurve, drop_rates
from clinfuse.evaluation.robustness.subsets import Robustness, robustness


@final
@dataclass(frozen=True)
class RobustnessStudy:
    """What is left of one model, beside others, when sources are missing; made by `study_robustness`.

    Parameters
    ----------
    model : str
        That the study is about.
    subsets : Robustness
        With the calibration of every subset.
    rates : DropRates
        Of all models.
    observed : Observed
    complete : CompleteCase
    """

    model: str
    subsets: Robustness
    rates: DropRates
    observed: Observed
    complete: CompleteCase

    @property
    def sentences(self) -> tuple[str, ...]:
        """What a reader should take away, in words."""
        rates = rate_sentences(self.rates, self.model)
        return (*self.subsets.sentences, *rates, self.observed.sentence, self.complete.sentence)

    def as_dict(self) -> dict[str, Any]:
        """Give everything as JSON values."""
        return {
            "model": self.model,
            "rows": [row.as_dict() for row in self.subsets.rows],
            "rates": self.rates.as_dict(),
            "observed": self.observed.as_dict(),
            "complete": self.complete.as_dict(),
            "sentences": list(self.sentences),
        }


def rate_sentences(rates: DropRates, model: str) -> tuple[str, ...]:
    """Say what is left of a model where half of the sources drop out, and how it stands to late fusion.

    Parameters
    ----------
    rates : DropRates
    model : str

    Returns
    -------
    tuple of str
        Empty where the model was not followed.
    """
    found = [curve for curve in rates.of() if curve.model == model]
    if not found:
        return ()
    curve = found[0]
    first = curve.points[0]
    half = min(curve.points, key=lambda point: abs(point.rate - 0.5))
    trained = f" (hidden in training: {100 * curve.hide:.0f} %)" if half.beyond else ""
    said = (
        f"When each source of each record is missing with probability {half.rate:.1f}{trained}, {model} has AUROC "
        f"{half.expected}, against {first.expected.value:.2f} with what is there now; of {100 * half.abstained:.0f} % "
        "of the records nothing is left, and they get the training prevalence."
    )
    return (said, *_against(rates, curve))


def _against(rates: DropRates, curve: RateCurve) -> tuple[str, ...]:
    if not rates.baseline or rates.baseline == curve.model:
        return ()
    half = min(curve.points, key=lambda point: abs(point.rate - 0.5))
    gain = half.advantage
    limits = f"{gain.value:+.2f} ({gain.low:+.2f} to {gain.high:+.2f})"
    if gain.low > 0:
        return (f"There it stands above the baseline {rates.baseline}: {limits}.",)
    if gain.high < 0:
        return (f"There it stands below the baseline {rates.baseline}: {limits}.",)
    return (f"There no difference to the baseline {rates.baseline} is shown: {limits}.",)


def study_robustness(
    models: Mapping[str, CrossValidation], cohort: Cohort, *, model: str, seed: int | None = None
) -> RobustnessStudy:
    """Ask everything that the held-out predictions of a comparison can say about missing sources; nothing is trained.

    Parameters
    ----------
    models : mapping of str to CrossValidation
        As in ``comparison.models``.
    cohort : Cohort
        The one that was cross-validated.
    model : str
        The fusion that the study is about.
    seed : int, optional
        Of masks and bootstrap; by default that of the cross-validation.

    Returns
    -------
    RobustnessStudy

    Raises
    ------
    ConfigError
        ``ROBUSTNESS_MODEL``.
    DataError
        ``ROBUSTNESS_COHORT``.
    """
    if model not in models:
        raise ConfigError(
            "ROBUSTNESS_MODEL",
            place="robustness",
            rule=f"a model out of {', '.join(models)}",
            found="another name",
            remedy="Correct the name.",
        )
    cv = models[model]
    start = cv.seed if seed is None else seed
    return RobustnessStudy(
        model=model,
        subsets=robustness(cv, cohort, seed=start, calibration=True),
        rates=drop_rates(models, seed=start),
        observed=observed_patterns(cv, seed=start),
        complete=complete_case(cv.cohort, seed=start),
    )
