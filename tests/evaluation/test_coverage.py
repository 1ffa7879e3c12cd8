"""What a report says of how often its intervals hold."""

from pathlib import Path

import numpy as np
import pytest

from clinfuse.evaluation.metrics import auprc, auroc, calibration_intercept, calibration_slope
from clinfuse.evaluation.statistics.coverage import MEASURED, coverage_sentence, measured_coverage


def test_every_design_that_was_simulated_is_there_once():
    designs = [(one.patients, one.records, one.repeats) for one in MEASURED]
    assert sorted(designs) == [(n, r, k) for n in (100, 200, 400) for r in (1, 4) for k in (1, 5)]
    assert all(0.5 < one.low <= one.high <= 1 for one in MEASURED)


@pytest.mark.parametrize(
    ("patients", "records", "repeats", "expected"),
    [
        (70, 70, 1, (100, 1, 1)),
        (140, 140, 1, (100, 1, 1)),
        (150, 160, 2, (200, 1, 1)),
        (283, 320, 3, (400, 1, 5)),
        (5000, 20000, 10, (400, 4, 5)),
    ],
)
def test_a_study_is_held_against_the_design_most_like_it(patients, records, repeats, expected):
    (found,) = measured_coverage(patients=patients, records=records, repeats=repeats)
    assert (found.patients, found.records, found.repeats) == expected


def test_of_very_few_patients_nothing_is_claimed():
    assert measured_coverage(patients=69, records=69, repeats=1) == ()
    assert "not measured for so few patients" in coverage_sentence(patients=69, records=69, repeats=1)


def test_the_sentence_gives_the_range_and_the_design():
    said = coverage_sentence(patients=200, records=200, repeats=1)
    (found,) = measured_coverage(patients=200, records=200, repeats=1)
    assert f"{round(100 * found.high)} %" in said
    assert "200 patients with one record each, dealt into folds once" in said


@pytest.fixture
def simulated(monkeypatch):
    """Give the modules that simulate, imported as the script imports them."""
    monkeypatch.syspath_prepend(str(Path(__file__).parents[2] / "benchmarks"))
    from simulation_figures import errors, fixed, pipeline, worlds

    return {"errors": errors, "fixed": fixed, "pipeline": pipeline, "worlds": worlds}


def test_what_models_reach_on_new_patients_is_what_new_patients_show(simulated):
    worlds = simulated["worlds"]
    generator, apart = np.random.default_rng(0), worlds.distance(20)
    cohort = worlds.draw(generator, 120, 1, apart)
    fold = worlds.deal(generator, cohort.of_patient)
    logits, models = worlds.cross_validated(cohort, fold, np.arange(20), apart)
    assert np.isfinite(logits).all()
    truths = worlds.truths(models[:1])
    low, high, spread = models[0]
    labels = (np.arange(400_000) < worlds.PREVALENCE * 400_000).astype(int)
    drawn = generator.normal(np.where(labels == 1, high, low), spread)
    p = 1 / (1 + np.exp(-drawn))
    assert truths["auroc"] == pytest.approx(auroc(labels, drawn), abs=0.005)
    assert truths["brier"] == pytest.approx(np.mean((p - labels) ** 2), abs=0.002)
    assert truths["auprc"] == pytest.approx(auprc(labels, drawn), abs=0.01)
    assert truths["calibration_slope"] == pytest.approx(calibration_slope(labels, drawn), abs=0.03)
    assert truths["calibration_intercept"] == pytest.approx(calibration_intercept(labels, drawn), abs=0.03)


def test_no_patient_is_in_two_folds_of_a_simulated_cohort(simulated):
    worlds = simulated["worlds"]
    generator = np.random.default_rng(1)
    cohort = worlds.draw(generator, 50, 4, worlds.distance(6))
    fold = worlds.deal(generator, cohort.of_patient)[cohort.patient]
    assert all(len(np.unique(fold[cohort.patient == one])) == 1 for one in range(50))
    assert all(len(np.unique(cohort.labels[fold == one])) == 2 for one in range(5))


def test_coverage_counts_intervals_that_hold_the_truth(simulated):
    pipeline = simulated["pipeline"]
    inside = {"truth": {"auroc": 0.8, "difference": 0.0}, "limits": {"auroc default": (0.7, 0.9)}}
    outside = {"truth": {"auroc": 0.6, "difference": 0.0}, "limits": {"auroc default": (0.65, 0.9)}}
    listed = [(200, 30, 1, 0, 2)]
    found = [[{"1": inside}, {"1": outside}]]
    said = pipeline.coverage(listed, found)
    # The procedure reaches 0.7 on average: both intervals hold it.
    assert said[200, 30, 1, 1, "auroc default"] == (0.5, 1.0, pytest.approx(0.225))
    assert pipeline.figures(listed, found)["coverage_pipeline_min"] == 0.5


def test_a_null_cohort_gives_every_test_a_p_value(simulated):
    errors = simulated["errors"]
    for made in errors.KINDS.values():
        assert all(0 <= p <= 1 for p in made(3).values())
    listed, found = [("given", 0, 2)], [{name: [True, False] for name in (*errors.POWERED, "other")}]
    assert errors.figures(listed, found) == {"type_1_error_max": 0.5, "type_1_error_min_powered": 0.5}


@pytest.mark.parametrize(("name", "task"), [("fixed", ("60", 0.8, 1, 0, 2)), ("errors", ("given", 0, 2))])
def test_what_is_kept_of_a_stopped_run_says_the_same_as_what_is_found(simulated, tmp_path, name, task):
    from shared.families import do

    module = simulated[name]
    file = tmp_path / "kept.json"
    work = (module.__name__, task, str(file))
    kept, again, found = do(work), do(work), module.one(task)
    assert module.rows([task], [kept]) == module.rows([task], [found]) == module.rows([task], [again])
    file.write_text("[7]")
    assert do(work) == [7]


def test_another_line_of_code_asks_for_another_file(simulated, tmp_path, monkeypatch):
    from shared import families

    first = families._kept(str(tmp_path), "fixed", ("60", 0.8, 1, 0, 2))
    assert first == families._kept(str(tmp_path), "fixed", ("60", 0.8, 1, 0, 2))
    assert first != families._kept(str(tmp_path), "fixed", ("60", 0.8, 1, 2, 2))
    monkeypatch.setattr(families, "_code", lambda: "another")
    assert first != families._kept(str(tmp_path), "fixed", ("60", 0.8, 1, 0, 2))
    assert families._kept("", "fixed", ()) == ""
