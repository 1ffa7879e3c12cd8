"""The cohort with a known answer as arrays: one informative direction per modality, turned so that no column shows it.

The direction belongs to the world, which is the seed: records 1 to n are one cohort of it, any later ones are fresh
records of the same world.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import final

import numpy as np

from clinfuse.cohort.cohort import Cohort
from clinfuse.synthetic.ceiling import posterior_logit
from clinfuse.synthetic.draws import generator, normals
from clinfuse.synthetic.latent import Latents, draw_latents
from clinfuse.synthetic.settings import FACTORS, MODALITIES, SyntheticSettings
from clinfuse.synthetic.tidy import LABELS


def rotation(settings: SyntheticSettings, name: str) -> np.ndarray:
    """Give the rotation of one modality's columns, float64 (width, width); its first column is where the signal lies.

    Parameters
    ----------
    settings : SyntheticSettings
        Only seed and width count.
    name : {"ct", "xray", "eeg", "labs"}

    Returns
    -------
    ndarray of float64, (width, width)
        Orthogonal, uniform over all rotations and reflections.

    References
    ----------
    Mezzadri F. How to generate random matrices from the classical compact groups. Notices AMS 2007;54:592-604.

    Examples
    --------
    >>> turn = rotation(SyntheticSettings(records=10, level="embedding", width=3), "ct")
    >>> np.allclose(turn @ turn.T, np.eye(3))
    True
    """
    drawn = generator(settings.seed, "rotation", name, settings.width).standard_normal((settings.width,) * 2)
    q, r = np.linalg.qr(drawn)
    return np.asarray(q * np.where(np.diag(r) < 0, -1.0, 1.0))


def embedding_cohort(settings: SyntheticSettings) -> Cohort:
    """Make a cohort of arrays: per modality the latent, views of the shared factors, and noise, turned together.

    Parameters
    ----------
    settings : SyntheticSettings
        Of level ``"embedding"``. Before the rotation column 0 is the latent (the evidence of the measured cells for
        labs), columns 1 to 4 show the shared factors unless these are turned off, everything else is standard normal
        noise.

    Returns
    -------
    Cohort
        Modalities of kind ``ehr``, ``settings.width`` columns each.
    """
    return _as_cohort(settings, draw_latents(settings), np.arange(settings.records))


@final
@dataclass(frozen=True, eq=False)
class EmbeddingWorld:
    """A training cohort, fresh records of the same world, and what the best reader would say of these.

    Parameters
    ----------
    settings : SyntheticSettings
        Of the training records.
    training : Cohort
    fresh : Cohort
        None of its patients is in ``training``.
    latents : Latents
        Of the fresh records.
    """

    settings: SyntheticSettings
    training: Cohort
    fresh: Cohort
    latents: Latents

    def posterior(self, names: Sequence[str], present: np.ndarray | None = None) -> np.ndarray:
        """Give the true log-likelihood ratio of the fresh records, absences included where these tell something.

        Parameters
        ----------
        names : sequence of str
            Modalities that may be read.
        present : ndarray of bool, (records, modalities), optional
            Columns in the order of ``fresh.names``; as the records are by default.

        Returns
        -------
        ndarray of float64, (records,)
            0 where nothing is known. Add the log odds of the prevalence for the posterior's logit.
        """
        readable = np.zeros((len(self.fresh), len(MODALITIES)), dtype=bool)
        given = self.fresh.present if present is None else present & self.fresh.present
        readable[:, [MODALITIES.index(name) for name in self.fresh.names]] = given
        chosen = [name for name in names if name in self.fresh.names]
        return posterior_logit(self.latents, self.settings, chosen, readable)


def embedding_world(
    settings: SyntheticSettings, *, fresh: int, names: Sequence[str] = MODALITIES, fresh_complete: bool = True
) -> EmbeddingWorld:
    """Make a training cohort and fresh records of the same world.

    Parameters
    ----------
    settings : SyntheticSettings
        Of level ``"embedding"``; ``records`` counts the training records.
    fresh : int
        Fresh records, at least 1.
    names : sequence of str
        Modalities that both have.
    fresh_complete : bool
        Whether every fresh record has every modality; otherwise they lack as many as the training records.

    Returns
    -------
    EmbeddingWorld
        Training records are those of `embedding_cohort`, bit for bit.

    Examples
    --------
    >>> world = embedding_world(SyntheticSettings(records=20, level="embedding", width=3), fresh=30)
    >>> world.training.shape, world.fresh.shape, world.posterior(["ct"]).shape
    ((20, 4), (30, 4), (30,))
    """
    others = tuple(name for name in MODALITIES if name not in names)
    # A few more, since a second record of the last training patient is not a fresh one.
    made = replace(settings, records=settings.records + fresh + 1)
    rates = (0.0, 0.0, 0.0, 0.0) if fresh_complete else made.missing_rates
    drawn = draw_latents(replace(made, missing_rates=rates))
    last = drawn.patient[settings.records - 1]
    rows = np.flatnonzero(drawn.patient > last)[:fresh]
    known = np.arange(settings.records)
    return EmbeddingWorld(
        settings=settings,
        training=_as_cohort(made, draw_latents(made), known).without(*others),
        fresh=_as_cohort(made, drawn, rows).without(*others),
        latents=drawn.take(rows),
    )


def _as_cohort(settings: SyntheticSettings, latents: Latents, rows: np.ndarray) -> Cohort:
    present = latents.present[rows]
    arrays = {
        name: np.where(present[:, [m]], _embedding(settings, latents, m)[rows], np.nan)
        for m, name in enumerate(MODALITIES)
    }
    return Cohort.from_arrays(
        arrays,
        present=present,
        labels=latents.labels[rows],
        record_ids=latents.record_ids[rows].tolist(),
        patient_ids=latents.patient_ids[rows].tolist(),
        kinds=dict.fromkeys(MODALITIES, "ehr"),
        classes=LABELS,
        sites=[f"site {chr(ord('A') + number)}" for number in latents.sites[rows]],
    )


def _embedding(settings: SyntheticSettings, latents: Latents, m: int) -> np.ndarray:
    dims = normals(settings.seed, f"embedding {MODALITIES[m]} {settings.width}", len(latents), settings.width)
    dims[:, 0] = latents.evidence[:, m]
    if settings.factor_strength > 0:
        count = min(len(FACTORS), settings.width - 1)
        dims[:, 1 : 1 + count] = latents.views[:, m, :count]
    # einsum adds in one order whatever the number of rows, so that a record is the same in any cohort of its world.
    return np.einsum("nk,jk->nj", dims, rotation(settings, MODALITIES[m]))
