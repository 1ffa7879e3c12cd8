"""Cells as a reader sees them: a true minus, no sign on a zero, two decimals, control characters gone."""

from __future__ import annotations

import re

from clinfuse.report.html import clean, number

_ZERO = re.compile(r"(?<![\d.])[+−](0\.0+)(?!\d)")
_MINUS = re.compile(r"(?<![\w.])-(?=\d)")
_FIGURE = re.compile(r"[+−<> ]*\d[\d., ]*%?")


def true_minus(text: str) -> str:
    """Give a text whose negative numbers carry a minus sign, not a hyphen.

    Examples
    --------
    >>> true_minus("from -0.03 to 0.05, follow-up 2-3 years")
    'from −0.03 to 0.05, follow-up 2-3 years'
    """
    return _MINUS.sub("−", text)


def printed(cell: object) -> str:
    """Give a cell as a reader sees it.

    Examples
    --------
    >>> printed(-0.123), printed(240), printed("late"), printed(float("nan"))
    ('−0.12', '240', 'late', '–')
    """
    if isinstance(cell, float):
        return number(cell)
    return clean(str(cell))


def typeset(cell: object) -> str:
    """Give a cell as it is printed, its numbers with true minus signs and a zero without any.

    Examples
    --------
    >>> typeset("-0.00 (-0.02 to +0.01)")
    '0.00 (−0.02 to +0.01)'
    """
    return _ZERO.sub(r"\1", true_minus(printed(cell)))


def is_figure(text: str) -> bool:
    """Whether a printed cell is a number and nothing else.

    Examples
    --------
    >>> is_figure("0.85"), is_figure("−0.02"), is_figure("0.85 (0.80 to 0.90)"), is_figure("late")
    (True, True, False, False)
    """
    return _FIGURE.fullmatch(text.strip()) is not None
