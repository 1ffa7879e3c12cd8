"""How often the interval of an AUROC holds the true one where the scores are given: a held-out or another cohort.

Cohorts of 200 patients, 60 with the finding, one record each or four whose scores correlate by 0.6 within a patient;
true AUROC 0.70, 0.80 and 0.95. Cohorts of 60 patients with 5 events are printed beside them, without a target.

- coverage_fixed_min, coverage_fixed_max: of the patient bootstrap, the default where nothing is corrected, over
  these six kinds of cohorts.
"""

from __future__ import annotations

import numpy as np
from scipy import special, stats

from clinfuse.evaluation.predictions import Predictions
from clinfuse.evaluation.scores import metric_interval

COHORTS, CHUNK, DRAWS, SHARED = 2000, 250, 1000, 0.6
SIZES = {"200": (200, 60), "60": (60, 5)}
Task = tuple[str, float, int, int, int]


def tasks(*, quick: bool) -> list[Task]:
    """Give every (patients, true AUROC, records, first cohort, cohorts)."""
    cohorts, chunk = (20, 10) if quick else (COHORTS, CHUNK)
    return [
        (size, area, records, start, chunk)
        for size in SIZES
        for area in (0.70, 0.80, 0.95)
        for records in (1, 4)
        for start in range(0, cohorts, chunk)
    ]


def one(task: Task) -> np.ndarray:
    """Give lower and upper limit of every cohort, float64 (cohorts, 2)."""
    size, area, records, start, cohorts = task
    found = [
        metric_interval(scored(size, area, records, number), "auroc", draws=DRAWS)
        for number in range(start, start + cohorts)
    ]
    return np.array([(estimate.low, estimate.high) for estimate in found])


def scored(size: str, area: float, records: int, number: int) -> Predictions:
    """Give scores of a cohort by a model that has seen none of it."""
    patients, events = SIZES[size]
    draw = np.random.default_rng([number, patients, round(100 * area), records])
    patient = np.repeat(np.arange(patients), records)
    labels = (patient < events).astype(np.int64)
    noise = np.sqrt(SHARED) * draw.normal(size=patients)[patient] + np.sqrt(1 - SHARED) * draw.normal(size=len(patient))
    return single_set(labels, noise + labels * np.sqrt(2) * stats.norm.ppf(area), patient)


def single_set(labels: np.ndarray, scores: np.ndarray, patient: np.ndarray, name: str = "model") -> Predictions:
    """Give predictions of one model for records of a set that has no folds."""
    n, p = len(labels), special.expit(scores)
    return Predictions(
        model=np.full(n, name),
        repeat=np.zeros(n),
        fold=np.zeros(n),
        record=np.char.add("R-", np.arange(n).astype(str)),
        patient=np.char.add("P-", patient.astype(str)),
        site=np.full(n, ""),
        withheld=np.full(n, ""),
        y_true=labels,
        logits=np.stack([np.zeros(n), scores], axis=1),
        probabilities=np.stack([1 - p, p], axis=1),
        present=np.ones((n, 1), dtype=bool),
        classes=("absent", "finding"),
        task="binary",
        modalities=("labs",),
    )


def coverage(listed: list[Task], found: list[np.ndarray]) -> dict[tuple[str, float, int], tuple[float, float]]:
    """Give coverage and mean width by kind of cohort."""
    kinds: dict[tuple[str, float, int], list[np.ndarray]] = {}
    for task, limits in zip(listed, found, strict=True):
        kinds.setdefault(task[:3], []).append(limits)
    said = {}
    for kind, parts in kinds.items():
        low, high = np.concatenate(parts).T
        said[kind] = float(np.mean((low <= kind[1]) & (kind[1] <= high))), float(np.mean(high - low))
    return said


def figures(listed: list[Task], found: list[np.ndarray]) -> dict[str, float]:
    """Give the least and the greatest coverage, with 200 patients and with 60."""
    said = coverage(listed, found)
    large = [held for (size, _, _), (held, _) in said.items() if size == "200"]
    small = [held for (size, _, _), (held, _) in said.items() if size == "60"]
    return {
        "coverage_fixed_min": min(large),
        "coverage_fixed_max": max(large),
        "coverage_fixed_60_patients_5_events_min": min(small),
        "coverage_fixed_60_patients_5_events_max": max(small),
    }


def rows(listed: list[Task], found: list[np.ndarray]) -> list[list[str]]:
    """Give one line per kind of cohort."""
    lines = [["patients", "events", "true AUROC", "records", "coverage", "mean width"]]
    for (size, area, records), (held, width) in coverage(listed, found).items():
        lines.append([size, str(SIZES[size][1]), f"{area:.2f}", str(records), f"{held:.3f}", f"{width:.2f}"])
    return lines
