"""Columns that say so much of the label that one has to ask whether they were known before it."""

from __future__ import annotations

import numpy as np
from scipy import stats

from clinfuse.cohort.cohort import Cohort
from clinfuse.evaluation.audit.finding import Finding, Severity
from clinfuse.evaluation.audit.labels import area, asked
from clinfuse.evaluation.statistics.intervals import auroc_interval
from clinfuse.training.seeds import generator

HONEST = 0.85
WARN, STOP = 0.95, 0.99
CHANCE = 0.005
_LIKELY = 0.75
_DRAWS = 19_999
_FEW, _MOST = 50, 200
_TINY = 1e-12


def columns(cohort: Cohort, seed: int) -> tuple[str, list[Finding]]:
    """Columns that reach an AUROC of 0.95 alone, where a column of 0.85 would not reach as much by chance.

    A column that has one value for every class, and no other, needs no test. Chance is counted for all columns that
    come near together.
    """
    areas = {}
    for modality in cohort.modalities:
        if modality.kind == "ehr":
            values = np.asarray(cohort.arrays(modality.name))
            for number, column in enumerate(modality.columns):
                areas[modality.name, column.name] = area(cohort, values[:, number]), values[:, number]
    if not areas:
        return "no table", []
    (table, largest), (best, _) = max(areas.items(), key=lambda item: item[1][0])
    near = sum(one >= _LIKELY for one, _ in areas.values())
    found = []
    for (own, name), (reached, values) in areas.items():
        if reached >= WARN and (_copies(cohort, values) or near * _chance(cohort, values, reached, seed) < CHANCE):
            severity: Severity = "stop" if reached >= STOP else "warning"
            code = "COLUMN_IS_LABEL" if severity == "stop" else "COLUMN_TOO_GOOD"
            said = f"{own}, column {name}: AUROC {reached:.2f} alone; was it known before the outcome?"
            found.append(Finding(code, severity, said))
    return f"{table}, column {largest}: AUROC {best:.2f}", found


def _copies(cohort: Cohort, values: np.ndarray) -> bool:
    """Whether some yes and no of the labels have one value each."""
    for known, positive in asked(cohort):
        here = known & np.isfinite(values)
        both = [np.unique(values[here & side]) for side in (positive, ~positive)]
        if len(both[0]) == len(both[1]) == 1 and both[0][0] != both[1][0]:
            return True
    return False


def _chance(cohort: Cohort, values: np.ndarray, reached: float, seed: int) -> float:
    """How often two normal distributions that an AUROC of 0.85 parts reach as much with as many patients."""
    best = 1.0
    for known, positive in asked(cohort):
        here = known & np.isfinite(values)
        sizes = [len(np.unique(cohort.groups[here & side])) for side in (positive, ~positive)]
        if min(sizes) < 1 or area(cohort[np.flatnonzero(here)], values[here]) < reached - _TINY:
            continue
        best = min(best, reach_p(reached, sizes[0], sizes[1], seed=seed))
    return best


def reach_p(reached: float, positives: int, negatives: int, *, seed: int = 0, honest: float = HONEST) -> float:
    """Give how often an honest column of AUROC 0.85 reaches this AUROC with this many patients.

    Where a class has fewer than 50 patients by 19,999 draws of a binormal column (more than 200 of the other class are
    counted as 200), else by the variance of Hanley and McNeil 1982, doi:10.1148/radiology.143.1.7063747.

    Examples
    --------
    >>> reach_p(1.0, 30, 70) < 0.001, reach_p(1.0, 3, 30) < 0.001
    (True, False)
    """
    if min(positives, negatives) >= _FEW:
        error, _ = auroc_interval(honest, positives, negatives)
        return float(stats.norm.sf((reached - honest) / error))
    yes, no = min(positives, _MOST), min(negatives, _MOST)
    draw = generator(seed, "audit columns", yes, no)
    shift = np.sqrt(2) * stats.norm.ppf(honest)
    count, pieces = 0, 20
    for _ in range(pieces):
        size = (_DRAWS + 1) // pieces
        values = draw.normal(size=(size, yes + no))
        values[:, :yes] += shift
        sums = stats.rankdata(values, axis=1)[:, :yes].sum(1)
        count += int((((sums - yes * (yes + 1) / 2) / (yes * no)) >= reached - _TINY).sum())
    return (1 + count) / (_DRAWS + 2)
