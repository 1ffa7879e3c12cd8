import json
import math

import numpy as np
import pytest

from clinfuse.cli.summary import model_lines
from clinfuse.cohort.cohort import Cohort
from clinfuse.errors import ConfigError, DataError
from clinfuse.evaluation.answer import Difference, Sides, decide, paired_difference
from clinfuse.evaluation.best_single import Comparator, best_single, named_single
from clinfuse.evaluation.compare import compare
from clinfuse.evaluation.crossval import cross_validate
from clinfuse.evaluation.metrics import auroc, brier
from clinfuse.evaluation.predictions import Predictions
from clinfuse.evaluation.scores import METRICS, Counts
from clinfuse.evaluation.statistics.intervals import Estimate
from clinfuse.report.reading import estimates
from clinfuse.training.early import EarlyFusion
from clinfuse.training.late import LateFusion
from clinfuse.training.unimodal import Unimodal


@pytest.fixture(scope="module")
def comparison(cohort):
    models = {"early": EarlyFusion(kind="I"), "late": LateFusion(combine="logit mean")}
    return compare(cohort, models, folds=3, best_single="m0", seed=1)


def test_single_modalities_stand_beside_the_fusions_on_the_same_folds(comparison):
    assert list(comparison.models) == ["m0", "m1", "early", "late"]
    assert comparison.primary == "late"
    places = [
        dict(zip(one.predictions.record.tolist(), one.predictions.fold.tolist(), strict=True))
        for one in comparison.models.values()
    ]
    assert all(place == places[0] for place in places)
    assert comparison["late"].name == "late"
    with pytest.raises(ConfigError, match="MODEL_UNKNOWN"):
        comparison["hybrid"]


def test_every_row_says_on_whom_it_was_made(comparison, cohort):
    rows = {row.model: row for row in comparison.rows if row.metric == "auroc"}
    for number, name in enumerate(("m0", "m1")):
        here = cohort.present[:, number]
        assert (rows[name].records, rows[name].events) == (here.sum(), (cohort.labels[here] == 1).sum())
        assert rows[name].taxonomy == "single"
    for name in ("early", "late"):
        assert (rows[name].records, rows[name].patients, rows[name].events) == (120, 120, 48)
        assert rows[name].positive == "positive"
        assert math.isnan(rows[name].ceiling)
    order = [row.model for row in comparison.rows if row.metric == "auroc"]
    assert order[2:] == ["early", "late"]
    assert rows[order[0]].value >= rows[order[1]].value


def test_a_row_is_the_metric_of_the_rows_predictions(comparison):
    one = comparison["late"].predictions
    rows = {row.metric: row for row in comparison.rows if row.model == "late"}
    expected = auroc(one.y_true, one.logits[:, 1] - one.logits[:, 0], folds=one.fold)
    assert rows["auroc"].value == pytest.approx(expected, abs=1e-12)
    assert rows["brier"].value == pytest.approx(brier(one.y_true, one.probabilities[:, 1]), abs=1e-12)
    assert rows["auroc"].low < rows["auroc"].value < rows["auroc"].high
    assert set(rows) == set(METRICS)
    assert rows["scaled_brier"].value == pytest.approx(1 - rows["brier"].value / (0.4 * 0.6), abs=1e-12)
    assert rows["observed_expected"].value == pytest.approx(48 / one.probabilities[:, 1].sum(), abs=1e-12)


def test_p_stands_beside_the_declared_fusion_and_the_others_wait_in_the_appendix(comparison):
    table, others = comparison.table(), comparison.appendix()
    assert table["p"].drop("late").tolist() == ["", "", ""]
    assert float(table.loc["late", "p"].lstrip("< ")) == pytest.approx(comparison.differences["late"].p, abs=1e-3)
    assert others.index.tolist() == ["early"]
    assert others.loc["early", "difference"] == table.loc["early", "against m0"] == str(comparison.differences["early"])
    assert table["prevalence"].tolist()[2:] == ["0.40", "0.40"]
    printed = table.to_string() + others.to_string()
    assert "*" not in printed


def test_a_modality_of_too_few_patients_stands_last_however_well_it_does():
    draw, labels = np.random.default_rng(0), np.tile([0, 1], 30)
    arrays = {
        "m0": labels[:, None] * 9.0 + draw.normal(size=(60, 1)),
        "m1": labels[:, None] + draw.normal(size=(60, 1)),
    }
    present = np.stack([np.arange(60) < 16, np.ones(60, dtype=bool)], axis=1)
    cohort = Cohort.from_arrays(arrays, labels=labels, present=present, kinds=dict.fromkeys(arrays, "ehr"))
    found = compare(cohort, {"late": LateFusion(combine="mean")}, folds=2, best_single="m1")
    areas = {row.model: row.value for row in found.rows if row.metric == "auroc"}
    assert areas["m0"] > areas["m1"]
    assert list(areas) == ["m1", "m0", "late"]


def test_rows_are_valid_json_in_which_the_unknown_is_null(comparison):
    plain = json.loads(json.dumps([row.as_dict() for row in comparison.rows], allow_nan=False))
    wanted = ["model", "taxonomy", "modalities", "metric", "value", "low", "high", "ceiling", "records", "events"]
    assert list(plain[0])[:10] == wanted
    assert plain[0]["ceiling"] is None


def test_the_table_and_the_answer_can_be_read(comparison):
    table = comparison.table()
    assert table.index.tolist()[2:] == ["early", "late"]
    assert table.loc["m0", "against m0"] == ""
    assert table.loc["late", "fusion"] == "late, logit mean"
    assert "best possible" not in table.columns
    text = repr(comparison)
    assert comparison.question == "declared before training: does late fusion beat m0?"
    assert comparison.question in text
    assert comparison.answer.text in text
    assert text.isascii()
    assert "events: positive" in table.to_string() or table.columns.name == "events: positive"
    assert comparison._repr_html_().startswith("<p>declared before training")


def test_the_answer_says_on_which_records_it_was_made(comparison, cohort):
    answer = comparison.answer
    lacking = int((~cohort.present[:, 0]).sum())
    assert answer.difference.counts.records == 120
    assert answer.where_both.counts.records == 120 - lacking
    assert f"for the {lacking} without it, m0 answers with its training prevalence" in answer.records_text
    assert "same 120 records" in answer.text
    assert answer.records_text.endswith(
        "Intervals are for the models of these folds on new patients, with what shared training adds."
    )


def test_where_the_single_modality_is_absent_it_answers_with_the_prevalence_of_its_fold(comparison):
    one = comparison["m0"].predictions
    absent = ~one.present[:, 0]
    for fold in range(3):
        rows = absent & (one.fold == fold)
        training = np.mean(one.y_true[(one.fold != fold)] == 1)
        assert one.probabilities[rows, 1] == pytest.approx(training, abs=0.01)


def test_a_difference_is_that_of_two_metrics_and_of_itself_zero(comparison):
    late, m0 = comparison["late"].predictions, comparison["m0"].predictions
    found = paired_difference(late, m0)
    assert found.value == pytest.approx(found.values[0] - found.values[1], abs=1e-12)
    back = paired_difference(m0, late)
    assert (back.value, back.low, back.high) == pytest.approx((-found.value, -found.high, -found.low), abs=1e-12)
    none = paired_difference(late, late)
    assert (none.value, none.low, none.high, none.p) == (0.0, 0.0, 0.0, 1.0)


def test_models_of_other_records_are_not_compared(comparison):
    late, m0 = comparison["late"].predictions, comparison["m0"].predictions
    with pytest.raises(DataError, match="PAIR_RECORDS"):
        paired_difference(late, m0.rows(np.arange(119)))


def test_pairing_makes_the_interval_of_a_small_change_narrow(predictions_of):
    draw = np.random.default_rng(0)
    labels = np.arange(300) % 2
    scores = draw.normal(size=300) + labels
    one = predictions_of(labels, scores + 0.1 * draw.normal(size=300), model="a")
    other = predictions_of(labels, scores, model="b")
    found = paired_difference(one, other)
    assert found.high - found.low < 0.02


def difference(low, value, high, records=240):
    about = Counts(records, records, records // 3, "finding")
    return Difference("late", "labs", "auroc", (0.85, 0.85 - value), Estimate(value, low, high), 0.008, about)


def test_the_three_answers():
    yes = decide(difference(0.02, 0.07, 0.12), difference(0.02, 0.07, 0.12), sides=Sides("labs"))
    assert yes.verdict == "yes"
    assert yes.text == "Yes. AUROC 0.85 against 0.78 (labs), same 240 records: +0.07 (0.02 to 0.12), p = 0.008."
    no = decide(difference(-0.03, 0.01, 0.05), difference(-0.03, 0.01, 0.05), sides=Sides("labs"))
    assert no.verdict == "no"
    assert no.text == (
        "No. The data do not show that fusion beats labs: +0.01 (-0.03 to 0.05), same 240 records. "
        "A gain above 0.05 is unlikely."
    )
    unsure = decide(difference(-0.03, 0.03, 0.09), difference(-0.03, 0.03, 0.09), sides=Sides("labs"))
    assert unsure.verdict == "cannot tell"
    assert unsure.text.startswith("Cannot tell whether fusion beats labs: AUROC 0.85 against 0.82 (labs)")
    # An interval 0.12 wide on 240 patients is 0.05 wide on 240 * 2.4 ** 2 = 1382.4.
    assert unsure.patients_needed == 1400
    assert unsure.text.endswith("a study of about 1400 patients could.")


def test_the_answer_about_a_best_fusion_says_what_was_chosen_and_by_whom():
    chosen = "early in 4 of 5 folds, late in 1"
    both = Sides("ct in 3 of 5 folds, labs in 2", chosen, inside=True)
    yes = decide(difference(0.02, 0.07, 0.12), difference(0.02, 0.07, 0.12), sides=both)
    assert yes.text == (
        "Yes. AUROC 0.85 (best fusion: early in 4 of 5 folds, late in 1) against 0.78 (best single: ct in 3 of 5 "
        "folds, labs in 2), same 240 records: +0.07 (0.02 to 0.12), p = 0.008. "
        "Both were chosen in inner folds of the training patients."
    )
    no = decide(difference(-0.03, 0.01, 0.05), difference(-0.03, 0.01, 0.05), sides=both)
    assert no.text.startswith(
        "No. The data do not show that the best fusion (early in 4 of 5 folds, late in 1) beats the best single "
        "modality (ct in 3 of 5 folds, labs in 2): +0.01"
    )
    unsure = decide(difference(-0.03, 0.03, 0.09), difference(-0.03, 0.03, 0.09), sides=Sides("labs", chosen))
    assert unsure.text.startswith("Cannot tell whether the best fusion beats labs: AUROC 0.85 (best fusion: early in 4")
    assert unsure.text.endswith("could. The fusion was chosen in inner folds of the training patients.")


def test_a_fusion_that_is_surely_worse_is_a_no():
    worse = difference(-0.09, -0.05, -0.01)
    assert decide(worse, worse, sides=Sides("labs")).verdict == "no"


def test_a_comparator_is_called_by_its_modality_or_by_how_often_each_was_chosen(comparison):
    one = comparison["m0"].predictions
    chosen = {(0, 0): "m0", (0, 1): "m1", (0, 2): "m0"}
    assert Comparator(one, chosen, np.ones(120, bool)).label == "m0 in 2 of 3 folds, m1 in 1"
    own = {"a": comparison["m0"], "b": comparison["m1"]}
    assert named_single(own, "m1").label == "b"
    assert named_single(own, "a").label == "a"
    with pytest.raises(ConfigError, match="BEST_SINGLE"):
        named_single(own, "eeg")
    with pytest.raises(ConfigError, match="BEST_SINGLE"):
        best_single({})


def test_two_good_modalities_beat_one_and_noise_does_not(cohort_of):
    better = compare(cohort_of(300, strengths=(1.5, 1.5), missing=0.1), {"late": LateFusion()}, folds=3)
    assert better.answer.verdict == "yes"
    assert better.differences["late"].low > 0
    assert better.question == "declared before training: does late fusion beat the best single modality?"
    nothing = compare(cohort_of(300, strengths=(1.5, 0.0), missing=0.1), {"late": LateFusion()}, folds=3)
    assert nothing.answer.verdict in ("no", "cannot tell")
    assert nothing.comparator.label == "m0"


def test_results_hold_every_prediction(cohort, tmp_path):
    found = compare(cohort, {"late": LateFusion(combine="mean")}, folds=2, results=tmp_path, best_single="m0")
    kept = Predictions.from_parquet(tmp_path / "predictions.parquet")
    assert kept.models == ("m0", "m1", "late")
    assert set(kept.withheld[kept.model == "late"]) == {"", "m0", "m1"}
    assert kept.select(withheld="").logits.tobytes() == found.predictions.logits.tobytes()


def test_a_single_modality_of_ones_own_stands_for_it(cohort):
    own = Unimodal("m0", learner="logistic", seed=3)
    found = compare(cohort, {"late": LateFusion(combine="mean"), "m0": own}, folds=2, best_single="m0")
    assert list(found.models) == ["m1", "late", "m0"]
    own_words = compare(cohort, {"stacked": LateFusion(combine="mean")}, folds=2, best_single="m1")
    assert own_words.question == "declared before training: does stacked beat m1?"


@pytest.mark.parametrize(
    ("code", "arguments"),
    [
        ("PRIMARY", {"primary": "joint"}),
        ("BEST_SINGLE", {"best_single": "ct"}),
        ("SCHEME_VALUE.*inner_folds", {"inner_folds": 1}),
    ],
)
def test_a_question_that_cannot_be_asked_is_refused_before_training(cohort, fusion, code, arguments):
    with pytest.raises(ConfigError, match=code):
        compare(cohort, {"late": fusion}, **arguments)


def test_a_model_without_a_name_is_refused_in_words(cohort, fusion):
    with pytest.raises(ConfigError, match=r"MODELS.*names and models, as in"):
        compare(cohort, fusion)


def test_no_models_and_models_called_like_modalities_are_refused(cohort, fusion):
    with pytest.raises(ConfigError, match="PRIMARY"):
        compare(cohort, {})
    with pytest.raises(ConfigError, match="MODEL_NAME"):
        compare(cohort, {"m0": fusion})
    with pytest.raises(ConfigError, match=r"MODEL_NAME.*no model may be called"):
        compare(cohort, {"best fusion": fusion})
    with pytest.raises(ConfigError, match="PRIMARY"):
        compare(cohort, {"again": Unimodal("m0")}, primary="best fusion")


def test_holdout_answers_against_a_named_modality(cohort):
    found = compare(cohort, {"late": LateFusion(combine="mean")}, validation="holdout", best_single="m0")
    assert found.answer.difference.counts.records == len(found["late"].predictions)


def test_a_fusion_that_costs_is_noticed(comparison, monkeypatch):
    worse = {"late": difference(-0.2, -0.1, 0.0)}
    monkeypatch.setattr(comparison, "differences", worse)
    assert comparison._noticed() == ("late is 0.10 below m0 alone: it pays for modalities that do not help.",)


def test_repeats_do_not_narrow_the_counts(cohort):
    found = cross_validate(LateFusion(combine="mean"), cohort, folds=2, repeats=2)
    assert len(found.predictions) == 240
    from clinfuse.evaluation.scores import counts

    assert counts(found.predictions).records == 120


def test_of_three_classes_none_is_called_the_event():
    draw, labels = np.random.default_rng(4), np.tile([0, 1, 2, 0], 18)
    arrays = {name: (labels + draw.normal(size=72))[:, None] for name in ("m0", "m1")}
    kinds = dict.fromkeys(arrays, "ehr")
    graded = Cohort.from_arrays(
        arrays, labels=labels, kinds=kinds, classes=("none", "mild", "severe"), task="multiclass"
    )
    found = compare(graded, {"late": LateFusion(combine="mean")}, folds=3, best_single="m0")
    told = "36 none, 18 mild, 18 severe"
    assert {(row.events, row.positive) for row in found.rows} == {(None, told)}
    assert found.answer.records_text.startswith(f"All 72 records of 72 patients, {told}; ")
    assert found.table()["events"].tolist() == ["-"] * 3
    assert found.table().columns.name == f"records: {told}"
    assert {row.events for row in estimates(found)} == {"-"}
    *_, line = model_lines([row.as_dict() for row in found.rows])
    assert line.split()[:5] == ["late", "late,", "mean", "72", "-"]


def test_a_misspelt_argument_is_refused() -> None:
    labels = np.tile([0, 1], 20)
    arrays = {name: labels[:, None] + np.random.default_rng(0).normal(size=(40, 1)) for name in ("labs", "signs")}
    cohort = Cohort.from_arrays(arrays, labels=labels, kinds={"labs": "ehr", "signs": "ehr"})
    with pytest.raises(ConfigError, match=r"ARGUMENT_UNKNOWN.*best_single"):
        compare(cohort, {"late": LateFusion(combine="mean")}, fold=3)


def test_a_source_that_nobody_has_is_refused_before_training() -> None:
    labels = np.tile([0, 1], 20)
    arrays = {"labs": labels[:, None] * 1.0, "signs": np.full((40, 1), np.nan)}
    cohort = Cohort.from_arrays(arrays, labels=labels, kinds={"labs": "ehr", "signs": "ehr"})
    with pytest.raises(DataError, match=r"SOURCE_EMPTY.*signs"):
        compare(cohort, {"late": LateFusion(combine="mean")}, folds=3)


def test_a_handful_of_events_allows_no_verdict() -> None:
    labels = np.repeat([0, 1], [30, 6])
    draw = np.random.default_rng(0)
    arrays = {"labs": draw.normal(size=(36, 1)), "signs": labels[:, None] * 4.0 + draw.normal(size=(36, 1))}
    cohort = Cohort.from_arrays(arrays, labels=labels, kinds={"labs": "ehr", "signs": "ehr"})
    answer = compare(cohort, {"late": LateFusion(combine="mean")}, folds=2, best_single="labs").answer
    assert answer.verdict == "cannot tell"
    assert answer.patients_needed >= 60
