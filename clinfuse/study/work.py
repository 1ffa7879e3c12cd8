"""What is to be done in a run: its cohort, its models, its folds, and which of them are left."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

import numpy as np

from clinfuse.cohort.cohort import Cohort
from clinfuse.errors import ConfigError, LockedError
from clinfuse.evaluation.choice import BEST_SINGLE, asked_inside
from clinfuse.evaluation.folds import Scheme, deal, scored
from clinfuse.evaluation.running.engine import Job, task_folders
from clinfuse.evaluation.running.tasks import TaskFolder, check_resumable
from clinfuse.evaluation.subgroups.groups import check_groups
from clinfuse.evaluation.visits import check_order
from clinfuse.study.config import Study
from clinfuse.study.folder import RunFolder
from clinfuse.study.rules import check_task

_PAUSE = 0.5


@final
@dataclass(frozen=True, eq=False)
class Work:
    """Everything a run fits.

    Parameters
    ----------
    study : Study
    run : RunFolder
    cohort : Cohort
        With the study's modalities, and the records that have at least one of them.
    models : dict of str to FusionClassifier
        Each modality alone, then the fusions.
    jobs : tuple of Job
        One per fold.
    """

    study: Study
    run: RunFolder
    cohort: Cohort
    models: dict[str, Any]
    jobs: tuple[Job, ...]

    @property
    def tasks(self) -> tuple[TaskFolder, ...]:
        """Every model of every fold."""
        return tuple(task for job in self.jobs for task in job.tasks.values())

    @property
    def finished(self) -> int:
        """Number of tasks that are done, with these very inputs."""
        return sum(task.state() == "done" for task in self.tasks)

    @property
    def touched(self) -> int:
        """Number of finished tasks that would be done again: of other inputs, or damaged."""
        return sum(task.state() in ("foreign", "damaged") for task in self.tasks)

    def do(self, names: Sequence[str] = (), *, agreed: bool = False) -> Iterator[tuple[str, str]]:
        """Fit what is left, fold by fold, and give fold and model of each as it is done.

        Parameters
        ----------
        names : sequence of str
            Folds as ``REPEAT-FOLD``; a fold another process works on is refused. Without names: all folds, those
            that others work on last, waiting until they are done or given up.
        agreed : bool
            Whether finished tasks of other inputs may be done again.

        Raises
        ------
        ConfigError
            ``FOLD_NAME``.
        LockedError
            ``FOLD_LOCKED``, for a fold that was named.
        StorageError
            ``TASK_FOREIGN``, ``TASK_DAMAGED``.
        """
        known = {job.fold.name: job for job in self.jobs}
        for name in names:
            if name not in known:
                raise ConfigError(
                    "FOLD_NAME",
                    place="--fold",
                    rule=f"one of {', '.join(known)}",
                    found="another name",
                    remedy="Use one of these names.",
                )
        chosen = [known[name] for name in names] if names else list(self.jobs)
        check_resumable([task for job in chosen for task in job.tasks.values()], redo=agreed)
        while chosen:
            busy = []
            for job in chosen:
                if all(task.state() == "done" for task in job.tasks.values()):
                    continue
                try:
                    yield from ((job.fold.name, model) for model, _ in job.run())
                except LockedError:
                    if names:
                        raise
                    busy.append(job)
            chosen = busy
            if busy:
                time.sleep(_PAUSE)


def open_work(study: Study, run: RunFolder, *, private: Path | None = None, progress: bool = False) -> Work:
    """Open a study's cohort and list what there is to fit.

    Parameters
    ----------
    study : Study
        With absolute paths.
    run : RunFolder
    private : Path, optional
        Where keys and secret lie, if not beside ``cohort.toml``.
    progress : bool
        Whether to count on the screen while files are prepared.

    Returns
    -------
    Work

    Raises
    ------
    ClinfuseError
        What reading the cohort, checking names and dealing folds raise.
    """
    cohort = open_cohort(study, private=private, progress=progress)
    check_groups(cohort, study.report.subgroups, study.report.bands)
    models = study.build_models(cohort.names)
    scheme = scheme_of(study)
    records = scored(cohort)
    dealt = deal(records, scheme)
    rival, inner = study.rival or BEST_SINGLE, study.validation.inner_folds
    inside = asked_inside(models, primary=study.primary, rival=rival, folds=inner)
    folders = task_folders(records, models, dealt, scheme, run.path, inside=inside)
    jobs = tuple(
        Job(records, models, fold, scheme, {name: folders[fold.repeat, fold.number, name] for name in models}, inside)
        for fold in dealt
    )
    return Work(study, run, cohort, models, jobs)


def open_cohort(study: Study, *, private: Path | None = None, progress: bool = False) -> Cohort:
    """The cohort a study is about: its modalities, and the records that have at least one of them."""
    whole = Cohort.from_folder(study.cohort, private=private, progress=progress)
    study.check_against({modality.name: modality.kind for modality in whole.modalities})
    check_task(study, whole.task)
    if study.report.per_patient != "all":
        check_order(whole)
    return narrow_cohort(whole, study)


def narrow_cohort(whole: Cohort, study: Study) -> Cohort:
    """The modalities of a cohort that a study uses, and the records that have at least one of them."""
    if not study.modalities:
        return whole
    chosen = whole.without(*(name for name in whole.names if name not in study.modalities))
    narrowed: Cohort = chosen[np.flatnonzero(chosen.present.any(1))]
    return narrowed


def scheme_of(study: Study) -> Scheme:
    """How the study deals its patients into folds."""
    return study.validation.scheme(study.seed)
