"""Does fusion beat the best single modality? One call: the same folds for all, the question declared beforehand."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from html import escape
from pathlib import Path
from typing import Unpack, final, get_type_hints

import numpy as np
import pandas as pd

from clinfuse.cohort.cohort import Cohort
from clinfuse.errors import ConfigError
from clinfuse.evaluation.answer import INSIDE, Answer, Difference, Sides, decide, paired_difference
from clinfuse.evaluation.best_single import Comparator, best_single, named_single
from clinfuse.evaluation.calibration.before_after import calibration_table
from clinfuse.evaluation.choice import BEST_FUSION, BEST_SINGLE, asked_inside, best_inside, how_often, leading
from clinfuse.evaluation.crossval import CrossValidation, Running, run_models, scheme_from, silent
from clinfuse.evaluation.predictions import Predictions
from clinfuse.evaluation.scores import MetricRow, Reachable, counts, few_events, metric_rows
from clinfuse.evaluation.statistics.coverage import UNMEASURED, coverage_sentence
from clinfuse.evaluation.statistics.significance import adjusted_p
from clinfuse.evaluation.tables import appendix_table, choice_table, model_table
from clinfuse.training.calibrated import Calibrated, plain
from clinfuse.training.classifiers import FusionClassifier
from clinfuse.training.options import TrainingOptions
from clinfuse.training.tuned import untuned
from clinfuse.training.unimodal import Unimodal

_COSTS = 0.02
_INNER_FOLDS = 3
_FUSIONS = ("early", "joint", "late", "hybrid")


class Asked(Running, total=False):
    """Further ways of running a comparison: those of `clinfuse.evaluation.crossval.Running`, and the question.

    Parameters
    ----------
    primary : str
        The fusion declared before training, or ``"best fusion"``: chosen for each fold in inner folds of its training
        patients. By default ``"late"`` where there is one, else the last.
    best_single : str
        A modality named in advance, or ``"best single"`` (default): chosen for each fold likewise.
    inner_folds : int
        Number of inner folds, 3 by default. Every model that is chosen from is fitted once more in each of them; where
        a late fusion learns from the same folds, they share these fits.
    changed_after : tuple of str
        Settings, ``question.…`` among them, that were changed when results could already be seen; a study run keeps
        the list.
    """

    primary: str | None
    best_single: str | None
    inner_folds: int
    changed_after: tuple[str, ...]


@final
class Comparison:
    """Fusions and single modalities on the same folds, and the answer; made by `compare`.

    Attributes
    ----------
    cohort : Cohort
        As given.
    models : mapping of str to CrossValidation
        Single modalities first, in the cohort's order, then the models as given, last the best fusion where the
        question names it.
    primary : str
        The declared fusion, or ``"best fusion"``.
    rival : str
        The single modality that was named in advance, or ``"best single"``.
    comparator : Comparator
        The single modality it is held against.
    predictions : Predictions
        Of all models, nothing withheld.
    answer : Answer
    differences : mapping of str to Difference
        Every fusion against the comparator, on all records.
    notices : tuple of str
        What a careful reader would want to know.
    changed_after : tuple of str
        Settings that were changed when results could already be seen.
    """

    def __init__(
        self,
        cohort: Cohort,
        models: Mapping[str, CrossValidation],
        *,
        primary: str,
        rival: str,
        seed: int,
        changed_after: tuple[str, ...] = (),
    ) -> None:
        self.cohort = cohort
        self.models = dict(models)
        self.primary = primary
        self.changed_after = changed_after
        self._seed = seed
        fusions = {name: one for name, one in models.items() if one.multimodal}
        singles = {name: one for name, one in models.items() if not one.multimodal}
        if primary == BEST_FUSION:
            self.models[primary] = CrossValidation.best_of(primary, fusions, best_inside(fusions))
        self.rival = rival
        self.comparator: Comparator = best_single(singles) if rival == BEST_SINGLE else named_single(singles, rival)
        self.predictions = Predictions.concat([one.predictions for one in self.models.values()])
        self.differences: dict[str, Difference] = {
            name: paired_difference(one.predictions, self.comparator.predictions, seed=seed)
            for name, one in self.models.items()
            if one.multimodal or name == primary
        }
        self.answer: Answer = decide(self.differences[primary], self._where_both(), sides=self._sides())
        self.notices = self._noticed()

    def _sides(self) -> Sides:
        chosen, label = self.models[self.primary].chosen, self.comparator.label
        return Sides(label, how_often(chosen) if chosen else "", inside=self.rival == BEST_SINGLE)

    def _where_both(self) -> Difference:
        other = self.comparator.predictions
        keys = list(zip(other.repeat.tolist(), other.record.tolist(), strict=True))
        usable = {key for key, use in zip(keys, self.comparator.usable.tolist(), strict=True) if use}
        one = self.models[self.primary].predictions
        columns = [one.modalities.index(name) for name in self.models[self.primary].modalities]
        able = np.asarray(one.present[:, columns].any(1))
        places = zip(one.repeat.tolist(), one.record.tolist(), strict=True)
        both = {place for place, can in zip(places, able.tolist(), strict=True) if can and place in usable}
        chosen = [
            part.rows(np.array([key in both for key in zip(part.repeat.tolist(), part.record.tolist(), strict=True)]))
            for part in (one, other)
        ]
        return paired_difference(*chosen, seed=self._seed)

    def _noticed(self) -> tuple[str, ...]:
        said = [
            f"{name} is {-one.value:.2f} below {self.comparator.label} alone: it pays for modalities that do not help."
            for name, one in self.differences.items()
            if one.value < -_COSTS
        ]
        said += self.models[self.primary].splits.notices
        if self.changed_after:
            said.insert(0, f"Changed when results could already be seen: {', '.join(self.changed_after)}.")
        return tuple(said)

    def __getitem__(self, name: str) -> CrossValidation:
        if name not in self.models:
            raise ConfigError(
                "MODEL_UNKNOWN",
                place="comparison",
                rule=f"one of {', '.join(self.models)}",
                found="another name",
                remedy="Correct the name.",
            )
        return self.models[name]

    @cached_property
    def rows(self) -> tuple[MetricRow, ...]:
        """Every metric of every model: single modalities by falling AUROC, then fusions as given.

        A single modality is scored on the records that have it, a fusion on all. Single modalities of too few patients
        of a class to be called the best stand after the others.
        """
        scored = next(iter(self.models.values())).cohort
        reachable = Reachable(scored)
        found: dict[str, list[MetricRow]] = {}
        places: dict[str, tuple[bool, bool, float]] = {}
        for name, one in self.models.items():
            columns = [scored.names.index(modality) for modality in one.modalities]
            here = np.ones(len(scored), dtype=bool) if one.multimodal else scored.present[:, columns[0]]
            predictions = one.predictions.rows(np.isin(one.predictions.record, scored.keys[here]))
            tested = np.flatnonzero(np.isin(scored.keys, predictions.record))
            found[name] = metric_rows(
                predictions,
                taxonomy=one.taxonomy,
                modalities=one.modalities,
                best=(reachable.ceiling(one.modalities, tested), reachable.oracle(one.modalities, tested)),
                seed=self._seed,
            )
            area = next((-row.value for row in found[name] if row.metric == "auroc"), 0.0)
            places[name] = (True, False, 0.0) if one.multimodal else (False, few_events(predictions), area)
        return tuple(row for name in sorted(found, key=places.__getitem__) for row in found[name])

    def table(self) -> pd.DataFrame:
        """Give one line per model: counts, AUROC with interval beside the best possible, AUPRC, Brier score, and every
        fusion against the single modality of the question on all records.

        Returns
        -------
        DataFrame
            By model, for reading; ``rows`` holds the numbers. p stands beside the declared fusion alone; the others'
            are in `appendix`.
        """
        about = counts(self.predictions.select(model=self.primary))
        return model_table(self.rows, self.differences, about, declared=self.primary, rival=self.rival)

    def appendix(self) -> pd.DataFrame:
        """Give one line for every fusion that was not declared beforehand, p adjusted by Holm among them."""
        return appendix_table(self.differences, self.p_values, declared=self.primary)

    def choices(self) -> pd.DataFrame:
        """Give what was chosen in every fold, by which numbers of inner folds; empty where both sides were named."""
        inner = {name: one.inner for name, one in self.models.items() if name != BEST_FUSION}
        sides = {BEST_FUSION: self.models[self.primary].chosen}
        if self.rival == BEST_SINGLE:
            sides[BEST_SINGLE] = dict(self.comparator.chosen)
        return choice_table(inner, sides)

    def calibration_table(self) -> pd.DataFrame:
        """Give slope, calibration in the large and Brier score of every model before and after correction.

        Empty where the task is not binary.
        """
        return calibration_table(self.models)

    @property
    def p_values(self) -> dict[str, float]:
        """Two-sided p of every difference; adjusted by Holm among the fusions that were not declared beforehand."""
        others = [name for name in self.differences if name != self.primary]
        adjusted = adjusted_p([self.differences[name].p for name in others]) if others else np.empty(0)
        return {self.primary: self.differences[self.primary].p} | dict(zip(others, adjusted.tolist(), strict=True))

    @property
    def question(self) -> str:
        """The question, and when it was declared."""
        asked = f"{self.primary} fusion" if self.primary in _FUSIONS else self.primary
        rival = "the best single modality" if self.rival == BEST_SINGLE else self.rival
        if self.primary != BEST_FUSION:
            return f"{self.declared}: does {asked} beat {rival}?"
        inside = "both chosen" if self.rival == BEST_SINGLE else "chosen"
        return f"{self.declared}: does the best fusion beat {rival}, {inside} {INSIDE}?"

    @property
    def declared(self) -> str:
        """When the question was declared, in words."""
        late = any(name.partition(".")[0] == "question" for name in self.changed_after)
        return "changed when results could already be seen" if late else "declared before training"

    @property
    def coverage(self) -> str:
        """How often intervals of such a study were seen to hold what they should, in words."""
        about, scheme = self.answer.difference.counts, self.models[self.primary].scheme
        if scheme.validation != "folds" or about.events is None:
            return UNMEASURED
        return coverage_sentence(patients=about.patients, records=about.records, repeats=scheme.repeats)

    def __repr__(self) -> str:
        parts = (self.question, str(self.answer), self.answer.records_text, *self.notices)
        return "\n".join((*parts, "", self.table().to_string()))

    def _repr_html_(self) -> str:
        parts = (self.question, str(self.answer), self.answer.records_text, *self.notices)
        return "".join(f"<p>{escape(part)}</p>" for part in parts) + self.table().to_html(escape=True)


def compare(
    cohort: Cohort,
    models: Mapping[str, FusionClassifier],
    *,
    folds: int = 5,
    repeats: int = 1,
    seed: int = 0,
    workers: int = 1,
    results: str | Path | None = None,
    **asked: Unpack[Asked],
) -> Comparison:
    """Cross-validate fusions beside every single modality, and say whether the declared one beats the best of these.

    Parameters
    ----------
    cohort : Cohort
        Records without a label are left out.
    models : mapping of str to FusionClassifier
        By the names they are to have. Every single modality is added under its own name, with the options, encoders,
        learners and seed of the declared fusion, unless a model that uses only this modality is among them.
    folds, repeats, seed, workers, results
        As for `clinfuse.cross_validate`. All predictions are also written to ``predictions.parquet`` there.
    **asked
        ``primary``, ``best_single``, ``inner_folds``, ``validation``, ``share``, ``since``, ``redo``, ``progress``,
        ``changed_after``: see `Asked`.

    Returns
    -------
    Comparison

    Raises
    ------
    ConfigError
        ``MODELS``, ``PRIMARY``, ``BEST_SINGLE``, ``MODEL_NAME``, and what `clinfuse.cross_validate` raises.
    DataError, StorageError, LockedError, TrainingError
        As `clinfuse.cross_validate`.

    Examples
    --------
    >>> import numpy as np
    >>> from clinfuse.cohort.cohort import Cohort
    >>> from clinfuse.training.late import LateFusion
    >>> draw, labels = np.random.default_rng(0), np.tile([0, 1], 30)
    >>> arrays = {name: labels[:, None] + draw.normal(size=(60, 1)) for name in ("labs", "signs")}
    >>> cohort = Cohort.from_arrays(arrays, labels=labels, kinds={"labs": "ehr", "signs": "ehr"})
    >>> result = compare(cohort, {"late": LateFusion(combine="mean")}, folds=3, best_single="labs")
    >>> result.answer.verdict in ("yes", "no", "cannot tell"), list(result.models)
    (True, ['labs', 'signs', 'late'])
    """
    unknown = sorted(set(asked) - set(get_type_hints(Asked)))
    if unknown:
        _refuse("ARGUMENT_UNKNOWN", f"takes {', '.join(sorted(get_type_hints(Asked)))} beside folds", unknown[0])
    primary = _declared(models, asked.get("primary"))
    asked_single = asked.get("best_single")
    rival = BEST_SINGLE if asked_single is None else asked_single
    if rival not in (BEST_SINGLE, *cohort.names, *models):
        _refuse("BEST_SINGLE", f"must be '{BEST_SINGLE}' or one of {', '.join(cohort.names)}", "best_single")
    inner_folds = asked.get("inner_folds", _INNER_FOLDS)
    everyone = {**_singles(cohort, models, leading(models, primary)), **models}
    inside = asked_inside(everyone, primary=primary, rival=rival, folds=inner_folds)
    scheme = scheme_from(asked, folds=folds, repeats=repeats, seed=seed)
    running: Running = {"redo": asked.get("redo", False), "progress": asked.get("progress", silent)}
    crossed = run_models(cohort, everyone, scheme, workers=workers, results=results, inside=inside, **running)
    comparison = Comparison(
        cohort,
        crossed,
        primary=primary,
        rival=rival,
        seed=seed,
        changed_after=asked.get("changed_after", ()),
    )
    if results is not None:
        _write(comparison, Path(results))
    return comparison


def _declared(models: Mapping[str, FusionClassifier], primary: str | None) -> str:
    if not isinstance(models, Mapping):
        _refuse("MODELS", 'must be names and models, as in {"late": LateFusion()}', "models")
    if not models:
        _refuse("PRIMARY", "at least one model", "models")
    if {BEST_FUSION, BEST_SINGLE} & set(models):
        _refuse("MODEL_NAME", f"no model may be called '{BEST_FUSION}' or '{BEST_SINGLE}'", "models")
    if primary is None:
        return "late" if "late" in models else list(models)[-1]
    return primary


def _singles(
    cohort: Cohort, models: Mapping[str, FusionClassifier], primary: FusionClassifier
) -> dict[str, FusionClassifier]:
    """Every modality that no given model stands for, learned the way the declared fusion learns it."""
    primary = untuned(primary)
    own = untuned(plain(primary)).get_params(deep=False)
    encoders, learners = own.get("encoders") or {}, own.get("learners") or {}
    found: dict[str, FusionClassifier] = {}
    for name in cohort.names:
        if name in models:
            if models[name].multimodal:
                _refuse("MODEL_NAME", "a fusion may not be called like a modality", "models")
            continue
        single = Unimodal(
            name,
            encoder=encoders.get(name),
            learner=learners.get(name),
            options=own.get("options", TrainingOptions()),
            seed=own.get("seed", 0),
        )
        found[name] = primary.around(single) if isinstance(primary, Calibrated) else single
    return found


def _write(comparison: Comparison, results: Path) -> None:
    every = Predictions.concat([one.withheld for one in comparison.models.values()])
    every.to_parquet(results / "predictions.parquet")


def _refuse(code: str, rule: str, place: str) -> None:
    raise ConfigError(code, place=place, rule=rule, found="something else", remedy=f"Correct {place}.")
