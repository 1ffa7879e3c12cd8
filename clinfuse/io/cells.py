"""What one cell of a health-record table says, and what kind of thing stands where something else is declared."""

from __future__ import annotations

import difflib
import math
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Set
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    # The process that decodes reads tables without it.
    import pandas as pd

_LIMIT = re.compile(r"([<>]=?|≤|≥|≦|≧)\s*(.*)")
_INFINITE = re.compile(r"[+-]?(?:inf|infinity|∞|1[.,]#inf)", re.IGNORECASE)
_GRADE = re.compile(r"[0-9]{0,2}\s*(?:\++|\(\++\)|-+)")
_LEADING_NUMBER = re.compile(r"[+-]?[0-9]")
_GROUPED = re.compile(r"[+-]?[0-9]{1,3}(?:[.,'\u2019 \u00a0\u202f][0-9]{3})+(?:[.,][0-9]+)?")
# Words of our own, so that a refusal may print them: none of them can be a patient's value.
MISSING_WORDS = (
    *("NA", "N/A", "n/a", "na", "NaN", "nan", "NULL", "null", "None", "none", "nil", "?", "-", "--", ".", "*"),
    *("n.b.", "k.A.", "unknown", "Unknown", "unbekannt", "missing", "not done", "pending", "ausstehend"),
)
_SHOWN = 3
_CLOSE = 0.8
LIMIT, DECIMAL, GROUPED, GRADE, ATTACHED, TEXT = (
    "with a sign of comparison",
    "with the other decimal sign",
    "with a thousands separator",
    "graded with + or -",
    "with a number and something after it",
    "of text",
)


def decimal_number(cell: str, decimal: str) -> float | None:
    """The finite number written in a cell; None where it is none: thousands separators, units, comparisons.

    Examples
    --------
    >>> [decimal_number(cell, ",") for cell in ("-1,5", "3", "1.5", "1.234,5", "5 mg", "inf")]
    [-1.5, 3.0, None, None, None, None]
    """
    value = _written_number(cell, decimal)
    return value if value is not None and math.isfinite(value) else None


def _written_number(cell: str, decimal: str) -> float | None:
    """As :func:`decimal_number`, with infinity for a number too large for a computer."""
    sign = re.escape(decimal)
    if not re.fullmatch(rf"[+-]?(?:[0-9]+(?:{sign}[0-9]*)?|{sign}[0-9]+)(?:[eE][+-]?[0-9]+)?", cell):
        return None
    return float(cell.replace(decimal, "."))


def is_infinite(cell: str, decimal: str) -> bool:
    """Whether a cell says infinity, in letters or by a number that no computer holds.

    Examples
    --------
    >>> [is_infinite(cell, ".") for cell in ("inf", "-Infinity", "1e400", "1e40", "information")]
    [True, True, True, False, False]
    """
    value = _written_number(cell, decimal)
    return _INFINITE.fullmatch(cell) is not None or (value is not None and math.isinf(value))


def limit_of(cell: str, decimal: str) -> float | None:
    """The limit in ``<5`` or ``>= 90``; None where a cell is no such thing.

    Examples
    --------
    >>> [limit_of(cell, ",") for cell in ("<0,5", ">= 90", "5", "<low")]
    [0.5, 90.0, None, None]
    """
    found = _LIMIT.fullmatch(cell)
    return None if found is None else decimal_number(found[2], decimal)


def kind_of(cell: str, decimal: str) -> str:
    """What kind of thing stands in a cell that should hold a number, in words that hold nothing of it.

    Examples
    --------
    >>> [kind_of(cell, ".") for cell in ("<5", "1,5", "1.234,5", "1+", "12 (H)", "neg")]  # doctest: +ELLIPSIS
    ['with a sign of comparison', 'with the other decimal sign', 'with a thousands separator', 'graded with + or -', ...
    """
    other = "," if decimal == "." else "."
    if _LIMIT.fullmatch(cell):
        return LIMIT
    if decimal_number(cell, other) is not None:
        return DECIMAL
    if _GROUPED.fullmatch(cell):
        return GROUPED
    if _GRADE.fullmatch(cell):
        return GRADE
    return ATTACHED if _LEADING_NUMBER.match(cell) else TEXT


def counted_kinds(cells: Iterable[str], decimal: str) -> dict[str, int]:
    """How many cells there are of each kind, the most frequent first."""
    return dict(Counter(kind_of(cell, decimal) for cell in cells).most_common())


def places_of(cells: pd.Series, refused: Set[str]) -> str:
    """Where the first of these cells stand: lines of the file where the column still knows them, else rows from 1.

    Examples
    --------
    >>> import pandas as pd
    >>> column = pd.Series(["1", "neg", "2", "neg"], index=pd.Index([2, 3, 5, 6], name="line"))
    >>> places_of(column, {"neg"}), places_of(column.reset_index(drop=True), {"neg"})
    ('line 3, 6', 'row 2, 4')
    """
    found = np.flatnonzero(cells.isin(list(refused)).to_numpy())
    counted = cells.index.name in ("line", "row")
    places = cells.index.to_numpy()[found] if counted else found + 1
    shown = ", ".join(str(place) for place in places[:_SHOWN])
    more = f" and {len(places) - _SHOWN} more" if len(places) > _SHOWN else ""
    return f"{cells.index.name if counted else 'row'} {shown}{more}"


def nearest_name(name: str, names: Iterable[str]) -> str:
    """The column that was probably meant, empty where none comes close enough to be more than a guess.

    What comes close to a declared name is a name, not a value of a table without a header row.

    Examples
    --------
    >>> nearest_name("CRP", ["crp ", "CREA"]), nearest_name("Sodium", ["Natrium"])
    ('crp ', '')
    """
    known = list(names)
    plain = [_plain(other) for other in known]
    if _plain(name) in plain:
        return known[plain.index(_plain(name))]
    near = difflib.get_close_matches(name, known, n=1, cutoff=_CLOSE)
    return near[0] if near else ""


def _plain(name: str) -> str:
    return re.sub(r"[\s_.-]", "", unicodedata.normalize("NFKC", name)).casefold()
