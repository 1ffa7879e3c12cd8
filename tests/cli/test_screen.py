from __future__ import annotations

import io
import json

import pytest

from clinfuse.cli.screen import Screen, ask
from clinfuse.cli.summary import duration, model_lines, plain


def test_text_or_json_or_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    Screen().show("text\n", {"a": 1})
    assert capsys.readouterr().out == "text\n"
    Screen(as_json=True).show("text", {"a": 1})
    assert json.loads(capsys.readouterr().out) == {"a": 1}
    Screen(quiet=True).show("text", {"a": 1})
    Screen(quiet=True).note("note")
    said = capsys.readouterr()
    assert said.out + said.err == ""


def test_progress_never_touches_standard_output(capsys: pytest.CaptureFixture[str]) -> None:
    with Screen().progress("training") as advance:
        advance(1, 2)
    with Screen(quiet=True).progress("training") as advance:
        advance(1, 2)
    assert capsys.readouterr().out == ""


def test_a_question_is_answered_by_yes_or_a_person_and_else_with_no(monkeypatch: pytest.MonkeyPatch) -> None:
    class Person(io.StringIO):
        def isatty(self) -> bool:
            return True

    assert ask("Start it?", yes=True)
    monkeypatch.setattr("sys.stdin", io.StringIO("y\n"))
    assert not ask("Start it?", yes=False)
    monkeypatch.setattr("sys.stdin", Person("y\n"))
    assert ask("Start it?", yes=False)
    monkeypatch.setattr("sys.stdin", Person("\n"))
    assert not ask("Start it?", yes=False)


def test_models_are_shown_in_ascii_within_100_columns() -> None:
    area = {
        "model": "a model with a very long name",
        "taxonomy": "hybrid (joint + late)",
        "metric": "auroc",
        "value": 0.8512,
        "low": 0.79,
        "high": 0.9123,
        "records": 240,
        "events": 84,
        "ceiling": 0.89,
        "oracle": 0.88,
    }
    lines = model_lines([area, {**area, "metric": "brier", "value": 0.14649}])
    assert all(line.isascii() and len(line) <= 100 for line in lines)
    assert lines[1].split()[-8:] == ["84", "0.85", "(0.79", "to", "0.91)", "0.89", "0.88", "0.146"]
    without = model_lines([{**area, "ceiling": None, "oracle": None}])
    assert "BEST POSSIBLE" not in without[0]


def test_durations_and_signs() -> None:
    assert duration(59.6) == "1 min 0 s"
    assert plain("−0.05 µV — “x”").isascii()
