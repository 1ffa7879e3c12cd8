"""The command that explains records takes one way of naming them."""

from __future__ import annotations

from pathlib import Path

import pytest

from clinfuse.cli.explain import Asked
from clinfuse.errors import ConfigError


@pytest.mark.parametrize(
    "asked",
    [
        {"records": ("V1",), "pick": "tp=1"},
        {"file": Path("a"), "pick": "tp=1"},
        {"records": ("V1",), "file": Path("a")},
    ],
)
def test_records_are_named_in_one_way(asked: dict[str, object]) -> None:
    with pytest.raises(ConfigError, match="EXPLAIN_CHOICE"):
        Asked(**asked)
