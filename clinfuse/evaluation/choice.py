"""The best of several models, chosen in every fold by inner folds of its training patients."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

import numpy as np

from clinfuse.errors import ConfigError
from clinfuse.evaluation.crossval import CrossValidation
from clinfuse.evaluation.running.inside import InnerFolds
from clinfuse.evaluation.scores import enough_patients
from clinfuse.training.classifiers import FusionClassifier

BEST_FUSION = "best fusion"
BEST_SINGLE = "best single"


def asked_inside(
    models: Mapping[str, FusionClassifier], *, primary: str, rival: str, folds: int
) -> dict[str, InnerFolds]:
    """Give the models that a question has asked in inner folds, and these folds; a choice of one asks nothing.

    Parameters
    ----------
    models : mapping of str to FusionClassifier
        All of the study, single modalities among them.
    primary, rival : str
        The two sides of the question.
    folds : int
        Number of inner folds.
    """
    inner = InnerFolds(folds, leading(models, primary).seed)
    fusions = [name for name, model in models.items() if model.multimodal]
    singles = [name for name in models if name not in fusions]
    sides = ((primary == BEST_FUSION, fusions), (rival == BEST_SINGLE, singles))
    asked = {name for wanted, names in sides if wanted and len(names) > 1 for name in names}
    return {name: inner for name in models if name in asked}


def leading(models: Mapping[str, FusionClassifier], primary: str) -> FusionClassifier:
    """Give the declared model; where the best fusion is meant, the first fusion.

    Raises
    ------
    ConfigError
        ``PRIMARY``: no such model, or no fusion.
    """
    fusions = [name for name, model in models.items() if model.multimodal]
    name = fusions[0] if primary == BEST_FUSION and fusions else primary
    if name not in models:
        raise ConfigError(
            "PRIMARY",
            place="primary",
            rule=f"must be one of {', '.join(models)}, or '{BEST_FUSION}' where there is a fusion",
            found="another name",
            remedy="Correct primary.",
        )
    return models[name]


def best_inside(models: Mapping[str, CrossValidation]) -> dict[tuple[int, int], str]:
    """Give the name of the model that did best in the inner folds of the training patients, by repeat and fold.

    Nothing about the patients of a fold has a part in its choice. A model that fewer than ten training patients with
    or without the outcome can be answered by is chosen only where this is so of all; of equally good ones the first.

    Parameters
    ----------
    models : mapping of str to CrossValidation
        Of one scheme, at least one; each has been asked in inner folds where there are several.
    """
    first = next(iter(models.values()))
    if len(models) == 1:
        return dict.fromkeys(first.folds, next(iter(models)))
    return {place: max(models, key=lambda name: _worth(models[name], place)) for place in first.folds}


def _worth(model: CrossValidation, place: tuple[int, int]) -> tuple[bool, float]:
    training = model.cohort[model.folds[place].train]
    columns = [training.names.index(name) for name in model.modalities]
    here = np.flatnonzero(training.present[:, columns].any(1))
    labels, patients = np.asarray(training.labels)[here], np.asarray(training.groups)[here]
    return enough_patients(labels, patients, len(training.classes)), model.inner[place]


def how_often(chosen: Mapping[tuple[int, int], str]) -> str:
    """Say what was chosen in how many folds, the most frequent first.

    Examples
    --------
    >>> how_often({(0, 0): "early", (0, 1): "late", (0, 2): "early"}), how_often({(0, 0): "late"})
    ('early in 2 of 3 folds, late in 1', 'late')
    """
    (first, count), *others = Counter(chosen.values()).most_common()
    if not others:
        return first
    rest = ", ".join(f"{name} in {number}" for name, number in others)
    return f"{first} in {count} of {len(chosen)} folds, {rest}"
