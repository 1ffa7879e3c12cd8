"""Whom an analysis of complete records alone would leave out, and in what they differ from the others."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any, final

import numpy as np
import pandas as pd

from clinfuse.cohort.cohort import Cohort
from clinfuse.evaluation.robustness.observed import FEWEST, few
from clinfuse.evaluation.statistics.intervals import Estimate, over_draws, patient_weights, percentile_estimate
from clinfuse.evaluation.statistics.weighted import weighted_share
from clinfuse.evaluation.subgroups.groups import numbered

_MOST_LEVELS = 12
_LARGE = 0.1
_DRAWS = 500


@final
@dataclass(frozen=True)
class Contrast:
    """One number among those kept and among those left out.

    Parameters
    ----------
    name : str
        The positive class, a declared attribute (with its level), or a site.
    kind : {"outcome", "mean", "share"}
    kept, excluded : float
        Mean or share.
    difference : Estimate
        Excluded minus kept, with a patient-cluster bootstrap interval.
    standardised : float
        The difference divided by the pooled standard deviation; above 0.1 is often called an imbalance.
    """

    name: str
    kind: str
    kept: float
    excluded: float
    difference: Estimate
    standardised: float


@final
@dataclass(frozen=True)
class CompleteCase:
    """Whom an analysis of complete records would leave out; made by `complete_case`.

    Parameters
    ----------
    records, patients, kept, kept_patients : int
        All, and those that have every modality.
    lacking : tuple of (str, int)
        Records without each modality.
    contrasts : tuple of Contrast
        Prevalence first, then declared attributes, then sites (by number, the largest first); none where a group has
        fewer than five patients.
    """

    records: int
    patients: int
    kept: int
    kept_patients: int
    lacking: tuple[tuple[str, int], ...]
    contrasts: tuple[Contrast, ...]

    @property
    def excluded(self) -> int:
        """Records that would be left out."""
        return self.records - self.kept

    @property
    def sentence(self) -> str:
        """Who would be left out, in words."""
        if not self.excluded:
            return "Every record has every source: an analysis of complete records would leave nobody out."
        share = round(100 * self.excluded / self.records)
        said = f"An analysis of complete records would leave out {few(self.excluded)} of {self.records} records"
        if self.excluded >= FEWEST:
            said += f" ({share} %)"
        outcome = [one for one in self.contrasts if one.kind == "outcome"]
        if outcome:
            kept, left = (round(100 * one) for one in (outcome[0].kept, outcome[0].excluded))
            said += f"; {outcome[0].name}: {left} % of those left out, {kept} % of those kept"
        large = [one.name for one in self.contrasts if one.kind != "outcome" and abs(one.standardised) > _LARGE]
        return f"{said}. They differ most in: {', '.join(large[:4])}." if large else f"{said}."

    def table(self) -> pd.DataFrame:
        """Give one line per contrast, for reading."""
        return pd.DataFrame(
            {
                "": one.name,
                "kept": _written(one.kept, one.kind),
                "left out": _written(one.excluded, one.kind),
                "difference (95 % CI)": _difference(one),
                "standardised": f"{one.standardised:+.2f}",
            }
            for one in self.contrasts
        )

    def as_dict(self) -> dict[str, Any]:
        """Give everything as JSON values, small counts as text."""
        return {
            "records": self.records,
            "patients": self.patients,
            "kept": few(self.kept),
            "excluded": few(self.excluded),
            "lacking": {name: few(count) for name, count in self.lacking},
            "contrasts": [asdict(one) for one in self.contrasts],
        }

    def __str__(self) -> str:
        return f"{self.sentence}\n{self.table().to_string(index=False)}" if self.contrasts else self.sentence


def _written(value: float, kind: str) -> str:
    return f"{value:.3g}" if kind == "mean" else f"{100 * value:.0f} %"


def _difference(one: Contrast) -> str:
    found = one.difference
    if one.kind == "mean":
        return f"{found.value:+.3g} ({found.low:+.3g} to {found.high:+.3g})"
    value, low, high = (f"{round(100 * one):+d}".replace("+0", "0") for one in (found.value, found.low, found.high))
    return f"{value} % ({low} to {high})"


def complete_case(cohort: Cohort, *, seed: int = 0) -> CompleteCase:
    """Compare records that have every modality with those an analysis of complete records would leave out.

    Parameters
    ----------
    cohort : Cohort
        With its declared attributes and sites.
    seed : int
        Of the bootstrap.

    Returns
    -------
    CompleteCase
        No test: differences with intervals, and standardised differences.

    References
    ----------
    Austin 2009, doi:10.1002/sim.3697 (standardised differences).

    Examples
    --------
    >>> import numpy as np
    >>> cohort = Cohort.from_arrays({"labs": np.eye(40), "signs": np.eye(40)}, labels=np.tile([0, 1], 20),
    ...     kinds={"labs": "ehr", "signs": "ehr"}, present=np.stack([np.ones(40, bool), np.arange(40) < 30], axis=1))
    >>> complete_case(cohort).sentence[:68]
    'An analysis of complete records would leave out 10 of 40 records (25'
    """
    cohort = cohort.sorted_by_id()
    whole = np.asarray(cohort.present.all(1))
    people = np.asarray(cohort.patient_keys)
    contrasts = []
    if min(int(whole.sum()), int((~whole).sum())) >= FEWEST:
        ids = np.asarray(cohort.patient_ids).astype(str)  # not keys, which every copy of a cohort draws anew
        weights = patient_weights(ids, whole.astype(int), seed=seed, draws=_DRAWS)
        contrasts = [_contrast(name, kind, values, whole, weights) for name, kind, values in _columns(cohort, whole)]
    return CompleteCase(
        records=len(cohort),
        patients=len(np.unique(people)),
        kept=int(whole.sum()),
        kept_patients=len(np.unique(people[whole])),
        lacking=tuple((name, int((~cohort.present[:, k]).sum())) for k, name in enumerate(cohort.names)),
        contrasts=tuple(contrasts),
    )


def _columns(cohort: Cohort, whole: np.ndarray) -> list[tuple[str, str, np.ndarray]]:
    found: list[tuple[str, str, np.ndarray]] = []
    labels = np.asarray(cohort.labels)
    if labels.ndim == 1:
        known = np.where(labels < 0, math.nan, labels == len(cohort.classes) - 1)
        found.append((cohort.classes[-1], "outcome", known))
    frame = cohort.attributes
    for name in frame.columns:
        values = frame[name]
        if pd.api.types.is_numeric_dtype(values):
            found.append((str(name), "mean", values.to_numpy(dtype=np.float64)))
        else:
            found += _levels(str(name), values.to_numpy(dtype=object))
    found += _levels("site", numbered(np.asarray(cohort.sites).astype(str)))
    people = np.asarray(cohort.patient_keys)
    return [one for one in found if _enough(one, whole, people)]


def _levels(name: str, values: np.ndarray) -> list[tuple[str, str, np.ndarray]]:
    known = np.array([str(one) not in ("", "nan", "None") for one in values], dtype=bool)
    levels = sorted({str(one) for one in values[known]})
    if not 1 < len(levels) <= _MOST_LEVELS:
        return []
    texts = np.array([str(one) for one in values], dtype=object)
    return [(f"{name} {level}", "share", np.where(known, texts == level, math.nan)) for level in levels]


def _enough(column: tuple[str, str, np.ndarray], whole: np.ndarray, people: np.ndarray) -> bool:
    """Whether both groups have five patients with a value; of a share, five with the level and five without."""
    _, kind, values = column
    known = np.isfinite(values)
    if not known.any() or np.ptp(values[known]) == 0:
        return False
    groups = [known & side for side in (whole, ~whole)]
    if kind != "mean":
        groups = [side & (values == one) for side in groups for one in (0, 1)]
    return min(len(np.unique(people[one])) for one in groups) >= FEWEST


def _contrast(name: str, kind: str, values: np.ndarray, whole: np.ndarray, weights: np.ndarray) -> Contrast:
    known = np.isfinite(values)
    numbers = np.where(known, values, 0.0)
    kept, excluded = (weighted_share(numbers, known & side) for side in (whole, ~whole))
    one = np.ones((1, len(values)))
    first, second = float(kept(one)[0]), float(excluded(one)[0])
    difference = percentile_estimate(second - first, over_draws(excluded, weights) - over_draws(kept, weights))
    spread = math.sqrt((values[known & whole].var() + values[known & ~whole].var()) / 2)
    return Contrast(name, kind, first, second, difference, (second - first) / spread if spread else 0.0)
