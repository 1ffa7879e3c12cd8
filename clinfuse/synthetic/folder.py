"""A whole synthetic cohort as files on disk."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import final

import numpy as np

from clinfuse.errors import ConfigError
from clinfuse.synthetic.dicom_files import SeriesHeader, Visit, write_ct, write_xray
from clinfuse.synthetic.draws import generator
from clinfuse.synthetic.eeg_files import write_eeg
from clinfuse.synthetic.latent import Latents, draw_latents
from clinfuse.synthetic.layout import Layout, plan_layout
from clinfuse.synthetic.messy import write_messy_tables
from clinfuse.synthetic.render_ct import render_ct
from clinfuse.synthetic.render_eeg import render_eeg
from clinfuse.synthetic.render_labs import sex_of
from clinfuse.synthetic.render_xray import render_xray
from clinfuse.synthetic.settings import MODALITIES, SyntheticSettings
from clinfuse.synthetic.tidy import write_tidy_tables
from clinfuse.synthetic.truth import is_complete, read_identity, write_done, write_identity, write_truth

Progress = Callable[[int, int], None]
_OLD_EVERY = 6  # in a messy export every sixth record has an older examination, too early to count
_OLD_DAYS = 60


def _silent(done: int, records: int) -> None:
    """Show nothing."""


def write_cohort(folder: Path, settings: SyntheticSettings, *, progress: Progress = _silent) -> Path:
    """Write a synthetic cohort as real files; a folder that holds the same cohort already is left as it is.

    Parameters
    ----------
    folder : Path
        New, empty, or holding the same cohort, complete or not.
    settings : SyntheticSettings
        Of level ``"files"``.
    progress : callable, optional
        Called with records done and records in all.

    Returns
    -------
    Path
        `folder`: ``cohort.toml``, tables, DICOM and EDF files, and ``truth/``, which ``cohort.toml`` does not mention.

    Raises
    ------
    ConfigError
        ``SYNTHETIC_FOLDER`` where the folder holds something else; ``SYNTHETIC_LEVEL`` for arrays.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> from clinfuse.synthetic.settings import preset
    >>> with TemporaryDirectory() as place:
    ...     sorted(file.name for file in write_cohort(Path(place), preset("small", records=2)).iterdir())[:2]
    ['cohort.toml', 'ct']
    """
    if settings.level != "files":
        _refuse("SYNTHETIC_LEVEL", "settings of level 'files'", "level 'embedding'", "Use make_cohort.")
    folder = Path(folder)
    if is_complete(folder, settings):
        return folder
    if folder.exists() and any(folder.iterdir()) and read_identity(folder) != settings.identity:
        _refuse(
            "SYNTHETIC_FOLDER",
            "a new or empty folder, or one with the same synthetic cohort",
            "a folder with something else",
            "Name another folder.",
        )
    folder.mkdir(parents=True, exist_ok=True)
    write_identity(folder, settings)
    latents = draw_latents(settings)
    plan = _Plan(folder, settings, latents, plan_layout(settings, latents), sex_of(latents))
    for row in range(len(latents)):
        _write_record(plan, row)
        progress(row + 1, len(latents))
    (write_messy_tables if settings.messy else write_tidy_tables)(folder, settings, latents, plan.layout)
    _write_secret(folder, settings)
    write_truth(folder, latents, plan.layout, settings)
    write_done(folder)
    return folder


@final
@dataclass(frozen=True, eq=False)
class _Plan:
    folder: Path
    settings: SyntheticSettings
    latents: Latents
    layout: Layout
    sexes: np.ndarray

    def visit(self, row: int, modality: str, *, days_before: int = 0) -> Visit:
        time = self.layout.made(row, modality) - np.timedelta64(days_before, "D")
        study = f"{modality} {row} {days_before}"
        return Visit(str(self.layout.pacs_ids[row]), str(self.sexes[row]), time, study, self.settings.seed)


def _write_record(plan: _Plan, row: int) -> None:
    for position, modality in enumerate(MODALITIES[:3]):
        if plan.latents.present[row, position]:
            files = [plan.folder / path for path in plan.layout.paths[modality][row]]
            _make_folders(files)
            _write_one(plan, row, modality, files)
            if plan.layout.damaged[row, position]:
                _damage(files[len(files) // 2])
    if plan.settings.messy:
        _write_second_series(plan, row)
        if row % _OLD_EVERY == 0:
            _write_old(plan, row)


def _write_one(plan: _Plan, row: int, modality: str, files: list[Path]) -> None:
    settings, position = plan.settings, MODALITIES.index(modality)
    z, views = float(plan.latents.z[row, position]), plan.latents.views[row, position]
    visit = plan.visit(row, modality)
    if modality == "ct":
        write_ct(files, render_ct(settings, row, z, views), visit, settings, SeriesHeader())
    elif modality == "xray":
        write_xray(files[0], render_xray(settings, row, z, views), visit, settings)
    else:
        signal = render_eeg(settings, row, z, views)
        patient = str(plan.layout.eeg_ids[row])
        write_eeg(files[0], signal, rate_hz=settings.eeg_rate_hz, patient=patient, time=visit.time)


def _write_second_series(plan: _Plan, row: int) -> None:
    """Beside every CT a short series without contrast, in a folder of its own, that must not be taken for it."""
    if not plan.latents.present[row, 0]:
        return
    draw = generator(plan.settings.seed, "second series", row)
    place = plan.folder / Path(plan.layout.paths["ct"][row][0]).parent.parent / f"{draw.integers(16**8):08X}"
    files = [place / f"IM{number:05d}" for number in range(3)]
    _make_folders(files)
    noise = (40 * draw.standard_normal(plan.settings.ct_size)).astype(np.float32)
    write_ct(files, noise, plan.visit(row, "ct"), plan.settings, SeriesHeader(1, "Thorax nativ", ""))


def _write_old(plan: _Plan, row: int) -> None:
    """A film and an EEG made so long before the index time that they must not count."""
    settings = plan.settings
    visit = plan.visit(row, "xray", days_before=_OLD_DAYS)
    file = plan.folder / "RX_EXPORT" / "OLD" / f"{generator(settings.seed, 'old film', row).integers(16**8):08X}"
    _make_folders([file])
    write_xray(file, np.full((settings.xray_size, settings.xray_size), 500, dtype=np.float32), visit, settings)
    visit = plan.visit(row, "eeg", days_before=_OLD_DAYS)
    day = str(visit.time.astype("datetime64[D]")).replace("-", "")
    patient = str(plan.layout.eeg_ids[row])
    file = plan.folder / "EEG" / f"{patient}_{day}.edf"
    _make_folders([file])
    signal = render_eeg(settings, -1 - row, 0.0, np.zeros(plan.latents.views.shape[2]))
    write_eeg(file, signal, rate_hz=settings.eeg_rate_hz, patient=patient, time=visit.time)


def _make_folders(files: list[Path]) -> None:
    for parent in {file.parent for file in files}:
        parent.mkdir(parents=True, exist_ok=True)


def _damage(file: Path) -> None:
    """Cut a file as an interrupted transfer does: the header of a DICOM file stays, that of an EDF file does not."""
    whole = file.read_bytes()
    file.write_bytes(whole[: 128 if file.suffix == ".edf" else len(whole) * 3 // 4])


def _write_secret(folder: Path, settings: SyntheticSettings) -> None:
    """Nobody is hidden behind the keys of a synthetic cohort, so they may be the same wherever it is made."""
    private = folder / "private"
    private.mkdir(mode=0o700, exist_ok=True)
    secret = private / "secret"
    secret.touch(mode=0o600)
    digest = hashlib.sha256(f"clinfuse synthetic {settings.seed}".encode()).hexdigest()
    secret.write_text(digest + "\n", encoding="ascii", newline="\n")


def _refuse(code: str, rule: str, found: str, remedy: str) -> None:
    raise ConfigError(code, place="synthetic cohort", rule=rule, found=found, remedy=remedy)
