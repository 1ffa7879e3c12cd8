"""What a patient's own page may print: declared columns as numbers and levels, ages as bands, nothing else."""

from __future__ import annotations

import math
import re

from clinfuse.cohort.ages import is_age
from clinfuse.explain.values import FeatureValue
from clinfuse.report.html import clean, number

_DATE = re.compile(r"\d{1,4}[-/.]\d{1,2}[-/.]\d{1,4}|\d{8,}|\d{1,2}:\d{2}")


def age_band(years: float) -> str:
    """Give the ten years an age falls into; everyone of 90 or more is "90+".

    Examples
    --------
    >>> age_band(63.2), age_band(90), age_band(float("nan"))
    ('60 to 69', '90+', 'missing')
    """
    if math.isnan(years):
        return "missing"
    if years >= 90:
        return "90+"
    start = 10 * int(max(years, 0) // 10)
    return f"{start} to {start + 9}"


def value_text(feature: FeatureValue) -> str:
    """Give a declared value as it may be printed.

    Examples
    --------
    >>> value_text(FeatureValue("CRP", 81.0, 0.8, "mg/l")), value_text(FeatureValue("age", 93.0, 0.1))
    ('81 mg/l', '90+')
    """
    if math.isnan(feature.value):
        return "missing"
    if feature.kind == "yes/no":
        return "yes" if feature.value == 1 else "no"
    if feature.kind == "category":
        level = int(feature.value)
        return clean(feature.levels[level], 40) if 0 <= level < len(feature.levels) else "another level"
    if is_age(feature.name, feature.unit):
        return age_band(feature.value)
    return clean(f"{plain(feature.value)} {feature.unit}".strip(), 60)


def range_text(feature: FeatureValue) -> str:
    """Give a reference range in words, empty where none is declared.

    Examples
    --------
    >>> range_text(FeatureValue("CRP", 81.0, 0.8, normal=(float("-inf"), 5.0)))
    'to 5'
    """
    low, high = feature.normal
    if math.isinf(low) and math.isinf(high):
        return ""
    if math.isinf(low):
        return f"to {plain(high)}"
    return f"from {plain(low)}" if math.isinf(high) else f"{plain(low)} to {plain(high)}"


def name_text(text: str) -> str:
    r"""Give a declared name as it may be printed: without control, bidirectional and invisible characters, short.

    Examples
    --------
    >>> name_text("C\u202eRP"), len(name_text("x" * 500))
    ('CRP', 120)
    """
    return clean(str(text), 120)


def plain(value: float) -> str:
    """Give a number with four significant digits.

    Examples
    --------
    >>> plain(0.123456), plain(1234567.0), plain(81.0)
    ('0.1235', '1234567', '81')
    """
    if abs(value) >= 1000:
        return number(value, 0)
    return f"{value:.4g}".replace("-", "−") if abs(value) >= 1e-4 or value == 0 else f"{value:.1e}".replace("-", "−")


def described_text(name: str, value: object) -> str:
    """Give a declared subgroup column as it may be printed: ages as bands, nothing that looks like a date.

    Examples
    --------
    >>> described_text("age", 95), described_text("sex", "F"), described_text("ward", "2024-01-02")
    ('90+', 'F', 'not shown')
    """
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return "missing"
    if is_age(name):
        try:
            return age_band(float(str(value)))
        except ValueError:
            return "not shown"
    text = plain(value) if isinstance(value, float) else clean(str(value), 40)
    return "not shown" if _DATE.search(text) else text
