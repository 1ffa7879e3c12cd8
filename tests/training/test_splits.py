import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clinfuse.errors import DataError
from clinfuse.training.splits import holdout, patient_folds


def records(n, patients, seed=0):
    rng = np.random.default_rng(seed)
    groups = np.array([f"P{k:03d}" for k in rng.integers(0, patients, n)])
    by_patient = {g: int(g[1:]) % 2 for g in groups}
    labels = np.array([by_patient[g] for g in groups])
    return labels, groups, np.array([f"R{k:04d}" for k in range(n)])


@settings(max_examples=40, deadline=None)
@given(n=st.integers(40, 120), patients=st.integers(20, 60), folds=st.integers(2, 5), seed=st.integers(0, 99))
def test_no_patient_is_on_both_sides_and_every_record_is_tested_once(n, patients, folds, seed):
    labels, groups, ids = records(n, patients, seed)
    tested = []
    for train, test in patient_folds(labels, groups, ids, folds=folds, seed=seed):
        assert not set(groups[train]) & set(groups[test])
        assert set(labels[train]) == set(labels[test]) == {0, 1}
        tested.extend(test)
    assert sorted(tested) == list(range(n))


def test_the_split_does_not_depend_on_the_order_of_records():
    labels, groups, ids = records(90, 40)
    order = np.random.default_rng(1).permutation(90)
    first = patient_folds(labels, groups, ids, folds=3, seed=5)
    other = patient_folds(labels[order], groups[order], ids[order], folds=3, seed=5)
    for (_, one), (_, two) in zip(first, other, strict=True):
        assert set(ids[one]) == set(ids[order][two])


def test_another_seed_deals_differently():
    labels, groups, ids = records(90, 40)
    one, two = (patient_folds(labels, groups, ids, folds=3, seed=s)[0][1] for s in (0, 1))
    assert set(one) != set(two)


def test_classes_are_spread_evenly():
    ids = np.array([f"R{k}" for k in range(100)])
    labels = np.repeat([0, 1], [80, 20])
    for _, test in patient_folds(labels, ids, ids, folds=5, seed=0):
        assert labels[test].sum() == 4


def test_holdout_keeps_shares_and_patients_apart():
    labels, groups, ids = records(400, 200)
    parts = holdout(labels, groups, ids, seed=1)
    sizes = np.array([len(part) for part in parts]) / 400
    np.testing.assert_allclose(sizes, [0.70, 0.15, 0.15], atol=0.05)
    sets = [set(groups[part]) for part in parts]
    assert len(set.union(*sets)) == sum(map(len, sets))
    assert sorted(np.concatenate(parts)) == list(range(400))


def test_too_few_patients_are_refused():
    labels, groups, ids = records(20, 3)
    with pytest.raises(DataError, match="SPLIT_PATIENTS"):
        patient_folds(labels, groups, ids, folds=5, seed=0)


def test_a_side_without_a_class_is_refused():
    ids = np.array([f"R{k}" for k in range(30)])
    labels = np.zeros(30, int)
    labels[0] = 1
    with pytest.raises(DataError, match="SPLIT_CLASSES"):
        patient_folds(labels, ids, ids, folds=3, seed=0)
    owners = np.array([f"P{k // 15}" if k < 30 else f"P{k}" for k in range(60)])
    labels = np.repeat([1, 0], 30)
    with pytest.raises(DataError, match="SPLIT_CLASSES"):  # 30 records, but of two patients only
        patient_folds(labels, owners, np.array([f"R{k}" for k in range(60)]), folds=3, seed=0)


def test_shares_that_are_no_shares_are_refused():
    labels, groups, ids = records(60, 30)
    with pytest.raises(DataError, match="SPLIT_SHARES"):
        holdout(labels, groups, ids, shares=(0.5, 0.5, 0.5), seed=0)
