"""A single modality: the baseline every fusion must beat."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, final

import numpy as np

from clinfuse.cohort.cohort import Cohort
from clinfuse.errors import DataError
from clinfuse.training.classifiers import FusionClassifier
from clinfuse.training.encoded import Encoded
from clinfuse.training.explainable import Anatomy
from clinfuse.training.loop import Epoch
from clinfuse.training.models import NetworkModel, single_from_state
from clinfuse.training.options import TrainingOptions
from clinfuse.training.parts import SingleParts
from clinfuse.training.single import SingleRecipe, fit_single


def default_learner(cohort: Cohort, name: str, encoders: Mapping[str, Any] | None) -> Any:
    """Give the learner of a modality that was not told how to learn; empty text stands for a network.

    Tables get logistic regression unless an encoder is named for them: on clinical tables of this size nothing more
    elaborate was found to do better (Christodoulou 2019, doi 10.1016/j.jclinepi.2019.02.004).
    """
    named = encoders is not None and name in encoders
    return "logistic" if cohort.modality(name).kind == "ehr" and not named else ""


@final
class Unimodal(FusionClassifier):
    """Diagnose from one modality; a record without it gets the prior.

    Parameters
    ----------
    modality : str
        Its name in the cohort.
    encoder : str, EncoderChoice or callable, optional
        The network; by default the kind's own, and logistic regression for tables.
    learner : {"logistic", "elastic-net", "lightgbm"} or scikit-learn classifier, optional
        Learn from columns or summary features instead of training a network.
    options : TrainingOptions
    seed : int

    Examples
    --------
    >>> Unimodal("ct").taxonomy()
    'single'
    """

    multimodal: ClassVar[bool] = False

    def __init__(
        self,
        modality: str,
        *,
        encoder: Any = None,
        learner: Any = None,
        options: TrainingOptions = TrainingOptions(),
        seed: int = 0,
    ) -> None:
        self.modality = modality
        self.encoder = encoder
        self.learner = learner
        self.options = options
        self.seed = seed

    def taxonomy(self) -> str:
        """Give ``"single"``: nothing is fused."""
        return "single"

    def _chosen(self, cohort: Cohort) -> tuple[str, ...]:
        if self.modality not in cohort.names:
            raise DataError(
                "MODALITY_NAME",
                place="Unimodal",
                rule=f"modality must be one of {', '.join(cohort.names)}",
                found="another name",
                remedy="Correct the name.",
            )
        return (self.modality,)

    def _fit(self, cohort: Cohort, labels: np.ndarray) -> None:
        encoders = {} if self.encoder is None else {self.modality: self.encoder}
        learner = default_learner(cohort, self.modality, encoders) if self.learner is None else self.learner
        recipe = SingleRecipe(encoder=self.encoder, learner=learner, options=self.options, seed=self.seed)
        self.model_ = fit_single(
            cohort, self.modality, labels, recipe=recipe, prior=self.prior_, multilabel=self.multilabel_
        )

    def _encode(self, cohort: Cohort, names: list[str]) -> dict[str, np.ndarray]:
        return {name: self.model_.logits(cohort) for name in names}

    def _nothing(self, records: int) -> np.ndarray:
        return np.zeros((records, len(self.prior_)))

    def _decide(self, values: dict[str, np.ndarray], present: np.ndarray) -> np.ndarray:
        del present
        return values[self.modality]

    def _anatomy(self, cohort: Cohort, encoded: Encoded, present: list[str]) -> Anatomy:
        name = self.modality
        single = SingleParts({name: self.model_}, cohort, present, {name: encoded.values[name][0]})
        return single.anatomy(lambda given: single.logits(name, given))

    @property
    def weighing_(self) -> np.ndarray:
        """What was added to the network's logits to undo the weighing of classes, float64 (classes,)."""
        plain = super().weighing_
        return np.array(self.model_.correction) if isinstance(self.model_, NetworkModel) else plain

    @property
    def loss_curves_(self) -> dict[str, tuple[Epoch, ...]]:
        """The network's loss curve; empty for a learner."""
        return {self.modality: self.model_.curve} if isinstance(self.model_, NetworkModel) else {}

    @property
    def stored_(self) -> bool:
        """Whether everything learned has a safe form on disk."""
        return self.model_.stored

    def _learned(self) -> dict[str, Any]:
        return {"model": self.model_.to_state()}

    def _restore(self, state: Mapping[str, Any]) -> None:
        self.model_ = single_from_state(state["model"])
