"""No patient on both sides, every class on each, whatever the scheme and the order of the records."""

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from clinfuse.errors import DataError
from clinfuse.training.deal import deal_patients
from clinfuse.training.sides import lacks_class
from clinfuse.training.splits import column_split, holdout, patient_folds, site_folds, temporal_split

DAYS = np.datetime64("2020-01-01", "s")
LIGHT = settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.filter_too_much])
TASKS = st.sampled_from(["binary", "multiclass", "multilabel"])


def records(n, patients, seed=0, task="binary"):
    """Labels, patients, ids, sites, times and declared sides; some patients move, and have records on both sides."""
    draw = np.random.default_rng(seed)
    owner = draw.integers(0, patients, n)
    if task == "multilabel":
        labels = np.stack([(owner + draw.integers(0, 2, n)) % 2, draw.integers(-1, 2, n)], axis=1)
    else:
        labels = owner % (2 if task == "binary" else 3)
    sites = np.where(draw.random(n) < 0.05, "far", np.array(["east", "west", "north"])[owner % 7 % 3])
    times = DAYS + (owner * 5 + draw.integers(0, 9, n)).astype("timedelta64[D]")
    sides = np.where(draw.random(n) < 0.05, "", np.where(owner % 4 == 0, "test", "train"))
    sides[draw.random(n) < 0.03] = "test"
    groups = np.array([f"P{k:03d}" for k in owner])
    return {
        "labels": labels,
        "groups": groups,
        "ids": np.array([f"R{k:04d}" for k in draw.permutation(n)]),
        "sites": sites,
        "times": times,
        "splits": sides,
    }


def cut(scheme, r, seed=0):
    """Every scheme as a list of sides."""
    people = r["labels"], r["groups"], r["ids"]
    if scheme == "folds":
        return patient_folds(*people, folds=3, seed=seed)
    if scheme == "holdout":
        return [holdout(*people, seed=seed)]
    if scheme == "sites":
        return list(site_folds(*people[:2], r["sites"]).values())
    if scheme == "temporal":
        return [temporal_split(*people[:2], r["times"], share=0.3)]
    return [column_split(*people[:2], r["splits"])]


SCHEMES = ("folds", "holdout", "sites", "temporal", "column")
every = pytest.mark.parametrize("scheme", SCHEMES)


def found_or_refused(scheme, r, seed):
    try:
        return cut(scheme, r, seed)
    except DataError as error:
        assert error.code.startswith("SPLIT_")  # noqa: PT017 - a refusal is an answer, another code is not
        assume(False)


@every
@LIGHT
@given(n=st.integers(60, 90), patients=st.integers(25, 45), seed=st.integers(0, 99), task=TASKS)
def test_no_patient_is_on_two_sides_and_every_side_holds_every_class(scheme, n, patients, seed, task):
    r = records(n, patients, seed, task)
    for sides in found_or_refused(scheme, r, seed):
        people = [set(r["groups"][rows]) for rows in sides]
        assert all(people)
        assert len(set.union(*people)) == sum(map(len, people))
        for rows in sides if scheme != "sites" else sides[:1]:
            assert not lacks_class(r["labels"], rows)
            assert (np.diff(rows) > 0).all()


@every
@LIGHT
@given(n=st.integers(60, 90), patients=st.integers(25, 45), seed=st.integers(0, 99), task=TASKS)
def test_the_order_of_the_records_leaves_no_trace_and_the_same_seed_deals_alike(scheme, n, patients, seed, task):
    r = records(n, patients, seed, task)
    order = np.random.default_rng(seed).permutation(n)
    shuffled = {name: column[order] for name, column in r.items()}
    first, again = found_or_refused(scheme, r, seed), cut(scheme, r, seed)
    other = cut(scheme, shuffled, seed)
    for one, same, moved in zip(first, again, other, strict=True):
        for rows, equal, there in zip(one, same, moved, strict=True):
            np.testing.assert_array_equal(rows, equal)
            assert set(r["ids"][rows]) == set(shuffled["ids"][there])


@LIGHT
@given(n=st.integers(60, 90), patients=st.integers(25, 45), seed=st.integers(0, 99), task=TASKS)
def test_every_record_is_tested_once_where_there_are_folds(n, patients, seed, task):
    r = records(n, patients, seed, task)
    tested = np.concatenate([test for _, test in found_or_refused("folds", r, seed)])
    assert sorted(tested) == list(range(n))


@LIGHT
@given(
    counts=st.lists(st.integers(3, 12), min_size=2, max_size=4),
    visits=st.integers(1, 6),
    folds=st.integers(2, 3),
    seed=st.integers(0, 99),
)
def test_a_split_that_exists_is_found(counts, visits, folds, seed):
    """Patients of one class each, as many of every class as folds: no choice of visits may make this fail."""
    labels = np.repeat(np.arange(len(counts)), counts)
    draw = np.random.default_rng(seed)
    owner = np.repeat(np.arange(len(labels)), draw.integers(1, visits + 1, len(labels)))
    ids = np.array([f"R{k:04d}" for k in range(len(owner))])
    for sides in patient_folds(labels[owner], owner.astype(str), ids, folds=folds, seed=seed):
        assert not any(lacks_class(labels[owner], rows) for rows in sides)


def test_another_seed_deals_differently():
    r = records(90, 40)
    for scheme in ("folds", "holdout"):
        one, two = (cut(scheme, r, seed)[0][1] for seed in (0, 1))
        assert set(one) != set(two)


def test_classes_are_spread_evenly():
    ids = np.array([f"R{k}" for k in range(100)])
    labels = np.repeat([0, 1], [80, 20])
    for _, test in patient_folds(labels, ids, ids, folds=5, seed=0):
        assert labels[test].sum() == 4


def test_every_one_of_several_labels_is_spread_evenly():
    draw = np.random.default_rng(0)
    labels = (draw.random((300, 4)) < [0.5, 0.2, 0.1, 0.05]).astype(int)
    labels[draw.random((300, 4)) < 0.1] = -1
    ids = np.array([f"R{k:03d}" for k in range(300)])
    found = np.array([(labels[test] == 1).sum(0) for _, test in patient_folds(labels, ids, ids, folds=5, seed=3)])
    assert (found.max(0) - found.min(0)).max() <= 2
    sizes = [len(test) for _, test in patient_folds(labels, ids, ids, folds=5, seed=3)]
    assert max(sizes) - min(sizes) <= 6


def test_parts_of_unequal_shares_hold_their_share_of_every_label():
    draw = np.random.default_rng(1)
    labels = (draw.random((400, 3)) < 0.3).astype(int)
    part = deal_patients(labels, np.arange(400).astype(str), shares=(0.7, 0.15, 0.15), seed=0)
    share = np.array([(labels[part == k] == 1).sum(0) for k in range(3)]) / (labels == 1).sum(0)
    np.testing.assert_allclose(share, np.tile([[0.7], [0.15], [0.15]], 3), atol=0.02)


def test_holdout_keeps_shares_and_patients_apart():
    r = records(400, 200)
    parts = holdout(r["labels"], r["groups"], r["ids"], seed=1)
    sizes = np.array([len(part) for part in parts]) / 400
    np.testing.assert_allclose(sizes, [0.70, 0.15, 0.15], atol=0.05)
    assert sorted(np.concatenate(parts)) == list(range(400))


def test_a_validation_part_without_a_class_is_dealt_again_or_refused():
    ids = np.array([f"R{k:02d}" for k in range(40)])
    labels = np.zeros(40, int)
    labels[:3] = 1
    for seed in range(10):
        assert all(labels[part].sum() == 1 for part in holdout(labels, ids, ids, seed=seed))
    labels[2] = 0
    with pytest.raises(DataError, match="SPLIT_CLASSES"):
        holdout(labels, ids, ids, seed=0)
    with pytest.raises(DataError, match="SPLIT_CLASSES"):
        holdout(labels[:3], ids[:3], ids[:3], seed=0)


def test_too_few_patients_are_refused_with_what_would_do():
    r = records(20, 3)
    with pytest.raises(DataError, match=r"SPLIT_PATIENTS.*Use at most 3 folds"):
        patient_folds(r["labels"], r["groups"], r["ids"], folds=5, seed=0)
    with pytest.raises(DataError, match=r"SPLIT_PATIENTS.*Use 2 folds or more"):
        patient_folds(r["labels"], r["groups"], r["ids"], folds=1, seed=0)


def test_a_side_without_a_class_is_refused_with_what_would_do():
    ids = np.array([f"R{k}" for k in range(30)])
    labels = np.zeros(30, int)
    labels[0] = 1
    with pytest.raises(DataError, match=r"SPLIT_CLASSES.*Bring more patients"):
        patient_folds(labels, ids, ids, folds=3, seed=0)
    owners = np.array([f"P{k // 15}" if k < 30 else f"P{k}" for k in range(60)])
    labels = np.repeat([1, 0], 30)
    with pytest.raises(DataError, match=r"SPLIT_CLASSES.*Use at most 2 folds"):  # 30 records, but of two patients only
        patient_folds(labels, owners, np.array([f"R{k}" for k in range(60)]), folds=3, seed=0)


def test_shares_that_are_no_shares_are_refused():
    r = records(60, 30)
    with pytest.raises(DataError, match="SPLIT_SHARES"):
        holdout(r["labels"], r["groups"], r["ids"], shares=(0.5, 0.5, 0.5), seed=0)


def test_who_was_at_two_sites_is_tested_at_none_and_never_trained_on_for_either():
    groups = np.array(["a", "b", "c", "d", "e", "f", "m", "m"])
    sites = np.array(["1", "1", "2", "2", "3", "3", "1", "2"])
    found = site_folds(np.tile([0, 1], 4), groups, sites)
    assert {site: test.tolist() for site, (_, test) in found.items()} == {"1": [0, 1], "2": [2, 3], "3": [4, 5]}
    assert {site: train.tolist() for site, (train, _) in found.items()} == {
        "1": [2, 3, 4, 5],
        "2": [0, 1, 4, 5],
        "3": [0, 1, 2, 3, 6, 7],
    }


def test_sites_that_cannot_be_left_out_are_refused():
    labels, who = np.tile([0, 1], 4), np.arange(8).astype(str)
    with pytest.raises(DataError, match=r"SPLIT_SITES.*2 records without"):
        site_folds(labels, who, np.array(["", "", *"aabbcc"]))
    with pytest.raises(DataError, match=r"SPLIT_SITES.*at least two"):
        site_folds(labels, who, np.repeat("a", 8))
    with pytest.raises(DataError, match="SPLIT_CLASSES"):  # without the second site nobody has the finding
        site_folds(np.repeat([0, 1], 4), who, np.repeat(["a", "b"], 4))


def test_nothing_trained_on_is_later_than_what_is_tested():
    r = records(150, 60, 3)
    train, test = temporal_split(r["labels"], r["groups"], r["times"], share=0.3)
    assert r["times"][train].max() < r["times"][test].min()
    share = len(set(r["groups"][test])) / len(set(r["groups"]))
    assert share == pytest.approx(0.3, abs=0.02)
    same = temporal_split(r["labels"], r["groups"], r["times"], since=str(r["times"][test].min()))
    np.testing.assert_array_equal(same[0], train)
    np.testing.assert_array_equal(same[1], test)


@pytest.mark.parametrize(
    ("times", "asked", "words"),
    [
        (np.array(["NaT"] * 8, dtype="datetime64[s]"), {}, "8 records without"),
        (np.full(8, DAYS), {}, "one time for all"),
        (DAYS + np.arange(8), {"since": "2019-01-01"}, "none before"),
        (DAYS + np.arange(8), {"since": "2030-01-01"}, "none after"),
    ],
)
def test_times_that_cut_nothing_are_refused(times, asked, words):
    with pytest.raises(DataError, match=f"SPLIT_TIMES.*{words}"):
        temporal_split(np.tile([0, 1], 4), np.arange(8).astype(str), times, **asked)


def test_a_declared_split_is_taken_but_for_patients_on_both_sides():
    groups = np.array(["a", "b", "c", "d", "e", "a", "f"])
    splits = ["train", "train", "test", "test", "", "test", ""]
    train, test = column_split([0, 1, 0, 1, 0, 0, 1], groups, splits)
    assert (train.tolist(), test.tolist()) == ([0, 1], [2, 3])


@pytest.mark.parametrize(
    ("splits", "code"),
    [
        (["train", "train", "tset", "test"], "SPLIT_COLUMN"),
        (["train"] * 4, "SPLIT_COLUMN.*no patient to test"),
        (["", "", "test", "test"], "SPLIT_COLUMN.*no patient to train"),
        (["train", "test", "train", "test"], "SPLIT_CLASSES"),
    ],
)
def test_a_declared_split_that_is_none_is_refused(splits, code):
    with pytest.raises(DataError, match=code):
        column_split([0, 1, 0, 1], np.array(list("abcd")), splits)


def test_sites_of_which_none_can_compare_the_classes_are_refused():
    who = np.arange(8).astype(str)
    with pytest.raises(DataError, match=r"SPLIT_CLASSES.*sites of one class"):
        site_folds(np.tile([0, 1], 4), who, np.tile(["a", "b", "c", "d"], 2))
