"""Whether two modalities belong to one record: what the best possible reader of an embedding cohort would say."""

from __future__ import annotations

import numpy as np
from scipy.special import logit

from clinfuse.synthetic.embedding import EmbeddingWorld
from clinfuse.synthetic.render_labs import age_of, sex_of
from clinfuse.synthetic.settings import FACTORS, MODALITIES


def same_record_log_ratio(world: EmbeddingWorld, first: str, second: str) -> np.ndarray:
    """Give the log-likelihood ratio of one record against two patients, for every pair of fresh records.

    The views two modalities have of a shared factor are standard normal and correlated; beside these, both depend on
    the finding and on nothing else they have in common.

    Parameters
    ----------
    world : EmbeddingWorld
        Without site shift and XOR.
    first, second : str
        Modalities.

    Returns
    -------
    ndarray of float64, (records, records)
        Row: the record of the first modality; column: that of the second. Zeros where nothing is shared.

    Examples
    --------
    >>> from clinfuse.synthetic.embedding import embedding_world
    >>> from clinfuse.synthetic.settings import SyntheticSettings
    >>> world = embedding_world(SyntheticSettings(records=10, level="embedding", width=5), fresh=20)
    >>> same_record_log_ratio(world, "ct", "labs").shape
    (20, 20)
    """
    settings, latents = world.settings, world.latents
    seen = min(len(FACTORS), settings.width - 1) if settings.factor_strength > 0 else 0
    correlation = settings.factor_correlation
    a, b = (latents.views[:, MODALITIES.index(name), :seen] for name in (first, second))
    squares = (a**2).sum(1)[:, None] + (b**2).sum(1)[None]
    left = 1 - correlation**2
    views = -0.5 * seen * np.log(left) - (correlation**2 * squares - 2 * correlation * (a @ b.T)) / (2 * left)
    odds = logit(settings.prevalence)
    one, other = (world.posterior([name]) for name in (first, second))
    finding = np.logaddexp(one[:, None] + other[None] + odds, 0.0) + np.logaddexp(odds, 0.0)
    finding -= np.logaddexp(one + odds, 0.0)[:, None] + np.logaddexp(other + odds, 0.0)[None]
    return np.asarray(views + finding)


def alike(world: EmbeddingWorld) -> np.ndarray:
    """Give age band (of ten years) and sex of every fresh record as one text, (records,)."""
    ages, sexes = age_of(world.latents), sex_of(world.latents)
    return np.array([f"{age // 10} {sex}" for age, sex in zip(ages, sexes, strict=True)])
