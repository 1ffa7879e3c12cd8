"""Studies of three classes and of two labels: every table that a run writes, against numbers computed apart from it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import average_precision_score, roc_auc_score

from clinfuse.errors import ConfigError
from clinfuse.evaluation.answer import Difference, Sides, decide
from clinfuse.evaluation.predictions import Predictions
from clinfuse.evaluation.scores import Counts
from clinfuse.evaluation.statistics.intervals import Estimate
from clinfuse.study.config import load_study
from clinfuse.study.explained import explain_records
from clinfuse.study.folder import describe, settle
from clinfuse.study.outcome import finish, read_comparison
from clinfuse.study.run import prepare

pytest.importorskip("mapie")

RECORDS, LEVEL = 96, 0.8
COHORT = """
[records]
table = "records.csv"
patient_id = "patient"
record_id = "record"
attributes = { sex = "sex" }

[label]
LABEL

[modalities.labs]
kind = "ehr"
table = "labs.csv"
record_id = "record"
columns.crp = { unit = "mg/L" }

[modalities.signs]
kind = "ehr"
table = "signs.csv"
record_id = "record"
columns.pulse = { unit = "1/min" }
"""
STUDY = """
cohort = "cohort"
results = "results"
seed = 3

[question]
primary = ["late", "labs"]

[validation]
folds = 2

[models]
late = { fusion = "late", calibration = "temperature" }

[missing]
report = ["observed", "subsets"]

[report]
patients = 0
conformal = 0.8
visit_weights = true
figures = ["svg"]
"""
CLASSES = 'column = "finding"\nclasses = ["low", "mid", "high"]'
LABELS = 'columns = ["a", "b"]\npositive = ["yes"]\nnegative = ["no"]'


def write_study(folder: Path, label: str, outcome: dict[str, np.ndarray], shift: np.ndarray) -> Path:
    """Two tables that each know something of the outcome; patients have one or two records."""
    (folder / "cohort").mkdir(parents=True)
    draw, ids = np.random.default_rng(11), [f"V{k:03d}" for k in range(RECORDS)]
    people = {"record": ids, "patient": [f"P{k * 2 // 3:03d}" for k in range(RECORDS)]}
    sex = np.where(draw.random(RECORDS) < 0.5, "F", "M")
    pd.DataFrame(people | {"sex": sex} | outcome).to_csv(folder / "cohort" / "records.csv", index=False)
    for column, (table, name) in enumerate((("labs", "crp"), ("signs", "pulse"))):
        values = pd.DataFrame({"record": ids, name: shift[:, column] + draw.normal(size=RECORDS)})
        values[column:].to_csv(folder / "cohort" / f"{table}.csv", index=False)
    (folder / "cohort" / "cohort.toml").write_text(COHORT.replace("LABEL", label), encoding="utf-8")
    (folder / "study.toml").write_text(STUDY, encoding="utf-8")
    return folder / "study.toml"


class Run(NamedTuple):
    """A finished run, and what it held out."""

    path: Path
    late: Predictions
    truth: np.ndarray
    metrics: dict[str, dict[str, Any]]

    def table(self, name: str) -> pd.DataFrame:
        return pd.read_csv(self.path / "tables" / f"{name}.csv", dtype=str, keep_default_na=False)


def run(file: Path) -> Run:
    work = prepare(load_study(file))
    settle(work.run, describe(work.study, work.run, work.cohort.fingerprint), touched=work.touched, agreed=False)
    list(work.do())
    finish(work)
    late = Predictions.from_parquet(work.run.path / "predictions.parquet").select(model="late", withheld="")
    truth = late.y_true if late.y_true.ndim == 2 else np.eye(3, dtype=int)[late.y_true]
    rows = json.loads((work.run.path / "metrics.json").read_text(encoding="utf-8"))
    return Run(work.run.path, late, truth, {one["metric"]: one for one in rows if one["model"] == "late"})


@pytest.fixture(scope="module")
def classes(tmp_path_factory: pytest.TempPathFactory) -> Run:
    which = np.random.default_rng(5).integers(0, 3, RECORDS)
    names = {"finding": np.array(["low", "mid", "high"])[which]}
    shift = np.array([[0, 0], [2, 0], [0, 2]])[which]
    return run(write_study(tmp_path_factory.mktemp("classes"), CLASSES, names, shift))


@pytest.fixture(scope="module")
def labels(tmp_path_factory: pytest.TempPathFactory) -> Run:
    which = np.random.default_rng(6).integers(0, 2, (RECORDS, 2))
    words = np.where(which, "yes", "no")
    return run(write_study(tmp_path_factory.mktemp("labels"), LABELS, {"a": words[:, 0], "b": words[:, 1]}, 2 * which))


@pytest.fixture(params=["classes", "labels"])
def several(request: pytest.FixtureRequest) -> Run:
    found: Run = request.getfixturevalue(request.param)
    return found


def by_fold(found: Run, score: Any, weight: Any) -> list[float]:
    """A metric of each class or label, its folds weighted as they count in it."""
    parts = []
    for column in range(found.truth.shape[1]):
        folds = [np.flatnonzero(found.late.fold == fold) for fold in np.unique(found.late.fold)]
        sides = [(found.truth[rows, column], found.late.logits[rows, column]) for rows in folds]
        parts.append(float(np.average([score(*one) for one in sides], weights=[weight(one[0]) for one in sides])))
    return parts


def test_every_metric_is_the_one_computed_apart(several: Run) -> None:
    p, truth, value = several.late.probabilities, several.truth, {k: one["value"] for k, one in several.metrics.items()}
    assert value["auroc"] == pytest.approx(np.mean(by_fold(several, roc_auc_score, lambda y: y.sum() * (1 - y).sum())))
    assert value["auprc"] == pytest.approx(np.mean(by_fold(several, average_precision_score, np.sum)))
    of_class = several.late.task == "multiclass"
    squared = (p - truth) ** 2
    assert value["brier"] == pytest.approx(squared.sum(1).mean() if of_class else squared.mean())
    chance = np.where(truth == 1, p, 1 - p)
    loss = -np.log((p * truth).sum(1)).mean() if of_class else -np.log(chance).mean()
    assert value["log_loss"] == pytest.approx(loss)
    if of_class:
        # Their mean over classes is near 0 and 1 whatever the probabilities are worth.
        assert not {"observed_expected", "calibration_intercept"} & set(value)
        assert "O:E" not in several.table("performance")
    else:
        assert value["observed_expected"] == pytest.approx(np.mean(truth.sum(0) / p.sum(0)))
    for one in several.metrics.values():
        assert one["low"] <= one["value"] <= one["high"] or one["metric"] == "auprc"


def test_no_class_and_no_label_is_called_the_event(several: Run) -> None:
    names = several.late.classes
    told = ", ".join(f"{n} {name}" for n, name in zip(several.truth.sum(0), names, strict=True))
    assert {(one["events"], one["positive"]) for one in several.metrics.values() if "against" not in one} == {
        (None, told)
    }
    models = several.table("models")
    assert set(models["events"]) == set(models["prevalence"]) == {"'-"}
    page = (several.path / "report.html").read_text(encoding="utf-8")
    assert f"{told}; none of them alone is the event." in page
    assert "Positive class" not in page
    assert "measured for one finding" in page


def test_tables_say_the_same_of_the_same_records(several: Run) -> None:
    area = f"{several.metrics['auroc']['value']:.2f}"
    models, withheld = several.table("models").set_index("model"), several.table("withheld")
    assert models.loc["late", "AUROC (95 % CI)"].startswith(area)
    assert several.table("performance").set_index("model").loc["late", "AUROC"].startswith(area)
    assert several.table("comparisons")["AUROC"].tolist()[0].startswith(f"{area} against ")
    whole = withheld[(withheld["records of"] == "all") & (withheld["withheld"] == "nothing")]
    assert whole["AUROC (95 % CI)"].tolist()[0].startswith(area)
    alone = several.table("diagnosis").set_index("modality")["alone"]
    assert {name: models.loc[name, "AUROC (95 % CI)"] for name in ("labs", "signs")} == alone.to_dict()
    _, visit, visits = np.unique(several.late.patient, return_inverse=True, return_counts=True)
    each = ((several.late.probabilities - several.truth) ** 2).sum(1)
    each = each if several.late.task == "multiclass" else each / several.truth.shape[1]
    brier = np.average(each, weights=1 / visits[visit])
    weighted = several.table("visits").set_index("model")
    assert weighted.loc["late", "Brier score"].startswith(f"{brier:.2f}")
    assert not {"specificity.csv", "calibration.csv", "subgroups.csv"} & {
        one.name for one in (several.path / "tables").iterdir()
    }
    assert not (several.path / "errors.html").exists()
    assert not list((several.path / "figures").glob("roc*"))


def test_sets_of_classes_hold_the_truth_as_often_as_is_said(classes: Run) -> None:
    sets = classes.table("conformal_sets").set_index("record")["set"]
    names = np.array(classes.late.classes)
    inside = np.array([names[y] in sets[key].split(", ") for key, y in zip(*_keys(classes), strict=True)])
    table = classes.table("conformal").set_index(["of", "group"])
    assert table.loc[("all", ""), "coverage"].startswith(f"{inside.mean():.2f}")
    assert table.loc[("class", "mid"), "coverage"].startswith(f"{inside[classes.late.y_true == 1].mean():.2f}")
    assert inside.mean() == pytest.approx(LEVEL, abs=0.12)


def test_every_label_has_sets_of_its_own(labels: Run) -> None:
    sets = labels.table("conformal_sets").set_index(["label", "record"])["set"]
    table = labels.table("conformal").set_index(["label", "of", "group"])
    for column, label in enumerate(("a", "b")):
        truth = labels.late.y_true[:, column]
        words = [label if yes else f"not {label}" for yes in truth]
        inside = np.array(
            [word in sets[label, key].split(", ") for word, key in zip(words, labels.late.record, strict=True)]
        )
        assert table.loc[(label, "all", ""), "coverage"].startswith(f"{inside.mean():.2f}")
        assert table.loc[(label, "class", label), "coverage"].startswith(f"{inside[truth == 1].mean():.2f}")
        assert inside.mean() == pytest.approx(LEVEL, abs=0.12)


def _keys(found: Run) -> tuple[np.ndarray, np.ndarray]:
    return found.late.record, found.late.y_true


def test_a_class_of_few_records_answers_nothing() -> None:
    def of(text: str, *each: int) -> Difference:
        about = Counts(240, 240, None, text, each)
        return Difference("late", "labs", "auroc", (0.85, 0.78), Estimate(0.07, 0.02, 0.12), 0.008, about)

    rare, enough = of("200 a, 31 b, 9 c", 200, 31, 9), of("200 a, 30 b, 10 c", 200, 30, 10)
    assert decide(rare, rare, sides=Sides("labs")).verdict == "cannot tell"
    assert decide(enough, enough, sides=Sides("labs")).verdict == "yes"


@pytest.mark.parametrize(
    ("line", "code"), [('subgroups = ["sex"]', "SUBGROUP_TASK"), ("specificity = 0.9", "CONFIG_CONFLICT")]
)
def test_what_needs_one_finding_is_refused_before_training(several: Run, tmp_path: Path, line: str, code: str) -> None:
    text = (several.path.parent / "study.toml").read_text(encoding="utf-8")
    cohort = (several.path.parent / "cohort").as_posix()
    text = text.replace('cohort = "cohort"', f'cohort = "{cohort}"').replace("[report]", f"[report]\n{line}")
    (tmp_path / "study.toml").write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError, match=code):
        prepare(load_study(tmp_path / "study.toml"))


def test_only_one_finding_can_be_explained(several: Run) -> None:
    work = prepare(load_study(several.path.parent / "study.toml"))
    with pytest.raises(ConfigError, match="EXPLAIN_TASK"):
        explain_records(work, read_comparison(work), [several.late.record[0]], model="late")
