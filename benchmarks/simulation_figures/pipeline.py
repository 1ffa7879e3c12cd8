"""How often intervals of a whole cross-validated pipeline hold what they should.

Selection of a penalty in inner folds, fit and calibration, five folds of 100, 200 or 400 patients with 1 or 4 records,
30 or 200 columns, once and five times. An interval is judged by two numbers: what the models of the very folds reach on
new patients ("models"), and the mean of that over all cohorts, which is what such a pipeline reaches with so many
training patients ("procedure").

- coverage_pipeline_min: the default interval of AUROC and of the difference between two models' AUROC, models of the
  folds, the least of all cells of 200 and 400 patients, one repeat and five.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from scipy import stats

from clinfuse.errors import DataError
from clinfuse.evaluation.answer import paired_difference
from clinfuse.evaluation.metrics import auroc
from clinfuse.evaluation.predictions import Predictions
from clinfuse.evaluation.scores import METRICS, metric_draws, metric_interval, predicted_statistic
from clinfuse.evaluation.statistics.delong import delong
from clinfuse.evaluation.statistics.intervals import Estimate
from clinfuse.evaluation.statistics.significance import resampled_error
from simulation_figures.worlds import FOLDS, cross_validated, deal, distance, draw, table, truths

COHORTS, CHUNK, DRAWS, REPEATS = 500, 50, 400, 5
CELLS = [(n, p, r) for n in (100, 200, 400) for p in (30, 200) for r in (1, 4)]
JUDGED = (200, 400)
Task = tuple[int, int, int, int, int]


def tasks(*, quick: bool) -> list[Task]:
    """Give every (patients, columns, records, first cohort, cohorts), the slowest first."""
    cells, cohorts, chunk = ([(100, 30, 1)], 4, 2) if quick else (CELLS[::-1], COHORTS, CHUNK)
    return [(*cell, start, chunk) for cell in cells for start in range(0, cohorts, chunk)]


def one(task: Task) -> list[dict[str, Any]]:
    """Give, for each cohort, what every interval says and what it should hold."""
    patients, columns, records, start, cohorts = task
    return [_cohort(patients, columns, records, number) for number in range(start, start + cohorts)]


def _cohort(patients: int, columns: int, records: int, number: int) -> dict[str, Any]:
    generator = np.random.default_rng([number, patients, columns, records])
    apart = distance(columns)
    cohort = draw(generator, patients, records, apart)
    folds = [deal(generator, cohort.of_patient)[cohort.patient] for _ in range(REPEATS)]
    every, half = np.arange(columns), np.arange(columns // 2)
    held = {"all": [cross_validated(cohort, fold, every, apart) for fold in folds]}
    held["half"] = [cross_validated(cohort, fold, half, apart) for fold in folds]
    found: dict[str, Any] = {}
    for repeats in (1, REPEATS):
        predicted = {k: table(cohort, folds[:repeats], [one[0] for one in v[:repeats]], k) for k, v in held.items()}
        reached = {k: truths(np.concatenate([one[1] for one in v[:repeats]])) for k, v in held.items()}
        truth = reached["all"] | {"difference": reached["all"]["auroc"] - reached["half"]["auroc"]}
        found[str(repeats)] = {"truth": truth, "limits": _limits(predicted["all"], predicted["half"], repeats)}
    return found


def _limits(every: Predictions, half: Predictions, repeats: int) -> dict[str, tuple[float, float]]:
    """Lower and upper limit of every interval, by metric and method."""
    metrics = METRICS if repeats == 1 else ("auroc", "brier", "calibration_slope")
    found = {f"{metric} default": _interval(every, metric) for metric in metrics}
    found["difference default"] = _pair(paired_difference(every, half, draws=DRAWS).estimate)
    measured = predicted_statistic(every, "auroc")
    plain = replace(metric_draws("auroc", every, draws=DRAWS), widening=1.0)
    found["auroc bootstrap, not corrected"] = _pair(plain.estimate(measured))
    of_all, of_half = (areas(one, repeats) for one in (every, half))
    found["auroc Nadeau-Bengio"] = _nadeau_bengio(of_all, repeats)
    found["difference Nadeau-Bengio"] = _nadeau_bengio(of_all - of_half, repeats)
    if repeats == 1:
        found["auroc pooled DeLong"] = _pair(delong(every.y_true, every.logits[:, 1]).interval(scale="logit"))
        reach = 1.96 * of_all.std(ddof=1) / np.sqrt(FOLDS)
        found["auroc mean of folds, 1.96 SE"] = (of_all.mean() - reach, of_all.mean() + reach)
    return found


def _interval(every: Predictions, metric: str) -> tuple[float, float]:
    """The interval that a report prints; NaN where it prints none, as for the slope of constant logits."""
    try:
        return _pair(metric_interval(every, metric, draws=DRAWS))
    except DataError:
        return np.nan, np.nan


def _pair(estimate: Estimate) -> tuple[float, float]:
    return estimate.low, estimate.high


def areas(predicted: Predictions, repeats: int) -> np.ndarray:
    """AUROC of every fold of every repeat."""
    found = []
    for repeat in range(repeats):
        for fold in range(FOLDS):
            rows = (predicted.repeat == repeat) & (predicted.fold == fold)
            found.append(auroc(predicted.y_true[rows], predicted.logits[rows, 1]))
    return np.array(found)


def _nadeau_bengio(values: np.ndarray, repeats: int) -> tuple[float, float]:
    error, degrees = resampled_error(values.tolist(), train=FOLDS - 1, test=1, repeats=repeats)
    reach = float(stats.t.ppf(0.975, degrees)) * error
    return float(values.mean() - reach), float(values.mean() + reach)


def coverage(
    listed: list[Task], found: list[list[dict[str, Any]]]
) -> dict[tuple[Any, ...], tuple[float, float, float]]:
    """Give coverage of the models, of the procedure and mean width, by (cell, repeats, metric and method)."""
    cells: dict[tuple[int, int, int], list[dict[str, Any]]] = {}
    for task, cohorts in zip(listed, found, strict=True):
        cells.setdefault(task[:3], []).extend(cohorts)
    said = {}
    for cell, cohorts in cells.items():
        for repeats in cohorts[0]:
            for name in cohorts[0][repeats]["limits"]:
                metric = name.split(" ")[0]
                truth = np.array([one[repeats]["truth"][metric] for one in cohorts])
                low, high = np.array([one[repeats]["limits"][name] for one in cohorts]).T
                known = np.isfinite(truth) & np.isfinite(low)
                truth, low, high = truth[known], low[known], high[known]
                models = float(np.mean((low <= truth) & (truth <= high)))
                procedure = float(np.mean((low <= truth.mean()) & (truth.mean() <= high)))
                said[(*cell, int(repeats), name)] = models, procedure, float(np.mean(high - low))
    return said


def figures(listed: list[Task], found: list[list[dict[str, Any]]]) -> dict[str, float]:
    """Give the least coverage of the default interval."""
    said = coverage(listed, found)
    judged = {k: v for k, v in said.items() if k[4] in ("auroc default", "difference default")}
    large = {k: v for k, v in judged.items() if k[0] in JUDGED} or judged
    small = {k: v for k, v in judged.items() if k[0] not in JUDGED} or judged
    return {
        "coverage_pipeline_min": min(models for models, _, _ in large.values()),
        "coverage_pipeline_procedure_min": min(procedure for _, procedure, _ in large.values()),
        "coverage_pipeline_small_min": min(models for models, _, _ in small.values()),
    }


def rows(listed: list[Task], found: list[list[dict[str, Any]]]) -> list[list[str]]:
    """Give one line per cell and repeats: coverage of models / procedure, by interval."""
    said = coverage(listed, found)
    names = list(dict.fromkeys(key[4] for key in said))
    lines = [["patients", "columns", "records", "repeats", *names]]
    for place in sorted({key[:4] for key in said}):
        cells = [said.get((*place, name)) for name in names]
        lines.append([*map(str, place), *("" if one is None else f"{one[0]:.3f} / {one[1]:.3f}" for one in cells)])
    return lines
