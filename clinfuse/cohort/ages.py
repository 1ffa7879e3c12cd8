"""Which declared columns are ages: they are shown in bands, and never above ninety."""

from __future__ import annotations

import re

_AGE = re.compile(r"(^|[^a-zà-ÿ])(age|alter|âge|edad|età|idade|leeftijd|alder|ålder)([^a-zà-ÿ]|$)", re.IGNORECASE)
_YEARS = ("", "a", "y", "yr", "yrs", "year", "years", "j", "jahre", "ans", "años", "anni", "anos", "jaar", "år")


def is_age(name: str, unit: str = "") -> bool:
    """Whether a declared column is a person's age in years.

    Examples
    --------
    >>> is_age("age"), is_age("Age at scan", "years"), is_age("stage"), is_age("age", "days")
    (True, True, False, False)
    """
    return bool(_AGE.search(name.replace("_", " "))) and unit.strip().lower() in _YEARS
