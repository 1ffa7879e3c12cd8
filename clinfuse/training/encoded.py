"""What a classifier knows of records once every present modality has been encoded."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import final

import numpy as np

from clinfuse.errors import DataError


@final
@dataclass(frozen=True, eq=False)
class Encoded:
    """Records after encoding; deciding about them needs nothing else.

    Parameters
    ----------
    values : mapping of str to ndarray of float64, (records, ...)
        By modality: logits, embeddings or features, as the classifier needs them; finite, zeros where absent. Tokens
        are (records, tokens, width + 1), and their last column is 1 where a token exists.
    present : ndarray of bool, (records, modalities)
        In the order of the classifier's ``modalities_``.
    prepared : tuple of ndarray, each (records, ...)
        What its classifier made of the values once, since it is the same whichever modalities are withheld; empty where
        there is nothing of the kind, or where the values were put together otherwise than by ``encode``.
    """

    values: Mapping[str, np.ndarray]
    present: np.ndarray
    prepared: tuple[np.ndarray, ...] = ()

    def __len__(self) -> int:
        return len(self.present)

    @property
    def abstain(self) -> np.ndarray:
        """Records of which nothing usable is present, bool (records,): they are answered with the prior."""
        return np.asarray(~self.present.any(1))

    def mask(self, present: np.ndarray) -> np.ndarray:
        """Give a presence mask that was asked for, once it is known to fit, bool (records, modalities).

        Raises
        ------
        DataError
            ``PRESENT_SHAPE``, or ``PRESENT_ADDED``: a modality that the record does not have.
        """
        present = np.asarray(present)
        if present.shape != self.present.shape or present.dtype != np.bool_:
            self._refuse("PRESENT_SHAPE", f"must be bool of shape {self.present.shape}", f"shape {present.shape}")
        if (present & ~self.present).any():
            self._refuse("PRESENT_ADDED", "can only withhold modalities", "one that was never there")
        return present

    @staticmethod
    def _refuse(code: str, rule: str, found: str) -> None:
        raise DataError(code, place="presence mask", rule=rule, found=found, remedy="Start from encoded.present.")
