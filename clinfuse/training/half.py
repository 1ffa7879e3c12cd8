"""One half of early fusion: extractors trained on some patients, and a learner on the features of the others."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, final

import numpy as np

from clinfuse.cohort.cohort import Cohort
from clinfuse.fusion.fill import Fill
from clinfuse.fusion.missing import fill_from_state
from clinfuse.training.blocks import FeatureBlocks
from clinfuse.training.learner import Learner
from clinfuse.training.learners import learner_from_state
from clinfuse.training.models import NetworkModel
from clinfuse.training.pattern_learner import PatternLearner


@final
class Half:
    """One learner with the extractors it stands on, none of which saw a record the learner was trained on.

    Parameters
    ----------
    extractors : mapping of str to NetworkModel
        Empty where all features are original ones.
    blocks : FeatureBlocks
        Fitted.
    learner : Learner
        Fitted.
    fill : Fill or None
        Fitted; None leaves absent blocks to the learner.
    """

    def __init__(
        self, extractors: Mapping[str, NetworkModel], blocks: FeatureBlocks, learner: Learner, *, fill: Fill | None
    ) -> None:
        self.extractors = dict(extractors)
        self.blocks = blocks
        self.learner = learner
        self.fill = fill

    def encode(self, cohort: Cohort, name: str) -> np.ndarray:
        """Give one modality's prepared block, float64 (records, width), zeros where absent."""
        present = cohort.present[:, cohort.names.index(name)]
        return self.blocks.block(name, features_of(self.extractors, cohort, name), present)

    def table(self, blocks: Mapping[str, np.ndarray], present: np.ndarray) -> np.ndarray:
        """Give what the learner sees of prepared blocks, float64 (records, width)."""
        if self.fill is None:
            return self.blocks.join(blocks, present)
        names = list(self.blocks.preparations)
        filled = self.fill.fill([blocks[name] for name in names], present)
        return self.blocks.join_filled(dict(zip(names, filled, strict=True)), present)

    def logits(self, blocks: Mapping[str, np.ndarray], present: np.ndarray) -> np.ndarray:
        """Give logits of prepared blocks, float64 (records, outputs)."""
        return self.learner.logits(self.table(blocks, present))

    def to_state(self) -> dict[str, Any]:
        """Give extractors, preparations and learner."""
        return {
            "extractors": {name: model.to_state() for name, model in self.extractors.items()},
            "blocks": self.blocks.to_state(),
            "learner": self.learner.to_state(),
            "fill": {} if self.fill is None else self.fill.to_state(),
        }

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> Half:
        """Give the half that `to_state` described."""
        extractors = {name: NetworkModel.from_state(model) for name, model in state["extractors"].items()}
        fill = fill_from_state(state["fill"]) if state.get("fill") else None
        blocks, learner = FeatureBlocks.from_state(state["blocks"]), _learner_from_state(state["learner"])
        return cls(extractors, blocks, learner, fill=fill)


def features_of(extractors: Mapping[str, NetworkModel], cohort: Cohort, name: str) -> np.ndarray:
    """Give what enters early fusion for one modality before preparation, float64 (records, features)."""
    return extractors[name].embeddings(cohort) if name in extractors else cohort.features(name).values


def _learner_from_state(state: Mapping[str, Any]) -> Learner:
    return PatternLearner.from_state(state) if state["learner"] == "per pattern" else learner_from_state(state)
