"""The hidden truth of a synthetic cohort: who has the finding, and how strongly each modality shows it."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import final

import numpy as np
from scipy.special import expit, logit

from clinfuse.synthetic.draws import normals, uniforms
from clinfuse.synthetic.settings import FACTORS, INFORMATIVE_COLUMNS, MODALITIES, SyntheticSettings

TWO_VISITS = 1 / 7  # 240 records are then those of about 210 patients
LABS = MODALITIES.index("labs")
WEIGHT = 1 / np.sqrt(INFORMATIVE_COLUMNS)
_REDRAWS = 64


@final
@dataclass(frozen=True, eq=False)
class Latents:
    """What was drawn for every record before anything was rendered.

    Parameters
    ----------
    record_ids, patient_ids : ndarray of str, (records,)
    patient : ndarray of int64, (records,)
        Number of the patient, from 0.
    visit : ndarray of int64, (records,)
        0 for the first record of a patient, 1 for the second.
    labels : ndarray of int64, (records,)
        0 or 1, the same for both records of a patient.
    z : ndarray of float64, (records, modalities)
        Latent of each modality, site shift included.
    columns : ndarray of float64, (records, 3)
        Standardised informative laboratory values x with w'x = z and w = (1, 1, 1) / sqrt(3).
    cells : ndarray of bool, (records, 3)
        Whether the informative value was measured.
    present : ndarray of bool, (records, modalities)
    sites : ndarray of int64, (records,)
    views : ndarray of float64, (records, modalities, factors)
        What each modality shows of the shared factors, standard normal.
    """

    record_ids: np.ndarray
    patient_ids: np.ndarray
    patient: np.ndarray
    visit: np.ndarray
    labels: np.ndarray
    z: np.ndarray
    columns: np.ndarray
    cells: np.ndarray
    present: np.ndarray
    sites: np.ndarray
    views: np.ndarray

    def __len__(self) -> int:
        return len(self.record_ids)

    def take(self, rows: np.ndarray) -> Latents:
        """Give the same for some records only, in the order of ``rows`` (positions, int)."""
        return Latents(**{field.name: getattr(self, field.name)[rows] for field in fields(self)})

    @property
    def evidence(self) -> np.ndarray:
        """What is seen of each latent, (records, modalities): z, for labs the weighted sum of the cells measured."""
        seen = self.z.copy()
        seen[:, LABS] = (self.columns * self.cells).sum(axis=1) * WEIGHT
        return seen

    @property
    def share(self) -> np.ndarray:
        """Share of each modality's squared separation that is seen, (records, modalities); below 1 only for labs."""
        share = np.ones_like(self.z)
        share[:, LABS] = self.cells.mean(axis=1)
        return share


def draw_latents(settings: SyntheticSettings) -> Latents:
    """Draw the hidden truth of a cohort.

    Record i is the same whatever the number of records. A patient has two records with probability 1/7; both share
    label, site and factors, and have latents of their own.

    Parameters
    ----------
    settings : SyntheticSettings

    Returns
    -------
    Latents
        One row per record, in the order of the records table.
    """
    n, seed = settings.records, settings.seed
    patient, visit = _visits(seed, n)
    people = int(patient[-1]) + 1
    labels = (uniforms(seed, "label", people)[patient] < settings.prevalence).astype(np.int64)
    sites = (uniforms(seed, "site", people)[patient] * settings.sites).astype(np.int64)
    z = _signs(settings, labels) * np.asarray(settings.separations) / 2 + normals(seed, "latent", n, len(MODALITIES))
    z += settings.site_shift * sites[:, None]
    own = normals(seed, "labs columns", n, INFORMATIVE_COLUMNS)
    columns = z[:, [LABS]] * WEIGHT + own - own.sum(axis=1, keepdims=True) * WEIGHT**2
    cells = uniforms(seed, "labs cells", n, INFORMATIVE_COLUMNS) >= settings.empty_cells
    seen = (columns * cells).sum(axis=1) * WEIGHT
    return Latents(
        record_ids=np.array([f"R{number:04d}" for number in range(1, n + 1)]),
        patient_ids=np.array([f"P{number + 1:04d}" for number in patient]),
        patient=patient,
        visit=visit,
        labels=labels,
        z=z,
        columns=columns,
        cells=cells,
        present=_present(settings, labels, seen),
        sites=sites,
        views=_views(settings, patient, people),
    )


def absence_log_odds(settings: SyntheticSettings, labels: np.ndarray, seen: np.ndarray) -> np.ndarray:
    """Log odds that a modality is absent, before patterns with nothing present are redrawn.

    Parameters
    ----------
    settings : SyntheticSettings
    labels : ndarray of int or float, (n,)
        0 or 1; only read under MNAR.
    seen : ndarray of float64, (n,)
        Evidence of the labs; only read under MAR.

    Returns
    -------
    ndarray of float64, (n, modalities)
        -inf where a modality is never absent.
    """
    with np.errstate(divide="ignore"):
        base = np.broadcast_to(logit(np.asarray(settings.missing)), (len(labels), len(MODALITIES)))
    if settings.mechanism == "MAR":
        return base - settings.mechanism_strength * np.asarray(seen)[:, None]
    if settings.mechanism == "MNAR":
        return base - settings.mechanism_strength * (np.asarray(labels)[:, None] - 0.5)
    return base


def _visits(seed: int, n: int) -> tuple[np.ndarray, np.ndarray]:
    visits = 1 + (uniforms(seed, "visits", n) < TWO_VISITS).astype(np.int64)
    patient = np.repeat(np.arange(n), visits)[:n]
    first = np.concatenate([[True], patient[1:] != patient[:-1]])
    return patient, np.where(first, 0, 1)


def _signs(settings: SyntheticSettings, labels: np.ndarray) -> np.ndarray:
    signs = np.repeat(2.0 * labels[:, None] - 1, len(MODALITIES), axis=1)
    if settings.xor:
        ct = np.where(uniforms(settings.seed, "xor", len(labels)) < 0.5, -1.0, 1.0)
        signs[:, 0], signs[:, LABS] = ct, np.where(labels == 1, -ct, ct)
    return signs


def _present(settings: SyntheticSettings, labels: np.ndarray, seen: np.ndarray) -> np.ndarray:
    absent = expit(absence_log_odds(settings, labels, seen))
    present = np.zeros(absent.shape, dtype=bool)
    for attempt in range(_REDRAWS):
        nothing = ~present.any(axis=1)
        if not nothing.any():
            break
        drawn = uniforms(settings.seed, f"present {attempt}", len(labels), len(MODALITIES)) >= absent
        present[nothing] = drawn[nothing]
    present[~present.any(axis=1), LABS] = True
    return present


def _views(settings: SyntheticSettings, patient: np.ndarray, people: int) -> np.ndarray:
    shared = normals(settings.seed, "factors", people, len(FACTORS))[patient]
    own = normals(settings.seed, "views", len(patient), len(MODALITIES), len(FACTORS))
    weight = settings.factor_correlation if settings.factor_strength > 0 else 0.0
    return np.sqrt(weight) * shared[:, None, :] + np.sqrt(1 - weight) * own
