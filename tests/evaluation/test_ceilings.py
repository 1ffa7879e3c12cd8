"""What benchmarks/ceilings.py measures, in a short form: the arithmetic of the figures, and one task of each family."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from clinfuse.fusion.choice import operator_names
from clinfuse.fusion.pooling import pool_names

FOLDER = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture
def figures(monkeypatch):
    """Give the modules that measure, imported as the script imports them."""
    monkeypatch.syspath_prepend(str(FOLDER))
    from ceiling_figures import matching, noise, others, shares, sweep, trees, xor

    known = {"matching": matching, "noise": noise, "others": others, "shares": shares}
    return {**known, "sweep": sweep, "trees": trees, "xor": xor}


def test_shares_costs_and_deficits_are_those_of_the_worst(figures):
    shares = figures["shares"]
    best = dict(zip(shares.SUBSETS, [0.7, 0.7, 0.8, 0.8, 0.9, 0.9, 0.9], strict=True))
    single = dict.fromkeys(shares.SUBSETS, 0.7)
    early = {names: 0.5 + 0.98 * (value - 0.5) for names, value in best.items()}
    joint = {**best, ("labs",): 0.65}  # half of what can be known of the labs, and less than the labs alone
    named = {shares.BEST_POSSIBLE: best, shares.SINGLE: single, "early": early, "joint": joint}
    listed, found = [], []
    for name, each in {**named, "late": best, "hybrid": best}.items():
        for seed in range(2):
            listed.append((name, seed, 0.0, 10, 10))
            found.append(each)
            if name in shares.MODELS:
                listed.append((name, seed, shares.MISSING, 10, 10))
                found.append({shares.NAMES: 0.9 - (0.03 if name == "late" else 0.0)})
    made = shares.figures(listed, found)
    assert made["early_worst_subset_share"] == pytest.approx(0.98)
    assert made["joint_worst_subset_share"] == pytest.approx(0.5)
    assert made["late_worst_subset_share"] == pytest.approx(1.0)
    assert made["missing_training_cost"] == pytest.approx(0.03)
    assert made["worst_deficit_to_best_single"] == pytest.approx(0.05)
    rows = shares.table(listed, found)
    assert len(rows) == 8
    assert rows[3][0] == "labs"
    assert rows[3][3] == "0.6500 (50.0%)"


def test_the_cost_of_noise_is_a_mean_over_seeds(figures):
    noise = figures["noise"]
    listed = [(name, seed, 10) for name in noise.MODELS for seed in (0, 1)]
    found = [(0.9, 0.87) if name == "late" and seed else (0.9, 0.89) for name, seed, _ in listed]
    assert noise.figures(listed, found) == pytest.approx(
        {"noise_cost_early": 0.01, "noise_cost_joint": 0.01, "noise_cost_late": 0.02, "noise_cost_hybrid": 0.01}
    )


def test_tasks_cover_every_model_and_seed_once(figures):
    for part in figures.values():
        quick, full = part.tasks(quick=True), part.tasks(quick=False)
        assert len(set(full)) == len(full) > len(quick) > 0


@pytest.mark.parametrize("name", ["early", "late", "best possible", "single"])
def test_a_share_is_measured_on_every_subset(figures, name):
    found = figures["shares"].one((name, 100, 0.0, 120, 400))
    assert tuple(found) == tuple(figures["shares"].SUBSETS)
    assert all(0.5 < auroc < 1 for auroc in found.values())


def test_training_with_missing_modalities_is_measured_on_complete_records(figures):
    (names,) = figures["shares"].one(("late", 100, 0.3, 120, 400))
    assert names == figures["shares"].NAMES


def test_noise_is_measured_on_the_same_records_with_and_without(figures):
    without, with_noise = figures["noise"].one(("early", 100, 1000))
    assert 0.8 < with_noise < 1
    assert abs(without - with_noise) < 0.05


def test_every_operator_pool_and_learner_has_its_loss(figures):
    others = figures["others"]
    listed = others.tasks(quick=True)
    made = others.figures(listed, [(0.9, 0.88)] * len(listed))
    assert made["noise_cost_late_logit_mean"] == pytest.approx(0.02)
    assert len(made) == len(operator_names()) + len(pool_names()) + 2
    without, with_noise = others.one(("early", "lightgbm", 100, 1000))
    assert 0.8 < with_noise < without + 0.05


def test_xor_and_withheld_modalities_are_measured(figures):
    assert figures["xor"].one(("late", 100, 150, 400)) == pytest.approx(0.5, abs=0.2)
    assert figures["xor"].one(("early", 100, 600, 400)) > 0.8
    task = (100, 200, 400)
    trees = figures["trees"]
    said = trees.figures([task], [trees.one(task)])
    assert said["tree_withheld_mean_minus_prevalence"] < 0.15
    assert said["tree_withheld_differs_from_zeros"] > 0


def test_the_cost_of_asking_about_every_subset_is_that_of_the_dearest(figures):
    sweep = figures["sweep"]
    found = dict.fromkeys(sweep.MODELS, 1.05) | {"hybrid": 1.2}
    made = sweep.figures(sweep.tasks(quick=True), [found])
    assert made["subset_sweep_passes"] == 1.2
    assert made["subset_sweep_passes_late"] == 1.05
    operators = {name.replace("-", "_") for name in operator_names()}
    assert {f"joint_{name}" for name in operators} | {"hybrid_perceiver", "early"} < set(sweep.MODELS)


def test_every_figure_has_its_target(figures, monkeypatch):
    import ceilings
    from shared.families import figure

    assert set(ceilings.parts()) == set(figures)
    assert figure("xor_joint", 0.94, ceilings.TARGETS) == {
        "name": "xor_joint",
        "value": 0.94,
        "target": ">= 0.95",
        "holds": False,
    }
    assert figure("noise_cost_late", 0.02, ceilings.TARGETS)["holds"]
    assert figure("another", 3.0, ceilings.TARGETS)["holds"]


@pytest.mark.slow
def test_the_script_prints_json():
    done = subprocess.run(
        [sys.executable, FOLDER / "ceilings.py", "--quick", "--only", "trees", "--json", "--workers", "1"],
        capture_output=True,
        text=True,
        check=True,
    )
    said = json.loads(done.stdout)
    assert {"name", "value", "target", "holds"} == set(said[0])
    assert np.isfinite([one["value"] for one in said]).all()


def test_matching_is_measured_against_the_best_possible_reader(figures):
    matching = figures["matching"]
    listed = [(name, 0, True, 20, 100) for name in matching.READERS] + [("dual encoder", 0, False, 20, 100)]
    found = [{"recall": r, "random": r, "similar": r / 2} for r in (0.5, 0.1, 0.45, 0.4, 0.12)]
    assert matching.figures(listed, found) == pytest.approx(
        {
            "retrieval_share_of_best": 0.9,
            "retrieval_without_factors": 1.2,
            "mismatch_share_of_best_random": 0.9,
            "mismatch_share_of_best_similar": 0.9,
        }
    )
    assert matching.table(listed, found)[3] == ("dual encoder", "0.450", "0.450", "0.225")
    best, random = (matching.one((name, 1, True, 30, 60)) for name in (matching.BEST, matching.RANDOM))
    assert best["recall"] > 0.8 > 0.4 > random["recall"]
    assert best["random"] > 0.5
