"""Many values become one number, whatever the order in which they stand in a file."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clinfuse.cohort.measurements import Measurements, settle, take, taken_column
from clinfuse.cohort.modality import Column
from clinfuse.cohort.windows import Window, seconds_after, seconds_of

HOUR = 3600.0
WAYS = ("last", "first", "min", "max", "mean", "slope", "count", "time since last")
# Record 0: 4 at -48 h, 10 at -24 h, 1 at 0 h; record 2: 5 at -6 h.
MEASURED = Measurements(
    np.array([0, 2, 0, 0]),
    np.array([0.0, -6 * HOUR, -48 * HOUR, -24 * HOUR]),
    np.array([48, 42, 0, 24]),
    np.array([1.0, 5.0, 4.0, 10.0]),
    np.arange(4),
)


@pytest.mark.parametrize(
    ("how", "expected"),
    [
        ("last", [1.0, np.nan, 5.0]),
        ("first", [4.0, np.nan, 5.0]),
        ("min", [1.0, np.nan, 5.0]),
        ("max", [10.0, np.nan, 5.0]),
        ("mean", [5.0, np.nan, 5.0]),
        ("slope", [-1.5, np.nan, np.nan]),
        ("count", [3.0, 0.0, 1.0]),
        ("time since last", [0.0, np.nan, 6.0]),
    ],
)
def test_what_is_taken(how, expected):
    np.testing.assert_allclose(take(MEASURED, how, 3), expected, atol=1e-12)


VALUES = st.tuples(st.integers(0, 3), st.integers(-3, 0), st.integers(0, 4))


@given(st.lists(VALUES, max_size=12), st.randoms(use_true_random=False), st.sampled_from(WAYS))
def test_the_order_of_values_does_not_matter(values, random, how):
    def taken(rows):
        table = np.array(rows, dtype=np.float64).reshape(-1, 3)
        records, hours = table[:, 0].astype(int), table[:, 1].astype(int)
        return take(Measurements(records, hours * HOUR, hours, table[:, 2], np.arange(len(table))), how, 4)

    shuffled = list(values)
    random.shuffle(shuffled)
    np.testing.assert_array_equal(taken(values), taken(shuffled))


def test_names_and_units_of_what_is_taken():
    crp = Column("CRP", unit="mg/L", normal=(0.0, 5.0))
    made = {how: taken_column(crp, how) for how in WAYS}
    assert [made[how].name for how in ("last", "time since last")] == ["CRP last", "CRP time since last"]
    assert [made[how].unit for how in ("max", "slope", "count", "time since last")] == ["mg/L", "mg/L/d", "", "h"]
    assert made["last"].normal == (0.0, 5.0)
    assert made["count"].normal == (-np.inf, np.inf)


@pytest.mark.parametrize(
    ("written", "seconds"), [("-48 h", -172800), ("0 d", 0), ("+1.5 min", 90), ("7d", 604800), ("-30 s", -30)]
)
def test_spans(written, seconds):
    assert seconds_of(written) == seconds


@pytest.mark.parametrize("written", ["48", "h", "1 w", "1e3 h", "nan h", "١ h ", ""])
def test_other_spans_are_refused(written):
    with pytest.raises(ValueError, match="units s, min, h, d"):
        seconds_of(written)


def test_both_ends_of_a_window_count_and_unknown_times_never_do():
    assert Window(-10, 0).holds(np.array([-10.1, -10, 0, 0.1, np.nan])).tolist() == [False, True, True, False, False]
    with pytest.raises(ValueError, match="before the second"):
        Window.written("0 h", "-1 h")


def test_seconds_after_by_clock_and_by_day():
    times = np.array(["2020-03-01T23:59", "2020-02-28T12:00", "NaT"], dtype="datetime64[s]")
    index = np.datetime64("2020-03-01T00:00", "s")
    np.testing.assert_array_equal(seconds_after(times, index), [86340, -129600, np.nan])
    np.testing.assert_array_equal(seconds_after(times, index, days=True), [0, -172800, np.nan])


@pytest.mark.parametrize(
    ("how", "expected"), [("mean", [6.0, 3.0]), ("min", [5.0, 3.0]), ("max", [7.0, 3.0]), ("missing", [np.nan, 3.0])]
)
def test_different_values_at_one_time_are_what_is_declared_of_them(how, expected):
    twice = Measurements(
        np.array([0, 0, 1, 1]), np.zeros(4), np.zeros(4, int), np.array([7.0, 5.0, 3.0, 3.0]), np.arange(4)
    )
    settled, refused = settle(twice, how)
    np.testing.assert_array_equal(take(settled, "last", 2), expected)
    assert refused == []
    settled, refused = settle(twice, "refuse")
    np.testing.assert_array_equal(take(settled, "last", 2), [np.nan, 3.0])
    assert refused == [(0, [0, 1])]
