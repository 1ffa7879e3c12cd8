from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")


def first_program() -> str:
    return re.findall(r"```python\n(.*?)```", README, re.DOTALL)[0]


def test_the_first_program_stands_within_the_first_forty_lines() -> None:
    start = README.index("```python")
    end = README.index("```", start + 3)
    assert README[: end + 3].count("\n") < 40


def test_what_it_is_not_follows_the_two_commands() -> None:
    words = ["```python", "make demo", "make test", "Research use only. Not a medical device.", "pip install"]
    places = [README.index(word) for word in words]
    assert places == sorted(places)
    assert README.splitlines()[2].startswith("Does combining imaging, EEG and health records diagnose better")


def test_every_command_of_the_readme_exists() -> None:
    from clinfuse.cli.app import app

    known = {command.callback.__name__ for command in app.registered_commands if command.callback is not None}
    named = set(re.findall(r"^clinfuse (\w+)", README, re.MULTILINE))
    assert named <= known
    targets = set(re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    assert set(re.findall(r"^make (\S+)", README, re.MULTILINE)) <= targets


def test_every_link_of_the_readme_leads_somewhere() -> None:
    links = [link for link in re.findall(r"\]\(([^)]+)\)", README) if "://" not in link]
    assert links
    assert [link for link in links if not (ROOT / link).exists()] == []


def test_the_cohort_file_of_the_readme_is_one() -> None:
    import tomllib

    from clinfuse.cohort.contract import parse_contract

    contract = parse_contract(tomllib.loads(re.findall(r"```toml\n(.*?)```", README, re.DOTALL)[0]))
    assert list(contract.modalities) == ["eeg", "labs"]


def test_the_number_of_bad_inputs_is_the_one_that_is_tried() -> None:
    from tests.faults.tally import all_faults

    faults = all_faults()
    kinds, files = re.findall(r"([\d,]+) kinds of it, ([\d,]+) files, are tried", README)[0]
    assert int(kinds.replace(",", "")) == len(faults)
    assert int(files.replace(",", "")) == sum(fault.variants for fault in faults)


@pytest.mark.slow
def test_the_first_program_runs_as_it_stands(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The same lines on a smaller cohort of the same kind, with shorter trainings."""
    import clinfuse as cf

    monkeypatch.chdir(tmp_path)
    program = first_program().replace('make_cohort("demo", records=240', 'make_cohort("small", records=40')
    for name in ("EarlyFusion", "JointFusion", "LateFusion"):
        program = program.replace(f"cf.{name}()", f"cf.{name}(options=cf.TrainingOptions(epochs=1))")
    program = program.replace("folds=5", "folds=2")
    names: dict[str, object] = {}
    exec(compile(program, "README.md", "exec"), names)
    said = capsys.readouterr().out
    assert "AUROC (95 % CI)" in said
    assert (tmp_path / "report.html").stat().st_size > 10_000
    assert (tmp_path / "R0007.html").stat().st_size > 10_000
    assert isinstance(names["cohort"], cf.Cohort)
