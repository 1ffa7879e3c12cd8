from itertools import combinations

import numpy as np
import pytest
from scipy import special

from clinfuse.cohort.cohort import Cohort
from clinfuse.errors import ConfigError, DataError
from clinfuse.evaluation.compare import compare
from clinfuse.evaluation.crossval import cross_validate
from clinfuse.evaluation.metrics import auroc, brier, log_loss
from clinfuse.evaluation.robustness.absence import record_uniforms
from clinfuse.evaluation.robustness.curves import chances, expected, sets_left, under_mask
from clinfuse.evaluation.robustness.decisions import Decisions, decisions, places
from clinfuse.evaluation.robustness.rates import RATES, drop_rates
from clinfuse.evaluation.scores import metric_interval
from clinfuse.training.late import LateFusion

D = np.array([1.0, 0.8, 1.5])
NAMES = ("m0", "m1", "m2")


@pytest.fixture(scope="module")
def crossed(cohort_of):
    cohort = cohort_of(150, strengths=(2.0, 1.0, 0.5), missing=0.2)
    models = {"late": LateFusion(combine="logit mean"), "vote": LateFusion(combine="mean")}
    return cohort, compare(cohort, models, folds=3, best_single="m0").models


@pytest.fixture(scope="module")
def swept(crossed):
    return drop_rates({name: crossed[1][name] for name in ("m0", "late", "vote")}, masks=40)


def posterior(predictions_of, records, prevalence=0.3):
    """Decisions of the reader who knows the binormal cohort: the prior's log odds plus d * z for all that is left."""
    draw = np.random.default_rng(5)
    labels = (draw.random(records) < prevalence).astype(int)
    z = (2 * labels[:, None] - 1) * D / 2 + draw.normal(size=(records, 3))
    rows = predictions_of(labels, np.zeros(records), present=np.ones((records, 3), bool), modalities=NAMES)
    left = np.arange(8)[:, None] >> np.arange(3) & 1
    odds = special.logit(prevalence) + left @ (z * D).T
    p = special.expit(odds)
    return Decisions(rows, NAMES, np.stack([np.zeros_like(odds), odds], axis=2), np.stack([1 - p, p], axis=2))


def test_dropout_at_one_half_gives_every_non_empty_set_of_three_one_seventh():
    found = chances(3, 0.5)  # G30
    assert np.allclose(found[1:] / (1 - found[0]), 1 / 7)
    assert found[0] == 0.5**3


@pytest.mark.parametrize("modalities", [3, 4, 5])
def test_every_set_is_counted_once(predictions_of, modalities):
    names = tuple(f"m{k}" for k in range(modalities))
    rows = predictions_of([0, 1], [0.0, 1.0], present=np.ones((2, modalities), bool), modalities=names)
    filled = np.full((1 << modalities, 2, 2), 0.5)
    found = sets_left(Decisions(rows, names, filled, filled), names)
    assert found.tolist() == list(range(1 << modalities))  # G49: 7, 15, 31 beside the empty one
    assert chances(modalities, 0.3).sum() == pytest.approx(1, abs=1e-12)


def test_the_sweep_of_the_true_posterior_is_what_integration_says(predictions_of):
    # sum_S q**(3 - |S|) (1 - q)**|S| Brier_S with Brier_S from one-dimensional integrals: 0.1279 at q = 0.3
    # (methods reference, 3.4: 0.1277 on a sample); all left 0.1012 (G29).
    found = expected(posterior(predictions_of, 40_000), NAMES, "brier", (0.0, 0.3))
    assert found.values == pytest.approx((0.1012, 0.1279), abs=0.0015)
    assert found.abstained == pytest.approx((0.0, 0.3**3), abs=1e-12)


@pytest.mark.parametrize(("metric", "score"), [("brier", brier), ("log_loss", log_loss)])
def test_additive_scores_have_the_exact_form(predictions_of, metric, score):
    found = posterior(predictions_of, 300)
    by_set = {}
    for size in range(4):
        for kept in combinations(NAMES, size):
            mask = np.tile(np.isin(NAMES, kept), (300, 1))
            one = found.under(mask)
            by_set[kept] = score(one.y_true, one.probabilities)
    for rate in RATES:
        exact = sum(rate ** (3 - len(kept)) * (1 - rate) ** len(kept) * value for kept, value in by_set.items())
        assert expected(found, NAMES, metric, (rate,)).values[0] == pytest.approx(exact, abs=1e-12)


def test_masks_agree_with_the_exact_form_within_three_standard_errors(swept):
    distances = {}
    for curve in swept.curves:
        for point in curve.points[1:]:
            error = point.deviation / np.sqrt(swept.masks)
            if error > 0:
                key = curve.model, curve.together, curve.metric, curve.dropped, point.rate
                distances[key] = abs(point.mean - point.expected.value) / error
    declared = [value for key, value in distances.items() if key[:3] == ("late", True, "brier")]
    assert len(declared) == 9
    assert max(declared) <= 3
    # Of several hundred comparisons a few lie beyond three standard errors by chance, none far beyond.
    assert len(distances) > 100
    assert np.mean(np.array(list(distances.values())) > 3) < 0.02
    assert max(distances.values()) < 4.5


def test_what_is_looked_up_is_what_the_model_says_of_a_cohort_that_lacks_it(crossed):
    models = crossed[1]
    found = decisions(models["late"])
    scored = models["late"].cohort
    mask = np.random.default_rng(1).random(scored.shape) < 0.5
    of = places(found.rows, scored)
    kept = mask[of]
    looked = found.under(kept)
    for row in range(0, 150, 7):
        classifier = models["late"].classifier_for(looked.record[row])
        asked = classifier.predict_proba(scored.withhold(mask)[of[[row]]])
        assert looked.probabilities[row] == pytest.approx(asked[0], abs=1e-12)
    nothing = looked.abstain
    assert nothing.any()
    assert looked.probabilities[nothing][:, 1] == pytest.approx(0.4, abs=0.02)  # the training prevalence
    assert under_mask(found, kept, "auroc") == pytest.approx(auroc(looked.y_true, looked.scores, folds=looked.fold))


def test_rate_zero_is_the_number_of_every_other_page(crossed, swept):
    _, models = crossed
    for curve in swept.curves:
        if curve.metric == "auroc":
            first = curve.points[0]
            assert first.expected == metric_interval(models[curve.model].predictions, "auroc", seed=0)
            assert (first.mean, first.deviation, first.beyond) == (first.expected.value, 0.0, False)


def test_rates_beyond_those_trained_with_are_marked(swept):
    late = next(curve for curve in swept.of() if curve.model == "late")
    assert late.hide == 0.3
    assert [point.beyond for point in late.points] == [False] * 4 + [True] * 6
    single = next(curve for curve in swept.of() if curve.model == "m0")
    assert not any(point.beyond for point in single.points)


def test_nobody_leaves_and_who_has_nothing_is_counted(cohort_of):
    cohort = cohort_of(60, strengths=(1.0, 1.0), missing=0.0)
    found = drop_rates({"late": cross_validate(LateFusion(combine="mean"), cohort, folds=2)}, masks=2)
    assert found.records == 60
    assert [point.abstained for point in found.of()[0].points] == pytest.approx([rate**2 for rate in RATES])
    assert [point.abstained for point in found.of(together=False)[0].points] == [0.0] * 10


def test_losing_more_of_the_strongest_costs_more(swept):
    strongest = next(one for one in swept.of(together=False) if (one.model, one.dropped) == ("late", ("m0",)))
    weakest = next(one for one in swept.of(together=False) if (one.model, one.dropped) == ("late", ("m2",)))
    values = [point.expected.value for point in strongest.points]
    assert values == sorted(values, reverse=True)
    assert strongest.area.value < weakest.area.value
    assert np.mean([values[0], *values[1:]]) == pytest.approx(strongest.area.value, abs=0.01)


def test_a_curve_stands_beside_that_of_late_fusion(swept):
    assert swept.baseline == "late"
    late, vote = (next(one for one in swept.of() if one.model == name) for name in ("late", "vote"))
    assert all(point.advantage.value == 0 for point in late.points)
    for mine, theirs in zip(vote.points, late.points, strict=True):
        assert mine.advantage.value == pytest.approx(mine.expected.value - theirs.expected.value, abs=1e-12)
        assert mine.advantage.low <= mine.advantage.value <= mine.advantage.high


def test_a_mask_depends_on_the_record_and_not_on_its_place(crossed):
    cohort, models = crossed
    ids = list(cohort.record_ids)
    one = record_uniforms(ids, cohort.names, 3, seed=1, purpose="drop")
    back = record_uniforms(ids[::-1], cohort.names[::-1], 3, seed=1, purpose="drop")
    assert np.array_equal(one, back[:, ::-1, ::-1])
    assert not np.array_equal(one, record_uniforms(ids, cohort.names, 3, seed=2, purpose="drop"))
    assert one.mean() == pytest.approx(0.5, abs=0.05)
    few = {"late": models["late"]}
    again = drop_rates(few, rates=(0.0, 0.4), masks=3)
    assert again.as_dict() == drop_rates(few, rates=(0.0, 0.4), masks=3).as_dict()
    assert again.of()[0].points[1].mean != drop_rates(few, rates=(0.0, 0.4), masks=3, seed=9).of()[0].points[1].mean


def test_the_table_has_a_line_for_every_rate(swept):
    table = swept.table()
    assert len(table) == sum(len(curve.points) for curve in swept.curves)
    assert set(table["model"]) == {"m0", "late", "vote"}
    assert "minus late" in table.columns


@pytest.mark.parametrize(
    "wrong", [{"rates": (0.5, 0.2)}, {"rates": (0.0, 1.0)}, {"masks": 1}, {"metrics": ("auprc",)}, {"baseline": "x"}]
)
def test_what_cannot_be_meant_is_refused(crossed, wrong):
    with pytest.raises(ConfigError, match="DROP_RATES"):
        drop_rates({"late": crossed[1]["late"]}, **wrong)


def test_a_mask_of_another_shape_is_refused(crossed):
    with pytest.raises(DataError, match="MASK_SHAPE"):
        decisions(crossed[1]["late"]).under(np.ones((3, 3), dtype=bool))


@pytest.mark.parametrize("task", ["multiclass", "multilabel"])
def test_several_classes_and_labels_are_followed_too(task):
    draw = np.random.default_rng(2)
    known = np.arange(90) % 3
    labels = known if task == "multiclass" else np.stack([known == 0, known == 1], axis=1).astype(int)
    arrays = {name: (known + draw.normal(size=90))[:, None] for name in ("m0", "m1")}
    cohort = Cohort.from_arrays(
        arrays,
        labels=labels,
        kinds=dict.fromkeys(arrays, "ehr"),
        task=task,
        classes=("a", "b", "c") if task == "multiclass" else ("a", "b"),
    )
    cv = cross_validate(LateFusion(combine="mean"), cohort, folds=2)
    found = drop_rates({"late": cv}, rates=(0.0, 0.5), masks=40)
    for curve in found.curves:
        point = curve.points[1]
        assert abs(point.mean - point.expected.value) < 4 * point.deviation / np.sqrt(40)
    nothing = decisions(cv).under(np.zeros((90, 2), dtype=bool))
    assert nothing.abstain.all()
    assert nothing.probabilities.mean(0) == pytest.approx(1 / 3, abs=0.02)
