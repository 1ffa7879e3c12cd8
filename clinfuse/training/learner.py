"""What every learner on features is, and which record each row of its table belongs to."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, ClassVar, final

import numpy as np

from clinfuse.encoders.table import Style

SMALLEST_CHANCE = 1e-6


class Learner(ABC):
    """A classifier on a table of features; logits out.

    ``fit`` takes rows that may be masked copies of one record: ``owners`` says which record a row belongs to, and the
    weights of a record's rows sum to one.
    """

    style: ClassVar[Style]
    stored: ClassVar[bool] = True
    linear: ClassVar[bool] = False
    taken_apart: ClassVar[str] = "exact contributions"

    @abstractmethod
    def fit(self, table: np.ndarray, labels: np.ndarray, rows: LearnerRows) -> Learner:
        """Learn from a table, float64 (rows, width), and labels, int64 (rows,); gives itself."""

    @abstractmethod
    def logits(self, table: np.ndarray) -> np.ndarray:
        """Give logits, float64 (rows, classes)."""

    @abstractmethod
    def contributions(self, table: np.ndarray) -> np.ndarray:
        """Give each feature's additive part of every logit, float64 (rows, width + 1, classes), last the bias."""

    def slopes(self, table: np.ndarray) -> np.ndarray:
        """Give by how much each logit rises with each feature, float64 (width, classes), for the row of a table.

        Only a line (``linear``) has slopes.
        """
        message = f"{type(self).__name__} has no slopes, given {len(table)} rows"
        raise TypeError(message)

    @abstractmethod
    def to_state(self) -> dict[str, Any]:
        """Give everything learned, as JSON values and arrays."""


@final
class LearnerRows:
    """Which record each row of a training table belongs to.

    Parameters
    ----------
    owners : ndarray of int64, (rows,)
        Index of the record of each row.
    groups, ids : ndarray of str, (records,)
        Patient and id of each record.
    seed : int
    """

    def __init__(self, owners: np.ndarray, groups: np.ndarray, ids: np.ndarray, *, seed: int) -> None:
        self.owners = owners
        self.groups = groups
        self.ids = ids
        self.seed = seed

    @property
    def weights(self) -> np.ndarray:
        """One over the number of rows of the same record, float64 (rows,)."""
        return 1 / np.bincount(self.owners)[self.owners]
