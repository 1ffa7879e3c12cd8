"""The same person under two ids: inputs of two patients that are the same, nearly the same, or go on in each other."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from itertools import combinations

import numpy as np
import pandas as pd
from scipy import stats

from clinfuse.cohort.cohort import Cohort
from clinfuse.evaluation.audit.alike import KINDS, alike
from clinfuse.evaluation.audit.finding import Finding
from clinfuse.evaluation.audit.rows import shared_rows

CHANCE = 0.005
_TELLING_VALUES = 4
_GOES_ON_S = 1.5
_NEAR_S = 3600.0


def duplicates(cohort: Cohort, seed: int) -> tuple[str, list[Finding]]:
    """Images and windows that are the same in every voxel or sample, and rows that agree beyond chance."""
    del seed
    found, total = [], 0
    for modality in cohort.modalities:
        table = modality.kind == "ehr"
        pairs = sorted(_rows(cohort, modality.name) if table else _same(cohort, modality.name))
        if not pairs:
            continue
        total += len(pairs)
        shown = ", ".join(f"{one} and {other}" for one, other in pairs[:3])
        if table:
            said = f"{modality.name}: {len(pairs)} pairs of patients ({shown}) have nearly all values in common"
            found.append(Finding("CONTENT_TWICE", "warning", f"{said}, more than chance brings: one person twice?"))
        else:
            said = f"{modality.name}: the same content under {len(pairs)} pairs of patients ({shown}); they are one "
            said += "patient under two ids, or a file lies in the wrong place, and no fold parts them."
            found.append(Finding("LEAK_SUBJECT", "stop", said))
    return f"{total} pairs of patients", found


def _rows(cohort: Cohort, name: str) -> set[tuple[str, str]]:
    rows = np.flatnonzero(cohort.present[:, cohort.names.index(name)])
    return shared_rows(np.asarray(cohort.arrays(name))[rows], cohort.patient_keys[rows])


def _same(cohort: Cohort, name: str) -> set[tuple[str, str]]:
    owners: dict[bytes, set[str]] = {}
    for patient, content in _contents(cohort, name):
        owners.setdefault(content, set()).add(patient)
    return {pair for people in owners.values() for pair in combinations(sorted(people), 2)}


def _contents(cohort: Cohort, name: str) -> Iterator[tuple[str, bytes]]:
    """Patient key and digest of every present input, or window of a signal, that says enough to be anybody's own."""
    values, windowed = cohort.arrays(name), cohort.modality(name).windowed
    covered = cohort.window_mask(name) if windowed else None
    for row in np.flatnonzero(cohort.present[:, cohort.names.index(name)]):
        parts = values[row : row + 1] if covered is None else values[row][covered[row]]
        for one in parts:
            telling = np.unique(one[np.isfinite(one)] if one.dtype.kind == "f" else one)
            if len(telling) >= _TELLING_VALUES:
                content = hashlib.sha256(np.ascontiguousarray(one).tobytes()).digest()
                yield str(cohort.patient_keys[row]), content


def images_alike(cohort: Cohort, seed: int) -> tuple[str, list[Finding]]:
    """Images that are the same but for their borders or their grey scale."""
    del seed
    found, total = [], 0
    for modality in cohort.modalities:
        pairs = sorted(alike(cohort, modality.name)) if modality.kind in KINDS else []
        if pairs:
            total += len(pairs)
            shown = ", ".join(f"{one} and {other}" for one, other in pairs[:3])
            said = f"{modality.name}: the middle of an image is the same under {len(pairs)} pairs of patients ({shown})"
            text = f"{said}; only borders or the grey scale differ: one examination under two ids?"
            found.append(Finding("CONTENT_ALIKE", "warning", text))
    return f"{total} pairs of patients", found


def continued(cohort: Cohort, seed: int) -> tuple[str, list[Finding]]:
    """Recordings of one patient that begin where one of another ends: one night cut in two."""
    del seed
    found, total = [], 0
    for modality in cohort.modalities:
        frame = cohort.properties(modality.name)
        if not modality.windowed or not {"time made", "duration_s"} <= set(frame.columns):
            continue
        pairs, near = _meet(frame, cohort.patient_keys)
        # As many as chance brings where recordings follow each other closely: counted within an hour.
        if pairs and stats.poisson.sf(len(pairs) - 1, (near + 1) * _GOES_ON_S / _NEAR_S) < CHANCE:
            total += len(pairs)
            shown = ", ".join(f"{one} and {other}" for one, other in sorted(pairs)[:3])
            said = f"{modality.name}: {len(pairs)} recordings begin in the second in which another patient's ends"
            found.append(Finding("CONTENT_CONTINUES", "warning", f"{said} ({shown}): one recording cut in two?"))
    return f"{total} pairs of patients", found


def _meet(frame: pd.DataFrame, keys: np.ndarray) -> tuple[set[tuple[str, str]], int]:
    """Pairs of patients of whom one's recording begins when the other's ends, and how many do within an hour."""
    start = frame["time made"].to_numpy(dtype=np.float64)
    end = start + frame["duration_s"].to_numpy(dtype=np.float64)
    pairs, near = set(), 0
    for one in np.flatnonzero(np.isfinite(end)):
        away = np.where(keys == keys[one], np.inf, np.abs(start - end[one]))
        pairs |= {(str(keys[one]), str(keys[other])) for other in np.flatnonzero(away <= _GOES_ON_S)}
        near += int(((away > _GOES_ON_S) & (away <= _NEAR_S)).sum())
    return pairs, near
