"""Where every file of a cohort lies and when it was made, tidy or as a hospital exports it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import numpy as np

from clinfuse.synthetic.draws import generator, uniforms
from clinfuse.synthetic.latent import Latents
from clinfuse.synthetic.settings import MODALITIES, SyntheticSettings

FIRST_DAY = np.datetime64("2020-03-02T08:00:00", "s")
_DAY, _HOUR, _MINUTE = 86400, 3600, 60
MADE_BEFORE_S = {"ct": 20 * _HOUR, "xray": 2 * _HOUR, "eeg": 3 * _DAY, "labs": 6 * _HOUR}


@final
@dataclass(frozen=True, eq=False)
class Layout:
    """Names and times of everything that is written.

    Parameters
    ----------
    record_ids, patient_ids, pacs_ids, eeg_ids : ndarray of str, (records,)
        The same patient under three names; the same text where the export is tidy.
    times : ndarray of datetime64[s], (records,)
        Index times.
    paths : dict of str to tuple of tuple of str
        For ct, xray and eeg, the files of each record relative to the cohort folder, a CT slice by slice from the feet
        upwards; named also where the modality is absent, but then not written.
    damaged : ndarray of bool, (records, modalities)
        Whether the files of a present image or EEG cannot be read.
    """

    record_ids: np.ndarray
    patient_ids: np.ndarray
    pacs_ids: np.ndarray
    eeg_ids: np.ndarray
    times: np.ndarray
    paths: dict[str, tuple[tuple[str, ...], ...]]
    damaged: np.ndarray

    def made(self, row: int, modality: str) -> np.datetime64:
        """When an examination was made, always before the index time; datetime64[s]."""
        moment: np.datetime64 = self.times[row] - np.timedelta64(MADE_BEFORE_S[modality], "s")
        return moment


def plan_layout(settings: SyntheticSettings, latents: Latents) -> Layout:
    """Name every file of a cohort.

    Parameters
    ----------
    settings : SyntheticSettings
    latents : Latents

    Returns
    -------
    Layout
        Names and times depend on the seed and the number of a record or patient only.
    """
    slices = settings.ct_size[2]
    rows = range(len(latents))
    times, damaged = _times(settings, latents), _damaged(settings, latents)
    if not settings.messy:
        ids = latents.record_ids
        paths = {
            "ct": tuple(tuple(f"ct/{name}/{k + 1:03d}.dcm" for k in range(slices)) for name in ids),
            "xray": tuple((f"xray/{name}.dcm",) for name in ids),
            "eeg": tuple((f"eeg/{name}.edf",) for name in ids),
        }
        people = latents.patient_ids
        return Layout(ids, people, people, people, times, paths, damaged)
    numbers = 4711 + 37 * latents.patient
    pacs = np.array([f"X{_code(settings, 'pacs', int(p), 8)}" for p in latents.patient])
    eeg = np.array([f"E{40000 + 13 * int(p)}" for p in latents.patient])
    paths = {
        "ct": tuple(_ct_paths(settings, row, slices) for row in rows),
        "xray": tuple(
            (f"RX_EXPORT/{_code(settings, 'film', row, 2)}/{_code(settings, 'file', row, 8)}",) for row in rows
        ),
        "eeg": tuple((f"EEG/{eeg[row]}_{_stamp(times[row], 'eeg')}.edf",) for row in rows),
    }
    record_ids = np.array([f"{300000 + 7 * row}" for row in rows])
    return Layout(record_ids, np.array([f"{n:07d}" for n in numbers]), pacs, eeg, times, paths, damaged)


def _ct_paths(settings: SyntheticSettings, row: int, slices: int) -> tuple[str, ...]:
    folder = f"CT_EXPORT/{_code(settings, 'disc', row, 3)}/{_code(settings, 'series', row, 8)}"
    # File names say nothing of the order of the slices.
    order = generator(settings.seed, "slice names", row).permutation(slices)
    return tuple(f"{folder}/IM{number:05d}" for number in order)


def _stamp(time: np.datetime64, modality: str) -> str:
    made = time - np.timedelta64(MADE_BEFORE_S[modality], "s")
    return str(made.astype("datetime64[D]")).replace("-", "")


def _code(settings: SyntheticSettings, purpose: str, number: int, digits: int) -> str:
    return "".join(f"{part:X}" for part in generator(settings.seed, "name", purpose, number).integers(0, 16, digits))


def _times(settings: SyntheticSettings, latents: Latents) -> np.ndarray:
    people = int(latents.patient[-1]) + 1
    day = (uniforms(settings.seed, "first day", people) * 600).astype(np.int64)
    later = 400 + (uniforms(settings.seed, "second day", people) * 200).astype(np.int64)
    minute = (uniforms(settings.seed, "minute", len(latents)) * 600).astype(np.int64)
    seconds = day[latents.patient] * _DAY + latents.visit * later[latents.patient] * _DAY + minute * _MINUTE
    return FIRST_DAY + seconds.astype("timedelta64[s]")


def _damaged(settings: SyntheticSettings, latents: Latents) -> np.ndarray:
    chance = uniforms(settings.seed, "damage", len(latents), len(MODALITIES))
    files = np.array([name != "labs" for name in MODALITIES])
    at_risk = latents.present & files & (latents.present.sum(axis=1, keepdims=True) > 1)
    damaged = at_risk & (chance < settings.damage_rate)
    for number in range(settings.damaged_files):
        # In turn a CT, a film and an EEG, so that a few already show what refusing each of them looks like.
        kind = number % int(files.sum())
        left = np.flatnonzero(at_risk[:, kind] & ~damaged[:, kind])
        if len(left):
            damaged[left[np.argmin(chance[left, kind])], kind] = True
    return damaged
