"""Fills inside a fit: learned on the training records, and for the rows a learner is trained on without their own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from clinfuse.fusion.fill import Fill
from clinfuse.fusion.missing import build_fill, fill_names, refuse_fill
from clinfuse.training.learner import LearnerRows
from clinfuse.training.seeds import derived_seed
from clinfuse.training.splits import patient_folds

SKIP = "skip"
PER_PATTERN = "per pattern"
_FOLDS = 5


def check_fill(choice: Any, *others: str) -> None:
    """Refuse what is neither ``"skip"``, the name of a fill, nor a fill.

    Parameters
    ----------
    choice : str or Fill
    *others : str
        Further names that are allowed.

    Raises
    ------
    ConfigError
        ``FILL_NAME``.
    """
    known = (SKIP, *others, *fill_names())
    if not isinstance(choice, Fill) and choice not in known:
        refuse_fill(known)


def fill_name(choice: Any) -> str:
    """Give the name of a fill that was chosen by name or made with options."""
    return choice.name if isinstance(choice, Fill) else str(choice)


def fit_fill(
    choice: Any, z: Sequence[np.ndarray], present: np.ndarray, *, masks: np.ndarray, rows: LearnerRows
) -> tuple[Fill, list[np.ndarray]]:
    """Fit a fill, and fill the rows that what stands behind it is trained on.

    A fill that has seen a record knows what was hidden from its masked copies: a learner would come to trust fills more
    than it can trust those of new records. Training rows are therefore filled by fills fitted without their patients.

    Parameters
    ----------
    choice : str or Fill
    z : sequence of ndarray of float64, each (records, width)
        Prepared blocks, one per modality.
    present : ndarray of bool, (records, modalities)
    masks : ndarray of bool, (rows, modalities)
        What each training row keeps.
    rows : LearnerRows
        Which record each training row belongs to.

    Returns
    -------
    Fill
        Fitted on all records.
    list of ndarray of float64, each (rows, width)
        The blocks of the training rows, filled.
    """
    fill = build_fill(choice).fit(z, present)
    owners = rows.owners
    folds = min(_FOLDS, len(np.unique(rows.groups)))
    if not fill.cross_fitted or folds < 2:
        return fill, fill.fill([part[owners] for part in z], masks)
    filled = [np.zeros((len(owners), part.shape[1])) for part in z]
    everyone = np.zeros(len(rows.ids), dtype=int)
    cuts = patient_folds(everyone, rows.groups, rows.ids, folds=folds, seed=derived_seed(rows.seed, "fill"))
    for train, test in cuts:
        chosen = np.flatnonzero(np.isin(owners, test))
        fold = build_fill(choice).fit([part[train] for part in z], present[train])
        values = fold.fill([part[owners[chosen]] for part in z], masks[chosen])
        for whole, part in zip(filled, values, strict=True):
            whole[chosen] = part
    return fill, filled
