"""How each modality came in and was prepared, in sentences made of ``cohort.json``."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from clinfuse.report.artefacts import Artefacts

_KINDS = {
    "ct": "CT",
    "mr": "MR images",
    "xray": "radiographs",
    "mask": "label maps",
    "eeg": "EEG",
    "ehr": "health-record columns",
}
_SEVERAL = {
    "nearest": "of several the one nearest to the index time",
    "first": "of several the first",
    "last": "of several the last",
    "most slices": "of several the one with the most slices",
}
_MOST_COLUMNS = 30


def input_sentences(artefacts: Artefacts) -> Iterator[str]:
    """Give one sentence or more for each modality of the run; none where its cohort is not known."""
    modalities = artefacts.value("cohort.json", "modalities") or []
    records = artefacts.value("cohort.json", "records")
    rules = artefacts.value("cohort.json", "rules", "modalities") or {}
    if modalities:
        yield "Sources were joined to records by exact identifiers."
    for one in modalities:
        kind = _KINDS.get(str(one["kind"]), str(one["kind"]))
        yield f"{one['name']}: {kind}, present in {one['present']} of {records} records{_prepared(one)}."
        yield _chosen(str(one["name"]), rules.get(one["name"]) or {})


def _prepared(one: dict[str, Any]) -> str:
    kind, shape = one["kind"], one["shape"]
    if kind == "ehr":
        return _columns(one.get("columns") or [])
    if kind == "eeg":
        notch = f", notch at {one['notch_hz']:g} Hz" if one.get("notch_hz") else ""
        return (
            f"; {one['windows']} windows of {one['seconds']:g} s at {one['rate_hz']:g} Hz, {one['channels']} channels, "
            f"reference {one['reference']}, pass band {one['band_hz'][0]:g} to {one['band_hz'][1]:g} Hz{notch}"
        )
    cells = " × ".join(str(length) for length in shape[1:])
    unit = "pixels" if kind == "xray" else "voxels"
    spacing = one.get("spacing_mm")
    size = f" of {' × '.join(f'{length:.3g}' for length in spacing)} mm" if spacing else ""
    window = one.get("window_hu")
    limits = f", limited to {window[0]:g} to {window[1]:g} HU".replace("-", "−") if window else ""
    return f"; resampled to {cells} {unit}{size}{limits}"


def _columns(columns: list[dict[str, Any]]) -> str:
    if not columns:
        return ""
    named = [f"{one['name']} ({one['unit']})" if one.get("unit") else str(one["name"]) for one in columns]
    rest = f" and {len(named) - _MOST_COLUMNS} more" if len(named) > _MOST_COLUMNS else ""
    return f"; {len(named)} {'column' if len(named) == 1 else 'columns'}: {', '.join(named[:_MOST_COLUMNS])}{rest}"


def _chosen(name: str, rule: dict[str, Any]) -> str:
    said = []
    if rule.get("window"):
        said.append(f"from {rule['window'][0]} to {rule['window'][1]} around the index time".replace("-", "−"))
    if rule.get("several"):
        said.append(_SEVERAL.get(str(rule["several"]), ""))
    return f"Of {name} counts what was made {'; '.join(part for part in said if part)}." if rule.get("window") else ""
