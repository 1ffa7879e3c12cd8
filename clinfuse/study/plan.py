"""How long a run will take here: one pass of each network is timed, and every training is counted."""

from __future__ import annotations

import dataclasses
import math
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

import numpy as np

from clinfuse.cohort.cohort import Cohort
from clinfuse.study.config import ModelSection, Study
from clinfuse.study.work import Work
from clinfuse.training.store import save_model
from clinfuse.training.unimodal import Unimodal

LONG_HOURS = 1.0
_SAMPLE = 32
_EXTRA_EPOCHS = 2


@final
@dataclass(frozen=True)
class Timing:
    """What one modality's network costs on this machine.

    Parameters
    ----------
    network : str
        Encoder or learner.
    milliseconds : float
        Of one record in one pass.
    bytes : int
        Of the stored model.
    """

    network: str
    milliseconds: float
    bytes: int


@final
@dataclass(frozen=True)
class Plan:
    """What a run will cost.

    Parameters
    ----------
    timings : mapping of str to Timing
        By modality.
    trainings : int
        Networks and learners that are fitted, all folds and repeats together.
    left : int
        Tasks (a model of a fold) that are not finished.
    tasks : int
    hours : float
        With `workers` processes, for what is left.
    workers : int
    megabytes : float
        On disk, for the whole run.
    """

    timings: Mapping[str, Timing]
    trainings: int
    left: int
    tasks: int
    hours: float
    workers: int
    megabytes: float

    @property
    def long(self) -> bool:
        """Whether somebody should be asked before it starts."""
        return self.hours > LONG_HOURS


def plan_run(work: Work, *, workers: int) -> Plan:
    """Time every network on a few records of the cohort and estimate the whole run.

    Parameters
    ----------
    work : Work
    workers : int

    Returns
    -------
    Plan
        An estimate: early stopping may end sooner, and other work on the machine takes its share.
    """
    timings = {name: _timed(work, name) for name in work.cohort.names}
    sizes = {name: int(work.cohort.present[:, k].sum()) for k, name in enumerate(work.cohort.names)}
    share = 0.85 if work.study.validation.holdout else 1 - 1 / work.study.validation.folds
    epochs = work.study.options().epochs
    fit = {name: timings[name].milliseconds / 1000 * sizes[name] * share * epochs for name in timings}
    seconds, trainings, size = 0.0, 0, 0.0
    sections = {name: ModelSection(fusion="single", modality=name) for name in timings} | work.study.models
    for section in sections.values():
        passes, count = passes_of(section, work.study, len(fit))
        used = [section.modality] if section.fusion == "single" else list(fit)
        seconds += passes * sum(fit[name] for name in used)
        trainings += count
        size += max(1.0, passes) * sum(timings[name].bytes for name in used)
    folds = len(work.jobs)
    left = len(work.tasks) - work.finished
    hours = seconds * folds / 3600 * (left / len(work.tasks)) / min(workers, folds)
    return Plan(timings, trainings * folds, left, len(work.tasks), hours, workers, size * folds / 1e6)


def passes_of(section: ModelSection, study: Study, modalities: int) -> tuple[float, int]:
    """How often one model of one fold trains each of its networks on all training records, and how many it fits.

    Late fusion uses the single models themselves, which are fitted once per fold; stacking adds inner folds.

    Examples
    --------
    >>> from clinfuse.study.config import parse_study
    >>> study = parse_study({"cohort": "c", "results": "r", "models": {"late": {"fusion": "late"}}})
    >>> passes_of(study.models["late"], study, 4)
    (2.0, 12)
    """
    inner = study.validation.inner_folds
    if section.fusion == "late":
        learns = section.combine in ("", "stacked", "weighted")
        return (float(inner - 1), inner * modalities) if learns else (0.0, 0)
    if section.fusion == "early":
        return (0.0, 1) if section.kind == "I" else (1.0, 2 * modalities + 2)
    return 1.0, 1


def _timed(work: Work, name: str) -> Timing:
    """Time of one record in one pass: what two passes more cost, so that the start of a fit does not count."""
    model: Unimodal = work.models[name]
    sample = _sample(work.cohort, name)
    first, seconds = _fit(model, sample, 1)
    _, longer = _fit(model, sample, 1 + _EXTRA_EPOCHS)
    if model.learner or not first.loss_curves_:
        each = seconds / len(sample) / work.study.options().epochs
        network = str(model.learner or "logistic")
    else:
        each = max(longer - seconds, seconds / 10) / _EXTRA_EPOCHS / len(sample)
        network = str(model.encoder or "default network")
    return Timing(network, 1000 * each, _stored_bytes(first))


def _fit(model: Unimodal, sample: Cohort, epochs: int) -> tuple[Any, float]:
    from sklearn.base import clone

    options = dataclasses.replace(model.options, epochs=epochs, patience=0)
    start = time.perf_counter()
    fitted = clone(model).set_params(options=options).fit(sample)
    return fitted, time.perf_counter() - start


def _sample(cohort: Cohort, name: str) -> Cohort:
    """Some records with the modality, of every class."""
    here = np.flatnonzero(cohort.present[:, cohort.names.index(name)])
    labels = np.asarray(cohort.labels)[here]
    keys = labels if labels.ndim == 1 else labels.sum(1)
    known = np.unique(keys[keys >= 0])
    each = math.ceil(_SAMPLE / max(1, len(known)))
    chosen = np.sort(np.concatenate([here[keys == key][:each] for key in known]))
    sample: Cohort = cohort[chosen]
    return sample


def _stored_bytes(classifier: Any) -> int:
    if not classifier.stored_:
        return 0
    with tempfile.TemporaryDirectory() as folder:
        save_model(classifier, Path(folder))
        return sum(file.stat().st_size for file in Path(folder).iterdir())
