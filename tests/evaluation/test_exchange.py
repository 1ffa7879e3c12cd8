import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clinfuse.evaluation.crossval import cross_validate
from clinfuse.evaluation.diagnosis.exchange import (
    additive_logits,
    additive_projection,
    combinations,
    decided,
    held_out,
    shuffled,
    strangers,
)
from clinfuse.training.early import EarlyFusion
from clinfuse.training.late import LateFusion


def pairs(n):
    return np.array([[j, k] for j in range(n) for k in range(n)])


def test_the_projection_of_a_product_is_the_published_one():
    """Hessel and Lee 2020: the product of (1, 2, 3) and (4, 0, -1) projects onto (7, 0, -1)."""
    t, v = np.array([1.0, 2.0, 3.0]), np.array([4.0, 0.0, -1.0])

    def product(donors):
        return (t[donors[:, 0]] * v[donors[:, 1]])[:, None]

    found = additive_projection(product, np.arange(3), pairs(3), np.array([0, 1]))
    np.testing.assert_allclose(found[:, 0], [7, 0, -1], atol=1e-12)


@settings(max_examples=30, derandomize=True, deadline=None)
@given(seed=st.integers(0, 10**6), modalities=st.integers(2, 4), records=st.integers(2, 12))
def test_a_sum_of_single_terms_is_its_own_projection_whatever_the_background(seed, modalities, records):
    draw = np.random.default_rng(seed)
    terms = draw.normal(size=(modalities, records, 2))
    background = draw.integers(records, size=(7, modalities))

    def function(donors):
        return 0.3 + sum(terms[m][donors[:, m]] for m in range(modalities))

    own = np.tile(np.arange(records)[:, None], modalities)
    found = additive_projection(function, np.arange(records), background, np.arange(modalities))
    np.testing.assert_allclose(found, function(own), atol=1e-12)


def test_an_interaction_of_three_is_projected_as_the_formula_says():
    draw = np.random.default_rng(1)
    a, b, c = draw.normal(size=(3, 4))
    every = np.stack([one.ravel() for one in np.meshgrid(*[np.arange(4)] * 3, indexing="ij")], axis=1)

    def product(donors):
        return (a[donors[:, 0]] * b[donors[:, 1]] * c[donors[:, 2]])[:, None]

    found = additive_projection(product, np.arange(4), every, np.arange(3))[:, 0]
    x, y, z = a.mean(), b.mean(), c.mean()
    np.testing.assert_allclose(found, a * y * z + x * b * z + x * y * c - 2 * x * y * z, atol=1e-12)


def test_two_modalities_meet_in_every_pair_and_more_in_an_even_sample():
    draw = np.random.default_rng(0)
    assert len(combinations([np.arange(5), np.arange(7)], draw, sampled=50)) == 35
    found = combinations([np.arange(5), np.arange(7), np.arange(3)], draw, sampled=42)
    assert found.shape == (42, 3)
    for column, size in enumerate((5, 7, 3)):
        counts = np.bincount(found[:, column], minlength=size)
        assert counts.max() - counts.min() <= 1
    many = combinations([np.arange(400), np.arange(400)], draw, sampled=50)
    assert many.shape == (50, 2)


@pytest.mark.parametrize("groups", [list("abcdef"), list("aabbccd"), ["a"] * 3 + ["b"] * 3, ["a"], list("ab")])
def test_everybody_gets_another_patients_and_each_is_given_once(groups):
    groups = np.array(groups)
    for seed in range(20):
        found = strangers(groups, np.random.default_rng(seed))
        assert sorted(found) == list(range(len(groups)))
        if len(groups) > 1:
            assert (groups[found] != groups).all()


def test_one_patient_with_most_records_still_gives_a_permutation():
    found = strangers(np.array(list("aaab")), np.random.default_rng(0))
    assert sorted(found) == [0, 1, 2, 3]


@pytest.fixture(scope="module")
def crossed(cohort_of):
    cohort = cohort_of(90, strengths=(1.5, 1.0, 0.8), missing=0.25)
    return cross_validate(LateFusion(combine="logit mean"), cohort, folds=3)


def test_held_out_records_are_encoded_as_they_were_predicted(crossed):
    folds = list(held_out(crossed))
    assert sorted(np.concatenate([held.rows for held in folds])) == list(range(len(crossed.predictions)))
    again = decided(folds, crossed.predictions, lambda held: held.classifier.decide(held.encoded))
    np.testing.assert_array_equal(again.logits, crossed.predictions.logits)
    np.testing.assert_array_equal(again.probabilities, crossed.predictions.probabilities)


def test_an_additive_model_with_missing_modalities_is_its_own_projection(crossed):
    for held in held_out(crossed):
        np.testing.assert_allclose(additive_logits(held, seed=0), held.classifier.decide(held.encoded), atol=1e-12)


def test_only_records_that_have_a_modality_change_when_it_is_exchanged(crossed):
    for held in held_out(crossed):
        before, after = held.classifier.decide(held.encoded), shuffled(held, 1, seed=0, draw=0)
        changed = (before != after).any(1)
        assert not changed[~held.encoded.present[:, 1]].any()
        assert changed[held.encoded.present[:, 1]].mean() > 0.9
        np.testing.assert_array_equal(after, shuffled(held, 1, seed=0, draw=0))
        assert (after != shuffled(held, 1, seed=0, draw=1)).any()


def test_other_keys_of_the_same_patients_change_no_exchange(cohort_of):
    """Keys come from a secret that every copy of a cohort draws anew; ids do not."""
    shuffle = np.random.default_rng(5).permutation(60)
    first, second = (
        cross_validate(EarlyFusion(kind="I", learner="logistic"), cohort_of(60, order=order), folds=2)
        for order in (None, shuffle)
    )
    for one, other in zip(held_out(first), held_out(second), strict=True):
        np.testing.assert_array_equal(one.groups, other.groups)
        np.testing.assert_array_equal(shuffled(one, 0, seed=0, draw=0), shuffled(other, 0, seed=0, draw=0))
