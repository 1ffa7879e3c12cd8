"""Folds that another process holds, disks that refuse and workers that end: each is said by its own code."""

import json
import os
import platform
import subprocess
import sys

import pytest

from clinfuse.errors import LockedError, StorageError, TrainingError
from clinfuse.evaluation.crossval import cross_validate
from clinfuse.evaluation.running import engine
from clinfuse.evaluation.running.lock import locked
from clinfuse.evaluation.running.tasks import TaskFolder


def test_one_process_at_a_time_works_on_a_fold(cohort, fusion, tmp_path):
    with locked(tmp_path / "folds" / "0-0" / "LOCK"), pytest.raises(LockedError, match="FOLD_LOCKED"):
        cross_validate(fusion, cohort, folds=2, results=tmp_path)
    cross_validate(fusion, cohort, folds=2, results=tmp_path)


def test_a_results_folder_that_cannot_be_made_is_refused(cohort, fusion, tmp_path):
    (tmp_path / "folds").write_text("a file where a folder is to be")
    with pytest.raises(StorageError, match=r"\[LOCK_WRITE\] fold 0-0"):
        cross_validate(fusion, cohort, folds=2, results=tmp_path)


def test_a_task_whose_disk_is_full_leaves_nothing_and_says_so(cohort, fusion, tmp_path):
    def full(folder):
        folder.mkdir()
        raise OSError(28, "No space left on device", "patient 4711")

    predictions = cross_validate(fusion, cohort, folds=2).predictions
    task = TaskFolder(tmp_path / "0-0" / "late", {"seed": 1})
    with pytest.raises(StorageError, match=r"\[TASK_WRITE\] fold 0-0, model late: (?!.*4711)"):
        task.write(predictions, {}, {}, full)
    assert not any(path.is_file() for path in tmp_path.rglob("*"))
    assert task.state() == "absent"


def test_a_file_where_the_folder_of_a_fold_is_to_be_is_said_by_its_code(cohort, fusion, tmp_path):
    predictions = cross_validate(fusion, cohort, folds=2).predictions
    (tmp_path / "0-0").write_text("a file where a folder is to be")
    with pytest.raises(StorageError, match=r"\[TASK_WRITE\] fold 0-0, model late:"):
        TaskFolder(tmp_path / "0-0" / "late", {"seed": 1}).write(predictions, {}, {}, lambda folder: None)
    assert (tmp_path / "0-0").read_text() == "a file where a folder is to be"


@pytest.mark.parametrize("written", [None, "{", b"\xff"])
def test_what_is_said_of_a_task_has_to_be_readable(tmp_path, written):
    task = TaskFolder(tmp_path / "0-0" / "late", {"seed": 1})
    task.folder.mkdir(parents=True)
    if written is not None:
        (task.folder / "task.json").write_bytes(written if isinstance(written, bytes) else written.encode())
    with pytest.raises(StorageError, match=r"\[TASK_READ\].*must hold task\.json"):
        task.about()


def test_a_worker_that_ends_early_is_told_from_a_refusal(monkeypatch):
    # What a system without memory left does to a worker.
    monkeypatch.setattr(engine, "_run_all", os._exit)
    with pytest.raises(TrainingError, match=r"\[WORKERS_LOST\]"):
        list(engine._finished([1, 1], workers=2))


@pytest.mark.parametrize("owner", ["ended", "reused", "unreadable", "elsewhere"])
def test_a_lock_is_taken_over_only_when_its_process_has_surely_ended(tmp_path, owner):
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    said = {"host": platform.node(), "pid": ended.pid, "started": ""}
    if owner == "reused":
        said = {"host": platform.node(), "pid": os.getpid(), "started": "an earlier process of this number"}
    if owner == "elsewhere":
        said["host"] = "another machine"
    file = tmp_path / "0-0" / "LOCK"
    file.parent.mkdir()
    file.write_text("{" if owner == "unreadable" else json.dumps(said))
    if owner in ("unreadable", "elsewhere"):
        with pytest.raises(LockedError, match="FOLD_LOCKED"), locked(file):
            pass
        assert file.exists()
        return
    with locked(file):
        assert json.loads(file.read_text())["pid"] == os.getpid()
    assert not file.exists()
