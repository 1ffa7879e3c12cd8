"""Pools with slopes for every pattern: what one slope per modality gets wrong where modalities err together."""

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression

from clinfuse.errors import DataWarning
from clinfuse.fusion.pattern_pools import PerPatternPool, StackedByPatternPool, every_pattern
from clinfuse.fusion.pooling import build_pool
from clinfuse.fusion.stacking import StackedPool

D, PRIOR = np.array([1.0, 0.8, 1.5]), 0.3
LOGITS = np.log([1 - PRIOR, PRIOR])


def draw(n, correlation, seed, missing=0.2):
    """Logits of calibrated models of single modalities whose errors are correlated within each class."""
    rng = np.random.default_rng(seed)
    y = (rng.random(n) < PRIOR).astype(int)
    covariance = np.full((3, 3), correlation) + (1 - correlation) * np.eye(3)
    x = rng.multivariate_normal(np.zeros(3), covariance, n) + np.where(y[:, None] == 1, D / 2, -D / 2)
    logit = LOGITS[1] - LOGITS[0] + D * x
    present = rng.random((n, 3)) >= missing
    present[~present.any(1), 2] = True
    return np.stack([-np.logaddexp(0, logit), -np.logaddexp(0, -logit)], -1), present, y


def calibration_slope(pool, logits, y, pattern):
    mask = torch.tensor([pattern]).expand(len(y), -1)
    z = pool.combine(torch.from_numpy(logits), mask).numpy()
    return LogisticRegression(C=1e6).fit((z[:, 1] - z[:, 0])[:, None], y).coef_[0, 0]


@pytest.mark.parametrize("name", ["per pattern", "stacked by pattern"])
def test_slopes_by_pattern_are_calibrated_where_one_slope_per_modality_cannot_be(name):
    logits, present, y = draw(3000, 0.6, seed=1)
    fresh, _, truth = draw(20000, 0.6, seed=2)
    complete, alone = (True, True, True), (True, False, False)
    rows, masks = every_pattern(present)
    one = StackedPool(LOGITS, multilabel=False).fit(logits[rows], masks, y[rows], 1 / np.bincount(rows)[rows])
    assert calibration_slope(one, fresh, truth, complete) < 0.9
    assert calibration_slope(one, fresh, truth, alone) > 1.3
    pool = build_pool(name, LOGITS, multilabel=False).fit(logits, present, y, np.ones(len(y)))
    for pattern in (complete, (True, True, False), (False, False, True), alone):
        assert calibration_slope(pool, fresh, truth, pattern) == pytest.approx(1, abs=0.12)


def test_a_pattern_of_its_own_is_a_logistic_regression_on_those_who_have_it():
    logits, present, y = draw(3000, 0.6, seed=1)
    pool = PerPatternPool(LOGITS, multilabel=False).fit(logits, present, y, np.ones(3000))
    having = present[:, 0] & present[:, 2]
    evidence = (logits - LOGITS)[having][:, [0, 2]]
    model = LogisticRegression(C=1e6).fit(evidence[:, :, 1] - evidence[:, :, 0], y[having])
    number = 1 + 4
    assert pool.slopes_[number, [0, 2]] == pytest.approx(model.coef_[0], abs=0.02)
    assert pool.slopes_[number, 1] == 0
    offset = pool.offsets_[number, 1] - pool.offsets_[number, 0] + LOGITS[1] - LOGITS[0]
    assert offset == pytest.approx(model.intercept_[0], abs=0.02)


def test_patterns_with_too_few_events_share_one_stacking_and_say_so():
    # Of 110 records 33 have the finding: enough for two parameters and three, not for four.
    logits, _, _ = draw(110, 0.0, seed=3)
    y = np.repeat([1, 0], [33, 77])
    present = np.ones((110, 3), bool)
    with pytest.warns(DataWarning, match=r"PATTERN_RARE.*1 of 7 patterns"):
        pool = PerPatternPool(LOGITS, multilabel=False).fit(logits, present, y, np.ones(110))
    rows, masks = every_pattern(present)
    shared = StackedPool(LOGITS, multilabel=False).fit(logits[rows], masks, y[rows], np.full(len(rows), 1 / 7))
    np.testing.assert_allclose(pool.slopes_[7], shared.slopes_)
    np.testing.assert_allclose(pool.offsets_[7], shared.offsets_)
    assert not np.allclose(pool.slopes_[1, 0], shared.slopes_[0])


def test_a_pattern_that_nobody_had_is_answered_all_the_same():
    logits, present, y = draw(600, 0.0, seed=4)
    present = np.where(present[:, [0]], [True, False, False], [False, True, True])
    pool = StackedByPatternPool(LOGITS, multilabel=False).fit(logits, present, y, np.ones(600))
    assert (pool.slopes_[7] > 0).all()
    assert np.isfinite(pool.combine(torch.from_numpy(logits), torch.ones(600, 3, dtype=torch.bool)).numpy()).all()


def test_with_few_records_slopes_differ_less_between_patterns():
    def spread(n):
        logits, present, y = draw(n, 0.6, seed=5)
        pool = StackedByPatternPool(LOGITS, multilabel=False).fit(logits, present, y, np.ones(n))
        with_first = pool.slopes_[1::2, 0]
        return with_first.max() - with_first.min()

    assert spread(40) < 0.5 * spread(3000)


def test_every_record_counts_once_for_each_pattern_it_has_at_least():
    rows, masks = every_pattern(np.array([[True, False, True], [False, False, False]]))
    assert rows.tolist() == [0, 0, 0]
    assert {tuple(mask) for mask in masks.tolist()} == {(1, 0, 0), (0, 0, 1), (1, 0, 1)}
