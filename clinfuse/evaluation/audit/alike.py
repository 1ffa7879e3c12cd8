"""Images that are one picture under two patients, although not every voxel is the same."""

from __future__ import annotations

import numpy as np

from clinfuse.cohort.cohort import Cohort

KINDS = ("ct", "mr", "xray")
SAME = 0.9999
_CELLS = {2: 8, 3: 4}
_BANDS = 4
_COMPARED = 8
_FEWEST = 64


def alike(cohort: Cohort, name: str) -> set[tuple[str, str]]:
    """Pairs of patients of whom the middle of an image is the same, whatever its borders and its grey scale.

    The middle half along every axis is compared, so that a mask round the image, a label in a corner or another window
    hides nothing. It is averaged over a coarse grid, and the signs of the differences between neighbouring cells, which
    no change of brightness or contrast touches, are looked up in four parts; only images that share a part are held
    against each other, at most eight for each, and are the same where their correlation is at least 0.9999. The time
    it takes grows with the number of images, not of pairs.

    Parameters
    ----------
    cohort : Cohort
    name : str
        Of a modality of kind ct, mr or xray.

    Returns
    -------
    set of (str, str)
        Patient keys, in order. Images that are the same in every voxel are not among them.

    Examples
    --------
    >>> images = np.random.default_rng(0).random((4, 1, 32, 32))
    >>> images[3, 0, 4:28, 4:28] = 0.5 * images[1, 0, 4:28, 4:28]
    >>> cohort = Cohort.from_arrays({"film": images}, labels=[0, 1, 0, 1], kinds={"film": "xray"})
    >>> len(alike(cohort, "film"))
    1
    """
    values, keys = cohort.arrays(name), cohort.patient_keys
    known: dict[tuple[int, bytes], list[int]] = {}
    pairs: set[tuple[str, str]] = set()
    for row in np.flatnonzero(np.asarray(cohort.present)[:, cohort.names.index(name)]).tolist():
        middle = _middle(values[row])
        parts = _parts(middle)
        others = {other for part in parts for other in known.get(part, []) if keys[other] != keys[row]}
        for other in sorted(others):
            if _same(middle, _middle(values[other])) and not np.array_equal(values[row], values[other]):
                one, two = sorted((str(keys[row]), str(keys[other])))
                pairs.add((one, two))
        for part in parts:
            beside = known.setdefault(part, [])
            if len(beside) < _COMPARED:
                beside.append(row)
    return pairs


def _middle(image: np.ndarray) -> np.ndarray:
    """The middle half of the first channel along every axis, float64."""
    inner = tuple(slice(size // 4, size - size // 4) for size in image.shape[1:])
    result: np.ndarray = np.asarray(image[0][inner], dtype=np.float64)
    return result


def _parts(middle: np.ndarray) -> list[tuple[int, bytes]]:
    """What an image is looked up by; nothing where it says too little to be anybody's own."""
    cells = middle
    for axis, size in enumerate(middle.shape):
        number = min(_CELLS[middle.ndim], size)
        edges = np.arange(number) * size // number
        cells = np.add.reduceat(cells, edges, axis=axis) / np.diff(np.append(edges, size)).reshape(
            [-1 if other == axis else 1 for other in range(middle.ndim)]
        )
    if middle.size < _FEWEST or len(np.unique(cells)) < cells.size // 2 or not np.isfinite(cells).all():
        return []
    signs = np.concatenate([(np.diff(cells, axis=axis) > 0).ravel() for axis in range(cells.ndim)])
    return [(band, np.packbits(signs[band::_BANDS]).tobytes()) for band in range(_BANDS)]


def _same(one: np.ndarray, other: np.ndarray) -> bool:
    ours, theirs = one.ravel() - one.mean(), other.ravel() - other.mean()
    return bool(ours @ theirs >= SAME * np.sqrt((ours @ ours) * (theirs @ theirs)))
