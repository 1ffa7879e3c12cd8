"""What has no business with the label: presence, what files say of themselves, order, empty cells, sites."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import numpy as np
import pandas as pd
from sklearn.linear_model import LogisticRegression

from clinfuse.cohort.cohort import Cohort
from clinfuse.errors import ClinfuseError
from clinfuse.evaluation.audit.finding import Finding
from clinfuse.evaluation.audit.labels import area, asked
from clinfuse.evaluation.statistics.statistic import statistic
from clinfuse.training.splits import patient_folds

PRESENCE = 0.60
FILES = 0.75
CERTAIN = 0.99
SITES_APART = 0.10
_SITE_RECORDS = 20
_FOLDS = 5
_FEWEST = 5


@final
@dataclass(frozen=True, eq=False)
class Question:
    """Numbers of the records that should say nothing of the label.

    Parameters
    ----------
    values : ndarray of float64, (records, columns)
        NaN where unknown.
    told : tuple of Finding
        What is found if they do; empty where it would be too little to matter.
    """

    values: np.ndarray
    told: tuple[Finding, ...]


Asked = tuple[str, list[Question]]


def presence(cohort: Cohort, seed: int) -> Asked:
    """Which modalities a record has, all of them together: AUROC of a logistic regression in folds by patient."""
    if cohort.present.all():
        return "nothing is missing", []
    best = 0.5
    for known, positive in asked(cohort):
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
        best = max(best, float(measured(np.ones((1, len(rows))))[0]))
    text = f"AUROC {best:.2f}"
    which = max(cohort.names, key=lambda name: _apart(cohort, name))
    said = f"Whether a modality is present says who has the finding: presence alone gives {text} ({which} most of all)."
    told = (Finding("PRESENCE_PREDICTS", "warning", said),) if best > PRESENCE else ()
    return text, [Question(cohort.present.astype(np.float64), told)]


def _apart(cohort: Cohort, name: str) -> float:
    here = cohort.present[:, cohort.names.index(name)]
    return max((abs(here[k & y].mean() - here[k & ~y].mean()) for k, y in asked(cohort)), default=0.0)


def files(cohort: Cohort, seed: int) -> Asked:
    """Every number that files say of themselves; they are kept from every model, so only much is told."""
    del seed
    made, areas = [], {}
    for name in cohort.names:
        frame = cohort.properties(name)
        for column in frame.columns:
            if pd.api.types.is_numeric_dtype(frame[column]):
                values = frame[column].to_numpy(dtype=np.float64)
                areas[name, str(column)] = one = area(cohort, values)
                said = f"{name}: {column} of the files gives AUROC {one:.2f} alone; no model sees it."
                told = (Finding("FILES_PREDICT", "warning", said),) if one >= FILES else ()
                made.append(Question(values[:, None], told))
    if not areas:
        return "none known", []
    name, column = max(areas, key=lambda key: areas[key])
    return f"{name}, {column}: AUROC {areas[name, column]:.2f}", made


def order(cohort: Cohort, seed: int) -> Asked:
    """The place in the records table and the index time; kept from every model too."""
    del seed
    times = np.asarray(cohort.times).astype("datetime64[s]")
    seconds = np.where(np.isnat(times), np.nan, times.astype(np.int64).astype(np.float64))
    numbers = {"place in the records table": cohort.rows.astype(np.float64), "index time": seconds}
    made, texts = [], []
    for name, values in numbers.items():
        one = area(cohort, values)
        said = f"The {name} of a record gives AUROC {one:.2f} alone; no model sees it."
        made.append(Question(values[:, None], (Finding("ORDER_PREDICTS", "warning", said),) if one >= FILES else ()))
        texts.append(f"{name} AUROC {one:.2f}")
    return ", ".join(texts), made


def empty_cells(cohort: Cohort, seed: int) -> Asked:
    """Whether a column has a value, where its table has any; models that mark what is missing see this."""
    del seed
    made, areas = [], {}
    for modality in cohort.modalities:
        if modality.kind != "ehr":
            continue
        values = np.asarray(cohort.arrays(modality.name))
        here = cohort.present[:, cohort.names.index(modality.name)]
        for number, column in enumerate(modality.columns):
            empty = np.where(here, np.isnan(values[:, number]), np.nan)
            if _FEWEST <= np.nansum(empty) <= here.sum() - _FEWEST:
                areas[modality.name, column.name] = one = area(cohort, empty)
                said = f"{modality.name}, column {column.name}: whether it has a value gives AUROC {one:.2f} alone."
                found = Finding("MISSING_PREDICTS", "stop" if one >= CERTAIN else "warning", said)
                made.append(Question(empty[:, None], (found,) if one > PRESENCE else ()))
    if not areas:
        return "none, or no table", []
    table, largest = max(areas, key=lambda key: areas[key])
    return f"{table}, column {largest}: AUROC {areas[table, largest]:.2f}", made


def sites(cohort: Cohort, seed: int) -> Asked:
    """How frequent the finding is at each site of at least 20 records."""
    del seed
    where, labels = np.asarray(cohort.sites), np.asarray(cohort.labels)
    names = [str(name) for name in np.unique(where) if name and np.sum(where == name) >= _SITE_RECORDS]
    positive = (labels == 1).any(1) if labels.ndim == 2 else labels == len(cohort.classes) - 1
    shares = [float(positive[where == name].mean()) for name in names]
    if len(shares) < 2:
        return f"{len(shares)} sites of at least {_SITE_RECORDS} records", []
    text = f"{min(shares):.0%} to {max(shares):.0%} over {len(shares)} sites".replace("%", " %")
    said = (
        f"Prevalence differs between sites ({text}): a model that recognises the site seems to recognise the finding."
    )
    known = np.isin(where, names)
    values = np.stack([np.where(known, (where == name).astype(np.float64), np.nan) for name in names], axis=1)
    told = (Finding("SITE_PREVALENCE", "warning", said),) if max(shares) - min(shares) >= SITES_APART else ()
    return text, [Question(values, told)]
