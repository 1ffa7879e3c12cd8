"""What happens inside modalities: every method asked about the modalities it was chosen for, in one go."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, final

import numpy as np
from torch import Tensor

from clinfuse.explain.baselines import baseline
from clinfuse.explain.choosing import WITHOUT_GRADIENTS, built_method
from clinfuse.explain.methods.base import Answer, Method, Question
from clinfuse.training.explainable import Explainable
from clinfuse.training.seeds import generator

MOST_BACKGROUND = 32
NO_GRADIENT = "no gradient runs through this model's learner or pool"


@final
@dataclass(frozen=True)
class Settings:
    """How the inside of modalities is looked at.

    Parameters
    ----------
    methods : mapping of str to Method
        By modality.
    baselines : mapping of str to str
        By modality.
    steps, seed : int
    background : Cohort
        Records that GradientShap compares with; empty where none were given.
    """

    methods: Mapping[str, Method]
    baselines: Mapping[str, str]
    steps: int
    seed: int
    background: Any = ()


@final
@dataclass(frozen=True, eq=False)
class Inside:
    """The answers about one record.

    Parameters
    ----------
    answers : tuple of Answer
        One for each method that was asked.
    owners : mapping of str to (int, int)
        By modality: which answer, and which of its maps.
    """

    answers: tuple[Answer, ...] = ()
    owners: Mapping[str, tuple[int, int]] = field(default_factory=dict)

    def map(self, name: str) -> np.ndarray:
        """Give the map of a modality that was asked about."""
        answer, position = self.owners[name]
        return self.answers[answer].maps[position]

    def answer(self, name: str) -> Answer:
        """Give the answer that holds the map of a modality."""
        return self.answers[self.owners[name][0]]


def look_inside(classifier: Any, taken: Explainable, cohort: Any, settings: Settings) -> Inside:
    """Ask every method about all the modalities that it was chosen for, the others staying as they are in the record.

    Parameters
    ----------
    classifier : FusionClassifier
    taken : Explainable
        Of the record.
    cohort : Cohort
        Of the one record.
    settings : Settings
    """
    asked: dict[str, list[str]] = {}
    notes, methods = {}, {}
    for name in taken.order:
        method = settings.methods[name]
        if method.gradients and not taken.smooth:
            notes[name] = f"occlusion instead of {method.words}: {NO_GRADIENT}"
            method = built_method(WITHOUT_GRADIENTS)
        methods[method.name] = method
        asked.setdefault(method.name, []).append(name)
    answers: list[Answer] = []
    owners: dict[str, tuple[int, int]] = {}
    for number, (word, names) in enumerate(asked.items()):
        found = methods[word].attribute(_question(classifier, taken, cohort, names, settings))
        note = notes.get(names[0], found.note)
        answers.append(
            Answer(found.maps, found.change, found.total, found.words, note, found.steps, methods[word].additive)
        )
        owners |= {name: (number, position) for position, name in enumerate(names)}
    return Inside(tuple(answers), owners)


def _question(classifier: Any, taken: Explainable, cohort: Any, names: list[str], settings: Settings) -> Question:
    def function(given: tuple[Tensor, ...]) -> Tensor:
        return taken.at(dict(zip(names, given, strict=True)))

    modalities = tuple(cohort.modality(name) for name in names)
    starts = tuple(baseline(settings.baselines[m.name], m, taken, seed=settings.seed) for m in modalities)
    wanted = any(settings.methods[name].name == "gradient-shap" for name in names)
    return Question(
        function,
        modalities,
        tuple(taken.inputs[name] for name in names),
        starts,
        _backgrounds(classifier, settings, names, starts) if wanted else starts,
        tuple(taken.encoders.get(name, ()) for name in names),
        tuple(tuple(taken.feature_names.get(name, ())) for name in names),
        tuple(cohort.window_mask(m.name)[0] if m.windowed else np.zeros(0, bool) for m in modalities),
        settings.steps,
        settings.seed,
    )


def _backgrounds(
    classifier: Any, settings: Settings, names: list[str], starts: tuple[np.ndarray, ...]
) -> tuple[np.ndarray, ...]:
    """Up to 32 drawn rows of the background that have all these modalities, as the networks see them."""
    cohort = settings.background
    if not len(cohort):
        return starts
    columns = [cohort.names.index(name) for name in names]
    having = np.flatnonzero(cohort.present[:, columns].all(1))
    if not len(having):
        return starts
    drawn = generator(settings.seed, "background").permutation(having)[:MOST_BACKGROUND]
    seen = []
    for row in np.sort(drawn):
        seen.append(classifier.explainable(cohort[int(row) : int(row) + 1]).inputs)
    return tuple(np.concatenate([one[name] for one in seen]) for name in names)
