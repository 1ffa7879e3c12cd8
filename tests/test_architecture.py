"""The house rules that no linter of the day knows."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "clinfuse"
SOURCES = sorted(PACKAGE.rglob("*.py"))
ALL = sorted(
    [*SOURCES, *(ROOT / "tests").rglob("*.py"), *(ROOT / "pipelines").glob("*.py"), *(ROOT / "benchmarks").glob("*.py")]
)
FORBIDDEN_MODULES = {
    "pickle",
    "cPickle",
    "dill",
    "cloudpickle",
    "shelve",
    "marshal",
    "socket",
    "http",
    "urllib",
    "requests",
}
FORBIDDEN_CALLS = {"eval", "exec", "compile", "__import__"}
NOT_AT_IMPORT = {"fcntl", "resource", "msvcrt", "pwd", "grp"}
FUNCTION_LINES = 60


def name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def dotted(node: ast.expr) -> str:
    if isinstance(node, ast.Attribute):
        return f"{dotted(node.value)}.{node.attr}"
    return node.id if isinstance(node, ast.Name) else ""


def calls(path: Path) -> Iterator[ast.Call]:
    return (node for node in ast.walk(tree(path)) if isinstance(node, ast.Call))


def imported(node: ast.AST) -> list[str]:
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom) and node.level == 0:
        return [str(node.module)]
    return []


def functions(path: Path) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    return (node for node in ast.walk(tree(path)) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))


def code_lines(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Lines of a function without its docstring."""
    first = function.body[0]
    told = ast.get_docstring(function, clean=False) is not None
    docstring = first.end_lineno - first.lineno + 1 if told and first.end_lineno else 0
    return (function.end_lineno or function.lineno) - function.lineno + 1 - docstring


@pytest.mark.parametrize("path", ALL, ids=name)
def test_a_file_has_at_most_400_lines(path: Path) -> None:
    assert len(path.read_text(encoding="utf-8").splitlines()) <= 400


@pytest.mark.parametrize("path", SOURCES, ids=name)
def test_functions_are_short(path: Path) -> None:
    long = [f.name for f in functions(path) if code_lines(f) >= FUNCTION_LINES]
    assert long == []


@pytest.mark.parametrize("path", SOURCES, ids=name)
def test_nothing_that_runs_code_from_data_or_asserts(path: Path) -> None:
    found = [dotted(call.func) for call in calls(path)]
    assert [call for call in found if call in FORBIDDEN_CALLS or call.endswith("torch.load")] == []
    modules = {module.split(".")[0] for node in ast.walk(tree(path)) for module in imported(node)}
    assert modules & FORBIDDEN_MODULES == set()
    assert not any(isinstance(node, ast.Assert) for node in ast.walk(tree(path)))


@pytest.mark.parametrize("path", SOURCES, ids=name)
def test_squeeze_names_its_axis(path: Path) -> None:
    bare = [
        call.lineno
        for call in calls(path)
        if isinstance(call.func, ast.Attribute)
        and call.func.attr in ("squeeze", "squeeze_")
        and len(call.args) - (dotted(call.func.value) in ("np", "torch")) < 1
        and not call.keywords
    ]
    assert bare == []


@pytest.mark.parametrize("path", SOURCES, ids=name)
def test_rooms_do_not_import_the_package_root_nor_one_platform(path: Path) -> None:
    nodes = list(ast.walk(tree(path)))
    assert [node.lineno for node in nodes if isinstance(node, ast.stmt) and "clinfuse" in imported(node)] == []
    top = {module for node in tree(path).body for module in imported(node)}
    assert top & NOT_AT_IMPORT == set()


@pytest.mark.parametrize("path", SOURCES, ids=name)
def test_draws_never_come_from_a_global_generator(path: Path) -> None:
    allowed = {"np.random.default_rng", "np.random.Generator", "np.random.SeedSequence", "np.random.PCG64"}
    drawn = [dotted(call.func) for call in calls(path) if dotted(call.func).startswith(("np.random.", "numpy.random."))]
    assert set(drawn) <= allowed
    assert "random" not in {module for node in ast.walk(tree(path)) for module in imported(node)}


def test_there_is_no_room_for_leftovers() -> None:
    names = {part for path in SOURCES for part in (*path.parent.parts, path.stem)}
    assert names & {"utils", "util", "helpers", "helper", "common", "misc"} == set()


def test_no_text_speaks_of_unfinished_work() -> None:
    words = re.compile(r"\b(TODO|FIXME|HACK|XXX)\b|raise NotImplementedError")
    texts = [*SOURCES, *(ROOT / "docs").glob("*.md"), ROOT / "README.md", ROOT / "CONTRIBUTING.md"]
    assert [name(path) for path in texts if words.search(path.read_text(encoding="utf-8"))] == []


def test_the_rooms_stand_in_a_row() -> None:
    tool = Path(sys.executable).parent / "lint-imports"
    done = subprocess.run(
        [str(tool), "--no-cache"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "COLUMNS": "120"},
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_one_version_everywhere() -> None:
    import clinfuse

    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    version = project["version"]
    citation = (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert clinfuse.__version__ == version
    assert f"\nversion: {version}\n" in citation
    assert f"Version {version}," in readme
    assert f"## [{version}]" in changelog
    assert f"license: {project['license']}" in citation
    assert f"{project['license']}." in readme


def test_the_public_names_are_the_documented_ones() -> None:
    import clinfuse as cf

    text = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    section = text.split("## Public names")[1].split("\n## ")[0]
    documented = set(re.findall(r"`([A-Za-z_]+)`", section))
    assert documented == set(cf.__all__) - {"__version__"}


@pytest.mark.slow
def test_every_public_name_is_there() -> None:
    import clinfuse as cf

    missing = [public for public in cf.__all__ if not hasattr(cf, public)]
    assert missing == []
    assert all(getattr(cf, public).__doc__ for public in cf.__all__ if public != "__version__")


def test_an_unknown_public_name_is_an_attribute_error() -> None:
    import clinfuse as cf

    with pytest.raises(AttributeError, match="no attribute 'Fusion'"):
        _ = cf.Fusion


def test_import_costs_nothing_heavy() -> None:
    heavy = "torch monai mne sklearn pandas matplotlib numpy"
    code = f"import clinfuse, sys; print([m for m in '{heavy}'.split() if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
