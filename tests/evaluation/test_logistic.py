"""Calibration lines of many draws: the optimum of each, wherever the search for it began."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from statsmodels.genmod.families import Binomial
from statsmodels.genmod.generalized_linear_model import GLM

from clinfuse.evaluation.statistics.logistic import calibration_lines


def drawn(seed, records=60, draws=6):
    draw = np.random.default_rng(seed)
    logits = draw.normal(-0.5, 1.5, size=records)
    labels = (draw.random(records) < 1 / (1 + np.exp(-1.3 * logits))).astype(int)
    labels[:2] = 0, 1
    return labels, logits, draw.integers(1, 4, size=(draws, records)).astype(float)


@settings(max_examples=20)
@given(st.integers(0, 10_000))
def test_every_draw_has_the_line_of_a_weighted_regression(seed):
    labels, logits, weights = drawn(seed)
    found = calibration_lines(labels, logits, weights, free_slope=True)
    for one, line in zip(weights, found, strict=True):
        design = np.c_[np.ones(len(logits)), logits]
        expected = GLM(labels, design, family=Binomial(), freq_weights=one).fit(tol=1e-12).params
        assert line == pytest.approx(expected, abs=1e-8)


def test_an_offset_keeps_the_slope_at_one_and_balances_what_is_expected():
    labels, logits, weights = drawn(3)
    found = calibration_lines(labels, logits, weights, free_slope=False)
    assert (found[:, 1] == 1).all()
    expected = 1 / (1 + np.exp(-(found[:, :1] + logits)))
    assert (weights * (labels - expected)).sum(1) == pytest.approx(np.zeros(len(weights)), abs=1e-8)


def test_a_draw_does_not_depend_on_the_draws_beside_it():
    labels, logits, weights = drawn(5, draws=9)
    together = calibration_lines(labels, logits, weights, free_slope=True)
    alone = [calibration_lines(labels, logits, one[None], free_slope=True)[0] for one in weights]
    assert together == pytest.approx(np.array(alone), abs=1e-9)


def test_draws_far_from_all_records_are_fitted_too():
    labels, logits, weights = drawn(7, records=80)
    weights[0, labels != (logits > 0)] *= 40
    found = calibration_lines(labels, logits, weights, free_slope=True)
    design = np.c_[np.ones(80), logits]
    expected = GLM(labels, design, family=Binomial(), freq_weights=weights[0]).fit(tol=1e-12).params
    assert found[0] == pytest.approx(expected, abs=1e-8)


def test_classes_that_are_parted_have_no_line_and_do_not_harm_the_others():
    labels, logits, weights = drawn(11)
    weights[0] = (labels == (logits > 0)).astype(float)
    found = calibration_lines(labels, logits, weights, free_slope=True)
    assert np.isnan(found[0]).all()
    assert np.isfinite(found[1:]).all()
