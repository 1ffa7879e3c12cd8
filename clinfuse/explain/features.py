"""From a learner's or network's prepared features back to what was declared and measured."""

from __future__ import annotations

from typing import Any

import numpy as np

from clinfuse.cohort.modality import Column, Modality
from clinfuse.explain.values import FeatureValue


def named_features(
    cohort: Any, modality: Modality, names: tuple[str, ...], parts: np.ndarray
) -> tuple[FeatureValue, ...]:
    """Name the parts of a table or of a learner on summary features.

    Parameters
    ----------
    cohort : Cohort
        Of the one record.
    modality : Modality
    names : tuple of str
        Of the prepared features; a column can have given several: ``"sex = female"``, ``"CRP missing"``.
    parts : ndarray of float32, (prepared features,)

    Returns
    -------
    tuple of FeatureValue
        One per declared column (ehr) or per summary feature; empty where the parts have no names.
    """
    if not names or parts.shape != (len(names),):
        return ()
    columns = modality.columns if modality.kind == "ehr" else _summary_columns(cohort, modality)
    values = np.asarray(cohort.features(modality.name).values, np.float64)[0]
    owners = [owner(name, columns) for name in names]
    declared = tuple(
        FeatureValue(
            column.name,
            float(values[c]),
            float(sum(part for part, who in zip(parts, owners, strict=True) if who == c)),
            column.unit,
            column.normal,
            column.kind,
            column.levels,
        )
        for c, column in enumerate(columns)
    )
    derived = tuple(
        FeatureValue(name, float("nan"), float(part))
        for name, part, who in zip(names, parts, owners, strict=True)
        if who < 0
    )
    return declared + derived


def _summary_columns(cohort: Any, modality: Modality) -> tuple[Column, ...]:
    summary = cohort.features(modality.name)
    return tuple(Column(str(name), unit=str(unit)) for name, unit in zip(summary.names, summary.units, strict=True))


def owner(name: str, columns: tuple[Column, ...]) -> int:
    """Position of the column that a prepared feature was made of, -1 where there is none.

    Examples
    --------
    >>> columns = (Column("CRP"), Column("CRP last"), Column("sex"))
    >>> owner("CRP last missing", columns), owner("sex = female", columns), owner("sodium", columns)
    (1, 2, -1)
    """
    for c, column in enumerate(columns):
        if name in (column.name, f"{column.name} missing"):
            return c
    fitting = [c for c, column in enumerate(columns) if name.startswith(f"{column.name} = ")]
    return max(fitting, key=lambda c: len(columns[c].name), default=-1)
