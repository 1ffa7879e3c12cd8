"""How a value of a whole set is shared out among its members: exact Shapley values and pair interactions."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import combinations
from math import factorial
from typing import TypeVar

import numpy as np

from clinfuse.errors import DataError

Value = TypeVar("Value", float, np.ndarray)
_MOST = 12


def subsets(names: Sequence[str]) -> Iterator[frozenset[str]]:
    """Give every non-empty subset, larger ones first, members in the order given: 2**n - 1 of them.

    Examples
    --------
    >>> [sorted(one) for one in subsets(("ct", "eeg"))]
    [['ct', 'eeg'], ['ct'], ['eeg']]
    """
    for size in range(len(names), 0, -1):
        for members in combinations(names, size):
            yield frozenset(members)


def shapley(value: Callable[[frozenset[str]], Value], names: Sequence[str]) -> dict[str, Value]:
    """Give what each member contributes on average over all orders in which the set can be filled.

    Parameters
    ----------
    value : callable, frozenset of str -> float or ndarray
        Worth of a subset; asked once for each of the 2**n subsets, the empty one included. Arrays (one number per
        record, say) are shared out element by element.
    names : sequence of str
        At most 12 members.

    Returns
    -------
    dict of str to float or ndarray
        They sum to the worth of all minus the worth of none.

    Raises
    ------
    DataError
        ``SHAPLEY_NAMES``: no names, a name twice, or too many.

    References
    ----------
    Shapley 1953, A value for n-person games, doi:10.1515/9781400881970-018.

    Examples
    --------
    >>> worth = {"": 0.5, "ct": 0.791, "ehr": 0.911, "ct+ehr": 0.947}
    >>> parts = shapley(lambda one: worth["+".join(sorted(one))], ("ct", "ehr"))
    >>> {name: round(part, 4) for name, part in parts.items()}
    {'ct': 0.1635, 'ehr': 0.2835}
    """
    names = _checked(names)
    worth = {one: value(one) for one in (frozenset[str](), *subsets(names))}
    return {name: _average(worth, name, names) for name in names}


def interactions(value: Callable[[frozenset[str]], Value], names: Sequence[str]) -> dict[tuple[str, str], Value]:
    """Give what every pair is worth together beyond what each is worth alone, averaged over what else is there.

    Parameters
    ----------
    value : callable, frozenset of str -> float or ndarray
        Worth of a subset; asked once for each of the 2**n subsets.
    names : sequence of str
        At most 12 members.

    Returns
    -------
    dict of (str, str) to float or ndarray
        The Shapley interaction index; of two members that of `interaction`. Below 0 the two repeat each other.

    Raises
    ------
    DataError
        ``SHAPLEY_NAMES``.

    References
    ----------
    Grabisch and Roubens 1999, doi:10.1007/s001820050125.

    Examples
    --------
    >>> worth = {"": 0.5, "ct": 0.791, "ehr": 0.911, "ct+ehr": 0.947}
    >>> found = interactions(lambda one: worth["+".join(sorted(one))], ("ct", "ehr"))
    >>> round(found["ct", "ehr"], 3)
    -0.255
    """
    names = _checked(names)
    worth = {one: value(one) for one in (frozenset[str](), *subsets(names))}
    return {pair: _beyond(worth, pair, names) for pair in combinations(names, 2)}


def _beyond(worth: dict[frozenset[str], Value], pair: tuple[str, str], names: tuple[str, ...]) -> Value:
    n, total = len(names), worth[frozenset()] * 0.0
    first, second = frozenset(pair[:1]), frozenset(pair[1:])
    for one in (frozenset[str](), *subsets([other for other in names if other not in pair])):
        share = factorial(len(one)) * factorial(n - len(one) - 2) / factorial(n - 1)
        total = total + share * (worth[one | first | second] - worth[one | first] - worth[one | second] + worth[one])
    return total


def _checked(names: Sequence[str]) -> tuple[str, ...]:
    names = tuple(names)
    if not names or len(set(names)) != len(names) or len(names) > _MOST:
        raise DataError(
            "SHAPLEY_NAMES",
            place="contributions",
            rule=f"from 1 to {_MOST} names, each once",
            found=f"{len(names)} names",
            remedy="Group modalities, or leave some out.",
        )
    return names


def _average(worth: dict[frozenset[str], Value], name: str, names: tuple[str, ...]) -> Value:
    n = len(names)
    total = worth[frozenset()] * 0.0
    for one in (frozenset[str](), *subsets([other for other in names if other != name])):
        share = factorial(len(one)) * factorial(n - len(one) - 1) / factorial(n)
        total = total + share * (worth[one | {name}] - worth[one])
    return total


def interaction(value: Callable[[frozenset[str]], Value], first: str, second: str) -> Value:
    """Give what two members are worth together beyond what each is worth alone; below 0 they repeat each other.

    Examples
    --------
    >>> worth = {"": 0.5, "ct": 0.791, "ehr": 0.911, "ct+ehr": 0.947}
    >>> round(interaction(lambda one: worth["+".join(sorted(one))], "ct", "ehr"), 3)
    -0.255
    """
    both = value(frozenset((first, second)))
    return both - value(frozenset((first,))) - value(frozenset((second,))) + value(frozenset())
