from __future__ import annotations

import json
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest

from clinfuse.cli.main import INTERRUPTED, TERMINATED, UNEXPECTED, main
from clinfuse.errors import ClinfuseError, ConfigError, DataError, LockedError, StorageError, TrainingError

COMMANDS = ("demo", "scan", "check", "run", "slurm", "fold", "report", "explain", "robustness", "who")
HEAVY = ("torch", "monai", "mne", "sklearn", "pandas", "matplotlib", "numpy", "scipy", "pydantic")
OWN_HEAVY = tuple(name for name in HEAVY if name != "pydantic")  # typer imports that one as soon as it reads arguments


def raise_in_who(monkeypatch: pytest.MonkeyPatch, error: BaseException) -> None:
    def fail(*args: object, **keywords: object) -> None:
        raise error

    monkeypatch.setattr("clinfuse.cli.person.run_who", fail)


def seconds(*arguments: str) -> float:
    start = time.perf_counter()
    subprocess.run([sys.executable, *arguments], capture_output=True, check=True)
    return time.perf_counter() - start


def test_help_lists_every_command_and_says_what_it_is_not(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0
    text = capsys.readouterr().out
    assert tuple(re.findall(r"^  (\w+)  ", text, re.MULTILINE)) == COMMANDS
    assert "Research use only. Not a medical device." in text
    assert max(len(line) for line in text.splitlines()) <= 100


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_can_be_quiet_and_speak_json(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([command, "--help"]) == 0
    text = capsys.readouterr().out
    assert "--quiet" in text
    assert "--json" in text


def test_help_imports_nothing_heavy() -> None:
    code = (
        "import sys; from clinfuse.cli.main import main; main(['--help']);"
        f"print([name for name in {HEAVY!r} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


def test_who_reads_the_private_list_and_imports_nothing_heavy(tmp_path: Path) -> None:
    (tmp_path / "private").mkdir()
    line = "R-ABCDEFGHIJ,MUSTER-1,V1,"
    (tmp_path / "private" / "keys.csv").write_text(f"key,patient,record,files\n{line}\n", encoding="utf-8")
    code = (
        "import sys; from clinfuse.cli.main import main;"
        f"assert main(['who', 'R-ABCDEFGHIJ', '--cohort', {str(tmp_path)!r}]) == 0;"
        f"print([name for name in {OWN_HEAVY!r} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "MUSTER-1" in done.stdout
    assert done.stdout.splitlines()[-1] == "[]"


def test_help_costs_little_more_than_its_framework() -> None:
    pairs = [(seconds("-m", "clinfuse", "--help"), seconds("-c", "import typer")) for _ in range(5)]
    ratios = sorted(ours / theirs for ours, theirs in pairs)
    assert ratios[0] <= 4


def test_an_unknown_command_is_an_input_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["runn"]) == 2
    assert "Did you mean 'run'" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("kind", "code"),
    [(DataError, 2), (ConfigError, 2), (StorageError, 3), (LockedError, 4), (TrainingError, 5)],
)
def test_a_refusal_is_one_clean_block_and_an_exit_code(
    kind: type[ClinfuseError], code: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    error = kind("SOME_CODE", place="labs, column CRP", rule="a rule", found="something", remedy="Do this.")
    raise_in_who(monkeypatch, error)
    assert main(["who", "R-A"]) == code
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.splitlines() == [
        "",
        "error     SOME_CODE",
        "place     labs, column CRP",
        "rule      a rule",
        "found     something",
        "remedy    Do this.",
    ]


def test_a_refusal_speaks_json_when_asked(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    error = DataError("SOME_CODE", place="labs", rule="a rule", found="something", remedy="Do this.")
    raise_in_who(monkeypatch, error)
    assert main(["who", "R-A", "--json"]) == 2
    said = json.loads(capsys.readouterr().out)
    assert said["error"] == {
        "code": "SOME_CODE",
        "place": "labs",
        "rule": "a rule",
        "found": "something",
        "remedy": "Do this.",
    }


def test_a_fault_tells_its_kind_and_place_and_nothing_of_its_text(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    raise_in_who(monkeypatch, KeyError("Mustermann, Erika 1970-01-01"))
    assert main(["who", "R-A", "--json"]) == UNEXPECTED
    said = capsys.readouterr()
    assert "Mustermann" not in said.out + said.err
    assert "Traceback" not in said.err
    error = json.loads(said.out)["error"]
    assert (error["code"], error["kind"]) == ("FAULT", "KeyError")
    assert "error     FAULT\n" in said.err
    assert "clinfuse/cli/" in said.err


@pytest.mark.parametrize(
    ("ending", "code"),
    [(KeyboardInterrupt(), INTERRUPTED), (SystemExit(TERMINATED), TERMINATED), (SystemExit(None), 0)],
)
def test_signals_end_with_their_exit_code(ending: BaseException, code: int, monkeypatch: pytest.MonkeyPatch) -> None:
    raise_in_who(monkeypatch, ending)
    assert main(["who", "R-A"]) == code


def test_who_interrupts_is_told_that_nothing_is_lost(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    raise_in_who(monkeypatch, KeyboardInterrupt())
    main(["who", "R-A"])
    assert "the same command goes on where it was" in capsys.readouterr().err


def test_termination_is_an_exception_that_cleans_up(tmp_path: Path) -> None:
    code = f"""
import sys, time
import clinfuse.cli.person as person
from pathlib import Path
def wait(*args, **keywords):
    try:
        print("ready", flush=True)
        time.sleep(60)
    finally:
        Path({str(tmp_path)!r}, "cleaned").touch()
person.run_who = wait
from clinfuse.cli.main import main
sys.exit(main(["who", "R-A"]))
"""
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        process.terminate()
        assert process.wait(timeout=30) == TERMINATED
    assert (tmp_path / "cleaned").exists()
