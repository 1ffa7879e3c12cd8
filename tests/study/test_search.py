"""A study file asks for a search of settings: inside every fold, counted by the plan, shown in a table."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from clinfuse.cohort.cohort import Cohort
from clinfuse.errors import ConfigError
from clinfuse.study.config import load_study, parse_study
from clinfuse.study.folder import RunFolder, describe, settle
from clinfuse.study.outcome import read_comparison
from clinfuse.study.plan import plan_run
from clinfuse.study.run import prepare
from clinfuse.study.search_section import settings_table
from clinfuse.training.search_settings import Range
from clinfuse.training.tuned import Tuned

PAGE = (Path(__file__).parent.parent.parent / "docs" / "how-to" / "validation.md").read_text(encoding="utf-8")
(SNIPPET,) = [part.split("```")[0] for part in PAGE.split("```toml\n")[1:] if "[search" in part.split("```")[0]]


def study(text: str) -> dict[str, Any]:
    models = """
        [models]
        late = { fusion = "late" }
        joint = { fusion = "joint" }
        """
    return {"cohort": "c", "results": "r", **tomllib.loads(models + text)}


def test_the_page_s_search_arrives_under_the_names_of_the_classifier() -> None:
    built = parse_study(study(SNIPPET)).build_models(("ct", "labs"))
    assert {name for name, model in built.items() if isinstance(model, Tuned)} == {"late", "joint"}
    assert built["late"].settings == {"combine": ["stacked", "mean"], "options.hide": [0.0, 0.3]}
    assert built["joint"].settings["options.learning_rate"] == [0.001, 0.0003]
    assert (built["late"].search, built["late"].metric, built["late"].inner_folds) == ("grid", "log_loss", 3)


def test_a_calibration_stands_around_the_search() -> None:
    late = {"fusion": "late", "calibration": "platt"}
    values = {"cohort": "c", "results": "r", "models": {"late": late}, "validation": {"inner_folds": 2}}
    search = {"models": {"late": {"combine": ["mean", "stacked"]}}}
    model = parse_study({**values, "search": search}).build_models()["late"]
    made = [type(one).__name__ for one in (model, model.model, model.model.model)]
    assert made == ["Calibrated", "Tuned", "LateFusion"]
    draw, labels = np.random.default_rng(0), np.tile([0, 1], 16)
    arrays = {name: labels[:, None] + draw.normal(size=(32, 1)) for name in ("labs", "signs")}
    cohort = Cohort.from_arrays(arrays, labels=labels, kinds=dict.fromkeys(arrays, "ehr"))
    fitted = model.fit(cohort)
    assert set(fitted.best_settings_) == {"combine"}
    assert (len(fitted.tries_), len(fitted.unseen_)) == (2, 32)


def test_every_word_of_a_search_arrives() -> None:
    text = """
        [validation]
        inner_folds = 4
        [search]
        method = "random"
        metric = "auroc"
        tries  = 7
        [search.models.joint]
        "training.learning_rate" = { low = 0.0001, high = 0.01, log = true }
        "networks.ct" = ["resnet10-narrow"]
        "combine.features" = [8, 16]
        [search.models.ct]
        "training.class_weights" = ["none", "balanced"]
        """
    found = parse_study(study(text))
    built = found.build_models(("ct", "labs"))
    assert built["joint"].settings == {
        "options.learning_rate": Range(0.0001, 0.01, log=True),
        "encoders.ct": ["resnet10-narrow"],
        "combine.features": [8, 16],
    }
    assert built["ct"].settings == {"options.class_weight": ["none", "balanced"]}
    assert (built["joint"].search, built["joint"].metric, built["joint"].tries, built["joint"].inner_folds) == (
        "random",
        "auroc",
        7,
        4,
    )
    assert (found.search.candidates("joint"), found.search.candidates("labs")) == (7, 1)
    described = describe(found, RunFolder(Path("/r")), "f")["config"]["search"]
    assert described["models"]["joint"]["combine.features"] == [8, 16]


@pytest.mark.parametrize(
    ("text", "code", "place"),
    [
        ('[search]\nmetod = "grid"', "CONFIG_KEY", "study.search.metod"),
        ('[search]\nmethod = "guess"', "CONFIG_VALUE", "study.search.method"),
        ("[search.models.late]\ncombine = []", "CONFIG_VALUE", "study.search.models.late.combine"),
        ('[search.models.late]\ncombine = ["meen"]', "CONFIG_NAME", "study.search.models.late.combine"),
        ('[search.models.late]\nkind = ["I"]', "CONFIG_KEY", "study.search.models.late.kind"),
        ('[search.models.late]\ncombin = ["mean"]', "SEARCH_SETTING", "study.search.models.late.combin"),
        ('[search.models.late]\n"training.epoch" = [1]', "SEARCH_SETTING", "study.search.models.late.training.epoch"),
        ('[search.models.late]\n"missing.hide" = [2.0]', "TRAINING_OPTION", "study.search.models.late.missing.hide"),
        (
            '[search.models.late]\n"missing.hide" = { low = 0.1, high = 0.2 }',
            "SEARCH_VALUE",
            "study.search.models.late.missing.hide",
        ),
    ],
)
def test_a_search_that_cannot_be_is_refused_before_anything_is_read(text: str, code: str, place: str) -> None:
    with pytest.raises(ConfigError, match=code) as refusal:
        parse_study(study(text)).build_models()
    assert place in refusal.value.place


def test_a_search_for_a_model_that_is_not_there_is_refused() -> None:
    found = parse_study(study('[search.models.lat]\ncombine = ["mean"]'))
    with pytest.raises(ConfigError, match=r"CONFIG_NAME.*search\.models"):
        found.check_against({"ct": "ct", "labs": "ehr"})


def test_a_run_chooses_in_every_fold_counts_it_and_says_so(study_file: Path) -> None:
    whole = plan_run(prepare(load_study(study_file)), workers=1).trainings
    text = study_file.read_text(encoding="utf-8")
    study_file.write_text(text + '\n[search.models.late]\ncombine = ["mean", "max"]\n', encoding="utf-8")
    work = prepare(load_study(study_file))
    # Three folds, two combinations, three inner folds, two tables.
    assert plan_run(work, workers=1).trainings == whole + 3 * 2 * 3 * 2
    settle(work.run, describe(work.study, work.run, work.cohort.fingerprint), touched=work.touched, agreed=False)
    list(work.do())
    assert RunFolder(work.run.path).study() == work.study
    comparison = read_comparison(work)
    table = settings_table({name: one.settings for name, one in comparison.models.items()})
    assert set(table["model"]) == {"late"}
    assert set(table["setting"]) == {"combine"}
    assert sum(int(text.split()[0]) for text in table["folds"]) == 3
