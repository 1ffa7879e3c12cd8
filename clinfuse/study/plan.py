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
from clinfuse.study.rules import BEST_FUSION, learns_from_unseen
from clinfuse.study.work import Work
from clinfuse.training.calibrated import plain
from clinfuse.training.store import save_model
from clinfuse.training.tuned import untuned

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
    trained : bool
        Whether it is a network, trained in passes; else a learner, fitted once.
    """

    network: str
    milliseconds: float
    bytes: int
    trained: bool


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
    share = float(np.mean([len(job.fold.train) / len(job.cohort) for job in work.jobs]))
    epochs = work.study.options().epochs
    once = {name: timings[name].milliseconds / 1000 * sizes[name] * share * epochs for name in timings}
    sections = {name: work.study.single_section(name) for name in timings} | work.study.models
    fits: dict[tuple[str, ...], Fits] = {}
    size = 0.0
    for label, section in sections.items():
        found = fits_of(label, section, work.study, {name: one.trained for name, one in timings.items()})
        fits |= found | _searched(label, work.study, found) | _asked_inside(label, section, work.study, timings)
        size += sum(sum(timings[name].bytes for name in fit.modalities) * min(fit.count, 2) for fit in found.values())
    folds = len(work.jobs)
    left = len(work.tasks) - work.finished
    seconds = sum(fit.passes * sum(once[name] for name in fit.modalities) for fit in fits.values())
    hours = seconds * folds / 3600 * (left / len(work.tasks)) / min(workers, folds)
    trainings = sum(fit.count for fit in fits.values()) * folds
    return Plan(timings, trainings, left, len(work.tasks), hours, workers, size * folds / 1e6)


@final
@dataclass(frozen=True)
class Fits:
    """Fits of one kind in one fold.

    Parameters
    ----------
    modalities : tuple of str
        Whose networks or learners are fitted.
    passes : float
        How often all training records are gone through, in units of one whole training.
    count : int
        Number of fits.
    """

    modalities: tuple[str, ...]
    passes: float
    count: int


def fits_of(
    label: str, section: ModelSection, study: Study, trained: Mapping[str, bool]
) -> dict[tuple[str, ...], Fits]:
    """What one model fits in one fold, by what makes a fit the same: models of a fold share what they have in common.

    Parameters
    ----------
    label : str
        Name of the model.
    section : ModelSection
    study : Study
    trained : mapping of str to bool
        By modality, whether it has a network; else a learner on its columns.

    Examples
    --------
    >>> from clinfuse.study.config import parse_study
    >>> study = parse_study({"cohort": "c", "results": "r", "models": {"late": {"fusion": "late"}}})
    >>> sorted(fits_of("late", study.models["late"], study, {"ct": True}))
    [('full', 'ct', ''), ('inner', '3', 'ct', '')]
    """
    whole = _whole_fits(label, section, study, trained)
    if section.calibration == "none" and not study.report.asks_inside:
        return whole
    inner = study.validation.inner_folds
    if section.fusion == "late":
        names = {key[1]: key[2] for key in whole if key[0] == "full"}
        return whole | {("inner", str(inner), *item): _held_out(whole["full", *item], inner) for item in names.items()}
    where = ("inner", str(inner)) if section.fusion == "single" else ("inner", str(inner), label)
    return whole | {(*where, *key[1:]): _held_out(fit, inner) for key, fit in whole.items()}


def cheapest_model(study: Study, kinds: Mapping[str, str]) -> str:
    """Give the model of the file that goes least often through networks in one fold; of several the fewest fits.

    Parameters
    ----------
    study : Study
    kinds : mapping of str to str
        Kind of every modality; all but tables have networks.

    Examples
    --------
    >>> from clinfuse.study.config import parse_study
    >>> models = {"joint": {"fusion": "joint"}, "early": {"fusion": "early", "kind": "I"}}
    >>> asked = {"cohort": "c", "results": "r", "models": models, "question": {"primary": ["joint", "labs"]}}
    >>> cheapest_model(parse_study(asked), {"ct": "ct", "labs": "ehr"})
    'early'
    """
    trained = {name: kind != "ehr" for name, kind in kinds.items()}

    def cost(name: str) -> tuple[float, int]:
        found = fits_of(name, study.models[name], study, trained)
        every = (found | _searched(name, study, found)).values()
        return sum(one.passes * len(one.modalities) for one in every), sum(one.count for one in every)

    return min(study.models, key=cost)


def _held_out(whole: Fits, inner: int) -> Fits:
    """What the same fits cost without one inner fold, once for every fold."""
    return Fits(whole.modalities, whole.passes * (inner - 1), whole.count * inner)


def _whole_fits(
    label: str, section: ModelSection, study: Study, trained: Mapping[str, bool]
) -> dict[tuple[str, ...], Fits]:
    if section.fusion in ("joint", "hybrid"):
        return {(section.fusion, label): Fits(tuple(trained), 1.0, 1)}
    if section.fusion == "single":
        name = section.modality
        network = 1.0 if trained[name] and not section.learner else 0.0
        return {("full", name, section.learner): Fits((name,), network, 1)}
    if section.fusion == "early":
        names = [name for name in trained if trained[name] and section.kind != "I"]
        learners = {("early", label): Fits((), 0.0, 2 if names else 1)}
        return learners | {("inner", "2", name, ""): Fits((name,), 1.0, 2) for name in names}
    found: dict[tuple[str, ...], Fits] = {}
    inner = study.validation.inner_folds
    for name in trained:
        learner = section.learners.get(name, "")
        network = 1.0 if trained[name] and not learner else 0.0
        found["full", name, learner] = Fits((name,), network, 1)
        if learns_from_unseen(section):
            found["inner", str(inner), name, learner] = _held_out(found["full", name, learner], inner)
    return found


def _searched(label: str, study: Study, found: Mapping[tuple[str, ...], Fits]) -> dict[tuple[str, ...], Fits]:
    """What a search adds: every combination in every inner fold; at most, since some are cut short or shared."""
    if label not in study.search.models:
        return {}
    tries, inner = study.search.candidates(label), study.validation.inner_folds
    return {
        ("search", label, *key): Fits(fit.modalities, fit.passes * tries * (inner - 1), fit.count * tries * inner)
        for key, fit in found.items()
    }


def _asked_inside(
    label: str, section: ModelSection, study: Study, timings: Mapping[str, Timing]
) -> dict[tuple[str, ...], Fits]:
    """What a question adds that has the best model chosen: each fit again in every inner fold, without calibration."""
    if not (study.primary == BEST_FUSION if section.fusion != "single" else not study.rival):
        return {}
    inner = study.validation.inner_folds
    whole = _whole_fits(label, section, study, {name: one.trained for name, one in timings.items()})
    whole |= _searched(label, study, whole)
    # A modality's own network in an inner fold is the one that late fusion learns its pool from.
    return {
        ("inner", str(inner), *key[1:]) if key[0] == "full" else ("inside", str(inner), *key): _held_out(fit, inner)
        for key, fit in whole.items()
    }


def _timed(work: Work, name: str) -> Timing:
    """Time of one record in one pass: what two passes more cost, so that the start of a fit does not count."""
    model = untuned(plain(work.models[name]))
    sample = _sample(work.cohort, name)
    first, seconds = _fit(model, sample, 1)
    _, longer = _fit(model, sample, 1 + _EXTRA_EPOCHS)
    trained = bool(first.loss_curves_)
    if trained:
        each = max(longer - seconds, seconds / 10) / _EXTRA_EPOCHS / len(sample)
        network = str(model.encoder or "default network")
    else:
        each = seconds / len(sample) / work.study.options().epochs
        network = str(model.learner or "logistic")
    return Timing(network, 1000 * each, _stored_bytes(first), trained)


def _fit(model: Any, sample: Cohort, epochs: int) -> tuple[Any, float]:
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
