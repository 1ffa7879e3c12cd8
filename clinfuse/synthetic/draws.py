"""Random draws that depend on what they are for and on the record they are of, never on how many records there are."""

from __future__ import annotations

import hashlib

import numpy as np

BLOCK = 1024


def generator(seed: int, *purpose: str | int) -> np.random.Generator:
    """Give the generator of one purpose, e.g. ``generator(0, "ct", 17)`` for the voxels of record 17.

    Parameters
    ----------
    seed : int
        Of the cohort.
    *purpose : str or int
        What is drawn; other parts give other, independent numbers.

    Returns
    -------
    numpy.random.Generator

    Examples
    --------
    >>> generator(0, "ct", 17).random() == generator(0, "ct", 17).random()
    True
    """
    parts = "\x1f".join(str(part) for part in (seed, *purpose))
    return np.random.Generator(np.random.PCG64(int.from_bytes(hashlib.sha256(parts.encode()).digest()[:16], "big")))


def normals(seed: int, purpose: str, count: int, *shape: int) -> np.ndarray:
    """Draw standard normal numbers, one row per record; row i is the same for every ``count`` above i.

    Parameters
    ----------
    seed : int
    purpose : str
    count : int
        Number of rows.
    *shape : int
        Shape of one row.

    Returns
    -------
    ndarray of float64, (count, *shape)
    """
    return _rows(seed, purpose, count, shape, uniform=False)


def uniforms(seed: int, purpose: str, count: int, *shape: int) -> np.ndarray:
    """Draw numbers uniform in [0, 1), one row per record; row i is the same for every ``count`` above i.

    Parameters
    ----------
    seed : int
    purpose : str
    count : int
        Number of rows.
    *shape : int
        Shape of one row.

    Returns
    -------
    ndarray of float64, (count, *shape)
    """
    return _rows(seed, purpose, count, shape, uniform=True)


def _rows(seed: int, purpose: str, count: int, shape: tuple[int, ...], *, uniform: bool) -> np.ndarray:
    blocks = []
    for block in range(-(-count // BLOCK)):
        source = generator(seed, purpose, "block", block)
        blocks.append(source.random((BLOCK, *shape)) if uniform else source.standard_normal((BLOCK, *shape)))
    return np.concatenate(blocks)[:count] if blocks else np.empty((0, *shape))
