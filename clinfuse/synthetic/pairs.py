"""Do two inputs come from one patient? What the best reader of the synthetic cohort would say."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.special import logsumexp, ndtr

from clinfuse.synthetic.draws import normals
from clinfuse.synthetic.latent import Latents
from clinfuse.synthetic.settings import FACTORS, MODALITIES, SyntheticSettings

BANDS: dict[str, tuple[float, ...]] = {"age": (-0.8416, -0.2533, 0.2533, 0.8416), "build": (0.0,)}


def factors(settings: SyntheticSettings, latents: Latents) -> np.ndarray:
    """Give the shared factors of every record's patient, standard normal, float64 (records, factors)."""
    people = int(latents.patient.max()) + 1
    return normals(settings.seed, "factors", people, len(FACTORS))[latents.patient]


def bands(settings: SyntheticSettings, latents: Latents) -> np.ndarray:
    """Give every record the number of its band of age (fifths) and build (halves, as sex would show), int64."""
    shared = factors(settings, latents)
    number = np.zeros(len(latents), dtype=np.int64)
    for name, edges in BANDS.items():
        column = shared[:, FACTORS.index(name)]
        number = number * (len(edges) + 1) + np.searchsorted(edges, column)
    return number


def pair_evidence(
    settings: SyntheticSettings,
    latents: Latents,
    names: tuple[str, str],
    rows: tuple[np.ndarray, np.ndarray],
    *,
    alike: Sequence[str] = (),
) -> np.ndarray:
    """Give the log-likelihood ratio of one patient against two, natural logarithm, shape as ``rows`` broadcast.

    Parameters
    ----------
    settings : SyntheticSettings
        Without XOR and site shift: given the label, the latents of two modalities then tell nothing of each other.
    latents : Latents
    names : tuple of str
        The two modalities.
    rows : tuple of ndarray of int64
        Records that each of the two comes from; they broadcast, so that ``(rows[:, None], rows[None])`` compares all.
    alike : sequence of {"age", "build"}
        What the other patient is known to be in the same band of.

    Returns
    -------
    ndarray of float64
        No reader ranks pairs better (Neyman and Pearson 1933, doi:10.1098/rsta.1933.0009).
    """
    m = [MODALITIES.index(name) for name in names]
    first, second = latents.views[rows[0], m[0]], latents.views[rows[1], m[1]]
    total = _through_the_label(settings, latents, m, rows)
    if settings.factor_strength == 0:
        return total
    shared = settings.factor_correlation
    product, squares = first * second, first**2 + second**2
    each = (2 * shared * product - shared**2 * squares) / (2 * (1 - shared**2)) - np.log(1 - shared**2) / 2
    for name in alike:
        column = FACTORS.index(name)
        each[..., column] -= _same_band(first[..., column], second[..., column], BANDS[name], shared)
    return np.asarray(total + each.sum(-1))


def _through_the_label(
    settings: SyntheticSettings, latents: Latents, m: list[int], rows: tuple[np.ndarray, np.ndarray]
) -> np.ndarray:
    """Both show the same label, whatever it is."""
    prevalence = np.log([1 - settings.prevalence, settings.prevalence])
    parts = []
    for k, which in zip(m, rows, strict=True):
        z = latents.evidence[which, k]
        half = settings.separations[k] / 2
        parts.append(np.stack([-((z + half) ** 2) / 2, -((z - half) ** 2) / 2], axis=-1))
    together = logsumexp(parts[0] + parts[1] + prevalence, axis=-1)
    alone = [logsumexp(part + prevalence, axis=-1) for part in parts]
    return np.asarray(together - alone[0] - alone[1])


def _same_band(first: np.ndarray, second: np.ndarray, edges: tuple[float, ...], shared: float) -> np.ndarray:
    """Log of how much more often two views occur together in different patients of one band than in any two."""
    limits = np.array([-np.inf, *edges, np.inf])
    within = []
    for view in (first, second):
        # The factor given its view is normal around sqrt(shared) * view with variance 1 - shared.
        cut = ndtr((limits - np.sqrt(shared) * view[..., None]) / np.sqrt(1 - shared))
        within.append(np.diff(cut, axis=-1))
    return np.asarray(np.log((within[0] * within[1] / np.diff(ndtr(limits))).sum(-1)))
