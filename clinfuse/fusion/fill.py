"""What every fill is: values for the features of absent modalities, learned in the fold."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any, ClassVar

import numpy as np

from clinfuse.errors import DataError

_FLAT = 1e-6


class Fill(ABC):
    """Give absent modalities values, so that what stands behind them sees every block of features filled.

    Blocks are standardised by the training records that have them before anything is compared or regressed. The
    content of an absent block is never read. A missing cell (NaN) inside a present block counts as its column's mean
    and stays as it is.

    ``cross_fitted`` says that training records are to be filled by a fill that never saw them: one that remembers what
    it was fitted on would give a record from which a modality was hidden the very values that were hidden.
    """

    name: ClassVar[str]
    cross_fitted: ClassVar[bool] = True

    def fit(self, z: Sequence[np.ndarray], present: np.ndarray) -> Fill:
        """Learn from training records; gives itself.

        Parameters
        ----------
        z : sequence of ndarray of float64, each (records, width)
            One block of features per modality; rows of absent ones may hold anything.
        present : ndarray of bool, (records, modalities)

        Raises
        ------
        DataError
            ``FILL_SHAPE``: blocks and presence that do not fit each other.
        """
        self.widths_ = tuple(int(part.shape[1]) for part in z)
        self._check(z, present)
        known = self._known(z, present)
        counted = np.maximum((~np.isnan(known)).sum(0), 1)
        self.centre_ = np.nansum(known, axis=0) / counted
        spread = np.sqrt(np.nansum((known - self.centre_) ** 2, axis=0) / counted)
        self.spread_ = np.where(spread > _FLAT * (1 + np.abs(self.centre_)), spread, 1.0)
        self._learn(self._standard(z, present), present)
        return self

    def fill(self, z: Sequence[np.ndarray], present: np.ndarray) -> list[np.ndarray]:
        """Give every block with values where its modality is absent; the rows of present ones are left as they are.

        Parameters
        ----------
        z : sequence of ndarray of float64, each (records, width)
        present : ndarray of bool, (records, modalities)

        Returns
        -------
        list of ndarray of float64, each (records, width)

        Raises
        ------
        DataError
            ``FILL_SHAPE``.
        """
        self._check(z, present)
        values = self._values(self._standard(z, present), present)
        parts = zip(z, present.T, self.spans_, strict=True)
        return [np.where(there[:, None], part, values[:, span]) for part, there, span in parts]

    @abstractmethod
    def _learn(self, x: np.ndarray, present: np.ndarray) -> None:
        """Learn from standardised blocks side by side, float64 (records, width), zeros where absent."""

    @abstractmethod
    def _values(self, x: np.ndarray, present: np.ndarray) -> np.ndarray:
        """Give values in the units of the blocks, float64 (records, width); those of present blocks are not used."""

    def to_state(self) -> dict[str, Any]:
        """Give everything learned."""
        standard = {"widths": list(self.widths_), "centre": self.centre_, "spread": self.spread_}
        return {"fill": self.name, **standard, **self._learned()}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take back what `to_state` gave."""
        self.widths_ = tuple(state["widths"])
        self.centre_, self.spread_ = state["centre"], state["spread"]
        self._restore(state)

    def _learned(self) -> dict[str, Any]:
        return {}

    def _restore(self, state: Mapping[str, Any]) -> None:
        del state

    @property
    def spans_(self) -> list[slice]:
        """Columns of every block among all columns."""
        edges = np.concatenate([[0], np.cumsum(self.widths_, dtype=int)]).tolist()
        return [slice(start, stop) for start, stop in pairwise(edges)]

    def _wide(self, present: np.ndarray) -> np.ndarray:
        """Presence of every column, bool (records, width)."""
        return np.repeat(present, self.widths_, axis=1)

    def _known(self, z: Sequence[np.ndarray], present: np.ndarray) -> np.ndarray:
        """Blocks side by side with NaN where absent."""
        together = np.concatenate([np.asarray(part, dtype=np.float64) for part in z], axis=1)
        return np.where(self._wide(present), together, np.nan)

    def _standard(self, z: Sequence[np.ndarray], present: np.ndarray) -> np.ndarray:
        known = self._known(z, present)
        return np.where(np.isnan(known), 0.0, (known - self.centre_) / self.spread_)

    def _raw(self, x: np.ndarray) -> np.ndarray:
        return x * self.spread_ + self.centre_

    def _check(self, z: Sequence[np.ndarray], present: np.ndarray) -> None:
        widths = tuple(int(part.shape[1]) for part in z)
        fits = present.dtype == np.bool_ and present.shape == (len(z[0]), len(self.widths_))
        if not fits or widths != self.widths_ or any(len(part) != len(present) for part in z):
            raise DataError(
                "FILL_SHAPE",
                place=f"fill {self.name}",
                rule=f"blocks of widths {self.widths_} and a bool presence (records, {len(self.widths_)})",
                found=f"widths {widths} and a presence of shape {present.shape}",
                remedy="Give one block per modality, as in fit.",
            )
