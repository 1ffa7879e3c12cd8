from __future__ import annotations

from pathlib import Path

import pytest

from clinfuse.errors import ConfigError, StorageError
from clinfuse.study.config import parse_study
from clinfuse.study.folder import RunFolder, describe, differences, settle, write_whole


def study(tmp_path: Path, **values: object):
    given = {"cohort": str(tmp_path / "cohort"), "results": "r", "models": {"late": {"fusion": "late"}}, **values}
    return parse_study(given)


def test_a_run_is_described_the_same_wherever_it_lies(tmp_path: Path) -> None:
    first = describe(study(tmp_path / "a"), RunFolder(tmp_path / "a" / "run"), "f00d")
    second = describe(study(tmp_path / "b"), RunFolder(tmp_path / "b" / "run"), "f00d")
    assert first == second
    assert str(tmp_path) not in str(first)


def test_a_change_that_costs_finished_work_needs_agreement_and_is_named(tmp_path: Path) -> None:
    run = RunFolder(tmp_path / "run")
    settle(run, describe(study(tmp_path), run, "f00d"), touched=0, agreed=False)
    before = run.description.read_bytes()
    settle(run, describe(study(tmp_path), run, "f00d"), touched=0, agreed=False)
    changed = describe(study(tmp_path, training={"epochs": 3}), run, "beef")
    with pytest.raises(ConfigError, match=r"changes in training\.epochs, the data; 7 finished tasks"):
        settle(run, changed, touched=7, agreed=False)
    assert run.description.read_bytes() == before
    settle(run, changed, touched=7, agreed=True)
    assert run.read()["hashes"]["data"] == "beef"


def test_what_is_changed_after_results_were_there_is_kept_for_good(tmp_path: Path) -> None:
    run = RunFolder(tmp_path / "run")
    first, epochs = study(tmp_path), study(tmp_path, training={"epochs": 3})
    titled = study(tmp_path, training={"epochs": 3}, report={"title": "Another"})
    assert settle(run, describe(first, run, "f00d"), touched=0, agreed=False) == ()
    assert settle(run, describe(epochs, run, "f00d"), touched=0, agreed=False, finished=0) == ()
    assert settle(run, describe(first, run, "f00d"), touched=4, agreed=True, finished=4) == ("training.epochs",)
    assert settle(run, describe(titled, run, "beef"), touched=4, agreed=True, finished=4) == ("data", "training.epochs")
    assert settle(run, describe(titled, run, "beef"), touched=0, agreed=False, finished=4) == (
        "data",
        "training.epochs",
    )
    assert run.read()["changed_after"] == ["data", "training.epochs"]


def test_a_change_is_told_in_the_words_of_the_user(tmp_path: Path) -> None:
    run = RunFolder(tmp_path / "run")
    described = describe(study(tmp_path), run, "f00d")
    settle(run, described, touched=0, agreed=False)
    newer = {**described, "versions": {**described["versions"], "torch": "9"}}
    newer["hashes"] = {**described["hashes"], "code": "0"}
    with pytest.raises(ConfigError, match="changes in the code of clinfuse, the version of torch; 0 finished"):
        settle(run, newer, touched=0, agreed=False)


def test_a_further_model_costs_nothing_and_asks_nothing(tmp_path: Path) -> None:
    run = RunFolder(tmp_path / "run")
    settle(run, describe(study(tmp_path), run, "f00d"), touched=0, agreed=False)
    models = {"late": {"fusion": "late"}, "joint": {"fusion": "joint"}}
    settle(run, describe(study(tmp_path, models=models), run, "f00d"), touched=0, agreed=False)
    assert set(run.read()["config"]["models"]) == {"late", "joint"}


def test_a_run_gives_back_its_study(tmp_path: Path) -> None:
    run = RunFolder(tmp_path / "run")
    settle(run, describe(study(tmp_path, seed=5), run, "f00d"), touched=0, agreed=False)
    again = run.study()
    assert again.seed == 5
    assert Path(again.cohort) == tmp_path / "cohort"


def test_what_differs_is_named_without_its_value() -> None:
    assert differences({"a": {"b": 1, "c": 2}}, {"a": {"b": 1, "c": 3}, "d": 4}) == ("a.c", "d")
    assert differences({"a": 1}, {"a": 1}) == ()


def test_a_folder_without_a_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="RUN_ABSENT"):
        RunFolder(tmp_path).read()
    write_whole(tmp_path / "run.json", b'{"format": 99}')
    with pytest.raises(StorageError, match="RUN_FORMAT"):
        RunFolder(tmp_path).read()


def test_a_file_is_written_whole_or_not_at_all(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("a file where a folder is needed", encoding="utf-8")
    with pytest.raises(StorageError, match="RUN_WRITE"):
        write_whole(tmp_path / "taken" / "x.json", b"1")
    write_whole(tmp_path / "x.json", b"1")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["taken", "x.json"]


def test_the_journal_is_the_only_place_of_times(tmp_path: Path) -> None:
    run = RunFolder(tmp_path / "run")
    run.note("started", workers=2)
    (line,) = [file.read_text(encoding="utf-8") for file in run.journal.glob("*.jsonl")]
    assert '"event": "started"' in line
    assert [path.name for path in run.path.iterdir()] == ["journal"]
