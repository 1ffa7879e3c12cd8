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

    @abstractmethod
    def fit(self, table: np.ndarray, labels: np.ndarray, rows: LearnerRows) -> Learner:
        """Learn from a table, float64 (rows, width), and labels, int64 (rows,); gives itself."""

    @abstractmethod
    def logits(self, table: np.ndarray) -> np.ndarray:
        """Give logits, float64 (rows, classes)."""

    @abstractmethod
    def contributions(self, table: np.ndarray) -> np.ndarray:
        """Give each feature's additive part of the positive class's logit, float64 (rows, width + 1), last the bias."""

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
