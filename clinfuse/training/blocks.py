"""Tables of several modalities side by side: one block each, prepared in the fold, with absence said explicitly."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, final

import numpy as np

from clinfuse.cohort.cohort import Cohort
from clinfuse.encoders.cells import FilledTable
from clinfuse.encoders.table import ColumnSpec, Style, TablePreparation
from clinfuse.errors import DataError
from clinfuse.training.loop import hidden_mask
from clinfuse.training.options import TrainingOptions


def feature_preparation(cohort: Cohort, name: str, *, style: Style) -> TablePreparation:
    """Give an unfitted preparation of a modality's original features: its columns, or its summary features."""
    modality = cohort.modality(name)
    if modality.kind == "ehr":
        return TablePreparation(modality.columns, style=style)
    return TablePreparation([ColumnSpec(feature) for feature in cohort.features(name).names], style=style)


def masked_copies(
    present: np.ndarray, ids: np.ndarray, options: TrainingOptions, *, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """Give every record once as it is and ``options.copies`` times with modalities hidden.

    Learners read a value they never saw missing in their own way (LightGBM takes it for 0), so every learner is
    trained on records from which modalities were hidden.

    Parameters
    ----------
    present : ndarray of bool, (records, modalities)
    ids : ndarray of str, (records,)
    options : TrainingOptions
        ``copies`` and ``hide``.
    seed : int

    Returns
    -------
    owners : ndarray of int64, (rows,)
        The record that each row copies.
    masks : ndarray of bool, (rows, modalities)
    """
    copies = options.copies if options.hide > 0 and present.shape[1] > 1 else 0
    owners, masks = [np.arange(len(present))], [present]
    for copy in range(copies):
        drawn = [hidden_mask(row, options.hide, seed, str(r), -1 - copy) for row, r in zip(present, ids, strict=True)]
        owners.append(np.arange(len(present)))
        masks.append(np.stack(drawn))
    return np.concatenate(owners), np.concatenate(masks)


@final
class EmbeddingPreparation:
    """Standardise embeddings by the rows their extractor never saw.

    Parameters
    ----------
    features : int
        Width of the embedding.
    """

    def __init__(self, features: int) -> None:
        self.names_ = tuple(f"embedding {k + 1}" for k in range(features))
        self.source_ = np.arange(features)

    def fit(self, values: np.ndarray) -> EmbeddingPreparation:
        """Learn mean and spread of every feature from float64 (records, features); gives itself."""
        self.mean_ = values.mean(0) if len(values) else np.zeros(len(self.names_))
        spread = values.std(0) if len(values) else np.ones(len(self.names_))
        self.spread_ = np.where(spread > 1e-6 * (1 + np.abs(self.mean_)), spread, 1.0)
        return self

    def transform(self, values: np.ndarray) -> np.ndarray:
        """Give standardised features, float64 (records, features)."""
        return (values - self.mean_) / self.spread_

    def to_state(self) -> dict[str, Any]:
        """Give mean and spread."""
        return {"embedding": True, "mean": self.mean_, "spread": self.spread_}

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> EmbeddingPreparation:
        """Give the preparation that `to_state` described."""
        preparation = cls(len(state["mean"]))
        preparation.mean_, preparation.spread_ = state["mean"], state["spread"]
        return preparation


@final
class NothingPreparation:
    """The preparation of features of which nothing can be learned: no record has them, or all have the same."""

    names_: tuple[str, ...] = ()
    source_: tuple[int, ...] = ()

    def fit(self, values: np.ndarray) -> NothingPreparation:
        """Learn nothing; gives itself."""
        del values
        return self

    def transform(self, values: np.ndarray) -> np.ndarray:
        """Give no columns, float64 (records, 0)."""
        return np.zeros((len(values), 0))

    def to_state(self) -> dict[str, Any]:
        """Say that there is nothing."""
        return {"nothing": True}


Preparation = TablePreparation | FilledTable | EmbeddingPreparation | NothingPreparation


def preparation_from_state(state: Mapping[str, Any]) -> Preparation:
    """Give the stored preparation of one block."""
    if "nothing" in state:
        return NothingPreparation()
    if "cells" in state:
        return FilledTable.from_state(state)
    return EmbeddingPreparation.from_state(state) if "embedding" in state else TablePreparation.from_state(state)


@final
class FeatureBlocks:
    """Fold-fitted preparations of several modalities, joined to one matrix.

    Parameters
    ----------
    preparations : mapping of str to TablePreparation or EmbeddingPreparation
        Unfitted, by modality, in the cohort's order.
    style : {"linear", "tree"}
        Absent blocks are zeros (the training mean, after standardising) or NaN.
    """

    def __init__(self, preparations: Mapping[str, Preparation], *, style: Style) -> None:
        self.preparations = dict(preparations)
        self.style = style

    def fit(self, values: Mapping[str, np.ndarray], present: np.ndarray) -> FeatureBlocks:
        """Learn every block's preparation from the records that have it; gives itself.

        Parameters
        ----------
        values : mapping of str to ndarray of float64, (records, columns)
        present : ndarray of bool, (records, modalities)
        """
        self.presence_ = len(self.preparations) > 1
        for column, (name, preparation) in enumerate(list(self.preparations.items())):
            try:
                preparation.fit(values[name][present[:, column]])
            except DataError as error:
                if error.code != "TABLE_EMPTY":
                    raise
                self.preparations[name] = NothingPreparation()
        return self

    def block(self, name: str, values: np.ndarray, present: np.ndarray) -> np.ndarray:
        """Give one modality's prepared columns, float64 (records, width), zeros where absent.

        Parameters
        ----------
        name : str
        values : ndarray of float64, (records, columns)
        present : ndarray of bool, (records,)
        """
        preparation = self.preparations[name]
        block = np.zeros((len(present), len(preparation.names_)))
        if present.any():
            block[present] = preparation.transform(values[present])
        return block

    def join(self, blocks: Mapping[str, np.ndarray], present: np.ndarray) -> np.ndarray:
        """Give prepared blocks side by side, and one presence column per modality, float64 (records, width)."""
        absent = np.nan if self.style == "tree" else 0.0
        left = {name: np.where(present[:, [k]], blocks[name], absent) for k, name in enumerate(self.preparations)}
        return self.join_filled(left, present)

    def join_filled(self, blocks: Mapping[str, np.ndarray], present: np.ndarray) -> np.ndarray:
        """Give blocks whose absent rows were filled side by side, and still one presence column per modality."""
        columns = [blocks[name] for name in self.preparations]
        if self.presence_:
            columns.append(present.astype(np.float64) - (0.5 if self.style == "linear" else 0.0))
        return np.concatenate(columns, axis=1)

    def matrix(self, values: Mapping[str, np.ndarray], present: np.ndarray) -> np.ndarray:
        """Give values prepared and joined, float64 (records, width)."""
        blocks = {name: self.block(name, values[name], present[:, k]) for k, name in enumerate(self.preparations)}
        return self.join(blocks, present)

    @property
    def spans_(self) -> dict[str, slice]:
        """Columns of each modality's block in the matrix."""
        result, start = {}, 0
        for name, preparation in self.preparations.items():
            stop = start + len(preparation.names_)
            result[name] = slice(start, stop)
            start = stop
        return result

    def to_state(self) -> dict[str, Any]:
        """Give everything learned."""
        blocks = {name: preparation.to_state() for name, preparation in self.preparations.items()}
        return {"style": self.style, "presence": self.presence_, "blocks": blocks}

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> FeatureBlocks:
        """Give the blocks that `to_state` described."""
        blocks = cls({n: preparation_from_state(s) for n, s in state["blocks"].items()}, style=state["style"])
        blocks.presence_ = state["presence"]
        return blocks
