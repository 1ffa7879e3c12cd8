from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from clinfuse.cli.main import main

Said = pytest.CaptureFixture[str]


@pytest.fixture
def export(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "export"
    folder.mkdir()
    rows = "\n".join(f"{k:05d};{40 + k % 30},{k % 10};{'ja' if k % 3 else 'nein'}" for k in range(40))
    (folder / "visits.csv").write_text(f"PATNR;AGE;FINDING\n{rows}\n", encoding="utf-8")
    labs = "\n".join(f"{k};{1.5 * k:.1f}" for k in range(40))
    (folder / "labs.csv").write_text(f"PID;CRP\n{labs}\n", encoding="utf-8")
    return folder


def test_a_scan_shows_what_is_there_and_writes_a_draft(export: Path, capsys: Said) -> None:
    assert main(["scan", str(export)]) == 0
    text = capsys.readouterr().out
    assert "40 with leading zeros: width = 5" in text
    assert all(len(line) <= 100 and line.isascii() for line in text.splitlines())
    assert "00012" not in text
    draft = (export / "cohort.draft.toml").read_text(encoding="utf-8")
    assert '#table = "visits.csv"' in draft
    assert "00012" not in draft


def test_a_scan_as_json_names_the_draft(export: Path, tmp_path: Path, capsys: Said) -> None:
    assert main(["scan", str(export), "--json", "--quiet", "--out", str(tmp_path / "d.toml")]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert [table["file"] for table in facts["tables"]] == ["labs.csv", "visits.csv"]
    assert facts["draft"] == str(tmp_path / "d.toml")
    assert Path(facts["draft"]).is_file()
    assert not (export / "cohort.draft.toml").exists()


def test_an_earlier_draft_is_never_written_over(export: Path, capsys: Said) -> None:
    (export / "cohort.draft.toml").write_text("# mine\n", encoding="utf-8")
    assert main(["scan", str(export)]) == 3
    assert "DRAFT_EXISTS" in capsys.readouterr().err
    assert (export / "cohort.draft.toml").read_text(encoding="utf-8") == "# mine\n"


def test_a_draft_that_cannot_be_written_is_said_before_anything_is_read(
    export: Path, monkeypatch: pytest.MonkeyPatch, capsys: Said
) -> None:
    # Rights of a folder do not bind an administrator, who may run the tests.
    monkeypatch.setattr("os.access", lambda place, mode: mode != os.W_OK or Path(place) != export)
    assert main(["scan", str(export)]) == 3
    assert "DRAFT_WRITE" in capsys.readouterr().err
    assert not (export / "cohort.draft.toml").exists()


def test_files_that_cannot_be_read_are_counted_and_give_exit_code_1(export: Path, capsys: Said) -> None:
    (export / "broken.csv").write_text("a;b\n1;2;3\n", encoding="utf-8")
    assert main(["scan", str(export)]) == 1
    assert "EHR_RAGGED 1" in capsys.readouterr().out


def test_a_folder_that_is_not_there_is_an_input_error(tmp_path: Path, capsys: Said) -> None:
    assert main(["scan", str(tmp_path / "nowhere")]) == 2
    assert "SURVEY_FOLDER" in capsys.readouterr().err
