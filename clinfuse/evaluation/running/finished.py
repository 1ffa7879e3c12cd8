"""Finished tasks, in memory or on disk, and the fitted models they give when asked."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, final

import numpy as np
from sklearn.base import clone

from clinfuse.cohort.cohort import Cohort
from clinfuse.errors import TrainingError
from clinfuse.evaluation.folds import Fold, Scheme, settings_of
from clinfuse.evaluation.predictions import Predictions
from clinfuse.evaluation.running.engine import Job
from clinfuse.evaluation.running.fitting import Fitted, one_thread_each, predict_task
from clinfuse.evaluation.running.tasks import TaskFolder
from clinfuse.training.classifiers import FusionClassifier
from clinfuse.training.store import load_model

_REFIT = 1e-6


@final
@dataclass(frozen=True, eq=False)
class Task:
    """A finished task, in memory or on disk, with what is needed to do it again."""

    name: str
    cohort: Cohort
    model: FusionClassifier
    fold: Fold
    scheme: Scheme
    fitted: Fitted | None
    folder: TaskFolder | None
    predictions: Predictions
    about: Mapping[str, Any]
    losses: Mapping[str, Any]

    def called(self, name: str) -> Task:
        """Give the same task with the predictions under another name."""
        return replace(self, predictions=replace(self.predictions, model=np.full(len(self.predictions), name)))

    def classifier(self) -> FusionClassifier:
        """Give the fitted model: from memory, from disk, or fitted again."""
        if self.fitted is not None:
            return self.fitted.classifier
        if self.folder is not None and self.about["stored"]:
            return load_model(self.folder.folder / "model")
        return self._refitted()

    def _refitted(self) -> FusionClassifier:
        with one_thread_each(self.model):
            model: FusionClassifier = clone(self.model).set_params(**settings_of(self.model, self.fold, self.scheme))
            model.fit(self.cohort[self.fold.train])
            again = predict_task(self.cohort, self.name, model, self.fold).select(withheld="")
        before = self.predictions.select(withheld="")
        if not np.allclose(again.logits, before.logits, rtol=_REFIT, atol=_REFIT):
            raise TrainingError(
                "STORE_REFIT",
                place=f"model {self.name}, repeat {self.fold.repeat}, fold {self.fold.number}",
                rule="a model fitted again from its seed and inputs must predict the same",
                found="other predictions",
                remedy="Use a learner that can be stored, or one that draws from random_state only.",
            )
        return model


class Classifiers(Mapping[tuple[int, int], FusionClassifier]):
    """Fitted models by repeat and fold, each read or fitted once, when it is asked for."""

    def __init__(self, tasks: Mapping[tuple[int, int], Task]) -> None:
        self._tasks = tasks
        self._read: dict[tuple[int, int], FusionClassifier] = {}

    def __getitem__(self, place: tuple[int, int]) -> FusionClassifier:
        if place not in self._read:
            self._read[place] = self._tasks[place].classifier()
        return self._read[place]

    def __iter__(self) -> Iterator[tuple[int, int]]:
        return iter(self._tasks)

    def __len__(self) -> int:
        return len(self._tasks)


def finished_task(job: Job, name: str, fitted: Mapping[tuple[int, int, str], Fitted]) -> Task:
    """Give a task of a job that has run: from its folder, or from what was fitted and not kept."""
    known = (name, job.cohort, job.models[name], job.fold, job.scheme)
    if name in job.tasks:
        folder = job.tasks[name]
        return Task(*known, None, folder, folder.predictions(), folder.about(), folder.losses())
    here = fitted[job.fold.repeat, job.fold.number, name]
    return Task(*known, here, None, here.predictions, here.about, here.losses)
