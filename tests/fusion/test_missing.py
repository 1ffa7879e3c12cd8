"""Fills: laws that every one obeys, and the values each of them must give."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.impute import KNNImputer

from clinfuse.errors import ConfigError, DataError
from clinfuse.fusion.missing import (
    Fill,
    MeanFill,
    NeighbourFill,
    RegressionFill,
    build_fill,
    fill_from_state,
    fill_names,
)

WIDTHS = (3, 2, 4)
every = pytest.mark.parametrize("name", fill_names())


def correlated(n, widths=WIDTHS, seed=0, missing=0.3):
    """Blocks drawn from one normal distribution, with modalities missing at random."""
    rng = np.random.default_rng(seed)
    total = sum(widths)
    mixing = np.concatenate([np.random.default_rng(99).standard_normal((total, 3)), np.eye(total)], axis=1)
    x = rng.standard_normal((n, total + 3)) @ mixing.T + 5 * np.arange(total)
    present = rng.random((n, len(widths))) >= missing
    present[~present.any(1), 0] = True
    mean, covariance = 5.0 * np.arange(total), mixing @ mixing.T
    return np.split(x, np.cumsum(widths)[:-1], axis=1), present, mean, covariance


def spoiled(z, present, filler):
    return [np.where(present[:, [m]], part, filler) for m, part in enumerate(z)]


def test_every_fill_is_registered_and_so_under_these_laws():
    own = {kind.name for kind in Fill.__subclasses__() if kind.__module__.startswith("clinfuse.")}
    assert own == set(fill_names())


@every
@pytest.mark.parametrize("filler", [1e6, -1e30, np.nan, np.inf])
def test_the_content_of_an_absent_modality_never_matters(name, filler):
    z, present, *_ = correlated(60)
    fresh, there, *_ = correlated(40, seed=1)
    clean = build_fill(name).fit(z, present).fill(fresh, there)
    found = build_fill(name).fit(spoiled(z, present, filler), present).fill(spoiled(fresh, there, filler), there)
    for one, other in zip(clean, found, strict=True):
        np.testing.assert_array_equal(one, other)
        assert np.isfinite(one).all()


@every
def test_what_is_present_is_left_alone(name):
    z, present, *_ = correlated(60)
    filled = build_fill(name).fit(z, present).fill(z, present)
    for m, (before, after) in enumerate(zip(z, filled, strict=True)):
        np.testing.assert_array_equal(before[present[:, m]], after[present[:, m]])


@every
def test_every_subset_and_nothing_at_all_can_be_filled(name):
    z, present, *_ = correlated(60)
    fill = build_fill(name).fit(z, present)
    subsets = np.array([[bool((k >> m) & 1) for m in range(3)] for k in range(8)])
    filled = np.concatenate(fill.fill([part[:8] for part in z], subsets), axis=1)
    assert filled.shape == (8, sum(WIDTHS))
    assert np.isfinite(filled).all()


@every
def test_a_stored_fill_gives_the_same_bits(name):
    z, present, *_ = correlated(60)
    fresh, there, *_ = correlated(40, seed=1)
    fill = build_fill(name).fit(z, present)
    for one, other in zip(fill.fill(fresh, there), fill_from_state(fill.to_state()).fill(fresh, there), strict=True):
        np.testing.assert_array_equal(one, other)


@every
def test_one_record_alone_is_filled_as_among_others(name):
    z, present, *_ = correlated(60)
    fill = build_fill(name).fit(z, present)
    together = np.concatenate(fill.fill(z, present), axis=1)
    alone = [np.concatenate(fill.fill([p[k : k + 1] for p in z], present[k : k + 1]), axis=1) for k in range(60)]
    np.testing.assert_allclose(np.concatenate(alone), together, rtol=0, atol=1e-9)


@every
def test_filling_learns_nothing_and_the_order_of_training_records_does_not_matter(name):
    z, present, *_ = correlated(60)
    fresh, there, *_ = correlated(40, seed=1)
    fill = build_fill(name).fit(z, present)
    first = np.concatenate(fill.fill(fresh, there), axis=1)
    fill.fill([part * 100 for part in fresh], there)
    np.testing.assert_array_equal(np.concatenate(fill.fill(fresh, there), axis=1), first)
    order = np.random.default_rng(4).permutation(60)
    turned = build_fill(name).fit([part[order] for part in z], present[order])
    np.testing.assert_allclose(np.concatenate(turned.fill(fresh, there), axis=1), first, rtol=0, atol=1e-8)


@every
def test_a_modality_that_nobody_had_and_cells_that_are_missing_are_borne(name):
    z, present, *_ = correlated(60)
    present[:, 2] = False
    present[~present.any(1), 0] = True
    z[0][::7, 1] = np.nan
    filled = build_fill(name).fit(z, present).fill(z, present)
    kept = present[:, 0]
    np.testing.assert_array_equal(np.isnan(filled[0][kept]), np.isnan(z[0][kept]))
    assert np.isfinite(filled[0][~kept]).all()
    assert (filled[2] == 0).all()


@every
def test_columns_that_never_vary_and_fewer_records_than_columns_are_borne(name):
    z, present, *_ = correlated(6)
    z[1][:, 0] = 3.0
    filled = build_fill(name).fit(z, present).fill(z, present)
    assert all(np.isfinite(part).all() for part in filled)


def test_the_mean_is_zero_once_blocks_are_standardised():
    z, present, *_ = correlated(80)
    standard = []
    for m, part in enumerate(z):
        known = part[present[:, m]]
        standard.append((part - known.mean(0)) / known.std(0))
    means = build_fill("mean").fit(standard, present).fill(standard, present)
    zeros = build_fill("zero").fit(standard, present).fill(standard, present)
    for one, other in zip(means, zeros, strict=True):
        np.testing.assert_allclose(one, other, rtol=0, atol=1e-12)
    # Before standardising they are far apart.
    assert np.abs(MeanFill().fit(z, present).centre_).max() > 10


def test_regression_is_the_conditional_mean_of_the_sample_where_training_records_are_complete():
    z, _, *_ = correlated(300)
    everyone = np.ones((300, 3), bool)
    x = np.concatenate(z, axis=1)
    mean, covariance = x.mean(0), np.cov(x.T, bias=True)
    fill = RegressionFill(pull=1e-9).fit(z, everyone)
    fresh, *_ = correlated(50, seed=1)
    given = np.concatenate(fresh, axis=1)
    for absent in range(3):
        m = np.repeat(np.arange(3) == absent, WIDTHS)
        # By the formula: mu_m + S_mo S_oo^-1 (z_o - mu_o).
        weights = covariance[np.ix_(m, ~m)] @ np.linalg.inv(covariance[np.ix_(~m, ~m)])
        expected = mean[m] + (given[:, ~m] - mean[~m]) @ weights.T
        there = np.tile(np.arange(3) != absent, (50, 1))
        np.testing.assert_allclose(fill.fill(fresh, there)[absent], expected, rtol=1e-6, atol=1e-6)


def test_regression_finds_the_distribution_although_no_training_record_is_complete():
    z, present, mean, covariance = correlated(40000, seed=5)
    rng = np.random.default_rng(6)
    complete = np.flatnonzero(present.all(1))
    present[complete, rng.integers(0, 3, len(complete))] = False
    fill = RegressionFill().fit(z, present)
    fresh, *_ = correlated(200, seed=1)
    m = np.repeat([False, True, False], WIDTHS)
    weights = covariance[np.ix_(m, ~m)] @ np.linalg.inv(covariance[np.ix_(~m, ~m)])
    truth = mean[m] + (np.concatenate(fresh, axis=1)[:, ~m] - mean[~m]) @ weights.T
    found = fill.fill(fresh, np.tile([True, False, True], (200, 1)))[1]
    spread = np.sqrt(np.diag(covariance)[m])
    assert np.abs((found - truth) / spread).mean() < 0.03
    # The mean in its place would be off by far more.
    assert np.abs((mean[m] - truth) / spread).mean() > 0.4


def test_more_pull_means_values_nearer_to_the_mean():
    z, present, *_ = correlated(40)
    size = [
        np.abs(np.concatenate(RegressionFill(pull=p).fit(z, present).fill(z, present), axis=1)).sum()
        for p in (1.0, 1e9)
    ]
    strong = RegressionFill(pull=1e9).fit(z, present).fill(z, present)
    means = MeanFill().fit(z, present).fill(z, present)
    for one, other in zip(strong, means, strict=True):
        np.testing.assert_allclose(one, other, rtol=0, atol=1e-4)
    assert size[0] != pytest.approx(size[1])


def test_neighbours_are_those_of_scikit_learn_where_blocks_are_single_columns():
    rng = np.random.default_rng(0)
    x = rng.standard_normal((80, 4))
    x = (x - x.mean(0)) / x.std(0)
    present = np.ones((80, 4), bool)
    fresh = rng.standard_normal((30, 4))
    there = rng.random((30, 4)) > 0.4
    there[~there.any(1), 0] = True
    expected = KNNImputer(n_neighbors=5).fit(x).transform(np.where(there, fresh, np.nan))
    fill = NeighbourFill(k=5).fit(list(x.T[..., None]), present)
    found = np.concatenate(fill.fill(list(fresh.T[..., None]), there), axis=1)
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-9)


def test_records_as_near_as_the_last_neighbour_all_count():
    z = [np.array([[0.0], [1.0], [1.0], [9.0]]), np.array([[0.0], [4.0], [8.0], [100.0]])]
    fill = NeighbourFill(k=2).fit(z, np.ones((4, 2), bool))
    found = fill.fill([np.array([[0.5]]), np.zeros((1, 1))], np.array([[True, False]]))
    # 0 and the two 1s are equally near: (0 + 4 + 8) / 3.
    assert found[1][0, 0] == pytest.approx(4.0)


def test_only_shared_modalities_make_a_distance():
    z = [np.array([[0.0], [5.0], [9.0]]), np.array([[1.0], [2.0], [3.0]]), np.array([[7.0], [8.0], [9.0]])]
    present = np.array([[True, True, False], [False, True, True], [True, False, True]])
    fill = NeighbourFill(k=1).fit(z, present)
    # The record has the second only: the one training record that has the third and shares the second gives 8.
    found = fill.fill([np.zeros((1, 1)), np.array([[2.9]]), np.zeros((1, 1))], np.array([[False, True, False]]))
    assert found[2][0, 0] == pytest.approx(8.0)


@given(st.integers(1, 60), st.integers(0, 10_000))
def test_neighbours_stay_within_what_was_seen(k, seed):
    z, present, *_ = correlated(30, seed=seed)
    fresh, there, *_ = correlated(10, seed=seed + 1)
    for m, part in enumerate(NeighbourFill(k=k).fit(z, present).fill(fresh, there)):
        seen, values = z[m][present[:, m]], part[~there[:, m]]
        assert (values >= seen.min(0) - 1e-9).all()
        assert (values <= seen.max(0) + 1e-9).all()


def test_what_cannot_be_is_refused():
    z, present, *_ = correlated(20)
    with pytest.raises(ConfigError, match=r"FILL_NAME.*knn, mean, regression, zero"):
        build_fill("median")
    with pytest.raises(ConfigError, match=r"FILL_OPTION.*k"):
        NeighbourFill(k=0)
    with pytest.raises(ConfigError, match=r"FILL_OPTION.*pull"):
        RegressionFill(pull=0.0)
    fill = build_fill("mean").fit(z, present)
    with pytest.raises(DataError, match="FILL_SHAPE"):
        fill.fill(z[:2], present[:, :2])
    with pytest.raises(DataError, match="FILL_SHAPE"):
        fill.fill(z, present.astype(float))
    with pytest.raises(DataError, match="FILL_SHAPE"):
        fill.fill([part[:5] for part in z], present)
