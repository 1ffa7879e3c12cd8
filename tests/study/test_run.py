from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from markupsafe import escape

from clinfuse.errors import ConfigError, DataError, LockedError, StorageError, TrainingError
from clinfuse.evaluation.predictions import Predictions
from clinfuse.evaluation.running.lock import locked
from clinfuse.evaluation.wrong_calls import shown_counts
from clinfuse.study.config import load_study
from clinfuse.study.engines.engine import Engine
from clinfuse.study.engines.worker import Worker
from clinfuse.study.explained import explain_records, picks
from clinfuse.study.folder import RunFolder, describe, settle
from clinfuse.study.outcome import finish, read_comparison
from clinfuse.study.run import carry_out, prepare, quick
from clinfuse.study.work import Work


def contents(run: Path) -> dict[str, bytes]:
    """Every file of a run but its journal."""
    files = [file for file in run.rglob("*") if file.is_file() and "journal" not in file.parts]
    return {file.relative_to(run).as_posix(): file.read_bytes() for file in files}


def done_here(study_file: Path) -> Work:
    """A run whose folds were fitted in this process."""
    work = prepare(load_study(study_file))
    settle(work.run, describe(work.study, work.run, work.cohort.fingerprint), touched=work.touched, agreed=False)
    assert [fold for fold, _ in work.do()] == ["0-0"] * 4 + ["0-1"] * 4 + ["0-2"] * 4
    return work


def test_a_run_is_a_folder_of_files_that_say_the_same(study_file: Path) -> None:
    work = done_here(study_file)
    outcome = finish(work)
    run = contents(work.run.path)
    assert {"run.json", "metrics.json", "predictions.parquet", "report.html", "ledger.html"} <= set(run)
    assert {"tables/performance.csv", "tables/comparisons.csv", "cohort.json", "methods.txt"} <= set(run)
    assert "Alone, labs is read by the learner logistic." in run["methods.txt"].decode()
    assert "errors.html" in run
    assert {"audit.json", "reporting/tripod_ai.docx", "reporting/claim.tex", "reporting/model_card.md"} <= set(run)
    assert all(
        (work.run.path / place).is_file() for place in re.findall(r'href="([^#"][^"]*)"', run["report.html"].decode())
    )
    assert 'href="tables/performance.csv"' in run["report.html"].decode()
    assert {"tables/models.csv", "tables/withheld.csv", "patients/index.html"} <= set(run)
    assert {"diagnosis.json", "tables/diagnosis.csv"} <= set(run)
    assert [one["model"] for one in json.loads(run["diagnosis.json"])] == ["late", "early"]
    assert outcome.diagnoses[0].sentences[0].startswith("late ")
    pages = [name for name in run if name.startswith("patients/R-")]
    assert sorted(Path(name).suffix for name in pages) == [".html", ".html", ".json", ".json"]
    assert not any(name.endswith((".docx", ".tex")) for name in run if name.startswith("tables/"))
    rows = json.loads(run["metrics.json"])
    keys = {"model", "taxonomy", "modalities", "metric", "value", "low", "high", "ceiling", "records", "events"}
    assert all(keys <= set(row) for row in rows)
    late = next(row for row in rows if row["model"] == "late" and row["metric"] == "auroc")
    assert (late["taxonomy"], late["records"], late["events"], late["ceiling"]) == ("late, mean", 48, 24, None)
    held = Predictions.from_parquet(work.run.path / "predictions.parquet")
    assert set(held.models) == {"labs", "signs", "late", "early"}
    assert outcome.comparison.answer.comparator == "labs"
    assert contents(work.run.path) == run
    finish(prepare(load_study(study_file)))
    assert contents(work.run.path) == run


def test_figures_are_drawn_where_they_are_asked_for_and_linked(study_file: Path) -> None:
    text = study_file.read_text(encoding="utf-8").replace('tables = ["csv"]', 'tables = ["tex"]\nfigures = ["svg"]')
    study_file.write_text(text, encoding="utf-8")
    work = done_here(study_file)
    finish(work)
    run = contents(work.run.path)
    assert {"figures/roc-85mm.svg", "figures/comparisons-170mm.svg", "tables/performance.tex"} <= set(run)
    assert 'href="figures/roc-85mm.svg"' in run["report.html"].decode()
    assert "evidence: tables/performance.tex" in run["reporting/tripod_ai.csv"].decode()


def test_metrics_hold_every_comparison_with_its_records(study_file: Path) -> None:
    work = done_here(study_file)
    comparison = finish(work).comparison
    rows = json.loads((work.run.path / "metrics.json").read_text(encoding="utf-8"))
    found = {(row["model"], row["on"]): row for row in rows if row["metric"] == "auroc difference"}
    assert set(found) == {("early", "all"), ("late", "all"), ("late", "both")}
    declared, both = found["late", "all"], found["late", "both"]
    said = comparison.answer.difference
    assert declared["against"] == "labs"
    assert [declared[key] for key in ("value", "low", "high", "p")] == [said.value, said.low, said.high, said.p]
    assert (declared["records"], declared["events"], both["records"], both["events"]) == (48, 24, 47, 24)
    assert both["value"] == comparison.answer.where_both.value
    assert len({row["model"] for row in rows if row["metric"] == "auroc"}) == 4


def test_subsets_are_reported_where_they_are_asked_for(study_file: Path) -> None:
    work = done_here(study_file)
    assert finish(work).robustness.rows
    assert "Sources withheld" in work.run.report.read_text(encoding="utf-8")
    asked = work.study.missing.model_copy(update={"report": ("observed",)})
    without = finish(prepare(work.study.model_copy(update={"missing": asked})))
    assert without.robustness.rows == ()
    assert not list(work.run.tables.glob("withheld*"))
    assert (work.run.tables / "models.csv").exists()
    assert "Sources withheld" not in work.run.report.read_text(encoding="utf-8")


def test_a_declared_specificity_is_judged_with_thresholds_from_inner_folds(study_file: Path) -> None:
    study = load_study(study_file)
    written = {"specificity": 0.8, "prevalence": 0.2, "conformal": 0.8, "visit_weights": True, "figures": ("svg",)}
    asked = study.report.model_copy(update=written)
    work = prepare(study.model_copy(update={"report": asked}))
    settle(work.run, describe(work.study, work.run, work.cohort.fingerprint), touched=work.touched, agreed=False)
    list(work.do())
    found = finish(work)
    assert {one.model for one in found.operating} == {"labs", "signs", "late", "early"}
    (late,) = (one for one in found.operating if one.model == "late")
    alarms, _, _, missed = late.confusion
    errors = (work.run.path / "errors.html").read_text(encoding="utf-8")
    assert "learned in inner folds for a specificity of 80" in errors
    assert f"<b>{escape(shown_counts([missed])[0])}</b> of" in errors
    assert f"<b>{escape(shown_counts([alarms])[0])}</b> of" in errors
    confusion = (work.run.path / "figures" / "confusion-85mm.svg").read_text(encoding="utf-8")
    assert "for a specificity of 80" in confusion
    assert "of each fold's model on" in (work.run.path / "reporting" / "model_card.md").read_text(encoding="utf-8")
    text = (work.run.tables / "specificity.csv").read_text(encoding="utf-8")
    assert "specificity observed" in text
    assert "of calling all" in text
    page = work.run.report.read_text(encoding="utf-8")
    assert "thresholds that inner folds" in page
    assert "hold the truth" in page
    sets = (work.run.tables / "conformal_sets.csv").read_text(encoding="utf-8")
    assert sets.count("R-") == len(work.cohort)
    assert (work.run.tables / "conformal.csv").exists()
    assert "calibration slope" in (work.run.tables / "visits.csv").read_text(encoding="utf-8")
    assert "patients with several visits" in page


def test_rates_are_reported_where_they_are_asked_for(study_file: Path) -> None:
    work = done_here(study_file)
    assert finish(work).rates.curves == ()
    assert "If sources go missing at random" not in work.run.report.read_text(encoding="utf-8")
    asked = work.study.missing.model_copy(update={"report": ("observed", "rates")})
    found = finish(prepare(work.study.model_copy(update={"missing": asked})))
    assert {curve.model for curve in found.rates.of()} == {"labs", "signs", "late", "early"}
    assert (found.rates.baseline, found.robustness.rows) == ("late", ())
    assert (work.run.tables / "rates.csv").exists()
    assert "If sources go missing at random" in work.run.report.read_text(encoding="utf-8")


def test_no_file_of_a_run_holds_an_id_or_a_place(study_file: Path) -> None:
    work = done_here(study_file)
    finish(work)
    for name, content in contents(work.run.path).items():
        assert b"MUSTER" not in content, name
        assert str(study_file.parent).encode() not in content, name


def test_where_a_run_lies_leaves_no_trace(study_file: Path) -> None:
    first = done_here(study_file)
    finish(first)
    study_file.write_text(study_file.read_text(encoding="utf-8").replace('"results"', '"again"'), encoding="utf-8")
    second = done_here(study_file)
    finish(second)
    assert contents(first.run.path) == contents(second.run.path)


def test_another_model_trains_only_itself_and_asks_nothing(study_file: Path) -> None:
    first = done_here(study_file)
    before = contents(first.run.path)
    text = study_file.read_text(encoding="utf-8")
    study_file.write_text(text.replace("\n[report]", 'vote = { fusion = "late", combine = "majority vote" }\n[report]'))
    work = prepare(load_study(study_file))
    assert (work.finished, work.touched) == (12, 0)
    settle(work.run, describe(work.study, work.run, work.cohort.fingerprint), touched=work.touched, agreed=False)
    assert [model for _, model in work.do()].count("vote") == 3
    after = contents(first.run.path)
    assert all(after[name] == before[name] for name in before if name.startswith("folds/"))


def test_changed_data_need_agreement_before_finished_work_is_lost(study_file: Path) -> None:
    done_here(study_file)
    labs = study_file.parent / "cohort" / "labs.csv"
    labs.write_text(labs.read_text(encoding="utf-8").replace("V001,", "V001,9"), encoding="utf-8")
    work = prepare(load_study(study_file))
    assert work.touched == 12
    with pytest.raises(ConfigError, match=r"the data; 12 finished tasks would be done again"):
        carry_out(work)
    with pytest.raises(StorageError, match="TASK_FOREIGN"):
        list(work.do(["0-0"]))
    assert len(list(work.do(agreed=True))) == 12
    assert work.touched == 0


def test_a_question_that_is_changed_after_results_is_not_called_declared_before(study_file: Path) -> None:
    done_here(study_file)
    text = study_file.read_text(encoding="utf-8")
    study_file.write_text(text.replace('primary = ["late", "labs"]', 'primary = ["early", "labs"]'), encoding="utf-8")
    with pytest.raises(ConfigError, match=r"changes in question\.primary; 0 finished tasks"):
        carry_out(prepare(load_study(study_file)))
    outcome = carry_out(prepare(load_study(study_file)), agreed=True)
    assert outcome.comparison.question == "changed when results could already be seen: does early fusion beat labs?"
    assert outcome.comparison.notices[0] == "Changed when results could already be seen: question.primary."
    page = outcome.run.report.read_text(encoding="utf-8")
    assert "Changed when results could already be seen: early against labs" in page
    assert "eclared before training" not in page


def test_a_fold_that_another_process_works_on_is_refused_by_name(study_file: Path) -> None:
    work = prepare(load_study(study_file))
    with locked(work.run.path / "folds" / "0-1" / "LOCK"), pytest.raises(LockedError, match="FOLD_LOCKED"):
        list(work.do(["0-1"]))
    with pytest.raises(ConfigError, match=r"\[FOLD_NAME\].*one of 0-0, 0-1, 0-2"):
        list(work.do(["0-7"]))
    assert [fold for fold, _ in work.do(["0-1"])] == ["0-1"] * 4


def test_an_unfinished_run_has_no_answer(study_file: Path) -> None:
    work = prepare(load_study(study_file))
    list(work.do(["0-1"]))
    with pytest.raises(ConfigError, match="8 of 12 tasks left"):
        read_comparison(work)


def test_a_record_is_explained_by_id_or_key_and_named_by_key_only(study_file: Path) -> None:
    work = done_here(study_file)
    comparison = read_comparison(work)
    (page,) = explain_records(work, comparison, ["V004"], model="late")
    key = work.cohort["V004"].key
    assert page.name == f"{key}.html"
    assert "V004" not in page.read_text(encoding="utf-8")
    with pytest.raises(DataError, match="RECORD_UNKNOWN"):
        explain_records(work, comparison, ["V999"], model="late")


def test_pages_of_another_model_and_of_one_record_leave_the_study_s_own_pages_alone(study_file: Path) -> None:
    work = done_here(study_file)
    finish(work)
    before = contents(work.run.patients)
    comparison = read_comparison(work)
    (other,) = explain_records(work, comparison, ["V004"], model="early")
    assert other.parent == work.run.patients / "early"
    (further,) = explain_records(work, comparison, ["V005"], model="late", listed=False)
    after = contents(work.run.patients)
    assert {name for name in after if name not in before} >= {f"early/{other.name}", "early/index.html"}
    assert all(after[name] == before[name] for name in before if name != further.name)


def test_picks_are_the_same_in_any_order_and_hold_a_mistake(study_file: Path) -> None:
    work = done_here(study_file)
    comparison = read_comparison(work)
    four = work.study.model_copy(update={"report": work.study.report.model_copy(update={"patients": 4})})
    chosen = picks(comparison, four)
    held = comparison["late"].predictions
    wrong = held.record[held.logits.argmax(1) != held.y_true]
    assert len(set(chosen)) == 4
    assert set(chosen) & set(wrong.tolist())
    assert chosen == picks(read_comparison(prepare(four)), four)


def test_only_the_modalities_of_the_study_are_used(study_file: Path) -> None:
    text = study_file.read_text(encoding="utf-8")
    study_file.write_text(
        text.replace("seed = 3", 'seed = 3\nmodalities = ["labs"]')
        .replace('late = { fusion = "late", combine = "mean" }', 'late = { fusion = "single", modality = "labs" }')
        .replace('early = { fusion = "early", kind = "I", learner = "logistic" }', "")
    )
    work = prepare(load_study(study_file))
    assert work.cohort.names == ("labs",)
    assert len(work.cohort) == 47
    assert list(work.models) == ["labs", "late"]


def test_a_quick_run_lies_in_a_folder_of_its_own_and_says_so(study_file: Path) -> None:
    study = quick(load_study(study_file))
    assert study.results.endswith("results-quick")
    assert study.report.title.startswith("QUICK RUN, NOT A RESULT")
    assert (study.validation.folds, study.options().epochs) == (2, 2)


@pytest.mark.parametrize(
    ("old", "new", "code"),
    [
        ('combine = "mean"', 'combine = "meen"', "CONFIG_NAME"),
        ('learner = "logistic"', 'learner = "logistics"', "CONFIG_NAME"),
        ('["late", "labs"]', '["late", "lab"]', "CONFIG_NAME"),
        ("folds = 3", "holdout = true\nfolds = 3", "CONFIG_CONFLICT"),
    ],
)
def test_what_cannot_be_meant_is_refused_before_anything_is_trained(
    study_file: Path, old: str, new: str, code: str
) -> None:
    text = study_file.read_text(encoding="utf-8")
    assert old in text
    study_file.write_text(text.replace(old, new), encoding="utf-8")
    with pytest.raises(ConfigError, match=code):
        carry_out(prepare(load_study(study_file)))
    assert not list(study_file.parent.rglob("DONE"))


def test_what_tells_the_classes_apart_alone_stops_a_run_before_it_is_trained(study_file: Path) -> None:
    labs = study_file.parent / "cohort" / "labs.csv"
    header, *rows = labs.read_text(encoding="utf-8").splitlines()
    copied = [f"{row.split(',')[0]},{int(row.split(',')[0][1:]) % 2}" for row in rows]
    labs.write_text("\n".join([header, *copied]) + "\n", encoding="utf-8")
    work = prepare(load_study(study_file))
    with pytest.raises(DataError, match=r"AUDIT_STOPS\] .*COLUMN_IS_LABEL.*--yes"):
        carry_out(work)
    assert not work.run.path.exists()
    list(work.do())
    outcome = carry_out(work, agreed=True)
    assert outcome.audit.stops


def test_a_run_is_audited_once(study_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from clinfuse.evaluation.audit.finding import Audit

    work = done_here(study_file)
    found = Audit((), (("nothing", "looked at"),))
    monkeypatch.setattr("clinfuse.study.run.audit", lambda cohort: found)
    assert carry_out(work).audit.facts[0] == found.facts[0]


@pytest.mark.slow
def test_the_number_of_processes_and_a_kill_leave_no_trace(study_file: Path) -> None:
    reference = done_here(study_file)
    finish(reference)
    expected = contents(reference.run.path)
    text = study_file.read_text(encoding="utf-8")

    study_file.write_text(text.replace('"results"', '"pooled"'), encoding="utf-8")
    seen: list[tuple[int, int]] = []
    pooled = prepare(load_study(study_file))
    carry_out(pooled, engine=Engine(workers=2), advance=lambda done, total: seen.append((done, total)))
    assert contents(pooled.run.path) == expected
    assert seen[-1] == (12, 12)

    study_file.write_text(text.replace('"results"', '"killed"'), encoding="utf-8")
    killed = study_file.parent / "killed"
    command = [sys.executable, "-m", "clinfuse", "run", str(study_file), "--workers", "1", "--quiet"]
    with subprocess.Popen(command, start_new_session=True) as process:
        while process.poll() is None and not list(killed.glob("folds/*/*/DONE")):
            time.sleep(0.02)
        os.killpg(process.pid, signal.SIGKILL)
    subprocess.run(command, check=True, timeout=250)
    assert contents(killed) == expected


@pytest.mark.slow
def test_what_a_worker_says_reaches_whoever_started_it(study_file: Path) -> None:
    work = prepare(load_study(study_file))
    settle(work.run, describe(work.study, work.run, work.cohort.fingerprint), touched=0, agreed=False)
    (study_file.parent / "cohort" / "labs.csv").unlink()
    with pytest.raises(DataError, match=r"\[[A-Z_]+\] .*labs"):
        Engine(workers=1).run(work, private=None, agreed=False, advance=lambda done, total: None)
    unknown = RunFolder(study_file.parent / "none")
    lost = Work(work.study, unknown, work.cohort, work.models, work.jobs)
    with pytest.raises(StorageError, match="RUN_ABSENT"):
        Engine(workers=1).run(lost, private=None, agreed=False, advance=lambda done, total: None)


@pytest.mark.parametrize(
    ("program", "found"),
    [
        ("raise SystemExit(7)", r"a fault \(exit code 7\)"),
        ("print('Erika Mustermann'); raise SystemExit(1)", r"a fault \(exit code 1\)"),
        ("import os; os.kill(os.getpid(), 9)", r"the end of the process by the system.* \(exit code -9\)"),
    ],
)
def test_a_worker_that_ends_without_a_word_is_lost(
    study_file: Path, monkeypatch: pytest.MonkeyPatch, program: str, found: str
) -> None:
    started: list[int] = []

    def start(*_: object, **__: object) -> subprocess.Popen[str]:
        started.append(1)
        return subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True)

    monkeypatch.setattr(Worker, "start", start)
    work = prepare(load_study(study_file))
    with pytest.raises(TrainingError, match=rf"\[WORKER_LOST\](?!.*Mustermann).*{found}"):
        Engine(workers=1).run(work, private=None, agreed=False, advance=lambda done, total: None)
    # Who is ended by the system is started again, twice; a fault would only come back.
    assert len(started) == (3 if "kill" in program else 1)
