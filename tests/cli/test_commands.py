from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from clinfuse.cli.main import main
from clinfuse.study.config import load_study
from clinfuse.study.folder import describe, settle
from clinfuse.study.run import prepare

Said = pytest.CaptureFixture[str]


def spoken(capsys: Said) -> dict[str, Any]:
    facts: dict[str, Any] = json.loads(capsys.readouterr().out.splitlines()[-1])
    return facts


@pytest.fixture
def run(study_file: Path) -> Path:
    """A run that is described and not yet trained."""
    work = prepare(load_study(study_file))
    settle(work.run, describe(work.study, work.run, work.cohort.fingerprint), touched=0, agreed=False)
    return work.run.path


@pytest.mark.parametrize("name", ["cohort", "cohort/cohort.toml", "study.toml"])
def test_check_says_who_is_here(name: str, study_file: Path, capsys: Said) -> None:
    assert main(["check", str(study_file.parent / name), "--quiet", "--json"]) == 0
    facts = spoken(capsys)
    assert (facts["records"], facts["patients"], facts["present"]) == (40, 40, {"labs": 40, "signs": 40})
    assert main(["check", str(study_file.parent / name)]) == 0
    text = capsys.readouterr().out
    assert "40 records of 40 patients, 20 with" in text
    assert "input 40 records = 40 used + 0 excluded" in text
    assert "ERIKA" not in text


def test_check_stops_at_a_column_that_is_the_label(study_file: Path, capsys: Said) -> None:
    table = study_file.parent / "cohort" / "visits.csv"
    lines = table.read_text(encoding="utf-8").splitlines()
    header, rows = lines[0], [line.split(",") for line in lines[1:]]
    table.write_text("\n".join([header, *(",".join([*r[:3], str(int(r[2] == "yes")), r[4]]) for r in rows)]) + "\n")
    assert main(["check", str(study_file)]) == 2
    assert "AUDIT_STOPS" in capsys.readouterr().err


def test_a_run_is_trained_fold_by_fold_then_reported_explained_and_tested(
    run: Path, capsys: Said, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(run.parent)
    assert main(["report", str(run)]) == 2
    assert "RUN_UNFINISHED" in capsys.readouterr().err
    assert main(["fold", str(run), "--fold", "0-1", "--quiet", "--json"]) == 0
    assert spoken(capsys)["done"] == ["0-1/labs", "0-1/signs", "0-1/late"]
    assert main(["report", str(run)]) == 0
    partial = capsys.readouterr().out
    assert partial.startswith("PARTIAL   3 of 6 tasks finished.")
    assert "ANSWER" not in partial
    assert not (run / "report.html").exists()
    assert main(["report", str(run), "--json"]) == 0
    assert {row["records"] for row in spoken(capsys)["metrics"]} == {20}
    assert main(["fold", str(run)]) == 0
    assert "done: 3 tasks; 6 of 6 finished" in capsys.readouterr().out

    assert main(["report", str(run)]) == 0
    screen = capsys.readouterr().out
    assert all(line.isascii() and len(line) <= 100 for line in screen.splitlines())
    order = ["COHORT", "MODEL", "QUESTION", "ANSWER", "WITHOUT", "OPEN", "NEXT"]
    places = [screen.index(f"\n{word} ") for word in order]
    assert places == sorted(places)
    assert screen.rstrip().endswith("Research use only. Not a medical device.")
    assert "BEST POSSIBLE" not in screen

    assert main(["explain", str(run), "--pick", "tp=1,tn=1", "--blind"]) == 0
    said = capsys.readouterr().out
    assert "rule      drawn at random with seed 0 among the records that late judged: 1 called and with it, 1" in said
    assert "tp1-tn1-seed0-blind/index.html" in said
    assert main(["explain", str(run), "--record", "V03", "--json"]) == 0
    (page,) = spoken(capsys)["pages"]
    assert Path(page).exists()
    assert "V03" not in page
    assert main(["robustness", str(run), "--model", "late", "--json"]) == 0
    facts = spoken(capsys)
    rows = facts["rows"]
    assert facts["sentences"][0].startswith("Without ")
    assert {curve["model"] for curve in facts["rates"]["curves"]} == {"labs", "signs", "late"}
    assert (facts["observed"]["shortcut"], facts["complete"]["excluded"]) == (False, "0")
    page_text = Path(facts["page"]).read_text(encoding="utf-8")
    assert "Every set of sources" in page_text
    assert "V03" not in page_text
    assert "ERIKA" not in page_text
    assert [row["withheld"] for row in rows][:3] == [[], ["signs"], ["labs"]]
    assert rows[0]["auroc"]["low"] < rows[0]["auroc"]["value"] < rows[0]["auroc"]["high"]
    assert rows[0]["delta"] == {"value": 0.0, "low": 0.0, "high": 0.0}
    assert (run / "tables" / "withheld-late.csv").exists()
    caption = (run / "tables" / "withheld-late.tex").read_text(encoding="utf-8")
    assert "Positive class: yes (" in caption
    assert "Seed 0." in caption
    assert main(["robustness", str(run), "--model", "late"]) == 0
    screen = capsys.readouterr().out
    assert screen.startswith("ROBUSTNESS late: what is left when sources are missing")
    assert all(line.isascii() and len(line) <= 100 for line in screen.splitlines())
    assert main(["robustness", str(run), "--regret", "--damage", "--yes", "--json"]) == 0
    facts = spoken(capsys)
    assert [row["kept"] for row in facts["regret"]["rows"]] == [["labs"], ["signs"]]
    assert {row["damage"] for row in facts["damage"]["rows"]} == {"cells emptied", "columns exchanged"}
    page_text = Path(facts["page"]).read_text(encoding="utf-8")
    assert "Against models trained on these sources alone" in page_text
    assert "Inputs that are spoiled" in page_text
    assert main(["robustness", str(run), "--model", "nobody"]) == 2
    assert "ROBUSTNESS_MODEL" in capsys.readouterr().err


def test_who_gives_the_way_back(study_file: Path, capsys: Said) -> None:
    work = prepare(load_study(study_file))
    key = work.cohort["V07"].key
    assert main(["who", key, "--cohort", str(study_file.parent / "cohort"), "--json"]) == 0
    assert spoken(capsys)["patient"] == "ERIKA-07"
    assert main(["who", "R-AAAAAAAAAA", "--cohort", str(study_file.parent / "cohort")]) == 2
    assert "KEY_UNKNOWN" in capsys.readouterr().err


def test_a_plan_counts_trainings_and_trains_nothing_of_the_run(study_file: Path, capsys: Said) -> None:
    assert main(["run", str(study_file), "--plan", "--json", "--quiet"]) == 0
    facts = spoken(capsys)
    assert (facts["tasks"], facts["left"], facts["trainings"]) == (6, 6, 4)
    assert 0 <= facts["hours"] < 1
    assert not (study_file.parent / "results" / "folds").exists()
    assert main(["run", str(study_file), "--plan"]) == 0  # nobody is there to say yes
    assert "PLAN      study.toml: 6 of 6 tasks left, 4 trainings in all" in capsys.readouterr().out
    assert not (study_file.parent / "results").exists()


def test_a_place_without_a_run_is_a_storage_error(tmp_path: Path, capsys: Said) -> None:
    assert main(["fold", str(tmp_path)]) == 3
    assert "RUN_ABSENT" in capsys.readouterr().err


@pytest.mark.slow
def test_a_study_runs_from_one_command_and_quickly_beside_it(study_file: Path, capsys: Said) -> None:
    assert main(["run", str(study_file), "--quick", "--json", "--quiet"]) == 0
    quick = spoken(capsys)
    assert "results-quick" in quick["report"]
    assert "QUICK RUN" in Path(quick["report"]).read_text(encoding="utf-8")
    assert main(["run", str(study_file), "--json", "--quiet"]) == 0
    facts = spoken(capsys)
    assert facts["answer"]["verdict"] in ("yes", "no", "cannot tell")
    assert {row["model"] for row in facts["metrics"]} == {"labs", "signs", "late"}
    study_file.write_text(study_file.read_text(encoding="utf-8") + "\n[training]\nepochs = 3\n", encoding="utf-8")
    assert main(["run", str(study_file), "--quiet"]) == 2
    assert "RUN_CHANGED" in capsys.readouterr().err
    assert main(["run", str(study_file), "--quiet", "--yes"]) == 0
