"""What could make a result too good to be true, looked for before anything is trained."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import combinations
from typing import Literal, final

import numpy as np
import pandas as pd
from scipy import stats
from sklearn.linear_model import LogisticRegression

from clinfuse.cohort.cohort import Cohort
from clinfuse.cohort.lengths import rank_auroc, targets
from clinfuse.errors import ClinfuseError, DataError
from clinfuse.evaluation.audit.alike import KINDS, alike
from clinfuse.evaluation.folds import scored
from clinfuse.evaluation.statistics.intervals import bootstrap_interval, patient_weights
from clinfuse.evaluation.statistics.statistic import statistic
from clinfuse.training.splits import patient_folds

Severity = Literal["note", "warning", "stop"]
PRESENCE = 0.60
FILES = 0.75
COLUMN_WARN, COLUMN_STOP = 0.95, 0.99
SITES_APART = 0.10
_SITE_RECORDS = 20
_FOLDS = 5
_CHANCE = 0.01
_TELLING_VALUES = 4
_GOES_ON_S = 1.5


@final
@dataclass(frozen=True)
class Finding:
    """Something the audit noticed.

    Parameters
    ----------
    code : str
        Stable, e.g. ``"PRESENCE_PREDICTS"``.
    severity : {"note", "warning", "stop"}
        Worth knowing; may explain a good result; no result can be believed before it is explained.
    text : str
        One sentence without any patient's value.
    """

    code: str
    severity: Severity
    text: str


@final
@dataclass(frozen=True)
class Audit:
    """What was looked at, and what was found; made by `audit`.

    Parameters
    ----------
    findings : tuple of Finding
        The most severe first.
    facts : tuple of (str, str)
        What each check measured, found or not.
    """

    findings: tuple[Finding, ...]
    facts: tuple[tuple[str, str], ...]

    @property
    def checks(self) -> int:
        """Number of checks."""
        return len(self.facts)

    @property
    def stops(self) -> bool:
        """Whether a finding forbids to go on."""
        return any(finding.severity == "stop" for finding in self.findings)

    def table(self) -> pd.DataFrame:
        """Give one line per finding, for reading."""
        return pd.DataFrame(
            [(one.severity, one.code, one.text) for one in self.findings], columns=["severity", "code", "text"]
        )

    def __str__(self) -> str:
        lines = [f"Audit: {self.checks} checks, {len(self.findings) or 'nothing'} found."]
        lines += [f"  {one.severity:8}{one.code}: {one.text}" for one in self.findings]
        return "\n".join([*lines, *(f"  measured {name}: {text}" for name, text in self.facts)])

    def _repr_html_(self) -> str:
        return self.table().to_html(index=False, escape=True)


_Check = Callable[[Cohort, int], tuple[str, list[Finding]]]


def audit(cohort: Cohort, *, seed: int = 0) -> Audit:
    """Look for leaks and confounding that cross-validation cannot see.

    Nothing looked at here but the table columns may enter a model: presence, properties of files, their order.
    A column that was recorded after the outcome cannot be told from an honest one by any statistic: declare it.

    Parameters
    ----------
    cohort : Cohort
    seed : int
        Of the folds in which presence is scored.

    Returns
    -------
    Audit

    Raises
    ------
    DataError
        ``LABELS_NONE``.

    Examples
    --------
    >>> import numpy as np
    >>> from clinfuse.cohort.cohort import Cohort
    >>> labels = np.tile([0, 1], 30)
    >>> cohort = Cohort.from_arrays({"labs": labels[:, None] * 1.0}, labels=labels, kinds={"labs": "ehr"})
    >>> [one.code for one in audit(cohort).findings]
    ['COLUMN_IS_LABEL']
    """
    found: list[Finding] = []
    try:
        records = scored(cohort)
    except DataError as error:
        if error.code != "LENGTH_LEAK":
            raise
        found.append(Finding("LENGTH_LEAK", "stop", f"{error.place}: {error.found}."))
        records = cohort[_labelled(cohort)].sorted_by_id()
    checks: dict[str, _Check] = {
        "presence alone": _presence,
        "largest single column": _columns,
        "properties of files": _files,
        "order of the records": lambda one, _: _order(cohort[_labelled(cohort)]),
        "empty cells": _empty_cells,
        "same content under two patients": _duplicates,
        "images alike under two patients": _alike,
        "recordings that go on in another": _continued,
        "prevalence by site": _sites,
    }
    facts = []
    for name, check in checks.items():
        text, more = check(records, seed)
        facts.append((name, text))
        found += more
    severities = ("stop", "warning", "note")
    return Audit(tuple(sorted(found, key=lambda one: severities.index(one.severity))), tuple(facts))


def _labelled(cohort: Cohort) -> np.ndarray:
    labels = np.asarray(cohort.labels)
    return np.flatnonzero(labels >= 0 if labels.ndim == 1 else (labels >= 0).any(1))


def _questions(cohort: Cohort) -> list[tuple[np.ndarray, np.ndarray]]:
    """Every yes-or-no question in the labels that has both answers, as (known, positive) masks."""
    asked = targets(np.asarray(cohort.labels), len(cohort.classes), cohort.task == "multilabel")
    return [(known, positive) for known, positive in asked if 0 < (known & positive).sum() < known.sum()]


def _area(cohort: Cohort, values: np.ndarray) -> tuple[float, float, float]:
    """Best AUROC of one number over the questions, its lower limit, and p of no association; absent is NaN."""
    best = (0.5, 0.0, 1.0)
    for known, positive in _questions(cohort):
        here = known & np.isfinite(values)
        yes = positive[here]
        if yes.sum() < 2 or (~yes).sum() < 2:
            continue
        area, low = rank_auroc(values[here], yes)
        constant = len(np.unique(values[here])) == 1
        p = 1.0 if constant else float(stats.mannwhitneyu(values[here][yes], values[here][~yes]).pvalue)
        best = max(best, (area, low, p))
    return best


def _presence(cohort: Cohort, seed: int) -> tuple[str, list[Finding]]:
    if cohort.present.all():
        return "nothing is missing", []
    best, low = 0.5, 0.0
    for known, positive in _questions(cohort):
        rows = np.flatnonzero(known)
        people = positive[rows].astype(int), cohort.groups[rows], cohort.record_ids[rows]
        try:
            folds = patient_folds(*people, folds=_FOLDS, seed=seed)
        except ClinfuseError:
            return "too few patients to say", []
        scores, codes = np.zeros(len(rows)), np.zeros(len(rows), dtype=int)
        mask = cohort.present[rows].astype(np.float64)
        for number, (train, test) in enumerate(folds):
            scores[test] = LogisticRegression().fit(mask[train], people[0][train]).decision_function(mask[test])
            codes[test] = number
        measured = statistic("auroc", people[0], scores, folds=codes)
        estimate = bootstrap_interval(measured, patient_weights(people[1], people[0], seed=seed))
        if estimate.value > best:
            best, low = estimate.value, estimate.low
    text = f"AUROC {best:.2f}"
    if best <= PRESENCE or low <= 0.5:
        return text, []
    which = max(cohort.names, key=lambda name: _apart(cohort, name))
    said = f"Whether a modality is present says who has the finding: presence alone gives {text} ({which} most of all)."
    return text, [Finding("PRESENCE_PREDICTS", "warning", said)]


def _apart(cohort: Cohort, name: str) -> float:
    here = cohort.present[:, cohort.names.index(name)]
    return max((abs(here[k & y].mean() - here[k & ~y].mean()) for k, y in _questions(cohort)), default=0.0)


def _columns(cohort: Cohort, seed: int) -> tuple[str, list[Finding]]:
    del seed
    areas = {}
    for modality in cohort.modalities:
        if modality.kind == "ehr":
            values = np.asarray(cohort.arrays(modality.name))
            for number, column in enumerate(modality.columns):
                areas[modality.name, column.name] = _area(cohort, values[:, number])
    if not areas:
        return "no table", []
    (table, largest), (best, _, _) = max(areas.items(), key=lambda item: item[1])
    found = []
    for (own, name), (area, low, _) in areas.items():
        if area >= COLUMN_WARN and low > 0.5:
            severity: Severity = "stop" if area >= COLUMN_STOP else "warning"
            code = "COLUMN_IS_LABEL" if severity == "stop" else "COLUMN_TOO_GOOD"
            said = f"{own}, column {name}: AUROC {area:.2f} alone; was it known before the outcome?"
            found.append(Finding(code, severity, said))
    return f"{table}, column {largest}: AUROC {best:.2f}", found


def _files(cohort: Cohort, seed: int) -> tuple[str, list[Finding]]:
    del seed
    areas = {}
    for name in cohort.names:
        frame = cohort.properties(name)
        for column in frame.columns:
            if pd.api.types.is_numeric_dtype(frame[column]):
                areas[name, str(column)] = _area(cohort, frame[column].to_numpy(dtype=np.float64))
    if not areas:
        return "none known", []
    (name, column), (best, _, _) = max(areas.items(), key=lambda item: item[1])
    found = [
        Finding(
            "FILES_PREDICT", "warning", f"{own}: {what} of the files gives AUROC {area:.2f} alone; no model sees it."
        )
        for (own, what), (area, low, p) in areas.items()
        if area >= FILES and low > 0.5 and p * len(areas) < _CHANCE
    ]
    return f"{name}, {column}: AUROC {best:.2f}", found


def _order(cohort: Cohort) -> tuple[str, list[Finding]]:
    order = np.arange(len(cohort), dtype=np.float64)
    times = np.asarray(cohort.times).astype("datetime64[s]")
    seconds = np.where(np.isnat(times), np.nan, times.astype(np.int64).astype(np.float64))
    areas = {"place in the records table": _area(cohort, order), "index time": _area(cohort, seconds)}
    found = [
        Finding("ORDER_PREDICTS", "warning", f"The {name} of a record gives AUROC {area:.2f} alone; no model sees it.")
        for name, (area, low, p) in areas.items()
        if area >= FILES and low > 0.5 and p * len(areas) < _CHANCE
    ]
    return ", ".join(f"{name} AUROC {area[0]:.2f}" for name, area in areas.items()), found


def _empty_cells(cohort: Cohort, seed: int) -> tuple[str, list[Finding]]:
    """Whether a column has a value, where its table has any; models that mark what is missing see this."""
    del seed
    areas = {}
    for modality in cohort.modalities:
        if modality.kind != "ehr":
            continue
        values = np.asarray(cohort.arrays(modality.name))
        here = cohort.present[:, cohort.names.index(modality.name)]
        for number, column in enumerate(modality.columns):
            empty = np.where(here, np.isnan(values[:, number]), np.nan)
            if 0 < np.nansum(empty) < here.sum():
                areas[modality.name, column.name] = _area(cohort, empty)
    if not areas:
        return "none, or no table", []
    (table, largest), (best, _, _) = max(areas.items(), key=lambda item: item[1])
    found = []
    for (own, name), (area, low, p) in areas.items():
        if area > PRESENCE and low > 0.5 and p * len(areas) < _CHANCE:
            said = f"{own}, column {name}: whether it has a value gives AUROC {area:.2f} alone."
            found.append(Finding("MISSING_PREDICTS", "stop" if area >= COLUMN_STOP else "warning", said))
    return f"{table}, column {largest}: AUROC {best:.2f}", found


def _duplicates(cohort: Cohort, seed: int) -> tuple[str, list[Finding]]:
    del seed
    found, total = [], 0
    for modality in cohort.modalities:
        owners: dict[bytes, set[str]] = {}
        for patient, content in _contents(cohort, modality.name):
            owners.setdefault(content, set()).add(patient)
        pairs = sorted({pair for people in owners.values() for pair in combinations(sorted(people), 2)})
        if pairs:
            total += len(pairs)
            shown = ", ".join(f"{one} and {other}" for one, other in pairs[:3])
            said = f"{modality.name}: the same content under {len(pairs)} pairs of patients ({shown})"
            if modality.kind == "ehr":
                found.append(Finding("CONTENT_TWICE", "warning", f"{said}; a table may repeat by chance."))
            else:
                said += (
                    "; they are one patient under two ids, or a file lies in the wrong place, and no fold parts them."
                )
                found.append(Finding("LEAK_SUBJECT", "stop", said))
    return f"{total} pairs of patients", found


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


def _alike(cohort: Cohort, seed: int) -> tuple[str, list[Finding]]:
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


def _continued(cohort: Cohort, seed: int) -> tuple[str, list[Finding]]:
    """Recordings of one patient that begin where one of another ends: one night cut in two."""
    del seed
    found, total = [], 0
    for modality in cohort.modalities:
        frame = cohort.properties(modality.name)
        if not modality.windowed or not {"time made", "duration_s"} <= set(frame.columns):
            continue
        start = frame["time made"].to_numpy(dtype=np.float64)
        end = start + frame["duration_s"].to_numpy(dtype=np.float64)
        keys, pairs = cohort.patient_keys, set()
        for one in np.flatnonzero(np.isfinite(end)):
            next_ones = np.flatnonzero(np.abs(start - end[one]) <= _GOES_ON_S)
            pairs |= {(str(keys[one]), str(keys[other])) for other in next_ones if keys[other] != keys[one]}
        if pairs:
            total += len(pairs)
            shown = ", ".join(f"{one} and {other}" for one, other in sorted(pairs)[:3])
            said = f"{modality.name}: {len(pairs)} recordings begin in the second in which another patient's ends"
            found.append(Finding("CONTENT_CONTINUES", "warning", f"{said} ({shown}): one recording cut in two?"))
    return f"{total} pairs of patients", found


def _sites(cohort: Cohort, seed: int) -> tuple[str, list[Finding]]:
    del seed
    sites = np.asarray(cohort.sites)
    names = [str(name) for name in np.unique(sites) if name and np.sum(sites == name) >= _SITE_RECORDS]
    labels = np.asarray(cohort.labels)
    positive = (labels == 1).any(1) if labels.ndim == 2 else labels == len(cohort.classes) - 1
    shares = [float(positive[sites == name].mean()) for name in names]
    if len(shares) < 2:
        return f"{len(shares)} sites of at least {_SITE_RECORDS} records", []
    text = f"{min(shares):.0%} to {max(shares):.0%} over {len(shares)} sites".replace("%", " %")
    if max(shares) - min(shares) < SITES_APART:
        return text, []
    counts = [[np.sum(positive[sites == name]), np.sum(~positive[sites == name])] for name in names]
    surely = stats.chi2_contingency(counts).pvalue < _CHANCE if 0 < positive.mean() < 1 else False
    said = (
        f"Prevalence differs between sites ({text}): a model that recognises the site seems to recognise the finding."
    )
    return text, [Finding("SITE_PREVALENCE", "warning" if surely else "note", said)]
