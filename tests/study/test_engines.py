"""Who fits the folds of a run: a pool, a Dask cluster, an array of Slurm jobs."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from clinfuse.cli.main import main
from clinfuse.errors import ConfigError, LockedError, StorageError, TrainingError
from clinfuse.study.config import load_study
from clinfuse.study.engines import cluster
from clinfuse.study.engines.array import write_array
from clinfuse.study.engines.cluster import FoldLostError, fit_fold
from clinfuse.study.engines.engine import Engine
from clinfuse.study.engines.worker import Ended, Worker, worker_of
from clinfuse.study.run import begin, prepare


@pytest.fixture
def engines(monkeypatch: pytest.MonkeyPatch):
    """Give the script that compares engines, imported as it imports itself."""
    monkeypatch.syspath_prepend(str(Path(__file__).parents[2] / "benchmarks"))
    import engines

    return engines


def test_an_engine_is_known_and_has_an_address_only_where_it_can_use_one() -> None:
    assert Engine(workers=3).count == 3
    assert Engine().count in (1, 2)
    for wrong in ({"name": "slurm"}, {"address": "tcp://127.0.0.1:1"}, {"name": "local", "address": "x"}):
        with pytest.raises(ConfigError, match=r"\[ENGINE_NAME\].*local, dask"):
            Engine(**wrong)


def test_a_worker_is_a_command_with_absolute_places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    worker = worker_of(Path("run"), 2, private=Path("keys"), agreed=True)
    assert worker.arguments(["0-1"]) == [
        *("fold", str(tmp_path / "run"), "--quiet", "--json", "--fold", "0-1", "--yes"),
        *("--private", str(tmp_path / "keys")),
    ]
    plain = worker_of(tmp_path, 1, private=None, agreed=False)
    assert plain.arguments() == ["fold", str(tmp_path), "--quiet", "--json"]


def test_threads_are_set_before_a_worker_starts(monkeypatch: pytest.MonkeyPatch) -> None:
    program = "import os; print(os.environ['OMP_NUM_THREADS'], os.environ['MKL_NUM_THREADS'])"
    real = subprocess.Popen
    monkeypatch.setattr(subprocess, "Popen", lambda _, **settings: real([sys.executable, "-c", program], **settings))
    process = Worker("run", 3).start()
    assert process.communicate()[0].split() == ["3", "3"]


def test_what_a_worker_printed_is_raised_as_what_it_was() -> None:
    said = '{"error": {"code": "FOLD_LOCKED", "place": "p", "rule": "r", "found": "f", "remedy": "m"}}'
    assert isinstance(Ended(4, f"noise\n{said}\n").error(), LockedError)
    assert isinstance(Ended(3, said).error(), StorageError)
    assert isinstance(Ended(2, said.replace("FOLD_LOCKED", "CONFIG_KEY")).error(), ConfigError)
    lost = Ended(-9, "Erika Mustermann").error()
    assert isinstance(lost, TrainingError)
    assert "Mustermann" not in str(lost)


def test_a_task_of_dask_waits_for_a_fold_that_is_worked_on_and_gives_up_a_killed_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    endings = iter(["raise SystemExit(4)", "print('done')", "import os; os.kill(os.getpid(), 9)"])

    def start(self: Worker, folds: object = ()) -> subprocess.Popen[str]:
        return subprocess.Popen([sys.executable, "-c", next(endings)], stdout=subprocess.PIPE, text=True)

    monkeypatch.setattr(Worker, "start", start)
    assert fit_fold(Worker("run", 1), "0-0") == (0, "done\n")
    with pytest.raises(FoldLostError, match="-9"):
        fit_fold(Worker("run", 1), "0-0")


def test_dask_that_is_not_installed_or_does_not_answer_is_said(
    study_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    work = prepare(load_study(study_file))
    monkeypatch.setattr(cluster, "_PATIENCE", "0.2s")
    with pytest.raises(ConfigError, match=r"\[ENGINE_ADDRESS\]"):
        Engine("dask", address="tcp://127.0.0.1:9").run(work, private=None, agreed=False, advance=print)
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(ConfigError, match=r"\[ENGINE_MISSING\].*clinfuse\[dask\]"):
        Engine("dask").run(work, private=None, agreed=False, advance=print)


def test_a_fold_that_dask_cannot_finish_is_said_and_what_it_printed_is_raised(
    study_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = '{"error": {"code": "RUN_ABSENT", "place": "p", "rule": "r", "found": "f", "remedy": "m"}}'
    started: list[str] = []

    def start(self: Worker, folds: tuple[str, ...] = ()) -> subprocess.Popen[str]:
        started.extend(folds)
        program = f"print('{said}'); raise SystemExit(3)" if len(started) == 1 else "import os; os.kill(os.getpid(), 9)"
        return subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True)

    monkeypatch.setattr(Worker, "start", start)
    work = prepare(load_study(study_file))
    with pytest.raises(StorageError, match="RUN_ABSENT"):
        Engine("dask", workers=1).run(work, private=None, agreed=False, advance=lambda done, total: None)
    with pytest.raises(TrainingError, match=r"\[WORKER_LOST\] Dask cluster.*three attempts"):
        Engine("dask", workers=1).run(work, private=None, agreed=False, advance=lambda done, total: None)


def test_an_array_is_a_task_for_every_fold_that_is_left(study_file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    scripts = study_file.parent / "scripts"
    words = ["slurm", str(study_file), "--out", str(scripts), "--sbatch=--mem=4G"]
    assert main(words) == 0
    assert "3 folds" in capsys.readouterr().out
    folds = (scripts / "folds.sh").read_text(encoding="utf-8")
    assert "#SBATCH --array=0-2\n#SBATCH --cpus-per-task=1\n#SBATCH --mem=4G\n" in folds
    assert "set -- 0-0 0-1 0-2\n" in folds
    assert "export OMP_NUM_THREADS=1\n" in folds
    run = study_file.parent / "results"
    assert f'fold {run} --quiet --json --fold "$1"' in folds
    assert (run / "run.json").is_file()
    assert f"exec clinfuse report {run}\n" in (scripts / "report.sh").read_text(encoding="utf-8")
    assert "afterok" in (scripts / "submit.sh").read_text(encoding="utf-8")
    done = prepare(load_study(study_file))
    list(done.do(["0-1"]))
    assert main([*words, "--quiet"]) == 0
    assert "set -- 0-0 0-2\n" in (scripts / "folds.sh").read_text(encoding="utf-8")
    list(done.do())
    assert main(words) == 0
    assert "nothing is left" in capsys.readouterr().out


def test_the_words_of_an_array_survive_a_shell(tmp_path: Path) -> None:
    place = str(tmp_path / "a run; it's $HOME")
    scripts = write_array(Worker(place, 1, private="my keys"), ["0-0", "0-1"], tmp_path, options=[])
    (tmp_path / "clinfuse").write_text('#!/bin/sh\nprintf "%s\\n" "$@"\n', encoding="utf-8")
    (tmp_path / "clinfuse").chmod(0o755)
    environment = {"PATH": f"{tmp_path}{os.pathsep}{os.environ['PATH']}", "SLURM_ARRAY_TASK_ID": "1"}
    said = subprocess.run(["sh", scripts.folds], env=environment, capture_output=True, text=True, check=True)
    assert said.stdout.splitlines() == [*("fold", place, "--quiet", "--json", "--private", "my keys", "--fold", "0-1")]


def test_a_run_that_is_begun_can_be_fitted_by_anybody(study_file: Path) -> None:
    work = prepare(load_study(study_file))
    assert begin(work).findings is not None
    assert main(["fold", str(work.run.path), "--fold", "0-2", "--quiet"]) == 0
    assert prepare(load_study(study_file)).finished == 4


@pytest.mark.slow
def test_every_engine_leaves_the_same_bytes_with_a_process_killed(engines, tmp_path: Path) -> None:
    study = engines.write_study(tmp_path, folds=2)
    expected = engines.contents(engines.ran(study, "alone", "--workers", 1))
    assert len(expected) > 40
    killed = engines.ran(study, "dask-killed", "--engine", "dask", during=engines.kill_a_fold)
    assert engines.contents(killed) == expected
    assert engines.contents(engines.as_array(study, "array")) == expected
