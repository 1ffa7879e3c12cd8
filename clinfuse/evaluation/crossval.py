"""Cross-validation by patient: what a model says of people it has never seen, and the models that said it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cached_property
from pathlib import Path
from types import MappingProxyType
from typing import TypedDict, Unpack, final

import numpy as np

from clinfuse.cohort.cohort import Cohort
from clinfuse.errors import DataError
from clinfuse.evaluation.folds import Fold, Scheme, Validation, deal, scored
from clinfuse.evaluation.partition import FILE_NAME as SPLITS
from clinfuse.evaluation.partition import Splits
from clinfuse.evaluation.predictions import Predictions
from clinfuse.evaluation.running.engine import Job, Progress, check_names, run_jobs, task_folders
from clinfuse.evaluation.running.finished import Classifiers, Task, finished_task
from clinfuse.evaluation.running.inside import InnerFolds
from clinfuse.training.classifiers import FusionClassifier
from clinfuse.training.objective import class_prior, prior_logits


class Running(TypedDict, total=False):
    """Further ways of running a cross-validation.

    Parameters
    ----------
    validation : {"folds", "holdout", "sites", "temporal", "column"}
    share : float
    since : str
        See `clinfuse.evaluation.folds.Scheme`.
    redo : bool
        Whether tasks in the results folder that are damaged or of another study are done again.
    progress : callable
        Told the number of finished tasks, of all tasks, and what was finished.
    """

    validation: Validation
    share: float
    since: str
    redo: bool
    progress: Progress


def silent(done: int, total: int, text: str) -> None:
    """Show no progress."""


@final
class CrossValidation:
    """A model cross-validated by patient; made by `cross_validate` or `clinfuse.compare`.

    Attributes
    ----------
    name : str
        Of the model.
    cohort : Cohort
        The records that were dealt into folds: those with a label, sorted by id.
    predictions : Predictions
        Of every record when it was held out, with nothing withheld.
    withheld : Predictions
        The same for every subset of the model's modalities, the full one included.
    scheme : Scheme
        How patients were dealt out.
    seed : int
        That patients were dealt out with, and that every bootstrap of these predictions starts from.
    taxonomy : str
        Class of fusion.
    modalities : tuple of str
        That the model uses.
    multimodal : bool
        Whether it fuses.
    classifiers : mapping of (int, int) to FusionClassifier
        The fitted model of each repeat and fold; read from disk, or fitted again, when asked for.
    losses : mapping of (int, int) to mapping
        Loss curves by network, per repeat and fold.
    folds : mapping of (int, int) to Fold
        Who was trained on and who was tested, rows of ``cohort``, per repeat and fold.
    priors : mapping of (int, int) to ndarray of float64, (classes,)
        Logits of the training prevalence, per repeat and fold: the answer about a record of which nothing is left.
    hide : float
        Probability with which present modalities were hidden in training; 0 where nothing is fused.
    inner : mapping of (int, int) to float
        Mean AUROC in inner folds of the training patients, per repeat and fold; empty where nobody asked for it.
    chosen : mapping of (int, int) to str
        Where the best of several models was taken in every fold, its name; empty else.
    weighing : mapping of (int, int) to ndarray of float64, (classes,)
        What each fitted model added to its logits to undo the weighing of classes; zeros where nothing was.
    settings : mapping of (int, int) to dict
        Settings that were chosen inside each fold; empty where none were searched for.
    tries : mapping of (int, int) to tuple of dict
        All settings that were tried there, with their mean score over the inner folds, the best first.
    at_hand : bool
        Whether every fitted model is in memory or on disk, so that none is fitted again when it is asked for.
    """

    def __init__(
        self,
        name: str,
        cohort: Cohort,
        tasks: Mapping[tuple[int, int], Task],
        *,
        everyone: Cohort,
        chosen: Mapping[tuple[int, int], str] = MappingProxyType({}),
    ) -> None:
        self.name = name
        self.cohort = cohort
        self.scheme = next(iter(tasks.values())).scheme
        self.seed = self.scheme.seed
        self._everyone = everyone
        self._tasks = dict(tasks)
        self.chosen = dict(chosen)
        self.withheld = _in_order([task.predictions for task in self._tasks.values()])
        self.predictions = self.withheld.select(withheld="")
        first = next(iter(self._tasks.values()))
        # A search may choose another way to combine in every fold.
        self.taxonomy = " or ".join(dict.fromkeys(str(task.about["taxonomy"]) for task in self._tasks.values()))
        self.modalities = tuple(first.about["modalities"])
        self.multimodal = bool(first.about["multimodal"])
        self.losses = {place: task.losses for place, task in self._tasks.items()}
        self.folds = {place: task.fold for place, task in self._tasks.items()}
        self.priors = {place: _prior(cohort, fold) for place, fold in self.folds.items()}
        hidden = [getattr(getattr(task.model, "options", None), "hide", 0.0) for task in self._tasks.values()]
        self.hide = float(min(hidden)) if self.multimodal else 0.0
        self.classifiers: Mapping[tuple[int, int], FusionClassifier] = Classifiers(self._tasks)
        inner = {place: task.about["inner"] for place, task in self._tasks.items()}
        self.inner = {place: float(value) for place, value in inner.items() if value is not None}
        self.weighing = {place: np.array(task.about["weighing"]) for place, task in self._tasks.items()}
        self.settings = {place: dict(task.about["settings"]) for place, task in self._tasks.items()}
        self.tries = {place: tuple(task.about["tries"]) for place, task in self._tasks.items()}
        self.at_hand = all(task.fitted is not None or task.about["stored"] for task in self._tasks.values())

    @classmethod
    def best_of(
        cls, name: str, models: Mapping[str, CrossValidation], chosen: Mapping[tuple[int, int], str]
    ) -> CrossValidation:
        """Put together what the model that was chosen for each fold said and learned there.

        Parameters
        ----------
        name : str
            What to call it.
        models : mapping of str to CrossValidation
            Of one cohort and one scheme.
        chosen : mapping of (int, int) to str
            Name of a model by repeat and fold.
        """
        tasks = {place: models[one]._tasks[place].called(name) for place, one in chosen.items()}
        first = next(iter(models.values()))
        return cls(name, first.cohort, tasks, everyone=first._everyone, chosen=chosen)

    @cached_property
    def splits(self) -> Splits:
        """Who was trained on and tested in which fold, by key, with a hash; also in ``splits.json`` of the results."""
        return Splits.of(self.cohort, self.scheme, list(self.folds.values()))

    @property
    def model(self) -> str:
        """Name of the model."""
        return self.name

    def classifier_for(self, record: str, repeat: int = 0) -> FusionClassifier:
        """Give the model that never saw this record's patient.

        Parameters
        ----------
        record : str
            Record id or key. A record without a label was in nobody's training set: the first fold's model answers,
            unless its patient has other records, whose model then does.
        repeat : int

        Raises
        ------
        DataError
            ``RECORD_UNKNOWN``: not of this cohort. ``RECORD_TRAINED``: it was trained on, or on no side.
            ``REPEAT_UNKNOWN``.
        TrainingError
            ``STORE_REFIT``: a model that could not be stored did not say the same when fitted again.
        """
        return self.classifiers[repeat, self.fold_of(record, repeat)]

    def fold_of(self, record: str, repeat: int = 0) -> int:
        """Give the number of the fold in which a record was held out; parameters and errors as `classifier_for`."""
        if repeat not in {place[0] for place in self._tasks}:
            raise DataError(
                "REPEAT_UNKNOWN", place="repeat", rule="a repeat that was run", found="another", remedy="Correct it."
            )
        row = self._row(record)
        for (found, number), task in self._tasks.items():
            if found == repeat and row in task.fold.test:
                return number
        raise DataError(
            "RECORD_TRAINED",
            place=f"record {self.cohort.keys[row]}",
            rule="a record must have been held out",
            found="one that was trained on, or on no side",
            remedy="Ask for a record that was tested, or cross-validate with folds.",
        )

    def _row(self, record: str) -> int:
        """Row of a record that was dealt out: the record itself, else one of its patient, else the first tested."""
        place = self._everyone.position(record)
        own = np.flatnonzero(self.cohort.keys == self._everyone.keys[place])
        same = np.flatnonzero(self.cohort.patient_keys == self._everyone.patient_keys[place])
        return int((*own, *same, next(iter(self._tasks.values())).fold.test[0])[0])

    def __repr__(self) -> str:
        one = self.predictions.select(repeat=0)
        return (
            f"CrossValidation({self.name}: {self.taxonomy}; {len(one)} records of {len(np.unique(one.patient))} "
            f"patients held out, {len(self._tasks)} fits)"
        )


def _prior(cohort: Cohort, fold: Fold) -> np.ndarray:
    several = cohort.task == "multilabel"
    share = class_prior(np.asarray(cohort.labels)[fold.train], len(cohort.classes), multilabel=several)
    return prior_logits(share, multilabel=several)


def _in_order(parts: list[Predictions]) -> Predictions:
    """Rows by repeat, withheld set and record key: the order in which tasks finished leaves no trace."""
    joined = Predictions.concat(parts)
    place = {text: number for number, text in enumerate(dict.fromkeys(joined.withheld.tolist()))}
    sets = np.array([place[text] for text in joined.withheld.tolist()])
    return joined.rows(np.lexsort((joined.record, sets, joined.repeat)))


def cross_validate(
    model: FusionClassifier,
    cohort: Cohort,
    *,
    folds: int = 5,
    repeats: int = 1,
    seed: int = 0,
    workers: int = 1,
    results: str | Path | None = None,
    **running: Unpack[Running],
) -> CrossValidation:
    """Fit a model in folds by patient and predict every record by the model that never saw its patient.

    Parameters
    ----------
    model : FusionClassifier
        Left as it is; every fold fits a copy with a seed of its own.
    cohort : Cohort
        Records without a label are left out. The order of the records changes nothing.
    folds, repeats : int
        Each repeat deals the patients anew.
    seed : int
    workers : int
        Processes over folds; the results are the same bits for any number. With more than one, a script needs
        ``if __name__ == "__main__":``.
    results : path, optional
        Folder in which every finished task is kept, and ``splits.json``: who was trained on and tested, by key. The
        same call later goes on from there.
    **running
        ``validation``, ``share``, ``since``, ``redo``, ``progress``: see `Running`.

    Returns
    -------
    CrossValidation

    Raises
    ------
    ConfigError
        ``SCHEME_VALUE``, ``WORKERS``, ``SETTING_UNKNOWN``.
    DataError
        ``LABELS_NONE``, ``LENGTH_LEAK``, and what the functions of `clinfuse.splits` raise, before anything is trained.
    StorageError
        ``TASK_DAMAGED``, ``TASK_FOREIGN``, ``TASK_WRITE``, ``SPLITS_WRITE``.
    LockedError
        ``FOLD_LOCKED``.
    TrainingError
        ``WORKERS_LOST``; and what the model raises.

    Examples
    --------
    >>> import numpy as np
    >>> from clinfuse.cohort.cohort import Cohort
    >>> from clinfuse.training.unimodal import Unimodal
    >>> labels = np.tile([0, 1], 12)
    >>> cohort = Cohort.from_arrays({"labs": labels[:, None] + 0.1}, labels=labels, kinds={"labs": "ehr"})
    >>> result = cross_validate(Unimodal("labs"), cohort, folds=3)
    >>> len(result.predictions), len(result.classifiers)
    (24, 3)
    """
    scheme = scheme_from(running, folds=folds, repeats=repeats, seed=seed)
    name = type(model).__name__
    return run_models(cohort, {name: model}, scheme, workers=workers, results=results, **running)[name]


def scheme_from(running: Running, *, folds: int, repeats: int, seed: int) -> Scheme:
    """Give the scheme that the arguments of a cross-validation describe."""
    usual = Scheme()
    return Scheme(
        validation=running.get("validation", usual.validation),
        folds=folds,
        repeats=repeats,
        seed=seed,
        share=running.get("share", usual.share),
        since=running.get("since", usual.since),
    )


def run_models(
    cohort: Cohort,
    models: Mapping[str, FusionClassifier],
    scheme: Scheme,
    *,
    workers: int = 1,
    results: str | Path | None = None,
    view: Callable[[Cohort, Fold], Cohort] = lambda cohort, fold: cohort,
    inside: Mapping[str, InnerFolds] = MappingProxyType({}),
    **running: Unpack[Running],
) -> dict[str, CrossValidation]:
    """Cross-validate several models on the same folds, sharing fits among the models of a fold.

    Parameters
    ----------
    cohort : Cohort
    models : mapping of str to FusionClassifier
        In this order within each fold.
    scheme : Scheme
    workers, results, running
        As for `cross_validate`; ``validation`` is the scheme's.
    view : callable
        Gives the same records as one fold is to see them, with more missing; not together with ``results``.
    inside : mapping of str to InnerFolds
        Of the models of which it is asked how well they do in inner folds of the training patients.

    Returns
    -------
    dict of str to CrossValidation
        In the order of ``models``.
    """
    check_names(models)
    records = scored(cohort)
    dealt = deal(records, scheme)
    folders = {} if results is None else task_folders(records, models, dealt, scheme, Path(results), inside=inside)
    jobs = []
    for fold in dealt:
        kept = {name: folders[fold.repeat, fold.number, name] for name in models} if folders else {}
        jobs.append(Job(view(records, fold), models, fold, scheme, kept, dict(inside)))
    fitted = run_jobs(jobs, workers=workers, redo=running.get("redo", False), progress=running.get("progress", silent))
    if results is not None:
        Splits.of(records, scheme, dealt).to_json(Path(results) / SPLITS)
    result = {}
    for name in models:
        tasks = {(job.fold.repeat, job.fold.number): finished_task(job, name, fitted) for job in jobs}
        result[name] = CrossValidation(name, records, tasks, everyone=cohort)
    return result
