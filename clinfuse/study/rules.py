"""What a study file may not say together, and names that only the library knows: refused before a file is opened."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NoReturn

from clinfuse.cohort.strict import nearest
from clinfuse.errors import ConfigError
from clinfuse.study.validation_section import KEYS_OF

if TYPE_CHECKING:
    from clinfuse.study.config import ModelSection, Study

OPTIONS_OF: Mapping[str, tuple[str, ...]] = {
    "single": ("modality", "learner"),
    "early": ("kind", "learner", "fill", "cells", "single_heads"),
    "joint": ("combine", "kind", "fill", "features", "normalise", "options"),
    "late": ("combine", "learners", "fill", "weights"),
    "hybrid": ("combine", "fill", "features", "normalise", "options"),
}
BEST_FUSION, BEST_SINGLE = "best fusion", "best single"
_MODEL_KEYS = (
    *("modality", "kind", "learner", "combine", "learners", "fill", "weights", "cells", "single_heads"),
    *("features", "normalise", "options"),
)


def check_study(study: Study) -> None:
    """Refuse a study that contradicts itself or asks for what the library does not have.

    Parameters
    ----------
    study : Study
        As it was written: what the file does not say is not among its ``model_fields_set``.

    Raises
    ------
    ConfigError
        ``CONFIG_KEY``, ``CONFIG_MISSING``, ``CONFIG_NAME``, ``CONFIG_VALUE``, ``CONFIG_CONFLICT`` (settings
        that cannot both be meant).
    """
    for name, section in study.models.items():
        _check_keys(name, section)
        _check_names(name, section)
        _check_options(name, section)
    _check_question(study)
    _check_validation(study)
    _check_searched(study)
    if study.report.prevalence is not None and study.report.specificity is None:
        rule, remedy = "prevalence beside the specificity that models are judged at", "Write specificity = 0.90."
        _refuse_both("report.prevalence", rule, "no specificity", remedy)
    if study.report.specificity is not None and "threshold" in study.report.model_fields_set:
        rule, remedy = (
            "either a threshold, or a specificity that inner folds learn thresholds for",
            "Remove one of them.",
        )
        _refuse_both("report.threshold", rule, "both", remedy)
    for column in study.report.bands:
        check_name(column, study.report.subgroups, f"report.bands.{column}", "a column of report.subgroups")
    if "observed" not in study.missing.report:
        raise ConfigError(
            "CONFIG_VALUE",
            place="study.missing.report",
            rule='"observed", the records as they are, and "subsets" and "rates" beside it if wanted',
            found='no "observed"',
            remedy='Add "observed".',
        )


def check_name(name: str, known: Sequence[str], place: str, rule: str) -> None:
    """Refuse a name that is not known, with the one that looks most like it.

    Raises
    ------
    ConfigError
        ``CONFIG_NAME``.
    """
    if name in known:
        return
    near = nearest(name, list(known))
    refuse_name(place, rule, "another name", f"Did you mean '{near}'?" if near else f"Known here: {', '.join(known)}.")


def refuse_name(place: str, rule: str, found: str, remedy: str) -> NoReturn:
    """Refuse a name.

    Raises
    ------
    ConfigError
        ``CONFIG_NAME``, always.
    """
    raise ConfigError("CONFIG_NAME", place=f"study.{place}", rule=rule, found=found, remedy=remedy)


def check_modalities(name: str, section: ModelSection, known: Sequence[str]) -> None:
    """Refuse a model of a modality that the study does not use, and weights that leave one out.

    Raises
    ------
    ConfigError
        ``CONFIG_NAME``.
    """
    if section.fusion == "single":
        check_name(section.modality, known, f"models.{name}.modality", "a modality of the study")
    for key in ("learners", "weights"):
        for modality in getattr(section, key):
            check_name(modality, known, f"models.{name}.{key}", "a modality of the study")
    for modality in known if section.weights else ():
        check_name(modality, list(section.weights), f"models.{name}.weights", "a weight for every modality")


def learns_from_unseen(section: ModelSection) -> bool:
    """Say whether late fusion learns anything from predictions for patients that its models never saw."""
    if section.weights:
        return section.fill not in ("", "skip")
    return section.fill not in ("", "skip") or (section.combine or "stacked") in _learning_pools()


def check_task(study: Study, task: str) -> None:
    """Refuse what several classes or labels do not have: a line or steps for classes, a declared specificity.

    Raises
    ------
    ConfigError
        ``CONFIG_CONFLICT``.
    """
    if task == "multiclass":
        for name, section in study.models.items():
            if section.calibration in ("platt", "isotonic"):
                place, rule = f"models.{name}.calibration", "temperature for more than two classes"
                _refuse_both(place, rule, "another calibration", 'Write calibration = "temperature".')
    if study.report.conformal is not None:
        from clinfuse.evaluation.calibration.conformal import check_extra

        check_extra()
    if task != "binary" and study.report.specificity is not None:
        _refuse_both("report.specificity", "a finding that is there or not", "several classes", "Remove the line.")


def check_table_beside(study: Study, kinds: Mapping[str, str]) -> None:
    """Refuse joint fusion of type II where the modalities in use are not a table and something else.

    Raises
    ------
    ConfigError
        ``CONFIG_CONFLICT``.
    """
    tables = [kind == "ehr" for kind in kinds.values()]
    if any(tables) and not all(tables):
        return
    for name, section in study.models.items():
        if section.fusion == "joint" and section.kind == "II":
            _refuse_both(
                f"models.{name}.kind", "II only with a table and another modality", "others", 'Write kind = "I".'
            )


def _check_keys(name: str, section: ModelSection) -> None:
    allowed = OPTIONS_OF[section.fusion]
    for key in _MODEL_KEYS:
        if getattr(section, key) and key not in allowed:
            raise ConfigError(
                "CONFIG_KEY",
                place=f"study.models.{name}.{key}",
                rule=f"a setting of {section.fusion} fusion: {', '.join(allowed)}",
                found="one of another fusion",
                remedy="Remove the key.",
            )
    if section.fusion == "single" and not section.modality:
        raise ConfigError(
            "CONFIG_MISSING",
            place=f"study.models.{name}.modality",
            rule="the modality of a single model",
            found="nothing",
            remedy="Add the key.",
        )


def _check_names(name: str, section: ModelSection) -> None:
    written = section.model_fields_set
    if "combine" in written:
        pool = section.fusion == "late"
        known = _pools() if pool else _operators()
        check_name(section.combine, known, f"models.{name}.combine", "a pool" if pool else "an operator")
    if "fill" in written:
        known = _stand_ins() if section.fusion in ("joint", "hybrid") else _fills(section.fusion)
        check_name(section.fill, known, f"models.{name}.fill", "a fill")
    if "cells" in written:
        check_name(section.cells, _cells(), f"models.{name}.cells", "a fill of missing cells")
    if "weights" in written and section.combine != "weighted":
        rule = 'weights only beside combine = "weighted"'
        _refuse_both(f"models.{name}.weights", rule, "another pool", 'Write combine = "weighted", or remove weights.')
    if "kind" in written:
        check_name(section.kind, ("I", "II"), f"models.{name}.kind", "I or II")
    if "learner" in written:
        check_name(section.learner, _learners(), f"models.{name}.learner", "a learner")
    for modality, learner in section.learners.items():
        check_name(learner, _learners(), f"models.{name}.learners.{modality}", "a learner")
    if "calibration_by" in written and section.calibration == "none":
        rule, remedy = "calibration_by only beside a calibration", 'Write calibration = "platt", or remove the key.'
        _refuse_both(f"models.{name}.calibration_by", rule, "no calibration", remedy)


def _check_options(name: str, section: ModelSection) -> None:
    from clinfuse.fusion.choice import operator_options

    for option in section.options:
        known = operator_options(section.combine or "concat")
        place = f"models.{name}.options.{option}"
        if not known:
            refuse_name(place, "an operator that has options", "one that has none", "Remove the key.")
        check_name(option, known, place, "an option of the operator")


def _pools() -> tuple[str, ...]:
    from clinfuse.fusion.pooling import pool_names

    return pool_names()


def _learning_pools() -> tuple[str, ...]:
    from clinfuse.fusion.pooling import learning_pools

    return learning_pools()


def _fills(fusion: str) -> tuple[str, ...]:
    from clinfuse.fusion.missing import fill_names

    return ("skip", *(("per pattern",) if fusion == "early" else ()), *fill_names())


def _stand_ins() -> tuple[str, ...]:
    from clinfuse.fusion.stand_ins import stand_in_names

    return ("skip", *stand_in_names())


def _cells() -> tuple[str, ...]:
    from clinfuse.encoders.cells import cell_fill_names

    return cell_fill_names()


def _learners() -> tuple[str, ...]:
    from clinfuse.training.learners import learner_names

    return learner_names()


def _operators() -> tuple[str, ...]:
    from clinfuse.fusion.choice import operator_names

    return operator_names()


def _check_question(study: Study) -> None:
    fusions = [name for name, section in study.models.items() if section.fusion != "single"]
    for name in (BEST_FUSION, BEST_SINGLE):
        if name in study.models:
            refuse_name(f"models.{name}", f'no model called "{name}"', "one", "Rename it.")
    known = [*study.models, *([BEST_FUSION] if fusions else [])]
    check_name(study.primary, known, "question.primary", f"{BEST_FUSION}, or a model of the section models")


def _check_validation(study: Study) -> None:
    asked = study.validation
    if asked.holdout and "kind" in asked.model_fields_set:
        _refuse_both("validation.kind", "kind or holdout = true, not both", "both", "Remove one of the two.")
    every = {key for keys in KEYS_OF.values() for key in keys}
    for key in sorted((every - set(KEYS_OF[asked.asked])) & asked.model_fields_set):
        _refuse_both(f"validation.{key}", f"no {key} beside {asked.written}", "both", "Remove one of the two.")
    if {"share", "since"} <= asked.model_fields_set:
        _refuse_both("validation.share", "share, or since, not both", "both", "Remove one of the two.")
    learning = (
        study.chooses
        or study.report.asks_inside
        or any(
            one.calibration != "none" or (one.fusion == "late" and learns_from_unseen(one))
            for one in study.models.values()
        )
    )
    if "inner_folds" in asked.model_fields_set and not (learning or study.search.models):
        pools = " or ".join(_learning_pools())
        beside = (
            "a best fusion or best single, a calibration, report.specificity or conformal, or late fusion with a fill"
        )
        rule = f"only beside {beside} or with combine = {pools}"
        _refuse_both("validation.inner_folds", rule, "no such model", "Remove the line.")


def _check_searched(study: Study) -> None:
    """Refuse values of a model's own keys that could not be written there either."""
    for name, settings in study.search.models.items():
        section = study.models.get(name)
        for key, values in settings.items():
            if section is None or key not in type(section).model_fields or not isinstance(values, tuple):
                continue
            for value in values:
                changed = section.model_copy(update={key: value})
                try:
                    _check_keys(name, changed)
                    _check_names(name, changed)
                except ConfigError as error:
                    raise error.at(f"study.search.models.{name}.{key}") from None


def _refuse_both(place: str, rule: str, found: str, remedy: str) -> NoReturn:
    raise ConfigError("CONFIG_CONFLICT", place=f"study.{place}", rule=rule, found=found, remedy=remedy)
