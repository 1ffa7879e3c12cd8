"""From finished folds to files: predictions, metrics, tables, pages; nothing here is trained."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, final

import pandas as pd

from clinfuse.errors import ConfigError
from clinfuse.evaluation.audit.checks import audit
from clinfuse.evaluation.audit.finding import Audit
from clinfuse.evaluation.calibration.conformal import ConformalSets, conformal_sets, label_sets
from clinfuse.evaluation.calibration.operating import (
    OperatingPoint,
    fold_thresholds,
    learned_inside,
    operating_points,
)
from clinfuse.evaluation.calls import Threshold
from clinfuse.evaluation.choice import BEST_SINGLE
from clinfuse.evaluation.compare import Comparison, compare
from clinfuse.evaluation.diagnosis.diagnose import Diagnosis, diagnose
from clinfuse.evaluation.predictions import Predictions
from clinfuse.evaluation.robustness.rates import DropRates, drop_rates
from clinfuse.evaluation.robustness.subsets import Robustness, robustness
from clinfuse.evaluation.running.fitting import one_thread_each
from clinfuse.evaluation.sample_size import sized
from clinfuse.evaluation.scores import both_classes, metric_rows
from clinfuse.evaluation.subgroups.subgroups import Subgroups, subgroups
from clinfuse.evaluation.visits import visit_table
from clinfuse.report.ledger import write_ledger
from clinfuse.report.study import write_study_report
from clinfuse.study.documents import explains, write_checked, write_documents, write_errors
from clinfuse.study.explained import explain_records, picks
from clinfuse.study.folder import RunFolder, write_json
from clinfuse.study.work import Work, scheme_of
from clinfuse.training.seeds import quiet_torch

# Metrics that compare records within a fold.
_RANKS = ("auroc", "auprc")


@final
@dataclass(frozen=True, eq=False)
class Outcome:
    """What a finished run says.

    Parameters
    ----------
    run : RunFolder
    comparison : Comparison
    robustness : Robustness
        Of the declared model; without rows where the study does not ask for subsets.
    audit : Audit
    diagnoses : tuple of Diagnosis
        Of every fusion, the declared one first.
    rates : DropRates
        Of every model; without curves where the study does not ask for rates.
    subgroups : tuple of Subgroups
        Of the declared model; none where the study does not ask for them.
    operating : tuple of OperatingPoint
        Of every model; none where the study declares no specificity.
    conformal : tuple of ConformalSets
        Of the declared model, one for each of several labels; none where the study does not ask for them.
    visits : tuple of DataFrame
        One, of every model on the records that stand for their patients; none where all do.
    threshold : float or FoldThresholds
        From what on the declared model calls a record.
    """

    run: RunFolder
    comparison: Comparison
    robustness: Robustness
    audit: Audit
    diagnoses: tuple[Diagnosis, ...]
    rates: DropRates
    subgroups: tuple[Subgroups, ...] = ()
    operating: tuple[OperatingPoint, ...] = ()
    conformal: tuple[ConformalSets, ...] = ()
    visits: tuple[pd.DataFrame, ...] = ()
    threshold: Threshold = 0.5

    @property
    def metrics(self) -> list[dict[str, Any]]:
        """One JSON object per model and metric, and per comparison, as in ``metrics.json``.

        Where sites were left out one by one, AUROC and AUPRC name under ``left_out`` those of one class, which have no
        part in the mean.
        """
        sites = list(self.comparison[self.comparison.primary].splits.left_out)
        rows = [row.as_dict() for row in self.comparison.rows] + difference_rows(self.comparison)
        return [row | {"left_out": sites} if sites and row["metric"].startswith(_RANKS) else row for row in rows]


def difference_rows(comparison: Comparison) -> list[dict[str, Any]]:
    """Every fusion against the single modality of the question, as JSON objects with the keys of a metric and more.

    ``metric`` is ``"auroc difference"``: model minus ``against``, ``p`` as in the table of models. ``on`` says on which
    records: ``"all"``, and for the declared model ``"both"``, those where both can predict.
    """
    found = [(name, "all", one) for name, one in comparison.differences.items()]
    found.append((comparison.primary, "both", comparison.answer.where_both))
    return [
        {
            "model": name,
            "against": one.second,
            "taxonomy": comparison[name].taxonomy,
            "modalities": list(comparison[name].modalities),
            "metric": f"{one.metric} difference",
            "on": on,
            "value": one.value,
            "low": one.low,
            "high": one.high,
            "p": comparison.p_values[name] if on == "all" else one.p,
            "ceiling": None,
            "oracle": None,
            "records": one.counts.records,
            "patients": one.counts.patients,
            "events": one.counts.events,
            "positive": one.counts.positive,
        }
        for name, on, one in found
    ]


def read_comparison(work: Work) -> Comparison:
    """The comparison of a run whose folds are finished.

    Parameters
    ----------
    work : Work

    Returns
    -------
    Comparison

    Raises
    ------
    ConfigError
        ``RUN_UNFINISHED``: some folds are left.
    ClinfuseError
        What `compare` raises.
    """
    left = len(work.tasks) - work.finished
    if left:
        raise ConfigError(
            "RUN_UNFINISHED",
            place="results folder",
            rule="every fold of the run finished",
            found=f"{left} of {len(work.tasks)} tasks left",
            remedy="Start the study again with clinfuse run; it goes on where it was.",
        )
    scheme = scheme_of(work.study)
    return compare(
        work.cohort,
        work.models,
        folds=scheme.folds,
        repeats=scheme.repeats,
        seed=scheme.seed,
        results=work.run.path,
        primary=work.study.primary,
        best_single=work.study.rival or BEST_SINGLE,
        inner_folds=work.study.validation.inner_folds,
        validation=scheme.validation,
        share=scheme.share,
        since=scheme.since,
        changed_after=tuple(work.run.read().get("changed_after", ())),
    )


def partial_metrics(work: Work) -> list[dict[str, Any]]:
    """Metrics of what is finished in a run that is not: one JSON object per model and metric that has a value.

    The models may stand on different folds; they are not to be compared.
    """
    rows: list[dict[str, Any]] = []
    for name in work.models:
        done = [job.tasks[name] for job in work.jobs if job.tasks[name].state() == "done"]
        if not done:
            continue
        about = done[0].about()
        held = Predictions.concat([task.predictions().select(withheld="") for task in done])
        if not about["multimodal"]:
            held = held.rows(held.present[:, held.modalities.index(about["modalities"][0])])
        if both_classes(held):
            described = {"taxonomy": about["taxonomy"], "modalities": tuple(about["modalities"])}
            found = metric_rows(held, **described, best=(math.nan, math.nan), seed=work.study.seed)
            rows += [row.as_dict() for row in found]
    return rows


@contextmanager
def one_way(work: Work) -> Iterator[None]:
    """Hold every library to the study's number of threads: another number would give other bits."""
    with one_thread_each(work.models[work.study.leading]), quiet_torch(work.study.seed, work.study.options().threads):
        yield


def finish(work: Work, audited: Audit | None = None) -> Outcome:
    """Write everything a finished run consists of beside its folds.

    Parameters
    ----------
    work : Work
    audited : Audit, optional
        Of the cohort; looked at now where it was not before.

    Returns
    -------
    Outcome

    Raises
    ------
    ConfigError
        ``RUN_UNFINISHED``.
    StorageError
        ``REPORT_WRITE``, ``RUN_WRITE``.
    """
    with one_way(work):
        return _finish(work, sized(audit(work.cohort), work.cohort) if audited is None else audited)


def _finish(work: Work, audited: Audit) -> Outcome:
    comparison = read_comparison(work)
    declared = comparison[work.study.primary]
    asked = "subsets" in work.study.missing.report
    withheld = robustness(declared, work.cohort, seed=work.study.seed) if asked else Robustness(declared.name, ())
    rates = _rates(work, comparison)
    threshold = _threshold(work, comparison)
    groups = _groups(work, comparison, threshold)
    inside = _operating(work, comparison), _conformal(work, comparison), _visits(work, comparison)
    outcome = Outcome(work.run, comparison, withheld, audited, diagnosed(comparison), rates, groups, *inside, threshold)
    write_json(work.run.path / "metrics.json", outcome.metrics)
    write_json(work.run.path / "diagnosis.json", [one.as_dict() for one in outcome.diagnoses])
    written = write_documents(outcome, work)
    write_ledger(work.cohort.ledger, work.run.ledger, title=work.study.report.title)
    described = work.run.read()
    known = {
        "id": described["hashes"]["config"][:6],
        "seed": work.study.seed,
        "data": described["hashes"]["data"],
        "code": described["hashes"]["code"][:12],
    }
    shown = outcome.robustness if asked else None
    write_study_report(
        comparison,
        work.run.report,
        robustness=shown,
        rates=outcome.rates if outcome.rates.curves else None,
        title=work.study.report.title,
        run=known,
        audit=outcome.audit,
        diagnoses=outcome.diagnoses,
        **written,
    )
    if explains(work):
        explain_records(work, comparison, picks(comparison, work.study), model=work.study.primary)
    write_errors(outcome, work)
    write_checked(work)
    return outcome


def diagnosed(comparison: Comparison) -> tuple[Diagnosis, ...]:
    """Give the diagnosis of every fusion that needs no new fit for it, the declared one first."""
    fusions = {name: one for name, one in comparison.models.items() if one.multimodal and len(one.modalities) > 1}
    names = [name for name, one in fusions.items() if one.at_hand]
    return tuple(diagnose(comparison, name) for name in sorted(names, key=lambda name: name != comparison.primary))


def _rates(work: Work, comparison: Comparison) -> DropRates:
    if "rates" not in work.study.missing.report:
        return DropRates((), "", 0, len(work.cohort))
    return drop_rates(comparison.models, seed=work.study.seed)


def _threshold(work: Work, comparison: Comparison) -> Threshold:
    asked, declared = work.study.report, comparison[work.study.primary]
    if asked.specificity is None or not learned_inside(declared):
        return asked.threshold
    return fold_thresholds(declared, asked.specificity)


def _groups(work: Work, comparison: Comparison, threshold: Threshold) -> tuple[Subgroups, ...]:
    asked = work.study.report
    if not asked.subgroups:
        return ()
    held = comparison[work.study.primary].predictions
    more: dict[str, Any] = {"bands": asked.bands, "threshold": threshold, "seed": work.study.seed}
    return (subgroups(held, work.cohort, asked.subgroups, **more),)


def _operating(work: Work, comparison: Comparison) -> tuple[OperatingPoint, ...]:
    asked = work.study.report
    if asked.specificity is None:
        return ()
    prevalence = math.nan if asked.prevalence is None else asked.prevalence
    return operating_points(comparison.models, asked.specificity, prevalence=prevalence, seed=work.study.seed)


def _visits(work: Work, comparison: Comparison) -> tuple[pd.DataFrame, ...]:
    asked = work.study.report
    if asked.per_patient == "all" and not asked.visit_weights:
        return ()
    weighted = asked.visit_weights
    return (visit_table(comparison.models, asked.per_patient, weighted=weighted, seed=work.study.seed),)


def _conformal(work: Work, comparison: Comparison) -> tuple[ConformalSets, ...]:
    level = work.study.report.conformal
    if level is None:
        return ()
    declared, seed = comparison[work.study.primary], work.study.seed
    if work.cohort.task == "multilabel":
        return label_sets(declared, level, seed=seed)
    return (conformal_sets(declared, level, seed=seed),)
