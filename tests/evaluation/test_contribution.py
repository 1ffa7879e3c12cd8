from itertools import permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clinfuse.errors import DataError
from clinfuse.evaluation.contribution import interaction, shapley, subsets

NAMES = ("a", "b", "c", "d")


@pytest.mark.parametrize(("members", "expected"), [(3, 7), (4, 15), (5, 31)])
def test_number_of_subsets(members, expected):
    # methods.md G49.
    found = list(subsets("abcde"[:members]))
    assert len(found) == len(set(found)) == expected


def test_two_modalities_of_huang():
    """G16: by hand, from the AUROC of nothing, image, records and both in Huang et al. 2020.

    doi:10.1038/s41598-020-78888-w.
    """
    worth = {"": 0.5, "a": 0.791, "b": 0.911, "ab": 0.947}
    found = shapley(lambda one: worth["".join(sorted(one))], ("a", "b"))
    assert found == pytest.approx({"a": 0.1635, "b": 0.2835}, abs=1e-12)
    assert interaction(lambda one: worth["".join(sorted(one))], "a", "b") == pytest.approx(-0.255, abs=1e-12)


def test_the_glove_game():
    """G16: by hand. One left glove (a), two right ones (b, c): a pair is worth 1.

    Shapley 1953, doi:10.1515/9781400881970-018.
    """
    found = shapley(lambda one: float("a" in one and len(one) > 1), ("a", "b", "c"))
    assert found == pytest.approx({"a": 2 / 3, "b": 1 / 6, "c": 1 / 6}, abs=1e-12)


def game(seed):
    draw = np.random.default_rng(seed)
    worth = {one: draw.normal(size=3) for one in (frozenset(), *subsets(NAMES))}
    return worth.__getitem__


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10**6))
def test_parts_add_up_and_are_averages_over_orders(seed):
    value = game(seed)
    found = shapley(value, NAMES)
    assert sum(found.values()) == pytest.approx(value(frozenset(NAMES)) - value(frozenset()), abs=1e-12)
    gains = [
        value(frozenset(order[: order.index("b") + 1])) - value(frozenset(order[: order.index("b")]))
        for order in permutations(NAMES)
    ]
    assert found["b"] == pytest.approx(np.mean(gains, axis=0), abs=1e-12)


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10**6))
def test_who_adds_nothing_gets_nothing_and_equals_get_the_same(seed):
    value = game(seed)
    idle = shapley(lambda one: value(one - {"d"}), NAMES)
    assert idle["d"] == pytest.approx([0, 0, 0], abs=1e-12)
    alike = shapley(lambda one: value(frozenset(sorted(NAMES)[: len(one)])), NAMES)
    for name in NAMES:
        assert alike[name] == pytest.approx(alike["a"], abs=1e-12)


@pytest.mark.parametrize("names", [(), ("a", "a"), tuple(str(number) for number in range(13))])
def test_names_that_make_no_game_are_refused(names):
    with pytest.raises(DataError, match="SHAPLEY_NAMES"):
        shapley(lambda one: 0.0, names)
