"""Nothing is converted by guessing, and no text beside a value is repeated unless it is a unit."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from clinfuse.cohort.suspicions import two_scales
from clinfuse.cohort.units import check_some, factors, metric_factor, shown
from clinfuse.errors import DataError


def test_declared_units_are_compared_in_their_compatibility_form():
    written = pd.Series(["\u00b5mol/L", "\u03bcmol/L", " mg/dL ", "Meyer", ""])
    found = factors(written, "\u00b5mol/L", {"mg/dL": 88.4})
    np.testing.assert_array_equal(found, [1.0, 1.0, 88.4, np.nan, np.nan])


@pytest.mark.parametrize(
    ("one", "other", "factor"),
    [
        ("mg/dL", "mg/L", 10.0),
        ("g/dL", "g/L", 10.0),
        ("g/L", "g/dL", 0.1),
        ("mg/L", "\u00b5g/mL", 1.0),
        ("mmol/l", "\u00b5mol/L", 1000.0),
        ("mg/dL", "\u00b5mol/L", 0.0),
        ("mg", "mg/L", 0.0),
        ("%", "g/L", 0.0),
    ],
)
def test_powers_of_ten_between_units(one, other, factor):
    assert metric_factor(one, other) == pytest.approx(factor)


def test_a_column_in_no_declared_unit_is_refused_without_repeating_what_is_no_unit():
    written = pd.Series(["Meyer", "mg/dL", "mg/dL", ""])
    with pytest.raises(DataError, match=r"EHR_UNIT.*2 in mg/dL, 1 in another unit, 1 in no unit") as refused:
        check_some("CRP", written, "mg/L", factors(written, "mg/L", {}))
    assert "Meyer" not in str(refused.value)
    check_some("CRP", written, "mg/L", factors(written, "mg/L", {"mg/dL": 10.0}))
    check_some("CRP", written[:0], "mg/L", factors(written[:0], "mg/L", {}))
    assert [shown(each) for each in ("mg/Meyer", "10^9", "kg/m2", "mmHg")] == ["another unit", "10^9", "kg/m2", "mmHg"]


@pytest.mark.parametrize(
    ("one", "other"), [((0.5, 2.0), 88.4), ((8.0, 17.0), 10.0), ((1.5, 2.0), 100.0), ((36.0, 41.0), 2.6)]
)
def test_two_units_in_one_column_are_seen(one, other):
    values = np.linspace(*one, 60)
    assert two_scales(np.concatenate([values, other * values[::3]]))
    assert not two_scales(values)


def test_ordinary_spread_is_no_second_unit():
    draw = np.random.default_rng(0)
    assert not any(two_scales(draw.lognormal(2, 1.2, size=n)) for n in (20, 50, 200, 1000) for _ in range(20))
    assert not two_scales(np.repeat([1.0, 2.0, 3.0, 4.0], 20))
    assert not two_scales(np.array([0.5] * 18 + [50.0, 60.0]))
