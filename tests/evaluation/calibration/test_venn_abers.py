"""Venn-Abers ranges against brute force, and for their validity."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import special

from clinfuse.errors import DataError
from clinfuse.evaluation.calibration.venn_abers import venn_abers, venn_abers_ranges
from clinfuse.evaluation.crossval import cross_validate
from clinfuse.training.calibrated import Calibrated
from clinfuse.training.unimodal import Unimodal


def brute(labels, scores, asked):
    """Isotonic regression as the largest, over left ends, of the smallest, over right ends, of means between them."""
    found = []
    for truth in (0, 1):
        y, s = np.append(labels, truth), np.append(scores, asked)
        lefts = [left for left in np.unique(s) if left <= asked]
        rights = [right for right in np.unique(s) if right >= asked]
        found.append(max(min(y[(s >= a) & (s <= b)].mean() for b in rights) for a in lefts))
    return found


@given(st.lists(st.tuples(st.integers(0, 1), st.integers(-4, 4)), min_size=1, max_size=12), st.integers(-5, 5))
def test_ranges_are_those_of_brute_force(pairs, asked):
    labels, scores = np.array(pairs, dtype=float).T
    found = venn_abers(labels, scores, [asked])[0]
    assert found == pytest.approx(brute(labels, scores, asked))
    assert found[0] <= found[1] + 1e-12


def test_one_of_the_two_is_calibrated_however_wrong_the_scores_are():
    """Vovk and Petej: the probability that took the record's own class is calibrated. Scores are squashed."""
    draw = np.random.default_rng(0)
    rows = []
    for _ in range(1000):
        true = draw.normal(size=31)
        labels = (draw.random(31) < special.expit(true)).astype(int)
        both = venn_abers(labels[:30], true[:30] ** 3, true[30:] ** 3)[0]
        rows.append((both[labels[30]], labels[30], *both))
    said, truth, low, high = np.array(rows).T
    for part in (said < 0.4, (said >= 0.4) & (said < 0.6), said >= 0.6):
        assert truth[part].mean() == pytest.approx(said[part].mean(), abs=0.05)
    assert low.mean() < truth.mean() < high.mean()


def test_every_held_out_record_has_a_range_from_the_patients_its_model_was_trained_on(cohort_of):
    cohort = cohort_of(150)
    cv = cross_validate(Calibrated(Unimodal("m0")), cohort, folds=2)
    found = venn_abers_ranges(cv)
    assert found.shape == (150, 2)
    assert (found[:, 0] <= found[:, 1]).all()
    there = cv.predictions.present[:, 0]
    assert np.array_equal(found[~there, 0], cv.predictions.probabilities[~there, 1])
    row = np.flatnonzero(there)[0]
    unseen = cv.classifiers[0, int(cv.predictions.fold[row])].unseen_
    assert found[row] == pytest.approx(brute(unseen.labels, unseen.scores, cv.predictions.scores[row]))


def test_what_has_no_range_is_refused(cohort_of):
    for labels, scores in (([], []), ([2], [0.0]), ([1], [np.nan])):
        with pytest.raises(DataError, match="VENN_ABERS"):
            venn_abers(labels, scores, [0.0])
    with pytest.raises(DataError, match="VENN_ABERS"):
        venn_abers_ranges(cross_validate(Unimodal("m0"), cohort_of(40), folds=2))
