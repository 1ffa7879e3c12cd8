"""How many patients a binary question needs: to develop a model, and to validate one that is finished."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import final

import numpy as np
from scipy import optimize, special, stats

from clinfuse.cohort.cohort import Cohort
from clinfuse.cohort.kinds import feature_names
from clinfuse.errors import ConfigError
from clinfuse.evaluation.audit.finding import Audit, Finding

EXPECTED_AUROC = 0.80
SHRINKAGE = 0.9
# Of 2,000 held-out sets of 60 patients with 5 events and a true AUROC of 0.80, by benchmarks/simulations.py.
COVERAGE_60_5, WIDTH_60_5 = 0.964, 0.38

_OPTIMISM = 0.05
_MARGIN = 0.05
_NORMAL = 1.96
_POINTS = 200


@final
@dataclass(frozen=True)
class DevelopmentSize:
    """Patients needed to develop a model.

    Parameters
    ----------
    parameters : int
        Candidates that were, or are to be, considered.
    prevalence, r2 : float
        Expected share of events, and Cox and Snell's R² of the model.
    by_shrinkage, by_optimism, by_prevalence : int
        Patients for a uniform shrinkage of at least the one asked for, for an optimism of at most 0.05 in Nagelkerke's
        R², and for a prevalence known to within 0.05.
    """

    parameters: int
    prevalence: float
    r2: float
    by_shrinkage: int
    by_optimism: int
    by_prevalence: int

    @property
    def patients(self) -> int:
        """The largest of the three."""
        return max(self.by_shrinkage, self.by_optimism, self.by_prevalence)

    @property
    def events(self) -> int:
        """Expected events among so many patients."""
        return math.ceil(self.patients * self.prevalence)

    def __str__(self) -> str:
        return f"{self.patients} patients with {self.events} events for {self.parameters} candidate parameters"


@final
@dataclass(frozen=True)
class ValidationSize:
    """Patients needed to validate a finished model.

    Parameters
    ----------
    prevalence : float
    by_ratio, by_slope, by_auroc : int
        Patients for intervals of the widths asked for of observed to expected events, calibration slope and AUROC.
    """

    prevalence: float
    by_ratio: int
    by_slope: int
    by_auroc: int

    @property
    def patients(self) -> int:
        """The largest of the three."""
        return max(self.by_ratio, self.by_slope, self.by_auroc)

    @property
    def events(self) -> int:
        """Expected events among so many patients."""
        return math.ceil(self.patients * self.prevalence)


def cox_snell(auroc: float, prevalence: float) -> float:
    """Give Cox and Snell's R² of a model of which only the AUROC is known.

    Log odds are taken to be normal in either class with one spread, as Riley and others draw them; their expected
    likelihood is integrated here, not simulated.

    Parameters
    ----------
    auroc : float
        Between 0.5 and 1.
    prevalence : float

    Raises
    ------
    ConfigError
        ``SAMPLE_SIZE_VALUE``.

    References
    ----------
    Riley, Van Calster and Collins 2021, doi:10.1002/sim.8806.

    Examples
    --------
    >>> round(cox_snell(0.81, 0.77), 2)
    0.21
    """
    _check({"AUROC": 0.5 < auroc < 1, "prevalence": 0 < prevalence < 1})
    logits, weights = _log_odds(auroc, prevalence)
    p = special.expit(logits)
    with_model = float(weights @ (special.xlogy(p, p) + special.xlogy(1 - p, 1 - p)))
    return 1 - math.exp(2 * (_null(prevalence) - with_model))


def development_size(parameters: int, prevalence: float, *, r2: float, shrinkage: float = SHRINKAGE) -> DevelopmentSize:
    """Give the patients needed to develop a model for a binary outcome.

    Parameters
    ----------
    parameters : int
        Candidates, whether they end up in the model or not; a category counts its levels less one.
    prevalence : float
    r2 : float
        Expected R² after Cox and Snell, e.g. of `cox_snell`.
    shrinkage : float

    Raises
    ------
    ConfigError
        ``SAMPLE_SIZE_VALUE``; R² cannot exceed what the prevalence allows.

    References
    ----------
    Riley et al. 2019, doi:10.1002/sim.7992; 2020, doi:10.1136/bmj.m441.

    Examples
    --------
    >>> print(development_size(24, 0.174, r2=0.288))
    662 patients with 116 events for 24 candidate parameters
    """
    _check({"prevalence": 0 < prevalence < 1, "number of parameters": parameters >= 1})
    most = 1 - math.exp(2 * _null(prevalence))
    _check({"R²": 0 < r2 < most, "shrinkage, above R² and below 1,": r2 < shrinkage < 1})
    small = r2 / (r2 + _OPTIMISM * most)
    by_shrinkage, by_optimism = (parameters / ((s - 1) * math.log(1 - r2 / s)) for s in (shrinkage, small))
    by_prevalence = (_NORMAL / _MARGIN) ** 2 * prevalence * (1 - prevalence)
    return DevelopmentSize(
        parameters, prevalence, r2, *(math.ceil(one) for one in (by_shrinkage, by_optimism, by_prevalence))
    )


def validation_size(
    auroc: float,
    prevalence: float,
    *,
    ratio_width: float = 0.2,
    slope_width: float = 0.2,
    auroc_width: float = 0.1,
) -> ValidationSize:
    """Give the patients needed to validate a finished model, for 95 % intervals of some widths.

    Parameters
    ----------
    auroc, prevalence : float
        Expected in the cohort of the validation; the model is taken to be well calibrated there.
    ratio_width, slope_width, auroc_width : float
        Of the intervals of observed to expected events, calibration slope and AUROC.

    Raises
    ------
    ConfigError
        ``SAMPLE_SIZE_VALUE``.

    References
    ----------
    Riley et al. 2021, doi:10.1002/sim.9025; AUROC by Newcombe 2006, doi:10.1002/sim.2324.

    Examples
    --------
    >>> validation_size(0.72, 0.45).by_auroc
    401
    """
    widths = {"width of an interval": min(ratio_width, slope_width, auroc_width) > 0}
    _check({"AUROC": 0.5 < auroc < 1, "prevalence": 0 < prevalence < 1, **widths})
    by_ratio = (1 - prevalence) / (prevalence * (math.asinh(ratio_width / 2) / _NORMAL) ** 2)
    by_slope = _for_slope(*_log_odds(auroc, prevalence), error=slope_width / (2 * _NORMAL))
    by_auroc = _for_auroc(auroc, prevalence, error=auroc_width / (2 * _NORMAL))
    return ValidationSize(prevalence, *(math.ceil(one) for one in (by_ratio, by_slope, by_auroc)))


def _for_slope(logits: np.ndarray, weights: np.ndarray, *, error: float) -> float:
    spread = weights * special.expit(logits) * special.expit(-logits)
    a, b, c = (float((spread * logits**power).sum()) for power in (0, 1, 2))
    return a / (error**2 * (a * c - b**2))


def _for_auroc(auroc: float, prevalence: float, *, error: float) -> float:
    pairs = (1 - auroc) / (2 - auroc) + auroc / (1 + auroc)

    def beyond(patients: float) -> float:
        spread = auroc * (1 - auroc) * (1 + (patients / 2 - 1) * pairs) / (patients**2 * prevalence * (1 - prevalence))
        return spread - error**2

    return float(optimize.brentq(beyond, 2.0, 1e9)) if beyond(2.0) > 0 else 2.0


def _null(prevalence: float) -> float:
    return float(special.xlogy(prevalence, prevalence) + special.xlogy(1 - prevalence, 1 - prevalence))


def _log_odds(auroc: float, prevalence: float) -> tuple[np.ndarray, np.ndarray]:
    """Points and weights of the log odds of all patients, normal in either class."""
    distance = math.sqrt(2) * float(stats.norm.ppf(auroc))
    points, weights = np.polynomial.hermite_e.hermegauss(_POINTS)
    weights = weights / weights.sum()
    sides = [distance * points + side * distance**2 / 2 + special.logit(prevalence) for side in (-1, 1)]
    return np.concatenate(sides), np.concatenate([weights * (1 - prevalence), weights * prevalence])


def candidates(cohort: Cohort) -> dict[str, int]:
    """Count the candidate parameters of every modality: columns of a table, summary features of anything else.

    A category counts its levels less one. A network has more parameters than it has inputs; this counts too few for it.
    """
    found = {}
    for modality in cohort.modalities:
        if modality.kind == "ehr":
            found[modality.name] = sum(max(1, len(one.levels) - 1) for one in modality.columns)
        else:
            found[modality.name] = len(feature_names(modality)[0])
    return found


def sized(audited: Audit, cohort: Cohort, *, auroc: float = EXPECTED_AUROC) -> Audit:
    """Give what an audit found together with whether a cohort has patients enough to develop a model.

    Parameters
    ----------
    audited : Audit
    cohort : Cohort
        Of a binary question; of another nothing is said.
    auroc : float
        Expected of the model.

    Returns
    -------
    Audit
        With the finding ``SAMPLE_SMALL`` where there are too few.

    Examples
    --------
    >>> from clinfuse.evaluation.audit.checks import audit
    >>> labs = {"labs": np.arange(120.0)[:, None] % 5}
    >>> cohort = Cohort.from_arrays(labs, labels=np.arange(120) % 2, kinds={"labs": "ehr"})
    >>> [one.code for one in sized(audit(cohort), cohort).findings]
    ['SAMPLE_SMALL']
    """
    labels = np.asarray(cohort.labels)
    if cohort.task != "binary" or not {0, 1} <= set(labels.tolist()):
        return audited
    people = np.asarray(cohort.patient_keys)
    patients, events = (len(np.unique(people[rows])) for rows in (labels >= 0, labels == 1))
    counted = {name: count for name, count in candidates(cohort).items() if count}
    # Where everybody has records of both classes, each record is a question of its own.
    prevalence = events / patients if events < patients else float(np.mean(labels[labels >= 0] == 1))
    needed = development_size(max(1, sum(counted.values())), prevalence, r2=cox_snell(auroc, prevalence))
    fact = ("patients for so many candidates", f"{patients} with {events} events; {needed}")
    findings = audited.findings
    if patients < needed.patients:
        said = _too_few(patients, events, needed, counted, auroc)
        later = [one for one in findings if one.severity == "note"]
        findings = (*(one for one in findings if one not in later), Finding("SAMPLE_SMALL", "warning", said), *later)
    return replace(audited, findings=findings, facts=(*audited.facts, fact))


def _too_few(patients: int, events: int, needed: DevelopmentSize, counted: Mapping[str, int], auroc: float) -> str:
    which = ", ".join(f"{name} {count}" for name, count in counted.items())
    said = (
        f"{patients} patients with {events} events are few: {needed} ({which}) would be needed at an AUROC of "
        f"{auroc:.2f} and a prevalence of {100 * needed.prevalence:.0f} % (R² {needed.r2:.2f}; Riley et al. 2020). "
        "Expect a model that promises more than it keeps, most of all where many inputs are used"
    )
    measured = (
        f"95 % intervals of an AUROC held the truth in {100 * COVERAGE_60_5:.0f} % and were {WIDTH_60_5:.1f} wide"
    )
    return f"{said}; in simulated sets of 60 patients with 5 events, {measured}."


def _check(rules: Mapping[str, bool]) -> None:
    for name, holds in rules.items():
        if not holds:
            raise ConfigError(
                "SAMPLE_SIZE_VALUE",
                place="sample size",
                rule=f"{name} within what it can be",
                found="another number",
                remedy="Correct what the sample size is computed from.",
            )
