"""Every command that a text of the project tells somebody to type can be typed."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from clinfuse.cli.app import app

ROOT = Path(__file__).parents[2]
COMMANDS = {command.callback.__name__ for command in app.registered_commands if command.callback is not None}
NAMED = re.compile(r"(?<![\w./-])(?<!import )clinfuse ([a-z]+)")
MAKER = {"synthetic"}  # "clinfuse synthetic" stands in the headers of synthetic files
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md"), *(ROOT / "configs").glob("*.toml")])
SOURCES = sorted([*(ROOT / "clinfuse").rglob("*.py"), *(ROOT / "pipelines").glob("*.py")])


def said(file: Path) -> Iterator[str]:
    """Every text of a module, pieces of f-strings included, but for docstrings: those are prose."""
    prose: set[int] = set()
    for node in ast.walk(tree := ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef) and node.body[:1]:
            prose.add(id(getattr(node.body[0], "value", None)))
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in prose:
            yield node.value


def typed(page: str) -> Iterator[str]:
    """What a page sets as code."""
    yield from re.findall(r"```.*?```|`[^`]+`", page, re.DOTALL)


@pytest.mark.parametrize("file", SOURCES, ids=lambda file: file.relative_to(ROOT).as_posix())
def test_a_text_of_the_library_names_commands_there_are(file: Path) -> None:
    assert {word for text in said(file) for word in NAMED.findall(text)} <= COMMANDS | MAKER


@pytest.mark.parametrize("file", PAGES, ids=lambda file: file.relative_to(ROOT).as_posix())
def test_a_page_or_study_names_commands_there_are(file: Path) -> None:
    text = file.read_text(encoding="utf-8")
    texts = typed(text) if file.suffix == ".md" else re.findall("#.*", text)
    assert {word for one in texts for word in NAMED.findall(one)} <= COMMANDS


def test_a_command_that_is_not_there_would_be_found() -> None:
    assert set(NAMED.findall("first `clinfuse look FOLDER`, then clinfuse run")) - COMMANDS == {"look"}
