"""Every example in a docstring runs and prints what it says."""

from __future__ import annotations

import doctest
import importlib
from pathlib import Path

import pytest

from clinfuse.encoders import choice

PACKAGE = Path(__file__).parent.parent / "clinfuse"


def modules() -> list[str]:
    """Names of the modules that hold an example."""
    files = [path for path in sorted(PACKAGE.rglob("*.py")) if ">>> " in path.read_text(encoding="utf-8")]
    return [".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts) for path in files]


@pytest.mark.parametrize("module", modules())
def test_examples_print_what_they_say(module: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    # Examples register parts; other tests count the ones there are.
    monkeypatch.setattr(choice, "_ENCODERS", dict(choice._ENCODERS))
    failed, tried = doctest.testmod(importlib.import_module(module), optionflags=doctest.NORMALIZE_WHITESPACE)
    assert failed == 0
    assert tried > 0
