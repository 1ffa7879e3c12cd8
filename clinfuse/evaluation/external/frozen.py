"""A finished model, asked about records of another cohort, after a look at whether it may be."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import final

import numpy as np

from clinfuse.cohort.cohort import Cohort
from clinfuse.errors import ConfigError, DataError
from clinfuse.evaluation.crossval import CrossValidation
from clinfuse.evaluation.predictions import Predictions
from clinfuse.training.classifiers import FusionClassifier, check_signature
from clinfuse.training.store import load_model


@final
@dataclass(frozen=True, eq=False)
class Frozen:
    """A model that is not trained any further.

    Parameters
    ----------
    name : str
    classifiers : tuple of FusionClassifier
        Fitted; of several the logits are averaged.
    """

    name: str
    classifiers: tuple[FusionClassifier, ...]

    @property
    def modalities(self) -> tuple[str, ...]:
        """That it uses, in the order of its training."""
        return tuple(self.classifiers[0].modalities_)

    def check(self, cohort: Cohort, absent: Sequence[str]) -> None:
        """Refuse a cohort of which the model cannot be asked what it learned.

        Raises
        ------
        DataError
            ``EXTERNAL_CLASSES``, ``EXTERNAL_MODALITY``, ``EXTERNAL_LABELS``, ``MODALITY_CHANGED``.
        """
        learned = self.classifiers[0]
        if cohort.task != "binary" or tuple(learned.class_names_) != tuple(cohort.classes):
            _refuse(
                "EXTERNAL_CLASSES",
                f"two classes as in training: {' and '.join(learned.class_names_)}",
                "others, or the same in another order",
                "Name positive and negative values in [label] of cohort.toml as they were for training.",
            )
        for name in self.modalities:
            if name in cohort.names:
                check_signature(cohort.modality(name), learned.signatures_[name])
            elif name not in absent:
                _refuse(
                    "EXTERNAL_MODALITY",
                    f"every modality of the model: {', '.join(self.modalities)}",
                    f"no modality {name}",
                    f"Declare it, or accept that nobody has it: absent=({name!r},).",
                )
        labels = np.asarray(cohort.labels)
        people = np.asarray(cohort.patient_keys)
        if min(len(np.unique(people[labels == one])) for one in (0, 1)) < 2:
            rule = "at least two patients of each class with a known label"
            _refuse("EXTERNAL_LABELS", rule, "fewer", "Check [label] of cohort.toml.")

    def predictions(self, cohort: Cohort) -> Predictions:
        """Give what the model says of records, as one fold of one repeat."""
        logits = np.mean([one.decide(one.encode(cohort)) for one in self.classifiers], axis=0)
        n = len(cohort)
        return Predictions(
            model=np.full(n, self.name),
            repeat=np.zeros(n),
            fold=np.zeros(n),
            record=np.asarray(cohort.keys),
            patient=np.asarray(cohort.patient_keys),
            site=np.asarray(cohort.sites),
            withheld=np.full(n, ""),
            y_true=np.asarray(cohort.labels),
            logits=logits,
            probabilities=self.classifiers[0].probabilities(logits),
            present=np.asarray(cohort.present),
            classes=tuple(cohort.classes),
            task=cohort.task,
            modalities=tuple(cohort.names),
        )


def frozen(model: FusionClassifier | CrossValidation | str | Path) -> Frozen:
    """Give a fitted classifier, the folder of a stored one, or the models of all folds as one frozen model.

    Raises
    ------
    StorageError
        What `clinfuse.load_model` raises.
    ConfigError
        ``EXTERNAL_MODEL``: something else, or a classifier that is not fitted.
    """
    if isinstance(model, CrossValidation):
        return Frozen(model.name, tuple(model.classifiers.values()))
    found = load_model(Path(model)) if isinstance(model, str | Path) else model
    if not isinstance(found, FusionClassifier) or not hasattr(found, "modalities_"):
        raise ConfigError(
            "EXTERNAL_MODEL",
            place="model",
            rule="a fitted classifier, its folder, or a cross-validation",
            found="something else",
            remedy="Give what clinfuse.train_final or clinfuse.cross_validate gave back.",
        )
    return Frozen(type(found).__name__, (found,))


def _refuse(code: str, rule: str, found: str, remedy: str) -> None:
    raise DataError(code, place="external cohort", rule=rule, found=found, remedy=remedy)
