"""Weights drawn from a seed of their own, with the global generator left as it was found."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch


@contextmanager
def weights_from(seed: int) -> Iterator[None]:
    """Draw every weight made inside from ``seed``; global generators are the same afterwards as before.

    Parameters
    ----------
    seed : int
        Reduced to 63 bits.

    Examples
    --------
    >>> with weights_from(3):
    ...     first = torch.nn.Linear(2, 2).weight
    >>> with weights_from(3):
    ...     second = torch.nn.Linear(2, 2).weight
    >>> bool(torch.equal(first, second))
    True
    """
    # Only the CPU generator is seeded: torch.manual_seed would also reach the devices, which are not restored here.
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed % 2**63)
        yield
