"""Make a cohort with a known answer and open it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from clinfuse.cohort.cohort import Cohort
from clinfuse.synthetic.embedding import embedding_cohort
from clinfuse.synthetic.folder import write_cohort
from clinfuse.synthetic.settings import preset


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
        alone; ``embedding``: arrays in which one direction per modality is informative, no files.
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
