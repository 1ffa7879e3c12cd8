"""Where the signal of a record was planted, in millimetres, channels or columns."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import numpy as np

from clinfuse.cohort.modality import Modality
from clinfuse.errors import ConfigError
from clinfuse.synthetic.render_ct import LESION_RADIUS_MM, distractor_centre, lesion_centre
from clinfuse.synthetic.render_eeg import BAND_HZ, PLANTED_CHANNELS
from clinfuse.synthetic.render_labs import INFORMATIVE
from clinfuse.synthetic.render_xray import DISC_RADIUS_MM, disc_centre
from clinfuse.synthetic.settings import MODALITIES, SyntheticSettings


@final
@dataclass(frozen=True)
class Planted:
    """Where the signal of one modality of one record is.

    Parameters
    ----------
    modality : {"ct", "xray", "eeg", "labs"}
    centre_mm : tuple of float
        ct: right, anterior, superior of the centre of the scan, which is the origin of its coordinates (RAS+);
        xray: down and to the right of the centre of the film as shown; else empty.
    radius_mm : float
        Of the lesion or opacity; else 0.
    channels : tuple of str
        eeg: electrodes.
    band_hz : tuple of float
        eeg: lowest and highest frequency; else (0, 0).
    columns : tuple of str
        labs: columns that carry the latent.
    """

    modality: str
    centre_mm: tuple[float, ...] = ()
    radius_mm: float = 0.0
    channels: tuple[str, ...] = ()
    band_hz: tuple[float, float] = (0.0, 0.0)
    columns: tuple[str, ...] = ()

    def mask(self, prepared: Modality) -> np.ndarray:
        """Where the signal is in a prepared input, whose grid lies around the centre of the scan or film.

        Parameters
        ----------
        prepared : Modality
            As the cohort declares it: shape, spacing, channels, columns.

        Returns
        -------
        ndarray of bool, ``prepared.shape``
        """
        mask = np.zeros(prepared.shape, dtype=bool)
        if self.channels:
            mask[:, [name in self.channels for name in prepared.channels]] = True
        elif self.columns:
            # An aggregated column is called by the declared name and what was taken of it, e.g. "crp last".
            mask[[column.name.split(" ")[0] in self.columns for column in prepared.columns]] = True
        else:
            squared = np.zeros((1,) * len(self.centre_mm))
            sizes = prepared.shape[1:]
            for axis, (centre, size, step) in enumerate(zip(self.centre_mm, sizes, prepared.spacing_mm, strict=True)):
                place = (np.arange(size) + 0.5 - size / 2) * step - centre
                squared = squared + np.square(np.expand_dims(place, [k for k in range(len(sizes)) if k != axis]))
            mask[0] = squared <= self.radius_mm**2
        return mask


def planted(settings: SyntheticSettings, row: int, modality: str) -> Planted:
    """Where the signal of a record was planted.

    Parameters
    ----------
    settings : SyntheticSettings
    row : int
        Number of the record, from 0.
    modality : {"ct", "xray", "eeg", "labs"}

    Returns
    -------
    Planted

    Raises
    ------
    ConfigError
        ``SYNTHETIC_MODALITY``.

    Examples
    --------
    >>> planted(SyntheticSettings(), 0, "labs").columns
    ('crp', 'lactate', 'd_dimer')
    """
    if modality == "ct":
        left, posterior, superior = lesion_centre(settings, row)
        return Planted("ct", (-left, -posterior, superior), LESION_RADIUS_MM)
    if modality == "xray":
        return Planted("xray", disc_centre(settings, row), DISC_RADIUS_MM)
    if modality == "eeg":
        return Planted("eeg", channels=PLANTED_CHANNELS, band_hz=BAND_HZ)
    if modality == "labs":
        return Planted("labs", columns=INFORMATIVE)
    raise ConfigError(
        "SYNTHETIC_MODALITY",
        place="planted",
        rule=f"a modality out of {', '.join(MODALITIES)}",
        found="another name",
        remedy="Use one of these.",
    )


def distractor(settings: SyntheticSettings, row: int) -> Planted:
    """Where the CT of a record shows a lesion that says nothing of the label, if the cohort has such lesions.

    Parameters
    ----------
    settings : SyntheticSettings
    row : int
        Number of the record, from 0.

    Returns
    -------
    Planted

    Examples
    --------
    >>> distractor(SyntheticSettings(distractor=True), 0).radius_mm
    26.0
    """
    left, posterior, superior = distractor_centre(settings, row)
    return Planted("ct", (-left, -posterior, superior), LESION_RADIUS_MM)
