"""Early fusion taken apart for one record: networks by their input, original features by their learner's parts."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import final

import numpy as np
import torch
from torch import Tensor, nn

from clinfuse.cohort.cohort import Cohort
from clinfuse.encoders.table import TablePreparation
from clinfuse.training.blocks import EmbeddingPreparation
from clinfuse.training.explainable import Anatomy
from clinfuse.training.half import Half
from clinfuse.training.models import LearnerModel, NetworkModel, SingleModel
from clinfuse.training.networks import embed
from clinfuse.training.parts import median_row

Seen = tuple[Tensor, Tensor]
OWN_NETWORK = "answer of its own network"


@final
class EarlyParts:
    """The halves of an early fusion, and the single models beside them, for one record.

    Parameters
    ----------
    halves : sequence of Half
    singles : mapping of str to SingleModel
        Empty without single heads.
    blocks : sequence of mapping of str to ndarray of float64, (1, width)
        Each half's prepared blocks of the record.
    said : mapping of str to ndarray of float64, (outputs,)
        What each single model says of it.
    prior : ndarray of float64, (outputs,)
        Logits of the prior.
    """

    def __init__(
        self,
        halves: Sequence[Half],
        singles: Mapping[str, SingleModel],
        *,
        blocks: Sequence[Mapping[str, np.ndarray]],
        said: Mapping[str, np.ndarray],
        prior: np.ndarray,
    ) -> None:
        self.halves = halves
        self.singles = singles
        self.blocks = blocks
        self.said = said
        self.prior = prior

    def anatomy(self, cohort: Cohort, present: Sequence[str], mask: np.ndarray, total: np.ndarray) -> Anatomy:
        """Give the anatomy of the decision.

        Parameters
        ----------
        cohort : Cohort
            Of the one record.
        present : sequence of str
        mask : ndarray of bool, (1, modalities)
        total : ndarray of float64, (outputs,)
            The fused logits of the record.
        """
        shares = (0.5, 0.5 / len(present)) if self.singles else (1.0, 0.0)
        tables = [half.table(own, mask) for half, own in zip(self.halves, self.blocks, strict=True)]
        seen: dict[str, Seen] = {}
        names: dict[str, tuple[str, ...]] = {}
        parts: dict[str, np.ndarray] = {}
        for name in present:
            if name in self.halves[0].extractors:
                seen[name] = self.halves[0].extractors[name].inputs(cohort, np.array([0]))
                continue
            names[name], parts[name] = self._parts(cohort, name, tables, shares)
        smooth = all(half.learner.linear for half in self.halves)
        fused = self._lines(tables, seen) if smooth else self._asked(mask, seen)
        start = torch.from_numpy(np.array(total))
        sums = {name: torch.from_numpy(each.sum(0)) for name, each in parts.items()}

        def logits(given: Mapping[str, Tensor]) -> Tensor:
            logits = start.expand(len(next(iter(given.values()))), -1)
            for name in (name for name in given if name in sums):
                logits = logits + given[name] - sums[name]
            looked = {name: x for name, x in given.items() if name in seen}
            if not looked:
                return logits
            own = [self._own(name, x, seen[name][1]) for name, x in looked.items() if name in self.singles]
            return logits + shares[0] * fused(looked) + shares[1] * sum(own, torch.zeros(()).double())

        return Anatomy(
            logits,
            {name: x.numpy() for name, (x, _) in seen.items()},
            {name: self._baseline(name, *each) for name, each in seen.items()},
            {name: median_row(p) for name, p in self._tables(seen).items()},
            names | {name: tuple(p.names_) for name, p in self._tables(seen).items()},
            parts,
            dict.fromkeys(parts, self.halves[0].learner.taken_apart),
            {name: self._encoders(name) for name in seen},
            smooth=smooth,
        )

    def _parts(
        self, cohort: Cohort, name: str, tables: Sequence[np.ndarray], shares: tuple[float, float]
    ) -> tuple[tuple[str, ...], np.ndarray]:
        """Additive parts of original features, summed over the prepared columns that are made of one of them."""
        columns = tuple(cohort.features(name).names)
        total = np.zeros((len(columns), len(self.prior)))
        for half, table in zip(self.halves, tables, strict=True):
            each = half.learner.contributions(table)[0][half.blocks.spans_[name]]
            weight = shares[0] / len(self.halves)
            np.add.at(total, np.asarray(half.blocks.preparations[name].source_, dtype=int), weight * each)
        single = self.singles.get(name)
        if isinstance(single, LearnerModel):
            each = single.learner.contributions(single.table(cohort))[0, :-1]
            np.add.at(total, np.asarray(single.blocks.preparations[name].source_, dtype=int), shares[1] * each)
        if isinstance(single, NetworkModel):
            own = shares[1] * (self.said[name] - self.prior)
            return (*columns, OWN_NETWORK), np.concatenate([total, own[None]])
        return columns, total

    def _lines(
        self, tables: Sequence[np.ndarray], seen: Mapping[str, Seen]
    ) -> Callable[[Mapping[str, Tensor]], Tensor]:
        """What other inputs add to the learners' mean logits, where these are lines through the embeddings."""
        slopes = [half.learner.slopes(table) for half, table in zip(self.halves, tables, strict=True)]
        masks = {name: mask for name, (_, mask) in seen.items()}

        def fused(given: Mapping[str, Tensor]) -> Tensor:
            changes = [
                (self._block(half, name, x, masks[name]) - torch.from_numpy(own[name]))
                @ torch.from_numpy(np.ascontiguousarray(slope[half.blocks.spans_[name]]))
                for half, slope, own in zip(self.halves, slopes, self.blocks, strict=True)
                for name, x in given.items()
            ]
            return torch.stack(changes).sum(0) / len(self.halves)

        return fused

    def _asked(self, mask: np.ndarray, seen: Mapping[str, Seen]) -> Callable[[Mapping[str, Tensor]], Tensor]:
        """What other inputs add to the learners' mean logits, by asking them anew: no gradient runs through trees."""
        masks = {name: each for name, (_, each) in seen.items()}
        before = np.mean([h.logits(own, mask)[0] for h, own in zip(self.halves, self.blocks, strict=True)], axis=0)

        def fused(given: Mapping[str, Tensor]) -> Tensor:
            size = len(next(iter(given.values())))
            answers = []
            for half, own in zip(self.halves, self.blocks, strict=True):
                blocks = {name: np.repeat(block, size, axis=0) for name, block in own.items()}
                with torch.no_grad():
                    for name, x in given.items():
                        blocks[name] = self._block(half, name, x, masks[name]).numpy()
                answers.append(half.logits(blocks, np.repeat(mask, size, axis=0)))
            return torch.from_numpy(np.mean(answers, axis=0) - before)

        return fused

    @staticmethod
    def _block(half: Half, name: str, x: Tensor, mask: Tensor) -> Tensor:
        """One extracted modality as its learner sees it, float64 (batch, width)."""
        preparation = half.blocks.preparations[name]
        if not isinstance(preparation, EmbeddingPreparation):
            message = "only embeddings come from a network"
            raise TypeError(message)
        masks = mask.expand(len(x), -1) if mask.numel() else mask
        z = embed(half.extractors[name].network.encoder, x.float(), masks).double()
        return (z - torch.from_numpy(preparation.mean_)) / torch.from_numpy(preparation.spread_)

    def _own(self, name: str, x: Tensor, mask: Tensor) -> Tensor:
        """What another input adds to the logits of a modality's own model."""
        single = self.singles[name]
        if not isinstance(single, NetworkModel):
            return torch.zeros(()).double()
        masks = mask.expand(len(x), -1) if mask.numel() else mask
        return single.differentiable(x.float(), masks).double() - torch.from_numpy(np.array(self.said[name]))

    def _baseline(self, name: str, x: Tensor, mask: Tensor) -> np.ndarray:
        each = [half.extractors[name].baseline for half in self.halves]
        return np.zeros(x.shape, np.float32) if mask.numel() else np.mean(each, axis=0)[None]

    def _tables(self, seen: Mapping[str, Seen]) -> dict[str, TablePreparation]:
        first = self.halves[0].extractors
        return {name: first[name].tables[name] for name in seen if name in first[name].tables}

    def _encoders(self, name: str) -> tuple[nn.Module, ...]:
        single = self.singles.get(name)
        own = (single.network.encoder,) if isinstance(single, NetworkModel) else ()
        return (*(half.extractors[name].network.encoder for half in self.halves), *own)
