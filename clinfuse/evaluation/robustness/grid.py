"""What every fusion reaches with every set of modalities, on the same records."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import final

import numpy as np
import pandas as pd

from clinfuse.evaluation.crossval import CrossValidation
from clinfuse.evaluation.scores import both_classes, predicted_statistic

_LEAST = 10


@final
@dataclass(frozen=True, eq=False)
class SubsetGrid:
    """AUROC by set of modalities and model, everything else withheld.

    Parameters
    ----------
    kept : tuple of tuple of str
        The sets, the largest first.
    models : tuple of str
    values : ndarray of float64, (sets, models)
        NaN where a model does not use one of the modalities.
    records : int
        All have every modality, and are the same in every cell.
    """

    kept: tuple[tuple[str, ...], ...]
    models: tuple[str, ...]
    values: np.ndarray
    records: int

    def table(self) -> pd.DataFrame:
        """Give one line per set, for reading."""
        cells = {
            name: [f"{value:.2f}" if np.isfinite(value) else "-" for value in column]
            for name, column in zip(self.models, self.values.T, strict=True)
        }
        return pd.DataFrame({"sources kept": [" + ".join(one) for one in self.kept], **cells})


def subset_grid(models: Mapping[str, CrossValidation]) -> SubsetGrid:
    """Give what the fusions of a comparison reach with every set of modalities; nothing is trained or encoded again.

    Parameters
    ----------
    models : mapping of str to CrossValidation
        Those that fuse fewer than two modalities are left out.

    Returns
    -------
    SubsetGrid
        On the records that have every modality any of the models uses; without sets where fewer than ten patients of
        a class do. Point values: intervals of one model are in `robustness`.

    Examples
    --------
    >>> subset_grid({}).kept
    ()
    """
    fused = {name: cv for name, cv in models.items() if cv.multimodal and len(cv.modalities) > 1}
    used = tuple(dict.fromkeys(one for cv in fused.values() for one in cv.modalities))
    nothing = SubsetGrid((), tuple(fused), np.zeros((0, len(fused))), 0)
    if not fused:
        return nothing
    first = next(iter(fused.values())).predictions
    columns = [first.modalities.index(name) for name in used]
    complete = first.rows(np.asarray(first.present[:, columns].all(1)))
    if not len(complete) or not both_classes(complete, _LEAST):
        return nothing
    records = np.unique(complete.record)
    found = {name: _of_one(cv, records) for name, cv in fused.items()}
    kept = sorted({one for each in found.values() for one in each}, key=lambda one: (-len(one), _place(one, used)))
    values = np.array([[found[name].get(one, np.nan) for name in fused] for one in kept])
    return SubsetGrid(tuple(kept), tuple(fused), values, len(records))


def _of_one(cv: CrossValidation, records: np.ndarray) -> dict[tuple[str, ...], float]:
    rows = cv.withheld.rows(np.isin(cv.withheld.record, records))
    found = {}
    for text in dict.fromkeys(rows.withheld.tolist()):
        one = rows.select(withheld=text)
        gone = text.split("+")
        kept = tuple(name for name in cv.modalities if name not in gone)
        found[kept] = float(predicted_statistic(one, "auroc")(np.ones((1, len(one))))[0])
    return found


def _place(kept: tuple[str, ...], used: tuple[str, ...]) -> tuple[int, ...]:
    return tuple(used.index(name) for name in kept)
