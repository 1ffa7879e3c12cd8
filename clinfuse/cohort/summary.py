"""A cohort in words: who is here, what each record has, what was refused and why."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from clinfuse.cohort.cohort import Cohort

_PATTERNS = 8


def _share(part: int, whole: int) -> str:
    return f"{part} ({round(100 * part / whole)} %)" if whole else str(part)


def _classes(cohort: Cohort) -> str:
    labels = cohort.labels
    if cohort.task == "multilabel":
        return ", ".join(f"{name} {int((labels[:, k] == 1).sum())}" for k, name in enumerate(cohort.classes))
    known = int((labels >= 0).sum())
    if cohort.task == "binary":
        events = int((labels == 1).sum())
        text = f"{_share(events, known)} with the finding ({cohort.classes[1]})"
    else:
        text = ", ".join(f"{name} {int((labels == k).sum())}" for k, name in enumerate(cohort.classes))
    return text if known == len(cohort) else f"{text}, {len(cohort) - known} without a label"


def who(cohort: Cohort) -> str:
    """One line: records, patients, classes, sites."""
    patients = len(set(cohort.patient_ids.tolist()))
    sites = len({site for site in cohort.sites.tolist() if site})
    parts = [f"{len(cohort)} records of {patients} patients", _classes(cohort)]
    return ", ".join([*parts, f"{sites} sites"] if sites > 1 else parts)


def sources(cohort: Cohort) -> list[tuple[str, str, int]]:
    """For every modality its name, what it is, and how many records have it."""
    counts = cohort.present.sum(axis=0).tolist()
    return [(m.name, _nature(cohort, m.name), count) for m, count in zip(cohort.modalities, counts, strict=True)]


def _nature(cohort: Cohort, name: str) -> str:
    modality = cohort.modality(name)
    if modality.kind == "ehr":
        return f"ehr, {len(modality.columns)} columns"
    size = " x ".join(str(size) for size in modality.shape)
    if not modality.windowed:
        return f"{modality.kind}, {size}"
    here = cohort.window_mask(name)[cohort.present[:, cohort.names.index(name)]]
    short = int((~here.all(axis=1)).sum())
    return f"{modality.kind}, {size}" + (f", {short} records with fewer windows" if short else "")


def patterns(cohort: Cohort) -> list[tuple[str, int]]:
    """Which modalities occur together, most frequent first, the rest in one line."""
    codes, counts = np.unique(cohort.present, axis=0, return_counts=True)
    order = sorted(range(len(codes)), key=lambda k: (-int(counts[k]), tuple(~codes[k])))
    named = [(_pattern(cohort.names, codes[k]), int(counts[k])) for k in order]
    rest = sum(count for _, count in named[_PATTERNS:])
    return [*named[:_PATTERNS], *([("otherwise", rest)] if rest else [])]


def _pattern(names: tuple[str, ...], here: np.ndarray) -> str:
    if here.all():
        return "all"
    return " + ".join(name for name, present in zip(names, here, strict=True) if present) or "none"


def reasons(cohort: Cohort) -> list[tuple[str, str, int, str]]:
    """What was left out or noted: (what, code, how often, why), excluded records first."""
    found: dict[tuple[str, str], tuple[int, str]] = {}
    entries = sorted(cohort.ledger.entries, key=lambda entry: (not entry.excluded, entry.note))
    for entry in entries:
        what = "excluded" if entry.excluded else f"noted, {entry.source}" if entry.note else f"refused, {entry.source}"
        place = (what, entry.code)
        count, text = found.get(place, (0, entry.text))
        found[place] = (count + 1, text)
    return [(what, code, count, text) for (what, code), (count, text) in found.items()]


def as_text(cohort: Cohort) -> str:
    """The whole summary as lines of text."""
    wide = max(len(name) for name in cohort.names)
    ledger = cohort.ledger
    lines = [f"Cohort: {who(cohort)}"]
    lines += [f"  {name:<{wide}}  {count:>6}  {nature}" for name, nature, count in sources(cohort)]
    lines.append("  together: " + ", ".join(f"{name} {count}" for name, count in patterns(cohort)))
    lines.append(
        f"  input {ledger.records_in} records = {ledger.records_used} used + {ledger.records_excluded} excluded"
    )
    lines += [f"  {what}: {code} {count}. {text}" for what, code, count, text in reasons(cohort)]
    return "\n".join(lines)


def _rows(cells: list[tuple[object, ...]]) -> str:
    return "".join("<tr>" + "".join(f"<td>{escape(str(cell))}</td>" for cell in row) + "</tr>" for row in cells)


def as_html(cohort: Cohort) -> str:
    """The whole summary as a fragment of HTML, every text escaped."""
    ledger = cohort.ledger
    total = f"input {ledger.records_in} records = {ledger.records_used} used + {ledger.records_excluded} excluded"
    have = _rows([*sources(cohort)])
    left = _rows([*reasons(cohort)])
    refused = f"<table><tr><th>what</th><th>code</th><th>n</th><th>why</th></tr>{left}</table>" if left else ""
    return (
        f"<div class='clinfuse-cohort'><p><strong>Cohort</strong>: {escape(who(cohort))}</p>"
        f"<table><tr><th>modality</th><th>what it is</th><th>records</th></tr>{have}</table>"
        f"<table><tr><th>together</th><th>records</th></tr>{_rows([*patterns(cohort)])}</table>"
        f"<p>{total}</p>{refused}</div>"
    )
