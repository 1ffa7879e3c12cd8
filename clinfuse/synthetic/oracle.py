"""The oracle reader: what was planted, measured with the true mask from the files that were written."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import final

import numpy as np
import pydicom

from clinfuse.cohort.cohort import Cohort
from clinfuse.io.eeg import read_eeg
from clinfuse.synthetic.ceiling import area, posterior_logit
from clinfuse.synthetic.embedding import rotation
from clinfuse.synthetic.latent import LABS, WEIGHT, Latents
from clinfuse.synthetic.render_ct import CONTRAST_HU, CONTRAST_STEP_HU, lesion_centre, lesion_profile
from clinfuse.synthetic.render_eeg import BAND_HZ, PLANTED_CHANNELS, PLANTED_STEP, PLANTED_UV, THETA_UV
from clinfuse.synthetic.render_labs import COLUMNS
from clinfuse.synthetic.render_xray import DISC_RADIUS_MM, GREY, GREY_STEP, axis_mm, disc_centre, disc_profile
from clinfuse.synthetic.settings import MODALITIES, SyntheticSettings

_TISSUE_HU = 45.0
_INSIDE = 0.9
_RING_MM = (7.0, 14.0)


@final
@dataclass(frozen=True, eq=False)
class OracleScores:
    """What the oracle reader says of some records.

    Parameters
    ----------
    settings : SyntheticSettings
    latents : Latents
        Of these records.
    present : ndarray of bool, (records, modalities)
    evidence : ndarray of float64, (records, modalities)
        Measured latents; of the labs the weighted sum of the measured cells. NaN where absent.
    """

    settings: SyntheticSettings
    latents: Latents
    present: np.ndarray
    evidence: np.ndarray

    def logit(self, names: Sequence[str] = MODALITIES) -> np.ndarray:
        """Score of the best combination of some modalities, float64 (records,): 0 where none of them is present."""
        return posterior_logit(self.latents, self.settings, names, self.present, np.nan_to_num(self.evidence))

    def auroc(self, names: Sequence[str] = MODALITIES) -> float:
        """AUROC of `logit` on these records; NaN with one class only."""
        return area(self.latents.labels, self.logit(names))


def read_evidence(
    settings: SyntheticSettings,
    cohort: Cohort,
    rows: np.ndarray,
    files: Mapping[str, Mapping[str, Sequence[str]]],
) -> np.ndarray:
    """Measure every present modality of a cohort's records.

    Parameters
    ----------
    settings : SyntheticSettings
    cohort : Cohort
    rows : ndarray of int64, (records,)
        Number of each record when it was made.
    files : mapping
        By record id and modality, paths relative to the cohort folder.

    Returns
    -------
    ndarray of float64, (records, modalities)
        NaN where absent.
    """
    evidence = np.full((len(cohort), len(MODALITIES)), np.nan)
    for column, name in enumerate(cohort.names):
        here = np.flatnonzero(cohort.present[:, column])
        place = MODALITIES.index(name)
        if settings.level == "embedding":
            evidence[here, place] = cohort.arrays(name)[here] @ rotation(settings, name)[:, 0]
        elif place == LABS:
            evidence[here, place] = _labs(cohort, name)[here]
        else:
            for record in here:
                paths = [cohort.folder / path for path in files[str(cohort.record_ids[record])][name]]
                evidence[record, place] = _MEASURES[name](settings, int(rows[record]), paths)
    return evidence


def measure_ct(settings: SyntheticSettings, row: int, files: Sequence[Path]) -> float:
    """Latent of a CT from the mean HU inside the lesion; its files slice by slice from the feet upwards."""
    slices = [pydicom.dcmread(file) for file in files]
    stored = np.stack([part.pixel_array.T for part in slices], axis=2)
    hu = stored * float(slices[0].RescaleSlope) + float(slices[0].RescaleIntercept)
    profile = lesion_profile(settings, lesion_centre(settings, row))
    inside = profile >= min(_INSIDE, 0.99 * float(profile.max()))
    contrast = (hu[inside].mean() - _TISSUE_HU) / profile[inside].mean()
    return float((contrast - CONTRAST_HU) / CONTRAST_STEP_HU)


def measure_xray(settings: SyntheticSettings, row: int, files: Sequence[Path]) -> float:
    """Latent of a chest film from the mean grey inside the opacity less the median of a ring around it."""
    grey = pydicom.dcmread(files[0]).pixel_array.astype(np.float64)
    centre = disc_centre(settings, row)
    axis = axis_mm(settings)
    distance = np.sqrt((axis[:, None] - centre[0]) ** 2 + (axis[None, :] - centre[1]) ** 2)
    profile = disc_profile(settings, centre)
    inside = profile >= _INSIDE
    ring = (distance > DISC_RADIUS_MM + _RING_MM[0]) & (distance < DISC_RADIUS_MM + _RING_MM[1])
    contrast = (grey[inside].mean() - np.median(grey[ring])) / profile[inside].mean()
    return float((contrast - GREY) / GREY_STEP)


def measure_eeg(settings: SyntheticSettings, row: int, files: Sequence[Path]) -> float:
    """Latent of an EEG from theta power at the planted electrodes over that at the others."""
    signal = read_eeg(files[0])
    power = np.square(np.abs(np.fft.rfft(signal.array.astype(np.float64), axis=1)))
    frequency = np.fft.rfftfreq(signal.array.shape[1], 1 / signal.rate_hz)
    band = power[:, (frequency >= BAND_HZ[0]) & (frequency <= BAND_HZ[1])].sum(axis=1)
    beside = power[:, (frequency >= 2) & (frequency <= 4)].sum(axis=1).mean()
    planted = np.array([name.removeprefix("EEG ") in PLANTED_CHANNELS for name in signal.channels])
    # What pink noise adds to the band, from the octave below it: a power law of exponent -1 is flat in log frequency.
    noise = beside * np.log(BAND_HZ[1] / BAND_HZ[0]) / np.log(2)
    others = max(band[~planted].mean() - noise, 1e-6)
    ratio = max((band[planted].mean() - noise) / others, 1e-3)
    return float(np.log(ratio * (THETA_UV / PLANTED_UV) ** 2) / (2 * PLANTED_STEP))


def _labs(cohort: Cohort, name: str) -> np.ndarray:
    values = cohort.arrays(name)
    names = [column.name.split(" ")[0] for column in cohort.modality(name).columns]
    total = np.zeros(len(values))
    for column in COLUMNS:
        if column.shows == "latent":
            measured = (values[:, names.index(column.name)] - column.centre) / column.spread
            total += WEIGHT * np.nan_to_num(measured)
    return total


_MEASURES = {"ct": measure_ct, "xray": measure_xray, "eeg": measure_eeg}
