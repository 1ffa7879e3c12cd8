"""A few records of a cohort as tensors: the only place where a cohort meets torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, final

import numpy as np
import torch
from torch import Tensor

from clinfuse.cohort.cohort import Cohort
from clinfuse.errors import DataError


@final
@dataclass(frozen=True, eq=False)
class Batch:
    """What a network is given at once.

    Parameters
    ----------
    inputs : dict of str to Tensor of float32, (b, *shape)
        Zeros where absent. A health-record table has the width of its preparation.
    window_masks : dict of str to Tensor of bool, (b, windows)
        For signals only.
    present : Tensor of bool, (b, modalities)
        In the order of the cohort.
    targets : Tensor
        int64 (b,) class index, or float32 (b, labels) if multilabel; -1 unknown.
    """

    inputs: dict[str, Tensor]
    window_masks: dict[str, Tensor]
    present: Tensor
    targets: Tensor

    def __len__(self) -> int:
        return len(self.present)


def load_batch(cohort: Cohort, rows: Any, tables: Mapping[str, np.ndarray] | None = None) -> Batch:
    """Some records as tensors.

    Parameters
    ----------
    cohort : Cohort
    rows : index array or mask
        Positions in ``cohort``; a position may occur more than once.
    tables : mapping of str to ndarray of float32, (records of the cohort, width)
        Every ``ehr`` modality as its fitted preparation made it.

    Raises
    ------
    DataError
        ``BATCH_TABLE`` where the prepared form of an ``ehr`` modality is not given or has another number of rows.

    Examples
    --------
    >>> import numpy as np
    >>> ct = np.ones((3, 1, 2, 2, 2), dtype=np.float32)
    >>> cohort = Cohort.from_arrays({"ct": ct}, labels=[0, 1, 1], kinds={"ct": "ct"})
    >>> batch = load_batch(cohort, [0, 2])
    >>> tuple(batch.inputs["ct"].shape), batch.targets.tolist()
    ((2, 1, 2, 2, 2), [0, 1])
    """
    chosen = np.arange(len(cohort))[rows]
    present = cohort.present[chosen]
    inputs: dict[str, Tensor] = {}
    masks: dict[str, Tensor] = {}
    for column, modality in enumerate(cohort.modalities):
        name = modality.name
        if modality.kind == "ehr":
            values = np.array(_table(cohort, name, tables or {})[chosen], dtype=np.float32)
            values[~present[:, column]] = 0
        else:
            values = cohort.network_input(name, chosen)
        inputs[name] = torch.from_numpy(values)
        if modality.windowed:
            masks[name] = torch.from_numpy(cohort.window_mask(name)[chosen])
    labels = cohort.labels[chosen]
    targets = labels.astype(np.float32) if cohort.task == "multilabel" else labels
    return Batch(inputs, masks, torch.from_numpy(present), torch.from_numpy(targets))


def _table(cohort: Cohort, name: str, tables: Mapping[str, np.ndarray]) -> np.ndarray:
    if name not in tables or len(tables[name]) != len(cohort):
        raise DataError(
            "BATCH_TABLE",
            place=f"modality {name}",
            rule=f"its prepared table with {len(cohort)} rows",
            found="another number of rows" if name in tables else "none",
            remedy="Transform every health-record table of this cohort first.",
        )
    return tables[name]
