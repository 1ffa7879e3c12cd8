"""How often tests say that there is a difference where there is none, at 5 %, over 2,000 null cohorts.

Scores that are given: two equally good ones of 200 patients, 60 with the finding, correlating by 0.5 within a class;
for McNemar's tests both decide at the middle between the classes. Cross-validated: two models of 200 patients, each on
its own half of 30 equally good columns, five folds, once and five times; "answer" is the rule by which a study says
that one is better, the default interval of the difference without 0.

- type_1_error_max: the greatest share of all tests.
- type_1_error_min_powered: the least share of paired DeLong, permutation and McNemar's mid-p, which should not waste
  what they may say.
"""

from __future__ import annotations

import numpy as np
from scipy import stats

from clinfuse.evaluation.answer import paired_difference
from clinfuse.evaluation.predictions import Predictions
from clinfuse.evaluation.statistics.delong import delong
from clinfuse.evaluation.statistics.permutation import permutation_test
from clinfuse.evaluation.statistics.significance import discordance, mcnemar, nadeau_bengio
from simulation_figures.fixed import single_set
from simulation_figures.pipeline import areas
from simulation_figures.worlds import FOLDS, cross_validated, deal, distance, draw, table

COHORTS, CHUNK, DRAWS, LEVEL = 2000, 100, 400, 0.05
PATIENTS, EVENTS, AREA, SHARED, COLUMNS, REPEATS = 200, 60, 0.80, 0.5, 30, 5
POWERED = ("paired DeLong", "permutation", "McNemar mid-p")
Task = tuple[str, int, int]


def tasks(*, quick: bool) -> list[Task]:
    """Give every (kind, first cohort, cohorts)."""
    cohorts, chunk = (4, 2) if quick else (COHORTS, CHUNK)
    return [(kind, start, chunk) for kind in KINDS for start in range(0, cohorts, chunk)]


def one(task: Task) -> dict[str, list[bool]]:
    """Give whether each test rejected, cohort by cohort."""
    kind, start, cohorts = task
    found = [KINDS[kind](number) for number in range(start, start + cohorts)]
    return {name: [each[name] < LEVEL for each in found] for name in found[0]}


def given(number: int) -> dict[str, float]:
    """Give the p value of every test of two given scores."""
    generator = np.random.default_rng([number, 1])
    labels = (np.arange(PATIENTS) < EVENTS).astype(np.int64)
    shared, apart = generator.normal(size=PATIENTS), np.sqrt(2) * stats.norm.ppf(AREA)
    scores = [
        np.sqrt(SHARED) * shared + np.sqrt(1 - SHARED) * generator.normal(size=PATIENTS) + (labels - 0.5) * apart
        for _ in range(2)
    ]
    counts = discordance(labels, *((score > 0).astype(int) for score in scores))
    pair = [single_set(labels, score, np.arange(PATIENTS), name) for name, score in zip("ab", scores, strict=True)]
    return {
        "paired DeLong": delong(labels, *scores).compare().p,
        "permutation": permutation_test(labels, *scores, draws=999, seed=number).p,
        "McNemar exact": mcnemar(counts, method="exact").p,
        "McNemar mid-p": mcnemar(counts, method="mid-p").p,
        "answer on a held-out set": _answer(*pair),
    }


def crossed(number: int) -> dict[str, float]:
    """Give the p value of every test of two models on the same folds."""
    generator = np.random.default_rng([number, 2])
    # Both halves have the same distances, so that the two models are equally good.
    half = COLUMNS // 2
    apart = np.tile(distance(half), 2) / np.sqrt(2)
    cohort = draw(generator, PATIENTS, 1, apart)
    folds = [deal(generator, cohort.of_patient) for _ in range(REPEATS)]
    sides = [np.arange(half), np.arange(half, COLUMNS)]
    held = [[cross_validated(cohort, fold, side, apart)[0] for fold in folds] for side in sides]
    found = {}
    for repeats, word in ((1, "once"), (REPEATS, "five times")):
        pair = [table(cohort, folds[:repeats], one[:repeats], name) for name, one in zip("ab", held, strict=True)]
        differences = areas(pair[0], repeats) - areas(pair[1], repeats)
        tested = nadeau_bengio(differences, train=FOLDS - 1, test=1, repeats=repeats)
        found[f"Nadeau-Bengio, five folds {word}"] = tested.p
        found[f"answer, five folds {word}"] = _answer(*pair)
    return found


def _answer(first: Predictions, second: Predictions) -> float:
    """0 where the default interval leaves out no difference, else 1."""
    found = paired_difference(first, second, draws=DRAWS)
    return float(found.low <= 0 <= found.high)


def figures(listed: list[Task], found: list[dict[str, list[bool]]]) -> dict[str, float]:
    """Give the greatest and least shares of false alarms."""
    shares = _shares(found)
    return {
        "type_1_error_max": max(shares.values()),
        "type_1_error_min_powered": min(shares[name] for name in POWERED),
    }


def rows(listed: list[Task], found: list[dict[str, list[bool]]]) -> list[list[str]]:
    """Give one line per test."""
    return [["test", "share of null cohorts with p < 0.05"], *([k, f"{v:.3f}"] for k, v in _shares(found).items())]


def _shares(found: list[dict[str, list[bool]]]) -> dict[str, float]:
    every: dict[str, list[bool]] = {}
    for each in found:
        for name, rejected in each.items():
            every.setdefault(name, []).extend(rejected)
    return {name: float(np.mean(rejected)) for name, rejected in every.items()}


KINDS = {"given": given, "crossed": crossed}
