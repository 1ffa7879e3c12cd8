"""Tests of differences hold for patients, not rows, and say what they cannot know."""

import itertools

import numpy as np
import pytest
from scipy import stats

from clinfuse.errors import DataError, DataWarning
from clinfuse.evaluation.metrics import accuracy, auroc
from clinfuse.evaluation.statistics.intervals import Estimate, auroc_score_interval
from clinfuse.evaluation.statistics.non_inferiority import non_inferiority
from clinfuse.evaluation.statistics.significance import (
    clustered_delong,
    delong,
    discordance,
    mcnemar,
    nadeau_bengio,
    permutation_test,
)


def visits(seed, patients=40, each=3, mixed=True):
    """Two scores of several visits each, alike within a patient; of both classes where mixed."""
    draw = np.random.default_rng(seed)
    people = np.repeat(np.arange(patients), each)
    labels = draw.integers(0, 2, len(people)) if mixed else np.repeat(np.arange(patients) % 2, each)
    labels[:2] = 0, 1
    own = draw.normal(size=(2, patients))[:, people] * np.sqrt(0.6)
    scores = own + np.sqrt(0.4) * draw.normal(size=(2, len(people))) + np.array([[1.0], [0.6]]) * labels
    return labels, scores, people


def by_the_formulas_of_the_paper(labels, scores, people):
    """Obuchowski 1997, equations for S10, S01 and S11, sum by sum."""

    def psi(positive, negative):
        return float(positive > negative) + 0.5 * float(positive == negative)

    names = np.unique(people)
    positive, negative = labels == 1, labels == 0
    sizes = positive.sum(), negative.sum()
    held = [sum(bool((side & (people == one)).any()) for one in names) for side in (positive, negative)]
    areas, above, below = [], [], []
    for row in scores:
        pairs = np.array([[psi(x, y) for y in row[negative]] for x in row[positive]])
        areas.append(pairs.mean())
        of_positive, of_negative = pairs.mean(1), pairs.mean(0)
        above.append([of_positive[people[positive] == one].sum() for one in names])
        below.append([of_negative[people[negative] == one].sum() for one in names])
    many = [np.array([(side & (people == one)).sum() for one in names]) for side in (positive, negative)]
    spread = np.zeros((len(scores), len(scores)))
    for r, s in itertools.product(range(len(scores)), repeat=2):
        up = [np.array(above[k]) - many[0] * areas[k] for k in (r, s)]
        down = [np.array(below[k]) - many[1] * areas[k] for k in (r, s)]
        s10 = held[0] / ((held[0] - 1) * sizes[0]) * np.sum(up[0] * up[1])
        s01 = held[1] / ((held[1] - 1) * sizes[1]) * np.sum(down[0] * down[1])
        s11, s11_turned = (len(names) / (len(names) - 1) * np.sum(one) for one in (up[0] * down[1], up[1] * down[0]))
        spread[r, s] = s10 / sizes[0] + s01 / sizes[1] + (s11 + s11_turned) / (sizes[0] * sizes[1])
    return np.array(areas), spread


@pytest.mark.parametrize("mixed", [True, False])
def test_delong_of_clusters_is_that_of_the_paper(mixed):
    labels, scores, people = visits(0, patients=15, mixed=mixed)
    scores = scores.round(1)
    areas, spread = by_the_formulas_of_the_paper(labels, scores, people)
    found = clustered_delong(labels, *scores, patients=people)
    assert found.values == pytest.approx(areas, abs=1e-12)
    assert found.covariance == pytest.approx(spread, abs=1e-12)


def test_with_one_record_a_patient_it_is_delong_and_copies_of_records_say_nothing_new():
    labels, scores, _ = visits(1, each=1, mixed=False)
    people = np.arange(40)
    once, plain = clustered_delong(labels, *scores, patients=people), delong(labels, *scores, patients=people)
    assert np.array_equal(once.covariance, plain.covariance)
    four = clustered_delong(np.repeat(labels, 4), *np.repeat(scores, 4, axis=1), patients=np.repeat(people, 4))
    assert four.covariance == pytest.approx(once.covariance, abs=1e-12)
    assert four.compare().p == pytest.approx(once.compare().p, abs=1e-9)
    rows = delong(np.repeat(labels, 4), *np.repeat(scores, 4, axis=1))
    assert np.sqrt(rows.covariance[0, 0]) == pytest.approx(np.sqrt(once.covariance[0, 0]) / 2, rel=0.02)


def test_the_variance_for_clusters_is_that_of_repeated_studies():
    drawn = [visits(seed) for seed in range(300)]
    found = [clustered_delong(labels, *scores, patients=people) for labels, scores, people in drawn]
    said = np.mean([one.covariance for one in found], axis=0)
    seen = np.cov(np.array([one.values for one in found]).T)
    assert np.sqrt(np.diag(said)) == pytest.approx(np.sqrt(np.diag(seen)), rel=0.1)
    difference = [one.values[0] - one.values[1] for one in found]
    error = np.mean([one.difference().high - one.difference().value for one in found]) / 1.96
    assert error == pytest.approx(np.std(difference), rel=0.1)
    missed = np.mean([one.compare().p < 0.05 for one in found])
    assert missed > 0.05  # the two scores do differ


def test_rows_of_one_patient_are_not_taken_for_patients():
    labels, scores, people = visits(0)
    with pytest.raises(DataError, match="TEST_CLUSTERED"):
        delong(labels, scores[0], patients=people)
    with pytest.raises(DataError, match="TEST_CLUSTERED"):
        discordance(labels, labels, 1 - labels, patients=people)


def test_an_area_that_cannot_vary_still_has_an_interval():
    labels = np.repeat([0, 1], [20, 15])
    assert delong(labels, labels).interval() == auroc_score_interval(1.0, [15], [20])
    assert delong(labels, np.zeros(35)).interval().low < 0.5


def test_a_score_given_twice_costs_a_degree_of_freedom():
    labels, scores, _ = visits(2, each=1)
    two, three = delong(labels, *scores), delong(labels, *scores, scores[0])
    assert three.compare_all().p == pytest.approx(two.compare().p, abs=1e-9)
    with pytest.warns(DataWarning, match="TEST_DEGENERATE"):
        assert delong(labels, scores[0], scores[0]).compare_all().p == 1.0


@pytest.mark.parametrize(
    "call",
    [
        lambda: delong([0, 0, 1, 1], [0.1, 0.4, 0.3, 0.8], [0.1, 0.4, 0.3, 0.8]).compare(),
        lambda: nadeau_bengio([0.02, 0.02], train=9, test=1),
        lambda: mcnemar([[10, 0], [0, 3]], method="mid-p"),
        lambda: permutation_test([0, 1, 0, 1], [1, 2, 3, 4], [2, 4, 6, 8], draws=99),
    ],
)
def test_what_cannot_vary_has_p_of_one_and_a_warning(call):
    with pytest.warns(DataWarning, match="TEST_DEGENERATE.*do not vary"):
        assert call().p == 1.0


def test_mid_p_of_equal_counts_is_exact_less_half_of_what_was_seen():
    # Binomial of 4 with 2 on either side: 1 - 6/16 / 2.
    assert mcnemar([[5, 2], [2, 5]], method="mid-p").p == pytest.approx(1 - 6 / 32)
    assert mcnemar([[5, 2], [2, 5]], method="exact").p == 1.0


def test_repeats_vary_within_themselves():
    """By hand: variances 0.0001 and 0.0004 of two repeats of three folds, 4 degrees of freedom, two tailed."""
    d = np.array([0.03, 0.04, 0.05, 0.0, 0.02, 0.04])
    found = nadeau_bengio(d, train=2, test=1, repeats=2)
    assert found.statistic == pytest.approx(0.03 / np.sqrt(0.00025 * (1 / 6 + 1 / 2)))
    assert found.p == pytest.approx(2 * stats.t.sf(found.statistic, 4))
    # How the means of repeats differ has no say.
    moved = nadeau_bengio(d + np.repeat([0.5, -0.5], 3), train=2, test=1, repeats=2)
    assert moved.statistic == pytest.approx(found.statistic)
    alike = d + np.repeat([-0.01, 0.01], 3)
    assert nadeau_bengio(alike, train=2, test=1).p < nadeau_bengio(alike, train=2, test=1, repeats=2).p


def test_discordant_records_are_counted_by_who_was_wrong():
    labels, first, second = [0, 0, 1, 1, 1], [0, 1, 1, 0, 1], [0, 0, 0, 0, 1]
    assert discordance(labels, first, second).tolist() == [[2, 1], [1, 1]]


def test_the_permutation_test_comes_near_every_exchange_there_is():
    labels, scores, people = visits(3, patients=8)
    first, second = scores[0], scores[1] + 0.3
    ranked = [np.argsort(np.argsort(one)) for one in (first, second)]
    seen, found = auroc(labels, ranked[0]) - auroc(labels, ranked[1]), []
    for signs in itertools.product([True, False], repeat=8):
        keep = np.array(signs)[people]
        one, other = np.where(keep, *ranked), np.where(keep, *ranked[::-1])
        found.append(abs(auroc(labels, one) - auroc(labels, other)) >= abs(seen) - 1e-12)
    test = permutation_test(labels, first, second, patients=people, draws=4000)
    assert test.statistic == pytest.approx(seen, abs=1e-12)
    assert test.p == pytest.approx(np.mean(found), abs=0.03)


def test_a_permutation_of_decisions_is_exact_mcnemar():
    labels = np.zeros(30, dtype=int)
    first, second = (np.arange(30) < 9).astype(int), (np.arange(30) >= 27).astype(int)
    test = permutation_test(labels, first, second, metric="accuracy", draws=20_000)
    assert test.statistic == pytest.approx(accuracy(labels, first) - accuracy(labels, second))
    assert test.p == pytest.approx(mcnemar(discordance(labels, first, second), method="exact").p, abs=0.01)


@pytest.mark.parametrize(("metric", "asked"), [("auroc", {}), ("brier", {}), ("recall", {"threshold": 0.5})])
def test_neither_order_nor_names_nor_who_comes_first_matter(metric, asked):
    labels, scores, people = visits(4)
    first, second = 1 / (1 + np.exp(-scores))
    folds = people % 3
    given = {"metric": metric, "draws": 500, **asked}
    before = permutation_test(labels, first, second, patients=people, folds=folds, **given)
    order, names = np.random.default_rng(0).permutation(120), np.random.default_rng(1).permutation(40)
    again = permutation_test(
        labels[order], first[order], second[order], patients=names[people][order], folds=folds[order], **given
    )
    assert (again.statistic, again.p) == pytest.approx((before.statistic, before.p), abs=1e-12)
    turned = permutation_test(labels, second, first, patients=people, folds=folds, **given)
    assert (-turned.statistic, turned.p) == pytest.approx((before.statistic, before.p), abs=1e-12)
    seeds = {
        permutation_test(labels, first, second, patients=people, folds=folds, **given, seed=one) for one in range(5)
    }
    assert len(seeds) > 1


def test_ranks_are_exchanged_so_that_the_scale_of_a_model_does_not_matter():
    labels, scores, people = visits(5)
    plain = permutation_test(labels, *scores, patients=people, draws=300)
    assert permutation_test(labels, 50 * scores[0] + 9, scores[1], patients=people, draws=300) == plain
    columns = np.stack([np.zeros(120), scores[0]], axis=1), np.stack([np.zeros(120), scores[1]], axis=1)
    assert permutation_test(labels, *columns, patients=people, draws=300) == plain


def test_without_a_difference_it_is_seldom_found_and_a_large_one_is():
    found = []
    for seed in range(60):
        labels, scores, people = visits(seed)
        other = visits(1000 + seed)[1][0] - visits(1000 + seed)[0] + labels
        found.append(permutation_test(labels, scores[0], other, patients=people, draws=199).p)
    # 3 of 60 expected; more than 8 have a chance of 4 in 1,000.
    assert np.sum(np.array(found) < 0.05) <= 8
    labels, scores, people = visits(0)
    assert permutation_test(labels, scores[0] + 3 * labels, -scores[1], patients=people, draws=999).p == 0.001


def test_non_inferiority_has_three_answers():
    shown = non_inferiority(Estimate(-0.01, -0.04, 0.02), margin=0.05, first="late", second="ct")
    assert shown.verdict == "non-inferior"
    assert str(shown) == "late is not worse than ct by 0.05 or more: -0.01, one-sided 97.5 % limit -0.04."
    assert non_inferiority(Estimate(-0.1, -0.14, -0.06), margin=0.05).verdict == "inferior"
    unknown = non_inferiority(Estimate(-0.01, -0.08, 0.06), margin=0.05)
    assert unknown.verdict == "cannot tell"
    assert unknown.text.startswith("The data cannot tell whether the first is worse than the second by 0.05")


def test_non_inferiority_of_delong_agrees_with_its_interval():
    labels, scores, people = visits(6, patients=80)
    found = clustered_delong(labels, *scores, patients=people)
    margins = np.linspace(0.001, 0.3, 60)
    tested = [found.non_inferior(1, 0, margin=float(one)) for one in margins]
    assert {one.verdict for one in tested} >= {"non-inferior", "cannot tell"}
    assert all((one.p < 0.025) == (one.verdict == "non-inferior") for one in tested)


@pytest.mark.parametrize(
    "call",
    [
        lambda: delong([0, 1], [0.1, 0.2]),
        lambda: delong([0, 0, 1, 1], [0.1, 0.2, 0.3, 0.4], patients=[1, 2]),
        lambda: clustered_delong([0, 0, 1, 1], [0.1, 0.2, 0.3, 0.4], patients=[1, 1, 2, 2]),
        lambda: clustered_delong([0, 0, 1, 1], [0.1, 0.2, 0.3, 0.4], patients=[1, 2]),
        lambda: nadeau_bengio([0.1], train=9, test=1),
        lambda: nadeau_bengio([0.1, 0.2, 0.3], train=4, test=1, repeats=2),
        lambda: nadeau_bengio([0.1, 0.2], train=4, test=1, repeats=2),
        lambda: nadeau_bengio([0.1, 0.2], train=4, test=1, repeats=0),
        lambda: mcnemar([[1, 2, 3]]),
        lambda: mcnemar([[1, 2], [3, 4]], method="other"),
        lambda: discordance([0, 1], [0], [1, 1]),
        lambda: permutation_test([0, 1], [0.1, 0.2], [0.1]),
        lambda: permutation_test([0, 0, 1, 1], [-2.0, -1, 1, 2], [-2.0, -1, 1, 2], metric="calibration_slope", draws=9),
        lambda: non_inferiority(Estimate(0.0, -0.1, 0.1), margin=0.0),
    ],
)
def test_what_has_no_answer_is_refused(call):
    with pytest.raises(DataError, match="TEST_INPUT"):
        call()
