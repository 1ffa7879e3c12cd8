"""Make a cohort with a known answer and open it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from clinfuse.cohort.cohort import Cohort
from clinfuse.synthetic.draws import normals
from clinfuse.synthetic.folder import write_cohort
from clinfuse.synthetic.latent import Latents, draw_latents
from clinfuse.synthetic.settings import FACTORS, MODALITIES, SyntheticSettings, preset
from clinfuse.synthetic.tidy import LABELS


def make_cohort(
    name: str = "demo",
    *,
    records: int | None = None,
    seed: int = 0,
    out: str | Path | None = None,
    progress: bool = False,
    **options: Any,
) -> Cohort:
    """Make a synthetic cohort whose best possible AUROC is known, and open it.

    Parameters
    ----------
    name : {"demo", "small", "nothing-to-gain", "xor", "embedding"}
        ``demo``: 240 records of CT, chest film, EEG and laboratory values as DICOM, EDF and CSV files; ``small``: the
        same in miniature; ``nothing-to-gain``: nothing outside the laboratory values; ``xor``: nothing in any modality
        alone; ``embedding``: arrays of the latents among noise, no files.
    records : int, optional
        Records that are used, by default those of `name`. What a record is does not depend on it.
    seed : int
        The same seed and options give the same bytes.
    out : path, optional
        Folder to write to, by default ``cohorts/<name>-<hash>`` in the current folder. A folder that holds the same
        cohort is used again.
    progress : bool
        Whether to show how far preparing the cohort is.
    **options
        Fields of `clinfuse.synthetic.settings.SyntheticSettings`, for example ``messy=True``,
        ``separations={"ct": 0.0}``, ``missing_rate=0.3``, ``mechanism="MNAR"``, ``level="embedding"``.

    Returns
    -------
    Cohort

    Raises
    ------
    ConfigError
        ``SYNTHETIC_NAME``, ``SYNTHETIC_OPTION``, ``SYNTHETIC_SETTING``, ``SYNTHETIC_FOLDER``.

    Examples
    --------
    >>> make_cohort("embedding", records=50).shape
    (50, 4)
    """
    chosen = {} if records is None else {"records": records}
    settings = preset(name, seed=seed, **chosen, **options)
    if settings.level == "embedding":
        return embedding_cohort(settings)
    folder = Path("cohorts") / f"{name}-{settings.identity}" if out is None else Path(out)
    return Cohort.from_folder(write_cohort(folder, settings), progress=progress)


def embedding_cohort(settings: SyntheticSettings) -> Cohort:
    """Make a cohort of arrays: per modality the latent, views of the shared factors, and noise.

    Parameters
    ----------
    settings : SyntheticSettings
        Of level ``"embedding"``. Column 0 is the latent (the evidence of the measured cells for labs), columns 1 to 4
        show the shared factors unless these are turned off, everything else is standard normal noise.

    Returns
    -------
    Cohort
        Modalities of kind ``ehr``, ``settings.width`` columns each.
    """
    latents = draw_latents(settings)
    arrays = {
        name: np.where(latents.present[:, [m]], _embedding(settings, latents, m), np.nan)
        for m, name in enumerate(MODALITIES)
    }
    return Cohort.from_arrays(
        arrays,
        present=latents.present,
        labels=latents.labels,
        record_ids=latents.record_ids.tolist(),
        patient_ids=latents.patient_ids.tolist(),
        kinds=dict.fromkeys(MODALITIES, "ehr"),
        classes=LABELS,
        sites=[f"site {chr(ord('A') + number)}" for number in latents.sites],
    )


def _embedding(settings: SyntheticSettings, latents: Latents, m: int) -> np.ndarray:
    dims = normals(settings.seed, f"embedding {MODALITIES[m]} {settings.width}", len(latents), settings.width)
    dims[:, 0] = latents.evidence[:, m]
    if settings.factor_strength > 0:
        count = min(len(FACTORS), settings.width - 1)
        dims[:, 1 : 1 + count] = latents.views[:, m, :count]
    return dims
