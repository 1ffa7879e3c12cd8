"""The page on adding an operator, followed to the letter; and the table of those there are."""

from __future__ import annotations

import importlib.util
import re
from itertools import product
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch

from clinfuse.fusion import choice, operators
from clinfuse.fusion.choice import build_operator, operator_class, operator_names

ROOT = Path(__file__).parent.parent.parent
PAGE = (ROOT / "docs" / "how-to" / "add-an-operator.md").read_text(encoding="utf-8")
THE_FILE, THE_SCRIPT = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
TABLE = (ROOT / "docs" / "operators.md").read_text(encoding="utf-8")


@pytest.fixture(autouse=True)
def _restored(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(choice, "_OPERATORS", dict(choice._OPERATORS))


def module(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    made = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(made)
    return made


@pytest.fixture
def pairs(tmp_path: Path) -> type[Any]:
    file = tmp_path / "pairs.py"
    file.write_text(THE_FILE, encoding="utf-8")
    return module(file).PairsFusion


def laws() -> list[Any]:
    """Every law that is about one operator, with every case of it."""
    found = module(ROOT / "tests" / "contracts" / "test_operator_laws.py")
    cases = []
    for name, law in vars(found).items():
        marks = {mark.args[0]: mark.args[1] for mark in getattr(law, "pytestmark", []) if mark.name == "parametrize"}
        if name.startswith("test_") and tuple(marks.pop("name", ())) == operator_names():
            cases += [
                pytest.param(law, dict(zip(marks, values, strict=True)), id=name) for values in product(*marks.values())
            ]
    return cases


def test_the_script_of_the_page_trains_and_predicts(pairs: type[Any], capsys: pytest.CaptureFixture[str]) -> None:
    names: dict[str, Any] = {"PairsFusion": pairs}
    exec(compile(THE_SCRIPT, "add-an-operator.md", "exec"), names)
    assert isinstance(names["model"].network_.operator, pairs)
    chances = np.array(re.findall(r"[01]\.\d*", capsys.readouterr().out), dtype=float).reshape(3, 2)
    np.testing.assert_allclose(chances.sum(1), 1, atol=1e-6)


@pytest.mark.parametrize(("law", "case"), laws())
def test_the_operator_of_the_page_obeys_the_laws(law: Any, case: dict[str, Any], pairs: type[Any]) -> None:
    choice.register_operator("pairs", pairs)
    law(name="pairs", **case)


def test_a_file_in_the_folder_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "pairs.py").write_text(THE_FILE, encoding="utf-8")
    monkeypatch.setattr(operators, "__path__", [*operators.__path__, str(tmp_path)])
    found = {kind.name for kind in choice._own()}
    assert found == {*operator_names(), "pairs"}


def test_it_computes_what_the_page_says(pairs: type[Any]) -> None:
    fuse = pairs((4, 3, 2), features=5)
    z = [torch.randn(1, width) for width in (4, 3, 2)]
    a, b, c = (project(part) for project, part in zip(fuse.project, z, strict=True))
    everything = fuse(z, torch.tensor([[True, True, True]]))
    torch.testing.assert_close(everything, a + b + c + a * b + a * c + b * c)
    torch.testing.assert_close(fuse(z, torch.tensor([[True, False, True]])), a + c + a * c)


def test_the_table_lists_every_operator_with_its_parameters() -> None:
    rows = re.findall(r"^\| `([a-z-]+)` \| .+? \| (vectors|tokens) \| .+ \| ([\d,]+) \|$", TABLE, re.MULTILINE)
    made = {name: build_operator(name, (32, 32, 16), features=32, seed=0) for name in operator_names()}
    counted = {name: sum(p.numel() for p in fuse.parameters()) for name, fuse in made.items()}
    assert {name: int(count.replace(",", "")) for name, _, count in rows} == counted
    assert {name: needs for name, needs, _ in rows} == {name: operator_class(name).needs for name in made}


def test_the_command_of_the_page_names_files_that_are_there() -> None:
    files = re.findall(r"tests/\S+\.py", PAGE)
    assert len(files) == 2
    assert np.all([(ROOT / file).exists() for file in files])
