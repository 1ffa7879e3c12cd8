"""The single modality that a fusion must beat, named in advance or chosen by its training patients."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import final

import numpy as np

from clinfuse.errors import ConfigError
from clinfuse.evaluation.choice import BEST_SINGLE, best_inside, how_often
from clinfuse.evaluation.crossval import CrossValidation
from clinfuse.evaluation.predictions import Predictions


@final
@dataclass(frozen=True, eq=False)
class Comparator:
    """A single modality, or the best of them fold by fold.

    Parameters
    ----------
    predictions : Predictions
        Of every record, nothing withheld.
    chosen : mapping of (int, int) to str
        The model that answers in each repeat and fold.
    usable : ndarray of bool, (rows,)
        Where the chosen model's modality is present.
    """

    predictions: Predictions
    chosen: Mapping[tuple[int, int], str]
    usable: np.ndarray

    @property
    def label(self) -> str:
        """What to call it: the modality, or how often which one was chosen."""
        return how_often(self.chosen)


def named_single(models: Mapping[str, CrossValidation], name: str) -> Comparator:
    """Give the single modality that was named in advance.

    Parameters
    ----------
    models : mapping of str to CrossValidation
        Of one modality each.
    name : str
        Of the model or modality.

    Raises
    ------
    ConfigError
        ``BEST_SINGLE``: no such model.
    """
    found = [model for model, one in models.items() if name in (model, one.modalities[0])]
    if not found:
        _refuse(f"one of {', '.join(models)}", "another name")
    one = models[found[0]]
    usable = _present(one.predictions, one.modalities[0])
    return Comparator(one.predictions, dict.fromkeys(one.folds, found[0]), usable)


def best_single(models: Mapping[str, CrossValidation]) -> Comparator:
    """Give in every fold the single modality that did best in inner folds of its training patients.

    Parameters
    ----------
    models : mapping of str to CrossValidation
        Of one modality each.

    Raises
    ------
    ConfigError
        ``BEST_SINGLE``: no single modality.
    """
    if not models:
        _refuse("at least one single modality", "none")
    chosen = best_inside(models)
    predictions = CrossValidation.best_of(BEST_SINGLE, models, chosen).predictions
    usable = np.zeros(len(predictions), dtype=bool)
    for (repeat, fold), name in chosen.items():
        here = (predictions.repeat == repeat) & (predictions.fold == fold)
        usable |= here & _present(predictions, models[name].modalities[0])
    return Comparator(predictions, chosen, usable)


def _present(predictions: Predictions, name: str) -> np.ndarray:
    return predictions.present[:, predictions.modalities.index(name)]


def _refuse(rule: str, found: str) -> None:
    raise ConfigError(
        "BEST_SINGLE", place="best_single", rule=f"must be {rule}", found=found, remedy="Name a modality in advance."
    )
