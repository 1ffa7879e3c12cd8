"""Retrieval and swaps, by numbers worked out by hand and on cohorts whose answer is known."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clinfuse.errors import DataError
from clinfuse.evaluation.matching.mismatch import limit_at, mismatch, recall_at_precision, swapped_partners
from clinfuse.evaluation.matching.retrieval import ranks, retrieval
from clinfuse.evaluation.matching.study import match
from clinfuse.synthetic.embedding import embedding_cohort
from clinfuse.synthetic.settings import SyntheticSettings
from clinfuse.training.contrastive import DualEncoder
from clinfuse.training.options import TrainingOptions

COMPLETE = (0.0, 0.0, 0.0, 0.0)
ENCODER = DualEncoder(("ct", "labs"), options=TrainingOptions(epochs=20, batch_size=64))


def cohort(strength: float, records: int = 400, seed: int = 3):
    return embedding_cohort(
        SyntheticSettings(
            records=records, level="embedding", width=6, missing_rates=COMPLETE, factor_strength=strength, seed=seed,
            separations=COMPLETE,
        )
    )  # fmt: skip


def test_ranks_by_hand():
    scores = np.array([[3.0, 1, 2], [5, 4, 0], [1, 1, 1]])
    found = ranks(scores, ["a", "b", "c"])
    assert found.better.tolist() == [0, 1, 0]
    assert found.ties.tolist() == [1, 1, 3]
    np.testing.assert_allclose(found.hits(1), [1, 0, 1 / 3])
    np.testing.assert_allclose(found.hits(2), [1, 1, 2 / 3])


def test_another_record_of_the_same_patient_is_no_candidate():
    scores = np.array([[1.0, 9, 0], [9, 1, 0], [0, 0, 1]])
    found = retrieval([ranks(scores, ["a", "a", "b"])], ks=(1,))
    assert found.recall[1].value == 1
    assert found.chance[1] == pytest.approx((1 / 2 + 1 / 2 + 1 / 3) / 3)


@settings(derandomize=True, max_examples=30, deadline=None)
@given(st.integers(2, 12), st.integers(1, 12), st.integers(0, 99))
def test_a_monotone_change_of_scores_changes_no_recall(records, k, seed):
    scores = np.random.default_rng(seed).normal(size=(records, records))
    patients = [str(n) for n in range(records)]
    one, other = (retrieval([ranks(s, patients)], ks=(k,)) for s in (scores, np.exp(scores) - 7))
    assert one.recall == other.recall
    assert one.median_rank == other.median_rank


@pytest.mark.parametrize("scores", [np.zeros((2, 3)), np.full((2, 2), np.nan)])
def test_scores_that_are_no_square_of_numbers_are_refused(scores):
    with pytest.raises(DataError, match="RETRIEVAL_SHAPE"):
        ranks(scores, ["a", "b"])


def test_retrieval_among_one_patient_is_refused():
    with pytest.raises(DataError, match=r"RETRIEVAL_SHAPE.*two patients"):
        ranks(np.eye(2), ["a", "a"])


def test_a_swap_is_with_another_patient_of_the_same_stratum_whatever_the_order():
    ids = np.array([f"r{k}" for k in range(60)])
    patients, strata = np.array([f"p{k // 2}" for k in range(60)]), np.arange(60) // 20
    partners = swapped_partners(ids, patients, strata, share=0.2, seed=1)
    changed = np.flatnonzero(partners != np.arange(60))
    assert len(changed) == 12
    assert (patients[partners[changed]] != patients[changed]).all()
    assert (strata[partners] == strata).all()
    order = np.random.default_rng(0).permutation(60)
    again = swapped_partners(ids[order], patients[order], strata[order], share=0.2, seed=1)
    assert (ids[order][again] == ids[partners][order]).all()


def test_recall_at_half_precision_by_hand():
    # Above 4: 1 of 1; above 1: 2 of 4; all: 3 of 8.
    labels = [1, 0, 0, 1, 0, 0, 0, 1]
    assert recall_at_precision(labels, [8, 7, 6, 5, 4, 3, 2, 1]) == pytest.approx(2 / 3)
    assert recall_at_precision(labels, np.zeros(8)) == 0
    assert recall_at_precision([1, 1, 0, 0], np.zeros(4)) == 1


def test_a_mismatch_is_judged_by_the_limits_it_is_given():
    found = mismatch(
        np.array([0.9, 0.2, 0.1, 0.8]), np.array([True, True, False, False]), list("abcd"), limits=np.full(4, 0.5)
    )
    assert (found.sensitivity, found.specificity, found.auroc.value) == (0.5, 0.5, 0.75)


def test_nothing_swapped_and_nothing_to_learn_a_threshold_from_are_refused():
    with pytest.raises(DataError, match="MISMATCH_SWAPS"):
        mismatch(np.zeros(2), np.zeros(2, dtype=bool), ["a", "b"], limits=np.zeros(2))
    with pytest.raises(DataError, match="MISMATCH_SWAPS"):
        limit_at(np.zeros(0), 0.9)
    with pytest.raises(DataError, match="MISMATCH_SWAPS"):
        recall_at_precision([0, 0], [1.0, 2.0])


def test_modalities_that_share_something_find_each_other():
    found = match(cohort(0.6), ENCODER, names=("ct", "labs"), folds=2)
    assert found.forward.recall[10].low > 3 * found.forward.chance[10]
    assert found.backward.recall[10].low > 3 * found.backward.chance[10]
    assert found.swaps["any patient"].auroc.low > 0.8
    assert found.flagged.size <= 12
    assert "among the first 10" in str(found)
    assert set(found.as_dict()["swaps"]) == {"any patient"}


def test_modalities_that_share_nothing_find_nothing():
    # What an encoder makes of noise is the same for all records of a fold, so several trainings are averaged.
    found = [match(cohort(0.0, seed=seed), ENCODER, names=("ct", "labs"), folds=2) for seed in (0, 1, 2)]
    recall = np.mean([one.forward.recall[10].value for one in found])
    assert recall == pytest.approx(found[0].forward.chance[10], abs=0.015)
    assert np.mean([one.swaps["any patient"].auroc.value for one in found]) == pytest.approx(0.5, abs=0.05)


def test_too_few_records_for_the_folds_are_refused():
    with pytest.raises(DataError, match="MATCHING_RECORDS"):
        match(cohort(0.6, records=30), ENCODER, names=("ct", "labs"), folds=10)
