"""Seeds for every draw: from the seed of the object that draws and the purpose, never from position or time."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch


def derived_seed(seed: int, *purpose: object) -> int:
    """Give the seed of one purpose, an integer below 2**63 that depends on nothing else.

    Parameters
    ----------
    seed : int
        Seed of the object that draws.
    *purpose : object
        What is drawn and for whom, e.g. ``"order", epoch`` or ``"augment", record_id, epoch``.

    Examples
    --------
    >>> derived_seed(1, "order", 0) == derived_seed(1, "order", 0)
    True
    >>> derived_seed(1, "order", 0) == derived_seed(1, "order", 1)
    False
    """
    text = "\x1f".join(str(part) for part in (seed, *purpose))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1


def generator(seed: int, *purpose: object) -> np.random.Generator:
    """Give the generator of one purpose."""
    return np.random.default_rng(derived_seed(seed, *purpose))


@contextmanager
def quiet_torch(seed: int, threads: int) -> Iterator[None]:
    """Run torch with its own seed and number of threads, and leave both as they were found."""
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        with torch.random.fork_rng(devices=_devices()):
            torch.manual_seed(seed)
            yield
    finally:
        torch.set_num_threads(before)


def _devices() -> list[int]:
    return list(range(torch.cuda.device_count())) if torch.cuda.is_available() else []
