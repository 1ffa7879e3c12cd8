from __future__ import annotations

import contextlib
import json
import tomllib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clinfuse.encoders.choice import EncoderChoice
from clinfuse.errors import ConfigError
from clinfuse.study.config import Study, load_study, parse_study
from clinfuse.study.folder import RunFolder, describe
from clinfuse.study.rules import check_task

WHOLE = """
cohort  = "cohort.toml"
results = "results/first"
seed    = 1

[question]
primary = ["late", "best single"]
metric  = "auroc"

[validation]
folds       = 5
repeats     = 3
inner_folds = 3

[networks]
ct  = "resnet10-narrow"
eeg = "eegnet"

[models]
early = { fusion = "early", learner = "lightgbm" }
joint = { fusion = "joint", combine = "gated" }
late  = { fusion = "late",  combine = "stacked" }

[training]
epochs        = 60
augment       = true
class_weights = "none"

[missing]
hide   = 0.3
report = ["observed", "subsets"]

[report]
title    = "Epilepsy after a first seizure"
patients = 2
tables   = ["csv", "docx", "tex"]
"""


def whole(**sections: Any) -> dict[str, Any]:
    values = tomllib.loads(WHOLE)
    for name, section in sections.items():
        values[name] = {**values[name], **section} if isinstance(section, dict) else section
    return values


def test_every_written_setting_arrives() -> None:
    study = parse_study(whole())
    assert (study.primary, study.rival, study.validation.repeats) == ("late", "", 3)
    options = study.options()
    assert (options.epochs, options.augment, options.class_weight, options.hide) == (60, True, "none", 0.3)


def test_a_setting_that_is_not_written_keeps_the_default_of_training_options() -> None:
    from clinfuse.training.options import TrainingOptions

    values = whole()
    del values["training"], values["missing"]
    assert parse_study(values).options() == TrainingOptions()


def test_a_model_that_is_only_named_is_the_library_s_own() -> None:
    models = {kind: {"fusion": kind} for kind in ("early", "joint", "late", "hybrid")}
    values = {"cohort": "c", "results": "r", "models": models}
    built = parse_study(values).build_models()
    for name, model in built.items():
        assert model.get_params(deep=False) == type(model)().get_params(deep=False), name


def test_every_training_setting_is_a_training_option() -> None:
    from dataclasses import fields

    from clinfuse.study.config import TrainingSection
    from clinfuse.training.options import TrainingOptions

    names = {"class_weight" if name == "class_weights" else name for name in TrainingSection.model_fields}
    assert names | {"hide"} == {field.name for field in fields(TrainingOptions)}


@pytest.mark.parametrize(
    ("section", "code", "place", "remedy"),
    [
        ({"sed": 3}, "CONFIG_KEY", "study.sed", "Did you mean 'seed'"),
        ({"training": {"epoch": 3}}, "CONFIG_KEY", "study.training.epoch", "Did you mean 'epochs'"),
        ({"models": {"late": {"fusion": "late", "combin": "mean"}}}, "CONFIG_KEY", "models.late.combin", "'combine'"),
        ({"models": {"late": {"fusion": "late", "kind": "I"}}}, "CONFIG_KEY", "models.late.kind", "Remove the key"),
        ({"models": {"late": {"fusion": "late", "normalise": True}}}, "CONFIG_KEY", "late.normalise", "Remove the key"),
        (
            {"models": {"joint": {"fusion": "joint", "features": 0}}},
            "CONFIG_VALUE",
            "joint.features",
            "Correct the value",
        ),
        ({"models": {"late": {"combine": "mean"}}}, "CONFIG_MISSING", "models.late.fusion", "Add the line"),
        ({"models": {"a": {"fusion": "single"}}}, "CONFIG_MISSING", "models.a.modality", "Add the key"),
        ({"training": {"epochs": "many"}}, "CONFIG_VALUE", "study.training.epochs", "Correct the value"),
        ({"seed": -1}, "CONFIG_VALUE", "study.seed", "Correct the value"),
        ({"question": {"primary": ["lat", "best single"]}}, "CONFIG_NAME", "question.primary", "Did you mean 'late'"),
        ({"report": {"specificity": 1.0}}, "CONFIG_VALUE", "report.specificity", "Correct the value"),
        ({"report": {"bands": {"age": [50.0]}}}, "CONFIG_NAME", "report.bands.age", "Known here"),
        ({"report": {"threshold": 1.0}}, "CONFIG_VALUE", "report.threshold", "Correct the value"),
        ({"report": {"threshold": 0.5, "specificity": 0.9}}, "CONFIG_CONFLICT", "report.threshold", "Remove one"),
        ({"missing": {"report": ["rates"]}}, "CONFIG_VALUE", "missing.report", 'Add "observed"'),
        ({"missing": {"report": ["subsets"]}}, "CONFIG_VALUE", "missing.report", 'Add "observed"'),
        ({"missing": {"report": []}}, "CONFIG_VALUE", "missing.report", 'Add "observed"'),
    ],
)
def test_a_setting_that_cannot_be_used_is_refused_by_name(
    section: dict[str, Any], code: str, place: str, remedy: str
) -> None:
    with pytest.raises(ConfigError, match=code) as refusal:
        parse_study(whole(**section))
    assert place in refusal.value.place
    assert remedy in refusal.value.remedy


NAMED = {"primary": ["late", "labs"]}


def holdout(rival: str = "labs", **written: Any) -> dict[str, Any]:
    question = {"primary": ["late", rival]}
    late = {"late": {"fusion": "late"}}
    return {"cohort": "c", "results": "r", "question": question, "validation": {"holdout": True} | written} | {
        "models": late
    }


@pytest.mark.parametrize(
    ("values", "place"),
    [
        (holdout(folds=5), "validation.folds"),
        (holdout(repeats=1), "validation.repeats"),
        (whole(question=NAMED, models={"late": {"fusion": "late", "combine": "mean"}}), "validation.inner_folds"),
        (
            whole(question=NAMED, models={"late": {"fusion": "late", "combine": "weighted", "weights": {"ct": 1}}}),
            "validation.inner_folds",
        ),
        (whole(models={"late": {"fusion": "late", "calibration_by": "pattern"}}), "models.late.calibration_by"),
        (whole(report={"prevalence": 0.1}), "report.prevalence"),
        (whole(models={"late": {"fusion": "late", "combine": "mean", "weights": {"ct": 1}}}), "models.late.weights"),
    ],
)
def test_settings_that_cannot_both_be_meant_are_refused(values: dict[str, Any], place: str) -> None:
    with pytest.raises(ConfigError, match=rf"CONFIG_CONFLICT\] study\.{place}"):
        parse_study(values)


def test_what_several_classes_do_not_have_is_refused() -> None:
    study = parse_study(whole(models={"late": {"fusion": "late", "calibration": "platt"}}))
    check_task(study, "multilabel")
    with pytest.raises(ConfigError, match=r"CONFIG_CONFLICT\] study\.models\.late\.calibration"):
        check_task(study, "multiclass")
    asked = parse_study(whole(report={"specificity": 0.9}))
    check_task(asked, "binary")
    with pytest.raises(ConfigError, match=r"CONFIG_CONFLICT\] study\.report\.specificity"):
        check_task(asked, "multilabel")


def test_what_is_learned_inside_is_learned_of_every_model() -> None:
    models = parse_study(whole(report={"specificity": 0.9})).build_models(("labs",))
    assert {(type(one).__name__, one.method) for one in models.values()} == {("Calibrated", "none")}


def test_what_is_not_written_contradicts_nothing() -> None:
    assert parse_study(holdout()).validation.holdout
    assert parse_study(holdout(holdout=False, folds=4)).validation.folds == 4
    values = {"cohort": "c", "results": "r", "models": {"late": {"fusion": "late", "combine": "mean"}}}
    assert parse_study(values).validation.inner_folds == 3


@pytest.mark.parametrize(
    ("section", "place", "remedy"),
    [
        ({"fusion": "late", "combine": "staked"}, "combine", "Did you mean 'stacked'"),
        ({"fusion": "late", "combine": ""}, "combine", "Known here"),
        ({"fusion": "joint", "combine": "gatd"}, "combine", "Did you mean 'gated'"),
        ({"fusion": "joint", "combine": "stacked"}, "combine", "concat"),
        ({"fusion": "hybrid", "combine": "konkat"}, "combine", "Did you mean 'concat'"),
        ({"fusion": "early", "learner": "lightgmb"}, "learner", "Did you mean 'lightgbm'"),
        ({"fusion": "single", "modality": "ct", "learner": "logistik"}, "learner", "Did you mean 'logistic'"),
        ({"fusion": "late", "learners": {"ct": "logstic"}}, "learners.ct", "Did you mean 'logistic'"),
        ({"fusion": "early", "kind": ""}, "kind", "Did you mean|Known here"),
        ({"fusion": "joint", "combine": "low-rank", "options": {"rnak": 3}}, "options.rnak", "Did you mean 'rank'"),
        ({"fusion": "hybrid", "options": {"rank": 3}}, "options.rank", "Remove the key"),
        ({"fusion": "early", "fill": "regresion"}, "fill", "Did you mean 'regression'"),
        (
            {"fusion": "joint", "fill": "regression"},
            "fill",
            "Did you mean 'generator'|Known here: skip, generator, token",
        ),
        ({"fusion": "early", "cells": "mean"}, "cells", "Did you mean 'median'"),
        ({"fusion": "late", "fill": "no such"}, "fill", "Known here: skip, knn, mean, regression, zero"),
    ],
)
def test_names_that_only_the_library_knows_are_checked_in_parsing(section: Any, place: str, remedy: str) -> None:
    with pytest.raises(ConfigError, match=rf"CONFIG_NAME\] study\.models\.one\.{place}: .*({remedy})"):
        parse_study(whole(models={"one": section}))


def test_every_pool_operator_and_learner_is_accepted() -> None:
    from clinfuse.encoders.cells import cell_fill_names
    from clinfuse.fusion.choice import operator_names
    from clinfuse.fusion.missing import fill_names
    from clinfuse.fusion.pooling import pool_names
    from clinfuse.fusion.stand_ins import stand_in_names
    from clinfuse.training.learners import learner_names

    models = {f"late {name}": {"fusion": "late", "combine": name} for name in pool_names()}
    models |= {f"joint {name}": {"fusion": "joint", "combine": name} for name in operator_names()}
    models |= {name: {"fusion": "early", "learner": name} for name in learner_names()}
    for fusion in ("early", "late"):
        models |= {f"{fusion} {name}": {"fusion": fusion, "fill": name} for name in ("skip", *fill_names())}
    models |= {f"cells {name}": {"fusion": "early", "cells": name} for name in cell_fill_names()}
    for fusion in ("joint", "hybrid"):
        models |= {f"{fusion} {name}": {"fusion": fusion, "fill": name} for name in ("skip", *stand_in_names())}
    assert len(parse_study(whole(models=models)).models) == len(models) + 3


def test_a_written_value_is_never_repeated() -> None:
    with pytest.raises(ConfigError, match="CONFIG_VALUE") as refusal:
        parse_study(whole(training={"epochs": "Mustermann"}))
    assert "Mustermann" not in str(refusal.value)
    assert refusal.value.__cause__ is None
    assert refusal.value.__suppress_context__


@given(st.dictionaries(st.text(max_size=12), st.one_of(st.integers(), st.text(), st.lists(st.integers())), max_size=4))
def test_any_table_is_a_study_or_a_config_error(extra: dict[str, Any]) -> None:
    values = {**whole(), **extra}
    if set(extra) <= set(Study.model_fields):
        with contextlib.suppress(ConfigError):
            assert parse_study(values).models
    else:
        with pytest.raises(ConfigError, match="CONFIG_"):
            parse_study(values)


WEIGHTED = {"fusion": "late", "combine": "weighted"}
KINDS = {"labs": "ehr", "ct": "ct", "eeg": "eeg"}


@pytest.mark.parametrize(
    ("sections", "message"),
    [
        ({"networks": {"ct": "resnet10-narrow", "eeeg": "eegnet"}}, "Did you mean 'eeg'"),
        ({"networks": {"ct": "resnet10-narow"}}, "a network for ct; .* Did you mean 'resnet10-narrow'"),
        ({"networks": {"ct": "eegnet"}}, "a network for ct"),
        ({"models": {"ct": {"fusion": "late"}}}, "a name that no modality has"),
        ({"models": {"late": {"fusion": "late", "learners": {"labz": "logistic"}}}}, "Did you mean 'labs'"),
        ({"models": {"a": WEIGHTED | {"weights": {"ct": 1}}, "late": {"fusion": "late"}}}, "a weight for every"),
        ({"models": {"a": WEIGHTED | {"weights": {"cct": 1}}, "late": {"fusion": "late"}}}, "Did you mean 'ct'"),
        ({"models": {"one": {"fusion": "single", "modality": "egg"}}}, "Did you mean 'eeg'"),
        ({"question": {"primary": ["late", "lab"]}}, "best single or a modality"),
        ({"modalities": ["ct", "eeg"], "question": {"primary": ["late", "labs"]}}, "best single or a modality"),
        ({"modalities": ["labs", "eeg"]}, "networks: a modality of the study"),
        ({"modalities": ["ct", "eeg"], "models": {"two": {"fusion": "joint", "kind": "II"}}}, "a table and another"),
    ],
)
def test_names_are_checked_against_the_cohort(sections: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        parse_study(whole(**sections)).check_against(KINDS)


def test_names_of_the_cohort_are_accepted() -> None:
    parse_study(whole(question={"primary": ["late", "labs"]})).check_against(KINDS)
    own = {"ct": {"fusion": "single", "modality": "ct", "learner": "logistic"}}
    parse_study(whole(models=own)).check_against(KINDS)


def test_models_are_built_with_the_written_settings() -> None:
    models = parse_study(whole()).build_models(("ct", "labs"))
    assert list(models) == ["ct", "labs", "early", "joint", "late"]
    assert models["ct"].encoder == "resnet10-narrow"
    assert models["labs"].encoder is None
    assert models["late"].combine == "stacked"
    assert models["late"].inner_folds == 3
    assert all(model.seed == 1 and model.options.epochs == 60 for model in models.values())


def test_a_calibration_stands_around_its_model_and_around_the_single_ones_beside_it() -> None:
    calibrated = {"late": {"fusion": "late", "calibration": "platt", "calibration_by": "pattern"}}
    models = parse_study(whole(models=calibrated)).build_models(("labs",))
    made = {name: type(one).__name__ for name, one in models.items()}
    assert made == {"labs": "Calibrated", "early": "EarlyFusion", "joint": "JointFusion", "late": "Calibrated"}
    assert (models["late"].method, models["late"].by, models["late"].inner_folds) == ("platt", "pattern", 3)
    assert (models["labs"].by, models["labs"].model.modality) == ("pattern", "labs")


def test_an_operator_is_built_with_what_is_written_beside_its_name() -> None:
    from clinfuse.fusion.choice import OperatorChoice

    sections = {
        "plain": {"fusion": "joint", "kind": "II"},
        "named": {"fusion": "hybrid", "combine": "gated"},
        "whole": {"fusion": "joint", "combine": "low-rank", "features": 8, "normalise": True, "options": {"rank": 2}},
    }
    models = parse_study(whole(models={**sections, "late": {"fusion": "late"}})).build_models()
    assert (models["plain"].combine, models["plain"].kind) == ("concat", "II")
    assert models["named"].combine == "gated"
    assert models["whole"].combine == OperatorChoice("low-rank", 8, True, {"rank": 2})


def test_paths_are_relative_to_the_study_file(tmp_path: Path) -> None:
    file = tmp_path / "inner" / "study.toml"
    file.parent.mkdir()
    file.write_text(WHOLE, encoding="utf-8")
    study = load_study(file)
    assert study.cohort == str(tmp_path / "inner" / "cohort.toml")
    assert Path(study.results) == tmp_path / "inner" / "results" / "first"
    with pytest.raises(ConfigError, match="CONFIG_ABSENT"):
        load_study(tmp_path / "none.toml")


def test_a_network_may_be_a_table_and_weights_lie_beside_the_study_file(tmp_path: Path) -> None:
    text = (
        'cohort = "c"\nresults = "r"\n[models]\nlate = { fusion = "late" }\n[networks]\neeg = "eegnet"\n'
        'ct = { name = "resnet18", weights = "w/ct.safetensors", frozen = true, options = { norm = "fixed" } }\n'
    )
    (tmp_path / "study.toml").write_text(text)
    study = load_study(tmp_path / "study.toml")
    assert study.networks["eeg"].encoder() == "eegnet"
    choice = study.networks["ct"].encoder()
    assert choice == EncoderChoice(
        "resnet18", weights=str(tmp_path / "w" / "ct.safetensors"), frozen=True, options={"norm": "fixed"}
    )
    study.check_against({"ct": "ct", "eeg": "eeg"})
    run = RunFolder(tmp_path / "r")
    described = describe(study, run, "0")
    assert described["config"]["networks"]["ct"]["weights"] == "../w/ct.safetensors"
    run.path.mkdir()
    run.description.write_text(json.dumps(described))
    assert run.study().networks == study.networks


@pytest.mark.parametrize(
    ("table", "code"),
    [
        ({"name": "resnet18", "weigths": "w"}, "CONFIG_KEY.*Did you mean 'weights'"),
        ({"weights": "w"}, "CONFIG_MISSING.*networks.ct.name"),
        ({"name": "resnet18", "frozen": True}, "ENCODER_FROZEN"),
        ({"name": "resnet18", "options": {"norm": "fixed"}}, "ENCODER_NORM"),
    ],
)
def test_a_wrong_network_table_is_refused_before_a_file_is_opened(table: dict[str, Any], code: str) -> None:
    with pytest.raises(ConfigError, match=code):
        parse_study(
            {"cohort": "c", "results": "r", "models": {"late": {"fusion": "late"}}, "networks": {"ct": table}}
        ).check_against({"ct": "ct", "eeg": "eeg"})


def test_a_loss_of_single_heads_and_the_focal_loss_can_be_asked_for() -> None:
    asked = {"joint": {"fusion": "joint"}}
    written = {"cohort": "c", "results": "r", "question": {"primary": ["joint", "best single"]}, "models": asked}
    training = {"loss": "focal", "focusing": 1.0, "auxiliary": 0.3}
    options = parse_study({**written, "training": training}).build_models()["joint"].options
    assert {name: getattr(options, name) for name in training} == training
