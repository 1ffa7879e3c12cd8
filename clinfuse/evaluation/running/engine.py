"""How the tasks of a study are run: fold by fold, here or in worker processes, and never twice."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any, final

import numpy as np

from clinfuse.cohort.cohort import Cohort
from clinfuse.errors import ConfigError, TrainingError
from clinfuse.evaluation.folds import Fold, Scheme, settings_of
from clinfuse.evaluation.running.fitting import Fitted, fit_task
from clinfuse.evaluation.running.identity import computing_code, describe, digest, versions
from clinfuse.evaluation.running.inside import InnerFolds
from clinfuse.evaluation.running.lock import locked
from clinfuse.evaluation.running.tasks import TaskFolder, check_resumable, sweep
from clinfuse.training.classifiers import FusionClassifier
from clinfuse.training.memo import sharing_fits
from clinfuse.training.store import save_model

Progress = Callable[[int, int, str], None]
_RESERVED = {"con", "prn", "aux", "nul"}


@final
@dataclass(frozen=True, eq=False)
class Job:
    """All models of one fold: they are fitted in one process, so that they can share fits.

    Parameters
    ----------
    cohort : Cohort
        From `clinfuse.evaluation.folds.scored`.
    models : mapping of str to FusionClassifier
    fold : Fold
    scheme : Scheme
    tasks : mapping of str to TaskFolder
        Where each model's task is kept; empty where nothing is.
    inside : mapping of str to InnerFolds
        Of the models of which it is asked how well they do in inner folds of the training patients.
    """

    cohort: Cohort
    models: Mapping[str, FusionClassifier]
    fold: Fold
    scheme: Scheme
    tasks: Mapping[str, TaskFolder]
    inside: Mapping[str, InnerFolds] = field(default_factory=dict)

    def run(self) -> Iterator[tuple[str, Fitted | None]]:
        """Run what is not finished yet; give each model's name, with what was fitted where it is not kept on disk."""
        folder = next(iter(self.tasks.values())).folder.parent if self.tasks else None
        with nullcontext() if folder is None else locked(folder / "LOCK"), sharing_fits():
            if folder is not None:
                sweep(folder)
            for name, model in self.models.items():
                if name in self.tasks and self.tasks[name].state() == "done":
                    yield name, None
                    continue
                asked = self.inside.get(name)
                fitted = fit_task(self.cohort, name, model, self.fold, self.scheme, inside=asked)
                if name in self.tasks:
                    _keep(fitted, self.tasks[name])
                yield name, None if name in self.tasks else fitted


def _keep(fitted: Fitted, task: TaskFolder) -> None:
    def save(folder: Path) -> None:
        if fitted.classifier.stored_:
            save_model(fitted.classifier, folder)

    task.write(fitted.predictions, fitted.about, fitted.losses, save)


def _run_all(job: Job) -> list[tuple[str, Fitted | None]]:
    return list(job.run())


def task_folders(
    cohort: Cohort,
    models: Mapping[str, FusionClassifier],
    folds: list[Fold],
    scheme: Scheme,
    results: Path,
    *,
    inside: Mapping[str, InnerFolds] = MappingProxyType({}),
) -> dict[tuple[int, int, str], TaskFolder]:
    """Give the folder and key of every task of a study, by repeat, fold and model.

    Parameters
    ----------
    cohort : Cohort
        From `clinfuse.evaluation.folds.scored`.
    models : mapping of str to FusionClassifier
    folds : list of Fold
    scheme : Scheme
    results : Path
    inside : mapping of str to InnerFolds
        As of `Job`.

    Raises
    ------
    ConfigError
        ``MODEL_NAME``, ``SETTING_UNKNOWN``.
    """
    common = {"format": 1, "cohort": cohort.fingerprint, "versions": versions(), "code": computing_code()}
    found = {}
    for fold in folds:
        rows = {"train": digest("\n".join(cohort.keys[fold.train])), "test": digest("\n".join(cohort.keys[fold.test]))}
        for name, model in models.items():
            setting = describe(model), describe(settings_of(model, fold, scheme))
            key = {**common, **rows, "model": name, "settings": setting[0], "fold_settings": setting[1]}
            if name in inside:
                key["inside"] = describe(inside[name])
            found[fold.repeat, fold.number, name] = TaskFolder(results / "folds" / fold.name / name, key)
    return found


def check_names(models: Mapping[str, FusionClassifier]) -> None:
    """Refuse names of models that cannot be names of folders on every system.

    Raises
    ------
    ConfigError
        ``MODEL_NAME``.
    """
    folded = [name.casefold() for name in models]
    for name in models:
        plain = name.isascii() and all(sign.isalnum() or sign in " _-." for sign in name) and len(name) <= 60
        usable = plain and name[:1].isalnum() and name[-1:] not in (" ", ".") and name.casefold() not in _RESERVED
        if not usable or folded.count(name.casefold()) > 1 or name.casefold() == "lock":
            raise ConfigError(
                "MODEL_NAME",
                place="models",
                rule="a name is up to 60 letters, digits, spaces, '_', '-' or '.', begins with a letter or digit, "
                "and differs from the others by more than case",
                found="another name",
                remedy="Rename the model.",
            )
    if not models:
        raise ConfigError("MODEL_NAME", place="models", rule="at least one model", found="none", remedy="Give a model.")


def run_jobs(jobs: list[Job], *, workers: int, redo: bool, progress: Progress) -> dict[tuple[int, int, str], Fitted]:
    """Run every job that is not finished and give what was fitted and not kept on disk, by repeat, fold and model.

    Parameters
    ----------
    jobs : list of Job
    workers : int
        Processes; 1 runs everything here. The results are the same bits.
    redo : bool
        Whether finished tasks that are damaged, or of another study, are done again.
    progress : callable
        Told the number of finished tasks, of all tasks, and what was finished.

    Raises
    ------
    StorageError
        ``TASK_DAMAGED``, ``TASK_FOREIGN``, ``TASK_WRITE``.
    LockedError
        ``FOLD_LOCKED``.
    TrainingError
        ``WORKERS_LOST``; and what the models raise.
    """
    check_resumable([task for job in jobs for task in job.tasks.values()], redo=redo)
    total = sum(len(job.models) for job in jobs)
    found: dict[tuple[int, int, str], Fitted] = {}
    for done, (job, name, fitted) in enumerate(_finished(jobs, workers), start=1):
        if fitted is not None:
            found[job.fold.repeat, job.fold.number, name] = fitted
        progress(done, total, f"{name}, repeat {job.fold.repeat}, fold {job.fold.number}")
    return found


def _finished(jobs: list[Job], workers: int) -> Iterator[tuple[Job, str, Fitted | None]]:
    if not isinstance(workers, int) or isinstance(workers, bool | np.bool_) or workers < 1:
        raise ConfigError(
            "WORKERS", place="workers", rule="a whole number of at least 1", found="another", remedy="Correct it."
        )
    if workers == 1 or len(jobs) == 1:
        yield from ((job, *item) for job in jobs for item in job.run())
        return
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(min(workers, len(jobs)), mp_context=context) as pool:
        futures: dict[Any, Job] = {pool.submit(_run_all, job): job for job in jobs}
        try:
            for future in as_completed(futures):
                yield from ((futures[future], *item) for item in future.result())
        except BrokenProcessPool:
            raise TrainingError(
                "WORKERS_LOST",
                place="worker processes",
                rule="workers must be able to start and to finish",
                found="one that ended early",
                remedy="Put the call under `if __name__ == '__main__':`, give the machine more memory, or use "
                "workers=1; finished tasks in the results folder are kept.",
            ) from None
        finally:
            pool.shutdown(wait=True, cancel_futures=True)
