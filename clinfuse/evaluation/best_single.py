"""The single modality that a fusion must beat, chosen by other predictions than those it is then judged by."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import final

import numpy as np

from clinfuse.errors import ConfigError
from clinfuse.evaluation.predictions import Predictions
from clinfuse.evaluation.scores import both_classes, few_events, predicted_statistic


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
        often = Counter(self.chosen.values()).most_common()
        if len(often) == 1:
            return often[0][0]
        (first, count), *others = often
        rest = ", ".join(f"{name} in {number}" for name, number in others)
        return f"{first} in {count} of {len(self.chosen)} folds, {rest}"


def named_single(singles: Mapping[str, Predictions], modality: Mapping[str, str], name: str) -> Comparator:
    """Give the single modality that was named in advance.

    Parameters
    ----------
    singles : mapping of str to Predictions
        By name of the model, nothing withheld.
    modality : mapping of str to str
        Modality of each of these models.
    name : str
        Of the model or modality.

    Raises
    ------
    ConfigError
        ``BEST_SINGLE``: no such model.
    """
    found = [model for model in singles if name in (model, modality[model])]
    if not found:
        _refuse(f"one of {', '.join(singles)}", "another name")
    one = singles[found[0]]
    places = zip(one.repeat.tolist(), one.fold.tolist(), strict=True)
    return Comparator(one, dict.fromkeys(places, found[0]), _present(one, modality[found[0]]))


def chosen_single(singles: Mapping[str, Predictions], modality: Mapping[str, str]) -> Comparator:
    """Give in every fold the single modality that did best in the other folds of the same repeat.

    No prediction about a patient of a fold is counted in choosing what is held against the fusion there, so that the
    best of several noisy numbers is not mistaken for a good one. The choice is not blind to these patients: the models
    of the other folds were trained on them. That favours the comparator and so counts against fusion, by 0.02 to 0.03
    in AUROC where several modalities are alike and weak. A modality named in advance has no such advantage.

    A record without the modality counts in the choice: it is answered with the prevalence. A modality that fewer than
    ten patients with or without the outcome have in the other folds is chosen only where this is so of all.

    Raises
    ------
    ConfigError
        ``BEST_SINGLE``: no single modality, or one fold only.
    """
    if not singles:
        _refuse("at least one single modality", "none")
    first = next(iter(singles.values()))
    chosen: dict[tuple[int, int], str] = {}
    for repeat, fold in _places(first):
        worth: dict[str, tuple[bool, float]] = {}
        for name, one in singles.items():
            others = one.rows((one.repeat == repeat) & (one.fold != fold))
            if not both_classes(others):
                _refuse("named in advance where no other fold holds every class", "no name")
            # A fold without a class compares no pair, so it has no say in the choice.
            value = float(predicted_statistic(others, "auroc")(np.ones((1, len(others))))[0])
            worth[name] = (not few_events(others.rows(_present(others, modality[name]))), value)
        chosen[repeat, fold] = max(worth, key=lambda name: worth[name])
    return _put_together(singles, modality, chosen)


def inner_single(
    singles: Mapping[str, Predictions],
    modality: Mapping[str, str],
    inner: Mapping[tuple[int, int], Mapping[str, float]],
) -> Comparator:
    """Give in every fold the single modality that did best in inner folds of the training patients.

    Nothing about the patients of a fold has a part in the choice of what is held against the fusion there.

    Parameters
    ----------
    singles, modality
        As for `chosen_single`.
    inner : mapping of (int, int) to mapping of str to float
        AUROC of every modality by repeat and fold: of `CrossValidation.inner`.
    """
    first = next(iter(singles.values()))
    best = {place: max(singles, key=lambda name: inner[place][modality[name]]) for place in _places(first)}
    return _put_together(singles, modality, best)


def _places(one: Predictions) -> list[tuple[int, int]]:
    return list(dict.fromkeys(zip(one.repeat.tolist(), one.fold.tolist(), strict=True)))


def _put_together(
    singles: Mapping[str, Predictions], modality: Mapping[str, str], best: Mapping[tuple[int, int], str]
) -> Comparator:
    """What the chosen models say, fold by fold."""
    parts, usable = [], []
    for (repeat, fold), name in best.items():
        here = singles[name].rows((singles[name].repeat == repeat) & (singles[name].fold == fold))
        parts.append(replace(here, model=np.full(len(here), "best single")))
        usable.append(_present(here, modality[name]))
    return Comparator(Predictions.concat(parts), best, np.concatenate(usable))


def _present(predictions: Predictions, name: str) -> np.ndarray:
    return predictions.present[:, predictions.modalities.index(name)]


def _refuse(rule: str, found: str) -> None:
    raise ConfigError(
        "BEST_SINGLE", place="best_single", rule=f"must be {rule}", found=found, remedy="Name a modality in advance."
    )
