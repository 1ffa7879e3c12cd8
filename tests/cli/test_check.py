from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from clinfuse.cli.main import main
from clinfuse.cohort.cohort import Cohort
from clinfuse.evaluation.audit import shuffle
from clinfuse.evaluation.audit.shuffle import Shuffled
from clinfuse.evaluation.matching.study import train_matcher
from clinfuse.evaluation.statistics.intervals import Estimate
from clinfuse.synthetic.folder import write_cohort
from clinfuse.synthetic.settings import preset
from clinfuse.training.contrastive import DualEncoder
from clinfuse.training.options import TrainingOptions

Said = pytest.CaptureFixture[str]

TOML = """
[records]
table = "visits.csv"
patient_id = "PATNR"

[label]
column = "FINDING"
positive = ["yes"]

[modalities.signs]
kind = "ehr"
table = "visits.csv"
columns.PULSE = { unit = "1/min" }

[modalities.labs]
kind = "ehr"
table = "labs.csv"
patient_id = "PID"
columns.CRP = { unit = "mg/L" }
"""
IDS = '[ids]\ntable = "ids.csv"\npatient_id = "PATNR"\nlab = "LABNR"\n'


@pytest.fixture
def cohort(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Laboratory ids without the leading zeros of the clinic's."""
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "cohort"
    folder.mkdir()
    numbers = range(100, 140)
    visits = {"PATNR": [f"{k:07d}" for k in numbers], "FINDING": ["yes", "no"] * 20}
    pulse = [60 + (7 * k) % 40 for k in numbers]
    pd.DataFrame({**visits, "PULSE": pulse}).to_csv(folder / "visits.csv", index=False)
    labs = {"PID": [str(k) for k in numbers], "CRP": [(11 * k) % 50 for k in numbers]}
    pd.DataFrame(labs).to_csv(folder / "labs.csv", index=False)
    (folder / "cohort.toml").write_text(TOML, encoding="utf-8")
    return folder


def said(capsys: Said) -> dict[str, Any]:
    facts: dict[str, Any] = json.loads(capsys.readouterr().out)
    return facts


def matched(folder: Path, capsys: Said) -> dict[str, int]:
    main(["check", str(folder), "--json", "--quiet"])
    return {one["source"]: one["matched"] for one in said(capsys)["sources"]}


def written_line(hint: str) -> str:
    return re.findall(r"`([^`]+)`", hint)[0]


def test_a_source_that_meets_nobody_is_told_with_the_line_that_lets_it(cohort: Path, capsys: Said) -> None:
    main(["check", str(cohort)])
    text = capsys.readouterr().out
    assert "No match at all. 40 of its ids meet once leading zeros are filled up" in text
    assert " ".join(text.split()).count("width = { patient_id = 7 }") == 1
    assert "IDS_NONE_MEET" not in text
    page = (cohort / "check" / "check.html").read_text(encoding="utf-8")
    assert page.count("width = { patient_id = 7 }") == 1
    main(["check", str(cohort), "--json", "--quiet"])
    hint = next(one["hint"] for one in said(capsys)["sources"] if one["source"] == "labs")
    assert written_line(hint) == "width = { patient_id = 7 }"
    (cohort / "cohort.toml").write_text(f"[ids]\n{written_line(hint)}\n{TOML}", encoding="utf-8")
    assert matched(cohort, capsys)["labs"] == 40


def test_numbers_of_another_system_are_recognised(cohort: Path, capsys: Said) -> None:
    numbers = range(100, 140)
    ids = {"PATNR": [f"{k:07d}" for k in numbers], "LABNR": [f"L{k}" for k in numbers]}
    pd.DataFrame(ids).to_csv(cohort / "ids.csv", index=False)
    labs = pd.read_csv(cohort / "labs.csv", dtype=str)
    labs["PID"] = "L" + labs["PID"]
    labs.to_csv(cohort / "labs.csv", index=False)
    (cohort / "cohort.toml").write_text(IDS + TOML, encoding="utf-8")
    main(["check", str(cohort), "--json", "--quiet"])
    hint = next(one["hint"] for one in said(capsys)["sources"] if one["source"] == "labs")
    lines = re.findall(r"`([^`]+)`", hint)
    assert lines == ['patient_id = "PID"', 'is = "lab"']
    (cohort / "cohort.toml").write_text(IDS + TOML.replace('patient_id = "PID"', "\n".join(lines)), encoding="utf-8")
    assert matched(cohort, capsys)["labs"] == 40


def test_ids_that_nobody_knows_are_told_as_such(cohort: Path, capsys: Said) -> None:
    labs = pd.read_csv(cohort / "labs.csv", dtype=str)
    labs["PID"] = "Q" + labs["PID"]
    labs.to_csv(cohort / "labs.csv", index=False)
    main(["check", str(cohort), "--json", "--quiet"])
    hint = next(one["hint"] for one in said(capsys)["sources"] if one["source"] == "labs")
    assert hint.startswith("None of its ids is an id of the records table")


def test_pages_lie_beside_the_cohort_or_where_out_says(cohort: Path, tmp_path: Path, capsys: Said) -> None:
    main(["check", str(cohort), "--quiet"])
    assert {path.name for path in (cohort / "check").iterdir()} == {"check.html", "check.json", "sheet-columns.html"}
    first = (cohort / "check" / "check.html").read_bytes()
    main(["check", str(cohort), "--quiet", "--out", str(tmp_path / "elsewhere")])
    assert (tmp_path / "elsewhere" / "check.html").read_bytes() == first
    assert "0000100" not in first.decode()


def test_out_that_is_a_file_is_refused_before_anything_is_read(cohort: Path, capsys: Said) -> None:
    (cohort / "visits.csv").unlink()
    file = cohort / "page.html"
    file.write_text("mine", encoding="utf-8")
    assert main(["check", str(cohort), "--out", str(file)]) == 3
    assert "CHECK_PLACE" in capsys.readouterr().err


def test_a_cohort_that_cannot_be_written_to_is_checked_all_the_same(
    cohort: Path, capsys: Said, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = os.access
    monkeypatch.setattr(os, "access", lambda path, mode: mode != os.W_OK and real(path, mode))
    assert main(["check", str(cohort)]) == 0
    assert "cannot be written to" in capsys.readouterr().out
    assert not (cohort / "check").exists()


def test_refusals_come_with_what_to_do_and_give_exit_code_1(
    tmp_path: Path, capsys: Said, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    folder = write_cohort(tmp_path / "c", preset("small", records=40, seed=3, messy=True, excluded=2, damaged_files=3))
    assert main(["check", str(folder)]) == 1
    text = capsys.readouterr().out
    assert "input 42 records = 40 used + 2 excluded" in text
    assert "INDEX_TIME (records): 2 x" in text
    refused = text.split("\nREFUSED")[1].split("\n\n")[0]
    assert refused.count("TO DO:") == len(re.findall(r"[A-Z]+_[A-Z_]+ \((?:ct|xray|eeg)\):", refused)) >= 3
    assert all(len(line) <= 100 and line.isascii() for line in text.splitlines() if "measured" not in line)
    pages = sorted(path.name for path in (folder / "check").iterdir())
    assert pages == [
        *("check.html", "check.json", "sheet-columns.html"),
        *("sheet-ct-1.html", "sheet-eeg-1.html", "sheet-xray-1.html"),
    ]
    ids = pd.read_csv(folder / "visits.csv", sep=";", dtype=str, encoding="cp1252")
    private = {*ids["FALLNR"], *ids["PATNR"], *ids["VISIT_AT"]} - {"n.b."}
    for page in pages:
        content = (folder / "check" / page).read_text(encoding="utf-8")
        assert [secret for secret in private if secret in re.sub(r"base64,[^\"]+", "", content)] == []
        assert "http" not in content.replace("http-equiv", "")


@pytest.fixture
def shared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two tables that show the same three properties of a patient."""
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "shared"
    folder.mkdir()
    draw = np.random.default_rng(0)
    seen = draw.normal(size=(240, 3))
    ids = [f"{k:04d}" for k in range(240)]
    columns = {"PATNR": ids, "FINDING": draw.choice(["yes", "no"], 240)}
    pulse = {f"P{k}": (seen[:, k] + draw.normal(size=240) * 0.1).round(3) for k in range(3)}
    crp = {f"C{k}": (seen[:, k] + draw.normal(size=240) * 0.1).round(3) for k in range(3)}
    pd.DataFrame({**columns, **pulse}).to_csv(folder / "visits.csv", index=False)
    pd.DataFrame({"PID": ids, **crp}).to_csv(folder / "labs.csv", index=False)
    lines = "".join(f'columns.{n}{k} = {{ unit = "" }}\n' for n in "P" for k in range(3))
    text = TOML.replace('columns.PULSE = { unit = "1/min" }\n', lines)
    lines = "".join(f'columns.{n}{k} = {{ unit = "" }}\n' for n in "C" for k in range(3))
    (folder / "cohort.toml").write_text(text.replace('columns.CRP = { unit = "mg/L" }\n', lines), encoding="utf-8")
    return folder


def test_a_matcher_names_the_records_whose_rows_were_swapped(shared: Path, tmp_path: Path, capsys: Said) -> None:
    before = Cohort.from_folder(shared)
    encoder = DualEncoder(options=TrainingOptions(epochs=20, batch_size=64))
    train_matcher(before, encoder, tmp_path / "matcher", names=("signs", "labs"), folds=3)
    labs = pd.read_csv(shared / "labs.csv", dtype=str)
    labs.loc[[3, 77], labs.columns[1:]] = labs.loc[[77, 3], labs.columns[1:]].to_numpy()
    labs.to_csv(shared / "labs.csv", index=False)
    capsys.readouterr()
    assert main(["check", str(shared), "--matcher", str(tmp_path / "matcher"), "--json"]) == 0
    found = {one["code"]: one["text"] for one in said(capsys)["findings"]}
    assert "signs and labs" in found["MISMATCH_SUSPECTED"]
    after = Cohort.from_folder(shared)
    assert {str(after.keys[row]) for row in (3, 77)} <= set(re.findall(r"R-[A-Z2-7]{10}", found["MISMATCH_SUSPECTED"]))


def test_a_matcher_of_other_modalities_is_refused(shared: Path, cohort: Path, tmp_path: Path, capsys: Said) -> None:
    encoder = DualEncoder(options=TrainingOptions(epochs=1, batch_size=64))
    train_matcher(Cohort.from_folder(shared), encoder, tmp_path / "matcher", names=("signs", "labs"), folds=2)
    assert main(["check", str(cohort), "--matcher", str(tmp_path / "matcher")]) == 2
    assert "MODALITY_CHANGED" in capsys.readouterr().err
    text = (cohort / "cohort.toml").read_text().replace("modalities.labs", "modalities.blood")
    (cohort / "cohort.toml").write_text(text)
    assert main(["check", str(cohort), "--matcher", str(tmp_path / "matcher")]) == 2
    assert "MATCHER_COHORT" in capsys.readouterr().err


def test_the_cheapest_model_of_a_study_is_trained_on_labels_of_others(study_file: Path, capsys: Said) -> None:
    text = study_file.read_text(encoding="utf-8")
    more = 'early = { fusion = "early", kind = "I", learner = "logistic" }\n[report]'
    study_file.write_text(text.replace("[report]", more), encoding="utf-8")
    assert main(["check", str(study_file), "--shuffle", "--json", "--quiet"]) == 0
    found = said(capsys)
    facts = dict(found["measured"])
    assert re.fullmatch(r"AUROC 0\.\d\d \(0\.\d\d to 0\.\d\d\)", facts["early on labels of others"])
    assert "SHUFFLE_NOT_CHANCE" not in {one["code"] for one in found["findings"]}
    assert main(["check", str(study_file), "--json", "--quiet"]) == 0
    assert "early on labels of others" not in dict(said(capsys)["measured"])


def test_what_is_not_chance_on_labels_of_others_is_found(
    study_file: Path, capsys: Said, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = Shuffled(Estimate(0.8, 0.7, 0.9), 40, 40)
    monkeypatch.setattr(shuffle, "label_shuffle", lambda *_, **__: seen)
    assert main(["check", str(study_file), "--shuffle"]) == 0
    text = " ".join(capsys.readouterr().out.split())
    assert "SHUFFLE_NOT_CHANCE: late on labels dealt anew among patients: AUROC 0.80 (0.70 to 0.90), and not" in text


def test_a_cohort_alone_has_no_model_to_train(study_file: Path, capsys: Said) -> None:
    assert main(["check", str(study_file.parent / "cohort"), "--shuffle"]) == 2
    assert "CHECK_SHUFFLE" in capsys.readouterr().err
