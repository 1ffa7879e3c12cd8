"""What a report may say of a cohort: counts, declared names and rules; never a patient's value, a date or a path."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from clinfuse.cohort.cohort import Cohort
from clinfuse.cohort.contract import Contract, read_contract
from clinfuse.cohort.modality import Modality
from clinfuse.cohort.signal import pass_band

FORMAT = 1
FEWEST = 5


def cohort_facts(cohort: Cohort, declared: Path) -> dict[str, Any]:
    """Give what is known of a cohort as JSON values, for ``cohort.json`` of a run.

    Parameters
    ----------
    cohort : Cohort
    declared : Path
        Its ``cohort.toml``, or the folder with it.

    Returns
    -------
    dict
        ``records``, ``patients``, ``labelled``, ``classes``, ``task``; ``events`` of a binary task; ``records_in``,
        ``excluded`` and ``refused`` by code; ``sites`` (their number, where they are known); ``years`` (first and last
        with at least ``FEWEST`` patients); ``complete`` and ``none`` (records with every and with no modality);
        ``attributes`` (names); ``modalities``; and the declared ``rules``.
    """
    labels = np.asarray(cohort.labels)
    known = labels >= 0 if labels.ndim == 1 else (labels >= 0).any(1)
    facts: dict[str, Any] = {
        "format": FORMAT,
        "task": cohort.task,
        "classes": list(cohort.classes),
        "records": len(cohort),
        "patients": len(set(cohort.patient_keys)),
        "labelled": int(known.sum()),
        "records_in": cohort.ledger.records_in,
        "excluded": cohort.ledger.excluded,
        "refused": cohort.ledger.refused,
        "years": _years(cohort),
        "complete": int(cohort.present.all(1).sum()),
        "none": int((~cohort.present.any(1)).sum()),
        "attributes": [str(name) for name in cohort.attributes.columns],
        "modalities": [
            {**_modality(one), "present": int(has.sum())}
            for one, has in zip(cohort.modalities, cohort.present.T, strict=True)
        ],
    }
    if sites := {site for site in cohort.sites.tolist() if site}:
        facts["sites"] = len(sites)
    if cohort.task == "binary":
        facts["events"] = int((labels == 1).sum())
    return {**facts, "rules": _rules(read_contract(declared), cohort.names)}


def _modality(one: Modality) -> dict[str, Any]:
    said: dict[str, Any] = {"name": one.name, "kind": one.kind, "shape": list(one.shape), "unit": one.unit}
    if one.columns:
        limited = [{"name": c.name, "kind": c.kind, "unit": c.unit} for c in one.columns]
        said["columns"] = limited
    if one.spacing_mm:
        said["spacing_mm"] = list(one.spacing_mm)
    if one.kind == "ct":
        said["window_hu"] = list(one.window)
    if one.kind == "eeg":
        # 2 kHz is above every clinical rate: the band of a recording that is not slower than what it becomes.
        band = one.band_hz if any(one.band_hz) else pass_band(one, 2000.0)
        said |= {"rate_hz": one.rate_hz, "seconds": one.seconds, "windows": one.shape[0], "reference": one.reference}
        said |= {"band_hz": list(band), "notch_hz": one.notch_hz, "channels": len(one.channels)}
    return said


def _rules(contract: Contract, names: tuple[str, ...]) -> dict[str, Any]:
    """What ``cohort.toml`` says of times and choices; no names of tables, columns or files."""
    label, records = contract.label, contract.records
    rules: dict[str, Any] = {"index_time": records.index_time is not None, "per_patient": records.per_patient}
    if label is not None:
        asked = ("window", "no_row", "unlabelled")
        rules["label"] = {key: _plain(getattr(label, key)) for key in asked if getattr(label, key) is not None}
        rules["label"]["follow_up"] = label.follow_up is not None
    rules["modalities"] = {
        name: {
            key: _plain(getattr(contract.modalities[name], key))
            for key in ("window", "several", "same_time")
            if getattr(contract.modalities[name], key, None) is not None
        }
        for name in names
        if name in contract.modalities
    }
    return rules


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


def _years(cohort: Cohort) -> list[int]:
    """First and last year of the index times among those with enough patients; empty where times are not known."""
    times = np.asarray(cohort.times, dtype="datetime64[s]")
    dated = ~np.isnat(times)
    found: dict[int, set[str]] = {}
    years = times[dated].astype("datetime64[Y]").astype(int) + 1970
    for year, patient in zip(years, np.asarray(cohort.patient_keys)[dated], strict=True):
        found.setdefault(int(year), set()).add(str(patient))
    enough = sorted(year for year, some in found.items() if len(some) >= FEWEST)
    return [enough[0], enough[-1]] if enough else []
