"""The page on external validation, followed line by line."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

PAGE = (Path(__file__).parents[2] / "docs" / "how-to" / "external-validation.md").read_text(encoding="utf-8")


def test_the_page_can_be_followed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {}
    for block in re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL):
        exec(block, names)
    said = capsys.readouterr().out
    found = names["found"]
    assert found.compared
    assert found.shared == 0
    near, far = found.estimates["internal"], found.estimates["external"]
    assert far["auroc"].low < near["auroc"].value
    assert far["observed_expected"].high < near["observed_expected"].low
    assert abs(found.estimates["external, intercept refitted"]["observed_expected"].value - 1) < 0.05
    assert found.recalibrations[0].intercept < 0
    assert "external, intercept and slope refitted" in said
    assert (tmp_path / "model" / "model.json").exists()
