"""A study whose question names the best fusion and the best single modality, from its file to its pages."""

from __future__ import annotations

import json
from pathlib import Path

from clinfuse.cli.summary import question_lines
from clinfuse.study.config import load_study
from clinfuse.study.folder import describe, settle
from clinfuse.study.outcome import finish
from clinfuse.study.run import prepare


def test_a_study_of_the_best_of_both_sides_runs_from_its_file_to_its_pages(study_file: Path) -> None:
    text = study_file.read_text(encoding="utf-8").replace('"late", "labs"', '"best fusion", "best single"')
    study_file.write_text(text.replace("folds = 3", "folds = 2\ninner_folds = 2"), encoding="utf-8")
    work = prepare(load_study(study_file))
    settle(work.run, describe(work.study, work.run, work.cohort.fingerprint), touched=work.touched, agreed=False)
    list(work.do())
    outcome = finish(work)
    run = {
        file.relative_to(work.run.path).as_posix(): file.read_bytes()
        for file in work.run.path.rglob("*.*")
        if file.is_file()
    }
    comparison, said = outcome.comparison, "chosen in inner folds of the training patients."
    taken = comparison["best fusion"]
    for (repeat, fold), name in taken.chosen.items():
        folders = {one: f"folds/{repeat}-{fold}/{one}/task.json" for one in ("late", "early")}
        inner = {one: json.loads(run[file])["inner"] for one, file in folders.items()}
        assert inner[name] == max(inner.values())
    assert said in comparison.answer.text
    assert said in run["report.html"].decode()
    assert "The best fusion and the best single modality were chosen anew for every fold" in run["methods.txt"].decode()
    assert run["tables/choices.csv"].count(b"best fusion") == 2
    rows = {(row["model"], row.get("against")) for row in json.loads(run["metrics.json"])}
    assert ("best fusion", "best single") in rows
    assert json.loads(run["diagnosis.json"])[0]["model"] == "best fusion"
    assert sum(name.startswith("patients/R-") and name.endswith(".html") for name in run) == 2
    assert said in " ".join(line.strip() for line in question_lines(comparison))
