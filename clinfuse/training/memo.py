"""Fits that several classifiers of one fold need, made once: the same inputs and seed give the same network."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, TypeVar

_Fit = TypeVar("_Fit")
_open: ContextVar[tuple[dict[Hashable, Any], ...]] = ContextVar("clinfuse_shared_fits", default=())


@contextmanager
def sharing_fits() -> Iterator[None]:
    """Share fits among all classifiers that are fitted inside on records of one cohort.

    Sharing changes no number: every fit is fixed by its key. It is forgotten on leaving.

    Examples
    --------
    >>> with sharing_fits():
    ...     first, second = shared("key", object), shared("key", object)
    >>> first is second
    True
    """
    token = _open.set(({},))
    try:
        yield
    finally:
        _open.reset(token)


def shared(key: Hashable, fit: Callable[[], _Fit]) -> _Fit:
    """Give what ``fit`` makes, or what it made for the same key inside the same `sharing_fits`."""
    if not _open.get():
        return fit()
    (made,) = _open.get()
    if key not in made:
        made[key] = fit()
    result: _Fit = made[key]
    return result
